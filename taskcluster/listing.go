package taskcluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// paged is the part of a page that leads to the next page; an empty token ends the listing.
type paged struct {
	Token string `json:"continuationToken" min:"1"`
}

// lister reads what a service lists: pages of type P, each with a list of elements of type E
// in the member of that name.
type lister[P, E any] struct {
	*contract.Endpoint[P]
	member string
	token  func(*P) string
	check  func(contract.Asked) func(*E) error
}

// listed makes a lister. parts takes a page apart into its elements and its token. check is
// called at the beginning of each page with the request, and returns a function that checks
// one element; it may remember the elements of that page, to find one that comes twice.
func listed[P, E any](
	e contract.Endpoint[P], member string, parts func(*P) ([]E, string), check func(contract.Asked) func(*E) error,
) *lister[P, E] {
	top := e.Same
	e.Same = func(asked contract.Asked, p *P) error {
		if top != nil {
			if err := top(asked, p); err != nil {
				return err
			}
		}
		list, _ := parts(p)
		each := check(asked)
		for i := range list {
			err := each(&list[i])
			var known *contract.Error
			if errors.As(err, &known) {
				known.Path = fmt.Sprintf("%s[%d].%s", member, i, known.Path)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	token := func(p *P) string { _, token := parts(p); return token }
	return &lister[P, E]{contract.New(e), member, token, check}
}

// page reads one page as a stream, one element at a time. When the connection breaks it reads
// the page again from the start, which is why it returns the elements only once it has all.
func (l *lister[P, E]) page(ctx context.Context, c *Client, r rest.Call) (list []*E, token string, err error) {
	asked := l.Asked(r.URL, r.Body)
	err = c.rest.Stream(ctx, r, func(body io.Reader) error {
		list = nil
		check := l.check(asked)
		p, err := l.Read(asked, body, contract.Elements(l.member, func(_ string, v *E) error {
			list = append(list, v)
			return check(v)
		}))
		if err == nil {
			token = l.token(p)
		}
		return err
	})
	return list, token, err
}

// all reads a listing page by page. An error ends the sequence.
func (l *lister[P, E]) all(ctx context.Context, c *Client, op, key, base string) iter.Seq2[*E, error] {
	return func(yield func(*E, error) bool) {
		var list []*E
		read := func(url string) (token string, err error) {
			r := c.request("", url)
			r.Timeout, r.MaxBody = streamTime, streamBytes
			list, token, err = l.page(ctx, c, r)
			return token, wrap(op, key, err)
		}
		for _, err := range pages(base, read) {
			if err != nil {
				yield(nil, err)
				return
			}
			for _, v := range list {
				if !yield(v, nil) {
					return
				}
			}
		}
	}
}

// ask sends a POST that reads, such as the statuses of many tasks, and passes each element of
// the answer to take, page by page. Such a POST changes nothing, so it may be tried again.
func (l *lister[P, E]) ask(ctx context.Context, c *Client, op, key, url string, in any, take func(*E)) error {
	read := func(url string) (token string, err error) {
		r, err := c.sending(http.MethodPost, url, in)
		if err != nil {
			return "", job.Wrap(op, key, err)
		}
		r.Idempotent = true
		list, token, err := l.page(ctx, c, r)
		for _, v := range list {
			take(v)
		}
		return token, wrap(op, key, err)
	}
	for _, err := range pages(url, read) {
		if err != nil {
			return err
		}
	}
	return nil
}

// mostPages is how many pages of a listing are read at most. A page has up to 1000 elements;
// the largest known push has 60 pages.
const mostPages = 1000

// pages calls read with the URL of each page of a listing; read returns the token of the next
// page. It yields the number of each page, counted from 0, and any error, which ends the
// sequence.
//
// Two things would make a listing endless, and are job.ErrMalformed. One is a token that
// came before: a service that does not know a token answers with the first page. The other
// is ever new tokens, which mostPages stops.
//
//	read BASE                           token t1
//	read BASE?continuationToken=t1      token t2
//	read BASE?continuationToken=t2      no token: the end, after 3 pages
func pages(base string, read func(url string) (token string, err error)) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		seen := map[string]bool{"": true}
		next := base
		for n := 0; ; n++ {
			token, err := read(next)
			switch {
			case err != nil || token == "":
			case seen[token]:
				err = job.Wrap("taskcluster.pages", "",
					fmt.Errorf("%w: page %d has a continuationToken that an earlier page had", job.ErrMalformed, n+1))
			case n+1 == mostPages:
				err = job.Wrap("taskcluster.pages", "",
					fmt.Errorf("%w: the listing goes on after %d pages", job.ErrMalformed, mostPages))
			}
			if !yield(n, err) || err != nil || token == "" {
				return
			}
			seen[token] = true
			next = base + "?continuationToken=" + url.QueryEscape(token)
		}
	}
}

// oneByOne makes one request for each key, for deployments that cannot answer about several.
// A key that is not found is missing from the result; any other error ends it.
func oneByOne[T any](
	ctx context.Context, keys []string, ask func(context.Context, string) (T, error),
) (map[string]T, error) {
	out := map[string]T{}
	for _, key := range keys {
		v, err := ask(ctx, key)
		if err == nil {
			out[key] = v
		} else if !errors.Is(err, job.ErrNotFound) {
			return out, err
		}
	}
	return out, nil
}

// askedOnce returns a check for the keys of an answer: each must be one of the requested keys,
// and must come once. The answer may leave keys out. When a and b are requested, the answer b, a
// is right, and so is b alone; a, a is not, and c is not.
func askedOnce(path string, asked []string) func(got string) error {
	open := map[string]bool{}
	for _, key := range asked {
		open[key] = true
	}
	return func(got string) error {
		left, known := open[got]
		switch {
		case !known:
			return contract.Differs(path, got, fmt.Sprintf("%d others", len(asked)))
		case !left:
			return contract.Outside(path, "%.80q comes twice", got)
		}
		open[got] = false
		return nil
	}
}

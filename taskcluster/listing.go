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

// paged is the part of a page that leads to the next one.
type paged struct {
	Token string `json:"continuationToken" min:"1"`
}

// lister is how a service lists something: pages P, of which one member is a list
// of E.
type lister[P, E any] struct {
	*contract.Endpoint[P]
	member string
	token  func(*P) string
	check  func(contract.Asked) func(*E) error
}

// listed makes a lister. parts are a page's elements and its token, and check begins
// a page: it says what is wrong with an element of the answer to a request.
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

// page reads a page as it comes, one element at a time. One whose connection breaks
// is read again, so that its elements are given once it is whole.
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

// ask reads what answers a POST, page by page: what is known of some of many
// things. It only reads, and may be repeated.
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

// mostPages is how many pages of a listing are read. A page has up to 1000
// elements, and the largest push that is known has 60 pages.
const mostPages = 1000

// pages calls read for each page of a listing with its URL, and read returns
// the token of the next one. A token that comes again would go on for ever: a
// service that does not know it gives the first page once more. So would tokens
// that are always new.
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
					fmt.Errorf("%w: the continuationToken of page %d came before", job.ErrMalformed, n+1))
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

// oneByOne asks about one key after the other; what is not found is no error, and
// left out.
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

// askedOnce checks that the keys of an answer are some of those that were asked for,
// each once.
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

package taskcluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"

	"github.com/mozci/mozci/job"
)

// listing reads what a service lists in pages, each an object whose member is an
// array of T. What is in a page is given once the page is whole, since one whose
// connection breaks is read again. An error ends the sequence.
func listing[T any](ctx context.Context, c *Client, op, key, base, member string) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		var page []*T
		read := func(url string) (token string, err error) {
			err = c.stream(ctx, op, key, url, func(body io.Reader) (err error) {
				page, token, err = elements[T](body, member)
				return err
			})
			return token, err
		}
		for _, err := range pages(base, read) {
			if err != nil {
				yield(nil, err)
				return
			}
			for _, v := range page {
				if !yield(v, nil) {
					return
				}
			}
		}
	}
}

// pages calls read for each page of a listing with its URL, and read returns
// the token of the next one. A token that comes again would go on for ever: a
// service that does not know it gives the first page once more.
func pages(base string, read func(url string) (token string, err error)) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		seen := map[string]bool{"": true}
		next := base
		for n := 0; ; n++ {
			token, err := read(next)
			if err == nil && token != "" && seen[token] {
				err = job.Wrap("taskcluster.pages", "",
					fmt.Errorf("%w: the continuationToken of page %d came before", job.ErrMalformed, n+1))
			}
			if !yield(n, err) || err != nil || token == "" {
				return
			}
			seen[token] = true
			next = base + "?continuationToken=" + url.QueryEscape(token)
		}
	}
}

// elements reads an object whose member is an array of T, one element at a time,
// and its continuationToken. An object without the member is malformed.
func elements[T any](body io.Reader, member string) (list []*T, token string, err error) {
	found := false
	dec := json.NewDecoder(body)
	err = members(dec, func(name string) error {
		switch name {
		case member:
			found = true
			return array(dec, func() error {
				var v T
				if err := tolerant(dec.Decode, &v); err != nil {
					return err
				}
				list = append(list, &v)
				return nil
			})
		case "continuationToken":
			return dec.Decode(&token)
		}
		return skip(dec)
	})
	if err == nil && !found {
		err = notJSON{fmt.Errorf("no %s in the answer", member)}
	}
	return list, token, err
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

package taskcluster

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/url"

	"github.com/mozci/mozci/job"
)

// pages calls read for each page of a listing with its URL, and read returns
// the token of the next one. A token that comes again would go on for ever: a
// service that does not know it gives the first page once more.
func (c *Client) pages(base string, read func(url string) (token string, err error)) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		seen := map[string]bool{"": true}
		next := base
		for n := 0; ; n++ {
			token, err := read(next)
			if err == nil && token != "" && seen[token] {
				err = job.Wrap("taskcluster.pages", "", fmt.Errorf("%w: the continuationToken of page %d came before", job.ErrMalformed, n+1))
			}
			if !yield(n, err) || err != nil || token == "" {
				return
			}
			seen[token] = true
			next = base + "?continuationToken=" + url.QueryEscape(token)
		}
	}
}

// elements reads an object whose member is an array, one element at a time, and
// returns its continuationToken. An object without the member is malformed.
func elements(body io.Reader, member string, element func(*json.Decoder) error) (token string, err error) {
	found := false
	dec := json.NewDecoder(body)
	err = members(dec, func(name string) error {
		switch name {
		case member:
			found = true
			return array(dec, element)
		case "continuationToken":
			return dec.Decode(&token)
		}
		return skip(dec)
	})
	if err == nil && !found {
		err = notJSON{fmt.Errorf("no %s in the answer", member)}
	}
	return token, err
}

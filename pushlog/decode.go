package pushlog

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	v2 "github.com/go-json-experiment/json"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// answer is a decoded answer of json-pushes.
type answer struct {
	pushes []job.Push         // ascending by id
	last   int64              // the repository's highest push id
	hidden map[int64][]string // by push id: the push's obsolete changesets, which job.Push leaves out
}

// decode reads an answer of version 2. The server sends some of its errors with status
// 200; these become errors here.
func decode(asked contract.Asked, body []byte, repo string, full bool) (answer, error) {
	if full {
		return decodeAs(fullEndpoint, asked, body, repo)
	}
	return decodeAs(pushesEndpoint, asked, body, repo)
}

func decodeAs[C element](
	e *contract.Endpoint[pushesWire[C]], asked contract.Asked, body []byte, repo string,
) (answer, error) {
	w, err := e.Decode(asked, body)
	if err != nil {
		return answer{}, said(body, err)
	}
	a := answer{last: w.Last, hidden: map[int64][]string{}}
	for id, p := range w.Pushes {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return answer{}, err // cannot happen: Prove has parsed it
		}
		a.pushes = append(a.pushes, p.push(repo, n))
		for _, c := range p.Obsolete {
			a.hidden[n] = append(a.hidden[n], c.whole().Node)
		}
	}
	slices.SortFunc(a.pushes, func(x, y job.Push) int { return cmp.Compare(x.ID, y.ID) })
	return a, nil
}

// said is the error for an answer that broke its contract. Where the answer is an error
// that came with status 200, it is the server's own message, such as
// {"error": "unknown revision 'abc'"}.
func said(body []byte, broken error) error {
	var w struct {
		Error string `json:"error"`
	}
	var known *contract.Error
	if v2.Unmarshal(body, &w) == nil && w.Error != "" && errors.As(broken, &known) {
		return fmt.Errorf("%w: %s: the server says: %s", job.ErrInvalid, known.Source, w.Error)
	}
	return broken
}

func (w *pushWire[C]) push(repo string, id int64) job.Push {
	p := job.Push{Repo: repo, ID: id, User: w.User, Time: time.Unix(w.Date, 0).UTC()}
	for i, c := range w.Changesets {
		c, git := c.whole(), w.git(i)
		p.Changesets = append(p.Changesets, job.Changeset{
			Node: c.Node, Git: git, Author: c.Author, Description: c.Desc, Parents: parents(c.Parents),
		})
		p.Revision, p.Git = c.Node, git // the tip is last
	}
	return p
}

// parents drops the null id, 40 zeros, by which json-pushes says that there is no parent.
func parents(nodes []string) []string {
	return slices.DeleteFunc(nodes, func(n string) bool { return strings.Trim(n, "0") == "" })
}

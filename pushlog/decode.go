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

// answer is what json-pushes says, decoded.
type answer struct {
	pushes []job.Push         // ascending by id
	last   int64              // the repository's highest push id
	hidden map[int64][]string // changesets of a push that are obsolete
}

// decode reads an answer of version 2, or an error that came with status 200.
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
			return answer{}, err // Prove has read it
		}
		a.pushes = append(a.pushes, p.push(repo, n))
		for _, c := range p.Obsolete {
			a.hidden[n] = append(a.hidden[n], c.whole().Node)
		}
	}
	slices.SortFunc(a.pushes, func(x, y job.Push) int { return cmp.Compare(x.ID, y.ID) })
	return a, nil
}

// said is the error of an answer that broke its contract: what the server says,
// where it answers with an error and status 200.
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

// parents drops the null id, by which json-pushes says that there is none.
func parents(nodes []string) []string {
	return slices.DeleteFunc(nodes, func(n string) bool { return strings.Trim(n, "0") == "" })
}

package pushlog

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

// answer is what json-pushes says, decoded.
type answer struct {
	pushes []job.Push         // ascending by id
	last   int64              // the repository's highest push id, or unknownLast
	hidden map[int64][]string // changesets of a push that are obsolete
}

// unknownLast is the last push id of an answer that does not say it.
const unknownLast = -1

// pushWire is one push. Fields that nobody reads are left out; see
// reference/hg-pushlog.md of the project for all of them.
type pushWire struct {
	User       string          `json:"user"`
	Date       json.Number     `json:"date"` // seconds since 1970, UTC
	Changesets []changesetWire `json:"changesets"`
	// Parallel to Changesets since 2025-05, null for what is not from git
	Git      []*string       `json:"git_changesets"`
	Obsolete []changesetWire `json:"obsoletechangesets"`
}

// changesetWire is a hash, or with full=1 an object.
type changesetWire struct {
	Node    string   `json:"node"`
	Git     *string  `json:"git_node"`
	Author  string   `json:"author"`
	Desc    string   `json:"desc"`
	Parents []string `json:"parents"`
}

func (c *changesetWire) UnmarshalJSON(text []byte) error {
	if bytes.HasPrefix(text, []byte(`"`)) {
		return json.Unmarshal(text, &c.Node)
	}
	type object changesetWire
	return json.Unmarshal(text, (*object)(c))
}

// decode reads an answer of version 1 or 2, or an error that came with status
// 200. Errors wrap job.ErrMalformed and name the place.
func decode(body []byte, repo string) (answer, error) {
	a := answer{last: unknownLast, hidden: map[int64][]string{}}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return answer{}, malformed("%v in %q", err, first(body))
	}
	if text, ok := members["error"]; ok {
		var msg string
		if err := json.Unmarshal(text, &msg); err != nil {
			msg = string(text)
		}
		return answer{}, fmt.Errorf("%w: the server says: %s", job.ErrInvalid, msg)
	}
	if last, ok := members["lastpushid"]; ok {
		n, err := strconv.ParseInt(string(last), 10, 64)
		if err != nil || n < 0 {
			return answer{}, malformed("lastpushid is %s, expected a number", last)
		}
		pushes, ok := members["pushes"]
		if !ok {
			return answer{}, malformed("lastpushid without pushes")
		}
		a.last, members = n, nil
		if err := json.Unmarshal(pushes, &members); err != nil {
			return answer{}, malformed("pushes: %v", err)
		}
	}
	for id, text := range members {
		if err := a.add(repo, id, text); err != nil {
			return answer{}, err
		}
	}
	slices.SortFunc(a.pushes, func(x, y job.Push) int { return cmp.Compare(x.ID, y.ID) })
	return a, nil
}

// add decodes one push. Ids are strings of digits; that they are compared as
// numbers is the oldest bug of this field.
func (a *answer) add(repo, id string, text json.RawMessage) error {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || n < 1 {
		return malformed("push id %q, expected a number above 0", id)
	}
	var w pushWire
	if err := json.Unmarshal(text, &w); err != nil {
		return malformed("push %s: %v", id, err)
	}
	seconds, err := w.Date.Int64()
	if err != nil {
		return malformed("push %s: date %q, expected seconds", id, w.Date)
	}
	p := job.Push{Repo: repo, ID: n, User: w.User, Time: time.Unix(seconds, 0).UTC()}
	for i, c := range w.Changesets {
		if !node(c.Node) {
			return malformed("push %s: changeset %q is not a hash", id, c.Node)
		}
		git, err := w.git(i)
		if err != nil {
			return malformed("push %s: %v", id, err)
		}
		p.Changesets = append(p.Changesets, job.Changeset{
			Node: c.Node, Git: git, Author: c.Author, Description: c.Desc, Parents: parents(c.Parents),
		})
		p.Revision, p.Git = c.Node, git // the tip is last
	}
	for _, c := range w.Obsolete {
		a.hidden[n] = append(a.hidden[n], c.Node)
	}
	a.pushes = append(a.pushes, p)
	return nil
}

// git is the git hash of the changeset at i, as the push and the changeset name
// it; empty where neither does.
func (w pushWire) git(i int) (string, error) {
	c := w.Changesets[i]
	named := c.Git
	if w.Git != nil {
		if len(w.Git) != len(w.Changesets) {
			return "", fmt.Errorf("%d git_changesets for %d changesets", len(w.Git), len(w.Changesets))
		}
		if named = w.Git[i]; named != nil && c.Git != nil && *named != *c.Git {
			return "", fmt.Errorf("changeset %.12s is %q in git, and %q", c.Node, *c.Git, *named)
		}
		if named == nil {
			named = c.Git
		}
	}
	if named == nil || *named == "" {
		return "", nil
	}
	if len(*named) != 40 || !node(*named) {
		return "", fmt.Errorf("changeset %.12s is %q in git, which is no hash of 40 digits", c.Node, *named)
	}
	return *named, nil
}

// parents drops the null id, by which json-pushes says that there is none.
func parents(nodes []string) []string {
	return slices.DeleteFunc(nodes, func(n string) bool { return strings.Trim(n, "0") == "" })
}

func node(s string) bool {
	return len(s) >= 12 && len(s) <= 40 && strings.Trim(s, "0123456789abcdef") == ""
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: json-pushes: %s", job.ErrMalformed, fmt.Sprintf(format, args...))
}

func first(body []byte) []byte { return body[:min(len(body), 100)] }

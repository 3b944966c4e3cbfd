package pushlog

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// pushesWire is an answer of json-pushes, version 2. C is the form of a changeset in it;
// see element.
//
//	{"lastpushid": 120060, "pushes": {"120059": {"user": "someone@mozilla.com",
//	 "date": 1609459200, "changesets": ["b54f…"], "git_changesets": ["19aa…"]}}}
type pushesWire[C element] struct {
	Last   int64                  `json:"lastpushid" is:"required" min:"0" max:"1e12"`
	Pushes map[string]pushWire[C] `json:"pushes" is:"required"`
}

// pushWire is one push. Its changesets are in the order of the repository, the tip last.
// Obsolete changesets are in a list of their own; a push can have nothing but these.
type pushWire[C element] struct {
	User       string `json:"user" is:""`
	Date       int64  `json:"date" is:"required" min:"1" max:"253402300799"` // seconds since 1970, up to the year 9999
	Changesets []C    `json:"changesets" is:"required"`
	// Parallel to Changesets, since May 2025; null for a changeset that is not from git
	Git      []*string `json:"git_changesets" is:""`
	Obsolete []C       `json:"obsoletechangesets" is:""`
}

// element is a changeset in an answer: its hash, or with full=1 an object.
type element interface {
	nodeWire | changesetWire
	whole() changesetWire
	// path is where the hash is, relative to the element: "" or ".node".
	path() string
}

// nodeWire is a changeset's hash. Some servers send the whole object although full=1 was
// not requested; it takes that too.
type nodeWire struct {
	Node string  `json:"node"`
	Git  *string `json:"git_node"`
}

// UnmarshalJSON reads either form.
func (n *nodeWire) UnmarshalJSON(text []byte) error {
	switch {
	case len(text) > 0 && text[0] == '{':
		type object nodeWire
		if err := json.Unmarshal(text, (*object)(n)); err != nil || n.Node == "" {
			return errors.New("an object without its node")
		}
		return nil
	case len(text) > 0 && text[0] == '"':
		return json.Unmarshal(text, &n.Node)
	}
	return errors.New("expected a hash")
}

func (n nodeWire) whole() changesetWire { return changesetWire{Node: n.Node, Git: n.Git} }

func (nodeWire) path() string { return "" }

// changesetWire is a changeset with full=1.
type changesetWire struct {
	Node    string   `json:"node" is:"required"`
	Git     *string  `json:"git_node"` // since 2025-05
	Author  string   `json:"author" is:""`
	Desc    string   `json:"desc" is:"required"`
	Parents []string `json:"parents" is:"required" min:"1" max:"2"` // the null id where there is none
	// Parallel to Parents since 2025-05
	GitParents []*string `json:"git_parents" is:""`

	_ contract.Also `names:"branch tags files precursors"`
}

func (c changesetWire) whole() changesetWire { return c }

func (changesetWire) path() string { return ".node" }

// Prove implements contract.Prover: parents are other changesets.
func (c *changesetWire) Prove() error {
	for i, p := range c.Parents {
		if !isHash(p) || p == c.Node || slices.Contains(c.Parents[:i], p) {
			return notHash(fmt.Sprintf("parents[%d]", i), p)
		}
	}
	if len(c.GitParents) > 0 && len(c.GitParents) != len(c.Parents) {
		return contract.Outside("git_parents", "%d for %d parents", len(c.GitParents), len(c.Parents))
	}
	return nil
}

// Prove implements contract.Prover: ids are numbers from 1 to lastpushid, and no changeset
// is in two pushes.
func (w *pushesWire[C]) Prove() error {
	of := map[string]string{}
	for _, id := range slices.Sorted(maps.Keys(w.Pushes)) {
		n, err := strconv.ParseInt(id, 10, 64)
		path := "pushes[" + id + "]"
		switch {
		case err != nil || n < 1 || strconv.FormatInt(n, 10) != id:
			return contract.Outside("pushes", "push id %.30q, expected a number above 0", id)
		case n > w.Last:
			return contract.Outside(path, "push %d, but lastpushid is %d", n, w.Last)
		}
		for _, c := range w.Pushes[id].Changesets {
			node := c.whole().Node
			if other, twice := of[node]; twice {
				return contract.Outside(path, "changeset %.12s is of push %s too", node, other)
			}
			of[node] = id
		}
	}
	return nil
}

// Prove implements contract.Prover: the members agree with each other. A push with no
// changesets must have obsolete ones; a push that was stripped is not listed at all.
func (w *pushWire[C]) Prove() error {
	if len(w.Changesets) == 0 && w.Obsolete == nil {
		return contract.Outside("changesets", "empty, and none is obsolete")
	}
	at := map[string]int{}
	for i, c := range w.Changesets {
		node, path := c.whole().Node, fmt.Sprintf("changesets[%d]%s", i, c.path())
		if !isHash(node) {
			return notHash(path, node)
		}
		if _, twice := at[node]; twice {
			return contract.Outside(path, "%.12s comes twice", node)
		}
		at[node] = i
	}
	for i, c := range w.Changesets {
		for j, p := range c.whole().Parents {
			if later, in := at[p]; in && later >= i {
				path := fmt.Sprintf("changesets[%d].parents[%d]", i, j)
				return contract.Outside(path, "%.12s comes after its child", p)
			}
		}
	}
	for i, c := range w.Obsolete {
		if node := c.whole().Node; !isHash(node) {
			return notHash(fmt.Sprintf("obsoletechangesets[%d]%s", i, c.path()), node)
		}
	}
	return w.proveGit()
}

func (w *pushWire[C]) proveGit() error {
	if w.Git != nil && len(w.Git) != len(w.Changesets) {
		return contract.Outside("git_changesets", "%d for %d changesets", len(w.Git), len(w.Changesets))
	}
	for i, c := range w.Changesets {
		own, listed := c.whole().Git, w.gitAt(i)
		switch {
		case listed != "" && !isHash(listed):
			return notHash(fmt.Sprintf("git_changesets[%d]", i), listed)
		case own != nil && *own != "" && !isHash(*own):
			return notHash(fmt.Sprintf("changesets[%d].git_node", i), *own)
		case own != nil && *own != "" && listed != "" && *own != listed:
			return contract.Differs(fmt.Sprintf("git_changesets[%d]", i), listed, *own)
		}
	}
	return nil
}

// gitAt is the hash of git in git_changesets[i]; empty for none.
func (w *pushWire[C]) gitAt(i int) string {
	if i < len(w.Git) && w.Git[i] != nil {
		return *w.Git[i]
	}
	return ""
}

// git is the hash of git of changeset i, from git_changesets or from the changeset's own
// git_node.
func (w *pushWire[C]) git(i int) string {
	if listed := w.gitAt(i); listed != "" {
		return listed
	}
	if own := w.Changesets[i].whole().Git; own != nil {
		return *own
	}
	return ""
}

// isHash reports whether s is a full hash, 40 digits in lower case. The server never
// shortens one.
func isHash(s string) bool { return len(s) == 40 && strings.Trim(s, "0123456789abcdef") == "" }

func notHash(path, s string) error {
	return contract.Outside(path, "%.50q is not the hash of another changeset", s)
}

// dateLayout is the form of startdate and enddate; see Log.dates.
const dateLayout = "2006-01-02 15:04:05"

// mostZone is the maximum distance of the server's time zone from UTC, rounded up.
const mostZone = 24 * time.Hour

// same is an error when the answer has a push that was not requested. This happens when a
// server ignores a parameter, or a cache gives the answer to another request.
func same[C element](asked contract.Asked, w *pushesWire[C]) error {
	for _, id := range slices.Sorted(maps.Keys(w.Pushes)) {
		p := w.Pushes[id]
		path := "pushes[" + id + "]"
		n, _ := strconv.ParseInt(id, 10, 64) // Prove has checked it
		// startID is exclusive, endID inclusive, and without startID the server ignores endID.
		if lo, ok := number(asked, "startID"); ok && n <= lo {
			return contract.Differs(path, n, fmt.Sprintf("pushes after %d", lo))
		}
		if hi, ok := number(asked, "endID"); ok && n > hi && asked.Query("startID") != nil {
			return contract.Differs(path, n, fmt.Sprintf("pushes up to %d", hi))
		}
		at := time.Unix(p.Date, 0)
		if since, ok := date(asked, "startdate"); ok && at.Before(since.Add(-mostZone)) {
			return contract.Differs(path+".date", at.UTC(), fmt.Sprintf("pushes since %s", since))
		}
		if until, ok := date(asked, "enddate"); ok && at.After(until.Add(mostZone)) {
			return contract.Differs(path+".date", at.UTC(), fmt.Sprintf("pushes until %s", until))
		}
		if revs := asked.Query("changeset"); !p.answers(revs) && asked.Query("branch") == nil {
			return contract.Differs(path+".changesets", fmt.Sprintf("%d others", len(p.Changesets)),
				fmt.Sprintf("a push with %s", strings.Join(revs, " or ")))
		}
	}
	return nil
}

// answers reports whether the push has one of the requested revisions. It is true when a
// request is by a name, such as tip, which cannot be checked.
func (w *pushWire[C]) answers(revs []string) bool {
	if len(revs) == 0 {
		return true
	}
	for _, rev := range revs {
		if strings.Trim(rev, "0123456789abcdef") != "" || len(rev) < 12 {
			return true
		}
		for _, c := range append(slices.Clone(w.Changesets), w.Obsolete...) {
			if job.SameRevision(c.whole().Node, rev) {
				return true
			}
		}
	}
	return false
}

func number(asked contract.Asked, name string) (int64, bool) {
	v := asked.Query(name)
	if len(v) != 1 {
		return 0, false
	}
	n, err := strconv.ParseInt(v[0], 10, 64)
	return n, err == nil
}

func date(asked contract.Asked, name string) (time.Time, bool) {
	v := asked.Query(name)
	if len(v) != 1 {
		return time.Time{}, false
	}
	t, err := time.Parse(dateLayout, v[0])
	return t, err == nil
}

// asks returns a test of a request's parameters. It is true for the requests whose answers
// mozci reads: version 2 with all changesets of a push, as objects (full) or as hashes.
func asks(full bool) func(url.Values) bool {
	return func(q url.Values) bool {
		return q.Get("version") == "2" && q.Get("tipsonly") != "1" && q.Has("full") == full
	}
}

package hgtest

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

type failure struct {
	status int
	text   string
}

type repoOf map[int64]Push

// onBranch has the changesets of a named branch, and the pushes that have any;
// everything where no branch is named.
func (r repoOf) onBranch(name string) (repoOf, *failure) {
	if name == "" {
		return r, nil
	}
	out := repoOf{}
	for id, p := range r {
		p.Changesets = slices.DeleteFunc(slices.Clone(p.Changesets), func(c Changeset) bool { return c.Branch != name })
		if len(p.Changesets) > 0 {
			out[id] = p
		}
	}
	if len(out) == 0 {
		return nil, unknownRevision(name) // hg looks for the branch's tip
	}
	return out, nil
}

func unknownRevision(rev string) *failure {
	return &failure{http.StatusNotFound, fmt.Sprintf("unknown revision '%s'", rev)}
}

// query returns the ids of the pushes that the parameters select.
func (r repoOf) query(q url.Values) ([]int64, *failure) {
	if len(r) == 0 { // no revision is unknown there
		return nil, nil
	}
	lower, isLower, err := r.bound(q, [3]string{"startdate", "fromchange", "startID"}, greater, greater)
	if err != nil {
		return nil, err
	}
	upper, _, err := r.bound(q, [3]string{"enddate", "tochange", "endID"}, less,
		func(a, b int64) bool { return a <= b })
	if err != nil {
		return nil, err
	}
	wanted := map[int64]bool{}
	for _, rev := range q["changeset"] {
		id, err := r.find(rev)
		if err != nil {
			return nil, err
		}
		wanted[id] = true
	}
	_, isFiltered := q["changeset"]
	all := slices.Sorted(maps.Keys(r))
	if !isLower && !isFiltered { // the upper bound is ignored
		return all[max(0, len(all)-10):], nil
	}
	return slices.DeleteFunc(all, func(id int64) bool {
		return !lower(id) || !upper(id) || isFiltered && !wanted[id]
	}), nil
}

// bound reads one bound of a range, by the first that is given of a date, a
// changeset and an id; given says whether there is one. Dates and ids are compared
// in ways of their own.
func (r repoOf) bound(q url.Values, names [3]string, date, id func(a, b int64) bool) (
	keep func(id int64) bool, given bool, err *failure,
) {
	switch {
	case q.Has(names[0]):
		at := seconds(q.Get(names[0]))
		return func(n int64) bool { return date(r[n].Date, at) }, true, nil
	case q.Has(names[1]):
		at, err := r.find(q.Get(names[1]))
		return func(n int64) bool { return id(n, at) }, true, err
	case q.Has(names[2]):
		at, err := strconv.ParseInt(q.Get(names[2]), 10, 64)
		if err != nil {
			return nil, true, &failure{http.StatusInternalServerError, "Internal Server Error"}
		}
		return func(n int64) bool { return id(n, at) }, true, nil
	}
	return func(int64) bool { return true }, false, nil
}

func greater(a, b int64) bool { return a > b }

func less(a, b int64) bool { return a < b }

// seconds reads the one format that is reliable; anything else is now.
func seconds(v string) int64 {
	t, err := time.Parse("2006-01-02 15:04:05", v)
	if err != nil {
		return time.Now().Unix()
	}
	return t.Unix()
}

func (r repoOf) find(rev string) (int64, *failure) {
	ids := slices.Sorted(maps.Keys(r))
	if rev == "tip" {
		for _, id := range slices.Backward(ids) {
			if len(r[id].Changesets) > 0 {
				return id, nil
			}
		}
	}
	for _, id := range slices.Backward(ids) { // a branch's name is its tip
		for _, c := range slices.Backward(r[id].Changesets) {
			if rev != "" && c.Branch == rev {
				return id, nil
			}
		}
	}
	for _, id := range ids {
		for _, c := range r[id].Changesets {
			if rev != "" && strings.HasPrefix(c.Node, rev) {
				return id, nil
			}
		}
	}
	return 0, unknownRevision(rev)
}

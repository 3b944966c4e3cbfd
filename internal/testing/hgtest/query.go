package hgtest

import (
	"fmt"
	"maps"
	"net/http"
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
func (r repoOf) query(q map[string][]string) ([]int64, *failure) {
	if len(r) == 0 { // no revision is unknown there
		return nil, nil
	}
	get := func(name string) (string, bool) {
		v, ok := q[name]
		return strings.Join(v, ""), ok
	}
	keep := func(int64) bool { return true }
	and := func(f func(int64) bool) {
		before := keep
		keep = func(id int64) bool { return before(id) && f(id) }
	}
	lower, upper := false, false
	for _, bound := range []struct {
		names [3]string // in order of precedence: date, changeset, id
		seen  *bool
		date  func(date, v int64) bool
		id    func(id, v int64) bool
	}{
		{[3]string{"startdate", "fromchange", "startID"}, &lower, greater, greater},
		{[3]string{"enddate", "tochange", "endID"}, &upper, less, func(id, v int64) bool { return id <= v }},
	} {
		if v, ok := get(bound.names[0]); ok {
			at := seconds(v)
			and(func(id int64) bool { return bound.date(r[id].Date, at) })
			*bound.seen = true
		} else if v, ok := get(bound.names[1]); ok {
			at, err := r.find(v)
			if err != nil {
				return nil, err
			}
			and(func(id int64) bool { return bound.id(id, at) })
			*bound.seen = true
		} else if v, ok := get(bound.names[2]); ok {
			at, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				return nil, &failure{http.StatusInternalServerError, "Internal Server Error"}
			}
			and(func(id int64) bool { return bound.id(id, at) })
			*bound.seen = true
		}
	}
	revs, filtered := q["changeset"]
	if filtered {
		wanted := map[int64]bool{}
		for _, rev := range revs {
			id, err := r.find(rev)
			if err != nil {
				return nil, err
			}
			wanted[id] = true
		}
		and(func(id int64) bool { return wanted[id] })
	}
	all := slices.Sorted(maps.Keys(r))
	if !lower && !filtered { // the upper bound is ignored
		return all[max(0, len(all)-10):], nil
	}
	return slices.DeleteFunc(all, func(id int64) bool { return !keep(id) }), nil
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

package buildbot_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// statusesOf are the statuses of runs as a text.
func statusesOf(t *testing.T, p *buildbot.Project, ids ...string) (string, error) {
	t.Helper()
	all, err := p.Statuses(t.Context(), ids...)
	var out []string
	for _, id := range slices.Sorted(maps.Keys(all)) {
		out = append(out, id+" "+all[id].String())
	}
	return strings.Join(out, ", "), err
}

// The newest run of a request, one of its runs, and what the master has not.
func TestStatuses(t *testing.T) {
	d := bbtest.Offline()
	b := d.Builder("test")
	stamps := []bbtest.Row{bbtest.Stamp(bbtest.Revision(1), bbtest.Row{"branch": "elsewhere"})}
	for _, results := range [][]int{{5, 0}, {5}, {}, {bbtest.Running}, {bbtest.Pending}, {1}, {7}} {
		d.Ask(bbtest.BuildRequest{Builder: b, Results: results, Stamps: stamps})
	}
	warning, err := buildbot.New("http://master.example", &buildbot.Options{HTTP: &http.Client{Transport: d}})
	if err != nil {
		t.Fatal(err)
	}
	strict := warning.Project("main", &buildbot.ProjectOptions{FailOnWarnings: []string{"te*"}})
	for _, c := range []struct {
		ids  []string
		p    *buildbot.Project
		want string
		is   error
	}{
		{ids: []string{"1/1", "1/2", "1", "1/3"}, want: "1 success, 1/1 retry, 1/2 success"},
		{ids: []string{"2", "2/1", "2/2", "2/3"}, want: "2 pending, 2/1 retry, 2/2 pending"},
		{ids: []string{"3/1", "4/1", "5/1", "6/1"}, want: "3/1 coalesced, 4/1 running, 5/1 pending, 6/1 success"},
		{ids: []string{"6/1"}, p: strict, want: "6/1 test_failed"},
		{ids: []string{"", "x", "0/1", "1/0", "8/1", "-1", "3000000000", "1/x", "9223372036854775808/1"}},
		{},
		{ids: []string{"7/1", "1/2", "7"}, want: "1/2 success", is: job.ErrUnknownWord},
		{ids: []string{"7/2"}},
	} {
		if c.p == nil {
			c.p = offline(t, d)
		}
		if got, err := statusesOf(t, c.p, c.ids...); got != c.want || !errors.Is(err, c.is) {
			t.Errorf("%q: %s, %v; expected %s, %v", c.ids, got, err, c.want, c.is)
		}
	}
}

// Many runs take a few requests, and those that the master forgot one more each.
func TestStatusRequests(t *testing.T) {
	d := bbtest.Offline()
	b := d.Builder("test")
	var ids []string
	for i := range 250 {
		id := d.Ask(bbtest.BuildRequest{
			Builder: b, Results: []int{i % 3}, Stamps: []bbtest.Row{bbtest.Stamp(bbtest.Revision(i), nil)},
		})
		ids = append(ids, fmt.Sprintf("%d/1", id))
	}
	p := offline(t, d)
	for range 3 {
		all, err := p.Statuses(t.Context(), ids...)
		if err != nil || len(all) != 250 {
			t.Fatal(len(all), err)
		}
	}
	asked(t, d, "statuses of 250 runs, three times, with the builders", 7)
	if all, err := p.Statuses(t.Context(), append(ids[:10:10], "900/1", "901/1")...); err != nil || len(all) != 10 {
		t.Fatal(len(all), err)
	}
	asked(t, d, "statuses of 10 runs and 2 that are not there", 4)
}

// Half an answer, another's, and one that contradicts itself are no statuses.
func TestStatusesOfDamage(t *testing.T) {
	for what, c := range map[string]struct {
		edit func(tables map[string][]bbtest.Row)
		ask  func(*http.Request)
	}{
		"half an answer": {ask: only("buildrequestid__in", "/buildrequests", "2")},
		"another's":      {ask: only("buildrequestid__in", "/buildrequests", "9")},
		"other builds":   {ask: only("buildrequestid__in", "/builds", "9")},
		"no build":       {edit: func(all map[string][]bbtest.Row) { all["builds"] = all["builds"][1:] }},
		"a build without an end": {edit: func(all map[string][]bbtest.Row) {
			all["builds"][0]["complete"], all["builds"][0]["complete_at"], all["builds"][0]["results"] = false, nil, nil
		}},
		"another end":      {edit: func(all map[string][]bbtest.Row) { all["builds"][0]["results"] = 2 }},
		"no results":       {edit: func(all map[string][]bbtest.Row) { delete(all["buildrequests"][0], "results") }},
		"another builder":  {edit: func(all map[string][]bbtest.Row) { all["buildrequests"][0]["builderid"] = 2 }},
		"no such builder":  {edit: func(all map[string][]bbtest.Row) { all["builders"] = all["builders"][1:] }},
		"the ids ignored?": {edit: func(map[string][]bbtest.Row) {}, ask: without("buildrequestid__in")},
	} {
		d := crowded()
		if c.edit != nil {
			d.Edit(c.edit)
		}
		got, err := statusesOf(t, through(t, rewriting{d: d, ask: c.ask}), "1/1", "2/1", "3/1")
		if what == "the ids ignored?" { // the others are left out
			if err != nil || got != "1/1 success, 2/1 busted, 3/1 success" {
				t.Errorf("%s: %s %v", what, got, err)
			}
			continue
		}
		var known *contract.Error
		if !errors.Is(err, job.ErrMalformed) || !errors.As(err, &known) || known.Source == "" || got != "" {
			t.Errorf("%s: %s %v", what, got, err)
		}
	}
}

// only changes a question about some ids into one about another.
func only(name, path, id string) func(*http.Request) {
	return func(r *http.Request) {
		if q := r.URL.Query(); q.Has(name) && strings.HasSuffix(r.URL.Path, path) {
			q[name] = []string{id}
			r.URL.RawQuery = q.Encode()
		}
	}
}

// without takes a filter from a question.
func without(name string) func(*http.Request) {
	return func(r *http.Request) {
		q := r.URL.Query()
		q.Del(name)
		r.URL.RawQuery = q.Encode()
	}
}

package buildbot_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/job"
)

// asked fails when a question took more requests than it may, and lists them.
func asked(t *testing.T, d *bbtest.Double, what string, most int) {
	t.Helper()
	all := d.Asked()
	t.Logf("%s: %d requests, at most %d", what, len(all), most)
	if len(all) <= most {
		return
	}
	for i, line := range all {
		all[i] = fmt.Sprintf("%.150s", line)
	}
	t.Errorf("%s: %d requests, at most %d:\n%q", what, len(all), most, all)
}

// What questions cost does not grow with the master's age, nor with its other
// builders. No time passes: what is two seconds old is asked for again.
func TestRequests(t *testing.T) { synctest.Test(t, requests) }

func requests(t *testing.T) {
	d := bbtest.Offline()
	var names []string
	for b := range 6 {
		names = append(names, fmt.Sprintf("builder %d", b+1))
		d.Builder(names[b])
	}
	const n = 400
	for i := range n {
		d.Change(bbtest.Revision(i), nil)
		for b := range 6 {
			results := []int{0}
			switch {
			case b == 1 && i%3 == 1:
				continue // a hole
			case b == 2 && i%3 == 1:
				results = nil // collapsed
			case b < 3 && i > n-35:
				results = []int{2}
			}
			d.Ask(bbtest.BuildRequest{
				Builder: b + 1, Results: results, Stamps: []bbtest.Row{bbtest.Stamp(bbtest.Revision(i), nil)},
			})
		}
	}
	d.Form("force", names[1:], bbtest.Sources("", nil))
	d.Asked()
	p := offline(t, d)
	if _, err := p.Pushes(t.Context(), job.Around("tip", 0, 0)); err != nil {
		t.Fatal(err)
	}
	asked(t, d, "pushes --rev tip", 3)
	if _, err := offline(t, d).Push(t.Context(), bbtest.Revision(3)); err != nil {
		t.Fatal(err)
	}
	asked(t, d, "pushes --rev of long ago", 3)
	for i, label := range slices.Concat(names[:3], names[:3]) { // without a form, with holes, with collapsed requests
		if i == 3 { // and now nothing has a form
			d.Edit(func(tables map[string][]bbtest.Row) { tables["forceschedulers"] = nil })
		}
		p := offline(t, d)
		if w, err := walk(t.Context(), p, label, "tip", 30); err != nil || w.lastGood != 0 || w.firstBad == 0 {
			t.Fatal(w, err)
		}
		asked(t, d, fmt.Sprintf("backfill of %s, kind %d", label, i), 12)
	}
	p = offline(t, d)
	push := at(t, p, "tip")
	if _, err := p.Jobs(t.Context(), push); err != nil {
		t.Fatal(err)
	}
	asked(t, d, "jobs --rev tip", 8)
	for range 3 {
		if _, err := p.Jobs(t.Context(), push, names[0]); err != nil {
			t.Fatal(err)
		}
	}
	asked(t, d, "jobs of a label, three times", 3)
}

package buildbot_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
)

func project(t *testing.T, d *bbtest.Double, repo string, o *buildbot.ProjectOptions) *buildbot.Project {
	t.Helper()
	c, err := buildbot.New(d.URL, &buildbot.Options{User: "sheriff", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	return c.Project(repo, o)
}

// ran are the statuses of a label's runs on a push, sorted, and the same when all
// labels are asked about.
func ran(t *testing.T, p *buildbot.Project, push job.Push, label string) string {
	t.Helper()
	of := func(names ...string) string {
		jobs, err := p.Jobs(t.Context(), push, names...)
		if err != nil {
			t.Fatalf("%s on %s: %v", label, push, err)
		}
		var out []string
		for _, j := range jobs {
			if j.Name() == label {
				out = append(out, j.ID()+" "+j.Status().String())
			}
		}
		slices.Sort(out)
		return strings.Join(out, ", ")
	}
	one, all := of(label), of()
	if one != all {
		t.Errorf("%s on %s: by its label %q, among all labels %q", label, push, one, all)
	}
	alike(t, p, push, label, one)
	return one
}

// alike fails where the runs of a label on a push are others among those of many pushes, or
// by their IDs alone.
func alike(t *testing.T, p *buildbot.Project, push job.Push, label, want string) {
	t.Helper()
	before := job.Push{Repo: push.Repo, Revision: bbtest.Revision(1 << 20), Time: push.Time.Add(-time.Hour)}
	for _, labels := range [][]string{{label}, {label, "a", "b", "c", "d", "e"}} {
		all, err := p.History(t.Context(), []job.Push{before, push}, labels...)
		if err := alsoOf(all, err); err != nil {
			t.Fatalf("%s on %s: %v", label, push, err)
		}
		var out, ids []string
		for _, j := range all[1].Jobs {
			if j.Name() == label {
				out, ids = append(out, j.ID()+" "+j.Status().String()), append(ids, j.ID())
			}
		}
		slices.Sort(out)
		if got := strings.Join(out, ", "); got != want || len(all[0].Jobs) > 0 {
			t.Errorf("%s on %s: by its label %q, among many pushes %q", label, push, want, got)
		}
		statuses, err := p.Statuses(t.Context(), ids...)
		out = nil
		for id, s := range statuses {
			out = append(out, id+" "+s.String())
		}
		slices.Sort(out)
		if got := strings.Join(out, ", "); err != nil || got != want {
			t.Errorf("%s on %s: %q, by their IDs alone %q, %v", label, push, want, got, err)
		}
	}
}

// find is the last good and the first bad push.
func find(t *testing.T, p *buildbot.Project, label, rev string) string {
	t.Helper()
	w, err := walk(t.Context(), p, label, rev, 30)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("good %d, bad %d", w.lastGood, w.firstBad)
}

// The histories of shared/cases, with the answers that the issue gives.
func TestCases(t *testing.T) {
	for _, c := range []struct {
		file, label, want string
		o                 *buildbot.ProjectOptions
	}{
		{"bb2.json", "linux test", "good 4, bad 5", &buildbot.ProjectOptions{Codebase: "lib"}},
		{"bb2.json", "linux test", "good 1, bad 7", &buildbot.ProjectOptions{Codebase: "app"}},
		{"bb3-svn.json", "linux test", "good 3, bad 4", nil},
		{"bb7.json", "AMD64 FreeBSD 3.x", "good 5, bad 6", nil},
		{
			"bb7.json", "AMD64 FreeBSD 3.x", "good 4, bad 5",
			&buildbot.ProjectOptions{FailOnWarnings: []string{"AMD64*"}},
		},
		{
			"bb7.json", "AMD64 FreeBSD 3.x", "good 5, bad 6",
			&buildbot.ProjectOptions{FailOnWarnings: []string{"AMD64", "*Linux*"}},
		},
	} {
		d := bbtest.DoubleOf(t, filepath.Join(testenv.Shared(t, "cases", "logs"), c.file))
		p := project(t, d, "main", c.o)
		if got := find(t, p, c.label, "tip"); got != c.want {
			t.Errorf("%s %+v: %s, expected %s", c.file, c.o, got, c.want)
		}
	}
}

// A build of another changeset of a push is no run of the push: its head was not
// built.
func TestInnerChangesets(t *testing.T) {
	d := bbtest.NewDouble(t)
	b := d.Builder("test")
	inner, head := bbtest.Revision(1), bbtest.Revision(2)
	d.Change(inner, nil)
	d.Change(head, nil)
	d.Ask(bbtest.BuildRequest{Builder: b, Results: []int{0}, Stamps: []bbtest.Row{bbtest.Stamp(inner, nil)}})
	red := d.Ask(bbtest.BuildRequest{Builder: b, Results: []int{2}, Stamps: []bbtest.Row{bbtest.Stamp(head[:12], nil)}})
	p := project(t, d, "main", nil)
	push := job.Push{Repo: "main", ID: 12, Revision: head, Changesets: []job.Changeset{{Node: inner}, {Node: head}}}
	if got, want := ran(t, p, push, "test"), fmt.Sprintf("%d/1 busted", red); got != want {
		t.Errorf("the push's runs: %s, expected %s", got, want)
	}
}

// A try build is no run of its base, whichever codebase has the patch.
func TestTryBuilds(t *testing.T) {
	d := bbtest.NewDouble(t)
	b := d.Builder("test")
	rev := bbtest.Revision(1)
	d.Change(rev, bbtest.Row{"codebase": "app"})
	patch := bbtest.Row{"patchid": 1, "level": 1, "body": "x", "author": "dev", "comment": ""}
	d.Ask(bbtest.BuildRequest{
		Builder: b, Results: []int{2},
		Stamps: []bbtest.Row{bbtest.Stamp(rev, bbtest.Row{"codebase": "app", "patch": patch})},
	})
	d.Ask(bbtest.BuildRequest{
		Builder: b, Results: []int{2},
		Stamps: []bbtest.Row{
			bbtest.Stamp(rev, bbtest.Row{"codebase": "app"}),
			bbtest.Stamp(nil, bbtest.Row{"codebase": "lib", "branch": "trunk", "patch": patch}),
		},
	})
	green := d.Ask(bbtest.BuildRequest{
		Builder: b, Results: []int{0}, Stamps: []bbtest.Row{bbtest.Stamp(rev, bbtest.Row{"codebase": "app"})},
	})
	p := project(t, d, "main", nil)
	if got, want := ran(t, p, at(t, p, rev), "test"), fmt.Sprintf("%d/1 success", green); got != want {
		t.Errorf("runs %s, expected %s", got, want)
	}
}

// A virtual builder's builds are its own, its waiting and its collapsed requests
// too, and none of them the base's.
func TestVirtualBuilders(t *testing.T) {
	d := bbtest.NewDouble(t)
	base, one, two := d.Builder("base"), d.Builder("py3", "_virtual_"), d.Builder("py2", "_virtual_")
	rev := bbtest.Revision(1)
	d.Change(rev, nil)
	stamps := []bbtest.Row{bbtest.Stamp(rev, nil)}
	as := func(name string) bbtest.Row { return bbtest.Row{"virtual_builder_name": []any{name, "Scheduler"}} }
	d.Ask(bbtest.BuildRequest{Builder: base, As: one, Results: []int{0}, Stamps: stamps, Props: as("py3")})
	d.Ask(bbtest.BuildRequest{Builder: base, As: two, Results: []int{2}, Stamps: stamps, Props: as("py2")})
	d.Ask(bbtest.BuildRequest{Builder: base, Results: []int{0}, Stamps: stamps})
	d.Ask(bbtest.BuildRequest{Builder: base, Results: []int{bbtest.Pending}, Stamps: stamps, Props: as("py3")})
	d.Ask(bbtest.BuildRequest{Builder: base, Stamps: stamps, Props: as("py2")})
	p := project(t, d, "main", nil)
	push := at(t, p, rev)
	for label, want := range map[string]string{
		"py3": "1/1 success, 4/1 pending", "py2": "2/1 busted, 5/1 coalesced", "base": "3/1 success",
	} {
		if got := ran(t, p, push, label); got != want {
			t.Errorf("%s: %s, expected %s", label, got, want)
		}
	}
}

// A build of the newest revision is a run of the revision that it found, once it
// says so, of the codebase that is asked about.
func TestNewestRevision(t *testing.T) {
	d := bbtest.NewDouble(t)
	b := d.Builder("nightly")
	rev := bbtest.Revision(1)
	d.Change(rev, bbtest.Row{"codebase": "app"})
	d.Change(bbtest.Revision(2), bbtest.Row{"codebase": "app"})
	got := func(v any) bbtest.Row { return bbtest.Row{"properties": bbtest.Row{"got_revision": []any{v, "Git"}}} }
	head := []bbtest.Row{bbtest.Stamp(nil, bbtest.Row{"codebase": "app"})}
	d.Ask(bbtest.BuildRequest{
		Builder: b, Results: []int{0}, Stamps: head, Build: got(bbtest.Row{"app": rev, "lib": bbtest.Revision(9)}),
	})
	d.Ask(bbtest.BuildRequest{Builder: b, Results: []int{0}, Stamps: head, Build: got(bbtest.Row{"lib": rev})})
	d.Ask(bbtest.BuildRequest{Builder: b, Results: []int{2}, Stamps: head, Build: got(rev)})
	d.Ask(bbtest.BuildRequest{Builder: b, Results: []int{bbtest.Pending}, Stamps: head})
	p := project(t, d, "main", nil)
	if got := ran(t, p, at(t, p, rev), "nightly"); got != "1/1 success, 3/1 busted" {
		t.Errorf("runs %s", got)
	}
}

// Revisions that are no hashes are named as a whole.
func TestNumbers(t *testing.T) {
	d := bbtest.NewDouble(t)
	b := d.Builder("test")
	for i := range 8 {
		rev := fmt.Sprint(19 + i*171) // 19, 190 and 1900 are not the same
		d.Change(rev, bbtest.Row{"branch": nil})
		d.Ask(bbtest.BuildRequest{
			Builder: b, Results: []int{i / 4 * 2}, Stamps: []bbtest.Row{bbtest.Stamp(rev, bbtest.Row{"branch": nil})},
		})
	}
	p := project(t, d, "trunk", nil)
	if got := find(t, p, "test", "tip"); got != "good 4, bad 5" {
		t.Error(got)
	}
	if got := ran(t, p, at(t, p, "190"), "test"); got != "2/1 success" {
		t.Error(got)
	}
	pushes, err := p.Pushes(t.Context(), job.Between("190", "532"))
	if err != nil || len(pushes) != 3 {
		t.Error(pushes, err)
	}
	if _, err := p.Push(t.Context(), "18"); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("a number that is not there: %v", err)
	}
	d.Form("force", []string{"test"}, bbtest.Sources("", nil))
	receipt, err := p.Trigger(t.Context(), job.Request{Key: "k", Label: "test", Push: at(t, p, "361"), Count: 1})
	if err != nil || receipt.State != job.ReceiptCreated {
		t.Fatal(receipt, err)
	}
	if got := ran(t, p, at(t, p, "361"), "test"); got != "3/1 success, 9/1 pending" {
		t.Error(got)
	}
}

// What the master says of a run that ended, and does not say how.
func TestResults(t *testing.T) {
	d := bbtest.NewDouble(t)
	b := d.Builder("test")
	rev := bbtest.Revision(1)
	d.Change(rev, nil)
	stamps := []bbtest.Row{bbtest.Stamp(rev, nil)}
	for _, results := range [][]int{{5, 0}, {5}, {6}, {3}, {}, {4}, {1}} {
		d.Ask(bbtest.BuildRequest{Builder: b, Results: results, Stamps: stamps})
	}
	d.End(2, 6)
	p := project(t, d, "main", nil)
	push := at(t, p, rev)
	want := "1/1 retry, 1/2 success, 2/1 exception, 3/1 cancelled, 4/1 skipped, " +
		"5/1 coalesced, 6/1 exception, 7/1 success"
	if got := ran(t, p, push, "test"); got != want {
		t.Errorf("%s, expected\n%s", got, want)
	}
	d.Ask(bbtest.BuildRequest{Builder: b, Results: []int{7}, Stamps: stamps})
	fresh := project(t, d, "main", nil)
	jobs, err := fresh.Jobs(t.Context(), push, "test")
	if !errors.Is(err, job.ErrUnknownWord) || len(jobs) != 8 {
		t.Errorf("a result that nobody documents: %d jobs, %v", len(jobs), err)
	}
}

package buildbot_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/job"
)

// Which branch a name means, of those that the master has changes of.
func TestBranches(t *testing.T) {
	for _, c := range []struct {
		has    string // branches, of one change each; _ has no name
		repo   string
		branch string // given by name
		want   string // the changes, by number, or part of the error
	}{
		{"main users/bob/main main", "main", "", "1 3"},
		{"main users/bob/main main", "bob/main", "", "2"},
		{"main _ main", "main", "", "1 3"},
		{"_ users/bob/main _", "main", "", "1 3"},
		{"_ users/bob/main _", "default", "", "1 3"},
		{"_ stable _", "stable", "", "2"},
		{"_ _", "autoland", "", "1 2"},
		{"_ _", "autoland", "other", `no branch "other"; branches seen: (without a name)`},
		{"_ _", "autoland", "default", "1 2"},
		{"integration/autoland mozilla-central", "autoland", "", "1"},
		{"integration/autoland try", "app", "integration/autoland", "1"},
		{"integration/autoland try", "app", "autoland", "1"},
		{"a/main b/main", "main", "", "several branches end with /main: a/main, b/main"},
		{"a/main b/main", "nosuch", "", `no branch "nosuch"; branches seen: a/main, b/main`},
		{"remain main2", "main", "", `no branch "main"; branches seen: main2, remain`},
	} {
		d := bbtest.NewDouble(t)
		for i, b := range strings.Fields(c.has) {
			fields := bbtest.Row{"branch": b}
			if b == "_" {
				fields["branch"] = nil
			}
			d.Change(bbtest.Revision(i), fields)
		}
		p := project(t, d, c.repo, &buildbot.ProjectOptions{Branch: c.branch})
		pushes, err := p.Pushes(t.Context(), job.IDs(0, 100))
		var got []string
		for _, push := range pushes {
			got = append(got, fmt.Sprint(push.ID))
		}
		if s := strings.Join(got, " "); s != c.want && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q %s %s: %q, %v; expected %s", c.has, c.repo, c.branch, s, err, c.want)
		}
		var e *job.Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("%v is no *job.Error", err)
		}
	}
}

// The exact name wins, also where it was used long ago and a longer one is newer;
// and a branch that is rare among many changes is read by itself.
func TestOldBranch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := bbtest.Offline()
		d.Change(bbtest.Revision(1), nil)
		for i := range 600 {
			d.Change(bbtest.Revision(10+i), bbtest.Row{"branch": "users/bob/main"})
		}
		p := offline(t, d)
		pushes, err := p.Pushes(t.Context(), job.Around("tip", 30, 0))
		if err != nil || len(pushes) != 1 || pushes[0].ID != 1 {
			t.Errorf("%v %v", pushes, err)
		}
		if n := len(d.Asked()); n > 4 {
			t.Errorf("%d requests", n)
		}
	})
}

// Several codebases on one branch, or several repositories, are not guessed among.
func TestCodebases(t *testing.T) {
	d := bbtest.NewDouble(t)
	for i, codebase := range []string{"app", "lib", "app"} {
		d.Change(bbtest.Revision(i), bbtest.Row{
			"codebase": codebase, "repository": "https://git.example/" + codebase + ".git",
		})
	}
	for _, c := range []struct {
		codebase, want string
	}{
		{"", "branch main has several codebases: app, lib; name one with --codebase"},
		{"app", "1 3"},
		{"lib", "2"},
		{"tools", `no codebase "tools" on branch main; codebases seen: app, lib`},
	} {
		p := project(t, d, "main", &buildbot.ProjectOptions{Codebase: c.codebase})
		pushes, err := p.Pushes(t.Context(), job.IDs(1, 100))
		if got := ids(pushes); got != c.want && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("codebase %q: %s, %v; expected %s", c.codebase, got, err, c.want)
		}
	}
	// A codebase whose changes are rare is told of by builds.
	d = bbtest.NewDouble(t)
	b := d.Builder("test")
	for i := range 60 {
		d.Change(bbtest.Revision(i), bbtest.Row{"codebase": "app"})
	}
	d.Ask(bbtest.BuildRequest{
		Builder: b, Results: []int{0},
		Stamps: []bbtest.Row{
			bbtest.Stamp(bbtest.Revision(59), bbtest.Row{"codebase": "app"}),
			bbtest.Stamp(bbtest.Revision(99), bbtest.Row{"codebase": "lib"}),
		},
	})
	if _, err := project(t, d, "main", nil).Push(t.Context(), "tip"); !errors.Is(err, job.ErrInvalid) ||
		!strings.Contains(err.Error(), "app, lib") {
		t.Errorf("%v", err)
	}
	// Two repositories with a branch of one name.
	d = bbtest.NewDouble(t)
	for i, repo := range []string{"app", "lib", "app"} {
		d.Change(bbtest.Revision(i), bbtest.Row{
			"repository": []string{"git@git.example:x/" + repo + ".git", "https://git.example/x/" + repo}[i%2],
		})
	}
	p := project(t, d, "app", &buildbot.ProjectOptions{Branch: "main"})
	if pushes, err := p.Pushes(t.Context(), job.IDs(1, 100)); err != nil || ids(pushes) != "1 3" {
		t.Errorf("%v %v", pushes, err)
	}
	if _, err := project(t, d, "main", nil).Push(t.Context(), "tip"); err == nil ||
		!strings.Contains(err.Error(), "several repositories have the branch main: app, lib; name one with --repo") {
		t.Errorf("%v", err)
	}
}

func ids(pushes []job.Push) string {
	var out []string
	for _, p := range pushes {
		out = append(out, fmt.Sprint(p.ID))
	}
	return strings.Join(out, " ")
}

// What another repository's push ran, and is asked to run, is of that repository:
// its branch, and where it is.
func TestOtherRepository(t *testing.T) {
	d := bbtest.NewDouble(t)
	b := d.Builder("test")
	merged := bbtest.Revision(7)
	place := func(name string) bbtest.Row {
		return bbtest.Row{"branch": name, "repository": "https://hg.example/" + name, "project": name}
	}
	d.Change(bbtest.Revision(1), place("integration/autoland"))
	d.Change(bbtest.Revision(6), place("mozilla-central"))
	d.Ask(bbtest.BuildRequest{
		Builder: b, Results: []int{0}, Stamps: []bbtest.Row{bbtest.Stamp(merged, place("mozilla-central"))},
	})
	d.Ask(bbtest.BuildRequest{
		Builder: b, Results: []int{2}, Stamps: []bbtest.Row{bbtest.Stamp(merged, place("integration/autoland"))},
	})
	here := bbtest.Row{"branch": "integration/autoland", "repository": "https://hg.example/integration/autoland"}
	d.Form("force", []string{"test"}, bbtest.Sources("", here))
	p := project(t, d, "autoland", nil)
	ours := job.Push{Repo: "autoland", ID: 33, Revision: merged}
	theirs := job.Push{Repo: "mozilla-central", ID: 44, Revision: merged}
	if got := ran(t, p, ours, "test") + "; " + ran(t, p, theirs, "test"); got != "2/1 busted; 1/1 success" {
		t.Errorf("runs %s", got)
	}
	fresh := job.Push{Repo: "mozilla-central", ID: 45, Revision: bbtest.Revision(8)} // nothing ran on it
	for _, push := range []job.Push{theirs, fresh} {
		r, err := p.Trigger(t.Context(), job.Request{Key: "k" + push.Short(), Label: "test", Push: push, Count: 1})
		if err != nil || r.State != job.ReceiptCreated {
			t.Fatal(r, err)
		}
		jobs, err := p.Jobs(t.Context(), push, "test")
		i := slices.IndexFunc(jobs, func(j job.Job) bool { return j.ID() == r.IDs[0] })
		if err != nil || i < 0 {
			t.Fatalf("the run is not the push's: %v %v", jobs, err)
		}
		ss := jobs[i].Raw().(buildbot.Record).Buildset.SourceStamps[0]
		if ss.Branch != "mozilla-central" || ss.Repository != "https://hg.example/mozilla-central" ||
			ss.Project != "mozilla-central" || ss.Revision != push.Revision {
			t.Errorf("forced with %+v", ss)
		}
	}
	// A repository that the master never heard of: nothing is forced with another's.
	gone := job.Push{Repo: "comm-central", ID: 46, Revision: bbtest.Revision(9)}
	if jobs, err := p.Jobs(t.Context(), gone, "test"); err != nil || len(jobs) > 0 {
		t.Errorf("%v %v", jobs, err)
	}
	_, err := p.Trigger(t.Context(), job.Request{Key: "g", Label: "test", Push: gone, Count: 1})
	if !errors.Is(err, job.ErrNotFound) ||
		!strings.Contains(err.Error(), "branches seen: integration/autoland, mozilla-central") {
		t.Errorf("%v", err)
	}
}

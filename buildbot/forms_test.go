package buildbot_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/job"
)

// A force sets the fields of the push's codebase and leaves the others alone.
func TestForceCodebase(t *testing.T) {
	d := bbtest.NewDouble(t)
	d.Builder("test")
	for i, codebase := range []string{"app", "lib"} {
		d.Change(bbtest.Revision(i), bbtest.Row{
			"codebase": codebase, "repository": "https://git.example/" + codebase, "project": codebase,
		})
	}
	d.Form("force", []string{"test"}, bbtest.Sources("app", bbtest.Row{"branch": "stable"}), bbtest.Sources("lib", nil))
	p := project(t, d, "main", &buildbot.ProjectOptions{Codebase: "lib"})
	push := at(t, p, "tip")
	if _, err := p.Trigger(t.Context(), job.Request{Key: "k", Label: "test", Push: push, Count: 1}); err != nil {
		t.Fatal(err)
	}
	jobs, err := p.Jobs(t.Context(), push, "test")
	if err != nil || len(jobs) != 1 {
		t.Fatal(jobs, err)
	}
	stamps := jobs[0].Raw().(buildbot.Record).Buildset.SourceStamps
	if len(stamps) != 1 || stamps[0].Codebase != "lib" || stamps[0].Branch != "main" ||
		stamps[0].Revision != push.Revision || stamps[0].Repository != "https://git.example/lib" ||
		stamps[0].Project != "lib" {
		t.Errorf("%+v", stamps)
	}
	// Pushes of a pushlog say nothing of codebases: it must be clear.
	q := project(t, d, "main", nil)
	_, err = q.Trigger(t.Context(), job.Request{Key: "k", Label: "test", Push: push, Count: 1})
	if !errors.Is(err, job.ErrInvalid) ||
		!strings.Contains(err.Error(), "app, lib; name one with --codebase") {
		t.Errorf("%v", err)
	}
}

// No form, a form for another branch, and no such builder are three messages; the
// catalog and the plan have the same.
func TestNoForm(t *testing.T) {
	d := bbtest.NewDouble(t)
	built, bare, other := d.Builder("built"), d.Builder("bare"), d.Builder("other")
	d.Builder("forced")
	rev := bbtest.Revision(1)
	d.Change(rev, nil)
	for _, b := range []int{built, other} {
		d.Ask(bbtest.BuildRequest{Builder: b, Results: []int{2}, Stamps: []bbtest.Row{bbtest.Stamp(rev, nil)}})
	}
	d.Ask(bbtest.BuildRequest{
		Builder: bare, Results: []int{2}, Stamps: []bbtest.Row{bbtest.Stamp(bbtest.Revision(2), nil)},
	})
	d.Form("force", []string{"forced"}, bbtest.Sources("", nil))
	d.Form("force-esr", []string{"other"}, bbtest.Sources("", bbtest.Row{"branch": "fixed esr"}))
	p := project(t, d, "main", nil)
	push := at(t, p, rev)
	for label, want := range map[string]string{
		"bare":   `no force scheduler of this master has the builder "bare", and it has no build on main 1`,
		"other":  `no form of builder "other" is for branch main: force-esr is fixed to branch esr`,
		"nobody": `no builder named "nobody"`,
	} {
		_, err := p.Trigger(t.Context(), job.Request{Key: "k", Label: label, Push: push, Count: 1})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected %q", label, err, want)
		}
	}
	entries, err := p.Catalog(t.Context(), push)
	if err != nil {
		t.Fatal(err)
	}
	barred := map[string]string{}
	for _, e := range entries {
		barred[e.Label] = e.Barred
	}
	for label, want := range map[string]string{
		"forced": "", "built": "", "bare": "no force scheduler", "other": "is fixed to branch esr",
	} {
		if got, ok := barred[label]; !ok || (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s is barred: %q, expected %q", label, got, want)
		}
	}
	// What was built can be built again, though no key goes with it.
	r, err := p.Trigger(t.Context(), job.Request{Key: "k", Label: "built", Push: push, Count: 2})
	if err != nil || r.State != job.ReceiptCreated || len(r.IDs) != 2 {
		t.Fatal(r, err)
	}
	if got := ran(t, p, push, "built"); got != "1/1 busted, 4/1 pending, 5/1 pending" {
		t.Error(got)
	}
	_, err = p.Carried(t.Context(), job.Request{Key: "k", Label: "built", Push: push, Count: 2})
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("keys of rebuilds: %v", err)
	}
}

// Keys are found again whatever a form does to reasons, and where they cannot be,
// that is said.
func TestReasons(t *testing.T) {
	long := "autoland/12/0123456789ab/" + strings.Repeat("linux64/", 8) + "/times=2"
	for _, c := range []struct {
		most  any
		keyed bool
	}{{nil, true}, {200, true}, {60, true}, {32, true}, {20, false}, {0, false}} {
		d := bbtest.NewDouble(t)
		d.Builder("test")
		d.Change(bbtest.Revision(1), nil)
		d.Form("force", []string{"test"}, bbtest.Sources("", nil))
		d.ReasonSize(c.most)
		p := project(t, d, "main", nil)
		req := job.Request{Key: long, Label: "test", Push: at(t, p, "tip"), Count: 2, Why: "déjà vu"}
		if none, err := p.Carried(t.Context(), req); len(none) > 0 || (err == nil) != c.keyed {
			t.Errorf("%v: before: %v %v", c.most, none, err)
		}
		first, err := p.Trigger(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		d.Edit(func(tables map[string][]bbtest.Row) { // people see whose runs these are
			for _, set := range tables["buildsets"] {
				if c.most != 0 && !strings.Contains(fmt.Sprint(set["reason"]), "mozci") {
					t.Errorf("%v: the reason is %q", c.most, set["reason"])
				}
			}
		})
		made, err := p.Carried(t.Context(), req)
		if c.keyed && !slices.Equal(made, first.IDs) || !c.keyed && !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%v: %v %v, expected %v", c.most, made, err, first.IDs)
		}
		again, err := project(t, d, "main", nil).Trigger(t.Context(), req)
		if err != nil || (again.State == job.ReceiptAlreadyAsked) != c.keyed {
			t.Errorf("%v: again %v %v", c.most, again, err)
		}
	}
}

// Two callers with one key, and a master that takes its time.
func TestSameKeyAtOnce(t *testing.T) {
	d := bbtest.NewDouble(t)
	d.Builder("test")
	d.Change(bbtest.Revision(1), nil)
	d.Form("force", []string{"test"}, bbtest.Sources("", nil))
	d.Forcing = 50 * time.Millisecond
	p := project(t, d, "main", nil)
	push := at(t, p, "tip")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := p.Trigger(t.Context(), job.Request{Key: "k", Label: "test", Push: push, Count: 2})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := ran(t, p, push, "test"); got != "1/1 pending, 2/1 pending" {
		t.Error(got)
	}
}

// What another process asked for a moment ago is seen, also by who has just read.
func TestOthersKey(t *testing.T) {
	d := bbtest.NewDouble(t)
	d.Builder("test")
	d.Change(bbtest.Revision(1), nil)
	d.Form("force", []string{"test"}, bbtest.Sources("", nil))
	p, other := project(t, d, "main", nil), project(t, d, "main", nil)
	req := job.Request{Key: "k", Label: "test", Push: at(t, p, "tip"), Count: 1}
	if got := ran(t, p, req.Push, "test"); got != "" {
		t.Fatal(got)
	}
	if _, err := other.Trigger(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	r, err := p.Trigger(t.Context(), req)
	if err != nil || r.State != job.ReceiptAlreadyAsked {
		t.Errorf("%+v %v", r, err)
	}
}

// Which builders merge what waits, their histories tell.
func TestMerges(t *testing.T) {
	d := bbtest.NewDouble(t)
	stamps := []bbtest.Row{bbtest.Stamp(bbtest.Revision(1), nil)}
	merging, not := d.Builder("merging"), d.Builder("not")
	d.Change(bbtest.Revision(1), nil)
	d.Ask(bbtest.BuildRequest{Builder: merging, Stamps: stamps})
	d.Ask(bbtest.BuildRequest{Builder: merging, Results: []int{0}, Stamps: stamps})
	d.Ask(bbtest.BuildRequest{Builder: not, Results: []int{3}, Stamps: stamps})
	p := project(t, d, "main", nil)
	got := ""
	for _, label := range []string{"merging", "not"} {
		merges, err := job.Coalesces(t.Context(), p, label)
		got += fmt.Sprint(merges, err, " ")
	}
	if got != "true <nil> false <nil> " {
		t.Error(got)
	}
}

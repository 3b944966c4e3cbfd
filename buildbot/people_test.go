package buildbot_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/job"
)

// versions are the masters that tests run on.
var versions = map[string]bbtest.Options{"debian": {}, "pypi": {PyPI: true}}

// eachVersion runs a test on each, side by side.
func eachVersion(t *testing.T, o bbtest.Options, test func(*testing.T, *bbtest.Master)) {
	for name, v := range versions {
		v.More, v.RemoteUser = o.More, o.RemoteUser
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, bbtest.Start(t, &v))
		})
	}
}

// counting counts the requests that go through it.
type counting struct{ n atomic.Int64 }

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return http.DefaultTransport.RoundTrip(r)
}

// A master as people run it: a history with a known culprit, warnings, a virtual
// builder, a try build on a base, builds of the newest revision, two codebases.
func TestAsPeopleRunIt(t *testing.T) {
	eachVersion(t, bbtest.Options{More: true}, func(t *testing.T, m *bbtest.Master) {
		p := sheriff(t, m).Project("autoland", nil)
		const culprit = 3
		var revs []string
		for i := range 5 {
			rev := fmt.Sprintf("c0de%036d", i)
			if i >= culprit {
				rev = fmt.Sprintf("bad%037d", i)
			}
			revs = append(revs, rev)
			m.Push(rev, "dev@mozilla.example", fmt.Sprintf("Bug %d", i))
		}
		for i, codebase := range []string{"app", "lib", "app", "lib"} {
			m.PushTo(codebase, fmt.Sprintf("%s%036d", []string{"a0a0", "1b1b", "a0a0", "badb"}[i], i))
		}
		labels := []string{bbtest.Flipping, bbtest.Warning, bbtest.Virtual}
		m.Eventually("everything ran", func() bool {
			for _, rev := range revs {
				jobs, err := p.Jobs(t.Context(), at(t, p, rev), labels...)
				if err != nil {
					t.Fatal(err)
				}
				if len(jobs) != len(labels) || !ended(jobs) {
					return false
				}
			}
			return true
		})
		t.Run("culprit", func(t *testing.T) { atCulprit(t, m, p, culprit) })
		t.Run("warnings", func(t *testing.T) {
			push := at(t, p, revs[0])
			strict := sheriff(t, m).Project("autoland", &buildbot.ProjectOptions{FailOnWarnings: []string{"warn*"}})
			if a, b := words(t, p, push, bbtest.Warning), words(t, strict, push, bbtest.Warning); a != "success" ||
				b != "test_failed" {
				t.Errorf("%s, and where warnings mean failure %s", a, b)
			}
		})
		t.Run("virtual builder", func(t *testing.T) {
			for i, want := range map[int]string{0: "success", culprit: "busted"} {
				if got := words(t, p, at(t, p, revs[i]), bbtest.Virtual); got != want {
					t.Errorf("push %d: %s", i, got)
				}
				if got := words(t, p, at(t, p, revs[i]), bbtest.Spawner); got != "" {
					t.Errorf("push %d, the base: %s", i, got)
				}
			}
		})
		t.Run("try", func(t *testing.T) {
			before := words(t, p, at(t, p, revs[1]), bbtest.Tried)
			m.Try(revs[1])
			m.Eventually("it ran", func() bool {
				all, err := sheriff(t, m).Builders(t.Context())
				return err == nil && len(all) > 0 && tried(t, m)
			})
			if got := words(t, p, at(t, p, revs[1]), bbtest.Tried); got != before {
				t.Errorf("the base's runs were %q and are %q", before, got)
			}
		})
		t.Run("newest revision", func(t *testing.T) {
			m.Head(revs[2])
			c := sheriff(t, m)
			b := slices.IndexFunc(must(c.Builders(t.Context())),
				func(b buildbot.Builder) bool { return b.Name == bbtest.Newest })
			id := must(c.Builders(t.Context()))[b].ID
			if err := c.Force(t.Context(), "force-newest", id, map[string]any{"branch": bbtest.Branch}); err != nil {
				t.Fatal(err)
			}
			m.Eventually("it is a run of what it found",
				func() bool { return words(t, p, at(t, p, revs[2]), bbtest.Newest) == "success" })
		})
		t.Run("codebases", func(t *testing.T) { twofold(t, m) })
		t.Run("growing log", func(t *testing.T) {
			push := at(t, p, revs[0])
			force(t, p, push, bbtest.Held, "growing", 1)
			m.Eventually("it can be read as far as it is", func() bool {
				jobs, err := p.Jobs(t.Context(), push, bbtest.Held)
				if err != nil || len(jobs) != 1 || jobs[0].Status() != job.StatusRunning {
					return false
				}
				r, err := p.OpenLog(t.Context(), jobs[0], job.LogText)
				if err != nil {
					return false
				}
				return r.Close() == nil
			})
			m.Release()
		})
	})
}

// must is for what a test has asked before.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// atCulprit finds the last good push on a real history, and counts what it cost.
func atCulprit(t *testing.T, m *bbtest.Master, p *buildbot.Project, culprit int) {
	wire := &counting{}
	c, err := buildbot.New(m.URL, &buildbot.Options{HTTP: &http.Client{Transport: wire}})
	if err != nil {
		t.Fatal(err)
	}
	fresh := c.Project("autoland", nil)
	if _, err := fresh.Push(t.Context(), "tip"); err != nil {
		t.Fatal(err)
	}
	tip := wire.n.Swap(0)
	fresh = c.Project("autoland", nil)
	w, err := walk(t.Context(), fresh, bbtest.Flipping, "tip", 30)
	if err != nil {
		t.Fatal(err)
	}
	n := wire.n.Load()
	t.Logf("tip: %d requests, at most 3; backfill over 30 pushes: %d requests, at most 12", tip, n)
	all := must(p.Pushes(t.Context(), job.IDs(0, 1000)))
	if w.lastGood != all[culprit-1].ID || w.firstBad != all[culprit].ID {
		t.Errorf("%+v", w)
	}
	if tip > 3 || n > 12 {
		t.Errorf("tip: %d requests, backfill: %d", tip, n)
	}
}

// tried reports whether a build with a patch ended.
func tried(t *testing.T, m *bbtest.Master) bool {
	t.Helper()
	return slices.ContainsFunc(must(sheriff(t, m).Buildsets(t.Context())), func(s buildbot.Buildset) bool {
		return s.SourceStamps[0].Patch != nil && s.Complete
	})
}

// twofold asks about two codebases, and forces one of them.
func twofold(t *testing.T, m *bbtest.Master) {
	c := sheriff(t, m)
	if _, err := c.Project(bbtest.Second, nil).Push(t.Context(), "tip"); !errors.Is(err, job.ErrInvalid) ||
		!strings.Contains(err.Error(), "app, lib") {
		t.Errorf("without a codebase: %v", err)
	}
	p := c.Project(bbtest.Second, &buildbot.ProjectOptions{Codebase: "lib"})
	m.Eventually("both ran", func() bool {
		return words(t, p, at(t, p, "tip"), bbtest.Twofold) == "busted"
	})
	pushes := must(p.Pushes(t.Context(), job.Around("tip", 10, 0)))
	if len(pushes) != 2 || !strings.HasPrefix(words(t, p, pushes[0], bbtest.Twofold), "success") {
		t.Errorf("%v: %s", pushes, words(t, p, pushes[0], bbtest.Twofold))
	}
	before := len(strings.Fields(words(t, p, pushes[0], bbtest.Twofold)))
	r := force(t, p, pushes[0], bbtest.Twofold, "lib", 1)
	jobs := must(p.Jobs(t.Context(), pushes[0], bbtest.Twofold))
	if len(jobs) != before+1 {
		t.Errorf("%d runs, expected %d", len(jobs), before+1)
	}
	for _, j := range jobs {
		if j.ID() != r.IDs[0] {
			continue
		}
		for _, ss := range j.Raw().(buildbot.Record).Buildset.SourceStamps {
			switch {
			case ss.Codebase == "lib" &&
				(ss.Revision != pushes[0].Revision || ss.Branch != bbtest.Second || ss.Repository != "https://git.example/lib.git"),
				ss.Codebase == "app" && ss.Revision != "":
				t.Errorf("forced %+v", ss)
			}
		}
	}
}

// RemoteUserAuth behind a server that wants HTTP Basic.
func TestRemoteUser(t *testing.T) {
	eachVersion(t, bbtest.Options{RemoteUser: true}, func(t *testing.T, m *bbtest.Master) {
		m.Push(revision("a"), "dev", "Bug 1")
		front := m.Front()
		project := func(user, password string) *buildbot.Project {
			c, err := buildbot.New(front, &buildbot.Options{User: user, Password: password})
			if err != nil {
				t.Fatal(err)
			}
			return c.Project("autoland", nil)
		}
		p := project(bbtest.User, bbtest.Password)
		push, err := p.Push(t.Context(), "tip")
		if err != nil {
			t.Fatal(err)
		}
		if r := force(t, p, push, bbtest.Passing, "remote", 2); r.State != job.ReceiptCreated || len(r.IDs) != 2 {
			t.Error(r)
		}
		if got := must(p.Carried(t.Context(), job.Request{
			Key: "remote", Label: bbtest.Passing, Push: push, Count: 2,
		})); len(got) != 2 {
			t.Error(got)
		}
		if _, err := project(bbtest.User, "guess").Push(t.Context(), "tip"); !errors.Is(err, job.ErrDenied) {
			t.Errorf("a wrong password: %v", err)
		}
		if _, err := project("", "").Push(t.Context(), "tip"); !errors.Is(err, job.ErrDenied) ||
			!strings.Contains(err.Error(), "set BUILDBOT_USER and BUILDBOT_PASSWORD") {
			t.Errorf("nobody: %v", err)
		}
		anonymous, err := buildbot.New(m.URL, nil) // past the front
		if err != nil {
			t.Fatal(err)
		}
		_, err = anonymous.Project("autoland", nil).Trigger(t.Context(), job.Request{
			Label: bbtest.Passing, Push: push, Count: 1,
		})
		if !errors.Is(err, job.ErrDenied) ||
			!strings.Contains(err.Error(), "this master signs in with RemoteUserAuth") {
			t.Errorf("past the front: %v", err)
		}
	})
}

package buildbot_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// One master for what does not disturb others.
func TestMaster(t *testing.T) {
	m := bbtest.Start(t, nil)
	p := sheriff(t, m).Project("autoland", nil)
	bad := "bad0" + strings.Repeat("b", 36)
	r := running{m, p, pushed(t, m, p, revision("a"), bad, revision("c"), revision("d"), revision("e"))}
	t.Run("repository kit", r.repositoryKit)
	t.Run("scheduler kit", r.schedulerKit)
	t.Run("results", r.results)
	t.Run("collapsed", r.collapsed)
	t.Run("times", r.times)
	t.Run("log", r.log)
	t.Run("form", r.form)
	t.Run("rebuild", r.rebuild)
	t.Run("refused", r.refused)
	t.Run("load", r.load)
}

// running is a master that runs, with a project of a user who may force, and pushes
// whose first builds ended; the second is bad.
type running struct {
	m      *bbtest.Master
	p      *buildbot.Project
	pushes []job.Push
}

// gated is a client of the master that has asked nothing yet, through a gate.
func gated(t *testing.T, m *bbtest.Master) (*buildbot.Project, *hgtest.Gate) {
	t.Helper()
	client, gate := hgtest.Gated(&http.Client{})
	c, err := buildbot.New(m.URL, &buildbot.Options{User: bbtest.User, Password: bbtest.Password, HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	return c.Project("autoland", nil), gate
}

func (r running) repositoryKit(t *testing.T) {
	p, gate := gated(t, r.m)
	c := jobtest.RepositoryCase{Pushes: r.pushes, Absent: revision("9"), Hang: gate.Hang}
	if err := jobtest.CheckRepository(t.Context(), p, c); err != nil {
		t.Error(err)
	}
}

func (r running) schedulerKit(t *testing.T) {
	push := r.pushes[0]
	settle := func() {
		r.m.Eventually("what was stopped has stopped", func() bool {
			return !strings.Contains(words(t, r.p, push, bbtest.Held), "stopping")
		})
	}
	force(t, r.p, push, bbtest.Held, "kit", 1)
	c := jobtest.SchedulerCase{
		Push: push, Labels: []string{bbtest.Held, bbtest.Passing}, Runs: 1, Settle: settle, Keys: true,
		NotScheduled: job.Push{Repo: "autoland", ID: 99, Time: push.Time},
		Others:       append(r.pushes[1:len(r.pushes):len(r.pushes)], strangers(push)...),
	}
	p, gate := gated(t, r.m)
	c.Hang = gate.Hang
	if err := jobtest.CheckScheduler(t.Context(), p, c); err != nil {
		t.Error(err)
	}
	r.m.Release()
}

// strangers are pushes that a master does not know: of the branch, of another repository,
// and the push's own revision as one of another.
func strangers(push job.Push) []job.Push {
	return []job.Push{
		{Repo: push.Repo, ID: 77, Revision: revision("8"), Time: push.Time},
		{Repo: "elsewhere", ID: 78, Revision: revision("7"), Time: push.Time},
		{Repo: "elsewhere", ID: 79, Revision: push.Revision, Time: push.Time},
	}
}

// The kit on a double, with more pushes than fit a page.
func TestKitOfADouble(t *testing.T) {
	d := bbtest.Offline()
	var all []int
	for _, name := range []string{"a", "b"} {
		all = append(all, d.Builder(name))
	}
	for i := range 70 {
		d.Change(bbtest.Revision(i), nil)
		for _, b := range all {
			d.Ask(bbtest.BuildRequest{
				Builder: b, Results: endings[(3*i+b)%len(endings)],
				Stamps: []bbtest.Row{bbtest.Stamp(bbtest.Revision(i), nil)},
			})
		}
	}
	d.Form("force", []string{"a", "b"}, bbtest.Sources("", nil))
	client, gate := hgtest.Gated(&http.Client{Transport: d})
	c, err := buildbot.New("http://master.example", &buildbot.Options{User: "x", Password: "y", HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	pushes, err := offline(t, d).Pushes(t.Context(), job.Around("tip", 69, 0))
	if err != nil {
		t.Fatal(err)
	}
	push := pushes[60]
	err = jobtest.CheckScheduler(t.Context(), c.Project("main", nil), jobtest.SchedulerCase{
		Push: push, Labels: []string{"b", "a"}, Runs: len(offlineRuns(t, d, push, "b")), Keys: true, Hang: gate.Hang,
		NotScheduled: job.Push{Repo: "main", ID: 99, Time: push.Time}, Others: append(pushes, strangers(push)...),
	})
	if err != nil {
		t.Error(err)
	}
}

func offlineRuns(t *testing.T, d *bbtest.Double, push job.Push, label string) []job.Job {
	t.Helper()
	jobs, err := offline(t, d).Jobs(t.Context(), push, label)
	if err != nil {
		t.Fatal(err)
	}
	return jobs
}

func (r running) results(t *testing.T) {
	bad := r.pushes[1]
	if got := words(t, r.p, bad, bbtest.Flipping); got != "busted" {
		t.Errorf("a failing test: %s", got)
	}
	force(t, r.p, bad, bbtest.Retrying, "r", 1)
	force(t, r.p, bad, bbtest.Broken, "x", 1)
	r.m.Eventually("the retried request has two builds", func() bool {
		return words(t, r.p, bad, bbtest.Retrying) == "retry success"
	})
	r.m.Eventually("a broken build ends", func() bool { return words(t, r.p, bad, bbtest.Broken) == "exception" })
}

func (r running) collapsed(t *testing.T) {
	r.m.Hold()
	force(t, r.p, r.pushes[2], bbtest.Slow, "s", 6) // four can run at a time
	r.m.Eventually("some are collapsed", func() bool {
		return strings.Contains(words(t, r.p, r.pushes[2], bbtest.Slow), "coalesced")
	})
	r.m.Release()
	r.m.Eventually("they end", func() bool {
		w := words(t, r.p, r.pushes[2], bbtest.Slow)
		return strings.Contains(w, "success") && !strings.Contains(w, "pending") && !strings.Contains(w, "running")
	})
}

func (r running) times(t *testing.T) {
	jobs, err := r.p.Jobs(t.Context(), r.pushes[0], bbtest.Passing)
	if err != nil {
		t.Fatal(err)
	}
	at := jobs[0].Times()
	if at.Requested.IsZero() || at.Started.Before(at.Requested) || at.Finished.Before(at.Started) ||
		jobs[0].Kind() != job.KindTest {
		t.Errorf("%v %v", at, jobs[0].Kind())
	}
	asked, err := r.p.WasAdded(t.Context(), jobs[0])
	if err != nil || asked {
		t.Errorf("it came with the push: %v %v", asked, err)
	}
}

func (r running) log(t *testing.T) {
	jobs, err := r.p.Jobs(t.Context(), r.pushes[1], bbtest.Flipping)
	if err != nil {
		t.Fatal(err)
	}
	// By its ID alone, as a person gives it.
	log, err := job.OpenLog(t.Context(), r.p, job.New(job.Fields{ID: jobs[0].ID()}), job.LogText)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(log)
	if err := errors.Join(err, log.Close()); err != nil {
		t.Fatal(err)
	}
	const want = "TEST-UNEXPECTED-FAIL | a/test_b.html | expected 3, got 4\n"
	if !strings.Contains(string(text), want) {
		t.Errorf("no %q in:\n%s", want, text)
	}
	if _, err := job.OpenLog(t.Context(), r.p, jobs[0], job.LogErrorSummary); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("a log that it has not: %v", err)
	}
}

// form forces a test, whose form is filled with what the earlier build had.
func (r running) form(t *testing.T) {
	push := r.pushes[3]
	build, err := r.p.Jobs(t.Context(), push, bbtest.Build)
	if err != nil || len(build) != 1 {
		t.Fatal(build, err)
	}
	receipt := force(t, r.p, push, bbtest.Passing, "form", 1)
	jobs, err := r.p.Jobs(t.Context(), push, bbtest.Passing)
	i := slices.IndexFunc(jobs, func(j job.Job) bool { return j.ID() == receipt.IDs[0] })
	if err != nil || i < 0 {
		t.Fatalf("%s is not there: %v %v", receipt.IDs[0], jobs, err)
	}
	forced := jobs[i].Raw().(buildbot.Record)
	if set := forced.Buildset; set.SourceStamps[0].Branch != bbtest.Branch ||
		!strings.Contains(set.Reason, "[mozci form #1] a test") {
		t.Errorf("%+v", set)
	}
	c := sheriff(t, r.m)
	var b buildbot.Build
	// A master shows a build before it has written the build's properties: one that
	// has ended has them.
	r.m.Eventually("it is built", func() bool {
		builds, err := c.Builds(t.Context(), forced.Request.ID)
		if err != nil || len(builds) == 0 || !builds[0].Complete {
			return false
		}
		b, err = c.Build(t.Context(), builds[0].ID)
		return err == nil
	})
	if got := b.Properties["packageUrl"].Value; got != "http://127.0.0.1/"+push.Revision+"/target.tar.bz2" {
		t.Errorf("the build's package: %v", got)
	}
	if asked, err := r.p.WasAdded(t.Context(), jobs[i]); err != nil || !asked {
		t.Errorf("it was asked for: %v %v", asked, err)
	}
}

func (r running) rebuild(t *testing.T) {
	c := sheriff(t, r.m)
	jobs, err := r.p.Jobs(t.Context(), r.pushes[4], bbtest.Passing)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Rebuild(t.Context(), jobs[0].Raw().(buildbot.Record).Build.ID); err != nil {
		t.Fatal(err)
	}
	// The client's own calls are no project's: it sees them two seconds later.
	r.m.Eventually("a rebuild is seen", func() bool {
		return len(strings.Fields(words(t, r.p, r.pushes[4], bbtest.Passing))) == 2
	})
	if err := c.Rebuild(t.Context(), 99999); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("a build that is not there: %v", err)
	}
}

func (r running) load(t *testing.T) {
	r.m.Hold()
	force(t, r.p, r.pushes[4], bbtest.Held, "load", 6)
	r.m.Eventually("they wait and run", func() bool {
		l, err := r.p.QueueDepth(t.Context(), bbtest.Held)
		if err != nil {
			t.Fatal(err)
		}
		return l.Running > 0 && l.Pending > 0 && l.Running+l.Pending == 6
	})
	r.m.Release()
}

// refused asks for what is not there, and as who may not.
func (r running) refused(t *testing.T) {
	ask := func(user, password, repo string, o *buildbot.ProjectOptions, edit func(*job.Request)) error {
		c, err := buildbot.New(r.m.URL, &buildbot.Options{User: user, Password: password})
		if err != nil {
			t.Fatal(err)
		}
		req := job.Request{Key: "refused", Label: bbtest.Passing, Push: r.pushes[0], Count: 1}
		if edit != nil {
			edit(&req)
		}
		_, err = c.Project(repo, o).Trigger(t.Context(), req)
		return err
	}
	edited := func(edit func(*job.Request)) error { return ask(bbtest.User, bbtest.Password, "autoland", nil, edit) }
	other := &buildbot.ProjectOptions{ForceScheduler: "force-other"}
	elsewhere := func(r *job.Request) { r.Push.Repo = "somewhere" }
	colour := map[string]any{"colour": "red"}
	for _, c := range []struct {
		what string
		err  error
		is   error
		says string
	}{
		{"anonymous", ask("", "", "autoland", nil, nil), job.ErrDenied, "you need to have role 'admins'"},
		{
			"wrong password", ask(bbtest.User, "guess", "autoland", nil, nil), job.ErrDenied,
			"signing in as " + bbtest.User,
		},
		{
			"scheduler", ask(bbtest.User, bbtest.Password, "autoland", other, nil), job.ErrInvalid,
			"those that do: force-autoland",
		},
		{
			"branch", ask(bbtest.User, bbtest.Password, "somewhere", nil, elsewhere), job.ErrNotFound,
			`no branch "somewhere"; branches seen: integration/autoland`,
		},
		{
			"builder", edited(func(r *job.Request) { r.Label = "nobody" }), job.ErrNotFound,
			`no builder named "nobody"`,
		},
		{
			"input", edited(func(r *job.Request) { r.Input = colour }), job.ErrInvalid,
			"force-autoland has no field colour",
		},
		{"no object", edited(func(r *job.Request) { r.Input = 3 }), job.ErrInvalid, "expected a JSON object"},
		{"action", edited(func(r *job.Request) { r.Action = "explode" }), job.ErrInvalid, "expected force"},
	} {
		if !errors.Is(c.err, c.is) || !strings.Contains(fmt.Sprint(c.err), c.says) {
			t.Errorf("%s: %v, expected %q", c.what, c.err, c.says)
		}
	}
}

package treeherder_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/internal/testing/thtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/job/treeherder"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

const actingWorld = `
needs linux/test linux/build
truth linux/test culprit=4 before=0 after=1
push   linux/test    linux/build linux/lint decision
1 a1c0 pass          pass        pass       pass
2 b2d1 -             pass        pass       pass
3 c3e2 -             pass        -          pass
4 d4f3 -             pass        pass       pass
5 e5a4 not-scheduled
6 f6b5 fail,running  pass        pass       pass
7 a7c6 fail          pass        running    pass
`

// ingesting is a Treeherder that hears of what happens in a world's CI, late, each time
// that it is asked.
type ingesting struct {
	*thtest.Server
	ci    *jobtest.CI
	world *jobtest.World
	hears func(job.Push, job.Job) bool // whether it heard of a run by now; nil for all
	knows func(job.Push) bool          // whether it heard of a push by now; nil for all

	mu     sync.Mutex
	pushes map[int64]bool
}

func ingest(text string) *ingesting {
	w := jobtest.MustParse(text)
	return &ingesting{
		Server: &thtest.Server{Project: "autoland"}, ci: jobtest.NewCI(w, nil), world: w, pushes: map[int64]bool{},
	}
}

// words are the state and the result that Treeherder has for a status.
func words(s job.Status) (state, result string) {
	switch s {
	case job.StatusPending, job.StatusRunning, job.StatusUnscheduled:
		return s.String(), "unknown"
	case job.StatusTestFailed:
		return "completed", "testfailed"
	case job.StatusCancelled:
		return "completed", "usercancel"
	case job.StatusCoalesced:
		return "completed", "superseded"
	}
	return "completed", s.String()
}

func (s *ingesting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.hear()
	s.Server.ServeHTTP(w, r)
}

func (s *ingesting) hear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.world.Pushes("autoland") {
		if s.knows != nil && !s.knows(p) {
			continue
		}
		if !s.pushes[p.ID] {
			s.pushes[p.ID] = true
			s.AddPush(thtest.Object{
				"id": 5000 + p.ID, "revision": p.Revision, "push_timestamp": p.Time.Unix(), "revision_count": 1,
				"revisions": []any{thtest.Object{"revision": p.Revision}},
			})
		}
		jobs, _ := s.ci.Jobs(context.Background(), p)
		for _, j := range jobs {
			if s.hears == nil || s.hears(p, j) {
				state, result := words(j.Status())
				s.tell(p, thtest.Object{
					"task_id": j.ID(), "job_type_name": j.Name(), "state": state, "result": result,
					"submit_timestamp": j.Times().Requested.Unix(),
				})
			}
		}
	}
}

func (s *ingesting) tell(p job.Push, o thtest.Object) {
	n := 0
	_, _ = fmt.Sscanf(o["task_id"].(string), "run-%d", &n)
	o["id"], o["push_id"] = int(p.ID)*100_000+n+1, 5000+p.ID
	s.PutJob(o)
}

// acting reads a world's CI through the double.
func acting(t *testing.T, s *ingesting, o treeherder.ActingOptions) (a *treeherder.Acting, fell *[]string) {
	t.Helper()
	return actingOn(t, s, s.ci, o)
}

func actingOn(
	t *testing.T, h http.Handler, ci job.Scheduler, o treeherder.ActingOptions,
) (a *treeherder.Acting, fell *[]string) {
	t.Helper()
	fell = &[]string{}
	var mu sync.Mutex
	if o.Decision == "" {
		o.Decision = "decision"
	}
	o.Run = func(r treeherder.Record) string { return r.TaskID }
	o.Fell = func(why error) {
		mu.Lock()
		defer mu.Unlock()
		*fell = append(*fell, why.Error())
	}
	return project(t, h, "autoland").ActingOn(ci, &o), fell
}

// The kit holds whatever Treeherder has heard of.
func TestKitOfActing(t *testing.T) {
	for name, hears := range map[string]func(*ingesting){
		"all":     func(*ingesting) {},
		"nothing": func(s *ingesting) { s.hears = func(job.Push, job.Job) bool { return false } },
		"no push": func(s *ingesting) { s.knows = func(job.Push) bool { return false } },
		"half of the pushes": func(s *ingesting) {
			s.knows = func(p job.Push) bool { return p.ID%2 == 0 }
		},
		"half of the runs": func(s *ingesting) {
			s.hears = func(_ job.Push, j job.Job) bool { return strings.ContainsAny(j.ID()[len(j.ID())-1:], "02468") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := ingest(actingWorld)
			hears(s)
			a, _ := acting(t, s, treeherder.ActingOptions{})
			pushes := s.world.Pushes("autoland")
			settle := func() {
				s.ci.Advance(24 * time.Hour)
				s.hears, s.knows = nil, nil
			}
			c := jobtest.SchedulerCase{
				Push: pushes[5], Labels: []string{"linux/test", "linux/build", "linux/lint"}, Runs: 2,
				NotScheduled: pushes[4], Others: pushes[:4], Keys: true, Settle: settle,
			}
			if name == "half of the runs" {
				settle() // every run that is wanted is told, one day
			}
			if err := jobtest.CheckScheduler(t.Context(), a, c); err != nil {
				t.Error(err)
			}
		})
	}
}

// counted is a CI of which what is asked is counted.
type counted struct {
	job.Scheduler
	asked atomic.Int64
}

func (c *counted) Jobs(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
	c.asked.Add(1)
	return c.Scheduler.Jobs(ctx, p, names...)
}

// A history is Treeherder's, in as few requests, and of the CI nothing is asked.
func TestRequestsOfActing(t *testing.T) {
	s := longProject(300)
	for i := range 300 {
		s.AddJob(thtest.Object{
			"id": 400_000 + i, "push_id": longID(i), "state": "completed", "result": "success",
			"job_type_name": "Gecko Decision Task", "task_id": "decision",
		})
	}
	ci := &counted{}
	a := project(t, s, "autoland").ActingOn(ci, nil)
	rows, err := a.History(t.Context(), longPushes(100, 240), mochitest)
	if err != nil {
		t.Fatal(err)
	}
	runs := 0
	for _, r := range rows {
		runs += len(r.Jobs)
	}
	if n := len(s.Requests()); n != 3 || ci.asked.Load() != 0 || runs != 2*46 {
		t.Errorf("%d requests, and %d of the CI, for %d runs\n%s", n, ci.asked.Load(), runs,
			strings.Join(s.Requests(), "\n"))
	}
}

// The last good push of a hundred takes four requests, those for the pushes included, and
// one for the table of repositories, once.
func TestRequestsOfLastGood(t *testing.T) {
	s := longProject(220)
	for i, result := range map[int]string{100: "success", 200: "testfailed"} {
		s.AddJob(thtest.Object{
			"id": 50 + i, "push_id": longID(i), "state": "completed", "result": result, "job_type_name": "deep",
		})
	}
	p := project(t, s, "autoland")
	found, err := backfill.Find(t.Context(), p, p, "deep", longRevision(200), &backfill.FindOptions{
		MaxRevisions: 105,
	})
	if err != nil || found.LastGood == nil || found.LastGood.ID != int64(longID(100)) {
		t.Fatal(found.LastGood, err)
	}
	if n := len(s.Requests()); n > 5 {
		t.Errorf("%d requests, expected 5:\n%s", n, strings.Join(s.Requests(), "\n"))
	}
}

// What a CI shows and Treeherder does not show is asked for, and asked for once.
func TestLateRunsAreNotAskedForAgain(t *testing.T) {
	for _, hours := range []int{0, 1, 100} {
		s := ingest(actingWorld)
		asked := map[string]bool{}
		s.hears = func(_ job.Push, j job.Job) bool { return !asked[j.ID()] || hours > 50 }
		a, fell := acting(t, s, treeherder.ActingOptions{})
		pushes := s.world.Pushes("autoland")[1:4]
		for round := range 4 {
			// Without a ledger there is no other memory.
			plan, err := trigger.Make(t.Context(), a, pushes, []string{"linux/test"}, 2, nil)
			if err != nil {
				t.Fatal(err)
			}
			want := 0
			if round == 0 {
				want = 6
			}
			if plan.Total() != want {
				t.Fatalf("after %d h, round %d: %d runs to ask for, expected %d", hours*round, round, plan.Total(),
					want)
			}
			done, err := trigger.Run(t.Context(), a, plan, &trigger.RunOptions{Ledger: ledger.NewMemory()})
			if err != nil {
				t.Fatal(err)
			}
			for _, st := range done.Steps {
				if st.Receipt == nil {
					continue
				}
				for _, id := range st.Receipt.IDs {
					asked[id] = true
				}
			}
			s.ci.Advance(time.Duration(hours) * time.Hour)
		}
		if ended := hours == 1; len(*fell) > 0 != ended { // runs that were just made are no cause to speak of
			t.Errorf("after %d h, fell back: %q", hours, *fell)
		}
	}
}

// Runs are counted once while Treeherder hears of them, one after the other.
func TestAcceptedUntilShown(t *testing.T) {
	s := ingest(actingWorld)
	heard := 100
	s.hears = func(_ job.Push, j job.Job) bool {
		n := 0
		_, _ = fmt.Sscanf(j.ID(), "run-%d", &n)
		return n <= heard
	}
	a, _ := acting(t, s, treeherder.ActingOptions{})
	p := s.world.Pushes("autoland")[6]
	before, err := a.Jobs(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	heard = 0
	for _, j := range before {
		n := 0
		_, _ = fmt.Sscanf(j.ID(), "run-%d", &n)
		heard = max(heard, n)
	}
	others := job.Request{Label: "linux/test", Push: p, Count: 3}
	if _, err := s.ci.Trigger(t.Context(), others); err != nil {
		t.Fatal(err)
	}
	for more := range 4 {
		jobs, err := a.Jobs(t.Context(), p, "linux/test")
		accepted, err2 := a.Accepted(t.Context(), p, "linux/test")
		n := len(jobs)
		for _, r := range accepted {
			n += r.Count
		}
		if n != 4 || len(jobs) != 1+more || err != nil || err2 != nil {
			t.Errorf("%d heard of: %d jobs, accepted %+v, %v, %v", more, len(jobs), accepted, err, err2)
		}
		heard++
	}
}

// Runs that do not count are no runs on their way.
func TestAcceptedCountsWhatCounts(t *testing.T) {
	s := ingest(`
push   test                                       decision
1 a1c0 pass,cancelled,exception,skipped,coalesced pass
`)
	s.hears = func(_ job.Push, j job.Job) bool { return j.Name() == "decision" }
	a, _ := acting(t, s, treeherder.ActingOptions{})
	got, err := a.Accepted(t.Context(), s.world.Pushes("autoland")[0], "test")
	if err != nil || len(got) != 1 || got[0].Count != 1 || !strings.Contains(got[0].Why, "run-") {
		t.Errorf("%+v, %v; expected the one that passed", got, err)
	}
}

// A run that Treeherder has as running has ended when the CI says so, and when.
func TestStatusesOfActing(t *testing.T) {
	s := ingest(actingWorld)
	a, _ := acting(t, s, treeherder.ActingOptions{})
	p := s.world.Pushes("autoland")[5]
	s.hear()
	s.hears = func(job.Push, job.Job) bool { return false } // from now on nothing
	s.ci.Advance(24 * time.Hour)
	want, err := s.ci.Jobs(t.Context(), p, "linux/test")
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.Jobs(t.Context(), p, "linux/test")
	if err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	slices.SortFunc(got, func(x, y job.Job) int { return strings.Compare(x.ID(), y.ID()) })
	for i, j := range got {
		late := !j.Times().Finished.Equal(want[i].Times().Finished) && want[i].Status() != job.StatusTestFailed
		if j.Status() != want[i].Status() || j.Status().Waiting() || late {
			t.Errorf("%s is %s, ended %s; expected %s, %s", j.ID(), j.Status(), j.Times().Finished, want[i].Status(),
				want[i].Times().Finished)
		}
	}
	bare, _ := actingOn(t, s, &counted{Scheduler: s.ci}, treeherder.ActingOptions{}) // without abilities
	running := func(j job.Job) bool { return j.Status() == job.StatusRunning }
	if got, err = bare.Jobs(t.Context(), p, "linux/test"); err != nil || !slices.ContainsFunc(got, running) {
		t.Errorf("a CI that cannot tell: %v, %v; expected Treeherder's word", got, err)
	}
}

// Whether a run that waits for others can still come the CI knows.
func TestUnscheduledOfActing(t *testing.T) {
	s := ingest("push test build\n1 a1c0 unscheduled running\n")
	ci := &counted{Scheduler: s.ci}
	a, fell := actingOn(t, s, ci, treeherder.ActingOptions{})
	jobs, err := a.Jobs(t.Context(), s.world.Pushes("autoland")[0], "test")
	if err != nil || len(jobs) != 1 || ci.asked.Load() != 1 || len(*fell) != 0 {
		t.Errorf("%d jobs, %v, the CI was asked %d times, fell back %q", len(jobs), err, ci.asked.Load(), *fell)
	}
}

// spoilt are what Treeherder cannot tell, and what is said of it.
var spoilt = map[string]struct {
	spoil func(*ingesting, http.ResponseWriter, *http.Request) (done bool)
	says  []string
}{
	"all is well": {nil, nil},
	"unknown pushes": {func(s *ingesting, _ http.ResponseWriter, _ *http.Request) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.knows = func(p job.Push) bool { return p.ID < 6 }
		return false
	}, []string{"Treeherder does not have push autoland 6 "}},
	"no runs": {func(s *ingesting, _ http.ResponseWriter, _ *http.Request) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hears = func(p job.Push, _ job.Job) bool { return p.ID > 3 }
		return false
	}, []string{"Treeherder has none"}},
	"nothing at all": {func(s *ingesting, _ http.ResponseWriter, _ *http.Request) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hears = func(job.Push, job.Job) bool { return false }
		return false
	}, []string{"Treeherder has none"}},
	"down": {func(_ *ingesting, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusBadGateway)
		return true
	}, []string{"Treeherder does not answer, so the runs of push autoland 1 "}},
	"refused": {func(_ *ingesting, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusForbidden)
		return true
	}, []string{"Treeherder's answer about push autoland 1 "}},
	"no Treeherder": {func(_ *ingesting, w http.ResponseWriter, _ *http.Request) bool {
		_, _ = w.Write([]byte("<html>"))
		return true
	}, []string{"Treeherder's answer about push autoland 1 "}},
	"a word": {func(s *ingesting, _ http.ResponseWriter, _ *http.Request) bool {
		s.hear()
		s.PutJob(thtest.Object{
			"id": 1, "push_id": 5006, "state": "completed", "result": "purple", "job_type_name": "linux/test",
			"task_id": "run-99",
		})
		return false
	}, []string{"purple"}},
	"a run twice": {func(s *ingesting, _ http.ResponseWriter, _ *http.Request) bool {
		s.hear()
		s.PutJob(thtest.Object{
			"id": 2, "push_id": 5001, "state": "completed", "result": "testfailed", "job_type_name": "linux/test",
			"task_id": "run-1",
		})
		return false
	}, []string{"two jobs are the run run-1"}},
}

// What Treeherder cannot tell the CI tells, and each cause is said once.
func TestFallbacks(t *testing.T) {
	for name, c := range spoilt {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := ingest(actingWorld)
				h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if c.spoil == nil || !c.spoil(s, w, r) {
						s.ServeHTTP(w, r)
					}
				})
				a, fell := actingOn(t, h, s.ci, treeherder.ActingOptions{})
				pushes := s.world.Pushes("autoland")
				for range 2 {
					got, err := a.History(t.Context(), pushes, "linux/test", "linux/lint")
					if err != nil {
						t.Fatal(err)
					}
					want, _ := s.ci.History(t.Context(), pushes, "linux/test", "linux/lint")
					if d := cmp.Diff(told(want), told(got)); d != "" {
						t.Errorf("-CI +Acting\n%s", d)
					}
				}
				if len(*fell) != len(c.says) || len(*fell) > 0 && !strings.Contains((*fell)[0], c.says[0]) {
					t.Errorf("said %q, expected %q", *fell, c.says)
				}
			})
		})
	}
}

// A Treeherder that is down is left alone for a while, and then asked again.
func TestRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := ingest(actingWorld)
		var asked atomic.Int64
		down := atomic.Bool{}
		down.Store(true)
		a, fell := actingOn(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if asked.Add(1); down.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			s.ServeHTTP(w, r)
		}), s.ci, treeherder.ActingOptions{})
		p := s.world.Pushes("autoland")[6]
		read := func() time.Duration {
			began := time.Now()
			if jobs, err := a.Jobs(t.Context(), p, "linux/test"); err != nil || len(jobs) != 1 {
				t.Errorf("%d jobs, %v", len(jobs), err)
			}
			return time.Since(began)
		}
		if took := read(); took > time.Minute {
			t.Errorf("it took %s to give up", took)
		}
		n := asked.Load()
		if took := read(); took != 0 || asked.Load() != n || n == 0 {
			t.Errorf("%d requests, and %d more in %s", n, asked.Load()-n, took)
		}
		down.Store(false)
		time.Sleep(5*time.Minute + time.Second)
		if read(); asked.Load() == n || len(*fell) != 1 {
			t.Errorf("not asked again; said %q", *fell)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := a.History(ctx, []job.Push{p}, "linux/test"); !errors.Is(err, context.Canceled) {
			t.Errorf("a caller who gave up: %v", err)
		}
	})
}

// A project whose decisions are called otherwise has pushes without runs of a label: the CI
// says of each whether that is so, or Treeherder does not know of them.
func TestProjectsWithoutTheDecision(t *testing.T) {
	s := ingest(actingWorld)
	ci := &counted{Scheduler: s.ci}
	a, fell := actingOn(t, s, ci, treeherder.ActingOptions{Decision: "Decision Task"})
	pushes := s.world.Pushes("autoland")
	rows, err := a.History(t.Context(), pushes, "linux/test")
	without := 0
	for _, r := range rows {
		if len(r.Jobs) == 0 {
			without++
		}
	}
	if err != nil || len(rows) != len(pushes) || without == 0 || int(ci.asked.Load()) != without || len(*fell) > 0 {
		t.Errorf("%v, the CI was asked %d times about %d pushes, said %q", err, ci.asked.Load(), without, *fell)
	}
}

// A run of another CI keeps the ID that Treeherder has for it.
func TestOthersRuns(t *testing.T) {
	s := ingest(actingWorld)
	s.hear()
	s.AddJob(thtest.Object{
		"id": 77, "push_id": 5001, "state": "completed", "result": "busted", "build_system_type": "buildbot",
		"job_type_name": "Build", "ref_data_name": "Linux build",
	})
	a, _ := acting(t, s, treeherder.ActingOptions{})
	jobs, err := a.Jobs(t.Context(), s.world.Pushes("autoland")[0], "Linux build")
	if err != nil || len(jobs) != 1 || jobs[0].ID() != "77" {
		t.Errorf("%v, %v", jobs, err)
	}
	firefox := project(t, taskcluster(), "autoland").ActingOn(s.ci, nil)
	jobs, err = firefox.Jobs(t.Context(), longPushes(0, 1)[0])
	if err != nil || len(jobs) != 1 || jobs[0].ID() != "A5O76NnPRt--HRPWdpOVlA/3" {
		t.Errorf("%v, %v; expected a run of Taskcluster", jobs, err)
	}
}

func taskcluster() *thtest.Server {
	s := &thtest.Server{Project: "autoland"}
	s.AddPush(thtest.Object{
		"id": 1, "revision": longRevision(0), "push_timestamp": 1_795_000_000, "revision_count": 1,
		"revisions": []any{thtest.Object{"revision": longRevision(0)}},
	})
	s.AddJob(thtest.Object{
		"id": 9, "push_id": 1, "state": "completed", "result": "success", "job_type_name": "label",
		"task_id": "A5O76NnPRt--HRPWdpOVlA", "retry_id": 3,
	})
	return s
}

// own is a CI that answers about its own records alone.
type own struct{ *jobtest.CI }

func (o own) Unwrap() job.Scheduler { return o.CI }

func (o own) mine(j job.Job) error {
	if _, ok := j.Raw().(jobtest.Record); ok {
		return nil
	}
	return fmt.Errorf("%w: not a job of this CI", job.ErrInvalid)
}

func (o own) OpenLog(ctx context.Context, j job.Job, which job.LogKind) (io.ReadCloser, error) {
	if err := o.mine(j); err != nil {
		return nil, err
	}
	return o.CI.OpenLog(ctx, j, which)
}

func (o own) WasAdded(_ context.Context, j job.Job) (bool, error) { return o.mine(j) == nil, o.mine(j) }

func (o own) Requester(_ context.Context, j job.Job) (string, error) { return j.ID(), o.mine(j) }

// What the CI knows of a run it tells also of one that was read from Treeherder.
func TestAbilitiesOfActing(t *testing.T) {
	s := ingest(actingWorld)
	a, _ := actingOn(t, s, own{s.ci}, treeherder.ActingOptions{})
	jobs, err := a.Jobs(t.Context(), s.world.Pushes("autoland")[6], "linux/test")
	if err != nil || len(jobs) != 1 {
		t.Fatal(jobs, err)
	}
	j := jobs[0]
	if added, err := job.WasAdded(t.Context(), a, j); err != nil || !added {
		t.Errorf("added %t, %v", added, err)
	}
	if by, err := job.RequesterOf(t.Context(), a, j); err != nil || by != j.ID() {
		t.Errorf("by %q, %v", by, err)
	}
	log, err := job.OpenLog(t.Context(), a, j, job.LogErrorSummary)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	if text, err := io.ReadAll(log); err != nil || len(text) == 0 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	builds, err := a.Jobs(t.Context(), s.world.Pushes("autoland")[5], "linux/build")
	if err != nil || len(builds) != 1 {
		t.Fatal(builds, err)
	}
	if there, err := job.ArtifactsExist(t.Context(), a, builds[0]); err != nil || !there {
		t.Errorf("files %t, %v", there, err)
	}
	r := j.Raw().(treeherder.Record)
	s.Classify(int(r.ID), 4)
	s.hears = func(job.Push, job.Job) bool { return false }
	if c, err := job.Classified(t.Context(), a, j); err != nil || c.Kind != job.ClassifiedIntermittent {
		t.Errorf("classified %+v, %v", c, err)
	}
	if found, err := job.FindRun(t.Context(), a, j.ID()); err != nil || found.ID() != j.ID() {
		t.Errorf("found %v, %v", found, err)
	}
	none, _ := actingOn(t, s, &counted{Scheduler: s.ci}, treeherder.ActingOptions{})
	if _, err := job.WasAdded(t.Context(), none, j); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a CI that cannot tell: %v", err)
	}
}

// A search that reads a Treeherder which is late ends as one that reads the CI.
func TestSearchThroughActing(t *testing.T) {
	text := "takes linux/test 60m\ntruth linux/test culprit=14 before=0.1 after=0.9\npush linux/test decision\n"
	for i := range 30 {
		cell := "-"
		if i%9 == 1 {
			cell = map[bool]string{false: "pass", true: "fail"}[i >= 13]
		}
		text += fmt.Sprintf("%d a%03d %s pass\n", i+1, i, cell)
	}
	text += "31 b100 fail pass\n"
	find := func(t *testing.T, ci job.Scheduler, w *jobtest.CI) string {
		t.Helper()
		repo, err := w.Repository("autoland")
		if err != nil {
			t.Fatal(err)
		}
		r, err := backfill.Search(t.Context(), repo, ci, "linux/test", "b100", &backfill.SearchOptions{
			Ledger: ledger.NewMemory(), MaxRevisions: 30,
		})
		if err != nil {
			t.Fatal(err)
		}
		all := 0
		for _, p := range r.Pushes {
			jobs, err := w.Jobs(t.Context(), p.Push, "linux/test")
			if err != nil {
				t.Fatal(err)
			}
			all += len(jobs)
		}
		return fmt.Sprint(r.Outcome, r.Culprit, r.Runs, " runs, ", all, " there")
	}
	want := ""
	synctest.Test(t, func(t *testing.T) {
		plain := ingest(text)
		want = find(t, &ticking{ci: plain.ci, last: time.Now()}, plain.ci)
	})
	if !strings.HasPrefix(want, "culprit") {
		t.Fatal(want)
	}
	for lag, says := range map[time.Duration]int{10 * time.Minute: 0, 3 * time.Hour: 1, 1000 * time.Hour: 1} {
		synctest.Test(t, func(t *testing.T) {
			s := ingest(text)
			ci := &ticking{ci: s.ci, last: time.Now()}
			began := s.ci.Now()
			s.hears = func(_ job.Push, j job.Job) bool {
				at := j.Times().Requested
				return at.Before(began) || s.ci.Now().Sub(at) >= lag
			}
			a, fell := actingOn(t, s, ci, treeherder.ActingOptions{})
			if got := find(t, a, s.ci); got != want || len(*fell) != says {
				t.Errorf("%s late: %s\nby the CI: %s\nsaid %q", lag, got, want, *fell)
			}
		})
	}
}

// ticking is a CI without events, in which the time of the bubble passes.
type ticking struct {
	ci   *jobtest.CI
	mu   sync.Mutex
	last time.Time
}

func (c *ticking) tick() *jobtest.CI {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ci.Advance(time.Since(c.last))
	c.last = time.Now()
	return c.ci
}

func (c *ticking) Jobs(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
	return c.tick().Jobs(ctx, p, names...)
}

func (c *ticking) Trigger(ctx context.Context, r job.Request) (job.Receipt, error) {
	return c.tick().Trigger(ctx, r)
}

func (c *ticking) Accepted(ctx context.Context, p job.Push, label string) ([]job.Request, error) {
	return c.tick().Accepted(ctx, p, label)
}

func (c *ticking) Statuses(ctx context.Context, ids ...string) (map[string]job.Status, error) {
	return c.tick().Statuses(ctx, ids...)
}

func (c *ticking) FindRun(ctx context.Context, id string) (job.Job, error) {
	return c.tick().FindRun(ctx, id)
}

func (c *ticking) Cancel(ctx context.Context, id string) error { return c.tick().Cancel(ctx, id) }

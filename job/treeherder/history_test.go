package treeherder_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/thtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/job/treeherder"
)

const mochitest = "test-linux2404-64/opt-mochitest-1"

// longProject has n pushes, ten minutes apart, with ids that have holes. The label runs
// on each third of them, another one on each.
func longProject(n int) *thtest.Server {
	s := &thtest.Server{Project: "autoland"}
	for i := range n {
		push, rev := longID(i), longRevision(i)
		s.AddPush(thtest.Object{
			"id": push, "revision": rev, "author": "dev@mozilla.example", "push_timestamp": 1_795_000_000 + 600*i,
			"revision_count": 1, "revisions": []any{thtest.Object{"revision": rev}},
		})
		ran := func(label string, id int, result string) {
			s.AddJob(thtest.Object{
				"id": id, "push_id": push, "state": "completed", "result": result, "job_type_name": label,
				"submit_timestamp": 1_795_000_100 + 600*i,
			})
		}
		ran("build-linux64/opt", 100_000+i, "success")
		if i%3 == 0 {
			ran(mochitest, 200_000+2*i, "success")
			ran(mochitest, 200_001+2*i, "testfailed")
		}
	}
	return s
}

func longID(i int) int          { return 600_000 + 7*i }
func longRevision(i int) string { return fmt.Sprintf("%012x%028x", 1000+i, 7) }

// longPushes are pushes of longProject as hg has them, newest first.
func longPushes(from, until int) []job.Push {
	var out []job.Push
	for i := until - 1; i >= from; i-- {
		out = append(out, job.Push{
			Repo: "autoland", ID: int64(i + 1), Revision: longRevision(i),
			Time: time.Unix(int64(1_795_000_000+600*i), 0).UTC(),
		})
	}
	return out
}

// told are the runs of a history, or its errors, one line for each push.
func told(list []job.PushRuns) []string {
	var out []string
	for _, p := range list {
		var runs []string
		for _, j := range p.Jobs {
			runs = append(runs, fmt.Sprint(j.ID(), " ", j.Name(), " ", j.Status(), " ", j.Push().ID))
		}
		slices.Sort(runs)
		kind := ""
		for _, k := range []error{job.ErrNotFound, job.ErrUnknownWord, job.ErrMalformed, job.ErrUnavailable} {
			if errors.Is(p.Err, k) {
				kind += k.Error()
			}
		}
		if p.Err != nil && kind == "" {
			kind = p.Err.Error()
		}
		out = append(out, fmt.Sprint(p.Push.ID, ": ", strings.Join(runs, ", "), kind))
	}
	return out
}

// one by one, as Jobs tells it.
func byJobs(t *testing.T, ci job.Scheduler, pushes []job.Push, labels ...string) []job.PushRuns {
	t.Helper()
	var out []job.PushRuns
	for _, p := range pushes {
		jobs, err := ci.Jobs(t.Context(), p, labels...)
		out = append(out, job.PushRuns{Push: p, Jobs: jobs, Err: err})
	}
	return out
}

// same compares the history with what another client's Jobs tell, and returns how many
// requests it took.
func same(t *testing.T, s *thtest.Server, h http.Handler, pushes []job.Push, labels ...string) int {
	t.Helper()
	before := len(s.Requests())
	got, err := project(t, h, "autoland").History(t.Context(), pushes, labels...)
	if err != nil {
		t.Fatal(err)
	}
	asked := s.Requests()[before:]
	want := byJobs(t, project(t, h, "autoland"), pushes, labels...)
	if d := cmp.Diff(told(want), told(got)); d != "" {
		t.Errorf("%d pushes, %q (-Jobs +History)\n%s\n%s", len(pushes), labels, d, strings.Join(asked, "\n"))
	}
	return len(asked)
}

func TestKitOfHistory(t *testing.T) {
	s := smallProject()
	p := project(t, s, "autoland")
	pushes, err := p.Pushes(t.Context(), job.IDs(0, 1<<40))
	if err != nil {
		t.Fatal(err)
	}
	nobodys := pushes[2]
	nobodys.Revision = strings.Repeat("deadbeef", 5)
	stripped := pushes[1]
	stripped.Revision, stripped.ID = "", 77
	others := append(slices.Delete(slices.Clone(pushes), 3, 4), nobodys, stripped)
	for _, ci := range []job.Scheduler{p, project(t, s, "autoland")} { // one knows the ids
		err = jobtest.CheckScheduler(t.Context(), ci, jobtest.SchedulerCase{
			Push: pushes[3], Labels: []string{"test-linux/opt-xpcshell-1", "build-linux/opt", "Gecko Decision Task"},
			Runs: 2, Others: others, ReadOnly: true,
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// A hundred pushes or two take a few requests, whoever told of the pushes.
func TestRequestsOfHistory(t *testing.T) {
	s := longProject(420)
	for _, c := range []struct {
		pushes []job.Push
		labels []string
		want   int
	}{
		{longPushes(200, 301), []string{mochitest}, 2},
		{longPushes(200, 340), []string{mochitest, "build-linux64/opt"}, 3},
		{longPushes(100, 350), []string{mochitest}, 3},                                      // 200 at a time
		{longPushes(0, 420), []string{mochitest}, 4},                                        // three
		{longPushes(300, 301), []string{mochitest}, 3},                                      // as Jobs
		{slices.Concat(longPushes(400, 402), longPushes(0, 2)), []string{mochitest}, 2 + 1}, // far apart
		{nil, []string{mochitest}, 0},
	} {
		if n := same(t, s, s, c.pushes, c.labels...); n != c.want {
			t.Errorf("%d pushes, %q: %d requests, expected %d", len(c.pushes), c.labels, n, c.want)
		}
	}
	before := len(s.Requests())
	p := project(t, s, "autoland")
	pushes, err := p.Pushes(t.Context(), job.Around(longRevision(300), 100, 0))
	if err != nil || len(pushes) != 101 {
		t.Fatalf("%d pushes, %v", len(pushes), err)
	}
	if _, err := p.History(t.Context(), pushes, mochitest); err != nil {
		t.Error(err)
	}
	if n := len(s.Requests()) - before; n != 3 {
		t.Errorf("a hundred pushes and their runs: %d requests, expected 3", n)
	}
}

// Pushes that Treeherder does not have, not yet or not any more, are few questions.
func TestHistoryOfAbsentPushes(t *testing.T) {
	s := longProject(300)
	newer, older := longPushes(300, 330), longPushes(0, 300)
	for _, c := range []struct {
		name   string
		pushes []job.Push
		most   int
	}{
		{"the newest two", slices.Concat(newer[28:], older[:100]), 2 + 2*2},
		{"all", newer, 1 + 2*3},
		{"some", slices.Concat(newer, older[:50]), 2 + 2*3},
	} {
		if n := same(t, s, s, c.pushes, mochitest); n > c.most {
			t.Errorf("%s: %d requests, expected at most %d", c.name, n, c.most)
		}
	}
	for i := range older { // a source that does not know when a push was
		older[i].Time = time.Time{}
	}
	if n := same(t, s, s, older[:5], mochitest); n > 8 {
		t.Errorf("without times: %d requests", n)
	}
}

// Times of the source that are not Treeherder's only cost requests.
func TestHistoryWithOtherTimes(t *testing.T) {
	s := longProject(40)
	pushes := longPushes(0, 40)
	for i := range pushes {
		pushes[i].Time = pushes[i].Time.AddDate(-1, 0, 0)
	}
	same(t, s, s, pushes, mochitest)
}

// A push can be several in another source, or a part of one.
func TestHistoryOfParts(t *testing.T) {
	s := longProject(10)
	part := strings.Repeat("ab", 20)
	s.AddPush(thtest.Object{
		"id": 700_000, "revision": strings.Repeat("cd", 20), "push_timestamp": 1_795_009_000, "revision_count": 2,
		"revisions": []any{
			thtest.Object{"revision": strings.Repeat("cd", 20)}, thtest.Object{"revision": part},
		},
	})
	s.AddJob(thtest.Object{
		"id": 5, "push_id": 700_000, "state": "completed", "result": "busted", "job_type_name": mochitest,
	})
	short := strings.ToUpper(longRevision(3)[:12])
	pushes := append(longPushes(0, 10),
		job.Push{Repo: "autoland", ID: 99, Revision: part, Time: time.Unix(1_795_009_000, 0)},
		job.Push{Repo: "autoland", ID: 98, Revision: short, Time: time.Unix(1_795_001_800, 0)})
	if n := same(t, s, s, pushes, mochitest); n != 2 {
		t.Errorf("%d requests", n)
	}
}

// A word that nobody knows is its push's alone; and so is a broken record.
func TestHistorySpoiltForOnePush(t *testing.T) {
	for _, spoilt := range []thtest.Object{
		{"state": "completed", "result": "purple"},
		{"state": "completed", "result": nil},
		{"state": 7, "result": "success"},
	} {
		s := longProject(30)
		spoilt["id"], spoilt["push_id"], spoilt["job_type_name"] = 3, longID(6), mochitest
		s.AddJob(spoilt)
		same(t, s, s, longPushes(0, 30), mochitest)
	}
}

// What a server ignores is noticed.
func TestHistoryOfAServerThatIgnores(t *testing.T) {
	for _, name := range []string{"push_id__in", "job_type_name", "offset", "count"} {
		s := longProject(30)
		s.Ignores = []string{name}
		p := project(t, s, "autoland")
		got, err := p.History(t.Context(), longPushes(3, 20), mochitest)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range got {
			wrong := slices.ContainsFunc(row.Jobs, func(j job.Job) bool { return j.Name() != mochitest })
			if want := row.Push.ID%3 == 1; wrong || row.Err == nil && (len(row.Jobs) == 2) != want {
				t.Errorf("without %s: %v", name, told([]job.PushRuns{row}))
			}
			if name == "push_id__in" && row.Err != nil {
				t.Errorf("push %v: %v; expected what Jobs tells", row.Push, row.Err)
			}
		}
		alone := func(uri string) bool { return strings.Contains(uri, "push_id=") }
		if name == "push_id__in" && !slices.ContainsFunc(s.Requests(), alone) {
			t.Error("a server that ignores push_id__in was believed")
		}
	}
}

// Builders of Buildbot are labels, too.
func TestHistoryOfBuilders(t *testing.T) {
	s := longProject(30)
	for i, name := range []string{"Linux x64 opt build", "linux64_gecko-debug_periodic", "Linux x64 opt build"} {
		s.AddJob(thtest.Object{
			"id": 40 + i, "push_id": longID(3 * i), "state": "completed", "result": "success",
			"build_system_type": "buildbot", "job_type_name": "Build", "ref_data_name": name,
		})
	}
	s.AddJob(thtest.Object{
		"id": 50, "push_id": longID(4), "state": "completed", "result": "success",
		"job_type_name": "Gecko Decision Task",
	})
	for _, labels := range [][]string{
		{"Linux x64 opt build"},
		{"linux64_gecko-debug_periodic"},
		{"Gecko Decision Task"},
		{"Build"},
		{"Linux x64 opt build", mochitest, mochitest, "none"},
	} {
		same(t, s, s, longPushes(0, 30), labels...)
	}
}

// A page that is full is followed, and one that overlaps is read again.
func TestPagesOfHistory(t *testing.T) {
	s := longProject(30)
	for i := range 4100 {
		s.AddJob(thtest.Object{
			"id": 900_000 + i, "push_id": longID(i % 30), "state": "running", "result": "unknown",
			"job_type_name": "many",
		})
	}
	if n := same(t, s, s, longPushes(0, 30), "many"); n != 1+3 {
		t.Errorf("%d requests, expected 4", n)
	}
	moved := 0
	overlaps := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Has("push_id__in") && q.Get("offset") == "0" && moved < 1 {
			moved++ // the order is another one than that of the next page
			p := *r.URL
			q.Set("offset", "2000")
			p.RawQuery = q.Encode()
			page := answered(s, p.String())
			_, _ = w.Write([]byte(strings.Replace(page, `"offset":2000`, `"offset":0`, 1)))
			return
		}
		s.ServeHTTP(w, r)
	})
	same(t, s, overlaps, longPushes(0, 30), "many")
	if moved != 1 {
		t.Error("no page overlapped")
	}
}

// What a merge brought is another project's.
func TestHistoryOfOtherProjects(t *testing.T) {
	s, central := longProject(10), longProject(4)
	central.Project = "mozilla-central"
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/mozilla-central/") {
			central.ServeHTTP(w, r)
			return
		}
		s.ServeHTTP(w, r)
	})
	pushes := longPushes(0, 8)
	for i := range 4 {
		pushes[2*i].Repo = "mozilla-central"
	}
	same(t, s, h, pushes, mochitest)
	if n := len(central.Requests()); n == 0 {
		t.Error("the other project was not asked")
	}
}

// A source that knows the pushes by the other system's hash.
func TestHistoryOfTwins(t *testing.T) {
	s := longProject(12)
	pushes := longPushes(0, 12)
	asked := 0
	for i := range pushes {
		pushes[i].Git, pushes[i].Revision = pushes[i].Revision, strings.Repeat(fmt.Sprintf("%x", i), 40)
	}
	if n := same(t, s, s, pushes, mochitest); n != 2 {
		t.Errorf("%d requests", n)
	}
	server, err := treeherder.New("https://treeherder.example", &treeherder.Options{
		HTTP: hgtest.Client(s),
		Twins: func(_ context.Context, _, rev string) (hg, git string, err error) {
			asked++
			return rev, pushes[slices.IndexFunc(pushes, func(p job.Push) bool { return p.Revision == rev })].Git, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	plain := slices.Clone(pushes)
	for i := range plain {
		plain[i].Git = ""
	}
	got, err := server.Project("autoland").History(t.Context(), plain, mochitest)
	if err != nil || len(got[2].Jobs)+len(got[5].Jobs) != 4 || asked < 3 {
		t.Errorf("%v, %v, asked %d times", told(got), err, asked)
	}
}

func TestHistoryOfSnapshot(t *testing.T) {
	s := snapshot(t, "mozilla-inbound_resultset_2014-04-15.json.gz")
	pushes, err := s.Pushes(t.Context(), job.IDs(0, 1<<40))
	if err != nil {
		t.Fatal(err)
	}
	jobs, err := s.Jobs(t.Context(), pushes[1])
	if err != nil || len(jobs) == 0 {
		t.Fatal(len(jobs), err)
	}
	label := jobs[0].Name()
	pushes = append(pushes[:5], job.Push{Repo: s.Name(), ID: 1, Revision: strings.Repeat("deadbeef", 5)})
	got, err := s.History(t.Context(), pushes, label)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(told(byJobs(t, s, pushes, label)), told(got)); d != "" {
		t.Errorf("-Jobs +History\n%s", d)
	}
	if _, err := s.History(t.Context(), pushes); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("without a label: %v", err)
	}
}

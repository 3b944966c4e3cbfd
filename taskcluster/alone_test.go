package taskcluster_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// listsGroups reports whether requests list a task group.
func listsGroups(requests []string) bool {
	return slices.ContainsFunc(requests, func(r string) bool { return strings.Contains(r, "/task-group/") })
}

const mapping = "public/label-to-taskid.json"

// second makes a run of the test that no file names.
func second(s *tctest.Server, d string) {
	s.Add(d, tctest.Object{"metadata": tctest.Object{"name": test}, "tags": tctest.Object{"kind": "test"}}, true)
}

// unsaid are pushes whose files do not tell all, or are not their own, with how many runs
// the test has.
var unsaid = map[string]struct {
	runs int
	of   func(s *tctest.Server, d string)
}{
	"the file has expired":   {2, func(s *tctest.Server, d string) { s.Expire(d, 0, mapping); second(s, d) }},
	"the file is damaged":    {2, func(s *tctest.Server, d string) { s.Put(d, 0, mapping, []byte(`{"x": "y`)); second(s, d) }},
	"the file names no task": {2, func(s *tctest.Server, d string) { s.Put(d, 0, mapping, []byte(`{"x": "y"}`)); second(s, d) }},
	"the file is another push's": {2, func(s *tctest.Server, d string) {
		s.AddPush("autoland", 7, push(7).Revision, tctest.Label{Name: other, Planned: true})
		foreign := s.Tasks(s.Indexed("gecko.v2.autoland.pushlog-id.7.decision"), other)[0]
		s.Put(d, 0, mapping, ok(json.Marshal(map[string]string{other: foreign})))
		second(s, d)
	}},
	"the file is empty": {2, func(s *tctest.Server, d string) { s.Put(d, 0, mapping, []byte(`{}`)); second(s, d) }},
	"the label's task is another group's": {1, func(s *tctest.Server, d string) {
		foreign := s.Add("", tctest.Object{"metadata": tctest.Object{"name": test}}, true).ID
		own := s.Tasks(d, other)[0]
		s.Put(d, 0, mapping, ok(json.Marshal(map[string]string{other: own, test: foreign})))
	}},
	"the label's task is another label's": {1, func(s *tctest.Server, d string) {
		own := s.Tasks(d, other)[0]
		s.Put(d, 0, mapping, ok(json.Marshal(map[string]string{other: own, test: own})))
	}},
	"the label's task is no more": {1, func(s *tctest.Server, d string) {
		own := s.Tasks(d, other)[0]
		s.Put(d, 0, mapping, ok(json.Marshal(map[string]string{other: own, test: slug.Of("gone")})))
	}},
	"the decision task ran twice": {2, func(s *tctest.Server, d string) {
		s.Rerun(d)
		s.Resolve(d, "completed", "completed")
		second(s, d)
	}},
	"the decision task runs again": {2, func(s *tctest.Server, d string) { s.Rerun(d); second(s, d) }},
	"an action left no graph": {2, func(s *tctest.Server, d string) {
		indexAction(s, d, "isolate-test")
		second(s, d)
	}},
	"an action failed after it was indexed": {2, func(s *tctest.Server, d string) {
		id := indexAction(s, d, "isolate-test")
		s.Put(id, 0, "public/task-graph.json", []byte(`{}`))
		s.Rerun(id)
		s.Resolve(id, "failed", "failed")
		second(s, d)
	}},
	"a cron job's decision task is at it": {2, func(s *tctest.Server, _ string) {
		id := s.AddCron("autoland", "nightly", 20, push(20).Revision, tctest.Label{Name: test, Planned: true})
		s.Rerun(id)
	}},
}

// Where the files of a push do not tell all, its groups do.
func TestGroupsWhereFilesDoNotSuffice(t *testing.T) {
	for name, c := range unsaid {
		t.Run(name, func(t *testing.T) {
			s, d := world()
			c.of(s, d)
			p := inMemory(s).Project("autoland", nil)
			jobs, err := p.Jobs(t.Context(), push(20), test)
			if err != nil || len(jobs) != c.runs || !listsGroups(s.Requests()) {
				t.Errorf("%d runs, expected %d by the groups: %s, %v", len(jobs), c.runs, text(jobs), err)
			}
			want := wholly(taskcluster.JobsByGroup(t.Context(), p, push(20), test))
			if d := cmp.Diff(want, wholly(jobs, err)); d != "" {
				t.Errorf("(-by the groups +got):\n%s", d)
			}
		})
	}
}

// What a file said before is no more all that there is once its task runs again.
func TestRunsOnceMore(t *testing.T) {
	s, d := world()
	p := inMemory(s).Project("autoland", nil)
	action := indexAction(s, d, "isolate-test")
	s.Put(action, 0, "public/task-graph.json", []byte(`{}`))
	for n, id := range []string{"", action, d} {
		if id != "" {
			s.Rerun(id)
			s.Resolve(id, "completed", "completed")
			second(s, d)
		}
		if jobs := ok(p.Jobs(t.Context(), push(20), test)); len(jobs) != n+1 || listsGroups(s.Requests()) != (n > 0) {
			t.Errorf("%d runs, expected %d: %s", len(jobs), n+1, text(jobs))
		}
	}
}

// indexAction makes an action task that has completed, and that the index has.
func indexAction(s *tctest.Server, decision, name string) string {
	id := s.Add(decision, tctest.Object{
		"metadata": tctest.Object{"name": "Action: " + name}, "tags": tctest.Object{"kind": "action-callback"},
		"extra": tctest.Object{"action": tctest.Object{"name": name, "context": tctest.Object{}}},
	}, true).ID
	s.Resolve(id, "completed", "completed")
	s.Index("gecko.v2.autoland.revision."+push(20).Revision+".taskgraph.actions."+id, id)
	return id
}

// Actions that make no tasks of their own are no reason to list groups, and one that was
// listed when it was over is none any more.
func TestActionsThatMakeNothing(t *testing.T) {
	s, d := world()
	for _, name := range []string{"cancel", "rerun", "backfill"} {
		indexAction(s, d, name)
	}
	p := inMemory(s).Project("autoland", nil)
	if jobs := ok(p.Jobs(t.Context(), push(20), test)); len(jobs) != 1 || listsGroups(s.Requests()) {
		t.Errorf("actions that make nothing: %s", text(jobs))
	}
	indexAction(s, d, "isolate-test")
	second(s, d)
	for n, lists := range []bool{true, false} {
		if jobs := ok(p.Jobs(t.Context(), push(20), test)); len(jobs) != 2 || listsGroups(s.Requests()) != lists {
			t.Errorf("time %d: %s", n, text(jobs))
		}
	}
}

// What was triggered shows at once to who triggered it, also where the answer was lost:
// while the action is at it, once it has failed, and once it is done.
func TestTriggeredShows(t *testing.T) {
	for _, ending := range []tctest.Ending{tctest.ActionMade, tctest.ActionFailed} {
		for _, lost := range []bool{false, true} {
			s, d := world()
			s.Lose, s.NoFires = lost, lost
			s.Act = func(string) tctest.Ending { return ending }
			p := inMemory(s).Project("autoland", nil)
			_ = ok(p.Jobs(t.Context(), push(20), test))
			got := ok(p.Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 2}))
			action, _, _ := strings.Cut(got.By, "/")
			s.Start(action)
			s.Add(d, tctest.Object{
				"metadata": tctest.Object{"name": test}, "extra": tctest.Object{"parent": action},
				"tags": tctest.Object{"kind": "test"},
			}, true)
			want := 2
			if jobs := ok(p.Jobs(t.Context(), push(20), test)); len(jobs) != want {
				t.Errorf("%d runs while the action is at it, expected %d", len(jobs), want)
			}
			s.Settle()
			if ending == tctest.ActionMade {
				want += 2
			}
			for range 3 {
				if jobs := ok(p.Jobs(t.Context(), push(20), test)); len(jobs) != want {
					t.Errorf("%d runs, expected %d: ending %d, lost %t", len(jobs), want, ending, lost)
				}
			}
		}
	}
}

// After 45 days the groups are listed: tasks of old pushes are copied by hand.
func TestOldPushesAreListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := world()
		p := inMemory(s).Project("autoland", nil)
		for _, c := range []struct {
			after time.Duration
			lists bool
		}{{0, false}, {44 * 24 * time.Hour, false}, {25 * time.Hour, true}} {
			time.Sleep(c.after)
			s.Requests()
			if jobs := ok(p.Jobs(t.Context(), push(20), test)); len(jobs) != 1 || listsGroups(s.Requests()) != c.lists {
				t.Errorf("%s later: %s", c.after, text(jobs))
			}
		}
	})
}

// An answer that is another task's is no answer: the definition, and the group, must be
// the ones that the status says.
func TestDefinitionsOfOtherGroups(t *testing.T) {
	s, d := world()
	s.Page = 1000
	id := s.Tasks(d, test)[0]
	s.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/queue/v1/tasks") {
			return false
		}
		rec := httptest.NewRecorder()
		s.Before = nil
		s.ServeHTTP(rec, r)
		var page tctest.Object
		if err := json.Unmarshal(rec.Body.Bytes(), &page); err != nil {
			t.Error(err)
		}
		for _, task := range page["tasks"].([]any) {
			if task := task.(tctest.Object); task["taskId"] == id {
				task["task"].(tctest.Object)["taskGroupId"] = slug.Of("another group")
			}
		}
		_ = json.NewEncoder(w).Encode(page)
		return true
	}
	p := inMemory(s).Project("autoland", nil)
	if jobs, err := p.Jobs(t.Context(), push(20), test); !errors.Is(err, job.ErrMalformed) || len(jobs) > 0 {
		t.Errorf("%s, %v", text(jobs), err)
	}
}

// What a push's file says is read from the disk by the next process, and anew where it is
// torn there; another client has files of its own.
func TestPlansAreKept(t *testing.T) {
	s, _ := world()
	s.Clients = map[string]string{"me": "secret", "you": "hidden"}
	dir := t.TempDir()
	read := func(who string) bool {
		t.Helper()
		c := ok(taskcluster.New("http://tc.example", &taskcluster.Options{
			HTTP: &http.Client{Transport: testenv.InMemory{Handler: s}}, CacheDir: dir,
			Credentials: &taskcluster.Credentials{ClientID: who, AccessToken: s.Clients[who]},
		}))
		s.Requests()
		if jobs := ok(c.Project("autoland", nil).Jobs(t.Context(), push(20), test)); len(jobs) != 1 {
			t.Fatalf("%s", text(jobs))
		}
		return slices.ContainsFunc(s.Requests(), func(r string) bool { return strings.Contains(r, "/bucket/") })
	}
	if first, again, another := read("me"), read("me"), read("you"); !first || again || !another {
		t.Errorf("read: %t at first, %t again, %t by another client", first, again, another)
	}
	kept := ok(filepath.Glob(filepath.Join(dir, "taskcluster", "*")))
	if len(kept) != 2 {
		t.Errorf("kept %q", kept)
	}
	for _, file := range kept {
		text := ok(os.ReadFile(file)) //nolint:gosec // the test's own
		i := strings.Index(string(text), `"Body":"`) + len(`"Body":"`)
		text[i+3] ^= 1
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !read("me") {
		t.Error("what is torn was believed")
	}
}

// Of a label that was read alone, what it needs is found out without the whole graph.
func TestNeedsOfWhatWasReadAlone(t *testing.T) {
	s, _ := world()
	p := inMemory(s).Project("autoland", nil)
	s.AddPush("autoland", 21, push(21).Revision, labels[0], tctest.Label{Name: test, Build: build})
	_ = ok(p.Jobs(t.Context(), push(20), test))
	s.Requests()
	got := ok(p.Catalog(t.Context(), push(21), test))
	if len(got) != 1 || len(got[0].Upstreams) != 1 || got[0].Upstreams[0] != build {
		t.Errorf("%+v", got)
	}
	for _, r := range s.Requests() {
		if strings.Contains(r, "full-task-graph") {
			t.Errorf("asked for %s", r)
		}
	}
}

// A run whose words nobody documents is an error, and the others are told all the same.
func TestStatusesOfUnknownWords(t *testing.T) {
	s, d := world()
	s.Resolve(s.Tasks(d, build)[0], "completed", "completed")
	a, b := s.Tasks(d, test)[0], s.Tasks(d, other)[0]
	s.Resolve(a, "exception", "bored")
	got, err := inMemory(s).Project("autoland", nil).Statuses(t.Context(), a+"/0", b, "", "x/y", b+"/-1")
	want := map[string]job.Status{b: job.StatusPending}
	if d := cmp.Diff(want, got); d != "" || !errors.Is(err, job.ErrUnknownWord) || !strings.Contains(err.Error(), a) {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	s.Requests()
	got, err = inMemory(s).Project("autoland", nil).Statuses(t.Context())
	if asked := s.Requests(); err != nil || len(got) > 0 || len(asked) > 0 {
		t.Errorf("of none: %v, %v", got, err)
	}
}

// A push that cannot be read does not keep the others from being read.
func TestHistoryOfBrokenPushes(t *testing.T) {
	s, _ := world()
	d := s.AddPush("autoland", 22, push(22).Revision, labels...)
	s.Before = func(w http.ResponseWriter, r *http.Request) bool {
		broken := strings.Contains(r.URL.Path, push(22).Revision+".cron")
		if broken {
			_, _ = fmt.Fprintf(w, `{"tasks": [{"namespace": "x", "taskId": %q}]}`, d)
		}
		return broken
	}
	p := inMemory(s).Project("autoland", nil)
	got := ok(p.History(t.Context(), []job.Push{push(22), {Repo: "autoland"}, push(20)}, test))
	if !errors.Is(got[0].Err, job.ErrMalformed) || got[1].Err != nil && len(got[1].Jobs) > 0 || got[2].Err != nil ||
		len(got[2].Jobs) != 1 {
		t.Errorf("%+v", got)
	}
	if _, err := p.History(t.Context(), nil); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("no label: %v", err)
	}
}

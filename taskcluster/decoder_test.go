package taskcluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

const exchanges = "exchange/taskcluster-queue/v1/"

// recorder answers for the tasks of the recorded messages, and counts what it is asked.
type recorder struct {
	tasks map[string]json.RawMessage

	mu    sync.Mutex
	asked []string
	fail  int // a status to answer with instead
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, q.Method+" "+q.URL.Path)
	task, ok := r.tasks[strings.TrimPrefix(q.URL.Path, "/api/queue/v1/task/")]
	switch {
	case r.fail != 0:
		w.WriteHeader(r.fail)
	case !ok:
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"code": "ResourceNotFound", "message": "no such task", "requestInfo": {}}`))
	default:
		_, _ = w.Write(task)
	}
}

func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := r.asked
	r.asked = nil
	return asked
}

// All recorded messages with all their definitions, as a service reads them, of
// several repositories; each definition is asked for once.
func TestDecodePulse(t *testing.T) {
	r := &recorder{tasks: definedBy(t)}
	p := at(t, r).Project("autoland", nil)
	repos := map[string]int{}
	for range 2 {
		for id, m := range toldBy(t) {
			events, err := p.DecodePulse(t.Context(), m.Exchange, m.Routes, m.Payload)
			if err != nil || len(events) != 1 {
				t.Fatalf("%s: %v, %v", id, events, err)
			}
			push := events[0].Job.Push()
			if len(push.Revision) != 40 || push.ID < 1 {
				t.Errorf("%s: %+v", id, push)
			}
			repos[push.Repo]++
		}
	}
	asked := r.take()
	slices.Sort(asked)
	if n := len(slices.Compact(slices.Clone(asked))); n != 91 || len(asked) != 91 {
		t.Errorf("asked %d times for %d definitions", len(asked), n)
	}
	if d := cmp.Diff(map[string]int{"autoland": 158, "try": 22, "mozilla-inbound": 2}, repos); d != "" {
		t.Error(d)
	}
}

// What nobody wants, and what is about a group, asks nothing.
func TestDecodePulseAsksForWhatIsWanted(t *testing.T) {
	r := &recorder{}
	var labels []string
	p := at(t, r).Project("autoland", &taskcluster.ProjectOptions{Want: func(m *taskcluster.Message) bool {
		labels = append(labels, m.Label())
		return false
	}})
	n := 0
	for name, m := range wired(t) {
		events, err := p.DecodePulse(t.Context(), m.Exchange, m.Routes, m.Payload)
		if err != nil || len(events) > 0 {
			t.Errorf("%s: %v, %v", name, events, err)
		}
		if !strings.Contains(m.Exchange, "/task-group-") {
			n++
		}
	}
	if asked := r.take(); len(asked) > 0 || len(labels) != n || n != 26 || !slices.Contains(labels, "test-retries") {
		t.Errorf("asked for %v; wanted %q", asked, labels)
	}
}

// What a failure says of the message: set it aside, or try again.
func TestDecodePulseFails(t *testing.T) {
	m := wired(t)["09-task-failed"]
	r := &recorder{}
	p := at(t, r).Project("autoland", nil)
	decode := func(exchange, key, body string) error {
		events, err := p.DecodePulse(t.Context(), exchange, key, []byte(body))
		if len(events) > 0 {
			t.Errorf("%v", events)
		}
		return err
	}
	for _, c := range []struct {
		status             int
		exchange, key, say string
		want               error
		asks               int
	}{
		{0, m.Exchange, m.Routes, "no such task", job.ErrNotFound, 1},
		{502, m.Exchange, m.Routes, "502", job.ErrUnavailable, 1},
		{429, m.Exchange, m.Routes, "429", job.ErrUnavailable, 1},
		{403, m.Exchange, m.Routes, "403", job.ErrDenied, 1},
		{0, m.Exchange, "primary.AAAAAAAAQAaAAAAAAAAAAA.0._", "routingKey", job.ErrMalformed, 0},
		{0, exchanges + "task-gone", m.Routes, "task-gone", job.ErrUnknownWord, 0},
		{0, m.Exchange, "route.x", "no such task", job.ErrNotFound, 1},
		{0, m.Exchange, "", "no such task", job.ErrNotFound, 1},
	} {
		r.fail = c.status
		err := decode(c.exchange, c.key, string(m.Payload))
		var wrapped *job.Error
		if !errors.Is(err, c.want) || !errors.As(err, &wrapped) || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%d, %s: %v, expected %v that says %q", c.status, c.key, err, c.want, c.say)
		}
		if asked := r.take(); len(asked) != c.asks {
			t.Errorf("%d, %s: asked for %q", c.status, c.key, asked)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.DecodePulse(ctx, m.Exchange, m.Routes, m.Payload); !errors.Is(err, context.Canceled) {
		t.Errorf("%v of a context that is done", err)
	}
	if asked := r.take(); len(asked) > 0 {
		t.Errorf("asked for %q with a context that is done", asked)
	}
}

// A failure is not kept: the next message about the task asks again.
func TestDecodePulseAfterAFailure(t *testing.T) {
	s, decision := world()
	p := at(t, s).Project("autoland", nil)
	status := ok(at(t, s).Status(t.Context(), decision))
	body := ok(json.Marshal(map[string]any{
		"version": 1, "runId": 0, "workerGroup": "g", "workerId": "w",
		"task": map[string]any{"tags": map[string]string{"kind": "decision-task"}}, "status": status,
	}))
	down := true
	s.Before = func(w http.ResponseWriter, _ *http.Request) bool {
		if down {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return down
	}
	key := "primary." + decision + ".0.g.w"
	_, err := p.DecodePulse(t.Context(), exchanges+"task-completed", key, body)
	if !errors.Is(err, job.ErrUnavailable) {
		t.Errorf("%v of a server that is down", err)
	}
	down = false
	events, err := p.DecodePulse(t.Context(), exchanges+"task-completed", key, body)
	if err != nil || len(events) != 1 {
		t.Fatalf("%v, %v", events, err)
	}
	j := events[0].Job
	if j.Push().Repo != "autoland" || j.Push().Revision != push(20).Revision || j.ID() != decision+"/0" ||
		j.Name() != "Gecko Decision Task" || j.Status() != job.StatusSuccess {
		t.Errorf("%+v", j)
	}
	jobs := ok(p.Jobs(t.Context(), push(20), "Gecko Decision Task"))
	if len(jobs) != 1 || jobs[0].ID() != j.ID() || jobs[0].Status() != j.Status() || jobs[0].Times() != j.Times() ||
		jobs[0].Kind() != j.Kind() {
		t.Errorf("Jobs says %+v", jobs)
	}
	if _, err := job.WasAdded(t.Context(), p, j); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("WasAdded of an event's job: %v", err)
	}
}

// Several that are told of one task at a time ask for its definition once.
func TestDecodePulseShares(t *testing.T) {
	r := &recorder{tasks: definedBy(t)}
	p := at(t, r).Project("autoland", nil)
	for _, m := range toldBy(t) {
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if _, err := p.DecodePulse(t.Context(), m.Exchange, "", m.Payload); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		break
	}
	if asked := r.take(); len(asked) != 1 {
		t.Errorf("asked for %q", asked)
	}
}

// A task of a try push is not of the project's own repository, and says so.
func TestDecodePulseOfAnotherRepository(t *testing.T) {
	s := tctest.New()
	at := at(t, s)
	rev := fmt.Sprintf("%040x", 7)
	task := s.Add("AAAAAAAAQAaAAAAAAAAAAA", tctest.Object{
		"metadata": tctest.Object{"name": "test-x"}, "routes": []any{"tc-treeherder.v2.try." + rev + ".7"},
	}, true)
	status := ok(at.Status(t.Context(), task.ID))
	body := ok(json.Marshal(map[string]any{"version": 1, "runId": 0, "status": status}))
	events, err := at.Project("autoland", nil).DecodePulse(t.Context(), exchanges+"task-pending", "", body)
	if err != nil || len(events) != 1 || events[0].Job.Push().Repo != "try" || events[0].Job.Push().ID != 7 ||
		events[0].Job.Push().Revision != rev || events[0].Job.Status() != job.StatusPending {
		t.Errorf("%+v, %v", events, err)
	}
}

// TestDecodePulseForgetsListings: who looks because of a message must not see what was listed
// before it, although a listing is used again for some seconds.
func TestDecodePulseForgetsListings(t *testing.T) {
	s := tctest.New()
	revision := strings.Repeat("a", 40)
	decision := s.AddPush("autoland", 7, revision, tctest.Label{Name: "build-linux64/opt", Planned: true})
	task := s.Tasks(decision, "build-linux64/opt")[0]
	p := at(t, s).Project("autoland", nil)
	push := job.Push{Repo: "autoland", ID: 7, Revision: revision}
	status := func() job.Status {
		t.Helper()
		if _, err := p.Catalog(t.Context(), push, "build-linux64/opt"); err != nil {
			t.Fatal(err)
		}
		jobs, err := p.Jobs(t.Context(), push, "build-linux64/opt")
		if err != nil || len(jobs) != 1 {
			t.Fatal(jobs, err)
		}
		return jobs[0].Status()
	}
	tell := func() {
		t.Helper()
		c := at(t, s)
		now, err := c.Status(t.Context(), task)
		if err != nil {
			t.Fatal(err)
		}
		body, err := json.Marshal(map[string]any{
			"version": 1, "status": now, "runId": 0, "workerGroup": "g", "workerId": "i",
		})
		if err != nil {
			t.Fatal(err)
		}
		events, err := p.DecodePulse(t.Context(), "exchange/taskcluster-queue/v1/task-running", "", body)
		if err != nil || len(events) != 1 {
			t.Fatal(events, err)
		}
	}
	if got := status(); got != job.StatusPending {
		t.Fatal(got)
	}
	s.Start(task)
	tell()
	if got := status(); got != job.StatusRunning {
		t.Errorf("%s right after a message said that it runs", got)
	}
}

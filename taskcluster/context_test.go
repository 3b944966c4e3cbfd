package taskcluster_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// heedful ends a request when its context does, as a network does, also where the
// handler goes on.
type heedful struct{ testenv.InMemory }

func (h heedful) RoundTrip(r *http.Request) (*http.Response, error) {
	type answer struct {
		res *http.Response
		err error
	}
	came := make(chan answer, 1)
	go func() {
		res, err := h.InMemory.RoundTrip(r)
		came <- answer{res, err}
	}()
	select {
	case a := <-came:
		return a.res, a.err
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// question is what a project is asked, and which request it then waits for.
type question struct {
	slow   string // how the request's path ends
	ask    func(ctx context.Context, p *taskcluster.Project, j job.Job) error
	shared bool // one request answers all who ask meanwhile
}

func askJobs(ctx context.Context, p *taskcluster.Project, _ job.Job) error {
	_, err := p.Jobs(ctx, push(20))
	return err
}

func askCatalog(ctx context.Context, p *taskcluster.Project, _ job.Job) error {
	_, err := p.Catalog(ctx, push(20))
	return err
}

func askAdded(ctx context.Context, p *taskcluster.Project, j job.Job) error {
	_, err := p.WasAdded(ctx, j)
	return err
}

func askTrigger(ctx context.Context, p *taskcluster.Project, _ job.Job) error {
	_, err := p.Trigger(ctx, job.Request{Label: test, Push: push(20), Count: 1, Times: 2})
	return err
}

func questions(decision string) map[string]question {
	return map[string]question{
		"the index":                  {"/tasks/indexes", askJobs, true},
		"a group":                    {"/list", askJobs, false},
		"a decision task's status":   {"/status", askCatalog, true},
		"what can run":               {"artifact-content/public/full-task-graph.json", askCatalog, false},
		"what was planned":           {"artifact-content/public/label-to-taskid.json", askAdded, true},
		"the actions":                {"artifact-content/public/actions.json", askTrigger, true},
		"the decision task's scopes": {"/scopes/expand", askTrigger, true},
		"the decision task":          {"/api/queue/v1/task/" + decision, askTrigger, true},
	}
}

// Three callers want one thing of which the service takes half a minute. Those
// whose contexts end have their error at once, the one who began it first of all,
// and the third one has its answer.
func TestContextsHold(t *testing.T) {
	_, decision := world()
	for name, q := range questions(decision) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := world()
				c := ok(taskcluster.New("http://tc.example", &taskcluster.Options{
					HTTP:        &http.Client{Transport: heedful{testenv.InMemory{Handler: s}}},
					Credentials: &taskcluster.Credentials{ClientID: "me", AccessToken: "secret"},
				}))
				j := ok(c.Project("autoland", nil).Jobs(t.Context(), push(20), test))[0]
				asked := slowly(s, q.slow)
				waits(t, c.Project("autoland", nil), q, j)
				if n := asked(); q.shared && n != 1 || n == 0 {
					t.Errorf("it was asked for %d times", n)
				}
			})
		})
	}
}

// slowly has a deployment take half a minute to answer requests whose path ends
// so; they are counted.
func slowly(s *tctest.Server, path string) (asked func() int) {
	var mu sync.Mutex
	n := 0
	s.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, path) {
			mu.Lock()
			n++
			mu.Unlock()
			time.Sleep(30 * time.Second)
		}
		return false
	}
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

func waits(t *testing.T, p *taskcluster.Project, q question, j job.Job) {
	t.Helper()
	var wg sync.WaitGroup
	for i, limit := range []time.Duration{2 * time.Second, time.Second, time.Hour} {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			began := time.Now()
			err := q.ask(ctx, p, j)
			switch took := time.Since(began); {
			case limit == time.Hour && err != nil:
				t.Errorf("caller %d, who waits: %v", i, err)
			case limit < time.Hour && (!errors.Is(err, context.DeadlineExceeded) || took > limit+100*time.Millisecond):
				t.Errorf("caller %d, whose context ends after %s: %v after %s", i, limit, err, took)
			}
		})
		synctest.Wait() // it asks, or waits for who does
	}
	wg.Wait()
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// serverCI is a CI behind HTTP that outlives the processes which call it. With moods it answers 500
// before or after acting, is slow, and kills its callers. It stores keys but ignores them: the same
// request twice makes the runs twice, which shows a fault of the service.
type serverCI struct {
	ci    *jobtest.CI
	moody bool

	mu       sync.Mutex
	rng      *rand.Rand
	pushes   map[int64]job.Push
	requests map[string]int      // number of times that each key was acted on
	made     map[serverPlace]int // number of triggered runs
	doomed   condemned

	looks, triggers, refused, slow int
}

// serverPlace is a label on a push.
type serverPlace struct {
	Push  int64
	Label string
}

func newServerCI(seed uint64, ci *jobtest.CI, pushes []job.Push, moody bool) *serverCI {
	c := &serverCI{
		ci: ci, moody: moody, rng: rand.New(rand.NewPCG(seed, 43)), // #nosec G404 -- a seed that can be repeated
		pushes: map[int64]job.Push{}, requests: map[string]int{}, made: map[serverPlace]int{},
		doomed: condemned{},
	}
	for _, p := range pushes {
		c.pushes[p.ID] = p
	}
	return c
}

// serverAsk is a request to a serverCI.
type serverAsk struct {
	PID    int
	Push   int64
	Labels []string
	Key    string
	Count  int
	Run    string
}

// mood says what happens to a request.
type mood struct {
	before, after bool // answer 500 before acting, or after
	early, late   time.Duration
}

// mooded draws a mood. The caller holds mu.
func (c *serverCI) mooded(path string) (m mood) {
	if !c.moody {
		return m
	}
	luck := c.rng.IntN(100)
	wait := time.Duration(c.rng.IntN(150)) * time.Millisecond
	switch {
	case path != "/trigger":
		m.before = luck < 1
		if luck > 97 {
			m.early = wait / 3
		}
	case luck < 5:
		m.before = true
	case luck < 15:
		m.after = true
	case luck < 25:
		m.early = wait
	case luck < 35:
		m.late = wait
	}
	if m.before || m.after {
		c.refused++
	}
	if m.early+m.late > 0 {
		c.slow++
	}
	return m
}

// ServeHTTP handles POST /jobs, /trigger, /carried, /accepted and /cancel, and GET /events.
func (c *serverCI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/events" {
		c.events(w, r)
		return
	}
	var ask serverAsk
	if err := json.NewDecoder(r.Body).Decode(&ask); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	dead, m := c.doomed.strike(ask.PID, false), c.mooded(r.URL.Path)
	c.mu.Unlock()
	if dead {
		return
	}
	time.Sleep(m.early) // the caller may die meanwhile; the request is carried out all the same
	if m.before {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	answer, err := c.act(context.WithoutCancel(r.Context()), r.URL.Path, ask)
	c.mu.Lock()
	dead = c.doomed.strike(ask.PID, true)
	c.mu.Unlock()
	if dead {
		return
	}
	time.Sleep(m.late)
	switch {
	case m.after:
		w.WriteHeader(http.StatusInternalServerError)
	case err != nil:
		w.WriteHeader(http.StatusConflict)
	default:
		_ = json.NewEncoder(w).Encode(answer)
	}
}

var errServerAsk = errors.New("no such request")

// act carries out a request.
func (c *serverCI) act(ctx context.Context, path string, ask serverAsk) (any, error) {
	p := c.pushes[ask.Push]
	label := ""
	if len(ask.Labels) > 0 {
		label = ask.Labels[0]
	}
	switch path {
	case "/jobs":
		c.mu.Lock()
		c.looks++
		c.mu.Unlock()
		jobs, err := c.ci.Jobs(ctx, p, ask.Labels...)
		out := []serverRun{}
		for _, j := range jobs {
			out = append(out, wireRun(j))
		}
		return out, err
	case "/trigger":
		return c.trigger(ctx, job.Request{Key: ask.Key, Label: label, Push: p, Count: ask.Count})
	case "/carried":
		ids, err := c.ci.Carried(ctx, job.Request{Key: ask.Key, Label: label, Push: p, Count: ask.Count})
		return append([]string{}, ids...), err
	case "/accepted":
		reqs, err := c.ci.Accepted(ctx, p, label)
		out := []serverAsk{}
		for _, r := range reqs {
			out = append(out, serverAsk{Key: r.Key, Count: r.Count})
		}
		return out, err
	case "/cancel":
		return "", c.ci.Cancel(ctx, ask.Run)
	}
	return nil, errServerAsk
}

// trigger makes runs. A key that it has seen before means that the service sent a request twice.
func (c *serverCI) trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	c.mu.Lock()
	c.triggers++
	c.requests[req.Key]++
	if n := c.requests[req.Key]; n > 1 {
		req.Key = fmt.Sprintf("%s again %d", req.Key, n)
	}
	c.made[serverPlace{req.Push.ID, req.Label}] += req.Count
	c.mu.Unlock()
	return c.ci.Trigger(ctx, req)
}

// events sends all changes, one line each.
func (c *serverCI) events(w http.ResponseWriter, r *http.Request) {
	rc, enc := http.NewResponseController(w), json.NewEncoder(w)
	w.WriteHeader(http.StatusOK)
	_ = rc.Flush()
	for e, err := range c.ci.Watch(r.Context()) {
		if err != nil {
			return
		}
		if e.Job == nil {
			continue
		}
		if enc.Encode(wireRun(e.Job)) != nil || rc.Flush() != nil {
			return
		}
	}
}

// doom plans a process's death, through the CI or a clock. The returned function reports whether
// the process died of it.
func (c *serverCI) doom(p *os.Process) func() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := &doomed{process: p, pid: p.Pid, at: c.rng.IntN(60), after: c.rng.IntN(2) == 0}
	if c.rng.IntN(3) == 0 {
		d.at = 1 << 30
	}
	return c.doomed.add(&c.mu, d, time.Duration(150+c.rng.IntN(1100))*time.Millisecond)
}

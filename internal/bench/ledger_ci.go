package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/mozci/mozci/job"
)

func openSQLite(file string) (*sql.DB, error) {
	return sql.Open("sqlite",
		"file:"+file+
			"?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)")
}

// hostileCI is a CI behind HTTP, in a process that outlives those which call it. It also kills
// these, at a random request, before or after it has acted.
type hostileCI struct {
	keyed bool

	mu     sync.Mutex
	rng    *rand.Rand
	runs   map[int64]int  // number of runs, by push id
	keys   map[string]int // accepted requests by key, with their counts
	doomed []*doomed
}

type doomed struct {
	process *os.Process
	pid     int
	at      int  // number of requests that the process may still make
	after   bool // kill it after the CI acted, before the answer
	killed  bool
}

// doom plans a process's death. The returned function reports whether the process died of it.
func (c *hostileCI) doom(p *os.Process, kill bool) func() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !kill {
		return func() bool { return false }
	}
	d := &doomed{process: p, pid: p.Pid, at: c.rng.IntN(60), after: c.rng.IntN(2) == 0}
	c.doomed = append(c.doomed, d)
	var timer *time.Timer
	if c.rng.IntN(3) == 0 { // at a random time, not at a request
		d.at = 1 << 30
		timer = time.AfterFunc(time.Duration(c.rng.IntN(60_000))*time.Microsecond, func() { c.kill(d) })
	}
	return func() bool {
		if timer != nil {
			timer.Stop()
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		return d.killed
	}
}

func (c *hostileCI) kill(d *doomed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d.killed = d.process.Kill() == nil
}

// strike kills the process that made a request, if its time has come at this point of the request.
func (c *hostileCI) strike(pid int, after bool) bool {
	for _, d := range c.doomed {
		if d.pid != pid || d.killed {
			continue
		}
		if !after {
			d.at--
		}
		if d.at < 0 && d.after == after {
			d.killed = d.process.Kill() == nil
			return d.killed
		}
	}
	return false
}

func (c *hostileCI) asked(id int64) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.runs[id]
}

type askWire struct {
	PID   int    `json:"pid"`
	Key   string `json:"key"`
	Push  int64  `json:"push"`
	Count int    `json:"count"`
}

// ServeHTTP handles POST /trigger and POST /jobs.
func (c *hostileCI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var ask askWire
	if err := json.NewDecoder(r.Body).Decode(&ask); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	if c.strike(ask.PID, false) {
		c.mu.Unlock()
		return
	}
	mood := c.rng.IntN(12)
	if r.URL.Path == "/trigger" && mood != 0 { // with mood 0 it does not act, and fails
		c.act(ask)
		if mood == 1 { // a proxy delivers the request twice; with keys it counts once
			if c.keyed {
				c.act(ask)
			}
		}
	}
	n := c.runs[ask.Push]
	if r.URL.Path == "/carried" {
		n = c.keys[ask.Key]
	}
	dead := c.strike(ask.PID, true)
	c.mu.Unlock()
	switch {
	case dead:
	case r.URL.Path == "/trigger" && mood <= 0, r.URL.Path == "/trigger" && mood == 2:
		w.WriteHeader(http.StatusInternalServerError) // with mood 2: it has acted, and reports an error
	case r.URL.Path == "/trigger" && mood == 3: // it has acted, and the connection breaks
		panic(http.ErrAbortHandler)
	default:
		if mood == 4 {
			time.Sleep(5 * time.Millisecond) // a late answer
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"runs": n, "twice": mood == 5})
	}
}

func (c *hostileCI) act(ask askWire) {
	if _, known := c.keys[ask.Key]; known && c.keyed {
		return
	}
	c.keys[ask.Key] = ask.Count
	c.runs[ask.Push] += ask.Count
}

// remoteCI is the client of a hostileCI. It carries no keys.
type remoteCI struct{ url string }

func (c *remoteCI) post(ctx context.Context, path string, ask askWire) (runs int, twice bool, err error) {
	ask.PID = os.Getpid()
	text, err := json.Marshal(ask)
	if err != nil {
		return 0, false, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+path, bytes.NewReader(text))
	if err != nil {
		return 0, false, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, false, job.OfHTTP(path, "", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return 0, false, &job.Error{Op: path, Err: job.SentinelOf(res.StatusCode)}
	}
	var answer struct {
		Runs  int
		Twice bool
	}
	err = json.NewDecoder(res.Body).Decode(&answer)
	return answer.Runs, answer.Twice, job.OfHTTP(path, "", err)
}

func (c *remoteCI) Jobs(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
	n, twice, err := c.post(ctx, "/jobs", askWire{Push: p.ID})
	var out []job.Job
	for i := range n {
		j := job.New(job.Fields{
			ID: fmt.Sprint(i), Name: names[0], Push: p, Kind: job.KindTest,
			Status: job.StatusPending,
		})
		out = append(out, j)
		if twice {
			out = append(out, j)
		}
	}
	return out, err
}

func (c *remoteCI) Trigger(ctx context.Context, r job.Request) (job.Receipt, error) {
	_, _, err := c.post(ctx, "/trigger", askWire{Key: r.Key, Push: r.Push.ID, Count: r.Count})
	return job.Receipt{State: job.ReceiptAccepted}, err
}

// keyedCI is a remoteCI that carries keys.
type keyedCI struct{ *remoteCI }

// Carried implements job.KeyCarrier.
func (c keyedCI) Carried(ctx context.Context, r job.Request) ([]string, error) {
	n, _, err := c.post(ctx, "/carried", askWire{Key: r.Key, Push: r.Push.ID})
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprint(i)
	}
	return out, err
}

// Accepted implements job.AcceptedLister. Every run is visible at once.
func (keyedCI) Accepted(context.Context, job.Push, string) ([]job.Request, error) { return nil, nil }

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/mozci/mozci/internal/testing/rabbittest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/pulse"
	"github.com/mozci/mozci/trigger/monitor"
)

// liveExchange is the exchange to which a liveWorld publishes.
const liveExchange = "exchange/bench/runs"

// livePlace is a label on a push.
type livePlace struct {
	Push  int64
	Label string
}

// liveRun is a run, as in a liveWorld and its messages.
type liveRun struct {
	ID string
	livePlace
	Status                       job.Status
	Requested, Started, Finished time.Time
}

func (r liveRun) job() job.Job {
	return job.New(job.Fields{
		ID: r.ID, Name: r.Label, Push: livePush(r.Push), Kind: job.KindTest, Status: r.Status,
		Times: job.Times{Requested: r.Requested, Started: r.Started, Finished: r.Finished},
	})
}

func livePush(id int64) job.Push {
	return job.Push{Repo: "autoland", ID: id, Revision: fmt.Sprintf("%040x", 0xabcdef000000+id)}
}

// fate says how the runs of a place end, one after the other; any further run passes.
type fate struct {
	ends    []job.Status
	needed  int // number of runs that must be triggered
	outcome monitor.Outcome
}

var fates = []fate{
	{[]job.Status{job.StatusSuccess}, 0, monitor.Met},
	{[]job.Status{job.StatusCoalesced, job.StatusSuccess}, 1, monitor.Met},
	{[]job.Status{job.StatusException, job.StatusSuccess}, 1, monitor.Met},
	{[]job.Status{job.StatusTestFailed, job.StatusTestFailed, job.StatusTestFailed}, 2, monitor.Permanent},
	{[]job.Status{job.StatusTestFailed, job.StatusSuccess, job.StatusTestFailed}, 2, monitor.Intermittent},
}

// liveWorld is a CI behind HTTP that outlives the processes which call it. It publishes what
// happens to Pulse, but loses some messages, sends some twice, and does not keep their order. It
// knows keys, and makes the runs of a key once; Taskcluster has no keys.
type liveWorld struct {
	mu      sync.Mutex
	rng     *rand.Rand
	places  map[livePlace]fate
	runs    map[livePlace][]*liveRun
	all     int                 // runs that exist or will, without the triggered ones
	waiting int                 // runs that have not ended
	keys    map[string][]string // ids of the runs that each key made
	made    map[livePlace]int   // number of triggered runs
	notices map[string][]string // outcomes, by the expectation's key
	doomed  condemned

	looks, triggers, refused int // numbers of requests, and of those that were answered 500

	messages             []liveRun             // still to be sent
	told                 map[string]job.Status // the latest status that was sent for each run
	sent, doubled, unlit int                   // numbers of messages; unlit are those that were lost
}

func newLiveWorld(seed uint64) *liveWorld {
	return &liveWorld{
		rng: rand.New(rand.NewPCG(seed, 23)), places: map[livePlace]fate{}, runs: map[livePlace][]*liveRun{},
		keys: map[string][]string{}, made: map[livePlace]int{}, notices: map[string][]string{},
		doomed: condemned{}, told: map[string]job.Status{},
	}
}

// plan makes a place whose first run begins at some time within within.
func (w *liveWorld) plan(p livePlace, f fate, within time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.places[p] = f
	w.all++
	w.waiting++
	time.AfterFunc(time.Duration(w.rng.Int64N(int64(within))), func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.begin(p)
	})
}

// begin starts a run that was counted as waiting. The caller holds mu.
func (w *liveWorld) begin(p livePlace) *liveRun {
	n := len(w.runs[p])
	r := &liveRun{
		ID: fmt.Sprintf("%d.%s.%d", p.Push, p.Label, n), livePlace: p, Status: job.StatusPending,
		Requested: time.Now().UTC(),
	}
	w.runs[p] = append(w.runs[p], r)
	w.messages = append(w.messages, *r)
	end := job.StatusSuccess
	if ends := w.places[p].ends; n < len(ends) {
		end = ends[n]
	}
	pending, running := w.some(800), w.some(1200)
	if end != job.StatusCoalesced {
		time.AfterFunc(pending, func() { w.become(r, job.StatusRunning) })
	}
	time.AfterFunc(pending+running, func() { w.become(r, end) })
	return r
}

func (w *liveWorld) some(millis int64) time.Duration {
	return time.Duration(1+w.rng.Int64N(millis)) * time.Millisecond
}

func (w *liveWorld) become(r *liveRun, s job.Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.Finished.IsZero() {
		r.Status = s
		if s == job.StatusRunning {
			r.Started = time.Now().UTC()
		} else {
			r.Finished = time.Now().UTC()
			w.waiting--
		}
		w.messages = append(w.messages, *r)
	}
}

// tell publishes what happens until stop is closed and everything is sent. While the broker is away
// it waits, and then sends again what may have arrived already.
func (w *liveWorld) tell(b *rabbittest.Broker, stop <-chan struct{}) {
	for {
		bodies, ended := w.window(), false
		select {
		case <-stop:
			ended = true
		case <-time.After(20 * time.Millisecond):
		}
		if len(bodies) == 0 && ended {
			return
		}
		for len(bodies) > 0 && b.Publish(liveExchange, "run", bodies...) != nil {
			select {
			case <-stop: // the section has failed
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}

// window is the next group of messages: shuffled, some twice, some missing.
func (w *liveWorld) window() (bodies [][]byte) {
	const most = 50
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(most, len(w.messages))
	now := slices.Clone(w.messages[:n])
	w.messages = w.messages[n:]
	for _, m := range now {
		times := 1
		switch luck := w.rng.IntN(100); {
		case luck < 2:
			w.unlit++
			continue
		case luck < 22:
			w.doubled++
			times = 2
		}
		if known, ok := w.told[m.ID]; !ok || pulse.After(known, m.Status) {
			w.told[m.ID] = m.Status
		}
		body, _ := json.Marshal(m) // it has only fields that can be encoded
		for range times {
			bodies = append(bodies, body)
			w.sent++
		}
	}
	w.rng.Shuffle(len(bodies), func(i, k int) { bodies[i], bodies[k] = bodies[k], bodies[i] })
	return bodies
}

// liveAsk is a request to a liveWorld.
type liveAsk struct {
	PID int
	livePlace
	Key, Outcome string
	Count        int
}

// ServeHTTP handles POST /jobs, /trigger, /carried and /notice.
func (w *liveWorld) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	var ask liveAsk
	if err := json.NewDecoder(r.Body).Decode(&ask); err != nil {
		rw.WriteHeader(http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.doomed.strike(ask.PID, false) {
		return
	}
	luck := w.rng.IntN(100)
	before, after := 2, 3 // per hundred requests that get 500, before and after acting
	switch r.URL.Path {
	case "/trigger":
		w.triggers++
		before, after = 8, 16
	case "/notice": // it is sent again until it is accepted, which is not what this counts
		before, after = 0, 0
	case "/jobs":
		w.looks++
	}
	if luck < before {
		w.refused++
		rw.WriteHeader(http.StatusInternalServerError)
		return
	}
	answer := w.act(r.URL.Path, ask)
	if w.doomed.strike(ask.PID, true) {
		return
	}
	if luck < after {
		w.refused++
		rw.WriteHeader(http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(rw).Encode(answer)
}

// act carries out a request. The caller holds mu.
func (w *liveWorld) act(path string, ask liveAsk) any {
	switch path {
	case "/jobs":
		out := []liveRun{}
		for _, r := range w.runs[ask.livePlace] {
			out = append(out, *r)
		}
		return out
	case "/trigger":
		if _, known := w.keys[ask.Key]; !known {
			for range ask.Count {
				w.waiting++
				w.keys[ask.Key] = append(w.keys[ask.Key], w.begin(ask.livePlace).ID)
			}
			w.made[ask.livePlace] += ask.Count
		}
	case "/notice":
		w.notices[ask.Key] = append(w.notices[ask.Key], ask.Outcome)
		return nil
	}
	return append([]string{}, w.keys[ask.Key]...)
}

// doom plans a process's death, through the CI or a clock. The returned function reports whether
// the process died of it.
func (w *liveWorld) doom(p *os.Process) func() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := &doomed{process: p, pid: p.Pid, at: w.rng.IntN(60), after: w.rng.IntN(2) == 0}
	most := 300*time.Millisecond + w.some(1200)
	if w.rng.IntN(2) == 0 {
		d.at = 1 << 30
	}
	return w.doomed.add(&w.mu, d, most)
}

// condemned are the processes that a CI will kill, by process id. The CI's mutex guards it.
type condemned map[int]*doomed

// add registers a process that dies after most at the latest. The caller holds mu. The returned
// function removes it and reports whether it died.
func (c condemned) add(mu *sync.Mutex, d *doomed, most time.Duration) func() bool {
	c[d.pid] = d
	timer := time.AfterFunc(most, func() {
		mu.Lock()
		defer mu.Unlock()
		if !d.killed {
			d.killed = d.process.Kill() == nil
		}
	})
	return func() bool {
		timer.Stop()
		mu.Lock()
		defer mu.Unlock()
		delete(c, d.pid)
		return d.killed
	}
}

// strike kills the process that made a request, if its time has come. The caller holds the mutex.
func (c condemned) strike(pid int, after bool) bool {
	d := c[pid]
	if d == nil || d.killed {
		return d != nil
	}
	if !after {
		d.at--
	}
	if d.at < 0 && d.after == after {
		d.killed = d.process.Kill() == nil
	}
	return d.killed
}

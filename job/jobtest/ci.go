package jobtest

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/mozci/mozci/job"
)

// CIOptions change how a CI in memory behaves; nil is zero options.
type CIOptions struct {
	// Visible is how long a run stays invisible after it was asked for, as
	// with a CI that makes runs in the background. Default 0: at once.
	Visible time.Duration
	// Queue is how long a run waits for a machine. Default 5 minutes.
	Queue time.Duration
	// Play starts the clock with the first push in place of after the history: nothing
	// has happened yet, and [CI.Play] or [CI.Advance] makes it happen, the first push
	// included. Nothing that Watch and Wait do moves the time then.
	//
	// A push is not found before its time; one that merges others comes after them. Its
	// runs are requested when it appears. They start after Queue, and end with the word
	// of their cell after the time that the label takes. A word that the text has after
	// a comma follows the ones before it, when they have ended: the run after a retry.
	// Runs with :by= are requested one "every" of the world after their push. Where the
	// grid says that all builds a label needs succeed on the push, its runs wait for
	// them, unscheduled.
	//
	//   - pending, running and unscheduled end as the truth has it. A running one still
	//     runs when the newest push is one "every" old, and as long as its label takes
	//     from then on; an unscheduled one waits for a build to succeed.
	//   - unknown is that for Queue after its end, and then ends as the truth has it.
	//   - cancelled, skipped and coalesced never start: they end so after Queue.
	Play bool
}

// CI serves a World through every contract of package job, in memory and with
// its own clock, which only [CI.Advance] and [CI.Watch] move. It is a
// [job.Scheduler] with every optional ability, and [CI.Repository] gives the
// world's repositories. It is strict where real ones are: a test whose build
// has no files is refused with job.ErrNoBuild. A CI is safe for concurrent use.
// It forgets nothing: it is as large as its world and what was asked of it.
type CI struct {
	w    *World
	opts CIOptions

	mu     sync.Mutex
	now    time.Time
	runs   []*run // in the order of their creation
	byKey  map[string][]*run
	events []job.Event
	hung   chan struct{} // closed when the CI answers again; nil while it does
}

type run struct {
	id        string
	repo      *repo
	push      *push
	label     string
	key       string
	status    job.Status
	ends      job.Status // how it will end
	noTest    bool
	expired   bool
	times     job.Times
	visible   time.Time // before that, nobody sees it
	next      time.Time // when the status changes; zero for never, or not known yet
	announced bool
}

// NewCI returns a CI over the world. Its time is that of the newest push, plus
// one step of the world's grid: the moment after the history.
func NewCI(w *World, opts *CIOptions) *CI {
	c := &CI{w: w, now: w.start, byKey: map[string][]*run{}}
	if opts != nil {
		c.opts = *opts
	}
	if c.opts.Queue == 0 {
		c.opts.Queue = 5 * time.Minute
	}
	for _, r := range w.repos {
		for _, p := range r.pushes {
			if t := p.Time.Add(w.every); t.After(c.now) {
				c.now = t
			}
		}
	}
	for _, r := range w.repos {
		for _, p := range r.pushes {
			for _, label := range r.labels {
				for _, cell := range p.cells[label] {
					c.history(r, p, label, cell)
				}
			}
		}
	}
	return c
}

// history makes a run that the grid shows.
func (c *CI) history(r *repo, p *push, label string, cell cellRun) {
	n := c.newRun(r, p, label)
	n.status, n.noTest, n.expired, n.announced = cell.status, cell.noTest, cell.expired, true
	n.times.Requested, n.visible = p.Time, p.Time
	started := min(c.opts.Queue, c.w.every)
	switch {
	case n.status == job.StatusPending:
		n.next = c.now.Add(c.opts.Queue)
	case n.status == job.StatusRunning, n.status == job.StatusUnknown:
		n.times.Started = p.Time.Add(started)
		n.next = c.now.Add(r.duration(label))
	case n.status.Waiting(): // unscheduled: its build moves it
	case n.status == job.StatusCoalesced, n.status == job.StatusSkipped, n.status == job.StatusCancelled:
		n.times.Finished = p.Time.Add(started)
	default:
		n.times.Started = p.Time.Add(started)
		n.times.Finished = n.times.Started.Add(r.duration(label))
		if n.times.Finished.After(c.now) {
			n.times.Finished = c.now
		}
	}
}

func (r *repo) duration(label string) time.Duration {
	if d, ok := r.takes[label]; ok {
		return d
	}
	return defaultTakes
}

func (c *CI) newRun(r *repo, p *push, label string) *run {
	n := &run{id: "run-" + strconv.Itoa(len(c.runs)+1), repo: r, push: p, label: label}
	n.ends = c.draw(r, p, label)
	c.runs = append(c.runs, n)
	return n
}

// draw decides how the next run of the label on the push will end: see truth
// in the package comment. It depends on the world alone, not on time or order.
func (c *CI) draw(r *repo, p *push, label string) job.Status {
	t, ok := r.truths[label]
	if !ok {
		return job.StatusSuccess
	}
	before := 0
	for _, n := range c.runs {
		if n.push == p && n.label == label {
			before++
		}
	}
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s\x00%d\x00%s\x00%d", r.name, p.ID, label, before)
	rng := rand.New(rand.NewPCG(c.w.seed, h.Sum64())) // #nosec G404 -- a simulation, seeded on purpose
	if rng.Float64() < t.infra {
		return job.StatusException
	}
	fails := t.before
	if p.ID >= t.culprit {
		fails = t.after
	}
	switch {
	case rng.Float64() >= fails:
		return job.StatusSuccess
	case r.kind(label) == job.KindBuild:
		return job.StatusBusted
	}
	return job.StatusTestFailed
}

// Record is what Raw of a CI's jobs holds.
type Record struct {
	NoTest bool // the job ran, but not the test that one looks for
}

// RanTest reports whether the job ran the test that one looks for. It is true
// for jobs that are not of a World: only worlds say so of themselves.
func RanTest(j job.Job) bool {
	f, ok := j.Raw().(Record)
	return !ok || !f.NoTest
}

func (n *run) snapshot() job.Job {
	return job.New(job.Fields{
		ID: n.id, Name: n.label, Push: clonePush(n.push.Push), Kind: n.repo.kind(n.label),
		Status: n.status, Times: n.times, Raw: Record{NoTest: n.noTest},
	})
}

// find returns the push of the world that p names, by repository and id, or by
// repository and revision.
func (c *CI) find(p job.Push) (*repo, *push, error) {
	r := c.w.repo(p.Repo)
	if r == nil {
		return nil, nil, fmt.Errorf("%w: the world has no repository %q", job.ErrNotFound, p.Repo)
	}
	for _, n := range r.pushes {
		if p.Revision == "" && n.ID == p.ID || job.SameRevision(n.Revision, p.Revision) {
			return r, n, nil
		}
	}
	return nil, nil, fmt.Errorf("%w: repository %s has no push %d %s", job.ErrNotFound, r.name, p.ID, p.Short())
}

// Jobs implements job.Scheduler.
func (c *CI) Jobs(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
	const op = "world.jobs"
	if err := c.reach(ctx); err != nil {
		return nil, job.Wrap(op, p.String(), err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, at, err := c.find(p)
	if err != nil {
		return nil, job.Wrap(op, p.String(), err)
	}
	var out []job.Job
	for _, n := range c.runs {
		if n.push == at && (len(names) == 0 || slices.Contains(names, n.label)) && !n.visible.After(c.now) {
			out = append(out, n.snapshot())
		}
	}
	return out, nil
}

// Trigger implements job.Scheduler.
func (c *CI) Trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	if err := c.reach(ctx); err != nil {
		return job.Receipt{}, job.Wrap("world.trigger", req.Label, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if made, ok := c.byKey[req.Key]; ok && req.Key != "" {
		return job.Receipt{IDs: ids(made), State: job.ReceiptAlreadyAsked}, nil
	}
	r, p, err := c.refusal(req)
	if err != nil {
		return job.Receipt{}, job.Wrap("world.trigger", req.Label, err)
	}
	var made []*run
	for range req.Count {
		n := c.newRun(r, p, req.Label)
		n.key, n.status, n.times.Requested = req.Key, job.StatusPending, c.now
		n.visible = c.now.Add(c.opts.Visible)
		n.next = n.visible.Add(c.opts.Queue)
		if c.opts.Visible == 0 {
			n.announced = true
			c.tell(n)
		}
		made = append(made, n)
	}
	c.byKey[req.Key] = made
	if c.opts.Visible > 0 {
		return job.Receipt{State: job.ReceiptAccepted}, nil
	}
	return job.Receipt{IDs: ids(made), State: job.ReceiptCreated}, nil
}

// refusal is why the request cannot be done, or where it is to be done.
func (c *CI) refusal(req job.Request) (*repo, *push, error) {
	if req.Count < 1 || req.Count > most {
		return nil, nil, fmt.Errorf("%w: count %d, expected 1 to %d", job.ErrInvalid, req.Count, most)
	}
	r, p, err := c.find(req.Push)
	switch {
	case err != nil:
		return nil, nil, err
	case !p.scheduled:
		return nil, nil, job.ErrNotScheduled
	case !r.has(req.Label):
		return nil, nil, fmt.Errorf("%w: label %q cannot run on %s", job.ErrNotFound, req.Label, p)
	case !c.ready(r, p, req.Label):
		return nil, nil, fmt.Errorf("%w: it needs %v", job.ErrNoBuild, r.needs[req.Label])
	}
	return r, p, nil
}

func ids(runs []*run) []string {
	out := make([]string, len(runs))
	for i, n := range runs {
		out[i] = n.id
	}
	return out
}

// byID returns the run with this id, when it is visible.
func (c *CI) byID(id string) (*run, error) {
	for _, n := range c.runs {
		if n.id == id && !n.visible.After(c.now) {
			return n, nil
		}
	}
	return nil, fmt.Errorf("%w: no run %q", job.ErrNotFound, id)
}

package jobtest

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mozci/mozci/job"
)

// The state of the CI in memory, its runs, and the contract of job.Scheduler. Every call takes the
// CI with lock and gives it back with unlock (clock.go), which keep the time and wake who waits.
// history.go has the runs of a world that plays, play.go what moves its time, abilities.go the
// optional abilities.

// CIOptions change how a CI in memory behaves; nil is zero options.
type CIOptions struct {
	// Visible is how long a run stays invisible after it was triggered, as in a CI that
	// makes runs in the background. Default 0: it is visible at once.
	Visible time.Duration
	// Queue is how long a run waits for a machine. Default 5 minutes.
	Queue time.Duration
	// Play starts the clock at the first push instead of after the history. Nothing has
	// happened yet, not even the first push, and only [CI.Play] or [CI.Advance] moves the
	// time; Watch and Wait do not.
	//
	// A push cannot be found before its time; one that merges others comes after them. Its
	// runs are requested when it appears. They start after Queue, and end with the word
	// of their cell after the time that the label takes. A word after a comma begins when
	// the ones before it have ended, as the run after a retry does. Runs with :by= are
	// requested one "every" of the world after their push. If the grid says that all
	// builds which a label needs succeed on the push, its runs wait for them, unscheduled.
	//
	//   - pending, running and unscheduled end as the truth has it. A running one still
	//     runs when the newest push is one "every" old, and as long as its label takes
	//     from then on; an unscheduled one waits for a build to succeed.
	//   - unknown is that for Queue after its end, and then ends as the truth has it.
	//   - cancelled, skipped and coalesced never start: they end so after Queue.
	Play bool
}

// CI serves a World through every contract of package job, in memory and with
// its own clock, which only [CI.Advance], [CI.Watch] and [CI.Wait] move, or [CI.Play] and
// [CI.Advance] where the world plays. It is a [job.Scheduler] with the optional
// abilities, and [CI.Repository] returns the world's repositories. It is as strict as real
// CIs: a test whose build has no files is refused with job.ErrNoBuild. A CI is safe for
// concurrent use. It forgets nothing, so it grows with the requests made to it.
type CI struct {
	w    *World
	opts CIOptions
	end  time.Time // of the history: when the newest push is one step old

	mu      sync.Mutex                 // guards what follows
	now     time.Time                  // the CI's time
	moments moments                    // what happens next, the earliest first
	runs    []*run                     // in the order of their creation: run-1 is the first
	places  map[*push]*place           // what runs on each push
	seen    map[*repo]int              // how many of its pushes are visible
	depths  map[string]*job.QueueDepth // by label, on all pushes; kept by set
	byKey   map[string][]*run          // the runs that a request with this key made
	last    *told                      // the newest event; it has no next one
	changes int                        // how often something changed
	waited  int                        // of these, those that were so when a Wait last returned
	bell    chan struct{}              // closed at the end of a call when rings is true; nil while nobody listens
	rings   bool                       // whether the call under way changed something for listeners
	lists   map[*repo]*job.List        // of the visible pushes; made anew after a push appears
	hung    chan struct{}              // closed when the CI answers again; nil while it does
	player  player
}

// place are the runs of a push, in the order of their creation.
type place struct {
	runs   []*run
	labels map[string]int // how many of each
}

// run is one run: of the grid, or triggered. It is in CI.runs and in its place from the beginning,
// but callers see it only when shown says so.
type run struct {
	id        string // "run-1" and so on, by the order of creation
	repo      *repo
	push      *push
	label     string
	key       string     // of the request that made it; empty for the grid's
	cell      cellRun    // of the history; zero for what was triggered
	triggered bool       // in the CI
	status    job.Status // 0 before it is requested
	ends      job.Status // how it will end
	sig       string     // the test that fails, where it ends so
	measured  *float64   // what it measures if it succeeds, by the truth; nil for nothing
	times     job.Times
	visible   time.Time // the run is invisible before that
	next      time.Time // when the status changes; zero for never, or not known yet
	announced bool      // whether it was told to watchers
	then      *item     // what waits for its end; nil for nothing
	moment    moment    // in CI.moments when something is due, and not otherwise; see due
}

// shown reports whether the run can be seen.
func (n *run) shown(now time.Time) bool { return n.status != 0 && !n.visible.After(now) }

// NewCI returns a CI over the world. Its time is that of the newest push, plus
// one step of the world's grid: the moment after the history. With CIOptions.Play it
// is that of the first push, and nothing has happened yet.
func NewCI(w *World, opts *CIOptions) *CI {
	c := &CI{
		w: w, now: w.start, end: w.start, places: map[*push]*place{}, seen: map[*repo]int{},
		depths: map[string]*job.QueueDepth{}, byKey: map[string][]*run{}, last: &told{}, lists: map[*repo]*job.List{},
		player: player{wake: make(chan struct{}, 1)},
	}
	if opts != nil {
		c.opts = *opts
	}
	if c.opts.Queue == 0 {
		c.opts.Queue = 5 * time.Minute
	}
	for _, r := range w.repos {
		for _, p := range r.pushes {
			c.places[p] = &place{labels: map[string]int{}}
			if t := p.Time.Add(w.every); t.After(c.end) {
				c.end = t
			}
		}
	}
	if c.opts.Play {
		c.toCome()
		return c
	}
	c.now = c.end
	for _, r := range w.repos {
		c.seen[r] = len(r.pushes)
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

// history makes a run that the grid shows, of a world that does not play: its times are made up as
// if it had been played. With the usual settings, a run of a push of 10:00 is requested at 10:00,
// starts at 10:05 and ends at 10:35, but nothing ends later than the present of the CI.
func (c *CI) history(r *repo, p *push, label string, cell cellRun) {
	n := c.newRun(r, p, label)
	n.ofCell(cell)
	n.announced = true
	c.set(n, cell.status)
	asked := p.Time
	if cell.by != "" {
		asked = asked.Add(c.w.every)
	}
	n.times.Requested, n.visible = asked, asked
	started := earlier(asked.Add(min(c.opts.Queue, c.w.every)), c.now)
	switch {
	case n.status == job.StatusPending:
		n.next = c.now.Add(c.opts.Queue)
	case n.status == job.StatusRunning, n.status == job.StatusUnknown:
		n.times.Started = started
		n.next = c.now.Add(r.duration(label))
	case n.status.Waiting(): // unscheduled: its build moves it
	case neverStarts(n.status):
		n.times.Finished = started
	default:
		n.times.Started = started
		n.times.Finished = earlier(started.Add(r.duration(label)), c.now)
	}
	c.schedule(n)
}

func earlier(a, b time.Time) time.Time {
	if a.After(b) {
		return b
	}
	return a
}

// neverStarts reports whether runs that end so never ran.
func neverStarts(s job.Status) bool {
	return s == job.StatusCoalesced || s == job.StatusSkipped || s == job.StatusCancelled
}

// duration is how long a run of the label takes; 30 minutes when the world does not say.
func (r *repo) duration(label string) time.Duration {
	if d, ok := r.takes[label]; ok {
		return d
	}
	return defaultTakes
}

// newRun makes a run without a status, so nobody sees it yet. How it ends is drawn now, from the
// number of runs that the label has on the push by now.
func (c *CI) newRun(r *repo, p *push, label string) *run {
	n := &run{id: "run-" + strconv.Itoa(len(c.runs)+1), repo: r, push: p, label: label}
	n.moment = moment{kind: runChanges, seq: len(c.runs), run: n}
	n.ends, n.sig = c.draw(r, p, label)
	n.measured = c.measure(r, p, label)
	c.runs = append(c.runs, n)
	at := c.places[p]
	at.runs = append(at.runs, n)
	at.labels[label]++
	return n
}

// ofCell gives the run what the grid says of it. The grid's word is how it ends, where
// it is one for that; otherwise the truth has it.
func (n *run) ofCell(cell cellRun) {
	n.cell = cell
	if !cell.status.Waiting() {
		n.ends, n.sig = cell.status, ""
	}
	if cell.sig != "" {
		n.sig = cell.sig
	}
}

// draw decides how the next run of the label on the push will end, and in which test: see truth in
// the package comment. It depends on the world alone, not on time or order. Each draw is from the
// same stream: infra first, then the break or what was before it, then other.
func (c *CI) draw(r *repo, p *push, label string) (ends job.Status, sig string) {
	t, ok := r.truths[label]
	if !ok {
		return job.StatusSuccess, ""
	}
	// The third run of t on push 19 of autoland hashes "autoland", "19", "t" and "2", with NUL
	// bytes between, so each run has a random stream of its own.
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s\x00%d\x00%s\x00%d", r.name, p.ID, label, c.places[p].labels[label])
	rng := rand.New(rand.NewPCG(c.w.seed, h.Sum64())) // #nosec G404 -- a simulation, seeded on purpose
	if rng.Float64() < t.infra {
		return job.StatusException, ""
	}
	fails, sig := t.before, t.flake
	if t.broken(p.ID) {
		fails, sig = t.after, t.sig
	}
	if rng.Float64() >= fails {
		if rng.Float64() >= t.other {
			return job.StatusSuccess, ""
		}
		sig = otherTest
	}
	if r.kind(label) == job.KindBuild {
		return job.StatusBusted, sig
	}
	return job.StatusTestFailed, sig
}

// Record is what Raw of a CI's jobs holds.
type Record struct {
	NoTest bool     // the job ran, but not the wanted test
	Value  *float64 // what the job measured; nil for nothing, and before its end
}

// RanTest reports whether the job ran the wanted test. It is true
// for jobs that are not of a World: only worlds say so of themselves.
func RanTest(j job.Job) bool {
	f, ok := j.Raw().(Record)
	return !ok || !f.NoTest
}

// snapshot is a run as it was. The push is copied for who looks at it: most do not.
type snapshot struct {
	*run
	status job.Status
	times  job.Times
}

func (s snapshot) ID() string         { return s.id }
func (s snapshot) Name() string       { return s.label }
func (s snapshot) Push() job.Push     { return clonePush(s.push.Push) }
func (s snapshot) Kind() job.Kind     { return s.repo.kind(s.label) }
func (s snapshot) Status() job.Status { return s.status }
func (s snapshot) Times() job.Times   { return s.times }

// Raw is a Record.
func (s snapshot) Raw() any {
	r := Record{NoTest: s.cell.noTest}
	r.Value = s.value(s.status)
	return r
}

func (n *run) snapshot() job.Job { return snapshot{n, n.status, n.times} }

// find returns the push of the world that p names: by repository and revision or, when p has no
// revision, by repository and id. A push that has not appeared yet is not found.
func (c *CI) find(p job.Push) (*repo, *push, error) {
	r := c.w.repo(p.Repo)
	if r == nil {
		return nil, nil, fmt.Errorf("%w: no repository %q; the World has %s", job.ErrNotFound, p.Repo,
			strings.Join(c.w.Repositories(), ", "))
	}
	for _, n := range r.pushes[:c.seen[r]] {
		if p.Revision == "" && n.ID == p.ID || job.SameRevision(n.Revision, p.Revision) {
			return r, n, nil
		}
	}
	return nil, nil, fmt.Errorf("%w: repository %s has no push %d %s", job.ErrNotFound, r.name, p.ID, p.Short())
}

// Jobs implements job.Scheduler.
func (c *CI) Jobs(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
	if err := c.reach(ctx); err != nil {
		return nil, job.Wrap("world.jobs", p.String(), err)
	}
	c.lock()
	defer c.unlock()
	return c.ran(p, names)
}

// ran are the runs on a push, of the labels or, without any, of all.
func (c *CI) ran(p job.Push, names []string) ([]job.Job, error) {
	_, at, err := c.find(p)
	if err != nil {
		return nil, job.Wrap("world.jobs", p.String(), err)
	}
	var out []job.Job
	for _, n := range c.places[at].runs {
		if (len(names) == 0 || slices.Contains(names, n.label)) && n.shown(c.now) {
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
	c.lock()
	defer c.unlock()
	// The same key again makes nothing, whatever else the request says.
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
		n.key, n.triggered, n.times.Requested = req.Key, true, c.now
		c.set(n, job.StatusPending)
		n.visible = c.now.Add(c.opts.Visible)
		n.next = n.visible.Add(c.opts.Queue)
		if c.opts.Visible == 0 {
			n.announced = true
			c.tell(n)
		}
		c.schedule(n)
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

// byID returns the run with this id, when it is visible. "run-3" is runs[2]; "run-03" is no id.
func (c *CI) byID(id string) (*run, error) {
	if text, ok := strings.CutPrefix(id, "run-"); ok {
		i, err := strconv.Atoi(text)
		if err == nil && i >= 1 && i <= len(c.runs) && c.runs[i-1].id == id && c.runs[i-1].shown(c.now) {
			return c.runs[i-1], nil
		}
	}
	return nil, fmt.Errorf("%w: no run %q", job.ErrNotFound, id)
}

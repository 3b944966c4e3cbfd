package autopilot

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/internal/database"
	"github.com/mozci/mozci/internal/flight"
	"github.com/mozci/mozci/internal/lease"
	"github.com/mozci/mozci/internal/pause"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/ledger"
)

// The loop of the robot. listen (hear.go) stores what events tell of, in a goroutine of its own.
// Run sweeps at intervals and starts, in rounds, what the store says is due: look for a failure,
// work for a case, each under a lease and in a goroutine. Between rounds it sleeps until the next
// thing is due, an event comes, or a place gets free.

// Places are what a Robot reads from and acts on.
type Places struct {
	// CI tells which runs there are, and triggers more. It should be a job.LogOpener. The robot
	// also uses a job.Watcher, AddedChecker, Classifier, QueueMeter, Cataloger, RequesterFinder and
	// PageLinker if the CI is one.
	CI job.Scheduler
	// Repository opens a repository by its name. The robot uses a job.BackoutFinder and
	// OriginFinder if the repository is one.
	Repository func(name string) (job.Repository, error)
	// Repositories are the names of those that the robot reads at intervals, as events may get
	// lost. Default: the patterns of the file that have no wildcard.
	Repositories []string
	// Ledger remembers what was triggered. Keep it as long as the Store.
	Ledger ledger.Ledger
}

// Options configure a Robot. Nil is zero options.
type Options struct {
	// Who is the robot's name in the ledger. Default "autopilot". Instances that share a store need
	// the same name.
	Who string
	// Lease is how long a failure or case stays with an instance that does not renew the lease.
	// Default 2 minutes.
	Lease time.Duration
	// Poll is how often the robot looks at what it waits for when no event tells of it. Default 5
	// minutes. Sweep is how often it reads recent pushes for failures that no event told of.
	// Default 10 minutes, or 5 when the CI has no events.
	Poll, Sweep time.Duration
	// Width is the maximum number of failures and cases that it works on at the same time. Default
	// 8.
	Width int
	// OnReport gets each report, with its case, before the webhook does. After an error it is
	// called again, and after a crash it may get the same case twice, which the case's key shows.
	// Optional.
	OnReport func(ctx context.Context, c Case) error
	// Client sends the reports to the webhook. Default: one of the robot's own.
	Client *http.Client
	// Logger gets what is decided and done. Nil discards.
	Logger *slog.Logger
}

// Robot is the autopilot. New makes one. It is safe for concurrent use, but Run may be called only
// once.
type Robot struct {
	places Places
	ci     job.Scheduler
	store  Store
	cfg    Config
	opts   Options
	log    *slog.Logger
	holder string                                // this instance's name for leases; random, so no two are the same
	woken  chan struct{}                         // holds one wake-up at most; see wake
	judges *flight.Cache[string, analysis.Judge] // by the test and the signatures

	mu    sync.Mutex       // guards busy and lines
	busy  map[string]bool  // keys of what is being looked at now
	lines map[string]error // why a repository has no line of pushes; nil when it has one
}

// New returns a Robot. A Config that makes no sense, or a missing place, gives an error that wraps
// job.ErrInvalid. New does no I/O.
func New(p Places, s Store, c Config, opts *Options) (*Robot, error) {
	const op = "autopilot.new"
	if err := c.Check(); err != nil {
		return nil, job.Wrap(op, "", err)
	}
	for name, missing := range map[string]bool{
		"CI": p.CI == nil, "repository": p.Repository == nil, "ledger": p.Ledger == nil, "store": s == nil,
	} {
		if missing {
			return nil, job.Wrap(op, name, fmt.Errorf("%w: none given", job.ErrInvalid))
		}
	}
	r := &Robot{
		places: p, ci: p.CI, store: s, cfg: c, holder: rand.Text(), woken: make(chan struct{}, 1),
		judges: flight.New[string, analysis.Judge](mostJudges), busy: map[string]bool{}, lines: map[string]error{},
		log: slog.New(slog.DiscardHandler),
	}
	if opts != nil {
		r.opts = *opts
	}
	o := &r.opts
	if o.Logger != nil {
		r.log = o.Logger
	}
	if o.Who == "" {
		o.Who = "autopilot"
	}
	if o.Lease <= 0 {
		o.Lease = 2 * time.Minute
	}
	if o.Poll <= 0 {
		o.Poll = shortWait
	}
	if o.Sweep <= 0 {
		o.Sweep = 10 * time.Minute
		if _, ok := job.As[job.Watcher](p.CI); !ok {
			o.Sweep = shortWait
		}
	}
	if o.Width <= 0 {
		o.Width = 8
	}
	if len(r.places.Repositories) == 0 {
		for _, name := range c.Repositories {
			if !strings.ContainsAny(name, `*?[\`) {
				r.places.Repositories = append(r.places.Repositories, name)
			}
		}
	}
	return r, nil
}

// mostJudges is the number of judges that are kept, with the logs that they have read.
const mostJudges = 200

// Waiter is a CI with a clock of its own that moves when somebody waits, such as jobtest.CI.
type Waiter interface {
	// Wait waits until something changes, or until d has passed by the CI's clock. more is false
	// when nothing can happen any more.
	Wait(ctx context.Context, d time.Duration) (changed, more bool, err error)
}

// Run watches and works until ctx is done, and returns ctx's error. Errors of the CI and the store
// are logged and tried again. Only a store that can never work ends Run earlier, such as one with
// tables of a newer version.
func (r *Robot) Run(ctx context.Context) error {
	if r.cfg.Mode == Off {
		<-ctx.Done()
		return ctx.Err()
	}
	ctx, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	all.Go(func() { r.listen(ctx) })
	swept := time.Time{}                        // the zero time, so that the first round sweeps
	places := make(chan struct{}, r.opts.Width) // one element for each failure or case that is worked on
	for failed := 0; ; {
		now, err := r.store.Now(ctx)
		if err == nil && now.Sub(swept) >= r.opts.Sweep {
			if err = r.sweep(ctx, now); err == nil {
				swept = now
			}
		}
		after := r.opts.Sweep
		if err == nil {
			after, err = r.round(ctx, places, &all)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, job.ErrInvalid), errors.Is(err, database.ErrNewer):
			return err
		case err != nil:
			failed++
			after = backoff(failed)
			r.log.WarnContext(ctx, "the autopilot could not go on, trying again", "wait", after, "err", err)
		default:
			failed = 0
			after = min(after, max(r.opts.Sweep-now.Sub(swept), time.Second))
		}
		r.sleep(ctx, after)
	}
}

// backoff is how long to wait after failed failures in a row. 1 second, 2, 4 and so on up to a
// minute. failed is at least 1.
func backoff(failed int) time.Duration {
	const first, most = time.Second, time.Minute
	return min(first<<min(failed-1, 10), most)
}

// sleep waits until something is due or the robot is woken. It returns only after its goroutine has
// ended, so a CI with a clock of its own is never waited on twice.
func (r *Robot) sleep(ctx context.Context, d time.Duration) {
	over, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if w, ok := job.As[Waiter](r.ci); ok {
			_, _, _ = w.Wait(over, d)
			return
		}
		_ = pause.For(over, d)
	}()
	select {
	case <-done:
	case <-r.woken:
		stop()
		<-done
	}
}

// wake ends the current or the next sleep. It never blocks: when a wake-up is pending already, one
// is enough.
func (r *Robot) wake() {
	select {
	case r.woken <- struct{}{}:
	default:
	}
}

// round starts to look at everything that is due, within the free places, and returns after how
// long the next one is due.
func (r *Robot) round(ctx context.Context, places chan struct{}, all *sync.WaitGroup) (time.Duration, error) {
	_, virtual := job.As[Waiter](r.ci)
	for {
		free := cap(places) - len(places) // only this goroutine fills places, so it does not shrink
		if free == 0 {
			return r.opts.Poll, nil // all places are taken; whichever gets free wakes the robot
		}
		claimed, err := r.store.Claim(ctx, r.holder, r.opts.Lease, free)
		if err != nil {
			return 0, err
		}
		if len(claimed) == 0 {
			break
		}
		for _, c := range claimed {
			if !r.take(c.key()) { // still being looked at: its lease ended meanwhile
				continue
			}
			if virtual && c.Failure != nil { // one after the other: a CI in memory must play the same each time
				r.one(ctx, c)
				r.leave(c.key())
				continue
			}
			places <- struct{}{}
			all.Go(func() {
				defer r.wake()
				defer func() { <-places }()
				defer r.leave(c.key())
				r.one(ctx, c)
			})
		}
	}
	after, some, err := r.store.Next(ctx)
	if err == nil && (!some || after == 0) {
		after = r.opts.Poll
	}
	return after, err
}

// take reports whether nobody in this instance looks at a failure or case, and marks it as looked
// at until leave.
func (r *Robot) take(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy[key] {
		return false
	}
	r.busy[key] = true
	return true
}

func (r *Robot) leave(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.busy, key)
}

// one looks at a failure or case that is leased to this instance. Its lease is renewed until the
// look is over. When another instance has taken it, the result is thrown away. After an error it is
// due again in a minute.
func (r *Robot) one(ctx context.Context, c Claimed) {
	held, release := lease.Hold(ctx, r.opts.Lease, func(ctx context.Context) bool {
		return errors.Is(r.store.Renew(ctx, c, r.opts.Lease), ErrLost)
	})
	var again time.Duration
	var err error
	if c.Case != nil {
		again, err = r.work(held, c.Case)
	} else {
		again, err = r.look(held, c.Failure)
	}
	lost := release()
	switch {
	case ctx.Err() != nil, lost:
		return
	case err != nil:
		r.log.WarnContext(ctx, "a failure or case could not be looked at, trying again", "key", c.key(), "err", err)
		again = time.Minute
	}
	late, stop := lastly(ctx)
	defer stop()
	for failed := 1; ; failed++ { // a decision must not be lost
		err := r.store.Save(late, c, again)
		if err == nil || errors.Is(err, ErrLost) || errors.Is(err, job.ErrNotFound) || failed > saveTries ||
			pause.For(late, backoff(failed)) != nil {
			if err != nil {
				r.log.WarnContext(ctx, "a decision could not be stored, and will be made again", "key", c.key(),
					"err", err)
			}
			return
		}
	}
}

// saveTries is how often a save is tried again after it failed, within the 10 seconds of lastly.
const saveTries = 3

// lastly returns a context for what must be stored although ctx is done. It ends by itself after 10
// seconds.
func lastly(ctx context.Context) (context.Context, context.CancelFunc) {
	const most = 10 * time.Second
	return context.WithTimeout(context.WithoutCancel(ctx), most)
}

// line returns in lineErr why a repository's pushes do not follow each other. err says that this
// could not be found out. An answer is kept for as long as the robot runs.
func (r *Robot) line(ctx context.Context, repo job.Repository) (lineErr, err error) {
	r.mu.Lock()
	known, ok := r.lines[repo.Name()]
	r.mu.Unlock()
	if ok {
		return known, nil
	}
	lineErr = job.Line(ctx, repo)
	if lineErr != nil && !errors.Is(lineErr, job.ErrNoLine) {
		return nil, lineErr
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines[repo.Name()] = lineErr
	return lineErr, nil
}

// keyOf is a short key for what the parts say: the first 12 hex digits, or 48 bits, of their
// SHA-256. A NUL byte between them keeps "a", "bc" apart from "ab", "c".
func keyOf(parts ...string) string {
	h := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	const digits = 12
	return hex.EncodeToString(h[:])[:digits]
}

// Package monitor watches what was triggered until it is met: a coalesced run is
// triggered again, a run that infrastructure ended too, a failure is retriggered until it
// is clear whether it is permanent, and a test is triggered when its build is done.
//
// Start with an [Expectation], which says what should happen, and [New], which makes
// the Monitor that looks after expectations in a [Store]:
//
//	m := monitor.New(ci, repositories, monitor.NewMemory(nil), &monitor.Options{Ledger: book})
//	m.Expect(ctx, monitor.Expectation{Push: push, Label: label, Deadline: 24 * time.Hour})
//	err := m.Run(ctx)
//
// [Decide] is the whole policy, as a pure function: facts in, decision out.
//
// # Events are hints
//
// Where the CI is a job.Watcher, an event makes the monitor look at once; what it
// believes is what the CI then shows. Where there are no events, or one was lost, it looks
// anyway every [Policy.Poll].
//
// # Several monitors
//
// Monitors that share a store in a database share the work: each expectation is leased
// to one of them at a time, by the store's clock. When one dies its leases run out and
// the others go on. What is triggered goes through the ledger, so that nothing is
// triggered twice whatever dies when.
package monitor

import (
	"context"
	"crypto/rand"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// Options change how a Monitor works; nil is zero options.
type Options struct {
	// Act is where runs are triggered, where that is another CI than the one that is
	// read. Optional.
	Act job.Scheduler
	// Ledger remembers what was triggered. Give the one that others who trigger on
	// the same CI use. Default: one in memory.
	Ledger ledger.Ledger
	// Budgets bound what is triggered; see trigger.Budgets. Call is for each
	// expectation, all that it triggers together.
	Budgets trigger.Budgets
	// Policy says when to trigger what. Its zero value is the default policy.
	Policy Policy
	// Judge says what a run of an expectation means. Default analysis.ByStatus.
	Judge func(Expectation) analysis.Judge
	// History says how often the label failed before the push, from the runs that
	// the caller knows. It is asked at the first failure. Optional: without it a
	// failure is retriggered Policy.Retriggers times.
	History func(ctx context.Context, e Expectation) (failures, runs int, err error)
	// OnChange is called with what was seen at one look at an expectation, in the order
	// in which it happened; one call at a time. Optional.
	OnChange func([]Change)
	// Notifier hears of each expectation that ended: once, but for one whose process
	// or store fails right then. Optional.
	Notifier Notifier
	// UntilDone makes Run return when no expectation is open any more.
	UntilDone bool
	// Only, if not empty, are the keys of the expectations that this monitor looks after.
	Only []string
	// Width is how many expectations are looked at in parallel. Default 10.
	Width int
	// Lease is for how long an expectation is one monitor's, and what it asks the CI for
	// nobody else's; it is renewed while it is looked at, and while the CI is asked.
	// Default one minute.
	Lease time.Duration
	// Who is written into the ledger. Optional.
	Who string
	// Logger gets what went wrong and was tried again. Nil discards.
	Logger *slog.Logger
}

// Monitor looks after expectations; New makes one. It is safe for concurrent use.
type Monitor struct {
	ci     job.Scheduler
	repos  func(name string) (job.Repository, error)
	store  Store
	opts   Options
	log    *slog.Logger
	holder string
	woken  chan struct{} // somebody has something to look at
	quiet  bool          // nothing can happen in the CI any more
	tell   chan struct{} // held by who calls OnChange

	mu     sync.Mutex
	seen   map[string]sight // the last look at each expectation, by key
	only   []string
	pushes map[string]time.Time // when a new push of a repository was heard of last
}

// New returns a Monitor of what runs on ci. Repos gives the repositories that pushes are
// of, for backouts; it may be nil. New does no I/O.
func New(ci job.Scheduler, repos func(name string) (job.Repository, error), s Store, opts *Options) *Monitor {
	m := &Monitor{
		ci: ci, repos: repos, store: s, log: slog.New(slog.DiscardHandler), holder: rand.Text(),
		woken: make(chan struct{}, 1), tell: make(chan struct{}, 1), pushes: map[string]time.Time{},
		seen: map[string]sight{},
	}
	if opts != nil {
		m.opts = *opts
	}
	if m.opts.Ledger == nil {
		m.opts.Ledger = ledger.NewMemory()
	}
	if m.opts.Logger != nil {
		m.log = m.opts.Logger
	}
	if m.opts.Act == nil {
		m.opts.Act = ci
	}
	if m.opts.Width < 1 {
		m.opts.Width = 10
	}
	if m.opts.Lease <= 0 {
		m.opts.Lease = time.Minute
	}
	m.opts.Policy = m.opts.Policy.withDefaults()
	m.only = slices.Clone(m.opts.Only)
	return m
}

// Expect adds an expectation, and reports whether it was new: one with the same key is
// kept as it is.
func (m *Monitor) Expect(ctx context.Context, e Expectation) (added bool, err error) {
	if e, err = e.checked(); err != nil {
		return false, err
	}
	e.Push.Changesets = nil
	if added, err = m.store.Add(ctx, e); err == nil {
		m.adopt([]Expectation{e})
	}
	m.wake()
	return added, err
}

// wake makes Run look whether something is due.
func (m *Monitor) wake() {
	select {
	case m.woken <- struct{}{}:
	default: // it will look anyway
	}
}

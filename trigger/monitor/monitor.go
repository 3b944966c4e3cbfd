// Package monitor watches runs until an expectation is met, and triggers what is needed
// for that. It triggers a coalesced run again, and one that infrastructure ended; it
// retriggers a failure until it is clear whether it is permanent; it triggers a test when
// its build is done.
//
// Start with an [Expectation], which says what should happen, and [New], which makes the
// Monitor that looks after expectations in a [Store]:
//
//	m := monitor.New(ci, repositories, monitor.NewMemory(nil), &monitor.Options{Ledger: book})
//	m.Expect(ctx, monitor.Expectation{Push: push, Label: label, Deadline: 24 * time.Hour})
//	err := m.Run(ctx)
//
// The package example runs one in a world in memory. [OfPlan] makes the expectations for
// a trigger.Plan. [Decide] is the whole policy as a pure function: facts in, decision
// out; [Policy] has its numbers. An expectation ends with an [Outcome], which goes to
// Options.OnChange and to a [Notifier], such as [Webhook] or [LogNotifier].
//
// Run only returns when its context is done, when the store can never work, or with
// Options.UntilDone. It logs errors of the CI and of the store, waits longer and longer,
// and tries again; a CI that cannot be read for too long ends an expectation as
// [CouldNotSee]. A Monitor is safe for concurrent use.
//
// # Events are hints
//
// Where the CI is a job.Watcher, an event makes the monitor look at once. It believes
// only what the CI then shows. If there are no events, or one was lost, it still looks
// every [Policy.Poll].
//
// # Several monitors
//
// Monitors that share a store in a database share the work: each expectation is leased to
// one of them at a time, by the store's clock. When a monitor dies, its leases run out
// and the others continue. Everything is triggered through the ledger, so nothing is
// triggered twice, whichever process dies when.
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

// Options change how a Monitor works. Nil means the defaults.
type Options struct {
	// Act is the CI in which runs are triggered, if it is another one than the CI that is
	// read. Optional.
	Act job.Scheduler
	// Ledger remembers what was triggered. Use the same ledger as everything else that
	// triggers runs on this CI. Default: one in memory.
	Ledger ledger.Ledger
	// Budgets limit what is triggered; see trigger.Budgets. Call limits each expectation,
	// over all that it triggers.
	Budgets trigger.Budgets
	// Policy says when to trigger what. Its zero value is the default policy.
	Policy Policy
	// Judge says what a run of an expectation means. Default analysis.ByStatus.
	Judge func(Expectation) analysis.Judge
	// History returns how often the label failed before the push, in runs that the caller
	// knows. It is called at the first failure. Optional: without it, a failure is
	// retriggered Policy.Retriggers times.
	History func(ctx context.Context, e Expectation) (failures, runs int, err error)
	// OnChange is called with the changes that one look at an expectation showed, in the
	// order in which they happened; one call at a time. Optional.
	OnChange func([]Change)
	// Notifier is told about each expectation that ended: once, unless a process or the
	// store fails at that moment. Optional.
	Notifier Notifier
	// UntilDone makes Run return once no expectation is open.
	UntilDone bool
	// Only, if not empty, are the keys of the expectations that this monitor looks after.
	// Builds that it triggers for them are added.
	Only []string
	// Width is the maximum number of expectations looked at in parallel. Default 10.
	Width int
	// Lease is how long an expectation belongs to one monitor, and how long a request in
	// the ledger belongs to the process that makes it. It is renewed during the look and
	// the request. Default one minute.
	Lease time.Duration
	// Who is written into the ledger. Optional.
	Who string
	// Logger gets what went wrong and was tried again. Nil discards it.
	Logger *slog.Logger
}

// Monitor looks after expectations. New makes one. It is safe for concurrent use.
type Monitor struct {
	ci     job.Scheduler
	repos  func(name string) (job.Repository, error)
	store  Store
	opts   Options
	log    *slog.Logger
	holder string
	woken  chan struct{} // something may be due
	quiet  bool          // nothing more can happen in the CI
	tell   chan struct{} // held while OnChange is called

	mu     sync.Mutex
	seen   map[string]sight // the last look at each expectation, by key
	only   []string
	pushes map[string]time.Time // when a repository last had a new push
}

// New returns a Monitor of runs on ci. repos opens the repositories of pushes, to find
// backouts; it may be nil. New does no I/O.
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

// Expect adds an expectation, and reports whether it is new. An existing one with the
// same key stays as it is.
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

// wake makes Run check whether something is due.
func (m *Monitor) wake() {
	select {
	case m.woken <- struct{}{}:
	default: // a check is pending already
	}
}

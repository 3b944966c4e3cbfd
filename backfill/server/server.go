package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/mozci/mozci/internal/flight"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
	"github.com/mozci/mozci/trigger/monitor"
)

// Options configure a Server. Nil is zero options.
type Options struct {
	// Ledger remembers what was triggered, so that nothing is triggered twice. Default: in memory.
	Ledger ledger.Ledger
	// Monitor stores which runs are waited for. Default: in memory.
	Monitor monitor.Store
	// Guard checks each act against the scopes of the caller in whose name it is done.
	Guard Guard
	// Budgets limit how much one backfill may trigger at a time; see trigger.Budgets.
	Budgets trigger.Budgets
	// Width is how many backfills this instance works on at the same time. Default 500: most of
	// them only wait for runs.
	Width int
	// Lease is how long a backfill stays with an instance that does not renew the lease. Default 30
	// seconds: that long a backfill rests after its instance has died.
	Lease time.Duration
	// Poll is how often a CI without events is read. Default one minute.
	Poll time.Duration
	// Retry is how long to wait before calling a service again that did not answer; each further
	// pause is twice as long. Default 30 seconds.
	Retry time.Duration
	// Lifetime is how long a repeated request returns the same backfill instead of a new one. Fresh
	// is the same for a dry run, whose facts become outdated. Defaults one day and ten minutes.
	Lifetime, Fresh time.Duration
	// Keep is how long backfills are kept after their end. Default 90 days.
	Keep time.Duration
	// Planning is how long making the plan of a request may take. Default one minute.
	Planning time.Duration
	// Door says who may read and act; see Door.
	Door DoorOptions
	// Example is the link of a job that the start page offers to try. Optional.
	Example string
	// Robot is the autopilot that the page shows. Optional.
	Robot Robotics
	// Logger gets a line for each act and each problem. Nil discards.
	Logger *slog.Logger
}

func (o *Options) defaults() {
	if o.Ledger == nil {
		o.Ledger = ledger.NewMemory()
	}
	if o.Monitor == nil {
		o.Monitor = monitor.NewMemory(nil)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Width = cmp.Or(o.Width, 500)
	o.Lease = cmp.Or(o.Lease, 30*time.Second)
	o.Poll = cmp.Or(o.Poll, time.Minute)
	o.Retry = cmp.Or(o.Retry, 30*time.Second)
	o.Lifetime = cmp.Or(o.Lifetime, 24*time.Hour)
	o.Fresh = cmp.Or(o.Fresh, 10*time.Minute)
	o.Keep = cmp.Or(o.Keep, 90*24*time.Hour)
	o.Planning = cmp.Or(o.Planning, time.Minute)
}

// Server accepts backfills and carries them out. It is safe for concurrent use. New makes one.
// holder is this instance's name in the store's leases, random for each process. looks shares the
// question about versions, see version.
type Server struct {
	places  Places
	store   Store
	o       Options
	log     *slog.Logger
	door    *Door
	page    *page
	chooser *chooser
	holder  string
	meter   *meter
	wakeup  chan struct{} // holds one signal for Run: look for work now
	done    chan struct{} // closed when Run ends, which ends the streams
	hub     hub
	bodies  *flight.Cache[bodyKey, body] // encoded backfills, by id and version
	looks   *flight.Cache[struct{}, looked]

	// ending closes done once. mu guards what is below it.
	ending   sync.Once
	mu       sync.Mutex
	versions map[string]seen // the latest answers of the store, by id
	// The backfills that this instance works on, by id, with what ends their contexts.
	working map[string]context.CancelCauseFunc
	running bool // Run has reached the store at least once
}

// New returns a Server. It does no I/O. Options that cannot be used give job.ErrInvalid.
func New(places Places, store Store, opts *Options) (*Server, error) {
	s := &Server{
		places: places, store: store, holder: rand.Text(), wakeup: make(chan struct{}, 1), done: make(chan struct{}),
		versions: map[string]seen{}, working: map[string]context.CancelCauseFunc{},
		bodies: flight.New[bodyKey, body](mostBodies), looks: flight.New[struct{}, looked](0),
	}
	if opts != nil {
		s.o = *opts
	}
	s.o.defaults()
	s.log = s.o.Logger
	s.meter = newMeter()
	s.chooser = newChooser(places, &s.o)
	door := s.o.Door
	if door.Stream == nil {
		door.Stream = streams
	}
	if door.Logger == nil {
		door.Logger = s.log
	}
	s.page = newPage(s, func(r *http.Request) (Caller, bool) { return CallerOf(r.Context()) }, &pageOptions{
		Root: strings.TrimRight(door.PublicURL, "/"), Example: s.o.Example, SignIn: door.Tokens != nil,
		Robot: s.o.Robot, Chooser: s.chooser,
		Done: s.done, Log: s.log,
	})
	if door.Fail == nil {
		door.Fail = s.page.refused
	}
	door.Timeout = cmp.Or(door.Timeout, s.o.Planning+30*time.Second)
	var err error
	s.door, err = NewDoor(&door)
	return s, err
}

// newID returns the id of a new backfill: 15 random letters and digits (75 bits), which cannot be
// guessed, in lower case so that they can be read out. For example: "bwytk76mnrlkchzk".
func newID() string { return "b" + strings.ToLower(rand.Text()[:15]) }

// Get implements backend.
func (s *Server) Get(ctx context.Context, id string) (Backfill, error) {
	r, err := s.store.Get(ctx, id)
	return r.Backfill, err
}

// List implements backend.
func (s *Server) List(ctx context.Context, q Query) ([]Backfill, error) { return s.store.List(ctx, q) }

// Cancel implements backend. The instance that works on the backfill may be another one: it learns
// of this when it renews its lease.
func (s *Server) Cancel(ctx context.Context, by Caller, id string) (Backfill, error) {
	r, err := s.store.Get(ctx, id)
	if err != nil || !r.State.Open() {
		return r.Backfill, err
	}
	if err := s.mayCancel(ctx, by, r); err != nil {
		return Backfill{}, err
	}
	r, err = s.store.Cancel(ctx, id, by.Name)
	if err != nil {
		return Backfill{}, err
	}
	s.log.Info("cancel", "backfill", id, "by", by.Name)
	s.changed(id)
	s.mu.Lock()
	stop := s.working[id]
	s.mu.Unlock()
	if stop != nil {
		stop(cancelledError{by.Name})
	}
	s.wake()
	return r.Backfill, nil
}

// mayCancel checks who may cancel: the caller who started it, and everybody whose scopes would
// allow them to stop its runs.
func (s *Server) mayCancel(ctx context.Context, by Caller, r Record) error {
	if by.Name == r.Caller.Name && by.Via == r.Caller.Via {
		return nil
	}
	place, err := s.places.Open(ctx, r.Ask.Project)
	if err != nil {
		return err
	}
	return s.o.Guard.Check(ctx, place.CI, by, job.Request{Label: r.Ask.Label, Push: r.Start.Push(), Count: 1})
}

// cancelledError is the cause with which a context ends when a person cancels its backfill.
type cancelledError struct{ by string }

func (e cancelledError) Error() string { return e.by + " cancelled it" }

// now is the store's clock or, when the store does not answer, this machine's.
func (s *Server) now(ctx context.Context) time.Time {
	now, err := s.store.Now(ctx)
	if err != nil {
		return time.Now().UTC()
	}
	return now
}

// wake makes Run look for work. It never blocks: when a signal is waiting already, Run will look
// anyway.
func (s *Server) wake() {
	select {
	case s.wakeup <- struct{}{}:
	default: // a signal is waiting already
	}
}

// who is the name under which the ledger keeps a backfill's requests. For example: "backfill
// bwytk76mnrlkchzk".
func who(id string) string { return "backfill " + id }

// ready reports whether the store and the ledger answer, and Run is at work.
func (s *Server) ready(ctx context.Context) error {
	if _, err := s.store.Now(ctx); err != nil {
		return err
	}
	if err := ledger.Ready(ctx, s.o.Ledger); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.running {
		return job.Wrap("server.ready", "", job.ErrUnavailable)
	}
	return nil
}

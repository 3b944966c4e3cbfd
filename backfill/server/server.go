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

// Options change how a Server works; nil is zero options.
type Options struct {
	// Ledger remembers what was asked of the CIs. Default: one in memory.
	Ledger ledger.Ledger
	// Monitor keeps what is watched. Default: in memory.
	Monitor monitor.Store
	// Guard checks what is done in a caller's name.
	Guard Guard
	// Budgets bound what one backfill may ask for at a time; see trigger.Budgets.
	Budgets trigger.Budgets
	// Width is how many backfills are worked on at a time. Default 500: most of them wait.
	Width int
	// Lease is for how long a backfill is one instance's; it is renewed while it is worked
	// on. Default 30 seconds, which is how long the work of an instance that died rests.
	Lease time.Duration
	// Poll is how often a CI without events is looked at. Default one minute.
	Poll time.Duration
	// Retry is after how long what a service did not answer is asked again; each time it
	// is twice as long. Default 30 seconds.
	Retry time.Duration
	// Lifetime is for how long the same request is the same backfill; that of a dry run,
	// whose facts grow old, is Fresh. Defaults one day and ten minutes.
	Lifetime, Fresh time.Duration
	// Keep is for how long backfills that have ended are kept. Default 90 days.
	Keep time.Duration
	// Planning is how long the plan of a request may take. Default one minute.
	Planning time.Duration
	// Door says who may: see Door.
	Door DoorOptions
	// Example is the link of a job that the page offers to try. Optional.
	Example string
	// Robot is the autopilot whose days the page shows. Optional.
	Robot Robotics
	// Logger gets what is done. Nil discards.
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

// Server takes backfills and carries them out. It is safe for concurrent use; New makes
// one.
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
	wakeup  chan struct{} // there may be something to claim
	done    chan struct{} // closed when Run ends: streams end then
	hub     hub
	bodies  *flight.Cache[bodyKey, body] // encoded, by version
	looks   *flight.Cache[struct{}, looked]

	ending   sync.Once
	mu       sync.Mutex
	versions map[string]seen // what the store said last
	working  map[string]context.CancelCauseFunc
	running  bool // Run has claimed at least once
}

// New returns a Server. It does no I/O. Options that make no sense are job.ErrInvalid.
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

// newID is a new backfill's: it is not to be guessed, and can be read aloud.
func newID() string { return "b" + strings.ToLower(rand.Text()[:15]) }

// Get implements backend.
func (s *Server) Get(ctx context.Context, id string) (Backfill, error) {
	r, err := s.store.Get(ctx, id)
	return r.Backfill, err
}

// List implements backend.
func (s *Server) List(ctx context.Context, q Query) ([]Backfill, error) { return s.store.List(ctx, q) }

// Cancel implements backend.
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

// mayCancel: whoever started it may stop it, and who could stop its runs.
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

// cancelledError is the cause of the end of work that a person has cancelled.
type cancelledError struct{ by string }

func (e cancelledError) Error() string { return e.by + " cancelled it" }

// now is the store's clock; where it does not answer, this process's.
func (s *Server) now(ctx context.Context) time.Time {
	now, err := s.store.Now(ctx)
	if err != nil {
		return time.Now().UTC()
	}
	return now
}

// wake makes Run look whether there is something to claim.
func (s *Server) wake() {
	select {
	case s.wakeup <- struct{}{}:
	default: // it will look anyway
	}
}

// who is a backfill's name in the ledger.
func who(id string) string { return "backfill " + id }

// ready tells whether the store and the ledger can be read.
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

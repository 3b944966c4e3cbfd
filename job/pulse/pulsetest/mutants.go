package pulsetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/pulse"
)

// Mutant is a store that breaks one rule, and the name of the rule by which CheckStore
// reports it.
type Mutant struct {
	Name string
	Rule string
	Wrap func(pulse.Store) pulse.Store
}

// Mutants are stores that break the contract, each in one way, made of one that keeps
// it.
func Mutants() []Mutant {
	put := func(f putFunc) func(pulse.Store) pulse.Store {
		return func(s pulse.Store) pulse.Store { return wrapped{Store: s, put: f} }
	}
	take := func(f takeFunc) func(pulse.Store) pulse.Store {
		return func(s pulse.Store) pulse.Store { return wrapped{Store: s, take: f} }
	}
	done := func(f doneFunc) func(pulse.Store) pulse.Store {
		return func(s pulse.Store) pulse.Store { return wrapped{Store: s, done: f} }
	}
	aside := func(f asideFunc) func(pulse.Store) pulse.Store {
		return func(s pulse.Store) pulse.Store { return wrapped{Store: s, aside: f} }
	}
	return []Mutant{
		{"bodies end at a zero", "put", put(zeroEnds)},
		{"one message is lost", "put", put(oneLost)},
		{"the newest first", "put", put(backwards)},
		{"one queue for all", "queues", put(oneQueue)},
		{"no leases", "take", take(noLeases)},
		{"leases for ever", "lease", take(forEver)},
		{"more than was asked for", "take", take(more)},
		{"a message is shared with who takes it", "take", func(s pulse.Store) pulse.Store {
			return &sharing{Store: s, of: map[int64][]byte{}}
		}},
		{"what one holds is hidden from it", "take", take(nobodys)},
		{"the caller's clock counts", "clock", put(callersClock)},
		{"later is now", "later", func(s pulse.Store) pulse.Store { return hasty{s} }},
		{"tries are not counted", "later", take(noTries)},
		{"everything is new", "done", done(allNew)},
		{"messages stay", "done", done(stay)},
		{"events of a batch are sorted", "batch", done(sorted)},
		{"an end is no end", "law", func(s pulse.Store) pulse.Store {
			return &forward{
				Store: s,
				at:    map[string]job.Status{},
			}
		}},
		{"the last of a batch only", "batch", done(lastOnly)},
		{"a batch of 500", "batch", done(most500)},
		{"missed is nothing", "missed", done(noMissed)},
		{"names of 100 letters", "odd names", done(shortNames)},
		{"aside is away", "aside", aside(dropped)},
		{"aside and still there", "aside", aside(copied)},
		{"aside twice", "aside once", aside(anyAside)},
		{"aside as long as it is", "cut", func(s pulse.Store) pulse.Store { return &uncut{Store: s} }},
		{"bindings are added", "remembered", func(s pulse.Store) pulse.Store { return &adding{Store: s} }},
		{"a done context is not looked at", "done context", done(anyContext)},
		{"bare errors", "done context", put(bareErrors)},
	}
}

type (
	putFunc  = func(ctx context.Context, s pulse.Store, queue string, m []pulse.Message) error
	takeFunc = func(ctx context.Context, s pulse.Store, queue, holder string, lease time.Duration,
		n int) ([]pulse.Message, error)
	doneFunc  = func(ctx context.Context, s pulse.Store, told []pulse.Told) ([]job.Event, error)
	asideFunc = func(ctx context.Context, s pulse.Store, queue string, aside []pulse.Aside) error
)

// wrapped is a store with other methods where they are set.
type wrapped struct {
	pulse.Store
	put   putFunc
	take  takeFunc
	done  doneFunc
	aside asideFunc
}

func (w wrapped) Put(ctx context.Context, queue string, m []pulse.Message) error {
	if w.put != nil {
		return w.put(ctx, w.Store, queue, m)
	}
	return w.Store.Put(ctx, queue, m)
}

func (w wrapped) Take(ctx context.Context, queue, holder string, lease time.Duration, n int) ([]pulse.Message, error) {
	if w.take != nil {
		return w.take(ctx, w.Store, queue, holder, lease, n)
	}
	return w.Store.Take(ctx, queue, holder, lease, n)
}

func (w wrapped) Done(ctx context.Context, told []pulse.Told) ([]job.Event, error) {
	if w.done != nil {
		return w.done(ctx, w.Store, told)
	}
	return w.Store.Done(ctx, told)
}

func (w wrapped) PutAside(ctx context.Context, queue string, aside []pulse.Aside) error {
	if w.aside != nil {
		return w.aside(ctx, w.Store, queue, aside)
	}
	return w.Store.PutAside(ctx, queue, aside)
}

func zeroEnds(ctx context.Context, s pulse.Store, queue string, m []pulse.Message) error {
	m = slices.Clone(m)
	for i, b := range m {
		if end := slices.Index(b.Body, 0); end >= 0 {
			m[i].Body = b.Body[:end]
		}
	}
	return s.Put(ctx, queue, m)
}

func oneLost(ctx context.Context, s pulse.Store, queue string, m []pulse.Message) error {
	return s.Put(ctx, queue, m[min(1, len(m)):])
}

func backwards(ctx context.Context, s pulse.Store, queue string, m []pulse.Message) error {
	m = slices.Clone(m)
	slices.Reverse(m)
	return s.Put(ctx, queue, m)
}

func oneQueue(ctx context.Context, s pulse.Store, queue string, m []pulse.Message) error {
	if len(m) == 2 { // also into the next one
		n := 0
		_, _ = fmt.Sscanf(queue, "queue/user/%d", &n)
		_ = s.Put(ctx, fmt.Sprintf("queue/user/%d", n+1), m)
	}
	return s.Put(ctx, queue, m)
}

// callersClock keeps what a message says of itself: here as tries.
func callersClock(ctx context.Context, s pulse.Store, queue string, m []pulse.Message) error {
	err := s.Put(ctx, queue, m)
	if err == nil && len(m) > 0 && m[0].Tries > 0 {
		got, _ := s.Take(ctx, queue, "mutant", time.Hour, 1)
		for range got {
			err = s.Later(ctx, got[0], 0)
		}
	}
	return err
}

func bareErrors(ctx context.Context, s pulse.Store, queue string, m []pulse.Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.Put(ctx, queue, m)
}

func noLeases(ctx context.Context, s pulse.Store, queue, holder string, _ time.Duration, n int) ([]pulse.Message,
	error,
) {
	return s.Take(ctx, queue, holder, -time.Second, n)
}

func forEver(ctx context.Context, s pulse.Store, queue, holder string, _ time.Duration, n int) ([]pulse.Message,
	error,
) {
	return s.Take(ctx, queue, holder, time.Hour, n)
}

func more(ctx context.Context, s pulse.Store, queue, holder string, lease time.Duration, n int) ([]pulse.Message,
	error,
) {
	return s.Take(ctx, queue, holder, lease, n+1)
}

func nobodys(ctx context.Context, s pulse.Store, queue, _ string, lease time.Duration, n int) ([]pulse.Message, error) {
	return s.Take(ctx, queue, "", lease, n)
}

func noTries(ctx context.Context, s pulse.Store, queue, holder string, lease time.Duration, n int) ([]pulse.Message,
	error,
) {
	out, err := s.Take(ctx, queue, holder, lease, n)
	for i := range out {
		out[i].Tries = 0
	}
	return out, err
}

// hasty puts nothing off.
type hasty struct{ pulse.Store }

func (h hasty) Later(ctx context.Context, m pulse.Message, _ time.Duration) error {
	return h.Store.Later(ctx, m, 0)
}

func allNew(ctx context.Context, s pulse.Store, told []pulse.Told) ([]job.Event, error) {
	_, err := s.Done(ctx, told)
	var out []job.Event
	for _, t := range told {
		out = append(out, t.Events...)
	}
	return out, err
}

func stay(ctx context.Context, s pulse.Store, told []pulse.Told) ([]job.Event, error) {
	told = slices.Clone(told)
	for i := range told {
		told[i].Message = pulse.Message{}
	}
	return s.Done(ctx, told)
}

func sorted(ctx context.Context, s pulse.Store, told []pulse.Told) ([]job.Event, error) {
	out, err := s.Done(ctx, told)
	slices.Reverse(out)
	return out, err
}

func lastOnly(ctx context.Context, s pulse.Store, told []pulse.Told) ([]job.Event, error) {
	out, err := s.Done(ctx, told)
	last := map[string]int{}
	for i, e := range out {
		if e.Job != nil {
			last[e.Job.ID()] = i
		}
	}
	var kept []job.Event
	for i, e := range out {
		if e.Job == nil || last[e.Job.ID()] == i {
			kept = append(kept, e)
		}
	}
	return kept, err
}

func most500(ctx context.Context, s pulse.Store, told []pulse.Told) ([]job.Event, error) {
	return s.Done(ctx, told[:min(len(told), 500)])
}

func noMissed(ctx context.Context, s pulse.Store, told []pulse.Told) ([]job.Event, error) {
	out, err := s.Done(ctx, told)
	return slices.DeleteFunc(out, func(e job.Event) bool { return e.Missed }), err
}

func shortNames(ctx context.Context, s pulse.Store, told []pulse.Told) ([]job.Event, error) {
	var in []pulse.Told
	for _, t := range told {
		t.Events = slices.Clone(t.Events)
		for i, e := range t.Events {
			if e.Job != nil && len(e.Job.ID()) > 100 {
				t.Events[i].Job = job.New(job.Fields{ID: e.Job.ID()[:100], Status: e.Job.Status()})
			}
		}
		in = append(in, t)
	}
	return s.Done(ctx, in)
}

func anyContext(ctx context.Context, s pulse.Store, told []pulse.Told) ([]job.Event, error) {
	return s.Done(context.WithoutCancel(ctx), told)
}

// forward tells whatever is not what was told last.
type forward struct {
	pulse.Store
	mu sync.Mutex
	at map[string]job.Status
}

func (f *forward) Done(ctx context.Context, told []pulse.Told) ([]job.Event, error) {
	out, err := f.Store.Done(ctx, told)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(told) == 1 && len(told[0].Events) == 1 && told[0].Events[0].Job != nil && len(out) == 0 {
		j := told[0].Events[0].Job
		if was, ok := f.at[j.ID()]; ok && was != j.Status() {
			out = told[0].Events
		}
	}
	for _, e := range out {
		if e.Job != nil {
			f.at[e.Job.ID()] = e.Job.Status()
		}
	}
	return out, err
}

func dropped(ctx context.Context, s pulse.Store, _ string, aside []pulse.Aside) error {
	var in []pulse.Told
	for _, a := range aside {
		in = append(in, pulse.Told{Message: a.Message})
	}
	_, err := s.Done(ctx, in)
	return err
}

func copied(ctx context.Context, s pulse.Store, queue string, aside []pulse.Aside) error {
	return s.PutAside(ctx, queue, unstored(aside))
}

func unstored(aside []pulse.Aside) []pulse.Aside {
	aside = slices.Clone(aside)
	for i := range aside {
		aside[i].Message.ID = 0
	}
	return aside
}

func anyAside(ctx context.Context, s pulse.Store, queue string, aside []pulse.Aside) error {
	if err := dropped(ctx, s, queue, aside); err != nil {
		return err
	}
	return s.PutAside(ctx, queue, unstored(aside))
}

// uncut keeps what is long as it is.
type uncut struct {
	pulse.Store
	last []pulse.Aside
}

func (u *uncut) PutAside(ctx context.Context, queue string, aside []pulse.Aside) error {
	u.last = aside
	return u.Store.PutAside(ctx, queue, aside)
}

func (u *uncut) SetAside(ctx context.Context, queue string, n int) ([]pulse.Aside, error) {
	out, err := u.Store.SetAside(ctx, queue, n)
	for i := range out {
		for _, a := range u.last {
			if a.Message.RoutingKey == out[i].Message.RoutingKey && a.Message.ID == 0 {
				out[i].Message.Body = a.Message.Body
			}
		}
	}
	return out, err
}

// adding forgets no binding.
type adding struct {
	pulse.Store
	all []pulse.Binding
}

func (a *adding) SaveQueue(ctx context.Context, q pulse.Queue) error {
	a.all = append(a.all, q.Bindings...)
	q.Bindings = a.all
	return a.Store.SaveQueue(ctx, q)
}

// sharing gives the same bytes each time.
type sharing struct {
	pulse.Store
	mu sync.Mutex
	of map[int64][]byte
}

func (s *sharing) Take(
	ctx context.Context, queue, holder string, lease time.Duration, n int,
) ([]pulse.Message, error) {
	out, err := s.Store.Take(ctx, queue, holder, lease, n)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, m := range out {
		if _, ok := s.of[m.ID]; !ok {
			s.of[m.ID] = m.Body
		}
		out[i].Body = s.of[m.ID]
	}
	return out, err
}

package monitortest

import (
	"context"
	"errors"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/monitor"
)

// Mutant is a store that breaks one rule, and the name of the rule by which CheckStore
// reports it.
type Mutant struct {
	Name string
	Rule string
	Wrap func(monitor.Store) monitor.Store
}

// Mutants are stores that break the contract, each in one way, made of one that keeps it.
func Mutants() []Mutant {
	with := func(set func(*wrapped)) func(monitor.Store) monitor.Store {
		return func(s monitor.Store) monitor.Store {
			w := &wrapped{Store: s}
			set(w)
			return w
		}
	}
	add := func(f addFunc) func(monitor.Store) monitor.Store { return with(func(w *wrapped) { w.add = f }) }
	claim := func(f claimFunc) func(monitor.Store) monitor.Store { return with(func(w *wrapped) { w.claim = f }) }
	save := func(f saveFunc) func(monitor.Store) monitor.Store { return with(func(w *wrapped) { w.save = f }) }
	wake := func(f wakeFunc) func(monitor.Store) monitor.Store { return with(func(w *wrapped) { w.wake = f }) }
	next := func(f nextFunc) func(monitor.Store) monitor.Store { return with(func(w *wrapped) { w.next = f }) }
	read := func(f readFunc) func(monitor.Store) monitor.Store { return with(func(w *wrapped) { w.read = f }) }
	return []Mutant{
		{"each key is new", "add", add(alwaysNew)},
		{"the caller's clock counts", "add", func(s monitor.Store) monitor.Store {
			return &callersClock{Store: s, of: map[string]time.Time{}}
		}},
		{"no leases", "claim", claim(noLeases)},
		{"any number", "claim", claim(anyNumber)},
		{"the last first", "claim", claim(lastFirst)},
		{"all keys are claimed", "claim", claim(allKeys)},
		{"held by two", "at once", func(s monitor.Store) monitor.Store { return &shared{Store: s} }},
		{"the lost say that they saved", "lease", save(lostSaves)},
		{"the lost add", "lease", save(lostAdds)},
		{"leases are not renewed", "renew", func(s monitor.Store) monitor.Store { return notRenewed{s} }},
		{"due at once", "save", save(dueAtOnce)},
		{"notes are forgotten", "save", save(noNotes)},
		{"a save is lost now and then", "at once", func(s monitor.Store) monitor.Store { return &leaky{Store: s} }},
		{"what is added is forgotten", "save adds", save(noChildren)},
		{"what is added has no order", "save adds", save(childrenBackwards)},
		{"an end is given back", "end", save(endsGivenBack)},
		{"an end is announced again", "end", func(s monitor.Store) monitor.Store { return again{s} }},
		{"ends are woken", "end", wake(endsToo)},
		{"one hash", "wake", wake(oneHash)},
		{"any label", "wake", wake(anyLabel)},
		{"whole revisions", "wake", wake(wholeRevisions)},
		{"wakes are not counted", "woken", claim(notCounted)},
		{"deaf while held", "woken", func(s monitor.Store) monitor.Store {
			return &deaf{Store: s, of: map[string]int64{}}
		}},
		{"what others hold is due", "next", next(heldIsDue)},
		{"whatever is next", "next", next(anyNext)},
		{"all are read", "expectations", read(allRead)},
		{"newest first", "expectations", read(newestFirst)},
		{"nothing is forgotten", "prune", func(s monitor.Store) monitor.Store { return hoarder{s} }},
		{"the young are forgotten", "prune", func(s monitor.Store) monitor.Store { return hasty{s} }},
		{"what is unknown is saved", "unknown", save(unknownSaves)},
		{"bare errors", "unknown", save(bareErrors)},
		{"a done context is not looked at", "done context", save(anyContext)},
		{"a local clock", "clock", func(s monitor.Store) monitor.Store { return local{s} }},
	}
}

type (
	addFunc   = func(ctx context.Context, s monitor.Store, e monitor.Expectation) (bool, error)
	claimFunc = func(ctx context.Context, s monitor.Store, holder string, lease time.Duration, n int,
		only []string) ([]monitor.Claimed, error)
	saveFunc = func(ctx context.Context, s monitor.Store, c monitor.Claimed, again time.Duration,
		add []monitor.Expectation) error
	wakeFunc = func(ctx context.Context, s monitor.Store, p job.Push, label string) (int, error)
	nextFunc = func(ctx context.Context, s monitor.Store, only []string) (time.Duration, bool, error)
	readFunc = func(ctx context.Context, s monitor.Store, keys []string) ([]monitor.Expectation, error)
)

// wrapped is a store with other methods where they are set.
type wrapped struct {
	monitor.Store
	add   addFunc
	claim claimFunc
	save  saveFunc
	wake  wakeFunc
	next  nextFunc
	read  readFunc
}

func (w *wrapped) Add(ctx context.Context, e monitor.Expectation) (bool, error) {
	if w.add != nil {
		return w.add(ctx, w.Store, e)
	}
	return w.Store.Add(ctx, e)
}

func (w *wrapped) Claim(
	ctx context.Context, holder string, lease time.Duration, n int, only ...string,
) ([]monitor.Claimed, error) {
	if w.claim != nil {
		return w.claim(ctx, w.Store, holder, lease, n, only)
	}
	return w.Store.Claim(ctx, holder, lease, n, only...)
}

func (w *wrapped) Save(
	ctx context.Context, c monitor.Claimed, again time.Duration, add ...monitor.Expectation,
) error {
	if w.save != nil {
		return w.save(ctx, w.Store, c, again, add)
	}
	return w.Store.Save(ctx, c, again, add...)
}

func (w *wrapped) Wake(ctx context.Context, p job.Push, label string) (int, error) {
	if w.wake != nil {
		return w.wake(ctx, w.Store, p, label)
	}
	return w.Store.Wake(ctx, p, label)
}

func (w *wrapped) Next(ctx context.Context, only ...string) (time.Duration, bool, error) {
	if w.next != nil {
		return w.next(ctx, w.Store, only)
	}
	return w.Store.Next(ctx, only...)
}

func (w *wrapped) Expectations(ctx context.Context, keys ...string) ([]monitor.Expectation, error) {
	if w.read != nil {
		return w.read(ctx, w.Store, keys)
	}
	return w.Store.Expectations(ctx, keys...)
}

// forgiven is an error without one sort of it.
func forgiven(err, sort error) error {
	if errors.Is(err, sort) {
		return nil
	}
	return err
}

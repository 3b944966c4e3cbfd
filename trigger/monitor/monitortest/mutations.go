package monitortest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/monitor"
)

func alwaysNew(ctx context.Context, s monitor.Store, e monitor.Expectation) (bool, error) {
	_, err := s.Add(ctx, e)
	return err == nil, err
}

func noLeases(
	ctx context.Context, s monitor.Store, holder string, _ time.Duration, n int, only []string,
) ([]monitor.Claimed, error) {
	return s.Claim(ctx, holder, 0, n, only...)
}

func anyNumber(
	ctx context.Context, s monitor.Store, holder string, lease time.Duration, _ int, only []string,
) ([]monitor.Claimed, error) {
	return s.Claim(ctx, holder, lease, 1000, only...)
}

func lastFirst(
	ctx context.Context, s monitor.Store, holder string, lease time.Duration, n int, only []string,
) ([]monitor.Claimed, error) {
	got, err := s.Claim(ctx, holder, lease, n, only...)
	slices.Reverse(got)
	return got, err
}

func allKeys(
	ctx context.Context, s monitor.Store, holder string, lease time.Duration, n int, _ []string,
) ([]monitor.Claimed, error) {
	return s.Claim(ctx, holder, lease, n)
}

func notCounted(
	ctx context.Context, s monitor.Store, holder string, lease time.Duration, n int, only []string,
) ([]monitor.Claimed, error) {
	got, err := s.Claim(ctx, holder, lease, n, only...)
	for i := range got {
		got[i].Woken = 0
	}
	return got, err
}

func lostSaves(
	ctx context.Context, s monitor.Store, c monitor.Claimed, again time.Duration, add []monitor.Expectation,
) error {
	return forgiven(s.Save(ctx, c, again, add...), monitor.ErrLost)
}

func lostAdds(
	ctx context.Context, s monitor.Store, c monitor.Claimed, again time.Duration, add []monitor.Expectation,
) error {
	for _, e := range add {
		if _, err := s.Add(ctx, e); err != nil {
			return err
		}
	}
	return s.Save(ctx, c, again)
}

func unknownSaves(
	ctx context.Context, s monitor.Store, c monitor.Claimed, again time.Duration, add []monitor.Expectation,
) error {
	return forgiven(s.Save(ctx, c, again, add...), job.ErrNotFound)
}

func dueAtOnce(
	ctx context.Context, s monitor.Store, c monitor.Claimed, _ time.Duration, add []monitor.Expectation,
) error {
	return s.Save(ctx, c, 0, add...)
}

func noNotes(
	ctx context.Context, s monitor.Store, c monitor.Claimed, again time.Duration, add []monitor.Expectation,
) error {
	c.Progress.Note = ""
	return s.Save(ctx, c, again, add...)
}

func noChildren(
	ctx context.Context, s monitor.Store, c monitor.Claimed, again time.Duration, _ []monitor.Expectation,
) error {
	return s.Save(ctx, c, again)
}

func childrenBackwards(
	ctx context.Context, s monitor.Store, c monitor.Claimed, again time.Duration, add []monitor.Expectation,
) error {
	add = slices.Clone(add)
	slices.Reverse(add)
	return s.Save(ctx, c, again, add...)
}

func endsGivenBack(
	ctx context.Context, s monitor.Store, c monitor.Claimed, again time.Duration, add []monitor.Expectation,
) error {
	err := s.Save(ctx, c, again, add...)
	if err == nil && !c.Open() {
		return s.Renew(ctx, c, 0)
	}
	return err
}

func bareErrors(
	ctx context.Context, s monitor.Store, c monitor.Claimed, again time.Duration, add []monitor.Expectation,
) error {
	err := s.Save(ctx, c, again, add...)
	var e *job.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

func anyContext(
	ctx context.Context, s monitor.Store, c monitor.Claimed, again time.Duration, add []monitor.Expectation,
) error {
	return s.Save(context.WithoutCancel(ctx), c, again, add...)
}

// endsToo counts one more than there is, for an end.
func endsToo(ctx context.Context, s monitor.Store, p job.Push, label string) (int, error) {
	n, err := s.Wake(ctx, p, label)
	if err != nil || n > 0 {
		return n, err
	}
	es, err := s.Expectations(ctx)
	for _, e := range es {
		if !e.Open() && p.Revision != "" && job.SameRevision(e.Push.Revision, p.Revision) {
			n++
		}
	}
	return n, err
}

func oneHash(ctx context.Context, s monitor.Store, p job.Push, label string) (int, error) {
	p.Hg, p.Git = "", ""
	return s.Wake(ctx, p, label)
}

func anyLabel(ctx context.Context, s monitor.Store, p job.Push, _ string) (int, error) {
	return s.Wake(ctx, p, "")
}

func wholeRevisions(ctx context.Context, s monitor.Store, p job.Push, label string) (int, error) {
	const whole = 40
	if len(p.Revision) > 0 && len(p.Revision) < whole {
		return 0, nil
	}
	return s.Wake(ctx, p, label)
}

func heldIsDue(ctx context.Context, s monitor.Store, only []string) (time.Duration, bool, error) {
	_, some, err := s.Next(ctx, only...)
	return 0, some, err
}

func anyNext(ctx context.Context, s monitor.Store, _ []string) (time.Duration, bool, error) {
	return s.Next(ctx)
}

func allRead(ctx context.Context, s monitor.Store, _ []string) ([]monitor.Expectation, error) {
	return s.Expectations(ctx)
}

func newestFirst(ctx context.Context, s monitor.Store, keys []string) ([]monitor.Expectation, error) {
	got, err := s.Expectations(ctx, keys...)
	slices.Reverse(got)
	return got, err
}

// callersClock tells of the times that callers gave.
type callersClock struct {
	monitor.Store
	mu sync.Mutex
	of map[string]time.Time
}

func (s *callersClock) Add(ctx context.Context, e monitor.Expectation) (bool, error) {
	s.mu.Lock()
	s.of[e.Key] = e.Progress.Added
	s.mu.Unlock()
	return s.Store.Add(ctx, e)
}

func (s *callersClock) Expectations(ctx context.Context, keys ...string) ([]monitor.Expectation, error) {
	got, err := s.Store.Expectations(ctx, keys...)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, e := range got {
		got[i].Progress.Added = s.of[e.Key]
	}
	return got, err
}

// shared hands what one has claimed to another too, where there is a crowd.
type shared struct {
	monitor.Store
	mu   sync.Mutex
	last []monitor.Claimed
	n    int
}

func (s *shared) Claim(
	ctx context.Context, holder string, lease time.Duration, n int, only ...string,
) ([]monitor.Claimed, error) {
	got, err := s.Store.Claim(ctx, holder, lease, n, only...)
	s.mu.Lock()
	defer s.mu.Unlock()
	const every = 7
	if s.n++; len(only) >= wanted && s.n%every == 0 {
		for _, c := range s.last {
			c.Holder = holder
			got = append(got, c)
		}
	}
	s.last = got
	return got, err
}

// leaky loses a save now and then.
type leaky struct {
	monitor.Store
	mu sync.Mutex
	n  int
}

func (s *leaky) Save(ctx context.Context, c monitor.Claimed, again time.Duration, add ...monitor.Expectation) error {
	s.mu.Lock()
	const every = 100
	s.n++
	lose := s.n%every == 0
	s.mu.Unlock()
	if lose {
		return nil
	}
	return s.Store.Save(ctx, c, again, add...)
}

// deaf takes a wake for seen that came while an expectation was held.
type deaf struct {
	monitor.Store
	mu sync.Mutex
	of map[string]int64
}

func (s *deaf) Wake(ctx context.Context, p job.Push, label string) (int, error) {
	s.mu.Lock()
	s.of[label]++
	s.mu.Unlock()
	return s.Store.Wake(ctx, p, label)
}

func (s *deaf) Save(ctx context.Context, c monitor.Claimed, again time.Duration, add ...monitor.Expectation) error {
	s.mu.Lock()
	c.Woken = max(c.Woken, s.of[c.Label])
	s.mu.Unlock()
	return s.Store.Save(ctx, c, again, add...)
}

// notRenewed says that leases are renewed.
type notRenewed struct{ monitor.Store }

func (notRenewed) Renew(context.Context, monitor.Claimed, time.Duration) error { return nil }

// again writes nothing down of what was announced.
type again struct{ monitor.Store }

func (again) Announced(context.Context, monitor.Claimed) error { return nil }

// hoarder forgets nothing, and hasty all that may be forgotten once it is old.
type (
	hoarder struct{ monitor.Store }
	hasty   struct{ monitor.Store }
)

func (hoarder) Prune(ctx context.Context, _ time.Duration) (int, error) { return 0, ctx.Err() }

func (s hasty) Prune(ctx context.Context, _ time.Duration) (int, error) { return s.Store.Prune(ctx, 0) }

// local has the clock of a place.
type local struct{ monitor.Store }

func (s local) Now(ctx context.Context) (time.Time, error) {
	now, err := s.Store.Now(ctx)
	return now.In(time.FixedZone("there", 3600)), err
}

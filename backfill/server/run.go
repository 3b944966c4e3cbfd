package server

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/mozci/mozci/internal/pause"
	"github.com/mozci/mozci/job"
)

// The working half of a Server. Run claims open backfills from the store, up to Options.Width at a
// time, and carryOut works on each in a goroutine of its own. It holds a lease that renew extends;
// the lease is what keeps two instances from working on the same backfill.
//
// A backfill's context ends with a cause, by which carryOut knows what to write: cancelledError (a
// person), ErrLost (another instance has it: write nothing), or the end of Run (give it back).

// claimEvery is how often Run looks for open backfills at the latest. It finds those of an instance
// that died once their lease has ended.
const claimEvery = 5 * time.Second

// Run carries out the backfills that were accepted, until ctx is done. Before it returns it gives
// back those that are under way, so that another instance can go on with them at once. Several
// instances may share one store.
func (s *Server) Run(ctx context.Context) error {
	var work sync.WaitGroup
	// Deferred calls run last first: the streams end at once, and then Run waits for the work.
	defer work.Wait()
	defer func() { s.ending.Do(func() { close(s.done) }) }()
	var pruned time.Time
	for {
		n, err := s.claim(ctx, &work)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			s.log.Warn("the store of backfills does not answer, trying again", "error", err)
		default:
			s.mu.Lock()
			s.running = true
			s.mu.Unlock()
		}
		if time.Since(pruned) > time.Hour {
			if _, err := s.store.Prune(ctx, s.o.Keep); err == nil {
				pruned = time.Now()
			}
		}
		// There may be more than one Claim returns.
		if n > 0 && err == nil {
			continue
		}
		look := time.NewTimer(min(s.o.Lease, claimEvery))
		select {
		case <-ctx.Done():
		case <-s.wakeup:
		case <-look.C:
		}
		look.Stop()
	}
}

// claim leases as many backfills as there is room for, and starts to work on them. It returns how
// many it got. Several may come with an error, about a row that cannot be read.
func (s *Server) claim(ctx context.Context, work *sync.WaitGroup) (int, error) {
	s.mu.Lock()
	room := s.o.Width - len(s.working)
	s.mu.Unlock()
	const atOnce = 20
	records, err := s.store.Claim(ctx, s.holder, s.o.Lease, min(room, atOnce))
	for _, r := range records {
		on, stop := context.WithCancelCause(ctx)
		s.mu.Lock()
		s.working[r.ID] = stop
		s.mu.Unlock()
		work.Go(func() {
			defer func() {
				s.mu.Lock()
				delete(s.working, r.ID)
				s.mu.Unlock()
				stop(nil)
				s.wake() // there is room for another one
			}()
			s.carryOut(on, r)
		})
	}
	return len(records), err
}

// carryOut works on one backfill until it has ended, another instance has taken it over, or the
// service ends.
func (s *Server) carryOut(ctx context.Context, r Record) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var renewing sync.WaitGroup
	done := make(chan struct{})
	renewing.Go(func() { s.renew(ctx, r.ID, done, stop) })
	// First done is closed, then renew is waited for, and last its context ends.
	defer renewing.Wait()
	defer close(done)

	w := s.newWork(Place{}, r)
	err := w.attempts(ctx)
	var cancelled cancelledError
	switch cause := context.Cause(ctx); {
	// The work is over by now, and the end has to be written although the context has ended.
	case errors.As(cause, &cancelled):
		err = w.cancel(context.WithoutCancel(ctx), cancelled.by)
	case errors.Is(cause, ErrLost):
		s.log.Info("taken over by another instance", "backfill", r.ID)
		return
	case ctx.Err() != nil:
		if err := s.store.Release(context.WithoutCancel(ctx), r.ID, s.holder); err != nil {
			s.log.Warn("a backfill could not be given back to the store", "backfill", r.ID, "error", err)
		}
		return
	case err != nil:
		err = w.fail(ctx, err)
	}
	if err != nil && !errors.Is(err, ErrLost) {
		s.log.Warn("the end of a backfill could not be written", "backfill", r.ID, "error", err)
	}
}

// renew keeps the lease alive, and learns from the store when another instance has cancelled the
// backfill or taken it over. When the store does not answer for a whole lease, renew gives up the
// work: another instance may have it by then. With the default Lease of 30 seconds it renews every
// 5 seconds, so several calls may fail before the lease is lost.
func (s *Server) renew(ctx context.Context, id string, done <-chan struct{}, stop context.CancelCauseFunc) {
	tick := time.NewTicker(min(s.o.Lease/3, 5*time.Second))
	defer tick.Stop()
	held := time.Now()
	for {
		by, err := s.store.Renew(ctx, id, s.holder, s.o.Lease)
		switch {
		case errors.Is(err, ErrLost), errors.Is(err, job.ErrNotFound):
			stop(ErrLost)
			return
		case err == nil && by != "":
			stop(cancelledError{by})
			held = time.Now() // a cancelled backfill is still held
		case err == nil:
			held = time.Now()
		case ctx.Err() != nil:
		case time.Since(held) > s.o.Lease:
			stop(ErrLost) // another instance may have it by now
			return
		}
		if ctx.Err() != nil { // its end is being written, for which the lease is still needed
			ctx = context.WithoutCancel(ctx)
		}
		select {
		case <-done:
			return
		case <-tick.C:
		}
	}
}

// mostAttempts is how often mozci tries a backfill again when a service does not answer.
const mostAttempts = 6

// attempts does the work, again when a service cannot be reached, with a pause that doubles each
// time. Requests are in the ledger, so a new attempt goes on where the last one stopped. With the
// default Retry the pauses are 30 s and 1, 2, 4 and 8 minutes, after which the backfill fails. Only
// job.ErrUnavailable is worth another attempt.
func (w *work) attempts(ctx context.Context) error {
	wait := w.s.o.Retry
	for n := 1; ; n++ {
		err := w.attempt(ctx)
		if err == nil || ctx.Err() != nil || n == mostAttempts || !errors.Is(err, job.ErrUnavailable) {
			return err
		}
		w.note(ctx, Entry{
			Kind: "trouble", Text: "A service did not answer. mozci tries again in " + lasting(wait) + ".",
			Why: Text(job.Visible(err.Error())),
		})
		if err := w.save(ctx); err != nil {
			return err
		}
		if err := pause.For(ctx, wait); err != nil {
			return err
		}
		wait *= 2
	}
}

// attempt does the work once. A panic becomes an error of this backfill and does not end the
// service. A backfill that was cancelled while nobody worked on it is ended first of all.
func (w *work) attempt(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			w.s.log.Error("panic", "backfill", w.r.ID, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("an error in mozci: %v", p)
		}
	}()
	if w.r.CancelledBy != "" {
		return w.cancel(ctx, string(w.r.CancelledBy))
	}
	place, err := w.s.places.Open(ctx, w.r.Ask.Project)
	if err != nil {
		return err
	}
	w.at(place)
	w.recall(ctx)
	if w.r.Ask.Mode == Search {
		return w.search(ctx)
	}
	return w.fill(ctx)
}

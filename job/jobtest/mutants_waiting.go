package jobtest

import (
	"context"
	"sync"

	"github.com/mozci/mozci/job"
)

// How a source that waits for its server is broken. Each is a way in which callers
// who ask at the same time are kept apart or brought together.

// locked asks one at a time, and holds a lock while it waits.
func locked() func(context.Context, func(context.Context) error) error {
	var mu sync.Mutex
	return func(ctx context.Context, ask func(context.Context) error) error {
		mu.Lock()
		defer mu.Unlock()
		return ask(ctx)
	}
}

// led gives those who come later the answer of the first, also when that is only
// the end of the first one's context.
func led() func(context.Context, func(context.Context) error) error {
	type call struct {
		done chan struct{}
		err  error
	}
	var mu sync.Mutex
	var now *call
	return func(ctx context.Context, ask func(context.Context) error) error {
		mu.Lock()
		c, lead := now, now == nil
		if lead {
			c = &call{done: make(chan struct{})}
			now = c
		}
		mu.Unlock()
		if !lead {
			select {
			case <-c.done:
				return c.err
			case <-ctx.Done():
				return job.Wrap("led", "", ctx.Err())
			}
		}
		c.err = ask(ctx)
		mu.Lock()
		now = nil
		mu.Unlock()
		close(c.done)
		return c.err
	}
}

// deaf hears of the end of its context before it asks, and not while it waits.
func deaf() func(context.Context, func(context.Context) error) error {
	return func(ctx context.Context, ask func(context.Context) error) error {
		if ctx.Err() != nil {
			return ask(ctx)
		}
		return ask(context.WithoutCancel(ctx))
	}
}

// offended keeps the error of the first caller who gave up, as if it were the server's.
func offended() func(context.Context, func(context.Context) error) error {
	var mu sync.Mutex
	var kept error
	return func(ctx context.Context, ask func(context.Context) error) error {
		// A context that was done before is none that ended while it waited.
		over := ctx.Err() != nil
		mu.Lock()
		err := kept
		mu.Unlock()
		if err == nil {
			err = ask(ctx)
		}
		if !over && ctx.Err() != nil {
			mu.Lock()
			defer mu.Unlock()
			kept = err
		}
		return err
	}
}

// mute makes an empty answer of the end of its context.
func mute() func(context.Context, func(context.Context) error) error {
	return func(ctx context.Context, ask func(context.Context) error) error {
		over := ctx.Err() != nil
		if err := ask(ctx); over || ctx.Err() == nil {
			return err
		}
		return nil
	}
}

// waits are the ways to wait badly.
var waits = []struct {
	name, rule string
	way        func() func(context.Context, func(context.Context) error) error
}{
	{"a lock is held while it waits", "hang-own-context", locked},
	{"the first caller's context is everybody's", "hang-others", led},
	{"cancelling is not heard while it waits", "hang-cancel", deaf},
	{"the error of a caller who gave up is kept", "hang-release", offended},
	{"who gave up gets an empty answer", "hang-own-context", mute},
}

// badWaits are CIs that wait badly.
func badWaits() []SchedulerMutant {
	var out []SchedulerMutant
	for _, w := range waits {
		way := w.way()
		out = append(out, lists(w.name, w.rule,
			func(c *CI, ctx context.Context, p job.Push, names []string) (jobs []job.Job, err error) {
				err = way(ctx, func(ctx context.Context) (err error) {
					jobs, err = c.Jobs(ctx, p, names...)
					return err
				})
				return jobs, err
			}))
	}
	return out
}

// miswaiting are repositories that wait badly.
func miswaiting() []RepositoryMutant {
	var out []RepositoryMutant
	for _, w := range waits {
		out = append(out, RepositoryMutant{w.name, w.rule, func(r job.Repository) job.Repository {
			way := w.way()
			return repoFuncs{
				Repository: r,
				push: func(ctx context.Context, rev string) (p job.Push, err error) {
					err = way(ctx, func(ctx context.Context) (err error) { p, err = r.Push(ctx, rev); return err })
					return p, err
				},
				pushes: func(ctx context.Context, rg job.Range) (p []job.Push, err error) {
					err = way(ctx, func(ctx context.Context) (err error) { p, err = r.Pushes(ctx, rg); return err })
					return p, err
				},
			}
		}})
	}
	return out
}

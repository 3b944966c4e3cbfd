package jobtest

import (
	"context"
	"slices"

	"github.com/mozci/mozci/job"
)

func (m mutantCI) History(ctx context.Context, pushes []job.Push, labels ...string) ([]job.PushRuns, error) {
	if m.many != nil {
		return m.many(ctx, pushes, labels...)
	}
	return HistoryByJobs(ctx, m.Jobs, pushes, labels...) // it has the fault of Jobs, whatever that is
}

func (m mutantCI) Statuses(ctx context.Context, ids ...string) (map[string]job.Status, error) {
	if m.far == nil {
		return m.CI.Statuses(ctx, ids...)
	}
	return m.far(ctx, ids...)
}

// remembers is a mutant that has another history.
func remembers(
	name, rule string, do func(c *CI, ctx context.Context, pushes []job.Push, labels []string) ([]job.PushRuns, error),
) SchedulerMutant {
	return SchedulerMutant{name, rule, func(c *CI) job.Scheduler {
		return mutantCI{CI: c, many: func(
			ctx context.Context, pushes []job.Push, labels ...string,
		) ([]job.PushRuns, error) {
			return do(c, ctx, pushes, labels)
		}}
	}}
}

// rewritten is a mutant whose history is changed by edit.
func rewritten(name, rule string, edit func([]job.PushRuns) []job.PushRuns) SchedulerMutant {
	return remembers(name, rule,
		func(c *CI, ctx context.Context, pushes []job.Push, labels []string) ([]job.PushRuns, error) {
			out, err := c.History(ctx, pushes, labels...)
			return edit(out), err
		})
}

// tells is a mutant that tells other statuses.
func tells(name, rule string, do func(*CI, context.Context, []string) (map[string]job.Status, error)) SchedulerMutant {
	return SchedulerMutant{name, rule, func(c *CI) job.Scheduler {
		return mutantCI{CI: c, far: func(ctx context.Context, ids ...string) (map[string]job.Status, error) {
			return do(c, ctx, ids)
		}}
	}}
}

// misremembered have another history, or other statuses, than their jobs.
func misremembered() []SchedulerMutant {
	return slices.Concat(misremembering(), mistelling())
}

// misremembering answer History in another way than Jobs would.
func misremembering() []SchedulerMutant {
	return []SchedulerMutant{
		remembers("no label is every label", "history-labels",
			func(c *CI, ctx context.Context, pushes []job.Push, labels []string) ([]job.PushRuns, error) {
				if len(labels) > 0 {
					return c.History(ctx, pushes, labels...)
				}
				return make([]job.PushRuns, len(pushes)), nil
			}),
		remembers("only the first label counts", "history",
			func(c *CI, ctx context.Context, pushes []job.Push, labels []string) ([]job.PushRuns, error) {
				return c.History(ctx, pushes, labels[:min(len(labels), 1)]...)
			}),
		remembers("a push that cannot be read ends all", "history",
			func(c *CI, ctx context.Context, pushes []job.Push, labels []string) ([]job.PushRuns, error) {
				out, err := c.History(ctx, pushes, labels...)
				for _, p := range out {
					if p.Err != nil {
						return nil, p.Err
					}
				}
				return out, err
			}),
		remembers("the caller's end is passed over", "cancelled-history",
			func(c *CI, ctx context.Context, pushes []job.Push, labels []string) ([]job.PushRuns, error) {
				return c.History(context.WithoutCancel(ctx), pushes, labels...)
			}),
		rewritten("newest push first", "history-order", func(all []job.PushRuns) []job.PushRuns {
			slices.SortStableFunc(all, func(a, b job.PushRuns) int { return b.Push.Compare(a.Push) })
			return all
		}),
		rewritten("pushes without a run are left out", "history-order", func(all []job.PushRuns) []job.PushRuns {
			return slices.DeleteFunc(all, func(p job.PushRuns) bool { return len(p.Jobs) == 0 })
		}),
		// Its error is lost, and no runs is what a push has on which nothing ran.
		rewritten("an unknown push has no runs", "history-errors", func(all []job.PushRuns) []job.PushRuns {
			for i := range all {
				all[i].Err = nil
			}
			return all
		}),
		rewritten("of each push the latest run alone", "history", func(all []job.PushRuns) []job.PushRuns {
			for i, p := range all {
				all[i].Jobs = p.Jobs[max(0, len(p.Jobs)-1):]
			}
			return all
		}),
		rewritten("runs of one push are another's", "history", func(all []job.PushRuns) []job.PushRuns {
			if len(all) > 1 {
				all[0].Jobs, all[1].Jobs = all[1].Jobs, all[0].Jobs
			}
			return all
		}),
	}
}

// mistelling answer Statuses in another way than Jobs would.
func mistelling() []SchedulerMutant {
	return []SchedulerMutant{
		tells("an unknown run waits", "statuses-unknown",
			func(c *CI, ctx context.Context, ids []string) (map[string]job.Status, error) {
				out, err := c.Statuses(ctx, ids...)
				for _, id := range ids {
					if _, ok := out[id]; !ok && err == nil {
						out[id] = job.StatusPending
					}
				}
				return out, err
			}),
		tells("an unknown run is an error", "statuses",
			func(c *CI, ctx context.Context, ids []string) (map[string]job.Status, error) {
				out, err := c.Statuses(ctx, ids...)
				if err == nil && len(out) < len(ids) {
					err = job.Wrap("world.statuses", "", job.ErrNotFound)
				}
				return out, err
			}),
		// With 2 IDs on a page.
		tells("one page is all", "statuses",
			func(c *CI, ctx context.Context, ids []string) (map[string]job.Status, error) {
				return c.Statuses(ctx, ids[:min(len(ids), 2)]...)
			}),
		tells("what failed has passed", "statuses",
			func(c *CI, ctx context.Context, ids []string) (map[string]job.Status, error) {
				out, err := c.Statuses(ctx, ids...)
				for id, s := range out {
					if s == job.StatusTestFailed {
						out[id] = job.StatusSuccess
					}
				}
				return out, err
			}),
		tells("no ID is every run", "statuses",
			func(c *CI, ctx context.Context, ids []string) (map[string]job.Status, error) {
				if len(ids) == 0 {
					ids = []string{"run-1"}
				}
				return c.Statuses(ctx, ids...)
			}),
		tells("the caller's end is passed over", "cancelled-statuses",
			func(c *CI, ctx context.Context, ids []string) (map[string]job.Status, error) {
				return c.Statuses(context.WithoutCancel(ctx), ids...)
			}),
	}
}

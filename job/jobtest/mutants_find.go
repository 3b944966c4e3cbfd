package jobtest

import (
	"context"
	"errors"

	"github.com/mozci/mozci/job"
)

func (m mutantCI) FindRun(ctx context.Context, id string) (job.Job, error) {
	if m.find == nil {
		return m.CI.FindRun(ctx, id)
	}
	return m.find(ctx, id)
}

// finds is a mutant that finds runs otherwise.
func finds(name, rule string, do func(*CI, context.Context, string) (job.Job, error)) SchedulerMutant {
	return SchedulerMutant{name, rule, func(c *CI) job.Scheduler {
		return mutantCI{CI: c, find: func(ctx context.Context, id string) (job.Job, error) { return do(c, ctx, id) }}
	}}
}

// found is a mutant that changes what it finds. The rule is always "find".
func found(name string, edit func(job.Fields) job.Fields) SchedulerMutant {
	return finds(name, "find", func(c *CI, ctx context.Context, id string) (job.Job, error) {
		j, err := c.FindRun(ctx, id)
		if err == nil {
			j = job.New(edit(fieldsOf(j)))
		}
		return j, err
	})
}

// mislocated find other runs than they should.
func mislocated() []SchedulerMutant {
	return []SchedulerMutant{
		finds("whatever is looked for, the first run is found", "find",
			func(c *CI, ctx context.Context, id string) (job.Job, error) {
				if _, err := c.FindRun(ctx, id); err != nil {
					return nil, err
				}
				return c.FindRun(ctx, "run-1")
			}),
		finds("a run that is not there is nothing", "find-unknown",
			func(c *CI, ctx context.Context, id string) (job.Job, error) {
				j, err := c.FindRun(ctx, id)
				if errors.Is(err, job.ErrNotFound) {
					return nil, nil
				}
				return j, err
			}),
		finds("a run that is there is nothing", "find",
			func(c *CI, ctx context.Context, id string) (job.Job, error) {
				_, err := c.FindRun(ctx, id)
				return nil, err
			}),
		finds("the caller's end is passed over", "cancelled-find",
			func(c *CI, ctx context.Context, id string) (job.Job, error) {
				return c.FindRun(context.WithoutCancel(ctx), id)
			}),
		found("a run without its label", func(f job.Fields) job.Fields { f.Name = f.ID; return f }),
		found("a run of no revision", func(f job.Fields) job.Fields { f.Push.Revision = ""; return f }),
		found("a run of no repository", func(f job.Fields) job.Fields { f.Push.Repo = ""; return f }),
		found("a run that never ends", func(f job.Fields) job.Fields { f.Status = job.StatusRunning; return f }),
	}
}

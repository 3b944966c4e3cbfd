package jobtest

import (
	"context"
	"errors"
	"slices"

	"github.com/mozci/mozci/job"
)

// SchedulerMutant is a broken CI that CheckScheduler must catch.
type SchedulerMutant struct {
	Name  string // what is broken, as a predecessor or a hurried author broke it
	Rule  string // the rule that must be reported
	Break func(*CI) job.Scheduler
}

// mutantCI is a CI with methods replaced: those whose function is not nil. It keeps the optional
// abilities.
type mutantCI struct {
	*CI
	jobs    func(context.Context, job.Push, ...string) ([]job.Job, error)
	trigger func(context.Context, job.Request) (job.Receipt, error)
	catalog func(context.Context, job.Push, ...string) ([]job.Runnable, error)
	cancel  func(context.Context, string) error
	carried func(context.Context, job.Request) ([]string, error)
	find    func(context.Context, string) (job.Job, error)
	many    func(context.Context, []job.Push, ...string) ([]job.PushRuns, error)
	far     func(context.Context, ...string) (map[string]job.Status, error)
}

func (m mutantCI) Carried(ctx context.Context, r job.Request) ([]string, error) {
	if m.carried == nil {
		return m.CI.Carried(ctx, r)
	}
	return m.carried(ctx, r)
}

func (m mutantCI) Jobs(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
	if m.jobs == nil {
		return m.CI.Jobs(ctx, p, names...)
	}
	return m.jobs(ctx, p, names...)
}

func (m mutantCI) Trigger(ctx context.Context, r job.Request) (job.Receipt, error) {
	if m.trigger == nil {
		return m.CI.Trigger(ctx, r)
	}
	return m.trigger(ctx, r)
}

func (m mutantCI) Catalog(ctx context.Context, p job.Push, labels ...string) ([]job.Runnable, error) {
	if m.catalog == nil {
		return m.CI.Catalog(ctx, p, labels...)
	}
	return m.catalog(ctx, p, labels...)
}

func (m mutantCI) Cancel(ctx context.Context, id string) error {
	if m.cancel == nil {
		return m.CI.Cancel(ctx, id)
	}
	return m.cancel(ctx, id)
}

// lists is a mutant that lists jobs otherwise.
func lists(name, rule string, do func(*CI, context.Context, job.Push, []string) ([]job.Job, error)) SchedulerMutant {
	return SchedulerMutant{name, rule, func(c *CI) job.Scheduler {
		return mutantCI{CI: c, jobs: func(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
			return do(c, ctx, p, names)
		}}
	}}
}

// catalogs is a mutant that has another catalog.
func catalogs(
	name, rule string, do func(*CI, context.Context, job.Push, []string) ([]job.Runnable, error),
) SchedulerMutant {
	return SchedulerMutant{name, rule, func(c *CI) job.Scheduler {
		m := mutantCI{CI: c}
		m.catalog = func(ctx context.Context, p job.Push, labels ...string) ([]job.Runnable, error) {
			return do(c, ctx, p, labels)
		}
		return m
	}}
}

// edited is a mutant whose jobs are changed by edit.
func edited(name, rule string, edit func(job.Fields) job.Fields) SchedulerMutant {
	return lists(name, rule, func(c *CI, ctx context.Context, p job.Push, names []string) ([]job.Job, error) {
		jobs, err := c.Jobs(ctx, p, names...)
		for i, j := range jobs {
			jobs[i] = job.New(edit(fieldsOf(j)))
		}
		return jobs, err
	})
}

// fieldsOf is a job as the fields that make it, to be edited.
func fieldsOf(j job.Job) job.Fields {
	return job.Fields{
		ID: j.ID(), Name: j.Name(), Push: j.Push(), Kind: j.Kind(),
		Status: j.Status(), Times: j.Times(), Raw: j.Raw(),
	}
}

// triggers is a mutant that triggers otherwise.
func triggers(name, rule string, do func(*CI, context.Context, job.Request) (job.Receipt, error)) SchedulerMutant {
	return SchedulerMutant{name, rule, func(c *CI) job.Scheduler {
		return mutantCI{CI: c, trigger: func(ctx context.Context, r job.Request) (job.Receipt, error) {
			return do(c, ctx, r)
		}}
	}}
}

// liveJob is a Job that reads the CI each time it is asked.
type liveJob struct {
	job.Job
	c *CI
}

func (l liveJob) Status() job.Status {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	n, err := l.c.byID(l.ID())
	if err != nil {
		return job.StatusUnknown
	}
	return n.status
}

// SchedulerMutants are the broken CIs.
func SchedulerMutants() []SchedulerMutant {
	return slices.Concat(mislisted(), misread(), mistriggered(), badCatalogs(), mistracked(), badWaits(),
		misunwrapped(), mislocated(), misremembered())
}

// mislisted list other jobs than they should.
func mislisted() []SchedulerMutant {
	return []SchedulerMutant{
		{"jobs come twice", "ids-unique", func(c *CI) job.Scheduler { return Duplicated(c) }},
		{"one page is all", "all-labels", func(c *CI) job.Scheduler { return Truncated(c, 2) }},
		lists("names are ignored", "jobs-by-name",
			func(c *CI, ctx context.Context, p job.Push, _ []string) ([]job.Job, error) {
				return c.Jobs(ctx, p)
			}),
		lists("only the first name is read", "all-labels",
			func(c *CI, ctx context.Context, p job.Push, names []string) ([]job.Job, error) {
				all, err := c.Jobs(ctx, p, names...)
				return all[:min(1, len(all))], err
			}),
		lists("not scheduled is an error", "not-scheduled",
			func(c *CI, ctx context.Context, p job.Push, names []string) ([]job.Job, error) {
				jobs, err := c.Jobs(ctx, p, names...)
				if err == nil && len(jobs) == 0 {
					err = &job.Error{Op: "jobs", Key: p.String(), Err: job.ErrNotScheduled}
				}
				return jobs, err
			}),
	}
}

// misread list the right jobs with something wrong in them.
func misread() []SchedulerMutant {
	return []SchedulerMutant{
		edited("an unknown word becomes nothing", "job-status",
			func(f job.Fields) job.Fields { f.Status = 0; return f }),
		edited("no kind", "job-kind", func(f job.Fields) job.Fields { f.Kind = 0; return f }),
		edited("no ids", "job-fields", func(f job.Fields) job.Fields { f.ID = ""; return f }),
		// Two runs of one label have the same ID.
		edited("ids by label", "ids-unique", func(f job.Fields) job.Fields { f.ID = f.Name; return f }),
		edited("another push", "job-push", func(f job.Fields) job.Fields {
			f.Push.Revision = revision("x", 1, "dead")
			return f
		}),
		edited("finished before it started", "job-times", func(f job.Fields) job.Fields {
			f.Times.Started, f.Times.Finished = f.Times.Finished, f.Times.Started
			return f
		}),
		lists("jobs change in the caller's hands", "snapshot",
			func(c *CI, ctx context.Context, p job.Push, names []string) ([]job.Job, error) {
				jobs, err := c.Jobs(ctx, p, names...)
				for i, j := range jobs {
					jobs[i] = liveJob{j, c}
				}
				return jobs, err
			}),
	}
}

// mistriggered trigger something else than the request says, or report it wrongly.
func mistriggered() []SchedulerMutant {
	return []SchedulerMutant{
		triggers("count is ignored", "trigger-count",
			func(c *CI, ctx context.Context, r job.Request) (job.Receipt, error) {
				if r.Count > 1 {
					r.Count = 1
				}
				return c.Trigger(ctx, r)
			}),
		triggers("nothing becomes one", "count",
			func(c *CI, ctx context.Context, r job.Request) (job.Receipt, error) {
				r.Count = max(r.Count, 1)
				return c.Trigger(ctx, r)
			}),
		triggers("twice is twice", "twice-is-once",
			func(c *CI, ctx context.Context, r job.Request) (job.Receipt, error) {
				// The CI never sees the key.
				r.Key = ""
				return c.Trigger(ctx, r)
			}),
		triggers("a known key looks new", "already-asked",
			func(c *CI, ctx context.Context, r job.Request) (job.Receipt, error) {
				receipt, err := c.Trigger(ctx, r)
				receipt.State = job.ReceiptCreated
				return receipt, err
			}),
		triggers("silently does nothing", "trigger-count",
			func(_ *CI, ctx context.Context, r job.Request) (job.Receipt, error) {
				// It refuses what is easy to refuse, so that only the missing runs give it away.
				if r.Count < 1 || ctx.Err() != nil {
					return job.Receipt{}, job.Wrap("trigger", r.Label, errors.Join(job.ErrInvalid, ctx.Err()))
				}
				return job.Receipt{State: job.ReceiptAccepted}, nil
			}),
		triggers("any label is taken", "unknown-label",
			func(c *CI, ctx context.Context, r job.Request) (job.Receipt, error) {
				receipt, err := c.Trigger(ctx, r)
				if errors.Is(err, job.ErrNotFound) {
					return job.Receipt{State: job.ReceiptAccepted}, nil
				}
				return receipt, err
			}),
		triggers("cancelling is ignored", "cancelled-trigger",
			func(c *CI, ctx context.Context, r job.Request) (job.Receipt, error) {
				return c.Trigger(context.WithoutCancel(ctx), r)
			}),
		triggers("a refused request is done", "refused-is-not-done",
			func(c *CI, ctx context.Context, r job.Request) (job.Receipt, error) {
				receipt, err := c.Trigger(ctx, r)
				if errors.Is(err, job.ErrNotFound) {
					// It refuses the unknown label, and runs the first one all the same.
					r.Label = c.w.Labels(r.Push.Repo)[0]
					if _, again := c.Trigger(ctx, r); again != nil {
						return receipt, errors.Join(err, again)
					}
				}
				return receipt, err
			}),
	}
}

// badCatalogs have a wrong catalog.
func badCatalogs() []SchedulerMutant {
	return []SchedulerMutant{
		catalogs("catalog does not know unscheduled pushes", "catalog-not-scheduled",
			func(c *CI, ctx context.Context, p job.Push, labels []string) ([]job.Runnable, error) {
				all, err := c.Catalog(ctx, p, labels...)
				if errors.Is(err, job.ErrNotScheduled) {
					return nil, nil
				}
				return all, err
			}),
		catalogs("labels twice in the catalog", "catalog-once",
			func(c *CI, ctx context.Context, p job.Push, labels []string) ([]job.Runnable, error) {
				all, err := c.Catalog(ctx, p, labels...)
				return append(all, all...), err
			}),
		catalogs("the catalog ignores which labels are named", "catalog-named",
			func(c *CI, ctx context.Context, p job.Push, _ []string) ([]job.Runnable, error) {
				return c.Catalog(ctx, p)
			}),
		catalogs("the catalog of an unknown label is an error", "catalog-named",
			func(c *CI, ctx context.Context, p job.Push, labels []string) ([]job.Runnable, error) {
				all, err := c.Catalog(ctx, p, labels...)
				if err == nil && len(all) == 0 {
					err = job.Wrap("catalog", "", job.ErrNotFound)
				}
				return all, err
			}),
	}
}

// mistracked lose track of what a key made, or do not cancel.
func mistracked() []SchedulerMutant {
	return []SchedulerMutant{
		{"a key is never found", "carried", func(c *CI) job.Scheduler {
			return mutantCI{CI: c, carried: func(context.Context, job.Request) ([]string, error) { return nil, nil }}
		}},
		{"a key is found whatever it is", "carried", func(c *CI) job.Scheduler {
			return mutantCI{CI: c, carried: func(ctx context.Context, r job.Request) ([]string, error) {
				jobs, err := c.Jobs(ctx, r.Push, r.Label)
				var ids []string
				for _, j := range jobs {
					ids = append(ids, j.ID())
				}
				return ids, err
			}}
		}},
		{"cancel silently does nothing", "cancel", func(c *CI) job.Scheduler {
			return mutantCI{CI: c, cancel: func(_ context.Context, id string) error {
				_, err := c.byID(id)
				return job.Wrap("cancel", id, err)
			}}
		}},
	}
}

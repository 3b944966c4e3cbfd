package jobtest

import "github.com/mozci/mozci/job"

// around is a Scheduler that says that it wraps another one.
type around struct {
	mutantCI
	inner func() job.Scheduler
}

func (a around) Unwrap() job.Scheduler { return a.inner() }

// misunwrapped say that they wrap something else than they do.
func misunwrapped() []SchedulerMutant {
	return []SchedulerMutant{
		{"it unwraps to itself", "unwrap", func(c *CI) job.Scheduler {
			a := around{mutantCI: mutantCI{CI: c}}
			a.inner = func() job.Scheduler { return a }
			return a
		}},
		{"it unwraps to nothing", "unwrap", func(c *CI) job.Scheduler {
			return around{mutantCI{CI: c}, func() job.Scheduler { return nil }}
		}},
		{"it unwraps to another CI", "unwrap", func(c *CI) job.Scheduler {
			// The same world, but without the runs that were triggered in the first one.
			other := NewCI(c.w, nil)
			return around{mutantCI{CI: c}, func() job.Scheduler { return other }}
		}},
		{"it unwraps to one that does not answer", "unwrap", func(c *CI) job.Scheduler {
			down := Failing(c, func(job.Push) bool { return true })
			return around{mutantCI{CI: c}, func() job.Scheduler { return down }}
		}},
	}
}

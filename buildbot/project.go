package buildbot

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/mozci/mozci/internal/flight"
	"github.com/mozci/mozci/job"
)

// ProjectOptions configure a Project, and with Branch and Codebase [Changes]; nil is
// zero options.
type ProjectOptions struct {
	// Branch is the branch, where it is not called as the repository: main of
	// repository app. A path that ends with it will do where no branch is called
	// so; default, main, master and trunk also name the branch for which the
	// master has no name. Default: the repository's name.
	Branch string
	// Codebase is the one whose changes are the pushes, and whose source stamp
	// says which push a build is of. Empty: the only one that there is; several
	// are an error that lists them.
	Codebase string
	// ForceScheduler is the name of the scheduler that runs are asked of. Empty: the one
	// that has the builder, and the branch where it fixes one.
	ForceScheduler string
	// FailOnWarnings names builders, by patterns in which * stands for any text
	// and ? for one letter, whose result "warnings" means that tests failed.
	// Buildbot itself takes it for a success, with some warnings, and goes on.
	FailOnWarnings []string
	// Kind says what sort of work a builder does. Default: what its tags say
	// (build, test, perf), and otherwise its name.
	Kind func(Builder) job.Kind
}

// Project is one branch of what a master builds: a [job.Scheduler] that can
// also say what can run, cancel, open logs, watch and say how long its queues
// are; and a [job.Repository] of the changes that the master was told of. Make
// one with [Client.Project]. It is safe for concurrent use: what several callers want
// is read once, and each waits for it no longer than its own context lasts. What was
// read is used again for two seconds, and on a slow master as much longer as reading
// took. What is remembered has a bound: the newest 2,000 requests of each of 100
// builders and the newest 5,000 buildsets, and more of these while somebody asks about
// older pushes; the rest is read again when it is wanted.
type Project struct {
	*Changes
	c     *Client
	o     ProjectOptions
	warns []*regexp.Regexp

	touched atomic.Int64 // grows when what was read before is stale
	turns   turns        // of the keys of requests
	list    *setList
	known   atomic.Pointer[known]
	leaves  *flight.Cache[int64, []leaf]      // logs, by build
	opened  *flight.Cache[string, opened]     // builds, by the ID of a run
	looks   *flight.Cache[string, []finished] // requests that are read now, by their ids

	mu        sync.Mutex // of histories, so that a builder has one; not held while the master is asked
	histories *flight.Cache[int, *history]
}

// known is what was read of one database and does not change.
type known struct {
	sets  *flight.Cache[int64, Buildset]
	bases *flight.Cache[int, bases] // of virtual builders; these change slowly
}

// Project returns the branch of a repository with this name, such as autoland, or
// whose path ends with it, such as integration/autoland; see [ProjectOptions].
func (c *Client) Project(repo string, opts *ProjectOptions) *Project {
	var o ProjectOptions
	if opts != nil {
		o = *opts
	}
	if o.Kind == nil {
		o.Kind = kindOf
	}
	p := &Project{
		Changes: c.Changes(repo, &o), c: c, o: o, turns: turns{taken: map[string]*turn{}},
		leaves: flight.New[int64, []leaf](mostLogs), opened: flight.New[string, opened](mostLogs),
		looks: flight.New[string, []finished](0), histories: flight.New[int, *history](mostHistories),
	}
	p.list = newSetList(p)
	p.forget()
	for _, pattern := range o.FailOnWarnings {
		text := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
		p.warns = append(p.warns, regexp.MustCompile("(?s)^"+text+"$"))
	}
	return p
}

func (p *Project) failsOnWarnings(builder string) bool {
	return slices.ContainsFunc(p.warns, func(re *regexp.Regexp) bool { return re.MatchString(builder) })
}

// touch makes everything be read again: something was asked for, or happened.
func (p *Project) touch() { p.touched.Add(1) }

// forget drops what was read of another database.
func (p *Project) forget() {
	p.known.Store(&known{
		sets: flight.New[int64, Buildset](mostBuildsets), bases: flight.New[int, bases](mostBases),
	})
}

// WasAdded implements job.AddedChecker: a person, or a tool, forced or rebuilt the
// run. A job that is none of this package's gives [job.ErrInvalid].
func (p *Project) WasAdded(_ context.Context, j job.Job) (bool, error) {
	r, ok := j.Raw().(Record)
	if !ok {
		return false, job.Wrap("buildbot.offspring", j.ID(), fmt.Errorf("%w: not a run of this CI", job.ErrInvalid))
	}
	return strings.HasPrefix(r.Buildset.Reason, "A build was forced by ") || r.Buildset.Reason == "rebuild", nil
}

// Cancel implements job.Canceler: a build that runs is stopped, a request that
// waits is cancelled; what has ended stays as it is. The id is a run's, such as 17/1,
// or the address of a build's page; one that the master does not have gives
// [job.ErrNotFound]. The master stops a build some time after it has answered.
func (p *Project) Cancel(ctx context.Context, id string) error {
	_, err := bounded(ctx, p.c, "buildbot.cancel", id, func(ctx context.Context) (nothing, error) {
		return nothing{}, p.cancel(ctx, id)
	})
	return err
}

func (p *Project) cancel(ctx context.Context, id string) error {
	const why = "cancelled by mozci"
	n, number, err := p.named(ctx, id)
	if err != nil {
		return err
	}
	defer p.touch()
	r, err := p.c.request(ctx, n) // the call itself answers the same for what is unknown
	if err != nil || r.Complete {
		return err
	}
	builds, err := p.c.builds(ctx, n)
	switch {
	case err != nil:
		return err
	case number > len(builds)+1:
		return fmt.Errorf("%w: the request has %d builds", job.ErrNotFound, len(builds))
	case number > len(builds):
		return p.c.cancel(ctx, n, why)
	case builds[number-1].Complete:
		return nil
	}
	return p.c.stop(ctx, builds[number-1].ID, why)
}

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

// ProjectOptions configure a Project; Branch and Codebase also configure [Changes]. Nil means
// zero options.
type ProjectOptions struct {
	// Branch is the branch, when it does not have the repository's name, such as main of
	// the repository app. When no branch has this name, one whose path ends with it is
	// taken. The names default, main, master and trunk also mean the branch for which the
	// master has no name. Default: the repository's name.
	Branch string
	// Codebase is the codebase whose changes are the pushes, and whose source stamp tells
	// to which push a build belongs. Default: the only one there is; when there are
	// several, the error lists them.
	Codebase string
	// ForceScheduler is the name of the force scheduler that triggers runs. Default: the
	// first one that has the builder and is not fixed to another branch.
	ForceScheduler string
	// FailOnWarnings are patterns for the names of builders whose result "warnings" means
	// that tests failed. In a pattern * stands for any text and ? for one letter. For all
	// other builders warnings are a success, as for Buildbot itself.
	FailOnWarnings []string
	// Kind tells the kind of a builder's work. Default: its first tag that is a kind
	// (build, test, perf), or else its name.
	Kind func(Builder) job.Kind
}

// Project is one branch of what a master builds; [Client.Project] makes one. It is a
// [job.Scheduler] that can also list what can run, cancel, open logs, watch, and measure its
// queues; and a [job.Repository] of the changes that the master was told of.
//
// It is safe for concurrent use: when several callers want the same it is read once, and each
// waits no longer than its own context lasts. What was read is used for 2 seconds, and on a
// slow master for as much longer as reading took. It remembers a bounded number: the newest
// 2,000 requests of each of 100 builders and the newest 5,000 buildsets, and more of them for
// as long as callers ask about older pushes.
type Project struct {
	*Changes
	c     *Client
	o     ProjectOptions
	warns []*regexp.Regexp

	touched atomic.Int64 // goes up whenever everything read before becomes stale
	turns   turns        // by the key of a request
	list    *setList
	known   atomic.Pointer[known]
	leaves  *flight.Cache[int64, []leaf]      // logs, by build
	opened  *flight.Cache[string, opened]     // builds, by the ID of a run
	looks   *flight.Cache[string, []finished] // reads of requests under way, by their ids

	mu        sync.Mutex // makes sure that a builder has one history; not held during requests
	histories *flight.Cache[int, *history]
}

// known is what was read from one database and does not change.
type known struct {
	sets  *flight.Cache[int64, Buildset]
	bases *flight.Cache[int, bases] // by virtual builder; these do change, but slowly
}

// Project returns the branch with the name of a repository, such as autoland, or the one whose
// path ends with it, such as integration/autoland; [ProjectOptions] can name another. It makes
// no request, and opts may be nil.
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
		// "linux*perf?" → "(?s)^linux.*perf.$"; (?s) lets . stand for a line break too.
		text := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
		p.warns = append(p.warns, regexp.MustCompile("(?s)^"+text+"$"))
	}
	return p
}

func (p *Project) failsOnWarnings(builder string) bool {
	return slices.ContainsFunc(p.warns, func(re *regexp.Regexp) bool { return re.MatchString(builder) })
}

// touch makes every question that begins from now on read its lists again, since something
// was triggered, or happened on the master.
func (p *Project) touch() { p.touched.Add(1) }

// forget drops what was read, for a master that has another database.
func (p *Project) forget() {
	p.known.Store(&known{
		sets: flight.New[int64, Buildset](mostBuildsets), bases: flight.New[int, bases](mostBases),
	})
}

// WasAdded implements job.AddedChecker: it reports whether a person or a tool forced or rebuilt
// the run, by the reason of its buildset. A job of another package gives [job.ErrInvalid]. These
// reasons are "A build was forced by 'sheriff@example.org': [mozci h #1] a test", as force
// schedulers write it unless they are configured otherwise, and "rebuild".
func (p *Project) WasAdded(_ context.Context, j job.Job) (bool, error) {
	r, ok := j.Raw().(Record)
	if !ok {
		return false, job.Wrap("buildbot.offspring", j.ID(),
			fmt.Errorf("%w: the job is not from Buildbot", job.ErrInvalid))
	}
	return strings.HasPrefix(r.Buildset.Reason, "A build was forced by ") || r.Buildset.Reason == "rebuild", nil
}

// Cancel implements job.Canceler. It stops a running build and cancels a waiting request; a
// run that has ended stays as it is. The id is that of a run, such as 17/1, or the address of
// a build's page. A run that the master does not have gives [job.ErrNotFound]. The master
// answers before the build has stopped.
func (p *Project) Cancel(ctx context.Context, id string) error {
	_, err := bounded(ctx, p.c, "buildbot.cancel", id, func(ctx context.Context) (nothing, error) {
		return nothing{}, p.cancel(ctx, id)
	})
	return err
}

// cancel is Cancel without the deadline. A request whose first build was to be retried, and that
// waits again, has one build and the runs 17/1 and 17/2: 17/1 has ended and stays, 17/2 is one
// more than there are builds, so the request is cancelled, and 17/3 does not exist.
func (p *Project) cancel(ctx context.Context, id string) error {
	const why = "cancelled by mozci"
	n, number, err := p.named(ctx, id)
	if err != nil {
		return err
	}
	defer p.touch()
	r, err := p.c.request(ctx, n) // check first: the call answers alike for an unknown request
	if err != nil || r.Complete {
		return err
	}
	builds, err := p.c.builds(ctx, n)
	switch {
	case err != nil:
		return err
	case number > len(builds)+1:
		return fmt.Errorf("%w: the request has no run %d, only %d builds", job.ErrNotFound, number, len(builds))
	case number > len(builds):
		return p.c.cancel(ctx, n, why)
	case builds[number-1].Complete:
		return nil
	}
	return p.c.stop(ctx, builds[number-1].ID, why)
}

package buildbot

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mozci/mozci/job"
)

// ProjectOptions configure a Project; nil is zero options.
type ProjectOptions struct {
	// Codebase is the one whose source stamp says which push a build is of.
	// Empty: any.
	Codebase string
	// ForceScheduler is the scheduler that runs are asked of. Empty: the one
	// that has the builder, and the branch where it fixes one.
	ForceScheduler string
	// Kind says what sort of work a builder does. Default: what its tags say
	// (build, test, perf), and otherwise its name.
	Kind func(Builder) job.Kind
}

// Project is one branch of what a master builds: a [job.Scheduler] that can
// also say what can run, cancel, open logs, watch and say how long its queues
// are; and a [job.Repository] of the changes that the master was told of. Make
// one with [Client.Project].
type Project struct {
	*Changes
	c *Client
	o ProjectOptions

	mu        sync.Mutex
	low, high int64                // buildsets with ids above low, up to high, were read
	low0      time.Time            // when the oldest of them was submitted
	sets      map[int64]Buildset   // those of the branch
	done      map[int64][]finished // requests of buildsets that are all complete
}

// finished is a request that has ended, and its builds.
type finished struct {
	request Request
	builds  []Build
}

// Project returns the branch with this name, such as autoland, or whose path
// ends with it, such as integration/autoland.
func (c *Client) Project(repo string, opts *ProjectOptions) *Project {
	var o ProjectOptions
	if opts != nil {
		o = *opts
	}
	if o.Kind == nil {
		o.Kind = kindOf
	}
	return &Project{Changes: c.Changes(repo), c: c, o: o, sets: map[int64]Buildset{}, done: map[int64][]finished{}}
}

var (
	perfName  = regexp.MustCompile(`(?i)\b(talos|perf|raptor|browsertime|awsy)\b`)
	testName  = regexp.MustCompile(`(?i)\b(test|unittest|check)\b`)
	buildName = regexp.MustCompile(`(?i)\b(build|nightly|compile)\b`)
)

func kindOf(b Builder) job.Kind {
	for _, t := range b.Tags {
		if k, err := job.ParseKind(t); err == nil {
			return k
		}
	}
	switch {
	case perfName.MatchString(b.Name):
		return job.Perf
	case testName.MatchString(b.Name) && !strings.HasSuffix(b.Name, " build"): // "leak test build"
		return job.Test
	case buildName.MatchString(b.Name):
		return job.Build
	}
	return job.Other
}

// slack is how much older a buildset may be than its push: clocks differ, and
// changes are told with the time of their commit.
const slack = 24 * time.Hour

// refresh reads the buildsets that are new, and those back to the push.
func (p *Project) refresh(ctx context.Context, pushed time.Time) error {
	const op, plural, id = "buildbot.buildsets", "buildsets", "bsid"
	p.mu.Lock()
	defer p.mu.Unlock()
	top, err := newest(ctx, p.c, op, plural, id)
	if err != nil {
		return err
	}
	if top < p.high { // another database
		p.high, p.sets, p.done = 0, map[int64]Buildset{}, map[int64][]finished{}
	}
	if p.high == 0 {
		p.high, p.low, p.low0 = top, top, time.Now().Add(slack)
	}
	for p.high < top {
		to := min(p.high+window, top)
		if err := p.read(ctx, op, p.high, to); err != nil {
			return err
		}
		p.high = to
	}
	for p.low > 0 && (pushed.IsZero() || p.low0.After(pushed.Add(-slack))) {
		from := max(p.low-window, 0)
		if err := p.read(ctx, op, from, p.low); err != nil {
			return err
		}
		p.low = from
	}
	return nil
}

func (p *Project) read(ctx context.Context, op string, after, upTo int64) error {
	sets, err := span[Buildset](ctx, p.c, op, "buildsets", "bsid", after, upTo)
	if err != nil {
		return err
	}
	for _, s := range sets {
		if s.ID <= after || s.ID > upTo {
			continue // a filter that was ignored
		}
		if s.Submitted.Before(p.low0) {
			p.low0 = s.Submitted.Time
		}
		if p.stamp(s) != nil {
			p.sets[s.ID] = s
		}
	}
	return nil
}

// stamp is the source stamp that says which push of the branch a buildset is of;
// nil when it is of none.
func (p *Project) stamp(s Buildset) *SourceStamp {
	for i, ss := range s.SourceStamps {
		if ss.Revision != "" && onBranch(ss.Branch, p.Name()) && (p.o.Codebase == "" || ss.Codebase == p.o.Codebase) {
			return &s.SourceStamps[i]
		}
	}
	return nil
}

// of are the buildsets of a push, oldest first.
func (p *Project) of(ctx context.Context, push job.Push) ([]Buildset, error) {
	if err := p.refresh(ctx, push.Time); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Buildset
	for _, s := range p.sets {
		if push.Contains(p.stamp(s).Revision) || job.SameRevision(p.stamp(s).Revision, push.Revision) {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b Buildset) int { return int(a.ID - b.ID) })
	return out, nil
}

// buildset is one buildset, of which only what does not change matters: what was
// read before will do.
func (p *Project) buildset(ctx context.Context, id int64) (Buildset, error) {
	p.mu.Lock()
	set, ok := p.sets[id]
	p.mu.Unlock()
	if ok {
		return set, nil
	}
	return p.c.Buildset(ctx, id)
}

// atOnce is how many buildsets of a push are asked about at a time.
const atOnce = 8

// requests are the requests of buildsets with their builds. Those of a buildset
// that is complete are asked for once.
func (p *Project) requests(ctx context.Context, sets []Buildset) ([][]finished, error) {
	out := make([][]finished, len(sets))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, s := range sets {
		p.mu.Lock()
		known, ok := p.done[s.ID]
		p.mu.Unlock()
		if ok {
			out[i] = known
			continue
		}
		g.Go(func() error {
			all, err := p.c.Requests(ctx, s.ID)
			if err != nil {
				return err
			}
			complete := len(all) > 0
			for _, r := range all {
				f := finished{request: r}
				if r.Claimed || r.Complete {
					if f.builds, err = p.c.Builds(ctx, r.ID); err != nil {
						return err
					}
				}
				complete = complete && r.Complete
				out[i] = append(out[i], f)
			}
			if complete {
				p.mu.Lock()
				p.done[s.ID] = out[i]
				p.mu.Unlock()
			}
			return nil
		})
	}
	return out, g.Wait()
}

// Jobs implements job.Scheduler. A job's Raw is a [Run].
func (p *Project) Jobs(ctx context.Context, push job.Push, names ...string) ([]job.Job, error) {
	const op = "buildbot.jobs"
	sets, err := p.of(ctx, push)
	if err != nil {
		return nil, err
	}
	all, err := p.requests(ctx, sets)
	if err != nil {
		return nil, err
	}
	var out []job.Job
	var unknown []error
	for i, set := range sets {
		for _, f := range all[i] {
			b, err := p.c.builder(ctx, f.request.Builder)
			if err != nil {
				return nil, err
			}
			if len(names) > 0 && !slices.Contains(names, b.Name) {
				continue
			}
			jobs, err := p.jobs(set, f, b, push)
			out = append(out, jobs...)
			if err != nil {
				unknown = append(unknown, err)
			}
		}
	}
	return out, job.Wrap(op, push.String(), errors.Join(unknown...))
}

// jobs are the runs of one request.
func (p *Project) jobs(set Buildset, f finished, b Builder, push job.Push) ([]job.Job, error) {
	all, err := runs(set, f.request, f.builds)
	if err != nil {
		err = fmt.Errorf("%s, request %d: %w", b.Name, f.request.ID, err)
	}
	out := make([]job.Job, 0, len(all))
	for _, r := range all {
		out = append(out, job.New(job.Facts{
			ID: runID(f.request.ID, r.number), Name: b.Name, Push: push, Kind: p.o.Kind(b),
			Status: r.state, Times: times(r), Raw: r.Run,
		}))
	}
	return out, err
}

func times(r run) job.Times {
	t := job.Times{Requested: r.Request.Submitted.Time}
	switch {
	case r.Build != nil:
		t.Started, t.Finished = r.Build.Started.Time, r.Build.Finished.Time
	case !r.state.Waiting():
		t.Finished = r.Request.Finished.Time
	}
	return t
}

// runID names a run: its request, and which run of the request it is.
func runID(request int64, number int) string {
	return fmt.Sprintf("%d/%d", request, number)
}

func parseRunID(id string) (request int64, number int, err error) {
	r, n, ok := strings.Cut(id, "/")
	if ok {
		if request, err = strconv.ParseInt(r, 10, 64); err == nil {
			number, err = strconv.Atoi(n)
		}
	}
	if !ok || err != nil || request < 1 || number < 1 {
		return 0, 0, fmt.Errorf("%w: %q is no run here: expected a request and the number of its run, such as 17/1", job.ErrNotFound, id)
	}
	return request, number, nil
}

// Offspring implements job.Tracer: builds that a person forced or rebuilt, or a
// tool did so.
func (p *Project) Offspring(_ context.Context, j job.Job) (bool, error) {
	r, ok := j.Raw().(Run)
	if !ok {
		return false, job.Wrap("buildbot.offspring", j.ID(), fmt.Errorf("%w: not a run of this CI", job.ErrInvalid))
	}
	return strings.HasPrefix(r.Buildset.Reason, "A build was forced by ") || r.Buildset.Reason == "rebuild", nil
}

// Load implements job.Loader.
func (p *Project) Load(ctx context.Context, label string) (job.Load, error) {
	const op = "buildbot.load"
	b, err := p.c.builderNamed(ctx, label)
	if err != nil {
		return job.Load{}, job.Wrap(op, label, err)
	}
	waiting, err := get[Request](ctx, p.c, op, label, query(p.c.path("builders/%d/buildrequests", b.ID), "claimed", "false", "complete", "false"), "buildrequests")
	if err != nil {
		return job.Load{}, err
	}
	running, err := get[Build](ctx, p.c, op, label, query(p.c.path("builders/%d/builds", b.ID), "complete", "false"), "builds")
	return job.Load{Pending: len(waiting), Running: len(running)}, err
}

// Catalog implements job.Cataloger: the builders that a force scheduler of the
// branch has, and those that ran on the push.
func (p *Project) Catalog(ctx context.Context, push job.Push, labels ...string) ([]job.Entry, error) {
	const op = "buildbot.catalog"
	if !push.Testable() {
		return nil, job.Wrap(op, push.String(), job.ErrNotScheduled)
	}
	all, err := p.c.ForceSchedulers(ctx)
	if err != nil {
		return nil, err
	}
	builders, err := p.c.Builders(ctx)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, s := range all {
		if p.serves(s) {
			for _, n := range s.BuilderNames {
				names[n] = true
			}
		}
	}
	ran, err := p.Jobs(ctx, push)
	if err != nil && !errors.Is(err, job.ErrUnknownWord) {
		return nil, err
	}
	for _, j := range ran {
		names[j.Name()] = true
	}
	var out []job.Entry
	for _, b := range builders {
		if names[b.Name] {
			out = append(out, job.Entry{Label: b.Name, Kind: p.o.Kind(b)})
			delete(names, b.Name) // a name that two masters have is one label
		}
	}
	if len(out) == 0 {
		return nil, job.Wrap(op, push.String(), job.ErrNotScheduled)
	}
	return job.OfLabels(out, labels...), nil
}

// Cancel implements job.Canceler: a build that runs is stopped, a request that
// waits is cancelled. The master stops a build some time after it has answered.
func (p *Project) Cancel(ctx context.Context, id string) error {
	const op, why = "buildbot.cancel", "cancelled by mozci"
	n, number, err := parseRunID(id)
	if err != nil {
		return job.Wrap(op, id, err)
	}
	r, err := p.c.Request(ctx, n) // the call itself answers the same for what is unknown
	if err != nil {
		return job.Wrap(op, id, err)
	}
	if r.Complete {
		return nil
	}
	builds, err := p.c.Builds(ctx, n)
	switch {
	case err != nil:
		return job.Wrap(op, id, err)
	case number > len(builds)+1:
		return job.Wrap(op, id, fmt.Errorf("%w: the request has %d builds", job.ErrNotFound, len(builds)))
	case number > len(builds):
		err = p.c.CancelRequest(ctx, n, why)
	case builds[number-1].Complete:
		return nil
	default:
		err = p.c.Stop(ctx, builds[number-1].ID, why)
	}
	return job.Wrap(op, id, err)
}

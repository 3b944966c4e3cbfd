package buildbot

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/mozci/mozci/job"
)

// The names of structured logs among a step's logs: "errorsummary", "mochitest_errorsummary.log"
// or "xpcshell-raw.log".
var (
	summaryName    = regexp.MustCompile(`(^|[_-])errorsummary(\.log)?$`)
	structuredName = regexp.MustCompile(`(^|[_-])raw(\.log)?$`)
)

// logTypes are the documented types of logs: s has several streams, t is text, h is HTML, and d
// was deleted.
var logTypes = []string{"s", "t", "h", "d"} // leaf.kind says which of them can be read

// leaf is a log of a step of a build.
type leaf struct {
	step step
	log  stepLog
}

// kind is the kind of a log; "" for one that cannot be read as a log.
func (l leaf) kind() job.LogKind {
	switch {
	case l.log.Type == "d" || l.log.Type == "h": // deleted, or a page of HTML
		return ""
	case summaryName.MatchString(l.log.Name):
		return job.LogErrorSummary
	case structuredName.MatchString(l.log.Name):
		return job.LogStructured
	}
	return job.LogText
}

// OpenLog implements job.LogOpener. The text log is the logs of all steps in their order, each
// after a line that names the step. The other kinds are the first log with the name that test
// harnesses use. j may be a job with only an ID, which may then be the address of a build's
// page. The log of a running build ends where it is now. A run without such a log, and one
// that has not begun, give [job.ErrNotFound].
//
//	===== step 1: compile: stdio =====
//	cc -c a.c
//	===== step 2: test: stdio =====
//	TEST-PASS | a
func (p *Project) OpenLog(ctx context.Context, j job.Job, which job.LogKind) (io.ReadCloser, error) {
	const op = "buildbot.log"
	all, err := bounded(ctx, p.c, op, j.ID(), func(ctx context.Context) ([]leaf, error) {
		b, err := p.buildOf(ctx, j)
		if err != nil {
			return nil, err
		}
		return p.logsOf(ctx, b)
	})
	if err != nil {
		return nil, err
	}
	var parts []part
	for _, l := range all {
		if l.kind() == which {
			parts = append(parts, part{l, func() (io.ReadCloser, error) { return p.c.openRaw(ctx, l.log.ID) }})
		}
	}
	switch {
	case len(parts) == 0:
		return nil, job.Wrap(op, j.ID(),
			fmt.Errorf("%w: none of the %d logs of its steps is a %s log", job.ErrNotFound, len(all), which))
	case which != job.LogText:
		return chainOf(parts[:1], false), nil
	}
	return chainOf(parts, true), nil
}

// logsOf returns the logs of a build in the order of its steps. For a build that has ended they
// are listed once, however many kinds of logs are opened.
func (p *Project) logsOf(ctx context.Context, b opened) ([]leaf, error) {
	return p.leaves.Do(ctx, b.build, func(ctx context.Context) ([]leaf, bool, error) {
		all, done, err := p.listLogs(ctx, b.build)
		return all, done && b.complete, err
	})
}

// listLogs lists a build's logs. done says that all steps and logs listed have ended; more
// steps may still come as long as the build runs.
func (p *Project) listLogs(ctx context.Context, build int64) (out []leaf, done bool, err error) {
	steps, err := p.c.steps(ctx, build)
	if err != nil {
		return nil, false, err
	}
	slices.SortFunc(steps, func(a, b step) int { return a.Number - b.Number })
	logs := make([][]stepLog, len(steps))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, s := range steps {
		g.Go(func() (err error) {
			logs[i], err = p.c.logs(ctx, s.ID)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, false, err
	}
	done = len(steps) > 0
	for i, s := range steps {
		done = done && s.Results != nil
		for _, l := range logs[i] {
			if !slices.Contains(logTypes, l.Type) {
				return nil, false, job.UnknownWord("Buildbot", "type of a log", l.Type)
			}
			out = append(out, leaf{s, l})
			done = done && l.Complete
		}
	}
	return out, done, nil
}

// opened is a build whose log is opened: its id, and whether it had ended.
type opened struct {
	build    int64
	complete bool
}

// buildOf is a run's build. For a job that has only an ID, as a person gives it, the master is
// asked.
func (p *Project) buildOf(ctx context.Context, j job.Job) (opened, error) {
	if run, ok := j.Raw().(Record); ok {
		if run.Build == nil {
			return opened{}, errNoBuild
		}
		return opened{run.Build.ID, run.Build.Complete}, nil
	}
	return p.opened.Do(ctx, j.ID(), func(ctx context.Context) (opened, bool, error) {
		found, err := p.findBuild(ctx, j.ID())
		return found, found.complete, err // once it has ended, a request's builds keep their numbers
	})
}

// findBuild finds the build of a run by the run's ID. Run 2 of a request is builds[1].
func (p *Project) findBuild(ctx context.Context, run string) (opened, error) {
	request, number, err := p.named(ctx, run)
	if err != nil {
		return opened{}, err
	}
	builds, err := p.c.builds(ctx, request)
	if err != nil {
		return opened{}, err
	}
	if number > len(builds) {
		return opened{}, errNoBuild
	}
	return opened{builds[number-1].ID, builds[number-1].Complete}, nil
}

// errNoBuild says that a run has no log yet.
var errNoBuild = fmt.Errorf("%w: no build of it has begun", job.ErrNotFound)

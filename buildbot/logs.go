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

// The names that the structured logs of harnesses have among a step's logs.
var (
	summaryName    = regexp.MustCompile(`(^|[_-])errorsummary(\.log)?$`)
	structuredName = regexp.MustCompile(`(^|[_-])raw(\.log)?$`)
)

// logTypes are those of logs: with streams, text, HTML, deleted.
var logTypes = []string{"s", "t", "h", "d"}

// leaf is a log of a step of a build.
type leaf struct {
	step step
	log  stepLog
}

// kind is the sort of a log; empty for what nobody reads.
func (l leaf) kind() job.LogKind {
	switch {
	case l.log.Type == "d" || l.log.Type == "h": // deleted; a page
		return ""
	case summaryName.MatchString(l.log.Name):
		return job.LogErrorSummary
	case structuredName.MatchString(l.log.Name):
		return job.LogStructured
	}
	return job.LogText
}

// OpenLog implements job.LogOpener. The text log is that of all steps, in their
// order, each after a line that names it; the others are the step's log that is
// named as harnesses name their files. A job that is only an ID may have the
// address of a build's page for it. A log of a build that runs is read as far as
// it is. A run without such a log, and one that has not begun, give [job.ErrNotFound].
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
			fmt.Errorf("%w: no %s log among the %d logs of its steps", job.ErrNotFound, which, len(all)))
	case which != job.LogText:
		return chainOf(parts[:1], false), nil
	}
	return chainOf(parts, true), nil
}

// logsOf are the logs of a build, by the order of its steps. Those of a build that
// is complete are asked for once, however many sorts of logs are looked for.
func (p *Project) logsOf(ctx context.Context, b opened) ([]leaf, error) {
	return p.leaves.Do(ctx, b.build, func(ctx context.Context) ([]leaf, bool, error) {
		all, done, err := p.listLogs(ctx, b.build)
		return all, done && b.complete, err
	})
}

// listLogs reads the list of a build's logs; done is that what is there does not change
// any more. Of a build that runs more steps may come.
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

// opened is the id of a run's build, and whether the build had ended.
type opened struct {
	build    int64
	complete bool
}

// buildOf is a run's build. Of a job that is only an ID, as a person gives it, the
// master is asked.
func (p *Project) buildOf(ctx context.Context, j job.Job) (opened, error) {
	if run, ok := j.Raw().(Record); ok {
		if run.Build == nil {
			return opened{}, errNoBuild
		}
		return opened{run.Build.ID, run.Build.Complete}, nil
	}
	return p.opened.Do(ctx, j.ID(), func(ctx context.Context) (opened, bool, error) {
		found, err := p.findBuild(ctx, j.ID())
		return found, found.complete, err // what a request built stays in its place
	})
}

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
var errNoBuild = fmt.Errorf("%w: no build of it began", job.ErrNotFound)

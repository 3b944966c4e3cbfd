package buildbot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

// The names that the structured logs of harnesses have among a step's logs.
var (
	summaryName    = regexp.MustCompile(`(^|[_-])errorsummary(\.log)?$`)
	structuredName = regexp.MustCompile(`(^|[_-])raw(\.log)?$`)
)

// OpenLog implements job.LogOpener. The text log is that of all steps, in their
// order, each after a line that names it; the others are the step's log that is
// named as harnesses name their files.
func (p *Project) OpenLog(ctx context.Context, j job.Job, which job.Log) (io.ReadCloser, error) {
	const op = "buildbot.log"
	build, err := p.buildOf(ctx, j)
	if err != nil {
		return nil, job.Wrap(op, j.ID(), err)
	}
	steps, err := p.c.Steps(ctx, build)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(steps, func(a, b Step) int { return a.Number - b.Number })
	text := &chain{}
	for _, s := range steps {
		logs, err := p.c.Logs(ctx, s.ID)
		if err != nil {
			return nil, err
		}
		for _, l := range logs {
			switch {
			case l.Type == "d" || l.Type == "h": // deleted; a page
			case which == job.ErrorSummary && summaryName.MatchString(l.Name), which == job.StructuredLog && structuredName.MatchString(l.Name):
				return p.c.OpenRaw(ctx, l.ID)
			case which == job.TextLog && !summaryName.MatchString(l.Name) && !structuredName.MatchString(l.Name):
				text.next = append(text.next,
					func() (io.ReadCloser, error) {
						return io.NopCloser(strings.NewReader(fmt.Sprintf("===== step %d: %s: %s =====\n", s.Number, s.Name, l.Name))), nil
					},
					func() (io.ReadCloser, error) { return p.c.OpenRaw(ctx, l.ID) })
			}
		}
	}
	if len(text.next) == 0 {
		return nil, job.Wrap(op, j.ID(), fmt.Errorf("%w: no %s log among the logs of its %d steps", job.ErrNotFound, which, len(steps)))
	}
	return text, nil
}

// buildOf is the id of a run's build. Of a job that is only an ID, as a person
// gives it, the master is asked.
func (p *Project) buildOf(ctx context.Context, j job.Job) (int64, error) {
	none := fmt.Errorf("%w: no build of it began", job.ErrNotFound)
	if run, ok := j.Raw().(Run); ok {
		if run.Build == nil {
			return 0, none
		}
		return run.Build.ID, nil
	}
	request, number, err := parseRunID(j.ID())
	if err != nil {
		return 0, err
	}
	builds, err := p.c.Builds(ctx, request)
	if err != nil {
		return 0, err
	}
	if number > len(builds) {
		return 0, none
	}
	return builds[number-1].ID, nil
}

// chain reads one after another, each opened when it is needed.
type chain struct {
	next []func() (io.ReadCloser, error)
	now  io.ReadCloser
}

func (c *chain) Read(p []byte) (int, error) {
	for {
		if c.now == nil {
			if len(c.next) == 0 {
				return 0, io.EOF
			}
			var err error
			if c.now, err = c.next[0](); err != nil {
				return 0, err
			}
			c.next = c.next[1:]
		}
		n, err := c.now.Read(p)
		if errors.Is(err, io.EOF) {
			err = c.Close()
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// Close implements io.Closer.
func (c *chain) Close() error {
	if c.now == nil {
		return nil
	}
	err := c.now.Close()
	c.now = nil
	return err
}

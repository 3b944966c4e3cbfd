package taskcluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

// The names of a run's logs among its artifacts.
const (
	testInfo   = "public/test_info/"
	logsFolder = "public/logs/"
	backingLog = "public/logs/live_backing.log" // the whole log, once the run has ended
	liveLog    = "public/logs/live.log"         // a link: to the worker during the run, then to backingLog
)

// OpenLog implements job.LogOpener. A task that ran several suites has an error summary for
// each, and may have several files for Perfherder; they are read one after the other, in the
// order of their names. A run without such a log is job.ErrNotFound.
func (p *Project) OpenLog(ctx context.Context, j job.Job, which job.LogKind) (io.ReadCloser, error) {
	const op = "taskcluster.log"
	taskID, runID, err := split(j.ID())
	if err != nil {
		return nil, job.Wrap(op, j.ID(), err)
	}
	return opening(ctx, p.c, op, j.ID(), func(ctx context.Context) (io.ReadCloser, error) {
		names, err := p.logs(ctx, taskID, runID, which)
		if err == nil && len(names) == 0 {
			err = fmt.Errorf("%w: the run has no %s log", job.ErrNotFound, which)
		}
		if err != nil {
			return nil, job.Wrap(op, j.ID(), err)
		}
		c := &chain{left: names, open: func(name string) (io.ReadCloser, error) {
			return p.c.OpenArtifact(ctx, taskID, runID, name)
		}}
		if err := c.next(); err != nil {
			return nil, job.Wrap(op, j.ID(), err)
		}
		return c, nil
	})
}

// logs returns the names of the artifacts that are a log of this kind, sorted.
//
//	public/test_info/mochitest_errorsummary.log     LogErrorSummary
//	public/test_info/xpcshell_raw.log               LogStructured
//	public/perfherder-data-x.json                   LogPerf, in any folder below public/
//	public/logs/live_backing.log                    LogText
func (p *Project) logs(ctx context.Context, taskID string, runID int, which job.LogKind) ([]string, error) {
	var names []string
	for a, err := range p.c.ListArtifacts(ctx, taskID, runID) {
		if err != nil {
			return nil, err
		}
		names = append(names, a.Name)
	}
	slices.Sort(names)
	in := func(pattern string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(n string) bool {
			ok, err := path.Match(testInfo+pattern, n)
			return !ok || err != nil
		})
	}
	switch which {
	case job.LogErrorSummary:
		return in("*errorsummary*.log"), nil
	case job.LogStructured:
		return in("*_raw.log"), nil
	case job.LogPerf:
		return slices.DeleteFunc(names, func(n string) bool {
			ok, err := path.Match("perfherder-data*.json", path.Base(n))
			return !ok || err != nil || !strings.HasPrefix(n, "public/")
		}), nil
	case job.LogText:
		for _, n := range []string{backingLog, liveLog} {
			if slices.Contains(names, n) {
				return []string{n}, nil
			}
		}
		return nil, nil
	}
	return nil, fmt.Errorf("%w: %q is not a kind of log", job.ErrInvalid, string(which))
}

// chain reads files one after the other, and opens each only when the one before has ended.
type chain struct {
	open func(name string) (io.ReadCloser, error)
	left []string      // the files that are not open yet
	now  io.ReadCloser // the open file; nil after a file could not be opened
}

func (c *chain) next() (err error) {
	c.now, err = c.open(c.left[0])
	c.left = c.left[1:]
	return err
}

// Read implements io.Reader. At the end of a file that is not the last it may return 0 bytes and
// no error, as io.Reader allows; the next call reads on.
func (c *chain) Read(p []byte) (int, error) {
	if c.now == nil {
		return 0, io.EOF
	}
	n, err := c.now.Read(p)
	if !errors.Is(err, io.EOF) || len(c.left) == 0 {
		return n, err
	}
	if err := errors.Join(c.now.Close(), c.next()); err != nil {
		c.now = nil
		return n, err
	}
	return n, nil
}

func (c *chain) Close() error {
	c.left = nil
	if c.now == nil {
		return nil
	}
	return c.now.Close()
}

var storageTypes = []string{"s3", "object", "reference", "link", "error"}

// ArtifactsExist implements job.ArtifactChecker: it reports whether the run has any file that
// is not a log and has not expired. Links and artifacts of type error do not count. A task
// that has expired has no files, which is no error.
func (p *Project) ArtifactsExist(ctx context.Context, j job.Job) (bool, error) {
	const op = "taskcluster.artifacts"
	taskID, runID, err := split(j.ID())
	if err != nil {
		return false, job.Wrap(op, j.ID(), err)
	}
	for a, err := range p.c.ListArtifacts(ctx, taskID, runID) {
		if errors.Is(err, job.ErrNotFound) { // the task has expired, and its files with it
			return false, nil
		}
		if err == nil && !slices.Contains(storageTypes, a.StorageType) {
			err = unknownWord("storageType", a.StorageType)
		}
		if err != nil {
			return false, job.Wrap(op, j.ID(), err)
		}
		log := strings.HasPrefix(a.Name, logsFolder) || strings.HasPrefix(a.Name, testInfo) ||
			a.StorageType == "link"
		if !log && a.StorageType != "error" && a.Expires.After(time.Now()) {
			return true, nil
		}
	}
	return false, nil
}

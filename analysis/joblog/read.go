package joblog

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/mozci/mozci/job"
)

// Options change how logs are read; nil is zero options.
type Options struct {
	// Tests are the tests that matter: how they ended is known also when the log
	// has more tests than a Report keeps.
	Tests []string
}

// Read reads a log of the given sort, or of the one that it looks like when that
// is empty. The log may be compressed. What is torn or of another sort than
// named gives a Report that is Partial; the error is only that of ctx, or
// job.ErrInvalid for a sort that there is not.
func Read(ctx context.Context, in io.Reader, which job.Log, opts *Options) (*Report, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	in, err := plain(in)
	if err != nil {
		r := newReport(which)
		r.partial(err.Error())
		return r, ctx.Err()
	}
	b := bufio.NewReaderSize(in, 64<<10)
	if which == "" {
		which = looksLike(b)
	}
	switch which {
	case job.ErrorSummary:
		return readSummary(ctx, b, o.Tests)
	case job.StructuredLog:
		return readMozlog(ctx, b, o.Tests)
	case job.TextLog:
		return readText(ctx, b, o.Tests)
	}
	return nil, fmt.Errorf("%w: %q is not a sort of log: expected %s, %s or %s", job.ErrInvalid, string(which), job.ErrorSummary, job.StructuredLog, job.TextLog)
}

// looksLike tells the sort of a log by its first lines.
func looksLike(b *bufio.Reader) job.Log {
	head, err := b.Peek(64 << 10)
	if err != nil && !errors.Is(err, io.EOF) && len(head) == 0 {
		return job.TextLog
	}
	for line := range bytes.Lines(head) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if line[0] != '{' {
			return job.TextLog
		}
		a, ok := actionOf(line)
		var l struct {
			Line   json.RawMessage
			Source json.RawMessage
		}
		_ = json.Unmarshal(line, &l)
		switch {
		case !ok:
			return job.TextLog
		case a == "test_groups", a == "group_result", a == "test_result", l.Line != nil && l.Source == nil:
			return job.ErrorSummary
		}
		return job.StructuredLog
	}
	return job.TextLog
}

// Failures reads the best log that a job left behind: its error summary, else
// its structured log, else its plain one. The Report says which it was. A job
// without any log gives job.ErrNotFound; an opener that cannot be read gives its
// error.
func Failures(ctx context.Context, opener job.LogOpener, j job.Job, opts *Options) (*Report, error) {
	const op = "joblog.failures"
	var none error
	for _, which := range []job.Log{job.ErrorSummary, job.StructuredLog, job.TextLog} {
		r, err := failures(ctx, opener, j, which, opts)
		if errors.Is(err, job.ErrNotFound) || err == nil && which != job.TextLog && r.empty() {
			none = err
			continue // a summary of nothing: the harness broke before it could say so
		}
		return r, job.Wrap(op, j.ID(), err)
	}
	return nil, job.Wrap(op, j.ID(), none)
}

// empty reports whether a structured log says nothing at all.
func (r *Report) empty() bool { return len(r.Failures)+len(r.Groups)+len(r.tests) == 0 }

func failures(ctx context.Context, opener job.LogOpener, j job.Job, which job.Log, opts *Options) (*Report, error) {
	log, err := opener.OpenLog(ctx, j, which)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	return Read(ctx, log, which, opts)
}

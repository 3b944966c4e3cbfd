package perf

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/job"
)

// unpacked is the text of a file that may be packed.
func unpacked(in io.Reader) (io.Reader, func(), error) {
	text, done, err := joblog.Unpacked(in)
	if err != nil {
		return text, done, malformed("%v", err)
	}
	return text, done, nil
}

// mark is what the data stands behind, in a line of a log.
var mark = []byte("PERFHERDER_DATA:")

// mostLog bounds a log, once unpacked.
const mostLog = 4 << 30

// ReadLog reads the values that a plain log has: those of its lines with PERFHERDER_DATA
// and JSON behind it, whatever stands before. The log may be packed. A line that is torn,
// or no such data, is job.ErrMalformed beside the values of the others.
func ReadLog(ctx context.Context, in io.Reader) ([]Measurement, error) {
	text, done, err := unpacked(in)
	defer done()
	if err != nil {
		return nil, err
	}
	lines := bufio.NewReaderSize(io.LimitReader(text, mostLog), 64<<10)
	var out []Measurement
	var bad error
	for {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		line, long, err := nextLine(lines)
		if at := bytes.Index(line, mark); at >= 0 {
			ms, err := ofLine(line[at+len(mark):], long)
			if err == nil && len(out)+len(ms) > mostMeasurements {
				err = malformed("more than %d values", mostMeasurements)
			}
			if err == nil {
				out = append(out, ms...)
			} else if bad == nil {
				bad = err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return out, bad
		case err != nil:
			return out, err
		}
	}
}

// ofLine reads what stands behind the mark, from the first brace to the last: colours may
// follow.
func ofLine(rest []byte, long bool) ([]Measurement, error) {
	from, to := bytes.IndexByte(rest, '{'), bytes.LastIndexByte(rest, '}')
	switch {
	case long:
		return nil, malformed("a line of more than %d bytes", mostData)
	case from < 0 || len(bytes.TrimSpace(rest[:from])) > 0:
		return nil, nil // somebody speaks of it
	case to < from:
		return nil, malformed("a line that is torn")
	}
	return parse(rest[from : to+1])
}

// nextLine is the next line, as far as it may be long. The slice is good until the next
// call.
func nextLine(r *bufio.Reader) (line []byte, long bool, err error) {
	line, err = r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, false, err
	}
	// The data can stand anywhere in it: it is kept as far as it may be long.
	kept := bytes.Clone(line)
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = r.ReadSlice('\n')
		if room := mostData + 4096 - len(kept); len(line) > room {
			line, long = line[:max(0, room)], true
		}
		kept = append(kept, line...)
	}
	return kept, long, err
}

// ReadRun reads the values of a run: from the files that it left for Perfherder, where
// the CI can open them, else from its log. A run that has neither, or no values in them,
// gives job.ErrNotFound; a CI without logs errors.ErrUnsupported.
func ReadRun(ctx context.Context, ci job.Scheduler, run job.Job) ([]Measurement, error) {
	const op = "perf.read"
	files, err := readKind(ctx, ci, run, job.LogPerf)
	switch {
	case err == nil && slices.ContainsFunc(files, Measurement.ofTests):
		return files, nil
	case err != nil && !errors.Is(err, job.ErrNotFound) && !errors.Is(err, job.ErrInvalid) &&
		!errors.Is(err, job.ErrMalformed):
		return nil, job.Wrap(op, run.ID(), err)
	}
	found, bad := readKind(ctx, ci, run, job.LogText)
	switch {
	case len(found)+len(files) > 0 && (bad == nil || errors.Is(bad, job.ErrMalformed)):
		return append(files, found...), nil // a line that is torn takes nothing from the others
	case bad == nil && errors.Is(err, job.ErrMalformed):
		bad = err
	case bad == nil:
		bad = fmt.Errorf("%w: no values in its log", job.ErrNotFound)
	}
	return nil, job.Wrap(op, run.ID(), bad)
}

// readKind reads one sort of files of a run.
func readKind(ctx context.Context, ci job.Scheduler, run job.Job, which job.LogKind) ([]Measurement, error) {
	in, err := job.OpenLog(ctx, ci, run, which)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }()
	if which == job.LogPerf {
		return ReadArtifact(in)
	}
	return ReadLog(ctx, in)
}

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

// unpacked returns the text of a file that may be compressed. Call the function that it
// returns when done, also after an error.
func unpacked(in io.Reader) (io.Reader, func(), error) {
	text, done, err := joblog.Unpacked(in)
	if err != nil {
		return text, done, malformed("%v", err)
	}
	return text, done, nil
}

// mark stands before the data in a line of a log.
var mark = []byte("PERFHERDER_DATA:")

// mostLog is the maximum size in bytes of a log, once decompressed; what lies behind is
// not read.
const mostLog = 4 << 30

// ReadLog reads the values from a plain log: from each line with "PERFHERDER_DATA:" and
// JSON behind it, whatever stands before. The log may be compressed. When a line is cut
// off, or its data is wrong, ReadLog returns job.ErrMalformed along with the values of
// all other lines.
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

// ofLine reads what stands behind the mark, from the first brace to the last, since
// escape sequences for colours may follow. long says that the line was cut.
//
//	` {"framework": …}` + "\x1b[0m"    the values
//	` is the mark, as in {…}`          nothing: the line only mentions the mark
//	` {"framework": `                  an error: the line is cut off
func ofLine(rest []byte, long bool) ([]Measurement, error) {
	from, to := bytes.IndexByte(rest, '{'), bytes.LastIndexByte(rest, '}')
	switch {
	case long:
		return nil, malformed("a line is longer than %d bytes", mostData)
	case from < 0 || len(bytes.TrimSpace(rest[:from])) > 0:
		return nil, nil // the line only mentions the mark
	case to < from:
		return nil, malformed("a line is cut off")
	}
	return parse(rest[from : to+1])
}

// nextLine returns the next line, cut off at its maximum length; long says that it was.
// The slice is valid until the next call.
func nextLine(r *bufio.Reader) (line []byte, long bool, err error) {
	line, err = r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, false, err
	}
	// The data can stand anywhere in the line, so all of it is kept, up to mostData bytes
	// and some room for what stands before the data.
	kept := bytes.Clone(line)
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = r.ReadSlice('\n')
		// Once there is no room left, the rest of the line is read and dropped.
		if room := mostData + 4096 - len(kept); len(line) > room {
			line, long = line[:max(0, room)], true
		}
		kept = append(kept, line...)
	}
	return kept, long, err
}

// ReadRun reads the values of a run: from the files that it uploaded for Perfherder, if
// the CI can open them, else from its log. A run that has neither, or no values in them,
// gives job.ErrNotFound; a CI without logs gives errors.ErrUnsupported.
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
		return append(files, found...), nil // a broken line does not take the values of the others away
	case bad == nil && errors.Is(err, job.ErrMalformed):
		bad = err
	case bad == nil:
		bad = fmt.Errorf("%w: no values in its log", job.ErrNotFound)
	}
	return nil, job.Wrap(op, run.ID(), bad)
}

// readKind reads one kind of file of a run. job.OpenLog gives all files of the kind one
// after the other, which is why ReadArtifact reads several.
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

package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/job"
)

// mostFailures is how many failures a report lists; a bug is about few.
const mostFailures = 50

// failuresReport is which tests failed in a log, and the lines of it that say so. name is
// the file or the run; run, which may be nil, is what is known of that run, and lines are
// those of the log by their number.
func (a *app) failuresReport(name string, run job.Job, r *joblog.Report, placer job.LineLocator,
	lines map[int]string,
) document {
	d := document{paragraph{a.failedIn(name, run, r), a.pagesOfLog(name, run)}}
	out := reportGrid{head: []own{"Test", "Status", "Expected", "Kind", "Line"}}
	var said logLines
	for _, f := range r.Failures[:min(len(r.Failures), mostFailures)] {
		where := line{ownf("%d", f.Line)}
		if placer != nil {
			if step, log, at := placer.Place(f.Line); log != "" {
				where = line{ownf("%d of ", at), code(log), own(" in "), code(step)}
			}
		}
		out.rows = append(out.rows, []line{
			quotedCell(f.Test, f.Group), quotedCell(f.Status), quotedCell(f.Expected), {own(f.Kind)}, where,
		})
		if text := saidOf(f, lines[f.Line]); len(said) == 0 || said[len(said)-1] != text {
			said = append(said, text)
		}
	}
	if more := len(r.Failures) - len(out.rows); more > 0 {
		out.rows = append(out.rows, []line{{ownf("… and %d more", more)}})
	}
	d = append(d, out, said)
	return append(d, notesOf(r))
}

// quotedCell is the first of some names that is there, as a cell.
func quotedCell(names ...string) line {
	if n := cmp.Or(names...); n != "" {
		return line{code(n)}
	}
	return nil
}

// failedIn says how many failures there are, and where.
func (a *app) failedIn(name string, run job.Job, r *joblog.Report) line {
	out := line{own(plural(len(r.Failures), "failure") + " in ")}
	switch {
	case len(r.Failures) > 0:
	case len(r.Formats) == 0 || r.Partial || len(r.Unfinished())+len(r.Nameless()) > 0:
		out = line{own("No failure could be read in ")}
	default:
		out = line{own("No failures in ")}
	}
	if run == nil && name == "-" {
		return append(out, own("standard input."))
	}
	if run == nil {
		return append(out, code(name), own("."))
	}
	out = append(out, code(run.Name()))
	if p := run.Push(); p.Testable() {
		out = append(append(append(out, own(" on "), heard(p.Repo), own(" ")), a.linkedPush(p)...), own(", "))
	} else {
		out = append(out, own(", "))
	}
	return append(out, own("run "), code(name), own("."))
}

// pagesOfLog are where to look at the run of a log.
func (a *app) pagesOfLog(name string, run job.Job) []pageLink {
	if a.opened == nil {
		return nil // it is a file
	}
	if run == nil {
		run = job.New(job.Fields{ID: name})
	}
	return a.pagesOfRun(run)
}

// saidOf is what a log says of a failure: its line, where that is about the failure, and
// otherwise the failure in the words of a plain log.
func saidOf(f joblog.Failure, text string) string {
	const enough = 40 // bytes of a message
	for _, sign := range []string{f.Test, f.Message[:min(len(f.Message), enough)]} {
		if sign != "" && strings.Contains(text, sign) {
			return text
		}
	}
	var parts []string
	for _, p := range []string{f.Status, f.Test, f.Subtest, f.Message} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if f.Signature != "" && !strings.Contains(f.Message, f.Signature) {
		parts = append(parts, "[@ "+f.Signature+"]")
	}
	return strings.Join(parts, " | ")
}

// notesOf are why there may be more failures than are listed.
func notesOf(r *joblog.Report) facts {
	var out facts
	add := func(l ...fragment) { out = append(out, fact{"Note", prose(l...)}) }
	switch {
	case len(r.Formats) == 0:
		add(own("the log was not understood: "), heard(r.Reason))
	case r.Partial:
		add(own("there may be more failures: "), heard(r.Reason))
	}
	if open := r.Unfinished(); len(open) > 0 {
		add(own(plural(len(open), "group")+" did not end, the first one "),
			code(open[0].Name))
	}
	if bad := r.Nameless(); len(bad) > 0 {
		n := oneOrMore(len(bad), "group", "groups")
		add(ownf("%d %s failed without naming a test, the first one ", len(bad), n),
			code(bad[0].Group))
	}
	return out
}

// runOf is what the CI knows of a run, and nil where it does not tell.
func (a *app) runOf(ctx context.Context, ci job.Scheduler, id string) job.Job {
	finder, ok := job.As[job.RunFinder](ci)
	if !ok {
		return nil
	}
	run, err := finder.FindRun(ctx, id)
	if err != nil {
		return nil
	}
	return run
}

// reportFiles prints a report of each file.
func (a *app) reportFiles(ctx context.Context, which joblog.Format, files []string) error {
	type read struct {
		*joblog.Report
		lines map[int]string
	}
	first := true
	return eachLog(ctx, a, files, func(ctx context.Context, in io.Reader) (read, error) {
		k := keepLog(in)
		r, err := joblog.Read(ctx, k, which, nil)
		return read{r, k.lines(r)}, err
	}, func(name string, of read, err error) error {
		if err != nil {
			return job.Wrap("failures", name, err)
		}
		if !first {
			say(a.reportTo, "\n")
		}
		first = false
		a.printReport(a.failuresReport(name, nil, of.Report, nil, of.lines))
		return a.howRead(name, of.Report)
	})
}

// keeping is a log that is written to a file while it is read, so that its lines can be
// quoted once it is known which.
type keeping struct {
	io.Reader
	file *os.File
	bad  error
}

// keepLog begins to keep a log. What cannot be kept is read all the same.
func keepLog(in io.Reader) *keeping {
	file, err := os.CreateTemp("", "mozci-log-")
	if err != nil {
		return &keeping{Reader: in, bad: err}
	}
	k := &keeping{file: file}
	k.Reader = io.TeeReader(in, k)
	return k
}

// Write keeps a part. A full disk does not end the reading.
func (k *keeping) Write(p []byte) (int, error) {
	if k.bad == nil {
		_, k.bad = k.file.Write(p)
	}
	return len(p), nil
}

// forPrograms are the formats whose lines nobody reads.
var forPrograms = []joblog.Format{joblog.ErrorSummary, joblog.StructuredLog, joblog.WPTReport, joblog.JUnit}

// lines are the lines of the failures of a report, by their number, and ends the keeping.
func (k *keeping) lines(r *joblog.Report) map[int]string {
	if k == nil || k.file == nil {
		return nil
	}
	defer func() { _, _ = k.file.Close(), os.Remove(k.file.Name()) }()
	if r == nil || k.bad != nil || slices.Contains(forPrograms, r.Source) {
		return nil
	}
	var wanted []int
	for _, f := range r.Failures[:min(len(r.Failures), mostFailures)] {
		wanted = append(wanted, f.Line)
	}
	slices.Sort(wanted)
	if _, err := k.file.Seek(0, io.SeekStart); err != nil {
		return nil
	}
	text, done, err := joblog.Unpacked(k.file)
	if err != nil {
		return nil
	}
	defer done()
	return linesAt(text, slices.Compact(wanted))
}

// linesAt are some lines of a text, which are given in their order; a line's beginning is
// enough.
func linesAt(text io.Reader, wanted []int) map[int]string {
	const most = 4096
	out := map[int]string{}
	in := bufio.NewReaderSize(text, most)
	for n := 1; len(wanted) > 0; n++ {
		begin, err := in.ReadSlice('\n')
		if n == wanted[0] {
			out[n], wanted = string(begin), wanted[1:]
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = in.ReadSlice('\n')
		}
		if err != nil {
			break
		}
	}
	return out
}

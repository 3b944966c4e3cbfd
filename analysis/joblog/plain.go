package joblog

import (
	"context"
	"fmt"
	"io"

	"github.com/mozci/mozci/internal/phrase"
)

// A plain log is read once, in blocks. On all cores, plainTriggers looks for the literals of all readers
// in one pass; each reader is then given its part of the log, in order:
//
//	textLog     the lines of Mozilla's harnesses, and error lines
//	watcher     whole blocks in which a test runner may have written something
//	exits       lines that say that a command failed
//	framing     the first and the last line
//
// At the end the failures of test runners are merged into those of textLog.

// The sets of markers and of exitPhrases in plainTriggers: the bits of their places among the arguments of
// newSearcher. errorLiterals are 1 (errorSet), and testLiterals 2 (testSet).
const (
	runnerSet sets = 4
	exitSet   sets = 8
)

// plainTriggers find the literals of all readers of a plain log in one pass.
var plainTriggers = newSearcher(errorLiterals, testLiterals, markers, exitPhrases)

// ours are literals of the logs of Mozilla's harnesses: a log that has one is
// understood, whatever else is in it.
var ours = newSearcher([]string{
	"TEST-START", "TEST-PASS", "TEST-OK", "TEST-END", "TEST-SKIP", "TEST-KNOWN-", "TEST-UNEXPECTED-", "TEST-FAIL",
	"TEST-INFO", "SUITE-START", "SUITE-END", "SUITE_START",
	"PROCESS-CRASH", "REFTEST TEST", "REFTEST INFO", "     INFO - ", "TinderboxPrint",
	"Successful task run with exit code: 0",
})

// readPlain reads a plain log: the lines of Mozilla's harnesses, and those of
// test runners. A log in which no line is known gives a Partial report with no Formats, and one that
// could not be read to its end a Partial report of what was read. The only error is that of ctx.
func readPlain(ctx context.Context, in io.Reader, opts Options) (*Report, error) {
	p, w := newTextLog(opts.Tests), newWatcher(PlainText, opts.Tests)
	var exit exits
	var end framing
	r := p.r
	take := func(b block, of *lines) error {
		p.lines.each(of, func(f *line) bool {
			if f.sets&exitSet != 0 {
				exit.line(bare(string(f.text[:min(len(f.text), longestText)])))
			}
			p.found(f)
			return true
		})
		w.block(b.text, of.sets&runnerSet != 0, b.over)
		end.block(b.text)
		return nil
	}
	err := eachBlock(ctx, &colourless{in: in}, opts.in, p.lines.look, take)
	if err != nil && ctx.Err() == nil {
		r.torn = true
		r.partial(fmt.Sprintf("the log could not be read to its end: %v", err))
	}
	p.finish()
	if ctx.Err() != nil {
		return r, ctx.Err()
	}
	w.finish()
	mozilla := w.roll.into(r) > 0 || w.mozilla
	if mozilla {
		r.Formats = append(r.Formats, PlainText)
	}
	r.Formats = append(r.Formats, w.roll.formats...)
	if !mozilla && len(r.Formats) == 1 {
		r.Source = r.Formats[0]
	}
	switch {
	case len(r.Formats) == 0:
		r.Reason = "" // this reason replaces all others
		r.partial(fmt.Sprintf("no line of a known format in %s", phrase.Count(max(w.number, w.last), "line")))
	case len(r.Failures) == 0 && exit.failed != "":
		r.partial("no failure was recognised, and the log says: " + exit.failed)
	}
	if why := end.missing(); why != "" {
		r.torn = true
		if len(r.Failures) == 0 {
			r.partial(why)
		} else {
			r.Notes = append(r.Notes, why)
		}
	}
	return r, nil
}

// readLines reads a plain log for the lines of one test runner alone.
func readLines(ctx context.Context, in io.Reader, which Format, opts Options) (*Report, error) {
	r, w := newReport(which).want(opts.Tests), newWatcher(which, opts.Tests)
	err := eachBlock(ctx, in, opts.in, nil, func(b block, _ *struct{}) error {
		w.block(b.text, true, b.over)
		return nil
	})
	if ctx.Err() != nil {
		return r, ctx.Err()
	}
	if err != nil {
		r.torn = true
		r.partial(fmt.Sprintf("the log could not be read to its end: %v", err))
	}
	w.finish()
	w.roll.into(r)
	r.Formats = w.roll.formats
	if len(r.Formats) == 0 {
		r.partial(fmt.Sprintf("no line of %s in %s", which, phrase.Count(max(w.number, w.last), "line")))
	}
	return r, nil
}

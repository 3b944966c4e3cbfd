package joblog

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/clip"
)

// While a log is read, begin and end note in the outcome of a test what happened to it. At the end of the
// log, finish decides about the tests that are still open, and verdict.go judges the outcomes. A later
// line never takes a failure back, except a crash that was expected (settle).

// ending is how a test ended, or that it has not. The zero value is none of them.
type ending int

const (
	started    ending = iota + 1
	passed            // well
	failed            // not as expected
	skipped           // it was not run
	expectedly        // as expected, which was not well: a known failure
	retrying          // not well, and it will be run again
)

// outcome is what is known of a test, under all its names. Several of passed, failed and skipped can be
// set, since a test can run several times; together decides which counts. A test is open as long as
// one of its names has begun and not ended, and then it has not passed.
type outcome struct {
	open []string // the names under which it began and has not ended
	line int      // where it began last
	hole int      // how many parts of the log could not be read before it began

	passed, failed, skipped bool
	crashed                 bool // it crashed, and it is not known yet whether that was expected
	mayCrash                bool // a crash was its expected end
	soft                    bool // it ended with a known failure
	lost                    bool // it began again before it ended, or its result is not known
	flaky                   bool // it ended badly and was run again: if it passed then, it has still not passed
	implied                 bool // it is open and another test began: its end, if the log has no explicit ends
	wasImplied              bool // it began again after such an end
	listed                  bool // gtest lists its failures again at the end
}

// outcome finds or makes the outcome of a test; nil when there are too many. Most names are canonical,
// and are found in r.tests at once. Another spelling is canonicalised once and then found in
// r.spelled: /tests/dom/a.html leads to the outcome of dom/a.html.
func (r *Report) outcome(test string) *outcome {
	o, ok := r.tests[test]
	if ok {
		return o
	}
	asked := test
	test = clip.Text(test, longestName)
	name := test
	if !ordinary(test) {
		if o, ok := r.spelled[test]; ok {
			return o
		}
		name = CanonicalTest(test)
	}
	full := r.size.tests > mostTestText
	if name != asked { // otherwise it was looked for above
		o = r.tests[name]
	}
	if o == nil {
		if o = r.newOutcome(name, full); o == nil {
			return nil
		}
	}
	if name != test && !full {
		if r.spelled == nil {
			r.spelled = map[string]*outcome{}
		}
		r.spelled[test] = o
		r.size.tests += len(test) + perTest/2 // an entry of the map, and no outcome
	}
	return o
}

// newOutcome makes the outcome of a canonical name. When the report is full it does so only for a test
// that the caller asked about, or one in a file that the caller asked about.
func (r *Report) newOutcome(name string, full bool) *outcome {
	file := fileOf(name)
	if full && !r.asked[name] && !r.asked[file] {
		r.partial(tooManyTests)
		return nil
	}
	o := &outcome{hole: r.holes}
	if r.tests == nil {
		r.tests = map[string]*outcome{}
	}
	r.tests[name] = o
	r.size.tests += len(name) + perTest
	if file != name {
		if r.byFile == nil {
			r.byFile = map[string][]*outcome{}
		}
		r.byFile[file] = append(r.byFile[file], o)
		r.size.tests += perTest // for byFile
	}
	return o
}

// begin notes that a test began. If it began before under the same name and has not ended, that
// earlier run of it is lost: its end is not known. But if another test began in between, that may have
// been its end (implied), and finish decides. Nil means that the report is full.
func (r *Report) begin(test string, line int) *outcome {
	if len(test) > longestName {
		test = clip.Text(test, longestName)
	}
	o := r.outcome(test)
	if o == nil {
		return nil
	}
	switch {
	case slices.Contains(o.open, test):
		if o.implied {
			o.implied, o.wasImplied = false, true
		} else {
			o.lost = true
		}
	case len(o.open) >= mostOpen:
		o.lost = true
	default:
		o.open = append(o.open, strings.Clone(test))
		o.hole = r.holes
	}
	if o.soft { // it runs again, so the known failure was not its end
		o.flaky = true
	}
	o.line, o.mayCrash = line, false
	return o
}

// seen notes that a test is running, when the log does not say when it began.
func (r *Report) seen(test string, line int) {
	if len(test) > longestName {
		test = clip.Text(test, longestName)
	}
	if o := r.outcome(test); o != nil && !slices.Contains(o.open, test) && len(o.open) < mostOpen {
		o.open, o.line = append(o.open, strings.Clone(test)), line
	}
}

// mostOpen is the maximum number of names under which a test can be open at the same time. It bounds the
// time to search them.
const mostOpen = 100

// end notes how a test ended. A failure wins over everything. The ending "started" is that of a test
// whose end is not known, as the readers of test runners report it.
func (r *Report) end(test string, e ending) {
	if e == started {
		r.begin(test, 0)
		return
	}
	if len(test) > longestName {
		test = clip.Text(test, longestName) // as begin has it
	}
	if o := r.outcome(test); o != nil {
		r.ended(o, test, e)
	}
}

// ended notes how the test of an outcome ended.
func (r *Report) ended(o *outcome, test string, e ending) {
	o.close(test)
	switch e {
	case passed, expectedly:
		o.passed = true
		o.soft = o.soft || e == expectedly
		o.lost = o.lost || o.hole != r.holes // what could not be read since it began may be its failure
	case failed:
		r.failed(o, test)
		o.failed = true
	case skipped:
		o.skipped = true
	case retrying:
		o.flaky = true
	}
}

// close ends the open name that is given, or else the only open name: a test that began as
// /tests/dom/a.html may end as dom/a.html. Of several open names, none is ended by another.
func (o *outcome) close(test string) {
	if len(o.open) == 0 {
		return
	}
	i := slices.Index(o.open, test)
	if i < 0 && len(o.open) == 1 {
		i = 0
	}
	if i >= 0 {
		o.open = slices.Delete(o.open, i, i+1)
		o.implied = false
	}
}

// settle drops the crashes of a test whose expected end was a crash: those that were reported before its
// end, and those that are still reported until it begins again.
func (r *Report) settle(test string) {
	o := r.outcome(test)
	if o == nil {
		return
	}
	o.crashed, o.mayCrash = false, true
	for _, i := range r.crashes[o] {
		r.drop(i)
	}
	delete(r.crashes, o)
}

// drop takes back a failure that was listed, given its index in r.Failures; -1 is one that was not
// listed. The failure stays in its place until finish, so that the indices of others hold.
func (r *Report) drop(at int) {
	if r.dropped == nil {
		r.dropped = map[int]bool{}
	}
	if at >= 0 {
		r.dropped[at] = true
	}
}

// finish is called at the end of a log. It lists the tests that began and have no end. implied says
// that the beginning of the next test is the end of a test; group returns the group of a test, if
// it is known. The order of the log holds afterwards: those failures are sorted in by the line at which
// their test began.
//
//	TEST-START | a, TEST-PASS | a | x, TEST-START | b
//	implied true     a has passed; b is listed, as "the test began and did not end"
//	implied false    both are listed
func (r *Report) finish(implied bool, group func(test string) string) {
	if len(r.dropped) > 0 {
		all := r.Failures
		r.Failures = nil
		for i, f := range all {
			if !r.dropped[i] {
				r.Failures = append(r.Failures, f)
			}
		}
	}
	var open []Failure
	for _, o := range r.tests {
		switch {
		case o.implied && implied:
			o.open, o.passed = nil, true
		case o.wasImplied && !implied:
			o.lost = true // its earlier run has no end after all
		}
		if o.failed || o.crashed {
			continue
		}
		for _, name := range o.open {
			f := Failure{Line: o.line, Kind: KindTest, Test: name, Group: group(name), Message: neverEnded}
			open = append(open, f)
		}
	}
	slices.SortFunc(open, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Test, b.Test))
	})
	for _, f := range open {
		r.list(f)
	}
	if len(open) > 0 {
		slices.SortStableFunc(r.Failures, func(a, b Failure) int { return cmp.Compare(a.Line, b.Line) })
	}
	r.dropped, r.crashes = nil, nil
}

// neverEnded is the message of a test that began and did not end.
const neverEnded = "the test began and did not end"

// unended reports whether this is such a test, which has not failed.
func (f Failure) unended() bool { return f.Status == "" && f.Message == neverEnded }

// failed notes the name of a failed test when it may be the name of other tests too. This is so for a
// file whose place in the source tree is unknown (/opt/ci/run-77/dom/a.html may be dom/a.html), and for
// a variant (/css/a.html?x=1 is in the file /css/a.html). Such other tests are then unknown and not
// passed; see mayBe.
func (r *Report) failed(o *outcome, test string) {
	if o.failed || o.crashed || ordinary(test) {
		return
	}
	name := CanonicalTest(test)
	if strings.HasPrefix(name, "/") || strings.Contains(name, "://") || strings.Contains(name, "?") {
		r.strays = append(r.strays, name)
	}
}

// crashStatus is the status of a test in which a process crashed.
const crashStatus = "CRASH"

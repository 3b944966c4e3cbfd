package joblog

import (
	"slices"
	"sort"
	"strings"

	"github.com/mozci/mozci/internal/clip"
)

const (
	longestDetail = 4 << 10          // bytes of a message that a test runner's failure keeps
	mostEnds      = mostTestText / 2 // bytes of the names of tests and of how they ended
	perEnd        = 64               // bytes that a test takes beside its name
)

// roll is what the readers of a plain log have found. All readers of a log share one roll; into merges it
// into the report of the log. Unlike in a Report, names are as the test runner writes them, and a test
// has one ending.
type roll struct {
	formats  []Format          // those of which a line was seen, in that order
	failures []Failure         // in the order in which they were reported; at most mostFailures
	names    []string          // the keys of ends, in the order of the log
	ends     map[string]ending // by test: the worst end
	size     int               // bytes that names and ends take; see mostEnds
	asked    map[string]bool   // canonical names that are kept even beyond mostEnds
	reason   string            // why there may be more; the first reason is kept
	spans    []span            // the lines of test runners; sorted by from and without overlaps after merge
	torn     bool              // the present line has no line break: it may go on
}

// span is the lines of one run of a test runner, both inclusive: {3, 3} is line 3 alone.
type span struct{ from, to int }

// newRoll returns a roll that keeps the ends of these tests even beyond its limits.
func newRoll(tests []string) *roll {
	r := &roll{ends: map[string]ending{}, asked: map[string]bool{}}
	for _, t := range tests {
		r.asked[CanonicalTest(t)] = true
	}
	return r
}

// partial notes why there may be more failures.
func (r *roll) partial(why string) {
	if r.reason == "" {
		r.reason = why
	}
}

func (r *roll) saw(f Format) {
	if !slices.Contains(r.formats, f) {
		r.formats = append(r.formats, f)
	}
}

// add lists a failure, with at most 4 KiB of its message.
func (r *roll) add(f Failure) {
	if len(r.failures) >= mostFailures {
		r.partial(tooManyFailures)
		return
	}
	r.failures = append(r.failures, f.clipped(longestDetail))
}

// end notes how a test ended in one run of a test runner. Of several runs, of the same package or of
// others, the worst counts: a test that failed once has failed, and one that once did not end is
// not known to have passed.
func (r *roll) end(name string, e ending) {
	if name == "" {
		return
	}
	if e == passed && r.torn { // the rest of the line may say otherwise
		e = started
	}
	if len(name) > longestName {
		name = clip.Text(name, longestName)
	}
	was, known := r.ends[name]
	switch {
	case !known && r.size > mostEnds && !r.asked[CanonicalTest(name)]:
		r.partial(tooManyEnds)
	case !known:
		name = strings.Clone(name) // otherwise it would keep the whole line in memory
		r.size += len(name) + perEnd
		r.names = append(r.names, name)
		r.ends[name] = e
	case worse(e) > worse(was):
		r.ends[name] = e
	}
}

// worse orders endings by what they forbid to say of a test: failed is the worst, then started, which is
// an unknown end, then passed, then all others.
func worse(e ending) int {
	switch e {
	case failed:
		return 4
	case started:
		return 3
	case passed:
		return 2
	}
	return 1
}

// span notes the lines of a run; the runs of a log come in any order. A run that begins within the last
// one, or right after it, makes that one longer, which keeps the list short; merge does the rest.
//
//	{1,10}, then 11 to 20    {1,20}
//	{1,20}, then 50 to 60    {1,20} {50,60}
//	{50,60}, then 5 to 8     {50,60} {5,8}
func (r *roll) span(from, to int) {
	if n := len(r.spans); n > 0 && from <= r.spans[n-1].to+1 && from >= r.spans[n-1].from {
		r.spans[n-1].to = max(r.spans[n-1].to, to)
		return
	}
	if len(r.spans) < mostFailures {
		r.spans = append(r.spans, span{from, to})
	}
}

// covers reports whether a failure found by the rules for plain logs is only a part of a test
// runner's output. The last line of a traceback is not a failure of its own, and both read the
// lines of gtest.
func (r *roll) covers(f Failure) bool {
	if !r.inSpan(f.Line) {
		return false
	}
	switch f.Kind {
	case KindLog, KindBuild, KindInfra:
		return true
	case KindTest:
		if _, known := r.ends[f.Test]; known && f.unended() {
			return true // its reader knows better how it ended
		}
		_, taken := slices.BinarySearchFunc(r.failures, f.Line, func(o Failure, line int) int { return o.Line - line })
		return taken || r.ends[f.Test] == failed
	}
	return false
}

// inSpan reports whether a line is one of a test runner's. It sorts the spans, if needed, and searches for
// the first one that does not end before the line: for line 65 in {1,20} {50,70} that is the second.
func (r *roll) inSpan(line int) bool {
	if !sort.SliceIsSorted(r.spans, func(i, j int) bool { return r.spans[i].from < r.spans[j].from }) {
		r.merge()
	}
	i := sort.Search(len(r.spans), func(i int) bool { return r.spans[i].to >= line })
	return i < len(r.spans) && r.spans[i].from <= line
}

// merge sorts the spans, and joins those that overlap: {50,60} {5,8} {55,70} become {5,8} {50,70}.
func (r *roll) merge() {
	slices.SortFunc(r.spans, func(a, b span) int { return a.from - b.from })
	out := r.spans[:0]
	for _, s := range r.spans {
		if n := len(out); n > 0 && s.from <= out[n-1].to {
			out[n-1].to = max(out[n-1].to, s.to)
			continue
		}
		out = append(out, s)
	}
	r.spans = out
}

// endings calls each with the end of each test, by its canonical name, in no order. As in a verdict,
// a failure wins over everything, and an unknown end over the rest.
func (r *Report) endings(each func(test string, e ending)) {
	for test, o := range r.tests {
		switch {
		case o.failed || o.crashed:
			each(test, failed)
		case o.lost || o.flaky || len(o.open) > 0:
			each(test, started)
		case o.passed:
			each(test, passed)
		case o.skipped:
			each(test, skipped)
		}
	}
}

// into adds what the readers found to the report of the log. It drops those failures of the report
// that are part of a test runner's output, and returns the number of those that are left.
func (r *roll) into(to *Report) (kept int) {
	slices.SortStableFunc(r.failures, func(a, b Failure) int { return a.Line - b.Line })
	if len(r.spans) > 0 {
		to.Failures = slices.DeleteFunc(to.Failures, r.covers)
	}
	kept = len(to.Failures)
	for _, f := range r.failures {
		if f.unended() {
			to.list(f)
		} else {
			to.add(f)
		}
	}
	slices.SortStableFunc(to.Failures, func(a, b Failure) int { return a.Line - b.Line })
	for _, name := range r.names {
		to.end(name, r.ends[name])
	}
	if r.reason != "" {
		to.partial(r.reason)
	}
	return kept
}

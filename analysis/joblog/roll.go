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

// roll is what the readers of a plain log have found.
type roll struct {
	formats  []Format
	failures []Failure
	names    []string // in their order
	ends     map[string]ending
	size     int
	asked    map[string]bool // canonical names that are kept whatever else is
	reason   string          // why there may be more
	spans    []span          // the lines of test runners
	torn     bool            // the present line has no line break: it may go on
}

// span is the lines of one run of a test runner, both inclusive.
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
	if e == passed && r.torn {
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

// worse orders endings by what they forbid to say of a test.
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

// span notes the lines of a run; the runs of a log come in any order.
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

func (r *roll) inSpan(line int) bool {
	if !sort.SliceIsSorted(r.spans, func(i, j int) bool { return r.spans[i].from < r.spans[j].from }) {
		r.merge()
	}
	i := sort.Search(len(r.spans), func(i int) bool { return r.spans[i].to >= line })
	return i < len(r.spans) && r.spans[i].from <= line
}

// merge sorts the spans, and joins those that overlap.
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

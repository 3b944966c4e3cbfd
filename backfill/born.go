package backfill

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/job"
)

// A label or a test that was added within the range cannot have been broken by pushes
// before that, and cannot be run there. What shows that it did not exist yet is a run
// without the test, or a catalog without the label. A push on which it merely did not run
// shows nothing.

// presence says whether a label and its test exist on a push.
type presence int

const (
	unknown presence = iota
	there
	absent
)

// presence returns what a look at a push says about the label there.
func (r looked) presence() presence { return presenceOf(r.runs, r.absent) }

// presenceOf derives it from the runs, and from whether the label is known to be missing.
// A result is the stronger evidence: it says "there" even when a catalog lacks the label.
func presenceOf(runs analysis.Runs, missing bool) presence {
	switch {
	case runs.Good+runs.Bad > 0:
		return there
	case missing, runs.NoTest > 0:
		return absent
	}
	return unknown
}

// birth finds where a label was added: the oldest push on which it is there (first), and
// the newest one before it on which it is known to be absent (last). of is oldest first,
// and so are the indices. Both are -1 when the label is not known to have been absent
// before it was there.
//
// For absent unknown absent unknown there it returns 2 and 4: pushes 3 and 4 may have
// added it.
func birth(of []presence) (last, first int) {
	first = slices.Index(of, there)
	for i := first - 1; i >= 0; i-- {
		if of[i] == absent {
			return i, first
		}
	}
	return -1, -1
}

// bornWords says that there was nothing to break before a push. between says that nothing
// is known about some pushes between last and first.
func bornWords(what string, last, first job.Push, between bool) string {
	if between {
		return fmt.Sprintf("%s did not exist up to push %s, and first ran on push %s: no push up to the former can "+
			"have broken it", what, last, first)
	}
	return fmt.Sprintf("%s did not exist before push %s: no older push can have broken it", what, first)
}

// subject returns what the question is about, as the subject of a sentence. runs are
// those of the push on which it does not exist.
func (l *looker) subject(runs analysis.Runs) string {
	switch {
	case l.test != "":
		return "the test " + l.test
	case runs.NoTest > 0, len(l.manifests) > 0:
		return "the test"
	}
	return l.label
}

// lastWithout returns the index of the newest push whose catalog lacks the label, or -1
// when no catalog is known to lack it. The pushes are oldest first, and the label ran on
// none of them. It asks for few catalogs, by halving the range; a label that was removed
// and added again in between is missed.
func (l *looker) lastWithout(ctx context.Context, pushes []job.Push) int {
	if l.absent != nil || len(l.manifests) > 0 || len(pushes) == 0 {
		return -1
	}
	if _, ok := job.As[job.Cataloger](l.ci); !ok {
		return -1
	}
	base := slices.IndexFunc(pushes, job.Push.Testable)
	if base < 0 || l.offered(ctx, pushes[base]) != absent {
		return -1
	}
	// last is the newest push known to lack the label; up to base nothing newer can be
	// found; end is the oldest push known to have it, or the end. Where a catalog cannot
	// be read, the next older one stands in for it.
	last, end := base, len(pushes)
	for end-base > 1 {
		// From the middle down to the nearest readable catalog; at == base if there is
		// none
		middle := (base + end) / 2
		at, is := middle, unknown
		for at > base {
			if is = l.offered(ctx, pushes[at]); is != unknown {
				break
			}
			at--
		}
		switch {
		case at > base && is == there:
			end = at
		case at > base:
			last, base = at, middle
		default: // the catalogs up to the middle tell nothing
			base = middle
		}
	}
	return last
}

// offered returns whether the catalog of a push has the label, as far as it can be read.
func (l *looker) offered(ctx context.Context, p job.Push) presence {
	if !p.Testable() {
		return unknown
	}
	entries, err := job.Catalog(ctx, l.ci, p)
	if err != nil || len(entries) == 0 {
		return unknown
	}
	var missing *job.UnknownLabelError
	if _, err := job.Lookup(entries, l.label); errors.As(err, &missing) {
		return absent
	}
	return there
}

// born finds out when the label was added, from the history of a walk. The history is
// newest first, birth wants the oldest first: index i of the one is len-1-i of the other.
func (f *finder) born(ctx context.Context, r *FindResult) {
	of := make([]presence, len(r.History))
	pushes := make([]job.Push, len(r.History))
	ran := len(r.History) // the oldest push on which it did anything
	for i, s := range r.History {
		at := len(r.History) - 1 - i
		of[at], pushes[at] = presenceOf(s.Runs, s.Absent), s.Push
		if s.Runs.Seen > 0 || s.Err != nil || of[at] != unknown {
			ran = at
		}
	}
	if ran == len(pushes) {
		return
	}
	if at := f.lastWithout(ctx, pushes[:ran]); at >= 0 {
		of[at] = absent
		r.History[len(r.History)-1-at].Absent = true
	}
	last, first := birth(of)
	if last < 0 {
		return
	}
	between := false
	for i := last + 1; i < first; i++ {
		between = between || r.History[len(r.History)-1-i].Verdict != analysis.Untestable
	}
	r.Born, r.unborn, r.subject = &pushes[first], &pushes[last], f.subject(r.History[len(r.History)-1-last].Runs)
	r.Warnings = append(r.Warnings, bornWords(r.subject, pushes[last], pushes[first], between))
}

// notBorn reports whether the label did not exist yet on a push.
func (r *FindResult) notBorn(p job.Push) bool { return r.unborn != nil && p.Compare(*r.unborn) <= 0 }

// catalogs looks into the catalogs of the oldest pushes, on which the label did not run,
// to see whether they have it.
func (s *searcher) catalogs(ctx context.Context) {
	if s.o.FindFix {
		return
	}
	ran := slices.IndexFunc(s.pushes[:s.to+1], func(p job.Push) bool {
		r := s.seen[p.Key()]
		return r.runs.Seen > 0 || r.err != nil || r.presence() != unknown
	})
	if ran <= 0 {
		return
	}
	if at := s.lastWithout(ctx, s.pushes[:ran]); at >= 0 {
		key := s.pushes[at].Key()
		r := s.seen[key]
		r.absent = true
		s.seen[key] = r
	}
}

// bornWithin returns the indices in s.pushes of the last push without the label and of
// the first with it, or -1 and -1 when it is not known to have been added within what was
// read.
func (s *searcher) bornWithin() (last, first int) {
	if s.o.FindFix {
		return -1, -1
	}
	of := make([]presence, 0, s.to+1)
	for _, p := range s.pushes[:s.to+1] {
		of = append(of, s.seen[p.Key()].presence())
	}
	return birth(of)
}

// unborn tells the engine that no push up to the last one without the label can be run,
// or can have broken it. That last push keeps its place: it is the parent of the first
// one that can have.
func (s *searcher) unborn(o *culprit.Options) {
	last, _ := s.bornWithin()
	if last < s.from {
		return
	}
	// Nothing older can have broken it: -1 stands for a prior of 0, since 0 means the
	// default.
	o.PriorOlder = -1
	if o.Weights == nil {
		o.Weights = make([]float64, s.to-s.from+1)
		for x := range o.Weights {
			o.Weights[x] = 1
		}
	}
	for x := range last - s.from + 1 {
		o.Weights[x], o.Untestable[x], o.Closed[x] = 0, true, false
	}
	// Closed, not Untestable, keeps the push as a parent of its own.
	o.Untestable[last-s.from], o.Closed[last-s.from] = false, true
}

// sinceBirth accepts a culprit that cannot be confirmed because its parent cannot pass:
// it is the first push that can have the label, or cannot be told apart from it. A
// failure on it is then enough.
func (s *searcher) sinceBirth(d culprit.Decision) culprit.Decision {
	last, _ := s.bornWithin()
	if last < s.from || !d.Done || d.Confirmed || d.Culprit < 0 || len(d.Class) == 0 ||
		d.Class[0] != last-s.from+1 || d.Probability < s.confidence() {
		return d
	}
	switch p := s.pushes[s.from+d.Culprit]; {
	case s.seen[p.Key()].runs.Bad == 0:
	case d.Outcome == culprit.Undecided, d.Outcome == culprit.Found:
		d.Outcome = culprit.Found
		d.Why = fmt.Sprintf("it failed on the culprit, and %s did not exist before",
			s.subject(s.seen[s.pushes[last].Key()].runs))
	}
	return d
}

// confidence is that of the options, with the default of culprit.Options.
func (s *searcher) confidence() float64 {
	if s.o.Confidence == 0 {
		return 0.95
	}
	return s.o.Confidence
}

// born reports a label that was added, and leaves the pushes before that out of the
// result: the range then begins with the last push without it.
func (r *SearchResult) born(s *searcher) {
	last, first := s.bornWithin()
	if last < 0 {
		return
	}
	between := false
	for _, p := range s.pushes[last+1 : first] {
		between = between || s.blocked[p.Key()] == ""
	}
	r.Born = &s.pushes[first]
	what := s.subject(s.seen[s.pushes[last].Key()].runs)
	r.Warnings = append(r.Warnings, bornWords(what, s.pushes[last], s.pushes[first], between))
	if last >= s.from {
		r.Pushes = r.Pushes[last-s.from:]
	}
}

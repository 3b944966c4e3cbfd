package autopilot

import (
	"fmt"
	"time"

	"github.com/mozci/mozci/internal/phrase"
	"github.com/mozci/mozci/job"
)

// A case is a search between a last good push and a first bad one. What was read (see.go) becomes a
// view, decide turns the view into a move, and work.go carries the move out. Nothing here reads or
// writes, so the tests draw lines of pushes as text: "g--b" is a good push, two on which the label
// did not run, and a bad one.

// spot is what is known of one push in a search.
type spot struct {
	push  job.Push
	label string // the chunk that runs the case's test on this push
	// bad and good count the runs that the case's judge calls so: a run that failed in another way
	// than the case's failure is in unclear.
	bad, good  int
	running    int  // runs under way, and runs that were requested and are not visible yet
	counted    int  // number of runs that count towards a total; see job.Status
	unclear    int  // number of runs that ended without telling anything
	ours       int  // number of runs that the case triggered
	untestable bool // nothing can run on it, or the CI refused
	cancelled  bool // a person cancelled a run on it
}

// can reports whether another run on the push could tell something new. After two runs that ended
// without telling anything the push is left alone.
func (s spot) can() bool {
	return s.bad == 0 && s.good == 0 && s.running == 0 && s.unclear < 2 && s.ours < 2 && s.again()
}

// again reports whether a push with a result can be run once more.
func (s spot) again() bool { return !s.untestable && !s.cancelled }

// line holds the pushes of a search, oldest first, from the last good to the first bad one. In a
// repository that a merge came from, and where no push is known to be bad, bad is len(spots), one
// past the last push: there the merge itself is the bad push. Index 0 is the last good push. When
// none is known, it is the zero spot, which keeps the other indices the same.
//
// With the last good push 17 and the first bad push 20, spots has 17, 18, 19 and 20, bad is 3, the
// gap is 1 and 2, and the suspects are 18, 19 and 20.
type line struct {
	spots []spot
	bad   int
}

// gap returns the indices of the pushes strictly between good and bad that a run would tell about.
// "gxu-b" has only 3: on 1 nothing can run, and on 2 two runs ended without telling anything.
func (l line) gap() (can []int) {
	for i := 1; i < l.bad; i++ {
		if l.spots[i].can() {
			can = append(can, i)
		}
	}
	return can
}

// running returns the pushes of the gap that have a run under way.
func (l line) running() (out []job.Push) {
	for i := 1; i < l.bad; i++ {
		if l.spots[i].running > 0 {
			out = append(out, l.spots[i].push)
		}
	}
	return out
}

// suspects returns the pushes that can be the culprit: after the last good one, up to and including
// the first bad one.
func (l line) suspects() (out []job.Push) {
	for i := 1; i <= l.bad && i < len(l.spots); i++ {
		if l.spots[i].push.Testable() { // a push without changesets broke nothing
			out = append(out, l.spots[i].push)
		}
	}
	return out
}

// thirds returns one or two pushes that divide the gap best: of 1 or 2 candidates one, of more the
// two at one and two thirds. Two runs at a time need a quarter more runs than one, but only two
// thirds of the rounds, and a round takes hours. Of the 7 candidates 1 to 7 they are 3 and 5.
func thirds(can []int) []int {
	switch n := len(can); n {
	case 0, 1, 2:
		return can
	default:
		return []int{can[n/3], can[2*n/3]}
	}
}

// view is all that decides what a case does next.
type view struct {
	line     line
	nameless bool // the log names no test, so the red push is run once more before anything else
	flaky    bool // the label failed before the last good push too, or passed and failed on the same push
	// reds is the number of red pushes from the first bad one on. greens is the number of green
	// runs on the first bad push and on newer ones. "gbbg" has 2 reds and 1 green.
	reds, greens int
	failed       int           // number of red runs on all these pushes; at least reds
	redRuns      int           // number of red runs on the first bad push
	pushed       int           // number of pushes newer than the start, with or without a result; at most newerMost
	newerRunning []job.Push    // pushes newer than the start that will soon have a result
	spent        int           // number of runs that the case has triggered
	left         int           // number of runs that the case may still trigger
	age          time.Duration // since the case was opened
	maxAge       time.Duration // Config.MaxAge
	dry          bool          // the robot may not act, so it ends with a proposal instead of a run
}

// move is what a case does next: run something, wait, or end. A wait has only wait. An end has end
// and why, and, when it is Proposed, the run that would have been triggered. Otherwise run is not
// empty.
type move struct {
	run  []int // indices of the pushes to run once more each
	wait string
	end  Outcome
	why  string
}

// decide says what a case does next. It is a pure function. The order matters: first what is under
// way, because its results are already paid for; then what ends the search without another run;
// then the gap; and only when the gap is closed, what the first bad push itself leaves open.
func decide(v view) move {
	first := v.line.bad
	// No push of the line is bad: the line is in a repository that a merge came from, and the bad
	// push is the merge, which is not in it.
	inner := first >= len(v.line.spots)
	if on := v.line.running(); len(on) > 0 {
		return move{wait: fmt.Sprintf("for a run on push %d", on[0].ID)}
	}
	if !inner && v.line.spots[first].running > 0 {
		return move{wait: fmt.Sprintf("for another run on push %d", v.line.spots[first].push.ID)}
	}
	if v.nameless && !inner && v.redRuns < 2 && v.greens == 0 && v.once() {
		return v.buy([]int{first}, "the log names no test, so the red push is run once more before anything else")
	}
	if over := v.over(); over != nil {
		return *over
	}
	if can := v.line.gap(); len(can) > 0 {
		return v.buy(thirds(can), fmt.Sprintf("between the last good push and the first bad one, %s can be tested",
			pushes(len(can))))
	}
	return v.conclude(inner)
}

// over ends a search whose failure turns out to be intermittent, before it triggers any more runs.
// With two red pushes it is not intermittent, nor without a green run. It needs 3 green runs, or 2
// once the case is older than MaxAge.
func (v view) over() *move {
	if v.reds > 1 || v.greens == 0 {
		return nil
	}
	if v.greens >= enoughGreens || v.greens > 1 && v.age >= v.maxAge {
		return &move{end: Intermittent, why: fmt.Sprintf("it failed once, and passed %s on that push and newer ones",
			phrase.Count(v.greens, "time"))}
	}
	return nil
}

// enoughGreens is the number of green runs, on a push that was red once and on newer pushes, that
// make a failure intermittent.
const enoughGreens = 3

// enoughReds is the number of red runs that confirm a culprit, so that it needs no run of its own.
const enoughReds = 3

// conclude ends a search when no push between good and bad is left to run. Where the evidence is
// thin it first waits for runs on newer pushes, which come anyway and cost nothing, or runs the
// first bad push once more.
func (v view) conclude(inner bool) move {
	first := v.line.bad
	class := len(v.line.suspects())
	named := "the push before it passed"
	switch {
	case inner && class == 0:
		named = "everything that the merge brought passed, so it is the merge itself"
	case class > 1:
		named = fmt.Sprintf("the %d pushes since the last good one cannot be told apart", class)
	}
	switch {
	case v.greens > 0:
		return v.doubtful()
	// 2 red runs are enough where a third cannot be had: the bad push is a merge, outside the line,
	// or cannot be run again, or nothing was pushed after the start.
	case v.failed >= enoughReds, v.failed > 1 && (inner || !v.once() || v.pushed == 0):
		return move{end: Culprit, why: fmt.Sprintf("it failed %s on %s, and %s", phrase.Count(v.failed, "time"),
			pushes(v.reds), named)}
	case len(v.newerRunning) > 0 && v.age < longWait:
		return move{wait: fmt.Sprintf("for the run on push %d, which is newer", v.newerRunning[0].ID)}
	case v.failed > 1:
		return v.buy([]int{first}, "a flaky job fails twice now and then, so the first bad push is run once more")
	// A dry run ends now, with a proposal or with the culprit as far as it is known.
	case v.age < longWait && !v.dry:
		return move{wait: "for a run on a newer push"}
	// One red run of a flaky label may be chance, so a single suspect is run again. Several
	// suspects that cannot be told apart are named as they are.
	case v.flaky && class == 1 && !inner && v.once():
		return v.buy([]int{first}, "the label failed on older pushes too, so the red push is run once more")
	case v.pushed > 0 && !inner && v.once():
		return v.buy([]int{first}, "no newer push ran it yet, so the red push is run once more")
	}
	return move{end: Culprit, why: "it failed once, and no newer push ran it; " + named}
}

// once reports whether the first bad push can be run once more. With enoughReds 3 the case triggers
// at most 2 runs there: with the failure that was heard of, these make 3. The line must contain the
// bad push, so callers ask only when it is not a merge outside it.
func (v view) once() bool {
	s := v.line.spots[v.line.bad]
	return s.again() && s.ours < enoughReds-1
}

// doubtful handles contradicting results: pushes since the first bad one passed. Only a single red
// push may still turn out intermittent, so only then the case waits, as long as there are newer
// pushes that may run it.
func (v view) doubtful() move {
	if v.age < v.maxAge && v.reds == 1 && v.pushed > 0 {
		return move{wait: "for more runs on newer pushes: it passed since it failed"}
	}
	return move{end: Undecided, why: fmt.Sprintf("it failed on %s and passed %s since", pushes(v.reds),
		phrase.Count(v.greens, "time"))}
}

// buy triggers a run on each of these spots, within what the case may still trigger. A dry run ends
// with the proposal instead. When fewer runs are left than spots, the first ones get them: of two
// with one left, run 1 of 2.
func (v view) buy(run []int, why string) move {
	switch {
	case v.dry:
		return move{end: Proposed, run: run, why: why}
	case v.left <= 0:
		return move{end: Undecided, why: fmt.Sprintf("the case has used up the %s that it may trigger",
			phrase.Count(v.spent, "run"))}
	case len(run) > v.left:
		run = run[:v.left]
	}
	return move{run: run, why: why}
}

func pushes(n int) string { return phrase.Count(n, "push") }

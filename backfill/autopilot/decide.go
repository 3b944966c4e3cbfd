package autopilot

import (
	"fmt"
	"time"

	"github.com/mozci/mozci/job"
)

// spot is what is known of one push in a search.
type spot struct {
	push       job.Push
	label      string // the chunk that runs there what the case is about
	bad, good  int
	running    int
	counted    int  // runs that count towards a total
	unclear    int  // ended without saying anything
	ours       int  // of the runs, those that the case triggered
	untestable bool // nothing can run on it, or the CI said no
	cancelled  bool // a person cancelled a run on it
}

// can reports whether a run on the push could tell something new. What ended twice without
// saying anything is left alone.
func (s spot) can() bool {
	return s.bad == 0 && s.good == 0 && s.running == 0 && s.unclear < 2 && s.ours < 2 && s.again()
}

// again reports whether a push that has a result can be run once more.
func (s spot) again() bool { return !s.untestable && !s.cancelled }

// line is the pushes of a search, oldest first: from the last good one to the first bad one. In a
// repository that a merge brought, bad is behind the last one: the merge itself is bad.
type line struct {
	spots []spot
	bad   int
}

// gap are the pushes between the last good one and the first bad one that a run would tell about.
func (l line) gap() (can []int) {
	for i := 1; i < l.bad; i++ {
		if l.spots[i].can() {
			can = append(can, i)
		}
	}
	return can
}

// running are the pushes of the gap on which something is under way.
func (l line) running() (out []job.Push) {
	for i := 1; i < l.bad; i++ {
		if l.spots[i].running > 0 {
			out = append(out, l.spots[i].push)
		}
	}
	return out
}

// suspects are the pushes after the last good one, up to the first bad one.
func (l line) suspects() (out []job.Push) {
	for i := 1; i <= l.bad && i < len(l.spots); i++ {
		if l.spots[i].push.Testable() { // one that has no changesets left broke nothing
			out = append(out, l.spots[i].push)
		}
	}
	return out
}

// thirds are one or two pushes of those that divide them best. Two at a time need a quarter more runs
// than one, and two thirds of the rounds.
func thirds(can []int) []int {
	switch n := len(can); n {
	case 0, 1, 2:
		return can
	default:
		return []int{can[n/3], can[2*n/3]}
	}
}

// view is everything that decides what a case does next.
type view struct {
	line     line
	nameless bool // no test is named: the red push is run once more before anything else
	flaky    bool // the label failed before the last good push too, or passed and failed on one push
	// reds are the pushes that are red from the first bad one on, and greens the green runs on it and
	// since.
	reds, greens int
	failed       int // red runs on all of them
	redRuns      int // and on the first bad push
	pushed       int // pushes after the start, and newer of them have a result
	newer        int
	newerRunning []job.Push // and those that will have one soon
	spent        int        // runs that the case triggered
	left         int        // runs that it may still trigger
	age          time.Duration
	maxAge       time.Duration
	dry          bool
}

// move is what to do next.
type move struct {
	run  []int // spots to run once more each
	wait string
	end  Outcome
	why  string
}

// decide says what a case does next. It is pure.
func decide(v view) move {
	first := v.line.bad
	inner := first >= len(v.line.spots)
	if on := v.line.running(); len(on) > 0 {
		return move{wait: fmt.Sprintf("for a run on push %d", on[0].ID)}
	}
	if !inner && v.line.spots[first].running > 0 {
		return move{wait: fmt.Sprintf("for another run on push %d", v.line.spots[first].push.ID)}
	}
	if v.nameless && !inner && v.redRuns < 2 && v.greens == 0 && v.once() {
		return v.buy([]int{first}, "no test is named, so the red push is run once more before anything else")
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

// over ends a search of what turns out to be intermittent: nothing more is bought for it.
func (v view) over() *move {
	if v.reds > 1 || v.greens == 0 {
		return nil
	}
	if v.greens >= enoughGreens || v.greens > 1 && v.age >= v.maxAge {
		return &move{end: Intermittent, why: fmt.Sprintf("it failed once, and passed %s on that push and newer ones",
			count(v.greens, "time"))}
	}
	return nil
}

// enoughGreens are how many green runs, on a push that was red once and on newer ones, make it
// intermittent.
const enoughGreens = 3

// enoughReds are how many red runs make a culprit, without any more on its account.
const enoughReds = 3

// conclude ends a search in which nothing is left to be tested between good and bad, or waits for what comes by
// itself: a run on a newer push costs nothing.
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
	case v.failed >= enoughReds, v.failed > 1 && (inner || !v.once() || v.pushed == 0):
		return move{end: Culprit, why: fmt.Sprintf("it failed %s on %s, and %s", count(v.failed, "time"),
			pushes(v.reds), named)}
	case len(v.newerRunning) > 0 && v.age < longWait:
		return move{wait: fmt.Sprintf("for the run on push %d, which is newer", v.newerRunning[0].ID)}
	case v.failed > 1:
		return v.buy([]int{first}, "a flaky job fails twice now and then, so the first bad push is run once more")
	case v.age < longWait && !v.dry:
		return move{wait: "for a run on a newer push"}
	case v.flaky && class == 1 && !inner && v.once():
		return v.buy([]int{first}, "the label failed on older pushes too, so the red push is run once more")
	case v.pushed > 0 && !inner && v.once():
		return v.buy([]int{first}, "no newer push ran it yet, so the red push is run once more")
	}
	return move{end: Culprit, why: "it failed once, and no newer push ran it; " + named}
}

// once reports whether the first bad push can be run once more.
func (v view) once() bool {
	s := v.line.spots[v.line.bad]
	return s.again() && s.ours < enoughReds-1
}

// doubtful is a search with results that contradict each other: pushes since the first bad one passed.
func (v view) doubtful() move {
	if v.age < v.maxAge && v.reds == 1 && v.pushed > 0 {
		return move{wait: "for more runs on newer pushes: it passed since it failed"}
	}
	return move{end: Undecided, why: fmt.Sprintf("it failed on %s and passed %s since", pushes(v.reds),
		count(v.greens, "time"))}
}

// buy triggers a run on each of the spots, within what the case may trigger.
func (v view) buy(run []int, why string) move {
	switch {
	case v.dry:
		return move{end: Proposed, run: run, why: why}
	case v.left <= 0:
		return move{end: Undecided, why: fmt.Sprintf("the %s that a case may trigger are spent", count(v.spent, "run"))}
	case len(run) > v.left:
		run = run[:v.left]
	}
	return move{run: run, why: why}
}

func pushes(n int) string { return count(n, "push") }

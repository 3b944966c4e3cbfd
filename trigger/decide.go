package trigger

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
)

// Facts are what is known about one label on one push.
type Facts struct {
	Push  job.Push
	Label string
	// Instead is the label that the caller named, when another chunk runs its tests on
	// this push. Moved then says what that chunk runs.
	Instead, Moved string
	Runs           analysis.Runs // of the label
	Jobs           []job.Job     // its runs, as the CI shows them
	// Asked is how many runs were triggered and are not visible yet. Unsure of them may
	// never have reached the CI; UnsureUntil is when that is decided.
	Asked, Unsure int
	UnsureUntil   time.Time
	// CameToNothing says why earlier requests made no runs.
	CameToNothing []string
	// Withdrawn says that a person stopped the CI's own job that would have made them.
	Withdrawn bool
	// Builds are the builds that the label needs.
	Builds []BuildFacts
	// MakesBuilds says that the CI itself makes missing builds, and waits for those under
	// way, as Taskcluster's actions do.
	MakesBuilds bool
	// Barred says why the label cannot run on this push; empty when it can.
	Barred string
	// Offspring says that the call is unattended, and that the runs here may be mozci's
	// own.
	Offspring bool
	// ExistingOnly says that no build may be triggered.
	ExistingOnly bool
}

// BuildFacts are what is known about one build on the push.
type BuildFacts struct {
	Label string
	State BuildState
	Seen  int // its runs, visible or triggered
	Jobs  []job.Job
	// Again says that it was triggered once more, and that run is not visible yet. Until
	// it is, a CI that makes builds itself would take the older build.
	Again bool
}

// BuildState says whether a test can use a build.
type BuildState int

// The states, from best to worst. With several runs the best one counts.
const (
	BuildWorking   BuildState = iota // its files exist
	BuildUnderWay                    // it is running, or will run
	BuildExpired                     // it succeeded, but its files are gone
	BuildFailed                      // it ended without files
	BuildWithdrawn                   // a person cancelled it
	BuildMissing                     // it never ran
)

var buildWords = []string{"working", "under way", "expired", "failed", "withdrawn", "missing"}

// String returns the state in words.
func (s BuildState) String() string {
	if s < BuildWorking || s > BuildMissing {
		return fmt.Sprintf("state(%d)", int(s))
	}
	return buildWords[s]
}

// ReasonUntestable is the LeftOut.Reason of a label that cannot run on a push.
const ReasonUntestable = "not testable"

// DefaultExceptions is how many runs infrastructure may end on one push before a label is
// left alone there.
const DefaultExceptions = 3

// Decide returns the steps after which the push has times runs of the label in all, or
// what is left out and why. It is pure. Runs that infrastructure ended do not count
// towards times; exceptions is how many of them there may be before the label is left
// alone on the push, negative for no limit.
//
// With 1 passed, 1 pending and 1 coalesced run, times 3 gives one step with a count of 1.
func Decide(f Facts, times, exceptions int) ([]Step, *LeftOut) {
	have := f.Runs.Counted + f.Asked
	need := times - have
	out := func(reason, format string, args ...any) ([]Step, *LeftOut) {
		return nil, &LeftOut{
			Label: f.Label, Push: f.Push, Count: max(need, 0), Why: fmt.Sprintf(format, args...), Reason: reason,
			Untestable: f.Barred != "",
		}
	}
	switch {
	case f.Barred != "":
		return out(ReasonUntestable, "not testable: %s", f.Barred)
	case need <= 0:
		return []Step{{
			Label: f.Label, Push: f.Push, Action: ActionNothing, Times: times, Seen: f.seen(),
			Why: f.why(have, times) + f.moved(),
		}}, nil
	case f.Runs.By[job.StatusCancelled] > 0:
		return out("cancelled by a person", "a person cancelled it here, so mozci leaves it alone")
	case f.Withdrawn:
		return out("stopped by a person", "%s, so mozci leaves it alone", strings.Join(f.CameToNothing, "; "))
	case f.Offspring:
		return out("triggered by a backfill",
			"its runs here were triggered by a backfill, and an unattended one triggers no more")
	case exceptions >= 0 && f.Runs.By[job.StatusException] > exceptions:
		return out("machines failed", "infrastructure ended %d runs here, more than %d", f.Runs.By[job.StatusException],
			exceptions)
	}
	return f.act(times, need, out)
}

// seen returns how many runs there are or will be, of any status. It is the "after" in a
// step's key.
func (f Facts) seen() int { return f.Runs.Seen + f.Asked }

// have says in words what there is already.
func (f Facts) have() string {
	if f.Asked == 0 {
		return f.Runs.String()
	}
	var parts []string
	if f.Runs.Seen > 0 {
		parts = append(parts, f.Runs.String())
	}
	if sure := f.Asked - f.Unsure; sure > 0 {
		parts = append(parts, fmt.Sprintf("%d triggered and not visible yet", sure))
	}
	if f.Unsure > 0 {
		parts = append(parts, fmt.Sprintf("%d perhaps triggered, unclear until %s", f.Unsure,
			f.UnsureUntil.Local().Format("15:04")))
	}
	return strings.Join(parts, ", ")
}

// act returns the steps for what is needed, builds first.
func (f Facts) act(times, need int, out func(string, string, ...any) ([]Step, *LeftOut)) ([]Step, *LeftOut) {
	var steps []Step
	var waits, needed []string
	for _, b := range f.Builds {
		needed = append(needed, b.Label)
		switch b.State {
		case BuildWorking:
		case BuildUnderWay:
			if f.MakesBuilds && !b.Again {
				continue
			}
			waits = append(waits, b.Label+", under way")
		case BuildFailed:
			return out("its build failed", "its build %s failed here", b.Label)
		case BuildWithdrawn:
			return out("build cancelled by a person", "a person cancelled its build %s here", b.Label)
		case BuildExpired, BuildMissing:
			if f.ExistingOnly {
				return out("its build is "+b.State.String(), "its build %s is %s, and only builds that exist are used",
					b.Label, b.State)
			}
			why := f.Label + " needs it, and it never ran here"
			switch {
			case b.State == BuildExpired:
				why = f.Label + " needs it, and its files are gone"
			case b.Seen > 0:
				why = f.Label + " needs it, and no run of it built anything"
			}
			step := Step{
				Key: key(f.Push, b.Label, b.Seen, 1), Label: b.Label, Push: f.Push,
				Action: ActionBuild, Count: 1, Times: 1, Seen: b.Seen, Why: why,
			}
			// The CI makes a build that is missing. It would wait for a run that built
			// nothing, because that one exists.
			if f.MakesBuilds && b.State == BuildMissing && b.Seen == 0 {
				step.With = f.Label
				step.Why += "; the CI makes it with the test"
				steps = append(steps, step)
				continue
			}
			steps = append(steps, step)
			waits = append(waits, b.Label+", triggered above")
		}
	}
	s := Step{
		Key: key(f.Push, f.Label, f.seen(), need), Label: f.Label, Push: f.Push, Action: ActionTrigger,
		Count: need, Times: times, Seen: f.seen(), Why: f.why(times-need, times),
	}
	s.Why += f.moved()
	if len(f.CameToNothing) > 0 {
		s.Why += "; " + strings.Join(f.CameToNothing, "; ")
	}
	if len(waits) > 0 {
		s.Action, s.Builds = ActionWait, needed
		s.Why += "; waiting for " + strings.Join(waits, ", ")
	}
	return append(steps, s), nil
}

// moved says why the step has another label than the caller named.
func (f Facts) moved() string {
	if f.Instead == "" {
		return ""
	}
	return fmt.Sprintf("; %s, as %s does elsewhere: tests move between chunks", f.Moved, f.Instead)
}

// asked returns the label that the caller named.
func (f Facts) asked() string { return cmp.Or(f.Instead, f.Label) }

// why says how many of the wanted runs there are: "0 of 2 runs (1 coalesced)".
func (f Facts) why(have, times int) string {
	unit := "runs"
	if times == 1 {
		unit = "run"
	}
	out := fmt.Sprintf("%d of %d %s", have, times, unit)
	if have > times {
		out = fmt.Sprintf("%d runs, %d wanted", have, times)
	}
	if have > 0 || f.Runs.Seen > 0 {
		out += " (" + f.have() + ")"
	}
	return out
}

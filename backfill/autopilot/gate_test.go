package autopilot_test

import (
	"errors"
	"testing"
	"time"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/backfill/autopilot"
	"github.com/mozci/mozci/job"
)

// passing are facts that no gate refuses: a new failure on push 4, 20 minutes ago, between a good push 1
// and nothing newer.
func passing() autopilot.Facts {
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	push := job.Push{Repo: "autoland", ID: 4, Revision: "a004", Time: now.Add(-2 * time.Hour)}
	good := job.Push{Repo: "autoland", ID: 1, Revision: "a001", Time: now.Add(-3 * time.Hour)}
	return autopilot.Facts{
		Config: config("autoland"), Now: now,
		Failure: autopilot.Failure{
			Label: "t", Push: push, Finished: now.Add(-21 * time.Minute), Heard: now.Add(-20 * time.Minute),
			Signatures: []string{"s"}, New: []string{"s"},
		},
		Runs: analysis.Runs{Bad: 1, Seen: 1}, LastGood: &good, FirstBad: push, Older: 3, Ran: 1, Gap: 2,
	}
}

// known makes the failure's signature one that was seen on push 3, so long before.
func known(f *autopilot.Facts, ago time.Duration) {
	last := job.Push{Repo: "autoland", ID: 3, Revision: "a003", Time: f.Failure.Push.Time.Add(-ago)}
	f.Failure.New = nil
	f.LastSeen = map[string]autopilot.Seen{"s": {Push: last, At: f.Failure.Finished.Add(-ago)}}
}

// other is a push that is newer than the failure.
var other = job.Push{Repo: "autoland", ID: 5, Revision: "a005"}

var gateCases = []struct {
	name  string
	set   func(*autopilot.Facts)
	rule  autopilot.Rule // empty for none
	final bool
	why   string
}{
	{"nothing", func(*autopilot.Facts) {}, "", false, ""},
	{
		"another repository", func(f *autopilot.Facts) { f.Failure.Push.Repo = "esr" }, "unnamed", true,
		"the autopilot's file does not name repository esr",
	},
	{
		"another label", func(f *autopilot.Facts) { f.Config.Labels = []string{"linux*"} }, "unnamed", true,
		"the autopilot's file does not name label t",
	},
	{"a glob with slashes", func(f *autopilot.Facts) {
		f.Config.Labels, f.Failure.Label = []string{"linux*"}, "linux64/opt/t"
	}, "", false, ""},
	{
		"try", func(f *autopilot.Facts) { f.NoLine = job.ErrNoLine }, "try", true,
		"autoland is a try repository: its pushes do not follow each other, so none of them is the culprit of " +
			"another one's failure",
	},
	{
		"an old push", func(f *autopilot.Facts) { f.Failure.Push.Time = f.Now.Add(-7 * time.Hour) }, "age", true,
		"the push was 6 hours old when it failed, more than 6 hours; people have dealt with it",
	},
	{
		"a push of six hours",
		func(f *autopilot.Facts) { f.Failure.Push.Time = f.Failure.Heard.Add(-6 * time.Hour) }, "", false, "",
	},
	{"waited for a day", func(f *autopilot.Facts) {
		f.Failure.Heard, f.Failure.Push.Time = f.Now.Add(-25*time.Hour), f.Now.Add(-26*time.Hour)
	}, "age", true, "it waited for 25 hours, and the push is too old by now"},
	{"opted out", func(f *autopilot.Facts) { f.OptedOut = "hazel" }, "opt_out", true, "hazel opted the push out"},
	{
		"offspring", func(f *autopilot.Facts) { f.Offspring, f.By = true, "backfill" }, "offspring", true,
		"backfill triggered the run after the push: the autopilot does not act on backfills and retriggers",
	},
	{
		"cancelled", func(f *autopilot.Facts) { f.Runs.By[job.StatusCancelled] = 2 }, "cancelled", true,
		"a person cancelled 2 runs of it on the push",
	},
	{
		"retried", func(f *autopilot.Facts) { f.Runs.Running = 1 }, "retried", false,
		"1 more run of it on the push has not ended",
	},
	{
		"mixed", func(f *autopilot.Facts) { f.Runs.Good = 1 }, "mixed", true,
		"it passed and failed on this push: it is intermittent",
	},
	{
		"no failure any more", func(f *autopilot.Facts) { f.Runs = analysis.Runs{} }, "status", true,
		"no run of it on the push failed: no runs",
	},
	{
		"its build", func(f *autopilot.Facts) { f.Broken = "b" }, "build", true,
		"its build b failed, which is a case of its own",
	},
	{
		"no log", func(f *autopilot.Facts) { f.Unread = errors.New("HTTP 500") }, "blind", false,
		"its log could not be read: HTTP 500",
	},
	{
		"no log for long", func(f *autopilot.Facts) { f.Unread, f.Failure.Blind = errors.New("HTTP 500"), 8 },
		"no_sign", true, "its log could not be read 9 times in a row: HTTP 500",
	},
	{
		"known", func(f *autopilot.Facts) { known(f, 6*24*time.Hour) }, "known", true,
		"its signature was seen 6 days before, on push 3: it is known for 21 days",
	},
	{"one of two is new", func(f *autopilot.Facts) {
		known(f, 6*24*time.Hour)
		f.Failure.Signatures, f.Failure.New = []string{"s", "u"}, []string{"u"}
	}, "", false, ""},
	{"green since", func(f *autopilot.Facts) {
		f.Gap = 0
		f.Newer = []autopilot.Newer{{Push: other, Verdict: analysis.Good}}
	}, "green", true, "it is green again on push 5, which is newer"},
	{"green once since, and a gap", func(f *autopilot.Facts) {
		f.Newer = []autopilot.Newer{{Push: other, Verdict: analysis.Good}}
	}, "", false, ""},
	{"green twice since", func(f *autopilot.Facts) {
		f.Newer = []autopilot.Newer{
			{Push: other, Verdict: analysis.Good},
			{Push: job.Push{ID: 6}, Verdict: analysis.Good},
		}
	}, "green", true, "it is green again on push 6, which is newer"},
	{"green, then red", func(f *autopilot.Facts) {
		f.Gap = 0
		f.Newer = []autopilot.Newer{
			{Push: other, Verdict: analysis.Good},
			{Push: job.Push{ID: 6}, Verdict: analysis.Bad},
		}
	}, "", false, ""},
	{"a case", func(f *autopilot.Facts) {
		known(f, time.Hour)
		f.Case = "c-1"
	}, "case", true, "case c-1 is about it"},
	{
		"inherited", func(f *autopilot.Facts) { known(f, time.Hour) }, "inherited", true,
		"push 3, which is older, failed in the same way",
	},
	{"seen an hour ago, and green since", func(f *autopilot.Facts) {
		known(f, time.Hour)
		f.LastGood.ID = 3
	}, "known", true, "its signature was seen 60 minutes before, on push 3, and it passed " +
		"since: it is intermittent"},
	{
		"never green", func(f *autopilot.Facts) { f.LastGood = nil }, "never_green", true,
		"it was never green on the 3 pushes before",
	},
	{
		"never ran", func(f *autopilot.Facts) { f.LastGood, f.Ran = nil, 0 }, "never_green", true,
		"it did not run on the 3 pushes before: there is no green run to start from",
	},
	{
		"never green, and one runs", func(f *autopilot.Facts) { f.LastGood, f.Running = nil, []job.Push{other} },
		"running", false, "no green run is known, and a run on push 5 is under way",
	},
	{
		"the oldest", func(f *autopilot.Facts) { f.LastGood, f.Older = nil, 0 }, "oldest", true,
		"no older push is known to compare with",
	},
	{
		"classified", func(f *autopilot.Facts) { f.Class.Kind = job.ClassifiedNeedsBug }, "classified", true,
		"a person classified it as intermittent needs bugid",
	},
	{"a program's guess", func(f *autopilot.Facts) { f.Class.Kind = job.NotClassified }, "", false, ""},
	{
		"backed out", func(f *autopilot.Facts) { f.BackedOut, f.Backout, f.Suspects = f.LastGood, &other, 1 },
		"backout", true, "push 1, which can have caused it, was backed out by push 5",
	},
	{"one of several backed out", func(f *autopilot.Facts) {
		f.BackedOut, f.Backout, f.Suspects = f.LastGood,
			&other, 3
	}, "", false, ""},
	{"one of several backed out, and green", func(f *autopilot.Facts) {
		f.BackedOut, f.Backout, f.Suspects, f.Settled = f.LastGood, &other, 3, true
	}, "backout", true, "push 1, which can have caused it, was backed out by push 5"},
	{
		"people not seen", func(f *autopilot.Facts) { f.Blind = errors.New("HTTP 503") }, "blind", false,
		"could not see what people said and did: HTTP 503",
	},
	{"people not seen for long", func(f *autopilot.Facts) {
		f.Blind, f.Failure.Blind = errors.New("HTTP 503"),
			8
	}, "blind", true, "could not see what people said and did, 9 times in a row: HTTP 503"},
	{
		"quiet", func(f *autopilot.Facts) { f.Failure.Heard = f.Now.Add(-9 * time.Minute) }, "quiet", false,
		"people have 10 minutes to classify it or to back out",
	},
	{
		"one runs", func(f *autopilot.Facts) { f.Running = []job.Push{other} }, "running", false,
		"a run on push 5 is under way and will decide",
	},
	{"one runs for hours", func(f *autopilot.Facts) {
		f.Running, f.Failure.Heard = []job.Push{other}, f.Now.Add(-3*time.Hour)
	}, "", false, ""},
	{
		"a long queue", func(f *autopilot.Facts) { f.Queue.Pending = 101 }, "queue", false,
		"101 runs wait in its queue, more than 100",
	},
	{"a queue at the limit", func(f *autopilot.Facts) { f.Queue.Pending = 100 }, "", false, ""},
	{
		"a budget", func(f *autopilot.Facts) { f.Over, f.OverMax = "red runs", 60 }, "budget", true,
		"the budget of 60 red runs in 24 hours is used up",
	},
}

// Each gate refuses by itself what it is for, with a sentence, and for good or for now.
func TestGates(t *testing.T) {
	for _, c := range gateCases {
		t.Run(c.name, func(t *testing.T) {
			f := passing()
			c.set(&f)
			got, refused := autopilot.Gate(f, autopilot.StageAll)
			if refused != (c.rule != "") || got.Rule != c.rule || refused && got.Final() != c.final ||
				got.Why != c.why {
				t.Errorf("%v %+v, want %q, final %t: %q", refused, got, c.rule, c.final, c.why)
			}
		})
	}
}

// A gate is asked only once its stage is known, and the cheapest one answers.
func TestGateStages(t *testing.T) {
	f := passing()
	f.Over, f.OptedOut, f.NoLine = "runs", "hazel", job.ErrNoLine
	for stage, want := range []autopilot.Rule{
		autopilot.StageHeard: "try", autopilot.StageStore: "try", autopilot.StageCosts: "try",
	} {
		if want == "" {
			continue
		}
		if got, _ := autopilot.Gate(f, autopilot.Stage(stage)); got.Rule != want {
			t.Errorf("stage %d: %q, want %q", stage, got.Rule, want)
		}
	}
	f.NoLine = nil
	if got, refused := autopilot.Gate(f, autopilot.StageHeard); refused {
		t.Errorf("stage %d: %q before it was known", autopilot.StageHeard, got.Rule)
	}
	if got, _ := autopilot.Gate(f, autopilot.StageAll); got.Rule != "opt_out" {
		t.Errorf("%q, want the cheaper gate's opt_out", got.Rule)
	}
}

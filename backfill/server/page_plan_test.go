package server

import (
	"fmt"
	"testing"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// Pushes with the same wanted are one line, which names the first of them; what was asked
// for is planned no more.
func TestPlan(t *testing.T) {
	b := dry()
	b.Plan = trigger.Plan{}
	for i := range 9 {
		b.Plan.Steps = append(b.Plan.Steps, trigger.Step{
			Key: fmt.Sprint("k", i), Push: ref(int64(190430 - i)).Push(), Action: trigger.ActionTrigger, Count: 2,
			Why: "missing",
		})
	}
	b.Plan.Steps[0].Receipt = &job.Receipt{}
	b.Steps = []Step{{Key: "k1", Receipt: &Receipt{}}}
	p := planOf(b)
	if len(p.Steps) != 1 || p.Steps[0].What != "2 runs each on" || len(p.Steps[0].Pushes) != 7 || p.Steps[0].More != 0 {
		t.Errorf("%+v", p.Steps)
	}
	b.Steps = nil
	if p = planOf(b); len(p.Steps[0].Pushes) != 6 || p.Steps[0].More != 2 || p.Steps[0].Pushes[0].Number != "190429" {
		t.Errorf("%+v", p.Steps)
	}
	b.State = Done
	if p = planOf(b); len(p.Steps) != 0 {
		t.Errorf("what has ended has a plan: %+v", p.Steps)
	}
}

// What repeats is one line with a count, and only the latest lines are unfolded.
func TestLog(t *testing.T) {
	var log []Entry
	for i := range 30 {
		log = append(log, Entry{Time: at(-i), Kind: "passed", Text: fmt.Sprintf("%d passed in 30 min.", i/3)})
	}
	v := logOf(log)
	if len(v.Latest) != 1 || v.Latest[0].Day != "" || len(v.Latest[0].Entries) != 4 || v.Count != 18 {
		t.Fatalf("%+v", v)
	}
	if e := v.Latest[0].Entries[1]; e.Times != 3 || e.Text != "1 passed in 30 min." {
		t.Errorf("%+v", e)
	}
	if v = logOf(log[1:12]); len(v.Earlier) != 0 || len(v.Latest) != 1 || v.Latest[0].Day != "" {
		t.Errorf("%+v", v)
	}
	log[4].Time, log[5].Time = at(-1440), at(-1440) // the same, on another day
	v = logOf(log[:6])
	if len(v.Latest) != 2 || v.Latest[1].Day != "23 November 2026" || v.Latest[1].Entries[0].Times != 2 {
		t.Errorf("%+v", v.Latest)
	}
}

func TestFactsOfWhatIsNotKnown(t *testing.T) {
	b := running()
	b.LastGood, b.FirstBad = nil, nil
	if f := factsOf(b); f[0].Big != "none yet" || f[1].Big != "none yet" {
		t.Errorf("%+v", f[:2])
	}
	b.State = Undecided
	if f := factsOf(b); f[0].Big != "none" || f[1].Big != "none" {
		t.Errorf("%+v", f[:2])
	}
}

// A grid that gets its first chance is another one, though its rows are the same.
func TestGridWithChances(t *testing.T) {
	without, with := &rendered{plain: true}, &rendered{}
	without.Parts, with.Parts = []partHTML{{"grid", "a"}}, []partHTML{{"grid", "b"}}
	if got := with.since(without); len(got) != 1 || got[0].ID != "grid" {
		t.Errorf("%+v", got)
	}
	without.plain = false
	if got := with.since(without); len(got) != 0 {
		t.Errorf("the rows are the same: %+v", got)
	}
}

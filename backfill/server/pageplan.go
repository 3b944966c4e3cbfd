package server

import (
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// The plan's part of a backfill's screen: what is under way, what comes next, what was left out and
// what is done, in this order. A planner collects the pushes for which a line would say the same
// under one stepKey, and writes a line for each key.

// planView is what is under way, what will be triggered, and what was.
type planView struct {
	Sum   string
	Steps []stepView
}

// stepView is a line of the plan. Pushes for which it would say the same share a line.
type stepView struct {
	Class, Symbol, Word string
	What                string // what happens on the pushes: "2 runs on"
	Pushes              []pushView
	More                int // number of pushes beyond those that are named
	Why                 string
}

type pushView struct{ Number, Link string }

// mostNamed is how many pushes a line of the plan names.
const mostNamed = 6

// stepKey is what the pushes of one line have in common.
type stepKey struct {
	class, symbol, word, what, why string
}

// planner collects the lines of a plan. order has each key of on once, in the order in which it
// came. A key without pushes is a line about the whole backfill.
type planner struct {
	b     Backfill
	order []stepKey
	on    map[stepKey][]job.PushRef
}

func (p *planner) add(k stepKey, on ...job.PushRef) {
	if _, ok := p.on[k]; !ok {
		p.order = append(p.order, k)
	}
	p.on[k] = append(p.on[k], on...)
}

// planOf makes the plan's view. Its sum is what was triggered or, before anything was, what would
// be.
func planOf(b Backfill) planView {
	p := &planner{b: b, on: map[stepKey][]job.PushRef{}}
	p.underWay()
	p.toCome()
	c := b.Cost
	if b.State.Open() && c.Forecast > 0 && b.Ask.Mode == Search {
		p.add(stepKey{
			"calm", "plan", "If needed", "about " + count(c.Forecast, "more run"), "fewer if the next results agree",
		})
	}
	p.leftOut()
	if c.Ended > 0 {
		k := stepKey{"done", "pass", "Done", count(c.Ended, "run"), ""}
		if c.Rounds > 0 {
			k.what += " in " + count(c.Rounds, "round")
		}
		if c.Red > 0 {
			k.why = number(c.Red) + " of them failed"
		}
		p.add(k)
	}
	v := planView{Sum: count(c.Runs, "run") + " triggered"}
	if b.DryRun || c.Runs == 0 {
		v.Sum = count(planned(b), "run")
	}
	for _, k := range p.order {
		v.Steps = append(v.Steps, p.step(k))
	}
	return v
}

// underWay adds the queued and running runs of this backfill, with the reason of the newest request
// on each push.
func (p *planner) underWay() {
	for _, l := range []struct {
		result Result
		looks  stepKey
	}{
		{UnderWay, stepKey{class: "run", symbol: "run", word: "Running"}},
		{Queued, stepKey{class: "run", symbol: "queue", word: "Queued"}},
	} {
		for _, r := range p.b.Rows {
			n := 0
			for _, run := range r.Runs {
				if run.Ours && run.Result == l.result {
					n++
				}
			}
			if n > 0 {
				k := l.looks
				k.what, k.why = count(n, "run")+" on", p.why(r.Push)
				p.add(k, r.Push)
			}
		}
	}
}

// why is the reason of the newest request on a push; empty when there is none.
func (p *planner) why(on job.PushRef) string {
	for _, s := range p.b.Steps { // newest first
		if s.Push.Repo == on.Repo && s.Push.ID == on.ID {
			return brief(s.Why, 300)
		}
	}
	return ""
}

// toCome adds the steps of the plan that the CI has not answered yet.
func (p *planner) toCome() {
	if !p.b.State.Open() && p.b.State != Planned {
		return
	}
	for _, s := range p.b.Plan.Steps {
		if s.Receipt != nil || s.Action == trigger.ActionNothing || p.asked(s.Key) {
			continue
		}
		k := stepKey{class: "plan", symbol: "plan", word: "Planned", what: count(s.Count, "run") + " on"}
		k.why = brief(s.Why, 300)
		switch {
		case s.Err != nil:
			k.class, k.symbol, k.word, k.why = "warn", "infra", "Failed", brief(s.Err.Error(), 300)
		case s.Action == trigger.ActionBuild:
			k.what = count(max(s.Count, 1), "build") + " on"
		case s.Action == trigger.ActionWait:
			k.word, k.symbol = "Waiting", "queue"
		}
		p.add(k, refOf(s.Push))
	}
}

// asked reports whether the CI has answered the step with this key.
func (p *planner) asked(key string) bool {
	return slices.ContainsFunc(p.b.Steps, func(s Step) bool { return s.Key == key && s.Receipt != nil })
}

func refOf(p job.Push) job.PushRef {
	return job.PushRef{Repo: p.Repo, ID: p.ID, Revision: p.Revision}
}

// leftOut adds what the plan does not do, and why.
func (p *planner) leftOut() {
	for _, l := range p.b.Plan.LeftOut {
		k := stepKey{class: "calm", symbol: "skip", word: "Left out", what: count(l.Count, "run") + " on"}
		k.why = brief(l.Why, 300)
		if l.Untestable {
			k.what = "not testable:"
		}
		p.add(k, refOf(l.Push))
	}
}

// step writes a line: "2 runs each on 17, 18, 19". It names 7 pushes when there are 7, but 6 of 8
// and "2 more": a fold of one is not worth it.
func (p *planner) step(k stepKey) stepView {
	v := stepView{Class: k.class, Symbol: k.symbol, Word: k.word, What: k.what, Why: k.why}
	on := p.on[k]
	if len(on) > 1 && strings.HasSuffix(k.what, " on") {
		v.What = strings.TrimSuffix(k.what, " on") + " each on"
	}
	for i, ref := range on {
		if i == mostNamed && len(on) > mostNamed+1 {
			v.More = len(on) - i
			break
		}
		at := pushView{Number: name(ref)}
		if r := rowWith(p.b, &ref); r != nil {
			at.Link = outside(r.Link)
		}
		v.Pushes = append(v.Pushes, at)
	}
	return v
}

// pushesOf is the number of pushes on which a plan triggers something.
func pushesOf(plan trigger.Plan) int {
	seen := map[job.PushKey]bool{}
	for _, s := range plan.Steps {
		if s.Action != trigger.ActionNothing {
			seen[s.Push.Key()] = true
		}
	}
	return len(seen)
}

package taskcluster

import (
	"context"
	"encoding/json"
	"iter"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// ask is an action task that may still make tasks.
type ask struct {
	task   *listedTask
	counts map[string]int // runs still to come, by label; each is 1 or more
}

// asks returns the actions of a group that are under way. What an action has made so far is
// subtracted: one that was to make 5 runs of a label and has made 2 leaves 3.
func (g *graph) asks() []ask {
	labels := map[string]string{}
	made := map[[2]string]int{} // tasks, by the id of the task that made them and their label
	for _, t := range g.tasks {
		labels[t.Status.TaskID] = t.label()
		made[[2]string{t.Task.Extra.Parent, t.label()}]++
	}
	var out []ask
	for _, t := range g.tasks {
		if t.Task.Extra.Action == nil || t.Status.resolved() {
			continue
		}
		did := t.Task.Extra.Action
		a := ask{t, wants(did.Name, did.Context.Input, labels[did.Context.TaskID])}
		for l := range a.counts {
			if a.counts[l] -= made[[2]string{t.Status.TaskID, l}]; a.counts[l] < 1 {
				delete(a.counts, l)
			}
		}
		out = append(out, a)
	}
	return out
}

// asked yields the action tasks under way that make runs of a label, each with the number of
// its runs still to come.
func (g *graphs) asked(label string) iter.Seq2[*listedTask, int] {
	return func(yield func(*listedTask, int) bool) {
		for _, one := range g.list {
			for _, a := range one.asks() {
				if n := a.counts[label]; n > 0 && !yield(a.task, n) {
					return
				}
			}
		}
	}
}

// wanted has the members that mozci knows in inputs of actions. Anyone may have sent any
// input, so a member of another type counts as absent.
var wanted = contract.New(contract.Endpoint[struct {
	Times    *int     `json:"times" is:"open"`
	Tasks    []string `json:"tasks" is:"open"`
	Label    string   `json:"label" is:"open"`
	Requests []struct {
		Tasks []string `json:"tasks"`
		Times *int     `json:"times"`
	} `json:"requests" is:"open"`
}]{Source: source, Name: "input of an action"})

// wants tells how many runs of which labels an action makes with an input; nil for an action
// that mozci does not know. of is the label of the task that the action acts on, "" for none.
// Without "times" an action makes 1 run of each label.
//
//	action               input                                            of     runs
//	retrigger-multiple   {"requests": [{"tasks": ["a", "b"], "times": 3}]}       3 of a, 3 of b
//	add-new-jobs         {"tasks": ["a"]}                                        1 of a
//	retrigger            {"times": 2}                                     a      2 of a
//	confirm-failures     {}                                               a      1 of a-cf
//	retrigger            {"times": 0}                                     a      none
func wants(action string, input json.RawMessage, of string) map[string]int {
	in, err := wanted.Decode(contract.Asked{}, input)
	if err != nil { // not an object: nothing is known about it
		return nil
	}
	out := map[string]int{}
	add := func(times *int, labels ...string) {
		for _, l := range labels {
			n := 1
			if times != nil {
				n = *times
			}
			if l != "" && n > 0 {
				out[l] += n
			}
		}
	}
	switch action {
	case "retrigger-multiple":
		for _, r := range in.Requests {
			add(r.Times, r.Tasks...)
		}
	case "add-new-jobs":
		add(in.Times, in.Tasks...)
	case "backfill-task":
		add(in.Times, in.Label)
	case "retrigger":
		add(in.Times, of)
	case "rerun":
		add(nil, of)
	case "confirm-failures":
		if of != "" {
			add(nil, of+"-cf")
		}
	}
	return out
}

// Accepted implements job.AcceptedLister: the runs of a label that action tasks under way
// have not made yet. The requests have no Key, since keys do not reach the CI; Why names the
// action task.
func (p *Project) Accepted(ctx context.Context, push job.Push, label string) ([]job.Request, error) {
	const op = "taskcluster.inflight"
	if err := ctx.Err(); err != nil || !push.Testable() {
		return nil, job.Wrap(op, push.String(), err)
	}
	p = p.of(push)
	return within(ctx, p.c, op, push.String(), func(ctx context.Context) ([]job.Request, error) {
		g, err := p.groups(ctx, push)
		if err != nil {
			return nil, job.Wrap(op, push.String(), err)
		}
		var out []job.Request
		for t, n := range g.asked(label) {
			out = append(out, job.Request{Label: label, Push: push, Count: n, Why: "action task " + t.Status.TaskID})
		}
		return out, nil
	})
}

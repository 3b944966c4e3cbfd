package taskcluster

import (
	"context"
	"encoding/json"
	"iter"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// ask is an action task that has not made its tasks yet.
type ask struct {
	task   *listedTask
	counts map[string]int // runs that are still to come, by label
}

// asks are the actions of a group that are under way.
func (g *graph) asks() []ask {
	labels := map[string]string{}
	made := map[[2]string]int{} // by maker and label
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

// asked are the action tasks under way that make runs of a label, and how many
// are still to come of each.
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

// wanted is what is known of the inputs of actions, which anybody may have sent.
var wanted = contract.New(contract.Endpoint[struct {
	Times    *int     `json:"times" is:"open"`
	Tasks    []string `json:"tasks" is:"open"`
	Label    string   `json:"label" is:"open"`
	Requests []struct {
		Tasks []string `json:"tasks"`
		Times *int     `json:"times"`
	} `json:"requests" is:"open"`
}]{Source: source, Name: "input of an action"})

// wants is how many runs of which labels an action makes with an input: of the
// actions whose inputs are known. of is the label of the task that it acts on.
func wants(action string, input json.RawMessage, of string) map[string]int {
	in, err := wanted.Decode(contract.Asked{}, input)
	if err != nil { // what has another shape wants nothing that is known
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

// Accepted implements job.AcceptedLister: the runs that action tasks under way are
// asked to make, and have not made. Keys do not reach the CI, so that the
// requests have none.
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

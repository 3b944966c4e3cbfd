package taskcluster

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
)

// ask is an action task that has not made its tasks yet.
type ask struct {
	taskID string
	counts map[string]int // runs that are still to come, by label
}

// asks are those of a push, as of when its group was listed.
type asks struct {
	at   time.Time
	list []ask
}

// fresh is how long a listing of a group answers what is in flight, so that
// reading a push's jobs and then asking about its labels lists it once.
const fresh = 5 * time.Second

// remember keeps what a listing says about actions that are under way.
func (p *Project) remember(decision string, tasks []*TaskAndStatus) asks {
	labels := map[string]string{}
	made := map[[2]string]int{} // by maker and label
	for _, t := range tasks {
		labels[t.Status.TaskID] = t.label()
		made[[2]string{t.Task.Extra.Parent, t.label()}]++
	}
	now := asks{at: time.Now()}
	for _, t := range tasks {
		if t.Task.Extra.Action == nil || t.Status.resolved() {
			continue
		}
		a := ask{taskID: t.Status.TaskID, counts: wants(t.Task.Extra.Action.Name, t.Task.Extra.Action.Context.Input, labels[t.Task.Extra.Action.Context.TaskID])}
		for l := range a.counts {
			if a.counts[l] -= made[[2]string{a.taskID, l}]; a.counts[l] < 1 {
				delete(a.counts, l)
			}
		}
		now.list = append(now.list, a)
	}
	p.mu.Lock()
	p.asks[decision] = now
	p.mu.Unlock()
	return now
}

// forget makes the next question about a push list its group anew.
func (p *Project) forget(decision string) {
	p.mu.Lock()
	delete(p.asks, decision)
	p.mu.Unlock()
}

// wants is how many runs of which labels an action makes with an input: of the
// actions whose inputs are known. of is the label of the task that it acts on.
func wants(action string, input json.RawMessage, of string) map[string]int {
	var in struct {
		Times    *int     `json:"times"`
		Tasks    []string `json:"tasks"`
		Label    string   `json:"label"`
		Requests []struct {
			Tasks []string `json:"tasks"`
			Times *int     `json:"times"`
		} `json:"requests"`
	}
	_ = json.Unmarshal(input, &in) // what has another shape wants nothing that is known
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

// Inflight implements job.Inflighter: the runs that action tasks under way are
// asked to make, and have not made. Keys do not reach the CI, so that the
// requests have none.
func (p *Project) Inflight(ctx context.Context, push job.Push, label string) ([]job.Request, error) {
	const op = "taskcluster.inflight"
	if err := ctx.Err(); err != nil || !push.Testable() {
		return nil, job.Wrap(op, push.String(), err)
	}
	p = p.of(push)
	now, err := p.underWay(ctx, push)
	if errors.Is(err, job.ErrNotScheduled) {
		return nil, nil
	}
	if err != nil {
		return nil, job.Wrap(op, push.String(), err)
	}
	var out []job.Request
	for _, a := range now.list {
		if n := a.counts[label]; n > 0 {
			out = append(out, job.Request{Label: label, Push: push, Count: n, Why: "action task " + a.taskID})
		}
	}
	return out, nil
}

func (p *Project) underWay(ctx context.Context, push job.Push) (asks, error) {
	id, err := p.decisionOf(ctx, push)
	if err != nil {
		return asks{}, err
	}
	p.mu.Lock()
	now, ok := p.asks[id]
	p.mu.Unlock()
	if ok && time.Since(now.at) < fresh {
		return now, nil
	}
	id, tasks, err := p.group(ctx, push)
	if err != nil {
		return asks{}, err
	}
	return p.remember(id, tasks), nil
}

// actionIDs are the action tasks of a group.
func actionIDs(tasks []*TaskAndStatus) []string {
	var out []string
	for _, t := range tasks {
		if t.Task.Extra.Action != nil {
			out = append(out, t.Status.TaskID)
		}
	}
	slices.Sort(out)
	return out
}

package tctest

import (
	"encoding/json"
	"fmt"
)

// Settle has every action task that is under way make its tasks, and complete.
// One that asks for a label that there is not fails. Each leaves the files that
// Gecko's actions leave: task-graph.json has what it made, label-to-taskid.json
// all that was known, also where it failed or made nothing.
func (s *Server) Settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range append([]string{}, s.order...) {
		t := s.tasks[id]
		extra, _ := t.Definition["extra"].(Object)
		action, _ := extra["action"].(Object)
		if action == nil || t.State != "pending" && t.State != "running" {
			continue
		}
		ending := ActionMade
		if s.Act != nil {
			ending = s.Act(action["name"].(string))
		}
		s.carryOut(t, action, ending)
	}
}

// Ending is how an action task goes.
type Ending int

// The endings of an action task.
const (
	ActionMade        Ending = iota // it makes its tasks, and completes
	ActionFailed                    // it fails, and makes nothing
	ActionMadeNothing               // it completes, and makes nothing
)

func (s *Server) carryOut(t *Task, action Object, ending Ending) {
	context := action["context"].(Object)
	input, _ := context["input"].(Object)
	before := len(s.order)
	state := "completed"
	if ending == ActionFailed {
		state = "failed"
	}
	if ending == ActionMade {
		for _, want := range s.wants(action["name"].(string), input, context["taskId"]) {
			if !s.make(t, want.label, want.times) {
				state = "failed"
			}
		}
	}
	made, known := Object{}, Object{}
	for i, id := range s.order {
		d := s.tasks[id].Definition
		if d["taskGroupId"] == t.Definition["taskGroupId"] {
			known[nameOf(d)] = id
		}
		if i >= before {
			made[id] = Object{"label": nameOf(d), "kind": d["tags"].(Object)["kind"], "task": d}
		}
	}
	run := len(t.Runs) - 1
	t.resolve(state, state)
	for name, v := range map[string]Object{"task-graph": made, "label-to-taskid": known} {
		if name == "task-graph" && len(made) == 0 {
			continue
		}
		text, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		s.files[fmt.Sprintf("%s/%d/public/%s.json", t.ID, run, name)] = text
	}
	if at, ok := s.pushes[t.Definition["taskGroupId"].(string)]; ok && state == "completed" {
		s.index[at+".taskgraph.actions."+t.ID] = t.ID
	}
	s.release()
}

type want struct {
	label string
	times int
}

func (s *Server) wants(action string, input Object, taskID any) []want {
	times := func(o Object) int {
		n, _ := o["times"].(float64)
		return max(1, int(n))
	}
	each := func(o Object) (out []want) {
		list, _ := o["tasks"].([]any)
		for _, l := range list {
			out = append(out, want{l.(string), times(o)})
		}
		return out
	}
	switch action {
	case "retrigger-multiple":
		var out []want
		list, _ := input["requests"].([]any)
		for _, r := range list {
			out = append(out, each(r.(Object))...)
		}
		return out
	case "add-new-jobs":
		return each(input)
	case "backfill-task":
		label, _ := input["label"].(string)
		return []want{{label, times(input)}}
	case "retrigger":
		id, _ := taskID.(string)
		return []want{{nameOf(s.tasks[id].Definition), times(input)}}
	}
	return nil
}

// make makes the tasks of an action, and the build that they lack.
func (s *Server) make(action *Task, label string, times int) bool {
	group := action.Definition["taskGroupId"].(string)
	for _, l := range s.graphs[group] {
		if l.Name != label {
			continue
		}
		for _, b := range s.graphs[group] {
			if b.Name == l.Build && len(s.named(group, b.Name)) == 0 {
				s.schedule(group, action.ID, b)
			}
		}
		for range times {
			s.schedule(group, action.ID, l)
		}
		return true
	}
	return false
}

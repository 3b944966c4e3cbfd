package tctest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// AddPush makes a push: its decision task with the artifacts that taskgraph
// writes, indexed, and a task for each label that it planned. It returns the
// decision task's id.
func (s *Server) AddPush(project string, id int64, revision string, labels ...Label) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := fmt.Sprintf("gecko.v2.%s.revision.%s", project, revision)
	d := s.add("", "", Object{
		"metadata": Object{"name": "Gecko Decision Task"}, "tags": Object{"kind": "decision-task"},
		"scopes":  []any{"queue:create-task:low:gecko-t/*", "assume:repo:" + project},
		"payload": Object{"env": Object{"GECKO_HEAD_REV": revision, "PUSHLOG_ID": strconv.FormatInt(id, 10)}},
		"routes":  []any{"index." + at + ".taskgraph.decision"},
	}, true)
	d.resolve("completed", "completed")
	s.Roles["repo:"+project] = []string{"in-tree:hook-action:project-gecko/in-tree-action-3-*"}
	s.index[at+".taskgraph.decision"] = d.ID
	s.index[fmt.Sprintf("gecko.v2.%s.pushlog-id.%d.decision", project, id)] = d.ID
	s.pushes[d.ID] = at
	s.graphs[d.ID] = labels
	mapping, graph, runnable := Object{}, Object{}, Object{}
	for _, l := range labels {
		if l.Planned {
			mapping[l.Name] = s.schedule(d.ID, d.ID, l).ID
		}
		graph[l.Name] = l.graph()
		runnable[l.Name] = Object{"symbol": "x"}
	}
	for name, v := range map[string]any{
		"actions": Actions(d.ID, project, id, revision), "label-to-taskid": mapping, "full-task-graph": graph, "runnable-jobs": runnable,
	} {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		s.files[d.ID+"/0/public/"+name+".json"] = text
	}
	return d.ID
}

func (l Label) kind() string {
	if l.Build == "" {
		return "build"
	}
	return "test"
}

// tags are what taskgraph gives a task.
func (l Label) tags() Object {
	return Object{"kind": l.kind(), "label": l.Name, "retrigger": strconv.FormatBool(l.Build != "")}
}

func (l Label) payload() Object {
	if l.Manifests == nil {
		return Object{}
	}
	paths, err := json.Marshal(Object{"suite": l.Manifests})
	if err != nil {
		panic(err)
	}
	return Object{"env": Object{"MOZHARNESS_TEST_PATHS": string(paths)}}
}

// graph is the label in full-task-graph.json.
func (l Label) graph() Object {
	needs := Object{}
	if l.Build != "" {
		needs["build"] = l.Build
	}
	return Object{
		"label": l.Name, "kind": l.kind(), "attributes": Object{"kind": l.kind()}, "dependencies": needs,
		"task": Object{"taskQueueId": "gecko-t/linux", "metadata": Object{"name": l.Name}, "tags": l.tags(), "extra": Object{"treeherder": Object{"jobKind": l.kind()}}, "payload": l.payload()},
	}
}

// schedule makes a task of a label, with its build's as its dependency.
func (s *Server) schedule(group, parent string, l Label) *Task {
	needs := []any{}
	if l.Build != "" {
		for _, id := range s.named(group, l.Build) {
			needs = append(needs, id)
		}
	}
	t := s.add("", group, Object{
		"metadata": Object{"name": l.Name}, "tags": l.tags(), "dependencies": needs, "payload": l.payload(),
		"extra":  Object{"parent": parent, "treeherder": Object{"jobKind": l.kind(), "symbol": "x"}},
		"routes": []any{"index.gecko.v2.x.latest." + l.Name, "tc-treeherder.v2.x"},
	}, len(needs) == 0)
	s.release()
	return t
}

// Ending is how an action task goes.
type Ending int

// The endings of an action task.
const (
	ActionMade        Ending = iota // it makes its tasks, and completes
	ActionFailed                    // it fails, and makes nothing
	ActionMadeNothing               // it completes, and makes nothing
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

// Actions is an actions.json such as taskgraph writes: several actions are
// named retrigger, and which is meant depends on the task.
func Actions(decision, project string, id int64, revision string) Object {
	times := Object{"type": "integer", "default": 1, "minimum": 1, "maximum": 100}
	labels := Object{"type": "array", "items": Object{"type": "string"}}
	object := func(properties Object, more ...string) Object {
		o := Object{"type": "object", "properties": properties}
		if len(more) > 0 {
			o["required"] = more
		}
		return o
	}
	action := func(name, perm, callback string, context []any, schema any) Object {
		o := Object{
			"name": name, "title": strings.ToUpper(name[:1]) + name[1:], "description": "", "context": context, "kind": "hook",
			"hookGroupId": "project-gecko", "hookId": "in-tree-action-3-" + perm + "/0123456789",
			"hookPayload": Object{
				"decision": Object{
					"action":     Object{"name": name, "title": name, "description": "", "taskGroupId": decision, "cb_name": callback, "symbol": "x"},
					"repository": Object{"url": "https://hg.example.com/" + project, "project": project, "level": "3"},
					"push":       Object{"owner": "somebody@example.com", "pushlog_id": strconv.FormatInt(id, 10), "revision": revision},
				},
				"user": Object{"input": Object{"$eval": "input"}, "taskId": Object{"$eval": "taskId"}, "taskGroupId": Object{"$eval": "taskGroupId"}},
			},
			"extra": Object{"actionPerm": perm},
		}
		if schema != nil {
			o["schema"] = schema
		}
		return o
	}
	// As Gecko has it, wrong: the items have no properties, and what was to
	// close them is a property of the input.
	multiple := object(Object{
		"requests": Object{"type": "array", "items": Object{
			"tasks": labels, "times": Object{"type": "integer", "minimum": 1, "maximum": 100, "title": "Times"}, "additionalProperties": false,
		}},
		"additionalProperties": false,
	})
	return Object{"version": 1, "variables": Object{}, "actions": []any{
		action("retrigger", "generic", "retrigger-decision", []any{Object{"kind": "decision-task"}, Object{"kind": "action-callback"}}, nil),
		action("retrigger", "generic", "retrigger", []any{Object{"retrigger": "true"}}, object(Object{"downstream": Object{"type": "boolean", "default": false}, "times": times})),
		action("retrigger", "generic", "retrigger-disabled", []any{Object{}}, object(Object{"times": times, "force": Object{"type": "boolean", "default": false}})),
		action("add-new-jobs", "generic", "add-new-jobs", []any{}, object(Object{"tasks": labels, "times": times})),
		action("confirm-failures", "generic", "confirm-failures", []any{Object{"kind": "test"}}, object(Object{})),
		action("backfill-task", "backfill", "backfill-task", []any{}, object(Object{"label": Object{"type": "string"}, "times": times, "retrigger": Object{"type": "boolean", "default": true}}, "label")),
		action("rerun", "generic", "rerun", []any{Object{}}, object(Object{})),
		action("cancel", "generic", "cancel", []any{Object{}}, nil),
		action("retrigger-multiple", "generic", "retrigger-multiple", []any{}, multiple),
	}}
}

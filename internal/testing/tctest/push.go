package tctest

import (
	"encoding/json"
	"fmt"
	"strconv"
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
	s.routes[d.ID] = fmt.Sprintf("tc-treeherder.v2.%s.%s.%d", project, revision, id)
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
		"actions": Actions(d.ID, project, id, revision), "label-to-taskid": mapping, "full-task-graph": graph,
		"runnable-jobs": runnable,
	} {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		s.files[d.ID+"/0/public/"+name+".json"] = text
	}
	return d.ID
}

// AddCron makes the group of a cron job on a push, as AddPush makes the push's own: its
// decision task, indexed by the push's revision, and the tasks of the labels.
func (s *Server) AddCron(project, name string, id int64, revision string, labels ...Label) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := fmt.Sprintf("gecko.v2.%s.revision.%s", project, revision)
	d := s.add("", "", Object{
		"metadata": Object{"name": "Decision Task for cron job " + name}, "tags": Object{"kind": "cron-task"},
		"scopes":  []any{"queue:create-task:low:gecko-t/*", "assume:repo:" + project},
		"payload": Object{"env": Object{"GECKO_HEAD_REV": revision, "PUSHLOG_ID": strconv.FormatInt(id, 10)}},
	}, true)
	d.resolve("completed", "completed")
	s.index[at+".cron."+d.ID] = d.ID
	s.pushes[d.ID] = at
	s.routes[d.ID] = fmt.Sprintf("tc-treeherder.v2.%s.%s.%d", project, revision, id)
	s.graphs[d.ID] = labels
	mapping := Object{}
	for _, l := range labels {
		if l.Planned {
			mapping[l.Name] = s.schedule(d.ID, d.ID, l).ID
		}
	}
	for name, v := range map[string]any{"actions": Actions(d.ID, project, id, revision), "label-to-taskid": mapping} {
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
		"task": Object{
			"taskQueueId": "gecko-t/linux", "metadata": Object{"name": l.Name}, "tags": l.tags(),
			"extra": Object{"treeherder": Object{"jobKind": l.kind()}}, "payload": l.payload(),
		},
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
	treeherder := "tc-treeherder.v2.x"
	if route, ok := s.routes[group]; ok {
		treeherder = route
	}
	t := s.add("", group, Object{
		"metadata": Object{"name": l.Name}, "tags": l.tags(), "dependencies": needs, "payload": l.payload(),
		"extra":  Object{"parent": parent, "treeherder": Object{"jobKind": l.kind(), "symbol": "x"}},
		"routes": []any{"index.gecko.v2.x.latest." + l.Name, treeherder},
	}, len(needs) == 0)
	s.releaseOne(t)
	return t
}

package tctest

import (
	"strconv"
	"strings"
)

// Actions is an actions.json such as taskgraph writes: several actions are
// named retrigger, and which is meant depends on the task.
func Actions(decision, project string, id int64, revision string) Object {
	times := Object{"type": "integer", "default": 1, "minimum": 1, "maximum": 100}
	labels := Object{"type": "array", "items": Object{"type": "string"}}
	flag := func(or bool) Object { return Object{"type": "boolean", "default": or} }
	action := func(name, perm, callback string, context []any, schema any) Object {
		return actionOf(decision, project, id, revision, name, perm, callback, context, schema)
	}
	// As Gecko has it, wrong: the items have no properties, and what was to
	// close them is a property of the input.
	multiple := schemaOf(Object{
		"requests": Object{"type": "array", "items": Object{
			"tasks": labels, "times": Object{"type": "integer", "minimum": 1, "maximum": 100, "title": "Times"},
			"additionalProperties": false,
		}},
		"additionalProperties": false,
	})
	backfill := schemaOf(Object{"label": Object{"type": "string"}, "times": times, "retrigger": flag(true)}, "label")
	return Object{"version": 1, "variables": Object{}, "actions": []any{
		action("retrigger", "generic", "retrigger-decision",
			[]any{Object{"kind": "decision-task"}, Object{"kind": "action-callback"}}, nil),
		action("retrigger", "generic", "retrigger", []any{Object{"retrigger": "true"}},
			schemaOf(Object{"downstream": flag(false), "times": times})),
		action("retrigger", "generic", "retrigger-disabled", []any{Object{}},
			schemaOf(Object{"times": times, "force": flag(false)})),
		action("add-new-jobs", "generic", "add-new-jobs", []any{}, schemaOf(Object{"tasks": labels, "times": times})),
		action("confirm-failures", "generic", "confirm-failures", []any{Object{"kind": "test"}}, schemaOf(Object{})),
		action("backfill-task", "backfill", "backfill-task", []any{}, backfill),
		action("rerun", "generic", "rerun", []any{Object{}}, schemaOf(Object{})),
		action("cancel", "generic", "cancel", []any{Object{}}, nil),
		action("retrigger-multiple", "generic", "retrigger-multiple", []any{}, multiple),
	}}
}

// schemaOf is the schema of an action's input, with the names of what it needs.
func schemaOf(properties Object, needed ...string) Object {
	o := Object{"type": "object", "properties": properties}
	if len(needed) > 0 {
		o["required"] = needed
	}
	return o
}

// actionOf is one action of a push: schema is nil for one that takes no input.
func actionOf(
	decision, project string, id int64, revision, name, perm, callback string, context []any, schema any,
) Object {
	o := Object{
		"name": name, "title": strings.ToUpper(name[:1]) + name[1:], "description": "", "context": context,
		"kind": "hook", "hookGroupId": "project-gecko", "hookId": "in-tree-action-3-" + perm + "/0123456789",
		"hookPayload": Object{
			"decision": Object{
				"action": Object{
					"name": name, "title": name, "description": "", "taskGroupId": decision,
					"cb_name": callback, "symbol": "x",
				},
				"repository": Object{"url": "https://hg.example.com/" + project, "project": project, "level": "3"},
				"push": Object{
					"owner": "somebody@example.com", "pushlog_id": strconv.FormatInt(id, 10), "revision": revision,
				},
			},
			"user": Object{
				"input": Object{"$eval": "input"}, "taskId": Object{"$eval": "taskId"},
				"taskGroupId": Object{"$eval": "taskGroupId"},
			},
		},
		"extra": Object{"actionPerm": perm},
	}
	if schema != nil {
		o["schema"] = schema
	}
	return o
}

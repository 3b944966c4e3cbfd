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
	object := func(properties Object, more ...string) Object {
		o := Object{"type": "object", "properties": properties}
		if len(more) > 0 {
			o["required"] = more
		}
		return o
	}
	action := func(name, perm, callback string, context []any, schema any) Object {
		o := Object{
			"name": name, "title": strings.ToUpper(name[:1]) + name[1:], "description": "", "context": context,
			"kind":        "hook",
			"hookGroupId": "project-gecko", "hookId": "in-tree-action-3-" + perm + "/0123456789",
			"hookPayload": Object{
				"decision": Object{
					"action": Object{
						"name": name, "title": name, "description": "", "taskGroupId": decision,
						"cb_name": callback, "symbol": "x",
					},
					"repository": Object{"url": "https://hg.example.com/" + project, "project": project, "level": "3"},
					"push": Object{
						"owner": "somebody@example.com", "pushlog_id": strconv.FormatInt(id, 10),
						"revision": revision,
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
	// As Gecko has it, wrong: the items have no properties, and what was to
	// close them is a property of the input.
	multiple := object(Object{
		"requests": Object{"type": "array", "items": Object{
			"tasks": labels, "times": Object{"type": "integer", "minimum": 1, "maximum": 100, "title": "Times"},
			"additionalProperties": false,
		}},
		"additionalProperties": false,
	})
	return Object{"version": 1, "variables": Object{}, "actions": []any{
		action("retrigger", "generic", "retrigger-decision",
			[]any{Object{"kind": "decision-task"}, Object{"kind": "action-callback"}}, nil),
		action("retrigger", "generic", "retrigger", []any{Object{"retrigger": "true"}},
			object(Object{"downstream": Object{"type": "boolean", "default": false}, "times": times})),
		action("retrigger", "generic", "retrigger-disabled", []any{Object{}},
			object(Object{"times": times, "force": Object{"type": "boolean", "default": false}})),
		action("add-new-jobs", "generic", "add-new-jobs", []any{}, object(Object{"tasks": labels, "times": times})),
		action("confirm-failures", "generic", "confirm-failures", []any{Object{"kind": "test"}}, object(Object{})),
		action("backfill-task", "backfill", "backfill-task", []any{},
			object(Object{
				"label": Object{"type": "string"}, "times": times,
				"retrigger": Object{"type": "boolean", "default": true},
			}, "label")),
		action("rerun", "generic", "rerun", []any{Object{}}, object(Object{})),
		action("cancel", "generic", "cancel", []any{Object{}}, nil),
		action("retrigger-multiple", "generic", "retrigger-multiple", []any{}, multiple),
	}}
}

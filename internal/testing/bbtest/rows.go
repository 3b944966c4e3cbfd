package bbtest

import (
	"maps"
	"strings"
)

// keys are the ids of the tables.
var keys = map[string]string{
	"builders": "builderid", "changes": "changeid", "buildsets": "bsid", "buildrequests": "buildrequestid",
	"builds": "buildid", "steps": "stepid", "logs": "logid", "forceschedulers": "name",
}

// blank is a record of a table with each field that the API gives it, as it is when
// nothing is said of it.
func blank(table string) Row {
	switch table {
	case "builders":
		return Row{"builderid": 0, "name": "", "description": "a builder", "tags": []string{}, "masterids": []int{1}}
	case "changes":
		return Row{
			"changeid": 0, "revision": nil, "branch": "main", "author": "dev", "committer": nil, "comments": "",
			"repository": "https://hg.example/app", "project": "app", "codebase": "", "category": nil, "revlink": "",
			"files": []string{}, "properties": Row{}, "parent_changeids": []int{}, "when_timestamp": 0,
			"sourcestamp": blank("sourcestamps"),
		}
	case "sourcestamps":
		return Row{
			"ssid": 1, "codebase": "", "repository": "https://hg.example/app", "project": "app", "branch": "main",
			"revision": nil, "patch": nil, "created_at": firstSecond,
		}
	case "buildsets":
		return Row{
			"bsid": 0, "external_idstring": nil, "reason": "scheduler", "submitted_at": 0,
			"parent_buildid": nil, "parent_relationship": nil, "complete": false, "complete_at": nil, "results": -1,
			"sourcestamps": []Row{},
		}
	case "buildrequests":
		return Row{
			"buildrequestid": 0, "buildsetid": 0, "builderid": 0, "priority": 0, "waited_for": false, "submitted_at": 0,
			"claimed": false, "claimed_at": nil, "claimed_by_masterid": nil, "complete": false, "complete_at": nil,
			"results": -1, "properties": nil,
		}
	case "builds":
		return Row{
			"buildid": 0, "number": 0, "builderid": 0, "buildrequestid": 0, "workerid": 1, "masterid": 1,
			"started_at": 0, "complete": false, "complete_at": nil, "results": nil, "state_string": "",
			"properties": Row{},
		}
	case "steps":
		return Row{
			"stepid": 0, "number": 0, "name": "", "buildid": 0, "started_at": firstSecond, "complete": true,
			"complete_at": firstSecond, "results": 0, "state_string": "finished", "urls": []Row{}, "hidden": false,
		}
	case "logs":
		return Row{
			"logid": 0, "name": "", "slug": "", "stepid": 0, "complete": true, "num_lines": 0, "type": "s",
		}
	case "forceschedulers":
		return Row{
			"name": "", "label": "", "button_name": "force", "enabled": true, "builder_names": []string{},
			"all_fields": []Row{},
		}
	}
	return Row{}
}

// Whole is a row of a table, or a source stamp, with all the fields that the API gives
// it and with what fields say.
func Whole(table string, fields Row) Row { return with(blank(table), fields) }

// completed is a row with the fields that a history leaves out.
func completed(table string, r Row) Row {
	r = Whole(table, r)
	if table == "changes" {
		r["sourcestamp"] = stampOf(r, Row{"created_at": r["when_timestamp"]})
	}
	return r
}

// stampOf is the source stamp of a change, with what fields say.
func stampOf(change, fields Row) Row {
	stamp := Whole("sourcestamps", Row{"ssid": change["changeid"]})
	for _, name := range []string{"revision", "branch", "codebase", "repository", "project"} {
		stamp[name] = change[name]
	}
	return with(stamp, fields)
}

// field is a field of a form, of a type: text, fixed, username, or nested for a group
// of fields.
func field(kind, name string, more Row) Row {
	f := Row{
		"type": kind, "name": name, "fullName": name, "label": name, "tablabel": name, "default": "",
		"required": false, "multiple": false, "regex": nil, "hide": false, "maxsize": nil, "autopopulate": nil,
	}
	switch kind {
	case "text":
		f["size"] = 10
	case "username":
		f["size"], f["need_email"] = 30, true
	case "nested":
		f["columns"], f["layout"] = 1, "vertical"
		if name == "" {
			f["fullName"] = nil
		}
	}
	return with(f, more)
}

// with is a row with some fields changed.
func with(row, fields Row) Row {
	maps.Copy(row, fields)
	return row
}

// slug is the part of a log's URL that names it.
func slug(name string) string { return strings.NewReplacer(".", "_", " ", "_").Replace(name) }

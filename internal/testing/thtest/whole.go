package thtest

import (
	"maps"
	"slices"
)

// jobFields are what the server says of a job in a list, with what it says of one
// that has nothing to tell.
var jobFields = Object{
	"build_architecture": "-", "build_os": "-", "build_platform": "-", "build_platform_id": 1,
	"build_system_type": "taskcluster", "end_timestamp": 0, "failure_classification_id": 1, "id": 0,
	"job_group_description": "", "job_group_id": 1, "job_group_name": "unknown", "job_group_symbol": "?",
	"job_guid": "", "job_type_description": "", "job_type_id": 1, "job_type_name": "", "job_type_symbol": "?",
	"last_modified": "2026-01-01T00:00:00.000000", "machine_name": "unknown", "machine_platform_architecture": "-",
	"machine_platform_os": "-", "option_collection_hash": "", "platform": "-", "platform_option": "", "push_id": 0,
	"reason": "scheduled", "ref_data_name": "", "result": "unknown", "result_set_id": 0, "retry_id": 0,
	"signature": "", "start_timestamp": 0, "state": "pending", "submit_timestamp": 0, "task_id": "", "tier": 1,
	"who": "",
}

// jobProperties are the names of the columns of jobs as rows.
var jobProperties = slices.Sorted(maps.Keys(jobFields))

// wholeJob has all fields that the server has of a job.
func wholeJob(j Object) Object {
	out := filled(j, jobFields)
	if j["result_set_id"] == nil {
		out["result_set_id"] = j["push_id"]
	}
	return out
}

// wholePush has all fields that the server has of a push and of its revisions.
func wholePush(p Object) Object {
	list, _ := p["revisions"].([]any)
	revisions := []any{}
	for _, r := range list {
		if o, ok := r.(Object); ok {
			r = filled(o, Object{"result_set_id": p["id"], "repository_id": 1, "author": "", "comments": ""})
		}
		revisions = append(revisions, r)
	}
	out := filled(p, Object{"author": "", "revision_count": len(revisions), "repository_id": 1})
	out["revisions"] = revisions
	return out
}

// wholeRepositories have all fields that the server has of a repository.
func wholeRepositories(list []Object) []Object {
	out := []Object{}
	for i, r := range list {
		out = append(out, filled(r, Object{
			"id": i + 1, "repository_group": Object{"name": "development", "description": ""}, "dvcs_type": "hg",
			"url": "https://hg.mozilla.org/" + text(r["name"]), "branch": nil, "codebase": "gecko", "description": "",
			"active_status": "active", "life_cycle_order": nil, "performance_alerts_enabled": false,
			"expire_performance_data": false, "is_try_repo": false,
			"tc_root_url": "https://firefox-ci-tc.services.mozilla.com",
		}))
	}
	return out
}

// filled is an object with all its other members filled in.
func filled(o, rest Object) Object {
	out := maps.Clone(rest)
	maps.Copy(out, o)
	return out
}

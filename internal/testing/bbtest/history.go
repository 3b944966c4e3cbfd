package bbtest

import (
	"fmt"
	"maps"
)

// firstSecond is when the history of a double begins. A change comes ten minutes
// after the one before, and a buildset five seconds.
const firstSecond = 1_760_000_000

// Revision is the nth revision of a history, of 40 digits.
func Revision(n int) string { return fmt.Sprintf("%08x%032x", 0xabc00000+n, n) }

// with is a row with some fields changed.
func with(row, fields Row) Row {
	maps.Copy(row, fields)
	return row
}

func (d *Double) now() int {
	return firstSecond + 600*len(d.tables["changes"]) + 5*len(d.tables["buildsets"])
}

// Builder adds a builder and returns its id.
func (d *Double) Builder(name string, tags ...string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := d.next("builders")
	d.tables["builders"] = append(d.tables["builders"], Row{"builderid": id, "name": name, "description": nil, "tags": append([]string{}, tags...), "masterids": []int{1}})
	return id
}

// Change adds a change of a revision on branch main, but for what fields say.
func (d *Double) Change(revision any, fields Row) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := d.next("changes")
	d.tables["changes"] = append(d.tables["changes"], with(Row{
		"changeid": id, "revision": revision, "branch": "main", "author": "dev", "comments": fmt.Sprintf("change %d", id), "repository": "https://hg.example/app",
		"project": "app", "codebase": "", "parent_changeids": []int{}, "when_timestamp": d.now(), "sourcestamp": Row{"ssid": id, "created_at": d.now()},
	}, fields))
	return id
}

// Stamp is a source stamp of a revision on branch main, but for what fields say.
func Stamp(revision any, fields Row) Row {
	return with(Row{"ssid": 1, "codebase": "", "repository": "https://hg.example/app", "project": "app", "branch": "main", "revision": revision, "patch": nil}, fields)
}

// The results of requests that have none yet.
const (
	Pending = -1
	Running = -2
)

// BuildRequest is what a builder is asked to do.
type BuildRequest struct {
	Builder int
	Results []int // of its builds, in order; the last is the request's; none: collapsed
	As      int   // the builder that the builds are filed under, where it is another
	Build   Row   // fields of the builds
	Set     Row   // fields of the buildset
	Props   Row   // properties of the request
	At      int   // when it was submitted, if not now
	Stamps  []Row
}

// Ask adds a buildset with a request, and returns the request's id.
func (d *Double) Ask(r BuildRequest) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := d.now()
	if r.At != 0 {
		at = r.At
	}
	set := with(Row{"bsid": d.next("buildsets"), "reason": "scheduler", "parent_buildid": nil, "complete": true, "submitted_at": at, "sourcestamps": r.Stamps}, r.Set)
	last := 3 // skipped
	if n := len(r.Results); n > 0 {
		last = r.Results[n-1]
	}
	open := last < 0
	request := Row{
		"buildrequestid": d.next("buildrequests"), "buildsetid": set["bsid"], "builderid": r.Builder, "claimed": last != Pending, "complete": !open,
		"results": max(last, -1), "submitted_at": at, "complete_at": at + 50, "properties": r.Props,
	}
	as := r.Builder
	if r.As != 0 {
		as = r.As
	}
	for _, results := range r.Results {
		if results == Pending {
			continue
		}
		id := d.next("builds")
		b := Row{
			"buildid": id, "number": id, "builderid": as, "buildrequestid": request["buildrequestid"], "complete": results >= 0, "results": results,
			"started_at": at + 10, "complete_at": at + 50, "state_string": "", "properties": Row{},
		}
		if results < 0 {
			b["results"], b["complete_at"] = nil, nil
		}
		d.tables["builds"] = append(d.tables["builds"], with(b, r.Build))
	}
	d.tables["buildsets"] = append(d.tables["buildsets"], set)
	d.tables["buildrequests"] = append(d.tables["buildrequests"], request)
	return request["buildrequestid"].(int)
}

// Form adds a force scheduler for builders, with a reason and these fields.
func (d *Double) Form(name string, builders []string, fields ...Row) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := append([]Row{{"name": "reason", "fullName": "reason", "type": "text", "default": ""}}, fields...)
	d.tables["forceschedulers"] = append(d.tables["forceschedulers"], Row{"name": name, "label": name, "builder_names": builders, "all_fields": all})
}

// Sources are the fields of a form for one codebase; defaults are those of branch,
// repository and project, and a branch that is fixed begins with "fixed ".
func Sources(codebase string, defaults Row) Row {
	var fields []Row
	for _, name := range []string{"branch", "project", "repository", "revision"} {
		full, kind, value := name, "text", defaults[name]
		if codebase != "" {
			full = codebase + "_" + name
		}
		if s, ok := value.(string); ok && len(s) > 6 && s[:6] == "fixed " {
			kind, value = "fixed", s[6:]
		}
		if value == nil {
			value = ""
		}
		fields = append(fields, Row{"name": name, "fullName": full, "type": kind, "default": value})
	}
	return Row{"name": codebase, "fullName": codebase, "type": "nested", "fields": fields}
}

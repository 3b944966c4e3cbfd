package bbtest

import (
	"fmt"
	"strconv"
	"strings"
)

// firstSecond is when the history of a double begins. A change comes ten minutes
// after the one before, and a buildset five seconds.
const firstSecond = 1_760_000_000

// Revision is the nth revision of a history, of 40 digits.
func Revision(n int) string { return fmt.Sprintf("%08x%032x", 0xabc00000+n, n) }

func (d *Double) now() int {
	return firstSecond + 600*len(d.tables["changes"]) + 5*len(d.tables["buildsets"])
}

// next is the id of the next record of a table.
func (d *Double) next(table string) int { return len(d.tables[table]) + 1 }

// add adds a record to a table, with what fields say, and returns its id.
func (d *Double) add(table string, fields Row) int {
	id := d.next(table)
	stamps, _ := fields["sourcestamps"].([]Row)
	for _, s := range stamps {
		s["ssid"] = d.stamp(s)
	}
	d.tables[table] = append(d.tables[table], with(with(blank(table), Row{keys[table]: id}), fields))
	return id
}

// stamp is the id of a source stamp: the same source has the same.
func (d *Double) stamp(s Row) int {
	key := ""
	for _, name := range []string{"codebase", "repository", "project", "branch", "revision", "patch", "created_at"} {
		key += fmt.Sprintf("%v\n", s[name])
	}
	if _, ok := d.stamps[key]; !ok {
		d.stamps[key] = 1000 + len(d.stamps) // those of changes are below
	}
	return d.stamps[key]
}

// Builder adds a builder and returns its id.
func (d *Double) Builder(name string, tags ...string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.add("builders", Row{"name": name, "tags": append([]string{}, tags...)})
}

// Change adds a change of a revision on branch main, but for what fields say. Its
// source stamp is of the same source, and made now, but for what its fields say.
func (d *Double) Change(revision any, fields Row) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := d.next("changes")
	change := with(blank("changes"), Row{
		"changeid": id, "revision": revision, "comments": fmt.Sprintf("change %d", id), "when_timestamp": d.now(),
	})
	own, _ := fields["sourcestamp"].(Row)
	with(change, fields)
	change["sourcestamp"] = stampOf(change, with(Row{"created_at": d.now()}, own))
	return d.add("changes", change)
}

// Buildset adds a buildset without requests, with what fields say.
func (d *Double) Buildset(fields Row) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.add("buildsets", with(Row{"submitted_at": d.now(), "sourcestamps": []Row{blank("sourcestamps")}}, fields))
}

// End ends a request and its builds that run: all of them at once, as a master does
// with its buildset.
func (d *Double) End(request, results int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.end(request, results)
}

func (d *Double) end(request, results int) {
	id := strconv.Itoa(request)
	end := Row{"complete": true, "complete_at": d.now(), "results": results}
	for _, r := range having(d.tables["buildrequests"], "buildrequestid", id) {
		with(r, end)
		r["claimed"], r["claimed_at"], r["claimed_by_masterid"] = true, end["complete_at"], 1
		for _, s := range having(d.tables["buildsets"], "bsid", fmt.Sprint(r["buildsetid"])) {
			with(s, end)
		}
	}
	for _, b := range having(d.tables["builds"], "buildrequestid", id) {
		if b["complete"] == false {
			with(b, end)
		}
	}
}

// Field is a text field of a form, with what fields say.
func Field(name string, fields Row) Row { return field("text", name, fields) }

// Stamp is a source stamp of a revision on branch main, but for what fields say.
func Stamp(revision any, fields Row) Row {
	return with(with(blank("sourcestamps"), Row{"revision": revision}), fields)
}

// The results of requests that have none yet.
const (
	Pending = -1 // no worker has claimed it: the request has no build
	Running = -2 // its build has started and has not ended
)

// retried is the result of a build that is made again.
const retried = 5

// BuildRequest is what a builder is asked to do.
type BuildRequest struct {
	Builder int
	Results []int // of its builds, in order; the last is the request's unless it is retried; none: collapsed
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
	last := 3 // skipped
	if n := len(r.Results); n > 0 {
		last = r.Results[n-1]
	}
	if last == retried { // it waits again
		last = Pending
	}
	end := Row{"complete": last >= 0, "results": max(last, -1)}
	if last >= 0 {
		end["complete_at"] = at + 50
	}
	set := d.add("buildsets", with(with(Row{"submitted_at": at, "sourcestamps": r.Stamps}, end), r.Set))
	request := Row{
		"buildsetid": set, "builderid": r.Builder, "claimed": last != Pending,
		"submitted_at": at, "properties": r.Props,
	}
	if last != Pending {
		request["claimed_at"], request["claimed_by_masterid"] = at+10, 1
	}
	id := d.add("buildrequests", with(request, end))
	as := r.Builder
	if r.As != 0 {
		as = r.As
	}
	for _, results := range r.Results {
		if results == Pending {
			continue
		}
		build := Row{"number": d.next("builds"), "builderid": as, "buildrequestid": id, "started_at": at + 10}
		if results >= 0 {
			build["complete"], build["results"], build["complete_at"] = true, results, at+50
		}
		d.add("builds", with(build, r.Build))
	}
	return id
}

// Log adds a step with a log, stdio, to a build.
func (d *Double) Log(build int, step, text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	number := len(having(d.tables["steps"], "buildid", strconv.Itoa(build)))
	id := d.add("steps", Row{"number": number, "name": step, "buildid": build})
	log := d.add("logs", Row{
		"name": "stdio", "slug": slug("stdio"), "stepid": id, "num_lines": strings.Count(text, "\n") + 1,
	})
	d.raw[strconv.Itoa(log)] = text
}

// Form adds a force scheduler for builders, with a reason and these fields.
func (d *Double) Form(name string, builders []string, fields ...Row) {
	d.mu.Lock()
	defer d.mu.Unlock()
	why := field("nested", "", Row{"fields": []Row{field("username", "username", nil), field("text", "reason", nil)}})
	d.add("forceschedulers", Row{
		"name": name, "label": name, "builder_names": builders, "all_fields": append([]Row{why}, fields...),
	})
}

// ReasonSize bounds the reason of all forms; nil is no bound.
func (d *Double) ReasonSize(most any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, form := range d.tables["forceschedulers"] {
		form["all_fields"].([]Row)[0]["fields"].([]Row)[1]["maxsize"] = most
	}
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
		if s, ok := value.(string); ok && strings.HasPrefix(s, "fixed ") {
			kind, value = "fixed", strings.TrimPrefix(s, "fixed ")
		}
		if value == nil {
			value = ""
		}
		fields = append(fields, field(kind, name, Row{"fullName": full, "default": value}))
	}
	return field("nested", codebase, Row{"fields": fields})
}

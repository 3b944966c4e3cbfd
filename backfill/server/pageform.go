package server

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/mozci/mozci/job"
)

// The form that starts a backfill, in both directions: readInput reads it, from an address or a
// POST, and formOf, fieldsOf and queryOf write it again, so that every button and link that repeats
// a request sends the same fields.

// formView is the form that starts a backfill, with its values. All values are texts as they stand
// in the fields; an empty one leaves the default.
type formView struct {
	Link, Project, Label, Revision, Test string
	JobID, TaskID                        string
	Times, Most, Batch, Runs             string
	Search, Follow                       bool
	Error                                string // what is wrong with the values; empty for nothing
	Open                                 bool   // whether the options are unfolded
}

// startView is the first screen. Bookmarklet is empty while the service does not know its own
// address.
type startView struct {
	Form        formView
	Recent      []historyRow
	Example     string
	Root        string
	Bookmarklet string
}

// mostField is the maximum length of a field in bytes; a longer one gives an error.
const mostField = 4096

// start shows the first screen. Its address may fill in the form; the options are unfolded when it
// fills in one of them.
func (p *page) start(w http.ResponseWriter, r *http.Request) {
	in, err := readInput(r.URL.Query())
	f := formOf(in)
	f.Open = err != nil || in.Times != nil || in.Most != nil || in.Batch != nil || in.MaxRuns != nil || f.Search ||
		f.Follow
	if err != nil {
		f.Error = formError(err)
	}
	p.showStart(w, r, http.StatusOK, f)
}

// showStart shows the form. It works without the history: when that cannot be read, the form
// appears without it.
func (p *page) showStart(w http.ResponseWriter, r *http.Request, code int, f formView) {
	v := startView{Form: f, Example: p.example(), Root: p.root(r)}
	// 30 backfills for 6 rows, since those of the same job share a row.
	list, err := p.backend.List(r.Context(), Query{Limit: 30})
	if err != nil {
		p.o.Log.WarnContext(r.Context(), "the history cannot be read", "error", err)
	}
	if v.Recent = historyRows(list); len(v.Recent) > 6 {
		v.Recent = v.Recent[:6]
	}
	if v.Root != "" {
		v.Bookmarklet = bookmarklet(v.Root)
	}
	p.show(w, r, code, "start", p.frame(r, "mozci: which push broke this job?", "start", v))
}

// example is the address of the example's plan; empty when there is no example.
func (p *page) example() string {
	if p.o.Example == "" {
		return ""
	}
	return "/backfill?" + url.Values{"link": {p.o.Example}}.Encode()
}

// bookmarklet is a bookmark that opens the plan for the job that the browser shows now.
func bookmarklet(root string) string {
	return "javascript:location.href='" + root + "/backfill?link='+encodeURIComponent(location.href)"
}

// preview shows the plan as a dry run. It triggers nothing, however often it is loaded.
func (p *page) preview(w http.ResponseWriter, r *http.Request) {
	in, err := readInput(r.URL.Query())
	if err == nil && in == (Input{}) {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	f := formOf(in)
	if err != nil {
		f.Error = formError(err)
		p.showStart(w, r, http.StatusBadRequest, f)
		return
	}
	in.DryRun = true
	// A dry run needs no caller.
	c, _ := p.who(r)
	b, err := p.backend.Start(r.Context(), c, in)
	switch {
	case errors.Is(err, job.ErrInvalid):
		f.Error = formError(err)
		p.showStart(w, r, http.StatusBadRequest, f)
	case err != nil:
		p.fail(w, r, err)
	default:
		p.showOne(w, r, b)
	}
}

// act starts a backfill.
func (p *page) act(w http.ResponseWriter, r *http.Request) {
	c, ok := p.caller(w, r)
	if !ok {
		return
	}
	if err := r.ParseForm(); err != nil {
		p.fail(w, r, wrong("body", "the form cannot be read"))
		return
	}
	in, err := readInput(r.PostForm)
	f := formOf(in)
	var b Backfill
	if err == nil {
		b, err = p.backend.Start(r.Context(), c, in)
	}
	switch {
	case errors.Is(err, job.ErrInvalid):
		f.Error = formError(err)
		p.showStart(w, r, http.StatusBadRequest, f)
	case err != nil:
		p.fail(w, r, err)
	default:
		Audit(r.Context(), slog.String("what", "backfill"), slog.String("backfill", b.ID),
			slog.String("state", string(b.State)), slog.Bool("dry_run", b.DryRun))
		http.Redirect(w, r, "/backfills/"+url.PathEscape(b.ID), http.StatusSeeOther)
	}
}

// fieldWords are the names that the form gives to the fields of an Input.
var fieldWords = map[string]string{
	"link": "Link", "project": "Repository", "job_id": "Job id", "task_id": "Task", "label": "Job", "revision": "Push",
	"test": "Test", "times": "Runs on each push", "max_revisions": "Pushes to check", "batch": "Runs in a round",
	"max_runs": "Budget in runs",
}

// formError is what is wrong with a form, with the form's own names of the fields.
func formError(err error) string {
	var in *InputError
	if errors.As(err, &in) {
		if words := fieldWords[in.Field]; words != "" {
			return words + ": " + sentence(plain(in.Message))
		}
	}
	return upper(sentence(plain(reasonText(err))))
}

// readInput reads the fields of a form, or of a link on another page. Such links use Treeherder's
// names: repo, revision, selectedTaskRun.
//
//	?repo=autoland&revision=…&selectedTaskRun=fN3bGUqhR1eBVfVfYmPDKg.0
//	→ Project autoland, TaskID fN3bGUqhR1eBVfVfYmPDKg/0, no Revision
func readInput(q url.Values) (Input, error) {
	var in Input
	for name, list := range q {
		if len(list) > 0 && len(list[0]) > mostField {
			return Input{}, wrong(clipped(name), "longer than %d bytes; shorten it", mostField)
		}
	}
	get := func(names ...string) string {
		for _, n := range names {
			if s := strings.TrimSpace(q.Get(n)); s != "" {
				return s
			}
		}
		return ""
	}
	in.Link, in.Project = get("link"), get("project", "repo")
	in.Label, in.Revision, in.Test = get("label"), get("revision", "rev"), get("test")
	in.TaskID = taskRun(get("task_id", "selectedTaskRun", "task"))
	switch mode := Mode(get("mode")); mode {
	case Linear, Search, "":
		in.Mode = mode
	default:
		return in, wrong("mode", "%q is not a mode; expected linear or search", clipped(string(mode)))
	}
	in.Follow, in.DryRun = set(get("follow_merges")), set(get("dry_run"))
	if in.TaskID != "" { // Treeherder's addresses also have the push; the task already says which it is
		in.Revision = ""
	}
	return in, in.numbers(get)
}

// numbers reads the fields that hold numbers. An empty field leaves the default. A task id wins
// over a job id. Whether a number is in range is for Input.check.
func (in *Input) numbers(get func(...string) string) error {
	if s := get("job_id", "selectedJob"); s != "" && in.TaskID == "" {
		id, err := strconv.ParseInt(s, 10, 64)
		if err != nil || id < 0 {
			return wrong("job_id", "%q is not a number", clipped(s))
		}
		in.JobID = &id
	}
	for _, f := range []struct {
		name string
		at   **int
	}{
		{"times", &in.Times},
		{"max_revisions", &in.Most},
		{"batch", &in.Batch},
		{"max_runs", &in.MaxRuns},
	} {
		s := get(f.name)
		if s == "" {
			continue
		}
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return wrong(f.name, "%q is not a number", clipped(s))
		}
		*f.at = &n
	}
	return nil
}

// set reports whether a check box or flag is on. "0", "false" and "off" are not, like an empty
// field.
func set(s string) bool { return s != "" && s != "false" && s != "0" && s != "off" }

// taskRun turns Treeherder's name for a run of a task, ID.RUN, into Taskcluster's, ID/RUN:
// "fN3bGUqhR1eBVfVfYmPDKg.1" becomes "fN3bGUqhR1eBVfVfYmPDKg/1". An id has 22 characters, the only
// thing that tells a dash in the id from one before the run.
func taskRun(s string) string {
	const id = 22
	if len(s) > id && (s[id] == '.' || s[id] == '-') {
		return s[:id] + "/" + s[id+1:]
	}
	return s
}

// inputOf is the input that makes the same request again. A number that is 0 belongs to the other
// mode and is left out.
func inputOf(a Ask) Input {
	in := Input{
		Project: a.Project, Label: a.Label, Revision: a.Revision, Test: string(a.Test), Mode: a.Mode, Follow: a.Follow,
	}
	for _, f := range []struct {
		n  int
		at **int
	}{{a.Times, &in.Times}, {a.Most, &in.Most}, {a.Batch, &in.Batch}, {a.MaxRuns, &in.MaxRuns}} {
		if f.n > 0 {
			*f.at = &f.n
		}
	}
	return in
}

// most is Most, or 0 when it was not given.
func (in Input) most() int {
	if in.Most == nil {
		return 0
	}
	return *in.Most
}

// formOf shows an input in the form.
func formOf(in Input) formView {
	f := formView{
		Link: plain(in.Link), Project: plain(in.Project), Label: plain(in.Label), Revision: plain(in.Revision),
		Test: plain(in.Test), TaskID: plain(in.TaskID),
		Times: text(in.Times), Most: text(in.Most), Batch: text(in.Batch), Runs: text(in.MaxRuns),
		Search: in.Mode == Search, Follow: in.Follow,
	}
	if in.JobID != nil {
		f.JobID = strconv.FormatInt(*in.JobID, 10)
	}
	return f
}

// text is a number as the form has it; empty for none.
func text(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}

// fieldsOf are the hidden fields that send exactly the same input. Unlike in formOf, texts are sent
// as they are, with their control characters. Empty fields are left out.
func fieldsOf(in Input) []fieldView {
	f := formOf(in)
	var out []fieldView
	add := func(name, value string) {
		if value != "" {
			out = append(out, fieldView{name, value})
		}
	}
	add("link", in.Link)
	add("project", in.Project)
	add("job_id", f.JobID)
	add("task_id", in.TaskID)
	add("label", in.Label)
	add("revision", in.Revision)
	add("test", in.Test)
	add("mode", string(in.Mode))
	add("times", f.Times)
	add("max_revisions", f.Most)
	add("batch", f.Batch)
	add("max_runs", f.Runs)
	if in.Follow {
		add("follow_merges", "true")
	}
	return out
}

// queryOf is the same as the query of an address.
func queryOf(in Input) string {
	q := url.Values{}
	for _, f := range fieldsOf(in) {
		q.Set(f.Name, f.Value)
	}
	return q.Encode()
}

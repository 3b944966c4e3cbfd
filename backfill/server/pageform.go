package server

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/job"
)

// formView is the form that starts a backfill, with what is in it.
type formView struct {
	Link, Project, Label, Revision, Test string
	JobID, TaskID                        string
	Times, Most, Batch, Runs             string
	Search, Follow                       bool
	Error                                string // what was wrong with it
	Open                                 bool   // the options are unfolded
}

// startView is the first screen.
type startView struct {
	Form        formView
	Recent      []historyRow
	Example     string
	Root        string
	Bookmarklet string
}

// mostField is how long a field may be: longer ones are an error, not a page.
const mostField = 4096

func (p *page) start(w http.ResponseWriter, r *http.Request) {
	in, err := readInput(r.URL.Query())
	f := formOf(in)
	f.Open = err != nil || in.Times != nil || in.Most != nil || in.Batch != nil || in.MaxRuns != nil || f.Search || f.Follow
	if err != nil {
		f.Error = upper(sentence(plain(why(err))))
	}
	p.showStart(w, r, http.StatusOK, f)
}

// showStart shows the form. That the history cannot be read is no reason not to.
func (p *page) showStart(w http.ResponseWriter, r *http.Request, code int, f formView) {
	v := startView{Form: f, Example: p.example(), Root: p.root(r)}
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

// example is a link to the plan of the example; empty where there is none.
func (p *page) example() string {
	if p.o.Example == "" {
		return ""
	}
	return "/backfill?" + url.Values{"link": {p.o.Example}}.Encode()
}

// bookmarklet is a bookmark that leads from the page of a job to its plan.
func bookmarklet(root string) string {
	return "javascript:location.href='" + root + "/backfill?link='+encodeURIComponent(location.href)"
}

// preview shows the plan of a dry run: it triggers nothing, however often it is asked.
func (p *page) preview(w http.ResponseWriter, r *http.Request) {
	in, err := readInput(r.URL.Query())
	if err == nil && in == (Input{}) {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	f := formOf(in)
	if err != nil {
		f.Error = upper(sentence(plain(why(err))))
		p.showStart(w, r, http.StatusBadRequest, f)
		return
	}
	in.DryRun = true
	c, _ := p.who(r)
	b, err := p.backend.Start(r.Context(), c, in)
	switch {
	case errors.Is(err, job.ErrInvalid):
		f.Error = upper(sentence(plain(why(err))))
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
		p.fail(w, r, fmt.Errorf("%w: the form cannot be read", job.ErrInvalid))
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
		f.Error = upper(sentence(plain(why(err))))
		p.showStart(w, r, http.StatusBadRequest, f)
	case err != nil:
		p.fail(w, r, err)
	default:
		http.Redirect(w, r, "/backfills/"+url.PathEscape(b.ID), http.StatusSeeOther)
	}
}

// why is what an error says of a form, without where in the program it came from.
func why(err error) string {
	var e *job.Error
	if errors.As(err, &e) && e.Err != nil {
		err = e.Err
	}
	return strings.TrimPrefix(clip.Marked(err.Error(), 600), job.ErrInvalid.Error()+": ")
}

// readInput reads the fields of a form, or of a link that another page made: repo and
// selectedTaskRun are Treeherder's names.
func readInput(q url.Values) (Input, error) {
	var in Input
	for name, list := range q {
		if len(list) > 0 && len(list[0]) > mostField {
			return Input{}, fmt.Errorf("%w: %s is longer than %d bytes", job.ErrInvalid, plain(clip.Marked(name, 40)), mostField)
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
		return in, fmt.Errorf("%w: mode %q, expected linear or search", job.ErrInvalid, clip.Marked(string(mode), 40))
	}
	in.Follow, in.DryRun = set(get("follow_merges")), set(get("dry_run"))
	if in.TaskID != "" { // Treeherder's addresses have the push beside the task, which says it
		in.Revision = ""
	}
	return in, in.numbers(get)
}

// numbers reads the fields that are numbers. An empty one is the default.
func (in *Input) numbers(get func(...string) string) error {
	if s := get("job_id", "selectedJob"); s != "" && in.TaskID == "" {
		id, err := strconv.ParseInt(s, 10, 64)
		if err != nil || id < 0 {
			return fmt.Errorf("%w: job_id %q is no number", job.ErrInvalid, clip.Marked(s, 40))
		}
		in.JobID = &id
	}
	for _, f := range []struct {
		name, words string
		at          **int
	}{
		{"times", "runs on each push", &in.Times},
		{"max_revisions", "pushes to check", &in.Most},
		{"batch", "runs in a round", &in.Batch},
		{"max_runs", "budget", &in.MaxRuns},
	} {
		s := get(f.name)
		if s == "" {
			continue
		}
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return fmt.Errorf("%w: %s: %q is no number", job.ErrInvalid, f.words, clip.Marked(s, 40))
		}
		*f.at = &n
	}
	return nil
}

func set(s string) bool { return s != "" && s != "false" && s != "0" && s != "off" }

// taskRun is a run of a task as Treeherder's addresses name it, ID.RUN, in the way that
// Taskcluster's do, ID/RUN.
func taskRun(s string) string {
	const id = 22
	if len(s) > id && (s[id] == '.' || s[id] == '-') {
		return s[:id] + "/" + s[id+1:]
	}
	return s
}

// inputOf asks for the same again, without what is the default.
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

func (in Input) most() int {
	if in.Most == nil {
		return 0
	}
	return *in.Most
}

func formOf(in Input) formView {
	f := formView{
		Link: in.Link, Project: in.Project, Label: in.Label, Revision: in.Revision, Test: in.Test, TaskID: in.TaskID,
		Times: text(in.Times), Most: text(in.Most), Batch: text(in.Batch), Runs: text(in.MaxRuns),
		Search: in.Mode == Search, Follow: in.Follow,
	}
	if in.JobID != nil {
		f.JobID = strconv.FormatInt(*in.JobID, 10)
	}
	return f
}

func text(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}

// fieldsOf are the hidden fields that say the same as an input.
func fieldsOf(in Input) []fieldView {
	f := formOf(in)
	var out []fieldView
	add := func(name, value string) {
		if value != "" {
			out = append(out, fieldView{name, value})
		}
	}
	add("link", f.Link)
	add("project", f.Project)
	add("job_id", f.JobID)
	add("task_id", f.TaskID)
	add("label", f.Label)
	add("revision", f.Revision)
	add("test", f.Test)
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

func queryOf(in Input) string {
	q := url.Values{}
	for _, f := range fieldsOf(in) {
		q.Set(f.Name, f.Value)
	}
	return q.Encode()
}

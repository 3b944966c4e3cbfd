package server

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/job"
)

// What a caller may send. check looks at the input alone and names the field that is wrong; then
// locate finds the job, and ask fills in the defaults. A number that was not given is a nil
// pointer, so that an explicit 0 is an error and not the default.

// The defaults of an Input, and its maximums.
const (
	DefaultTimes    = 1   // runs on each push, of Linear
	DefaultMost     = 20  // earlier pushes to check, of Linear
	DefaultSearched = 50  // earlier pushes to check, of Search
	DefaultBatch    = 4   // runs in a round, of Search
	DefaultMaxRuns  = 100 // the budget in runs, of Search

	mostTimes   = 20
	mostLooked  = 500
	mostBatch   = 20
	mostMaxRuns = 1000
	mostText    = 1000 // bytes of a label or a test
)

// InputError says which field of an Input is wrong, and why. It is a job.ErrInvalid.
type InputError struct {
	Field   string // its name in JSON
	Message string
}

// Error is the field and the message.
func (e *InputError) Error() string { return e.Field + ": " + e.Message }

// Unwrap makes it a job.ErrInvalid.
func (e *InputError) Unwrap() error { return job.ErrInvalid }

// wrong returns an InputError. What a caller sent goes into it through clipped.
func wrong(field, format string, args ...any) error {
	return &InputError{field, fmt.Sprintf(format, args...)}
}

// What a revision, a project and an id of a task look like. "tip" is the newest push. Ids of other
// CIs than Taskcluster may have dots and slashes.
//
//	revisions  0123456789ab, tip               not: abc, xyz1
//	projects   autoland, integration/autoland  not: .hg, "a b"
//	taskIDs    fN3bGUqhR1eBVfVfYmPDKg/1, run-7 not: -a, ../a
//
// A slugid that begins with - or _ is one too: slug.Valid knows it by its fixed bits.
var (
	revisions = regexp.MustCompile(`^([0-9a-fA-F]{4,40}|tip)$`)
	projects  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$`)
	taskIDs   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_./-]{0,99}$`)
	taskRuns  = regexp.MustCompile(`^(/[0-9]{1,9})?$`)
)

// checkRevision refuses what cannot be a revision, in the same words everywhere. The rule is that of
// job.Repository.Push: 12 to 40 hexadecimal digits, or tip. Every repository of a real service holds
// to it. In a World (jobtest) 4 digits suffice, so the length from there on is left to the
// repository.
func checkRevision(rev string) error {
	if !revisions.MatchString(rev) {
		return wrong("revision", "%q is not a revision; expected 12 to 40 hexadecimal digits, or tip", clipped(rev))
	}
	return nil
}

// isTask reports whether a text can be the id of a task or of one of its runs. A slugid is 22
// characters, of which any may be the first.
func isTask(id string) bool {
	const slugid = 22
	if len(id) >= slugid && slug.Valid(id[:slugid]) && taskRuns.MatchString(id[slugid:]) {
		return true
	}
	return taskIDs.MatchString(id)
}

// check reports what is wrong with an input as far as that is visible without asking any service.
func (in Input) check() error {
	for _, t := range []struct{ field, value string }{{"label", in.Label}, {"test", in.Test}} {
		if err := plainText(t.field, t.value); err != nil {
			return err
		}
	}
	switch {
	case in.Project != "" && !projects.MatchString(in.Project):
		return wrong("project", "%q is not the name of a repository", clipped(in.Project))
	case in.Revision != "" && checkRevision(in.Revision) != nil:
		return checkRevision(in.Revision)
	case in.TaskID != "" && !isTask(in.TaskID):
		return wrong("task_id", "%q is not a task id", clipped(in.TaskID))
	case in.JobID != nil && *in.JobID < 1:
		return wrong("job_id", "%d is too small; expected 1 or more", *in.JobID)
	case in.Mode != "" && in.Mode != Linear && in.Mode != Search:
		return wrong("mode", "%q is not a mode; expected linear or search", clipped(string(in.Mode)))
	}
	for _, n := range []struct {
		field string
		value *int
		most  int
	}{
		{"times", in.Times, mostTimes},
		{"max_revisions", in.Most, mostLooked},
		{"batch", in.Batch, mostBatch},
		{"max_runs", in.MaxRuns, mostMaxRuns},
	} {
		if n.value != nil && (*n.value < 1 || *n.value > n.most) {
			return wrong(n.field, "%d is out of range; expected 1 to %d", *n.value, n.most)
		}
	}
	return in.checkMode()
}

// checkMode reports fields that exclude each other, and those that are missing.
//
//	task_id and label           → a job_id or task_id already says which label …
//	link and job_id             → give one of link, job_id and task_id
//	mode search and times       → times belongs to mode linear …
//	neither mode, but max_runs  → batch and max_runs belong to mode search
func (in Input) checkMode() error {
	named := 0
	for _, is := range []bool{in.Link != "", in.JobID != nil, in.TaskID != ""} {
		if is {
			named++
		}
	}
	switch {
	case named > 1:
		return wrong("link", "give one of link, job_id and task_id")
	case in.TaskID != "" && (in.Label != "" || in.Revision != ""),
		in.JobID != nil && (in.Label != "" || in.Revision != ""):
		return wrong("label", "a job_id or task_id already says which label and revision are meant; leave them out")
	case named == 0 && in.Label == "":
		return wrong("label", "give a link, a job_id, a task_id, or a label and a revision")
	case named == 0 && in.Revision == "":
		return wrong("revision", "give the revision of the push on which %q failed", clipped(in.Label))
	case in.Mode == Search && in.Times != nil:
		return wrong("times", "times belongs to mode linear; a search chooses its runs itself")
	case in.Mode != Search && (in.Batch != nil || in.MaxRuns != nil):
		return wrong("batch", "batch and max_runs belong to mode search")
	}
	return nil
}

// plainText refuses a text that cannot be a label or a test.
func plainText(field, s string) error {
	switch {
	case len(s) > mostText:
		return wrong(field, "%d bytes long; the maximum is %d", len(s), mostText)
	case !utf8.ValidString(s):
		return wrong(field, "it is not UTF-8")
	case strings.TrimSpace(s) != s:
		return wrong(field, "%q begins or ends with a space", clipped(s))
	case strings.ContainsFunc(s, unicode.IsControl):
		return wrong(field, "%q contains a control character", clipped(s))
	}
	return nil
}

// clipped is the beginning of what a caller sent, for use in a message. It is at most 80 characters
// long, with control characters made visible.
func clipped(s string) string {
	const most = 80
	s = job.Visible(s)
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// ask fills in the defaults of an input whose job was found.
func (in Input) ask(at Located) Ask {
	or := func(n *int, def int) int {
		if n == nil {
			return def
		}
		return *n
	}
	a := Ask{
		Project: at.Project, Label: at.Label, Revision: at.Revision, Test: Text(in.Test), Mode: in.Mode,
		Follow: in.Follow, Job: Text(at.Page), Run: Text(at.Run),
	}
	if a.Mode == Search {
		a.Most, a.Batch = or(in.Most, DefaultSearched), or(in.Batch, DefaultBatch)
		a.MaxRuns = or(in.MaxRuns, DefaultMaxRuns)
		return a
	}
	a.Mode, a.Most, a.Times = Linear, or(in.Most, DefaultMost), or(in.Times, DefaultTimes)
	return a
}

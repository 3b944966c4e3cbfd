package treeherder

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

// Record is one job as Treeherder has it; job.Job.Raw of this package's jobs.
type Record struct {
	ID             int64  `json:"id"`
	OldID          int64  `json:"job_id"` // in 2013
	PushID         int64  `json:"push_id"`
	ResultSetID    int64  `json:"result_set_id"` // until 2017, and for a while beside it
	State          string `json:"state"`
	Result         string `json:"result"`
	CoalescedTo    string `json:"job_coalesced_to_guid"` // until 2016
	TypeName       string `json:"job_type_name"`
	TypeSymbol     string `json:"job_type_symbol"`
	GroupName      string `json:"job_group_name"`
	GroupSymbol    string `json:"job_group_symbol"`
	Platform       string `json:"platform"`
	Option         string `json:"platform_option"`
	BuildPlatform  string `json:"build_platform"`
	OptionHash     string `json:"option_collection_hash"`
	BuildSystem    string `json:"build_system_type"`
	RefDataName    string `json:"ref_data_name"`
	TaskID         string `json:"task_id"`
	RetryID        int    `json:"retry_id"`
	GUID           string `json:"job_guid"`
	Reason         string `json:"reason"`
	Who            string `json:"who"`
	Tier           int    `json:"tier"`
	Classification int    `json:"failure_classification_id"`
	Submitted      int64  `json:"submit_timestamp"` // seconds since 1970
	Started        int64  `json:"start_timestamp"`
	Ended          int64  `json:"end_timestamp"`
}

// status maps state and result; see the package comment.
func (r Record) status() (job.Status, error) {
	coalesced := r.CoalescedTo != "" && r.CoalescedTo != "None" // the server wrote the word None for none
	switch r.State {
	case "unscheduled", "pending", "running":
		if coalesced {
			return job.StatusCoalesced, nil
		}
		return job.ParseStatus(r.State)
	case "completed", "finished":
	default:
		return 0, job.UnknownWord("treeherder", "state", r.State)
	}
	switch r.Result {
	case "success":
		return job.StatusSuccess, nil
	case "testfailed":
		return job.StatusTestFailed, nil
	case "busted":
		return job.StatusBusted, nil
	case "skipped":
		return job.StatusSkipped, nil
	case "exception":
		return job.StatusException, nil
	case "retry":
		return job.StatusRetry, nil
	case "usercancel":
		return job.StatusCancelled, nil
	case "superseded":
		return job.StatusCoalesced, nil
	case "unknown":
		return job.StatusUnknown, nil
	}
	return 0, job.UnknownWord("treeherder", "result", r.Result)
}

// of is an error where the job is not one of the push with this id.
func (r Record) of(push int64) error {
	id := cmp.Or(r.PushID, r.ResultSetID)
	if id != push {
		return fmt.Errorf("%w: job %d is of push %d, expected %d", job.ErrMalformed, cmp.Or(r.ID, r.OldID), id, push)
	}
	return nil
}

// label is the job's name; see the package comment.
func (r Record) label() string {
	if r.BuildSystem == "buildbot" && r.RefDataName != "" {
		return r.RefDataName
	}
	return r.TypeName
}

// buildWords and testWords are what the names of jobs say of them which are no labels of
// Taskcluster: Buildbot's builders, and Treeherder's own names of their jobs.
var (
	buildWords = regexp.MustCompile(`build|nightly|l10n|valgrind|non-?unified|hazard|xulrunner|_dep$|_periodic$`)
	testWords  = regexp.MustCompile(`mochitest|reftest|xpcshell|crashtest|\btests?\b`)
	talosWords = regexp.MustCompile(`\b(?:tp5\w*|svgr|dromaeojs|chromez|dirtypaint|xperf)\b`)
)

// kind is what the label's words suggest: nothing in a record says it.
func (r Record) kind(label string) job.Kind {
	l := strings.ReplaceAll(strings.ToLower(label), "leak test", "debug") // those are builds
	switch kind := job.KindOfLabel(label); {
	case kind != job.KindOther:
		return kind
	case talosWords.MatchString(l) && !testWords.MatchString(l):
		return job.KindPerf
	case testWords.MatchString(l) && !strings.HasSuffix(l, " build"):
		return job.KindTest
	case buildWords.MatchString(l):
		return job.KindBuild
	case strings.Contains(l, " | "): // 2014: what is no build and no Talos
		return job.KindTest
	}
	return job.KindOther
}

func (r Record) job(p job.Push, label string) (job.Job, error) {
	if r.ID == 0 {
		r.ID = r.OldID
	}
	if r.ID == 0 || label == "" {
		return nil, fmt.Errorf("%w: a job with id %d and the label %q", job.ErrMalformed, r.ID, label)
	}
	status, err := r.status()
	if err != nil {
		return nil, fmt.Errorf("job %d (%s): %w", r.ID, label, err)
	}
	times := job.Times{Requested: at(r.Submitted), Started: at(r.Started), Finished: at(r.Ended)}
	if status.Waiting() && status != job.StatusUnknown {
		times.Finished = time.Time{} // the server has the time of its last change here
	}
	if times.Finished.Before(times.Started) {
		times.Started = time.Time{} // clocks of masters that disagreed, in 2013
	}
	return job.New(job.Fields{
		ID: strconv.FormatInt(r.ID, 10), Name: label, Push: p, Kind: r.kind(label), Status: status, Times: times,
		Raw: r,
	}), nil
}

func at(seconds int64) time.Time {
	if seconds <= 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// records decodes jobs that are objects, or rows of values in the order of
// names.
func records(rows []json.RawMessage, names []string) ([]Record, error) {
	out := make([]Record, len(rows))
	for i, row := range rows {
		if err := record(row, names, &out[i]); err != nil {
			return nil, fmt.Errorf("%w: job %d of the answer: %w", job.ErrMalformed, i+1, err)
		}
	}
	return out, nil
}

func record(row json.RawMessage, names []string, into *Record) error {
	if !bytes.HasPrefix(bytes.TrimSpace(row), []byte("[")) {
		return json.Unmarshal(row, into)
	}
	var values []json.RawMessage
	if err := json.Unmarshal(row, &values); err != nil {
		return err
	}
	if len(values) != len(names) {
		return fmt.Errorf("%d values for %d job_property_names", len(values), len(names))
	}
	object := make(map[string]json.RawMessage, len(names))
	for i, n := range names {
		object[n] = values[i]
	}
	text, err := json.Marshal(object)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

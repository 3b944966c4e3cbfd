package treeherder

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// Record is one job as Treeherder has it. It is what Raw returns for jobs of this package. Records
// from the snapshots of 2013 and 2014 lack many members.
type Record struct {
	ID             int64  `json:"id" is:"required" min:"1" max:"1e15"`
	PushID         int64  `json:"push_id" is:"required" min:"1" max:"1e15"`
	State          string `json:"state" is:"required" words:"unscheduled pending running completed"`
	CoalescedTo    string `json:"job_coalesced_to_guid"` // until 2016
	TypeName       string `json:"job_type_name" is:"required" min:"1"`
	TypeSymbol     string `json:"job_type_symbol" is:""`
	GroupName      string `json:"job_group_name" is:""`
	GroupSymbol    string `json:"job_group_symbol" is:""`
	Platform       string `json:"platform" is:""`
	Option         string `json:"platform_option" is:""`
	BuildPlatform  string `json:"build_platform" is:""`
	OptionHash     string `json:"option_collection_hash" is:""`
	BuildSystem    string `json:"build_system_type" is:"" min:"1"`
	RefDataName    string `json:"ref_data_name" is:""`
	TaskID         string `json:"task_id"`
	RetryID        int    `json:"retry_id" min:"0"`
	GUID           string `json:"job_guid" is:""`
	Reason         string `json:"reason" is:""`
	Who            string `json:"who" is:""`
	Tier           int    `json:"tier" is:"" min:"0"`
	Classification int    `json:"failure_classification_id" is:"" min:"0"`

	//nolint:lll // a tag is one line
	Result string `json:"result" is:"required" words:"success testfailed busted skipped exception retry unknown usercancel superseded"`

	// Times are seconds since 1970, up to the year 9999; 0 for what has not happened.
	Submitted int64 `json:"submit_timestamp" is:"required" min:"0" max:"253402300799"`
	Started   int64 `json:"start_timestamp" is:"required" min:"0" max:"253402300799"`
	Ended     int64 `json:"end_timestamp" is:"required" min:"0" max:"253402300799"`

	_ contract.Also `names:"build_architecture build_os build_platform_id job_group_description job_group_id"`
	_ contract.Also `names:"job_type_description job_type_id last_modified machine_name signature logs resource_uri"`
	_ contract.Also `names:"machine_platform_architecture machine_platform_os taskcluster_metadata result_set_id"`
}

// status maps state and result; see the package comment.
func (r Record) status() (job.Status, error) {
	coalesced := r.CoalescedTo != "" && r.CoalescedTo != "None" // "None" is Python's word for no value
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

// Prove implements contract.Prover: the members that decide the job's label are there.
func (r *Record) Prove() error {
	switch {
	case r.RefDataName != "" && r.BuildSystem == "":
		return contract.Outside("build_system_type", "missing, beside a ref_data_name")
	case r.BuildSystem == "buildbot" && r.RefDataName == "":
		return contract.Outside("ref_data_name", "missing, although Buildbot ran the job")
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

// buildWords, testWords and talosWords tell the kind of jobs whose names are not labels of
// Taskcluster: Buildbot's builders, and Treeherder's own names for them.
//
//	"linux64 asan leak test build"           build, as "leak test" is taken out first
//	"Ubuntu VM 12.04 opt test mochitest-1"   test
//	"Windows XP 32-bit try talos svgr"       perf
//	"b2g_try_flame_dep"                      build
var (
	buildWords = regexp.MustCompile(`build|nightly|l10n|valgrind|non-?unified|hazard|xulrunner|_dep$|_periodic$`)
	testWords  = regexp.MustCompile(`mochitest|reftest|xpcshell|crashtest|\btests?\b`)
	talosWords = regexp.MustCompile(`\b(?:tp5\w*|svgr|dromaeojs|chromez|dirtypaint|xperf)\b`)
)

// kind is the kind that the words of a label suggest, since a record does not say it.
func (r Record) kind(label string) job.Kind {
	l := strings.ReplaceAll(strings.ToLower(label), "leak test", "debug") // a "leak test" is a debug build, not a test
	switch kind := job.KindOfLabel(label); {
	case kind != job.KindOther:
		return kind
	case talosWords.MatchString(l) && !testWords.MatchString(l):
		return job.KindPerf
	case testWords.MatchString(l) && !strings.HasSuffix(l, " build"):
		return job.KindTest
	case buildWords.MatchString(l):
		return job.KindBuild
	case strings.Contains(l, " | "): // a label of a snapshot: neither a build nor talos
		return job.KindTest
	}
	return job.KindOther
}

// job makes a job of a record, with the given push and label.
func (r Record) job(p job.Push, label string) (job.Job, error) {
	status, err := r.status()
	if err != nil {
		return nil, fmt.Errorf("job %d (%s): %w", r.ID, label, err)
	}
	times := job.Times{Requested: at(r.Submitted), Started: at(r.Started), Finished: at(r.Ended)}
	if status.Waiting() && status != job.StatusUnknown {
		times.Finished = time.Time{} // while a job runs, this is the time of its last change
	}
	if times.Finished.Before(times.Started) {
		times.Started = time.Time{} // in 2013, times came from masters whose clocks disagreed
	}
	return job.New(job.Fields{
		ID: strconv.FormatInt(r.ID, 10), Name: label, Push: p, Kind: r.kind(label), Status: status, Times: times,
		Raw: r,
	}), nil
}

// at converts seconds since 1970; the zero time for 0.
func at(seconds int64) time.Time {
	if seconds <= 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

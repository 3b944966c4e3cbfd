package treeherder

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// snapshotWire is an answer of .../resultset/?count=10. In November 2013 there were also answers
// that were a bare list of resultsets. The answer for a single resultset is that resultset alone.
type snapshotWire struct {
	Meta struct {
		Repository string `json:"repository" is:"required" min:"1"`

		_ contract.Also `names:"count filter_params"`
	} `json:"meta" is:"required"`
	Names   []string        `json:"job_property_names" is:""`
	Results []resultsetWire `json:"results" is:"required"`
}

// Inspect implements contract.Inspector: it checks each job by the contract of an old job.
func (w *snapshotWire) Inspect() (found []contract.Finding) {
	names, err := columnsOf(w.Names)
	if err != nil {
		return nil // Prove reports it
	}
	for i, rs := range w.Results {
		for j, platform := range rs.Platforms {
			for k, group := range platform.Groups {
				for l, text := range group.Jobs {
					at := fmt.Sprintf("results[%d].platforms[%d].groups[%d].jobs[%d]", i, j, k, l)
					found = append(found, inspected(oldJobEndpoint, at, text, names)...)
				}
			}
		}
	}
	return found
}

// Prove implements contract.Prover, and decodes the jobs that are rows, now that their columns are
// known. No push may come twice.
func (w *snapshotWire) Prove() error {
	names, err := columnsOf(w.Names)
	if err != nil {
		return err
	}
	for i := range w.Results {
		if err := w.Results[i].read(fmt.Sprintf("results[%d].", i), names); err != nil {
			return err
		}
	}
	return proveEach("results", w.Results)
}

// proveEach returns an error when a push comes twice, by its id or its revision.
func proveEach(path string, list []resultsetWire) error {
	ids, revisions := map[int64]bool{}, map[string]bool{}
	for i, rs := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		if ids[rs.ID] || revisions[rs.Revision] {
			return contract.Outside(at, "push %d (%s) comes twice", rs.ID, rs.Revision)
		}
		ids[rs.ID], revisions[rs.Revision] = true, true
	}
	return nil
}

// resultsetWire is one push with all its jobs. Its revision has 12 digits; its
// revision_hash has 40, and is no revision.
type resultsetWire struct {
	ID        int64          `json:"id" is:"required" min:"1" max:"1e15"`
	Revision  string         `json:"revision" is:"required"`
	Author    string         `json:"author" is:"required"`
	Timestamp int64          `json:"push_timestamp" is:"required" min:"1" max:"253402300799"`
	Platforms []platformWire `json:"platforms" is:"required"`
	// Counts has the number of jobs by result, or by state for jobs that have not ended, and
	// their total. Answers have it since 2014.
	Counts map[string]int `json:"job_counts" is:""`

	_ contract.Also `names:"repository_id revision_hash revision_count revisions_uri comments"`

	records []Record // nil until the jobs are read
}

type platformWire struct {
	Name   string      `json:"name" is:"required" min:"1"`
	Option string      `json:"option" is:""` // until 2014 it was in the name
	Groups []groupWire `json:"groups" is:"required"`

	_ contract.Also `names:"warning_level"`
}

type groupWire struct {
	Symbol string           `json:"symbol" is:"required,null"`
	Jobs   []jsontext.Value `json:"jobs" is:"required"`

	_ contract.Also `names:"name"`
}

// oldJobWire is a job in a resultset. What it lacks follows from its place; see placed.
type oldJobWire struct {
	ID          int64  `json:"id" is:"" min:"1" max:"1e15"`
	OldID       int64  `json:"job_id" is:"" min:"1" max:"1e15"` // in 2013 instead of id, and then with all times
	ResultSetID int64  `json:"result_set_id" is:"" min:"1"`
	State       string `json:"state" is:"required" words:"pending running completed finished"`
	CoalescedTo string `json:"job_coalesced_to_guid"`
	TypeName    string `json:"job_type_name" is:"required" min:"1"`
	TypeSymbol  string `json:"job_type_symbol" is:"required" min:"1"`
	GroupName   string `json:"job_group_name"`
	GroupSymbol string `json:"job_group_symbol"`
	Platform    string `json:"platform" is:""`
	Option      string `json:"platform_option" is:""`
	OptionHash  string `json:"option_collection_hash" is:""`

	//nolint:lll // a tag is one line
	Result string `json:"result" is:"required" words:"success testfailed busted skipped exception retry unknown usercancel superseded"`

	BuildPlatform  string `json:"build_platform" is:""`
	BuildSystem    string `json:"build_system_type" is:""`
	RefDataName    string `json:"ref_data_name" is:""`
	GUID           string `json:"job_guid" is:""`
	Reason         string `json:"reason" is:""`
	Who            string `json:"who" is:""`
	Classification int    `json:"failure_classification_id" is:"" min:"0"`
	Submitted      *int64 `json:"submit_timestamp" is:"" min:"0" max:"253402300799"`
	Started        *int64 `json:"start_timestamp" is:"" min:"0" max:"253402300799"`
	Ended          *int64 `json:"end_timestamp" is:"" min:"0" max:"253402300799"`

	_ contract.Also `names:"machine_name resource_uri job_type_description job_group_description build_os"`
	_ contract.Also `names:"machine_platform_architecture machine_platform_os build_architecture build_platform_id"`
}

// Prove implements contract.Prover: the job has an id, and in the form of 2013 all its times.
func (j *oldJobWire) Prove() error {
	switch {
	case j.ID == 0 && j.OldID == 0:
		return contract.Outside("id", "missing")
	case j.OldID != 0 && j.Submitted == nil:
		return contract.Outside("submit_timestamp", "missing")
	case j.OldID != 0 && j.Started == nil:
		return contract.Outside("start_timestamp", "missing")
	case j.OldID != 0 && j.Ended == nil:
		return contract.Outside("end_timestamp", "missing")
	case j.CoalescedTo != "" && j.CoalescedTo != "None" && !guid.MatchString(j.CoalescedTo):
		return contract.Outside("job_coalesced_to_guid", "%.50q is not a guid", j.CoalescedTo)
	}
	return nil
}

// guid matches Treeherder's guid of a job: a hash or a UUID, perhaps with a run after it, such as
// "3f1c…/0" or "9b2e…_12ab".
var guid = regexp.MustCompile(`^[0-9a-f-]{32,40}([/_]\w+)?$`)

func (j *oldJobWire) record(push int64) Record {
	r := Record{
		ID: j.ID, PushID: push, State: j.State, Result: j.Result, CoalescedTo: j.CoalescedTo,
		TypeName: j.TypeName, TypeSymbol: j.TypeSymbol, GroupName: j.GroupName, GroupSymbol: j.GroupSymbol,
		Platform: j.Platform, Option: j.Option, BuildPlatform: j.BuildPlatform, OptionHash: j.OptionHash,
		BuildSystem: j.BuildSystem, RefDataName: j.RefDataName, GUID: j.GUID, Reason: j.Reason, Who: j.Who,
		Classification: j.Classification,
		Submitted:      orNone(j.Submitted), Started: orNone(j.Started), Ended: orNone(j.Ended),
	}
	if r.ID == 0 {
		r.ID = j.OldID
	}
	return r
}

func orNone(seconds *int64) int64 {
	if seconds == nil {
		return 0
	}
	return *seconds
}

// Prove implements contract.Prover, and decodes the jobs if they are objects. Jobs that are rows
// need the columns, which are outside of the resultset; snapshotWire decodes those.
func (rs *resultsetWire) Prove() error {
	if _, err := job.ParseRevision(rs.Revision); err != nil || rs.Revision == "tip" {
		return contract.Outside("revision", "%.50q, expected 12 to 40 digits", rs.Revision)
	}
	for _, p := range rs.Platforms {
		for _, g := range p.Groups {
			for _, text := range g.Jobs {
				if isRow(text) {
					return nil
				}
			}
		}
	}
	return rs.read("", nil)
}

// read decodes the jobs, once, and checks that they are in the right places and that their number
// is right.
func (rs *resultsetWire) read(path string, names columns) error {
	if rs.records != nil {
		return nil
	}
	all, listed := []Record{}, []Record{}
	seen := map[int64]Record{}
	for i, platform := range rs.Platforms {
		for j, group := range platform.Groups {
			for k, text := range group.Jobs {
				at := fmt.Sprintf("%splatforms[%d].groups[%d].jobs[%d]", path, i, j, k)
				w, err := recordOf(oldJobEndpoint, at, text, names)
				if err != nil {
					return err
				}
				r := w.record(rs.ID)
				if err := rs.prove(at, w, platform, group); err != nil {
					return err
				}
				listed = append(listed, r)
				r = placed(r, platform, group)
				known, twice := seen[r.ID]
				if twice && known != r {
					return contract.Outside(at, "job %d comes twice and differs", r.ID)
				}
				if seen[r.ID] = r; !twice { // a job may be in two groups
					all = append(all, r)
				}
			}
		}
	}
	if err := rs.count(path+"job_counts", listed); err != nil {
		return err
	}
	rs.records = all
	return nil
}

// prove returns an error when a job's own members contradict the place where it stands. The
// space after both platforms makes whole words of them: "linux64" fits "linux64 opt" and
// "linux64", but "linux" fits neither.
func (rs *resultsetWire) prove(at string, r *oldJobWire, platform platformWire, group groupWire) error {
	switch {
	case r.ResultSetID != 0 && r.ResultSetID != rs.ID:
		return contract.Differs(at+".result_set_id", r.ResultSetID, fmt.Sprintf("push %d", rs.ID))
	case r.Platform != "" && !strings.HasPrefix(platform.Name+" ", r.Platform+" "):
		return contract.Differs(at+".platform", r.Platform, fmt.Sprintf("platform %s", platform.Name))
	case r.Option != "" && platform.Option != "" && r.Option != platform.Option:
		return contract.Differs(at+".platform_option", r.Option, fmt.Sprintf("option %s", platform.Option))
	case r.GroupSymbol != "" && group.Symbol != "" && r.GroupSymbol != group.Symbol:
		return contract.Differs(at+".job_group_symbol", r.GroupSymbol, fmt.Sprintf("group %s", group.Symbol))
	}
	return nil
}

// count returns an error when the number of jobs with a result, or in a state, is not the one in
// the answer.
//
//	{"success": 3, "testfailed": 1, "running": 1, "total": 5}
//
// A job that stands in two groups is counted twice there. Words without a job may be missing,
// and words of the answer that no job has are not checked.
func (rs *resultsetWire) count(path string, all []Record) error {
	if len(rs.Counts) == 0 {
		return nil
	}
	there := map[string]int{"total": len(all)}
	for _, r := range all {
		if r.State == "completed" || r.State == "finished" {
			there[r.Result]++
		} else {
			there[r.State]++
		}
	}
	for word, n := range there {
		if rs.Counts[word] != n {
			return contract.Outside(path, "%d %s, but there are %d", rs.Counts[word], word, n)
		}
	}
	return nil
}

// placed fills in what a job lacks from its place. In 2013 the option was part of the platform's
// name ("linux64 opt"), and only the group had the symbol. For example the job
// {"build_platform": "linux64"} of the platform "linux64 opt" gets the platform linux64 and the
// option opt.
func placed(r Record, platform platformWire, group groupWire) Record {
	if r.Platform == "" && strings.HasPrefix(platform.Name, r.BuildPlatform+" ") {
		r.Platform = r.BuildPlatform // platform.Name is "<platform> <option>"
	}
	if r.Platform == "" {
		r.Platform = platform.Name
	}
	if r.Option == "" {
		r.Option = platform.Option
	}
	if r.Option == "" {
		r.Option = strings.TrimSpace(strings.TrimPrefix(platform.Name, r.Platform))
	}
	if r.GroupSymbol == "" {
		r.GroupSymbol = group.Symbol
	}
	return r
}

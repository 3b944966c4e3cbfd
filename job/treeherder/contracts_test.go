package treeherder

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job/contract"
)

// fields are the findings, each kind at each field once.
func fields(findings []contract.Finding) []string {
	var out []string
	for _, f := range findings {
		out = append(out, fmt.Sprintf("%s: %s", f.Kind, f.Field()))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// recorded is a recorded file, as INDEX.md describes it, and what its contract finds.
var recorded = map[string][]string{
	"treeherder__push_list.json":                         nil,
	"treeherder__poll_push_list.json":                    nil,
	"treeherder_api_push__try_2022-02_first500.json.gz":  nil,
	"treeherder__full_job.json":                          nil,
	"treeherder__resultset_1.json.gz":                    nil,
	"mozilla-inbound_resultset_2014-04-15.json.gz":       nil,
	"mozilla-inbound_resultset_2014-04-15_later.json.gz": nil,
}

func TestRecordedFiles(t *testing.T) {
	checked := map[string]bool{}
	for line := range strings.Lines(string(testenv.Read(t, "data", "INDEX.md"))) {
		cells := strings.Split(line, "|")
		file := strings.Trim(strings.TrimSpace(cells[min(1, len(cells)-1)]), "`")
		want, ok := recorded[file]
		for _, c := range Contracts() {
			if !ok || !c.Describes(file) && !c.Describes(cells[3]) {
				continue
			}
			checked[file] = true
			found := c.Check(contract.Asked{}, testenv.Read(t, "data", "2-treeherder", file))
			if d := cmp.Diff(want, fields(found)); d != "" {
				t.Errorf("%s, %s (-want +got)\n%s", file, c.Title(), d)
			}
		}
	}
	for file := range recorded {
		if !checked[file] {
			t.Errorf("%s: no contract describes it", file)
		}
	}
}

// The resultsets of November 2013, alone and with results around them.
func TestRecordedCases(t *testing.T) {
	for file, c := range map[string]contract.Any{
		"c2_resultsets.json": listEndpoint, "c2_wrapped.json": snapshotEndpoint,
	} {
		found := c.Check(contract.Asked{}, testenv.Read(t, "cases", "formats", file))
		if len(found) > 0 || !c.Describes(file) {
			t.Errorf("%s: %v", file, found)
		}
	}
}

// Jobs of all projects were recorded as rows, with fewer columns than one project's
// jobs have.
func TestRecordedRows(t *testing.T) {
	lacking := []string{
		"missing: build_platform", "missing: build_system_type", "missing: end_timestamp", "missing: job_guid",
		"missing: reason", "missing: ref_data_name", "missing: start_timestamp", "missing: submit_timestamp",
		"missing: who", "new: duration", "new: push_revision",
	}
	n := 0
	for _, file := range []string{"treeherder__page_1.json", "treeherder__page_2.json", "treeherder__job_1.json"} {
		var page struct {
			Results []json.RawMessage
			Names   []string `json:"job_property_names"`
		}
		if err := json.Unmarshal(testenv.Read(t, "data", "2-treeherder", file), &page); err != nil {
			t.Fatal(err)
		}
		names, err := columnsOf(page.Names)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range page.Results {
			object, err := names.object([]byte(row))
			if err != nil {
				t.Fatal(err)
			}
			n++
			for _, f := range fields(jobEndpoint.Check(contract.Asked{}, object)) {
				if !slices.Contains(lacking, f) {
					t.Errorf("%s: %s of %s", file, f, object)
				}
			}
		}
	}
	if n < 7 {
		t.Errorf("%d rows", n)
	}
	var jobs map[string]json.RawMessage
	if err := json.Unmarshal(testenv.Read(t, "data", "2-treeherder", "treeherder__job_map.json"), &jobs); err != nil {
		t.Fatal(err)
	}
	for id, j := range jobs { // what Treeherder's page makes of jobs, with what it adds
		found := fields(jobEndpoint.Check(contract.Asked{}, j))
		if d := cmp.Diff([]string{"new: selected", "new: visible"}, found); d != "" {
			t.Errorf("%s (-want +got)\n%s", id, d)
		}
	}
}

func TestRecordedTable(t *testing.T) {
	var har struct {
		Log struct {
			Entries []struct {
				Request  struct{ Method, URL string }
				Response struct{ Content struct{ Text string } }
			}
		}
	}
	text := testenv.Read(t, "data", "2-treeherder", "treeherder__recording_requests.har")
	if err := json.Unmarshal(text, &har); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range har.Log.Entries {
		for _, c := range Contracts() {
			if !c.Answers(e.Request.Method, e.Request.URL) {
				continue
			}
			n++
			found := c.Check(contract.Asked{URL: e.Request.URL}, []byte(e.Response.Content.Text))
			if len(found) > 0 {
				t.Errorf("%s: %v", e.Request.URL, found)
			}
		}
	}
	if n != 1 {
		t.Errorf("%d answers", n)
	}
}

func TestContractsAreSorted(t *testing.T) {
	var titles []string
	for _, c := range Contracts() {
		titles = append(titles, c.Title())
	}
	if !slices.IsSorted(titles) || len(slices.Compact(slices.Clone(titles))) != len(titles) {
		t.Errorf("%q", titles)
	}
}

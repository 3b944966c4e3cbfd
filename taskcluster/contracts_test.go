package taskcluster_test

import (
	"strings"
	"testing"

	v2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job/contract"
	"github.com/mozci/mozci/job/contract/recorded"
	"github.com/mozci/mozci/taskcluster"
)

// notRecorded are the contracts that nothing recorded is for, and why.
var notRecorded = map[string]string{
	"taskcluster/object.startDownload":      "its answer is a secret for an hour",
	"taskcluster/manifests-by-task.json":    "few pushes have one",
	"taskcluster/tests-by-manifest.json":    "few pushes have one",
	"taskcluster/an action of actions.json": "it is part of a file; see TestRecordedActionsKeepTheirContract",
}

// Every recorded answer, artifact and message that a contract is for keeps it, of
// today and of 2017, and nothing is in it that nobody knows.
func TestRecordedContracts(t *testing.T) {
	all := taskcluster.Contracts()
	c := recorded.Checker{Endpoints: all}
	for _, dir := range [][]string{
		{"wire", "taskcluster"},
		{"wire", "taskcluster-acting"},
		{"wire", "pulse"},
		{"wire", "decision"},
		{"data", "3-pulse"},
		{"data", "4-taskcluster"},
	} {
		if err := recorded.Walk(testenv.Shared(t, dir...), c.Check); err != nil {
			t.Error(err)
		}
	}
	for _, f := range c.Found() {
		t.Errorf("%s, %s: %s: %s, %d times", f.Item, f.Source, f.Path, f.Detail, f.Count)
	}
	for _, e := range all {
		if n := c.Checked[e.Title()]; (n == 0) != (notRecorded[e.Title()] != "") {
			t.Errorf("%s was held to %d recorded items", e.Title(), n)
		}
	}
}

// The actions in recorded files keep their contract, each.
func TestRecordedActionsKeepTheirContract(t *testing.T) {
	var offered contract.Any
	for _, e := range taskcluster.Contracts() {
		if strings.HasPrefix(e.Title(), "taskcluster/an action") {
			offered = e
		}
	}
	n := 0
	for _, file := range []string{
		"wire/decision/actions.json", "data/4-taskcluster/fxci-config__actions.json",
		"data/4-taskcluster/treeherder_sherlock__initialActions.json",
		"data/4-taskcluster/scriptworker_cotv4__actions.json",
	} {
		var w struct {
			Actions []jsontext.Value `json:"actions"`
		}
		if err := v2.Unmarshal(testenv.Read(t, strings.Split(file, "/")...), &w); err != nil {
			t.Fatal(err)
		}
		for _, a := range w.Actions {
			n++
			if found := offered.Check(contract.Asked{}, a); len(found) > 0 {
				t.Errorf("%s: %.80s: %v", file, a, found)
			}
		}
	}
	if n < 40 {
		t.Errorf("%d actions", n)
	}
}

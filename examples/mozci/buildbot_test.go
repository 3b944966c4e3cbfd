package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/bbtest"
)

// The whole way on a real master: the newest push fails, what is missing is
// asked for, runs, and the culprit's neighbour is found good.
func TestBackfillOnBuildbot(t *testing.T) {
	m := bbtest.Start(t, nil)
	t.Setenv("BUILDBOT_USER", bbtest.User)
	t.Setenv("BUILDBOT_PASSWORD", bbtest.Password)
	good, between, bad := strings.Repeat("1", 40), strings.Repeat("2", 40), "bad"+strings.Repeat("3", 37)
	for _, rev := range []string{good, between, bad} {
		m.Push(rev, "dev@mozilla.example", "Bug 1")
	}
	args := []string{"--ci", "buildbot", "--buildbot-url", m.URL, "--ledger", filepath.Join(t.TempDir(), "ledger.db")}
	statuses := func(rev string) string {
		out, errOut, status := mozci(t, append([]string{"jobs", "--label", bbtest.Forced, "--rev", rev, "--json"},
			args...)...)
		if status != 0 {
			t.Fatalf("exit %d, %s", status, errOut)
		}
		var all []string
		for line := range strings.Lines(out) {
			var j struct{ Status string }
			if err := json.Unmarshal([]byte(line), &j); err != nil {
				t.Fatal(err)
			}
			all = append(all, j.Status)
		}
		return strings.Join(all, " ")
	}
	for _, rev := range []string{good, bad} {
		if out, errOut, status := mozci(t, append([]string{"trigger", "--label", bbtest.Forced, "--rev", rev, "--yes"},
			args...)...); status != 0 {
			t.Fatalf("exit %d, %s\n%s", status, errOut, out)
		}
	}
	m.Eventually("the first and the last ran",
		func() bool { return statuses(good) == "success" && statuses(bad) == "busted" })
	backfill := append([]string{
		"backfill", "--label", bbtest.Forced, "--rev", "tip", "--times", "2", "--yes",
		"--json",
	}, args...)
	for range 2 { // the second time nothing is missing
		out, errOut, status := mozci(t, backfill...)
		var found struct {
			LastGood struct{ Revision string } `json:"last_good"`
			Missing  []struct{ Revision string }
		}
		if err := json.Unmarshal([]byte(out), &found); err != nil || status != 0 {
			t.Fatalf("exit %d, %s: %v\n%s", status, errOut, err, out)
		}
		if found.LastGood.Revision != good && found.LastGood.Revision != between {
			t.Errorf("last good %s\n%s", found.LastGood.Revision, out)
		}
		m.Eventually("two runs between them", func() bool { return statuses(between) == "success success" })
	}
	pasted(t, m.URL, append([]string{"jobs", "--label", bbtest.Forced, "--rev", bad, "--json"}, args...))
	if _, errOut, status := mozci(t, "jobs", "--rev", "tip", "--ci", "buildbot"); status != 2 ||
		!strings.Contains(errOut, "--ci buildbot needs --buildbot-url") {
		t.Errorf("without a URL: exit %d, %s", status, errOut)
	}
}

// pasted checks that the page that mozci prints of a run is a link of that run.
func pasted(t *testing.T, master string, jobs []string) {
	t.Helper()
	out, errOut, status := mozci(t, jobs...)
	var run struct{ ID, URL string }
	if err := json.Unmarshal([]byte(out), &run); err != nil || status != 0 || run.URL == "" {
		t.Fatalf("exit %d, %s: %v\n%s", status, errOut, err, out)
	}
	again, errOut, status := mozci(t, "jobs", run.URL, "--buildbot-url", master, "--json")
	if status != 0 || again != out {
		t.Errorf("the run's page %s: exit %d, %s\n%s\nexpected\n%s", run.URL, status, errOut, again, out)
	}
}

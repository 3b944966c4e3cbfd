package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/internal/testing/thtest"
	"github.com/mozci/mozci/job/treeherder"
	"github.com/mozci/mozci/pushlog"
)

// mozci runs the program and returns what it printed.
func mozci(t *testing.T, args ...string) (out, errOut string, status int) {
	t.Helper()
	var o, e bytes.Buffer
	status = run(t.Context(), args, strings.NewReader(""), &o, &e)
	return o.String(), e.String(), status
}

func listen(t *testing.T, h http.Handler) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

// mozci pushes over eight real pushes of mozilla-central, as JSON.
func TestPushesOfRealData(t *testing.T) {
	hg := hgtest.New()
	for _, id := range []string{"33332", "33333"} {
		if err := hg.Load("mozilla-central", testenv.Read(t, "data", "1-hg",
			"mozilla-central__json-pushes_v2_full__startID-"+id+".json")); err != nil {
			t.Fatal(err)
		}
	}
	out, errOut, status := mozci(t, "pushes", "--json", "--repo", "mozilla-central", "--ids", "33333:33340", "--hg-url",
		listen(t, hg))
	if status != 0 {
		t.Fatalf("exit %d: %s", status, errOut)
	}
	var want struct {
		Pushes []struct {
			Push       int64
			Head       string
			Changesets int `json:"n_changesets"`
			User       string
		} `json:"pushes_in_order"`
	}
	if err := json.Unmarshal(testenv.Read(t, "data", "1-hg",
		"mozilla-central__json-pushes_v2_full__startID-33332.expected.json"), &want); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 8 {
		t.Fatalf("%d lines, expected 8", len(lines))
	}
	for i, line := range lines {
		var p struct {
			Repo, Revision, User string
			ID                   int64
			Changesets           []struct {
				Node, Author, Description string
				Parents                   []string
			}
		}
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			t.Fatal(err)
		}
		w := want.Pushes[i]
		if p.ID != w.Push || p.Revision != w.Head || len(p.Changesets) != w.Changesets || p.User != w.User ||
			p.Repo != "mozilla-central" {
			t.Errorf("line %d is %d %s, expected %d %s", i+1, p.ID, p.Revision, w.Push, w.Head)
		}
		for _, c := range p.Changesets {
			if c.Description == "" || c.Author == "" || len(c.Parents) == 0 {
				t.Errorf("push %d: changeset %s lacks something", p.ID, c.Node)
			}
		}
	}
}

// autolandProject has a label that is bad on the newest push, has not run on
// the two before it, and is good on the one before them.
func autolandProject() *thtest.Server {
	s := &thtest.Server{Project: "autoland"}
	for i, result := range []string{"success", "", "", "testfailed"} {
		rev := fmt.Sprintf("%012x%028x", 0xabc0000+i, 1)
		s.AddPush(thtest.Object{
			"id": 900 + i, "revision": rev, "author": "dev@mozilla.example", "push_timestamp": 1700000000 + i,
			"revisions": []any{thtest.Object{"revision": rev, "author": "Dev", "comments": "Bug 1"}},
		})
		s.AddJob(thtest.Object{
			"id": 10 + i, "push_id": 900 + i, "state": "completed", "result": "success",
			"job_type_name": "build-linux64/opt",
		})
		if result != "" {
			s.AddJob(thtest.Object{
				"id": 20 + i, "push_id": 900 + i, "state": "completed", "result": result,
				"job_type_name": "test-linux64/opt-xpcshell-1",
			})
		}
	}
	return s
}

func TestBackfillOnTreeherder(t *testing.T) {
	url := listen(t, autolandProject())
	args := []string{
		"backfill", "--ci", "treeherder", "--treeherder-url", url, "--label",
		"test-linux64/opt-xpcshell-1", "--rev", "00000abc0003", "--times", "2",
	}
	out, errOut, status := mozci(t, args...)
	out = strings.ReplaceAll(out, url, "URL")
	want := `test-linux64/opt-xpcshell-1 broke between push 900 (last good) and 903 (first
bad).
The 2 pushes between them have no result. mozci would trigger 4 runs.

  push              result     runs      plan
✕ 903 00000abc0003  first bad  1 failed
- 902 00000abc0002  no result  no runs   2 runs
- 901 00000abc0001  no result  no runs   2 runs
✓ 900 00000abc0000  last good  1 passed

The same in the browser:
  URL/jobs?fromchange=00000abc00000000000000000000000000000001&repo=autoland` +
		`&searchStr=test-linux64%2Fopt-xpcshell-1&tochange=00000abc00030000000000000000000000000001

4 runs. Nothing was triggered. To trigger them, add --yes.
`
	if d := cmp.Diff(want, out); d != "" || status != 0 {
		t.Errorf("exit %d, %s (-want +got):\n%s", status, errOut, d)
	}
	// Treeherder is read only: acting on it fails, and says where to act.
	out, errOut, status = mozci(t, append(args, "--yes", "--json")...)
	var found struct {
		Plan struct {
			Steps []struct{ Error string }
		}
	}
	if err := json.Unmarshal([]byte(out), &found); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if status != 1 || len(found.Plan.Steps) != 2 || !strings.Contains(found.Plan.Steps[0].Error, "read only") ||
		!strings.Contains(errOut, `"error"`) {
		t.Errorf("exit %d, %s\n%s", status, errOut, out)
	}
	out, errOut, status = mozci(t, "jobs", "--ci", "treeherder", "--treeherder-url", url, "--rev", "00000abc0003",
		"--json")
	if status != 0 || strings.Count(out, "\n") != 2 ||
		!strings.Contains(out, `"label":"build-linux64/opt","kind":"build","status":"success"`) {
		t.Errorf("exit %d, %s\n%s", status, errOut, out)
	}
}

// Pushes from hg, jobs from Treeherder, joined by revision.
func TestTwoPlaces(t *testing.T) {
	th := autolandProject()
	hg := hgtest.New()
	for i := range 4 {
		rev := fmt.Sprintf("%012x%028x", 0xabc0000+i, 1)
		hg.Add("integration/autoland", int64(51+i),
			hgtest.Push{Date: 1700000000 + int64(i), User: "dev", Changesets: []hgtest.Changeset{{Node: rev}}})
	}
	out, errOut, status := mozci(t, "backfill", "--ci", "treeherder", "--treeherder-url", listen(t, th), "--hg-url",
		listen(t, hg),
		"--label", "test-linux64/opt-xpcshell-1", "--rev", "tip", "--json")
	if status != 0 || !strings.Contains(out, `"last_good":{"repo":"autoland","id":51,`) {
		t.Errorf("exit %d, %s\n%s", status, errOut, out)
	}
}

// What was recorded is played back without a server, and what was not is said.
func TestRecordAndReplay(t *testing.T) {
	dir := t.TempDir()
	srv := httptest.NewServer(autolandProject())
	args := []string{
		"backfill", "--ci", "treeherder", "--treeherder-url", srv.URL, "--label",
		"test-linux64/opt-xpcshell-1", "--rev", "tip", "--json",
	}
	live, errOut, status := mozci(t, append(args, "--record", dir)...)
	srv.Close()
	if status != 0 {
		t.Fatalf("exit %d: %s", status, errOut)
	}
	played, errOut, status := mozci(t, append(args, "--replay", dir)...)
	if status != 0 || played != live {
		t.Errorf("exit %d, %s\n(-live +played):\n%s", status, errOut, cmp.Diff(live, played))
	}
	_, errOut, status = mozci(t, "jobs", "--ci", "treeherder", "--treeherder-url", srv.URL, "--rev", "deadbeefdead",
		"--replay", dir)
	if status != 1 || !strings.Contains(errOut, "does not have GET") {
		t.Errorf("exit %d, %s", status, errOut)
	}
}

// A broken service is a failure, not a missing answer.
func TestBrokenServices(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		exit   int
		says   string
	}{
		"404 JSON":  {404, `{"error": "unknown revision 'x'"}`, 3, "unknown revision"},
		"HTML":      {200, "<!DOCTYPE html><title>Sign in</title>", 1, "<!DOCTYPE html>"},
		"half":      {200, `{"lastpushid": 3, "pushes": {"1": `, 1, "not JSON"},
		"words":     {200, `{"lastpushid": 3, "pushes": {"one": {}}}`, 1, `pushes[\"one\"].date: missing`},
		"forbidden": {403, "no", 1, "denied"},
	} {
		url := listen(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		}))
		out, errOut, status := mozci(t, "pushes", "--hg-url", url, "--rev", "deadbeefdead", "--json")
		if status != c.exit || !strings.Contains(errOut, c.says) || out != "" {
			t.Errorf("%s: exit %d, %s%s; expected %d with %s", name, status, out, errOut, c.exit, c.says)
		}
	}
}

// The real snapshots of April 2014 through backfill.Find: every unambiguous
// last good push is found.
func TestRealSnapshots(t *testing.T) {
	right, total := 0, 0
	for _, name := range []string{
		"mozilla-inbound_resultset_2014-04-15",
		"mozilla-inbound_resultset_2014-04-15_later",
	} {
		s, err := treeherder.ReadSnapshot(bytes.NewReader(testenv.Read(t, "data", "2-treeherder", name+".json.gz")), "")
		if err != nil {
			t.Fatal(err)
		}
		var want struct {
			LastGood []struct {
				Job       string
				Bad       string   `json:"bad_push"`
				Good      *string  `json:"last_good_push"`
				Untested  []string `json:"untested_between"`
				Ambiguous bool
			} `json:"last_good"`
		}
		if err := json.Unmarshal(testenv.Read(t, "data", "2-treeherder", name+".expected.json.gz"), &want); err != nil {
			t.Fatal(err)
		}
		for _, w := range want.LastGood {
			if w.Ambiguous {
				continue
			}
			total++
			r, err := backfill.Find(t.Context(), s, s, w.Job, w.Bad, nil)
			if err != nil {
				t.Errorf("%s: %v", w.Job, err)
				continue
			}
			got, expected := "none", "none"
			if r.LastGood != nil {
				got = r.LastGood.Revision
			}
			if w.Good != nil {
				expected = *w.Good
			}
			untested := len(r.Missing) + len(r.Running) + len(r.Unclear) + len(r.Untestable)
			if got != expected || untested != len(w.Untested) {
				t.Errorf("%s from %s: last good %s with %d untested, expected %s with %d", w.Job, w.Bad, got, untested,
					expected, len(w.Untested))
				continue
			}
			right++
		}
	}
	t.Logf("%d of %d unambiguous last good pushes are right, and what is untested since", right, total)
	if total != 48+51 {
		t.Errorf("%d cases, expected 99", total)
	}
}

// The same through the program, over a saved file.
func TestBackfillOnASavedFile(t *testing.T) {
	file := testenv.Shared(t, "data", "2-treeherder", "mozilla-inbound_resultset_2014-04-15.json.gz")
	out, errOut, status := mozci(t, "backfill", "--ci", "treeherder", "--treeherder-url", file, "--label",
		"windows7-32 | debug | M | Mochitest | 1", "--rev", "0761b87e8509", "--json")
	if status != 0 ||
		!strings.Contains(out, `"last_good":{"repo":"mozilla-inbound","id":20,"revision":"f1660c847ca2"}`) {
		t.Errorf("exit %d, %s\n%s", status, errOut, out)
	}
	_, errOut, status = mozci(t, "jobs", "--ci", "treeherder", "--treeherder-url", file, "--repo", "autoland", "--rev",
		"tip")
	if status != 2 || !strings.Contains(errOut, "the saved resultset is of mozilla-inbound") {
		t.Errorf("exit %d, %s", status, errOut)
	}
}

func TestRecordMakesItsFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	url := listen(t, autolandProject())
	if _, errOut, status := mozci(t, "jobs", "--ci", "treeherder", "--treeherder-url", url, "--rev", "tip", "--record",
		dir); status != 0 {
		t.Fatalf("exit %d: %s", status, errOut)
	}
	if _, err := os.Stat(filepath.Join(dir, tapeName)); err != nil {
		t.Error(err)
	}
}

// mozci origin over real Mercurial repositories: a merge of autoland to central.
func TestOriginOnRealRepositories(t *testing.T) {
	f := hgtest.Plant(t, testenv.Program(t, "hg", "mercurial"), pushlog.Path)
	f.Work("autoland", 1)
	f.Work("autoland", 2)
	f.Work("mozilla-central", 1)
	f.Merge("mozilla-central", "autoland")
	merge := f.Pushes["mozilla-central"][2]
	out, errOut, status := mozci(t, "origin", "--json", "--repo", "mozilla-central", "--hg-url", listen(t, f.Log),
		"--rev", merge.Merges[0])
	auto := f.Pushes["autoland"]
	want := fmt.Sprintf(
		`"merges":[{"repo":"autoland","first_id":%d,"last_id":%d,"pushes":[{"id":%d,"revision":%q},{"id":%d,"revision":%q}],"before":{"repo":"autoland","id":%d,"revision":%q},"gone":false}]}`,
		auto[1].ID, auto[2].ID, auto[1].ID, auto[1].Nodes[0], auto[2].ID, auto[2].Nodes[1], auto[0].ID,
		auto[0].Nodes[0])
	if status != 0 || !strings.Contains(out, want) {
		t.Errorf("exit %d, %s\n got %s\nwant %s", status, errOut, out, want)
	}
}

// recordedPushes are the pushes of recorded changesets, by hash.
func recordedPushes(t *testing.T) map[string]int64 {
	t.Helper()
	recorded := map[string]int64{}
	for _, file := range []string{
		"041-json-pushes-startdate-enddate-iso.http",
		"042-json-pushes-startdate-day-only.http",
	} {
		var bare struct {
			Pushes map[string]struct{ Changesets []string }
		}
		if err := json.Unmarshal(wireBody(t, file), &bare); err != nil {
			t.Fatal(err)
		}
		for id, p := range bare.Pushes {
			for _, node := range p.Changesets {
				n, err := strconv.ParseInt(id, 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				recorded[node] = n
			}
		}
	}
	return recorded
}

// mozci origin over the recorded merge push of a real server. The recording has
// the merge whole; of autoland's pushes 2 to 18, which it brought, it has 5 and
// 8 to 16, and the others are derived: what lies between two recorded pushes is
// taken as one.
func TestOriginOfTheRecordedMerge(t *testing.T) {
	hg := hgtest.New()
	central := wireBody(t, "064-json-pushes-mc-merge-push-full.http")
	if err := hg.Load("mozilla-central", central); err != nil {
		t.Fatal(err)
	}
	var merge struct{ Pushes map[string]hgtest.Push }
	if err := json.Unmarshal(central, &merge); err != nil {
		t.Fatal(err)
	}
	all := merge.Pushes["4"].Changesets
	recorded := recordedPushes(t)
	pushes, at := map[int64][]hgtest.Changeset{}, int64(2)
	for _, c := range all[:len(all)-1] {
		if id, ok := recorded[c.Node]; ok {
			at = id
		} else if _, ok := recorded[lastOf(pushes[at])]; ok {
			at++ // behind a recorded push
		}
		pushes[at] = append(pushes[at], c)
	}
	for id, changesets := range pushes {
		hg.Add("integration/autoland", id, hgtest.Push{Date: 1_700_000_000 + id, User: "dev", Changesets: changesets})
	}
	tip := all[len(all)-1].Node
	out, errOut, status := mozci(t, "origin", "--json", "--repo", "mozilla-central", "--hg-url", listen(t, hg), "--rev",
		tip)
	var got struct {
		Merges []struct {
			Repo   string
			Pushes []struct{ ID int64 }
		}
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("exit %d, %s: %v", status, errOut, err)
	}
	if len(got.Merges) != 1 || got.Merges[0].Repo != "autoland" || len(got.Merges[0].Pushes) != len(pushes) ||
		len(pushes) < 9 {
		t.Errorf("%s\nexpected autoland and its %d pushes", out, len(pushes))
	}
}

func lastOf(changesets []hgtest.Changeset) string {
	if len(changesets) == 0 {
		return ""
	}
	return changesets[len(changesets)-1].Node
}

// wireBody is the JSON of a recorded exchange.
func wireBody(t *testing.T, file string) []byte {
	t.Helper()
	text := testenv.Read(t, "wire", "hg", file)
	return text[bytes.Index(text, []byte("\n{")):]
}

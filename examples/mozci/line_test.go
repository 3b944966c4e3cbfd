package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/landotest"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/thtest"
)

func hgHash(n int) string  { return fmt.Sprintf("%012x%028x", 0xabc0000+n, n) }
func gitHash(n int) string { return fmt.Sprintf("%012x%028x", 0x91700000+n, n) }

const aTest = "test-linux/opt-xpcshell-1"

// thHistory is a project on Treeherder: "101 main success", with a dash for a
// push without a run. Revisions are what hash makes of ids.
func thHistory(project string, hash func(int) string, lines ...string) *thtest.Server {
	s := &thtest.Server{Project: project}
	for i, line := range lines {
		var id int
		var branch, result string
		if _, err := fmt.Sscan(line, &id, &branch, &result); err != nil {
			panic(err)
		}
		p := thtest.Object{
			"id": id, "revision": hash(id), "author": "a", "push_timestamp": 1780000000 + 600*i, "branch": branch,
			"revision_count": 1,
			"revisions":      []any{thtest.Object{"revision": hash(id), "author": "a", "comments": "c"}},
		}
		if branch == "-" {
			p["branch"] = nil
		}
		s.AddPush(p)
		if result != "-" {
			s.AddJob(thtest.Object{
				"id": 10 * id, "push_id": id, "job_type_name": aTest, "state": "completed", "result": result,
				"build_system_type": "taskcluster", "tier": 1,
			})
		}
	}
	return s
}

// ends are the last good and the first bad push that backfill --json names.
func ends(t *testing.T, args ...string) string {
	t.Helper()
	out, errOut, status := mozci(t, append([]string{
		"backfill", "--json", "--label", aTest, "--ledger",
		filepath.Join(t.TempDir(), "l.db"),
	}, args...)...)
	var r struct {
		LastGood *struct{ ID int64 } `json:"last_good"`
		FirstBad *struct{ ID int64 } `json:"first_bad"`
	}
	if status != 0 {
		return fmt.Sprint(status, " ", errOut)
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return fmt.Sprint(r.LastGood.ID, " ", r.FirstBad.ID)
}

// The walk goes by the repository's order and along one branch.
func TestLastGoodByTimeAndBranch(t *testing.T) {
	late := listen(t, thHistory("autoland", hgHash, "901 - success", "903 - success", "902 - testfailed",
		"904 - testfailed"))
	if got := ends(t, "--ci", "treeherder", "--treeherder-url", late, "--rev", "tip"); got != "903 902" {
		t.Errorf("a push that Treeherder heard of late: %s, expected 903 902", got)
	}
	dev := listen(t, thHistory("firefox-dev", gitHash,
		"101 main success", "102 main -", "103 releases/v151 success", "104 releases/v151 testfailed",
		"105 main testfailed"))
	of := []string{"--ci", "treeherder", "--treeherder-url", dev, "--repo", "firefox-dev"}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"the start fixes the branch": {[]string{"--rev", gitHash(105)}, "101 105"},
		"the tip is main's":          {[]string{"--rev", "tip"}, "101 105"},
		"another branch by a push":   {[]string{"--rev", gitHash(104)}, "103 104"},
		"another branch by name":     {[]string{"--branch", "releases/v151", "--rev", "tip"}, "103 104"},
		"a push of another branch": {
			[]string{"--branch", "main", "--rev", gitHash(104)},
			`3 {"error":{"op":"treeherder.pushes"`,
		},
		"a branch that is not there": {
			[]string{"--branch", "nope", "--rev", "tip"},
			`3 {"error":{"op":"treeherder.pushes"`,
		},
	} {
		if got := ends(t, append(of, c.args...)...); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, expected %s", name, got, c.want)
		}
	}
}

// tries are the flags of sources whose pushes are no line.
func tries(t *testing.T) map[string][]string {
	t.Helper()
	world := filepath.Join(t.TempDir(), "try.txt")
	if err := os.WriteFile(world, []byte("repo try\npush linux64/opt/x\n17 a1c0 pass\n18 b2d1 -\n19 c3e2 fail\n"),
		0o600); err != nil {
		t.Fatal(err)
	}
	th := func(name string, table ...thtest.Object) []string {
		s := thHistory(name, hgHash, "17 - success", "18 - -", "19 - testfailed")
		s.Repositories = table
		return []string{
			"--ci", "treeherder", "--treeherder-url", listen(t, s), "--repo", name, "--rev", hgHash(19),
			"--label", aTest,
		}
	}
	hg, tc := hgtest.New(), tctest.New()
	for _, id := range []int{17, 18, 19} {
		hg.Add("try", int64(id), hgtest.Push{
			Date: int64(id), User: "dev",
			Changesets: []hgtest.Changeset{{Node: hgHash(id)}},
		})
		d := tc.AddPush("try", int64(id), hgHash(id), tctest.Label{Name: aTest, Planned: true})
		for _, task := range tc.Tasks(d, aTest) {
			tc.Resolve(task, "failed", "failed")
		}
	}
	return map[string][]string{
		"a world":       {"--world", world, "--rev", "tip", "--label", "linux64/opt/x"},
		"Treeherder":    th("try"),
		"by the table":  th("odd-name", thtest.Object{"name": "odd-name", "is_try_repo": true}),
		"pull requests": th("enterprise-firefox-pr"),
		"Taskcluster": {
			"--root-url", listen(t, tc), "--hg-url", listen(t, hg), "--repo", "try", "--rev", hgHash(19),
			"--label", aTest,
		},
	}
}

// Where pushes do not follow each other, what is about a range refuses, and says
// why; what is about one push does not.
func TestNoLineOnTry(t *testing.T) {
	for name, of := range tries(t) {
		of = append(of, "--ledger", filepath.Join(t.TempDir(), "l.db"))
		if name == "a world" {
			of = of[:len(of)-2]
		}
		for _, command := range [][]string{
			{"backfill"},
			{"culprit", "--dry-run"},
			{"frequency"},
			{"trigger", "--back-revisions", "2"},
			{"trigger", "--delta", "1"},
			{"trigger", "--backfill"},
			{"trigger", "--from-rev", of[3]},
		} {
			if command[len(command)-1] == of[3] && name != "a world" {
				command[len(command)-1] = hgHash(17)
			}
			_, errOut, status := mozci(t, append(command, of...)...)
			if status != 3 || !strings.Contains(errOut, "has no line of pushes: ") ||
				!strings.Contains(errOut, "look at one push") {
				t.Errorf("%s: %q: exit %d: %s", name, command, status, errOut)
			}
		}
		for _, command := range [][]string{{"jobs"}, {"trigger", "--times", "2"}, {"frequency", "--last", "1"}} {
			if out, errOut, status := mozci(t, append(command, of...)...); status != 0 || out == "" {
				t.Errorf("%s: %q of one push: exit %d: %s", name, command, status, errOut)
			}
		}
	}
}

// gitMirror is autoland of hg, whose pushes are in git too.
func gitMirror(ids ...int) *hgtest.Server {
	s := hgtest.New()
	for _, id := range ids {
		s.Add("integration/autoland", int64(id),
			hgtest.Push{Date: int64(1780000000 + id), User: "dev", Changesets: []hgtest.Changeset{
				{Node: hgHash(id), Git: gitHash(id), Author: "Dev", Desc: "Bug", Parents: []string{hgHash(id - 1)}},
			}})
	}
	return s
}

// A push of Firefox has two names: either one finds it, both are told, and what
// Treeherder lists by the one joins with what hg and Taskcluster have by the
// other.
func TestTwoHashes(t *testing.T) {
	hg := listen(t, gitMirror(17, 18, 19, 20))
	for _, rev := range []string{gitHash(18), gitHash(18)[:14], hgHash(18)} {
		for _, output := range [][]string{nil, {"--json"}} {
			out, errOut, status := mozci(t, append([]string{"pushes", "--hg-url", hg, "--rev", rev}, output...)...)
			if status != 0 || !strings.Contains(out, hgHash(18)[:12]) || !strings.Contains(out, gitHash(18)[:12]) ||
				output != nil && !strings.Contains(out, gitHash(18)) {
				t.Errorf("pushes --rev %s %q: exit %d: %s%s", rev, output, status, out, errOut)
			}
		}
	}
	th := listen(t, thHistory("autoland", gitHash, "901 - success", "902 - -", "903 - testfailed")) // 901 is hg's 901
	mirror := listen(t, gitMirror(901, 902, 903))
	for _, rev := range []string{gitHash(903), hgHash(903)} {
		for name, of := range map[string][]string{
			"pushes of hg": {"--hg-url", mirror},
			"pushes of Treeherder": {
				"--lando-url",
				listen(t, &landotest.Server{Pairs: []landotest.Pair{{Hg: hgHash(903), Git: gitHash(903)}}}),
			},
		} {
			if got := ends(t, append(of, "--ci", "treeherder", "--treeherder-url", th, "--rev",
				rev)...); got != "901 903" {
				t.Errorf("%s, --rev %.12s: %s, expected 901 903", name, rev, got)
			}
		}
	}
}

// Treeherder lists by git, Taskcluster indexes by hg: the run is asked for on the
// right push, with hg's pushlog at hand or with Lando alone.
func TestReadGitTriggerHg(t *testing.T) {
	t.Setenv("TASKCLUSTER_CLIENT_ID", "me")
	t.Setenv("TASKCLUSTER_ACCESS_TOKEN", "secret")
	lando := &landotest.Server{}
	for _, id := range []int{18, 19, 20} {
		lando.Pairs = append(lando.Pairs, landotest.Pair{Hg: hgHash(id), Git: gitHash(id)})
	}
	for name, of := range map[string][]string{
		"hg":    {"--hg-url", listen(t, gitMirror(18, 19, 20))},
		"Lando": {"--lando-url", listen(t, lando)},
	} {
		for _, rev := range []string{gitHash(19), hgHash(19)} {
			tc := tctest.New()
			decision := ""
			for _, id := range []int{18, 19, 20} {
				d := tc.AddPush("autoland", int64(id), hgHash(id), tctest.Label{Name: aTest, Planned: true})
				for _, task := range tc.Tasks(d, aTest) {
					tc.Resolve(task, "failed", "failed")
				}
				if id == 19 {
					decision = d
				}
			}
			th := thHistory("autoland", gitHash, "18 - success", "19 - testfailed", "20 - testfailed")
			th.PutJob(thtest.Object{ // the run that Taskcluster has
				"id": 190, "push_id": 19, "job_type_name": aTest, "state": "completed", "result": "testfailed",
				"task_id": tc.Tasks(decision, aTest)[0],
			})
			out, errOut, status := mozci(t, append([]string{
				"trigger", "--ci", "treeherder", "--trigger-ci", "taskcluster", "--treeherder-url", listen(t, th),
				"--root-url", listen(t, tc),
				"--label", aTest, "--rev", rev, "--times", "2", "--yes", "--json", "--ledger",
				filepath.Join(t.TempDir(), "l.db"),
			}, of...)...)
			if status != 0 || !strings.Contains(out, gitHash(19)) || !strings.Contains(out, hgHash(19)) {
				t.Errorf("%s, %.12s: exit %d: %s%s", name, rev, status, out, errOut)
			}
			fired := 0
			for _, r := range tc.Requests() {
				if strings.HasPrefix(r, http.MethodPost) && strings.Contains(r, "/hooks/") {
					fired++
				}
			}
			made := len(tc.Tasks(decision, "Action: retrigger-multiple")) +
				len(tc.Tasks(decision, "Action: add-new-jobs")) + len(tc.Tasks(decision, "Action: retrigger"))
			if fired != 1 || made != 1 {
				t.Errorf("%s, %.12s: %d hooks fired, %d actions on the push: %q", name, rev, fired, made, tc.Requests())
			}
		}
	}
}

// What is recorded of Lando plays back.
func TestLandoIsRecorded(t *testing.T) {
	tapes := t.TempDir()
	lando := listen(t, &landotest.Server{Pairs: []landotest.Pair{{Hg: hgHash(18), Git: gitHash(18)}}})
	s := hgtest.New() // a repository that is not in git by its own account
	s.Add("integration/autoland", 18, hgtest.Push{
		Date: 1, User: "dev",
		Changesets: []hgtest.Changeset{{Node: hgHash(18)}},
	})
	args := []string{"pushes", "--hg-url", listen(t, s), "--lando-url", lando, "--rev", gitHash(18), "--json"}
	out, errOut, status := mozci(t, append(args, "--record", tapes)...)
	if status != 0 || !strings.Contains(out, gitHash(18)) {
		t.Fatalf("exit %d: %s%s", status, out, errOut)
	}
	again, errOut, status := mozci(t, append(args, "--replay", tapes)...)
	if status != 0 || again != out {
		t.Errorf("played back: exit %d: %s%s", status, again, errOut)
	}
}

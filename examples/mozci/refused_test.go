package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/tctest"
)

// ranged is a deployment with pushes 17 to 20: the test passed on the first and
// failed on the last, and neither it nor its build ran between.
func ranged(t *testing.T, label string) (s *tctest.Server, args []string) {
	t.Helper()
	const build = "build-linux64/opt"
	s = tctest.New()
	for id := int64(17); id <= 20; id++ {
		ran := id == 17 || id == 20
		d := s.AddPush("autoland", id, revisionOf(id), tctest.Label{Name: build, Planned: ran},
			tctest.Label{Name: label, Build: build, Planned: ran})
		for _, b := range s.Tasks(d, build) {
			s.Resolve(b, "completed", "completed")
			s.Put(b, 0, "public/build/target.zip", []byte("a build"))
		}
		for _, x := range s.Tasks(d, label) {
			state := map[bool]string{true: "completed", false: "failed"}[id == 17]
			s.Resolve(x, state, state)
		}
	}
	t.Setenv("TASKCLUSTER_CLIENT_ID", "me")
	t.Setenv("TASKCLUSTER_ACCESS_TOKEN", "secret")
	return s, []string{
		"--root-url", listen(t, s), "--hg-url", autolandLog(t, 17, 18, 19, 20), "--ledger",
		filepath.Join(t.TempDir(), "ledger.db"), "--label", label, "--rev",
	}
}

// What is denied is told once, by a plan and by a search, and one hook is fired.
func TestDeniedIsToldOnce(t *testing.T) {
	for name, args := range map[string][]string{
		"a plan":   {"trigger", "--from-rev", revisionOf(17), "--times", "3", "--yes"},
		"a search": {"culprit", "--batch", "3", "--yes"},
	} {
		s, more := ranged(t, "test-linux/opt-xpcshell-1")
		s.Scopes = []string{"queue:get-task:*"}
		out, errOut, status := mozci(t, append(append(args, more...), revisionOf(20))...)
		if n := strings.Count(out+errOut, "hooks:trigger-hook:"); status != 1 || n != 1 {
			t.Errorf("%s: exit %d, the scope is named %d times:\n%s%s", name, status, n, out, errOut)
		}
		if name == "a plan" && !strings.Contains(errOut, "4 of 4 steps not carried out") {
			t.Errorf("%s: %s", name, errOut)
		}
		fired := 0
		for _, r := range s.Requests() {
			if strings.HasSuffix(r, "/trigger") {
				fired++
			}
		}
		if fired != 1 {
			t.Errorf("%s: %d hooks were fired", name, fired)
		}
	}
}

// A plan for a project that is in no index says where it was looked for.
func TestTriggerWithoutAnIndex(t *testing.T) {
	_, more := ranged(t, "test-linux/opt-xpcshell-1")
	out, errOut, status := mozci(t, append(append([]string{"trigger", "--trust-domain", "nowhere", "--times", "2"},
		more...), revisionOf(20))...)
	if status != 3 || !strings.Contains(errOut, "nowhere.v2.autoland.revision."+revisionOf(20)) ||
		!strings.Contains(errOut, "--trust-domain") {
		t.Errorf("exit %d: %s%s", status, out, errOut)
	}
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/tctest"
)

// TestStopped: who stops the program stops watching alone; the run goes on.
func TestStopped(t *testing.T) {
	t.Setenv("PULSE_USER", "") // who runs the tests may have an account
	tc, hg := tctest.New(), hgtest.New()
	hg.Add("integration/autoland", 20, hgtest.Push{
		Date: 1700000020, User: "dev", Changesets: []hgtest.Changeset{{Node: revisionOf(20)}},
	})
	decision := tc.AddPush("autoland", 20, revisionOf(20), tctest.Label{Name: "build-linux64/opt", Planned: true})
	task := tc.Tasks(decision, "build-linux64/opt")[0]
	root := listen(t, tc)
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	var errOut bytes.Buffer
	done := make(chan int)
	go func() {
		status := run(ctx, []string{
			"watch", "--label", "build-linux64/opt", "--rev", "tip", "--root-url", root, "--hg-url", listen(t, hg),
			"--ledger", filepath.Join(t.TempDir(), "l.db"), "--yes",
		}, strings.NewReader(""), in, &errOut)
		_ = in.Close()
		done <- status
	}()
	last := ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if last = lines.Text(); strings.Contains(last, "queued") {
			stop()
		}
	}
	stop()
	if status := <-done; status != 1 || !strings.Contains(errOut.String(), "Stopped watching; the runs go on.") ||
		!strings.Contains(last, "queued") {
		t.Errorf("exit %d, %s, after %q", status, errOut.String(), last)
	}
	res, err := http.Get(root + "/api/queue/v1/task/" + task + "/status")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if body, err := io.ReadAll(res.Body); err != nil || !bytes.Contains(body, []byte(`"pending"`)) {
		t.Errorf("the task is not pending any more: %s, %v", body, err)
	}
}

// TestNotice: the end of a watch is shown on the desktop, by the desktop's own program, and
// where there is none that is said and nothing else changes.
func TestNotice(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the program is a shell script")
	}
	dir := t.TempDir()
	t.Setenv("PATH", dir) // nothing else is found
	watch := []string{
		"watch", "--world", "../../testdata/worlds/coalesced.txt", "--label", "linux64/opt/xpcshell-1", "--rev", "b2d1",
		"--yes", "--notify",
	}
	if _, errOut, status := mozci(t, watch...); status != 0 || !strings.Contains(errOut, "no notice could be shown") {
		t.Errorf("without the program: exit %d, %s", status, errOut)
	}
	const script = "#!/bin/sh\nfor a in \"$@\"; do echo \"$a\"; done > \"${0%/*}/shown\"\n"
	if err := os.WriteFile(filepath.Join(dir, "notify-send"), []byte(script), 0o700); err != nil { // #nosec G306
		t.Fatal(err)
	}
	if _, errOut, status := mozci(t, watch...); status != 0 || errOut != "" {
		t.Errorf("exit %d, %s", status, errOut)
	}
	shown, err := os.ReadFile(filepath.Join(dir, "shown")) // #nosec G304 -- of the test
	if want := "--app-name=mozci\n--\nMet: linux64/opt/xpcshell-1\n1 of 1 run passed\n"; err != nil ||
		string(shown) != want {
		t.Errorf("shown is %q, %v; want %q", shown, err, want)
	}
}

package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/testenv"
)

// filled is a disk with room for some bytes.
type filled struct{ room int }

func (f *filled) Write(p []byte) (int, error) {
	n := min(f.room, len(p))
	f.room -= n
	if n < len(p) {
		return n, errors.New("no space left on device")
	}
	return n, nil
}

// A command whose results did not get through has failed, whatever form they have: a
// script would take half a report for a whole one.
func TestResultsLost(t *testing.T) {
	world := filepath.Join(testenv.Root(t), "testdata", "worlds", "permanent.txt")
	const job = " --label linux64/opt/xpcshell-1 --rev d4f3"
	for _, command := range []string{
		"pushes --ids 20:30", "jobs --rev d4f3", "jobs --rev d4f3 --json", "labels --rev d4f3", "doctor",
		"backfill --dry-run" + job, "backfill --yes" + job, "backfill --dry-run --output markdown" + job,
		"culprit --yes --output bugzilla" + job, "culprit --yes --json" + job, "frequency --last 5" + job, "help",
		"pushes --help",
		"version", "link https://hg.mozilla.org/try/rev/tip",
	} {
		for _, room := range []int{0, 40} {
			if room > 0 && (strings.HasPrefix(command, "version") || strings.HasPrefix(command, "link")) {
				continue // it is all there
			}
			var errOut strings.Builder
			args := append(strings.Fields(command), "--world", world)
			status := run(t.Context(), args, strings.NewReader(""), &filled{room}, &errOut)
			if status != 1 || strings.Count(errOut.String(), "no space left on device") != 1 {
				t.Errorf("%s: exit %d, %s", command, status, errOut.String())
			}
		}
	}
}

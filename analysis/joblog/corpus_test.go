package joblog_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/internal/testing/testenv"
)

// expectation is what Treeherder made of a real log.
type expectation struct {
	Log         string
	TruncatedAt *int                    `json:"truncated_at"`
	ErrorLines  []struct{ Line string } `json:"error_lines"`
}

// collapsed lists runs of identical lines once.
func collapsed(lines []string) []string {
	var out []string
	for _, l := range lines {
		if len(out) == 0 || out[len(out)-1] != l {
			out = append(out, l)
		}
	}
	return out
}

// Every real plain log that Treeherder's answer is known of: the same error
// lines, in the same order, no more and no less.
func TestCorpus(t *testing.T) {
	files, expected, foundLines, missed, extra := 0, 0, 0, 0, 0
	dir := testenv.Shared(t, "data", "6-logs")
	names, err := filepath.Glob(filepath.Join(dir, "*.expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		var want expectation
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		if want.Log == "" {
			continue // of a structured log: TestStructuredCorpus
		}
		f, err := os.Open(filepath.Join(dir, "treeherder__"+want.Log))
		if err != nil {
			t.Fatal(err)
		}
		lines, err := joblog.ErrorLines(t.Context(), f, nil)
		_ = f.Close()
		if err != nil {
			t.Fatalf("%s: %v", want.Log, err)
		}
		var theirs, ours []string
		for _, l := range want.ErrorLines {
			theirs = append(theirs, l.Line)
		}
		for _, l := range lines {
			ours = append(ours, l.Text)
		}
		theirs = collapsed(theirs)
		if want.TruncatedAt != nil {
			ours = ours[:min(len(ours), len(theirs))]
		}
		files++
		expected += len(theirs)
		m, e := difference(theirs, ours), difference(ours, theirs)
		foundLines, missed, extra = foundLines+len(theirs)-m, missed+m, extra+e
		if d := cmp.Diff(theirs, ours); d != "" {
			t.Errorf("%s (-Treeherder +ours):\n%s", want.Log, d)
		}
	}
	t.Logf("%d files, %d error lines expected, %d found, %d missed, %d extra", files, expected, foundLines, missed,
		extra)
	if files < 20 {
		t.Errorf("only %d files", files)
	}
}

// difference is how many of a are not in b, each as often as it is there.
func difference(a, b []string) int {
	left := map[string]int{}
	for _, s := range b {
		left[s]++
	}
	n := 0
	for _, s := range a {
		if left[s]--; left[s] < 0 {
			n++
		}
	}
	return n
}

// Single lines, as Treeherder's own tests have them.
func TestErrorLineVectors(t *testing.T) {
	var vectors struct {
		IsError    []string `json:"is_error"`
		IsNotError []string `json:"is_not_error"`
	}
	if err := json.Unmarshal(testenv.Read(t, "data", "6-logs", "treeherder__error_line_vectors.json"),
		&vectors); err != nil {
		t.Fatal(err)
	}
	check := func(line string, want bool) {
		t.Helper()
		got, err := joblog.ErrorLines(t.Context(), strings.NewReader(line), nil)
		if err != nil || (len(got) == 1) != want {
			t.Errorf("%q: %v, %v; expected an error line: %t", line, got, err, want)
		}
	}
	for _, l := range vectors.IsError {
		check(l, true)
	}
	for _, l := range vectors.IsNotError {
		check(l, false)
	}
}

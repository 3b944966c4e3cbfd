package joblog_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/mozci/mozci/analysis/joblog"
)

// Output is kept of 1000 tests or packages. That limit does not cut what those had begun to say.
func TestOutputOfManyGoTests(t *testing.T) {
	const n = 1000
	var text, events, compiler strings.Builder
	for i := range n + 1 {
		fmt.Fprintf(&text, "=== RUN   Test%d\n    a_test.go:1: first %d\n", i, i)
		fmt.Fprintf(&events, `{"ImportPath":"ex.org/%d","Action":"build-output","Output":"a.go:1: first %d\n"}`+"\n", i, i)
		fmt.Fprintf(&compiler, "# ex.org/%d\na.go:1: first %d\n", i, i)
	}
	text.WriteString("=== NAME  Test7\n    a_test.go:2: second\n--- FAIL: Test7 (0.00s)\n--- FAIL: Test1000 (0.00s)\n" +
		"FAIL\nFAIL\tex.org/m\t0.1s\n")
	for _, i := range []int{7, n} {
		fmt.Fprintf(&events, `{"ImportPath":"ex.org/%d","Action":"build-output","Output":"a.go:2: second\n"}`+"\n", i)
		fmt.Fprintf(&events, `{"Action":"fail","Package":"ex.org/%d","FailedBuild":"ex.org/%[1]d"}`+"\n", i)
		fmt.Fprintf(&compiler, "# ex.org/%d\na.go:2: second\nFAIL\tex.org/%[1]d [build failed]\n", i)
	}
	for name, log := range map[string]string{
		"text": text.String(), "events": events.String(), "compiler": compiler.String(),
	} {
		said := map[string]bool{}
		for _, f := range read(t, joblog.PlainText, log).Failures {
			if strings.Contains(f.Message, "first 7") && strings.Contains(f.Message, "second") {
				said["known"] = true
			}
			if strings.Contains(f.Message, "first 1000") {
				said["one too many"] = true
			}
		}
		if !said["known"] || said["one too many"] {
			t.Errorf("%s: failures say %v", name, said)
		}
	}
}

// A folder is no log, and the error says that it is a folder.
func TestFolder(t *testing.T) {
	in, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	if _, err := joblog.Read(t.Context(), in, "", nil); err == nil ||
		err.Error() != "it is a folder, expected a file; name a log inside it" {
		t.Errorf("%v", err)
	}
}

package joblog_test

import (
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/mozci/mozci/analysis/joblog"
)

// endless is one byte, again and again.
type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

// A line of 128 MiB, in each sort of log: what stands around it is read, and
// memory stays small.
func TestHugeLine(t *testing.T) {
	const size = 128 << 20
	huge := func(before, after string) io.Reader {
		return io.MultiReader(strings.NewReader(before), io.LimitReader(endless('x'), size), strings.NewReader(after))
	}
	summary := `{"action":"test_result","line":2,"test":"a","status":"FAIL","expected":"PASS"}` + "\n"
	for name, c := range map[string]struct {
		which         joblog.Format
		before, after string
		line          int
	}{
		"plain":        {joblog.PlainText, "TEST-UNEXPECTED-FAIL | a | b\n", "\nTEST-UNEXPECTED-FAIL | a | c\n", 3},
		"summary":      {joblog.ErrorSummary, summary + `{"action":"log","message":"`, "\"}\n" + summary, 2},
		"of the error": {joblog.PlainText, "\nTEST-UNEXPECTED-FAIL | a | ", "\nTEST-UNEXPECTED-FAIL | a | c\n", 3},
	} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		r, err := joblog.Read(t.Context(), huge(c.before, c.after), c.which, nil)
		runtime.ReadMemStats(&after)
		if err != nil || len(r.Failures) != 2 || r.Failures[1].Line != c.line {
			t.Errorf("%s: %v, %s", name, err, shown(r))
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
			t.Errorf("%s: %d MiB were allocated", name, grown>>20)
		}
	}
}

package joblog_test

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/analysis/joblog"
)

// made is a log of n lines, made as they are read.
type made struct {
	n, most int
	line    func(n int) string
	buf     []byte
}

func (m *made) Read(p []byte) (int, error) {
	for len(m.buf) < len(p) && m.n < m.most {
		m.buf = append(m.buf, m.line(m.n)...)
		m.n++
	}
	if len(m.buf) == 0 {
		return 0, io.EOF
	}
	n := copy(p, m.buf)
	m.buf = m.buf[:copy(m.buf, m.buf[n:])]
	return n, nil
}

var long, longer = strings.Repeat("x", 400), strings.Repeat("x", 2000)

// hostileLogs are logs that want all memory, or all time: how many lines, what
// each says, and why the report says that there is more.
var hostileLogs = map[string]struct {
	which joblog.Format
	n     int
	line  func(n int) string
	why   string
}{
	"failures of gtest": {
		joblog.PlainText, 15_000,
		func(n int) string { return fmt.Sprintf("[  FAILED  ] Suite.Test%d%s\n", n, long) },
		"more failures than a report keeps",
	},
	"failures": {joblog.PlainText, 12_000, func(n int) string {
		return fmt.Sprintf("TEST-UNEXPECTED-FAIL | a/%d/%s | %s%s\n", n, long, long, long)
	}, "more failures than a report keeps"},
	"passes": {joblog.PlainText, 13_000, func(n int) string {
		return fmt.Sprintf("TEST-START | a/%d/%s\nTEST-OK | a/%d/%s | took 1ms\n", n, longer, n, longer)
	}, "more tests than a report keeps"},
	"beginnings": {
		joblog.PlainText, 155_000, func(n int) string { return fmt.Sprintf("TEST-START | a/%d\n", n) },
		"more tests than a report keeps",
	},
	"comparisons": {joblog.PlainText, 12_000, func(n int) string {
		return fmt.Sprintf("TEST-PASS | a == %d%s | image comparison\n", n, longer)
	}, "more tests than a report keeps"},
	"names of one": {joblog.PlainText, 20_000, func(n int) string {
		return fmt.Sprintf("TEST-START | /home/%d/build/xpcshell/tests/a/%s\n", n, long)
	}, ""},
	"long messages": {joblog.ErrorSummary, 1_050, func(n int) string {
		return fmt.Sprintf(`{"action":"test_result","test":"a%d","status":"FAIL","expected":"PASS","message":"%s"}`+
			"\n", n, strings.Repeat(long, 42))
	}, "more failures than a report keeps"},
	"long names": {joblog.ErrorSummary, 200, func(n int) string {
		return fmt.Sprintf(`{"action":"test_result","test":"%d%s","status":"FAIL","expected":"PASS"}`+"\n", n,
			strings.Repeat(long, 200))
	}, ""},
	"groups": {joblog.ErrorSummary, 101_000, func(n int) string {
		return fmt.Sprintf(`{"action":"group_result","group":"g%d.toml","status":"ERROR"}`+"\n", n)
	}, "more groups than a report keeps"},
	"groups to come": {joblog.ErrorSummary, 101_000, func(n int) string {
		return fmt.Sprintf(`{"action":"test_groups","groups":["g%d.toml"]}`+"\n", n)
	}, "more groups than a report keeps"},
	"long groups": {joblog.StructuredLog, 9_000, func(n int) string {
		return fmt.Sprintf(`{"action":"group_start","name":"%d%s"}`+"\n"+
			`{"action":"test_start","test":"a","group":"%d%s"}`+"\n", n, longer, n, longer)
	}, "more groups than a report keeps"},
	"suites": {joblog.StructuredLog, 10_000, func(n int) string {
		return fmt.Sprintf(`{"action":"suite_start","tests":{"g%d.toml":["a%d","b","c"]}}`+"\n", n, n)
	}, ""},
	"torn lines": {
		joblog.StructuredLog, 20_000,
		func(n int) string { return fmt.Sprintf(`{"action":"test_start","test":"a%d"}`+"\n{\n", n) },
		"unexpected end of JSON",
	},
}

// Logs that want all memory, or all time. What is kept of them is small, and the
// report says that there was more.
func TestHostileLogs(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 150 MB of logs")
	}
	for name, c := range hostileLogs {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		r, err := joblog.Read(t.Context(), &made{most: c.n, line: c.line}, c.which,
			&joblog.Options{Tests: []string{"mine"}})
		took := time.Since(began)
		runtime.GC()
		runtime.ReadMemStats(&after)
		if err != nil || c.why != "" && (!r.Partial || !strings.Contains(r.Reason, c.why)) {
			t.Errorf("%s: %v, partial %t: %s", name, err, r.Partial, r.Reason)
		}
		held := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) >> 20 // #nosec G115 -- of a test
		t.Logf("%-18s %8v  %3d MiB are kept, %d failures, %d groups: %s", name, took.Round(time.Millisecond), held,
			len(r.Failures), len(r.Groups), r.Reason)
		if held > 48 {
			t.Errorf("%s: %d MiB are kept", name, held)
		}
		runtime.KeepAlive(r)
	}
}

// A test that is asked about is known whatever else a log has, and one that
// failed has failed though its failure is one too many.
func TestAskedAboutAmongManyTests(t *testing.T) {
	many := func(n int) string {
		return fmt.Sprintf("TEST-UNEXPECTED-FAIL | a/%d/%s | x\n", n, strings.Repeat("y", 2000))
	}
	for _, c := range []struct {
		end  string
		want joblog.TestVerdict
	}{
		{"TEST-START | /tests/mine.html\nTEST-OK | /tests/mine.html | took 1ms\n", joblog.TestPassed},
		{
			"TEST-START | /tests/mine.html\nTEST-UNEXPECTED-FAIL | mine.html | x\n" +
				"TEST-OK | /tests/mine.html | took 1ms\n",
			joblog.TestFailed,
		},
		{"TEST-START | /tests/mine.html\n", joblog.TestUnknown},
		{"", joblog.TestUnknown},
	} {
		r, err := joblog.Read(t.Context(), io.MultiReader(&made{most: 13_000, line: many}, strings.NewReader(c.end)),
			joblog.PlainText, &joblog.Options{Tests: []string{"mine.html"}})
		if err != nil || !r.Partial {
			t.Fatalf("%v, %+v", err, r.Partial)
		}
		if got := r.Verdict("mine.html", ""); got != c.want {
			t.Errorf("%q: %s, expected %s", c.end, got, c.want)
		}
	}
}

// Twice as much takes twice as long, not four times: what is quadratic shows in
// the numbers of steps, which time stands for, so that a wide margin is left.
func TestGroupsTakeLinearTime(t *testing.T) {
	took := func(n int) time.Duration {
		began := time.Now()
		_, err := joblog.Read(t.Context(), &made{most: n, line: func(n int) string {
			return fmt.Sprintf(`{"action":"group_result","group":"g%d.toml","status":"OK","duration":1}`+"\n", n)
		}}, joblog.ErrorSummary, nil)
		if err != nil {
			t.Fatal(err)
		}
		return time.Since(began)
	}
	small, big := time.Hour, time.Hour
	for round := range 20 { // more than two only where something else on this machine took the time
		small, big = min(small, took(10_000)), min(big, took(100_000))
		if round > 0 && big <= 60*small {
			return
		}
	}
	t.Errorf("10,000 groups took %s, 100,000 took %s", small, big)
}

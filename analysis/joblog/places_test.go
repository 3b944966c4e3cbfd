package joblog_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/analysis/joblog"
)

// The line of a result in a wptreport.json is that of its brace, however the file is laid out.
func TestLinesOfWPTReport(t *testing.T) {
	const head, foot = `{"run_info":{},"time_start":1,"results":[`, `],"time_end":2}`
	result := func(name string) string {
		return `{"test":"/` + name + `","status":"FAIL","expected":"PASS","subtests":[]}`
	}
	a, b, c := result("a"), result("b"), result("c")
	for layout, want := range map[string]string{
		head + a + "," + b + "," + c + foot:                                                  "1 /a, 1 /b, 1 /c",
		head + a + ",\n" + b + ",\n" + c + "\n" + foot:                                       "1 /a, 2 /b, 3 /c",
		head + "\n" + a + ",\r\n" + b + ",\r\n" + c + foot:                                   "2 /a, 3 /b, 4 /c",
		head + "\n\n" + a + "\n,\n\t " + b + ", \n\n\n  " + c + "\n" + foot:                  "3 /a, 5 /b, 8 /c",
		head + strings.Repeat("\n", 5000) + a + "," + strings.Repeat(" \n", 5000) + b + foot: "5001 /a, 10001 /b",
	} {
		var got []string
		for _, f := range readAs(t, []byte(layout), joblog.WPTReport).Failures {
			got = append(got, strings.TrimSpace(strings.Join([]string{strconv.Itoa(f.Line), f.Test}, " ")))
		}
		if d := cmp.Diff(want, strings.Join(got, ", ")); d != "" {
			t.Errorf("%.200q (-want +got):\n%s", layout, d)
		}
	}
}

// A block of YAML that has no end hides no test point after it.
func TestTAPBlockWithoutEnd(t *testing.T) {
	for text, want := range map[string]string{
		"TAP version 14\nnot ok 1 - a\n  ---\n  message: m\nnot ok 2 - b\n1..2\n":                                           "2 test FAIL a\n5 test FAIL b",
		"TAP version 14\nnot ok 1 - a\n  ---\n  message: |-\n    m\nnot ok 2 - b\n1..2\n":                                   "2 test FAIL a\n6 test FAIL b",
		"TAP version 14\n1..2\nnot ok 1 - a\n  ---\n  message: m\n# Subtest: s\n    not ok 1 - c\n    1..1\nnot ok 2 - s\n": "3 test FAIL a\n7 test FAIL s > c\n9 test FAIL s",
		"TAP version 14\nok 1 - a\n  ---\n  x: 1\nBail out! no db\n1..2\n":                                                  "5 log ERROR",
		"TAP version 14\nnot ok 1 - a\n  ---\n  message: m\n1..1\n":                                                         "2 test FAIL a",
		"TAP version 14\nnot ok 1 - a\n  ---\n  not ok: no point\n  ...\n1..1\n":                                            "2 test FAIL a",
	} {
		r := readAs(t, []byte(text), "")
		if d := cmp.Diff(want, sampled(r)); d != "" || r.Partial != strings.Contains(text, "Bail") {
			t.Errorf("%q: partial %t, %s (-want +got):\n%s", text, r.Partial, r.Reason, d)
		}
	}
}

// The counts at the end of gtest's output are no tests, whether one test or several.
func TestCountsOfGtest(t *testing.T) {
	for _, count := range []string{"1 test", "2 tests"} {
		for _, word := range []string{"[  SKIPPED ] ", "[  FAILED  ] ", "[ DISABLED ] ", "[  PASSED  ] "} {
			for _, rest := range []string{", listed below:", "", "."} {
				r := read(t, joblog.PlainText, "TEST-START | x\n[ RUN      ] S.A\n[       OK ] S.A (3 ms)\n"+
					word+count+rest+"\n")
				if got := r.Verdict(count, ""); got != unknown || strings.Contains(shown(r), "|"+count) {
					t.Errorf("%s%s%s: %s, %s", word, count, rest, got, shown(r))
				}
			}
		}
	}
}

// A file of go test -json is known by its first object, which may be an event of a test or one of the build.
func TestSniffGoEvents(t *testing.T) {
	const event = `{"Time":"2026-01-05T00:00:01Z","Action":"start","Package":"p"}` + "\n"
	for name, first := range map[string]string{
		"test":  "",
		"build": `{"ImportPath":"p","Action":"build-output","Output":"# p\n"}` + "\n",
	} {
		if r := readAs(t, []byte(first+event), ""); r.Source != joblog.GoTest {
			t.Errorf("%s: %s", name, r.Source)
		}
	}
	for name, text := range map[string]string{
		"the members of another program": `{"Action":"open","Door":3}` + "\n",
		"a package without an action":    `{"Package":"p","ImportPath":"q"}` + "\n",
	} {
		r, err := joblog.Read(t.Context(), strings.NewReader(text), "", nil)
		if err == nil || !strings.Contains(err.Error(), "it is JSON with the members") {
			t.Errorf("%s: %v, %v", name, r, err)
		}
	}
}

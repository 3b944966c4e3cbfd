package joblog_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/internal/testing/testenv"
)

// tabulated is a result of a test as the tabulations have it.
type tabulated struct {
	Test, Status, Expected, Group string
	Subtest                       *string
	Line                          int
}

// The real error summaries, as their tabulations say.
func TestErrorSummaryCorpus(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(testenv.Shared(t, "data", "6-logs"), "*errorsummary*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		checkErrorSummary(t, filepath.Base(name))
	}
	if len(names) < 6 {
		t.Errorf("only %d error summaries", len(names))
	}
}

func checkErrorSummary(t *testing.T, name string) {
	t.Helper()
	var want struct {
		TestGroups   []string            `json:"test_groups"`
		GroupResults map[string][][2]any `json:"group_results"`
		TestResults  []tabulated         `json:"test_results"`
		Crashes      []any               `json:"crashes"`
		LogMessages  []any               `json:"log_messages"`
	}
	if err := json.Unmarshal(testenv.Read(t, "data", "6-logs", name+".expected.json"), &want); err != nil {
		t.Fatal(err)
	}
	r, err := joblog.Read(t.Context(), bytes.NewReader(testenv.Read(t, "data", "6-logs", name)), "", nil)
	if err != nil || r.Source != joblog.ErrorSummary || r.Partial {
		t.Fatalf("%s: %v, %+v", name, err, r)
	}
	var got []tabulated
	for _, f := range r.Failures {
		one := tabulated{Test: f.Test, Status: f.Status, Expected: f.Expected, Group: f.Group, Line: f.Line}
		if f.Subtest != "" {
			one.Subtest = &f.Subtest
		}
		got = append(got, one)
	}
	if d := cmp.Diff(want.TestResults, got); d != "" && len(want.TestResults)+len(got) > 0 {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
	groups := map[string]string{}
	for g, ends := range want.GroupResults {
		groups[g] = fmt.Sprint(ends[0][0])
	}
	for _, g := range want.TestGroups {
		if groups[g] == "" {
			groups[g] = "unfinished"
		}
	}
	ours := map[string]string{}
	for _, g := range r.Groups {
		ours[g.Name] = first(g.Status, "unfinished")
	}
	if d := cmp.Diff(groups, ours); d != "" {
		t.Errorf("%s, groups (-want +got):\n%s", name, d)
	}
}

// The real structured log, as its tabulation says.
func TestStructuredCorpus(t *testing.T) {
	var raw struct {
		Unexpected []tabulated
	}
	if err := json.Unmarshal(testenv.Read(t, "data", "6-logs", "treeherder__plain-chunked_raw.expected.json"),
		&raw); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(testenv.Shared(t, "data", "6-logs"), "treeherder__plain-chunked_raw.log.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	r, err := joblog.Read(t.Context(), f, "", nil)
	if err != nil || r.Source != joblog.StructuredLog || r.Partial {
		t.Fatalf("%v, %+v", err, r)
	}
	var got []tabulated
	for _, f := range r.Failures {
		got = append(got, tabulated{Test: f.Test, Status: f.Status, Expected: f.Expected, Subtest: &f.Subtest})
	}
	if d := cmp.Diff(raw.Unexpected, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if v := r.Verdict(got[0].Test, ""); v != joblog.TestFailed {
		t.Errorf("%s: %s", got[0].Test, v)
	}
	if v := r.Verdict("dom/no/such/test.html", ""); v != joblog.TestNotRun {
		t.Errorf("a test that is not in a whole structured log: %s", v)
	}
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func lines(l ...string) string { return strings.Join(l, "\n") + "\n" }

// Each action of an error summary.
func TestErrorSummary(t *testing.T) {
	r, err := joblog.Read(t.Context(), strings.NewReader(lines(
		`{"action":"test_groups","line":1,"groups":["a/m.toml","b/m.toml","c/m.toml","d/m.toml","e/m.toml","default",""]}`,
		`{"action":"test_result","line":2,"test":"a/t1.js","subtest":"s","group":"a/m.toml","status":"FAIL","expected":"PASS","message":"m","known_intermittent":[]}`,
		`{"action":"test_result","line":3,"test":"a/t2.js","subtest":null,"group":"a/m.toml","status":"FAIL","expected":"PASS","message":"m","known_intermittent":["FAIL"]}`,
		`{"action":"test_result","line":6,"test":["a.html","==","b.html"],"status":"FAIL","expected":"PASS"}`,
		`{"action":"group_result","line":7,"group":"a/m.toml","status":"ERROR","duration":1500}`,
		`{"action":"group_result","line":8,"group":"b/m.toml","status":"OK","duration":1}`,
		`{"action":"group_result","line":9,"group":"c/m.toml","status":"SKIP"}`,
		`{"action":"group_result","line":10,"group":"d/m.toml","status":"OK"}`,
		`{"action":"crash","line":11,"test":"d/t.js","group":"d/m.toml","signature":"f","stackwalk_stdout":"x"}`,
		`{"action":"log","line":12,"level":"ERROR","message":"oh"}`,
		`{"action":"log","line":13,"status":"FAIL","test":"b/t9.js","group":"b/m.toml","message":"leaked 2 windows"}`,
	)), joblog.ErrorSummary, nil)
	if err != nil || r.Partial {
		t.Fatalf("%v, %s", err, r.Reason)
	}
	want := `2 test|a/t1.js|s|a/m.toml|FAIL|PASS|m|
6 test|a.html == b.html|||FAIL|PASS||
11 crash|d/t.js||d/m.toml|CRASH|||f
12 log||||ERROR||oh|
13 leak|b/t9.js||b/m.toml|FAIL||leaked 2 windows|`
	if d := cmp.Diff(want, shown(r)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for test, want := range map[string]joblog.TestVerdict{
		"a/t1.js": joblog.TestFailed, "a/t2.js": joblog.TestPassed, "a.html == b.html": joblog.TestFailed,
		"a/t5.js":     joblog.TestPassed,  // its group ended, and it is not among the failures
		"b/t1.js":     joblog.TestPassed,  // its group is OK
		"b/sub/t1.js": joblog.TestPassed,  // the manifest of the folder above
		"b/t9.js":     joblog.TestFailed,  // at shutdown
		"c/t1.js":     joblog.TestNotRun,  // its group was skipped
		"d/t1.js":     joblog.TestUnknown, // its group crashed
		"e/t1.js":     joblog.TestUnknown, // its group did not end
		"f/t1.js":     joblog.TestNotRun,  // no group that was to run can hold it
	} {
		if got := r.Verdict(test, ""); got != want {
			t.Errorf("%s: %s, expected %s", test, got, want)
		}
	}
	if got := r.Verdict("f/t1.js", "b/m.toml"); got != joblog.TestPassed {
		t.Errorf("in the group that is named: %s", got)
	}
	if got := r.Verdict("b/t1.js", "z/m.toml"); got != joblog.TestNotRun {
		t.Errorf("in a group that was not to run: %s", got)
	}
}

// everyAction is a structured log with each action.
var everyAction = lines(
	`{"action":"suite_start","time":1,"source":"x","tests":{"a/m.toml":["a/t1.js"],"b/m.toml":["b/t1.js"]}}`,
	`{"action":"group_start","name":"a/m.toml","source":"x"}`,
	`{"action":"test_start","test":"a/t1.js","source":"x"}`,
	`{"action":"process_output","process":1,"data":"\"action\": \"test_end\"","source":"x"}`,
	`{"action":"test_status","test":"a/t1.js","subtest":"ok","status":"PASS","source":"x"}`,
	`{"action":"test_status","test":"a/t1.js","subtest":"bad","status":"FAIL","expected":"PASS","message":"m","source":"x"}`,
	`{"action":"test_end","test":"a/t1.js","status":"OK","source":"x"}`,
	`{"action":"group_end","name":"a/m.toml","source":"x"}`,
	`{"action":"test_start","test":"a/t2.js","source":"x"}`,
	`{"action":"test_end","test":"a/t2.js","status":"PASS","source":"x"}`,
	`{"action":"test_end","test":"a/t3.js","status":"SKIP","source":"x"}`,
	`{"action":"test_start","test":"a/t4.js","source":"x"}`,
	`{"action":"test_end","test":"a/t5.js","status":"FAIL","expected":"PASS","known_intermittent":["FAIL"],"source":"x"}`,
	`{"action":"test_end","test":["l/a.html","!=","l/b.html"],"status":"FAIL","expected":"PASS","source":"x"}`,
	`{"action":"log","level":"INFO","message":"fine","source":"x"}`,
	`{"action":"log","level":"CRITICAL","message":"oh","source":"x"}`,
	`{"action":"crash","test":"a/t6.js","signature":"g","reason":"SIGSEGV","source":"x"}`,
	`{"action":"lsan_leak","frames":["f","g"],"source":"x"}`,
	`{"action":"lsan_leak","frames":["h"],"allowed_match":"known","source":"x"}`,
	`{"action":"mozleak_total","process":"tab","bytes":10,"threshold":0,"source":"x"}`,
	`{"action":"mozleak_total","process":"tab","bytes":10,"threshold":20,"source":"x"}`,
	`{"action":"mozleak_object","name":"nsA","source":"x"}`,
	`{"action":"shutdown_failure","group":"a/m.toml","message":"m","source":"x"}`,
	`{"action":"valgrind_error","primary":"Invalid read","secondary":[],"source":"x"}`,
	`{"action":"lint","level":"error","path":"a.py","lineno":1,"message":"m","rule":"E1","source":"x"}`,
	`{"action":"assertion_count","test":"a/t7.js","count":3,"min_expected":0,"max_expected":1,"source":"x"}`,
	`{"action":"suite_end","source":"x"}`,
)

// Each action of a structured log.
func TestStructuredLog(t *testing.T) {
	text := everyAction
	r, err := joblog.Read(t.Context(), strings.NewReader(text), "", nil)
	if err != nil || r.Partial || r.Source != joblog.StructuredLog {
		t.Fatalf("%v, %s, %s", err, r.Reason, r.Source)
	}
	want := `6 test|a/t1.js|bad|a/m.toml|FAIL|PASS|m|
12 test|a/t4.js|||||the test began and did not end|
14 test|l/a.html != l/b.html|||FAIL|PASS||
16 log||||CRITICAL||oh|
17 crash|a/t6.js|||CRASH||SIGSEGV|g
18 leak|LeakSanitizer|||FAIL||leak at f, g|
20 leak|leakcheck|||FAIL||tab 10 bytes leaked|
23 leak|||a/m.toml|FAIL||m|
24 crash||||VALGRIND-ERROR||Invalid read|
25 test|a.py|||FAIL||m (E1)|
26 test|a/t7.js|||ASSERT||3 assertions, expected 0 to 1|`
	if d := cmp.Diff(want, shown(r)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for test, want := range map[string]joblog.TestVerdict{
		"a/t1.js": joblog.TestFailed, "a/t2.js": joblog.TestPassed, "a/t3.js": joblog.TestNotRun,
		"a/t4.js": joblog.TestUnknown, "a/t5.js": joblog.TestPassed, "z.js": joblog.TestNotRun,
	} {
		if got := r.Verdict(test, ""); got != want {
			t.Errorf("%s: %s, expected %s", test, got, want)
		}
	}
	cut := text[:strings.Index(text, `{"action":"suite_end"`)]
	r, err = joblog.Read(t.Context(), strings.NewReader(cut), "", nil)
	if err != nil || !r.Partial || !strings.Contains(r.Reason, "did not end") ||
		r.Verdict("z.js", "") != joblog.TestUnknown || r.Verdict("a/t2.js", "") != joblog.TestPassed {
		t.Errorf("without its end: %v, %q, %s", err, r.Reason, r.Verdict("z.js", ""))
	}
}

func squeezed(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.Bytes()
}

// What is torn, of another sort or of wrong types: the failures so far, partial,
// and why.
func TestTornLogs(t *testing.T) {
	good := `{"action":"test_result","line":2,"test":"a","status":"FAIL","expected":"PASS"}` + "\n"
	raw := `{"action":"test_end","test":"a","status":"FAIL","expected":"PASS","source":"x"}` + "\n"
	plain := "TEST-UNEXPECTED-FAIL | a | b\n"
	random := make([]byte, 200_000)
	for i, x := 0, uint32(1); i < len(random); i++ {
		x = x*1664525 + 1013904223
		random[i] = byte(x >> 24)
	}
	big := squeezed(strings.Repeat("fine\n", 1000) + plain + string(random))
	for name, c := range map[string]struct {
		text  string
		which joblog.Format
		n     int
		why   string
	}{
		"half a line": {good + `{"action":"test_res`, joblog.ErrorSummary, 1, "unexpected EOF"},
		"no object":   {good + "[1]\n" + good, joblog.ErrorSummary, 2, "no JSON object"},
		"wrong types are absent": {good +
			`{"action":"test_result","test":{"x":1},"status":7,"expected":[],"group":3,"line":"x","message":{}}` +
			"\n", joblog.ErrorSummary, 1, ""},
		"an unknown action":        {good + `{"action":"dance"}` + "\n", joblog.ErrorSummary, 1, `"dance" is not one`},
		"a plain log as a summary": {plain, joblog.ErrorSummary, 0, "no JSON object"},
		"a summary as a raw log":   {good, joblog.StructuredLog, 0, `"test_result" is not one`},
		"a raw log as a summary":   {raw, joblog.ErrorSummary, 0, `"test_end" is not one`},
		"NUL bytes": {
			"\x00\x00\n" + strings.Repeat("fine\n", 20) + plain + "\x00", joblog.PlainText,
			1, "",
		},
		"a torn gzip": {string(big[:len(big)-1000]), joblog.PlainText, 1, "could not be read to its end"},
		"a very long line": {good + `{"action":"log","message":"` + strings.Repeat("x", 5<<20) + `"}` + "\n" +
			good, joblog.ErrorSummary, 2, "longer than"},
		"invalid UTF-8":            {"TEST-UNEXPECTED-FAIL | \xff\xe2\x82 | b\xf0\x9f\n", joblog.PlainText, 1, ""},
		"a summary as a plain log": {good, joblog.PlainText, 0, "no line of a known format in 1 line"},
		"two in one line":          {strings.TrimSpace(good) + good, joblog.ErrorSummary, 2, "something behind the object"},
		"two, the first torn":      {strings.TrimSpace(good)[:40] + good, joblog.ErrorSummary, 1, "line 1"},
		"a mark within":            {good + "\xef\xbb\xbf" + good, joblog.ErrorSummary, 2, ""},
	} {
		r, err := joblog.Read(t.Context(), strings.NewReader(c.text), c.which, nil)
		if err != nil || len(r.Failures) != c.n || r.Partial != (c.why != "") || !strings.Contains(r.Reason, c.why) {
			t.Errorf("%s: %v, %d failures, partial %t: %q; expected %d with %q", name, err, len(r.Failures),
				r.Partial, r.Reason, c.n, c.why)
		}
	}
	if _, err := joblog.Read(t.Context(), strings.NewReader(""), "nonsense", nil); err == nil {
		t.Error("a sort of log that there is not is taken")
	}
}

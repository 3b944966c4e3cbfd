package joblog_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/analysis/joblog"
)

// What an error summary says of a test that it does not name.
func TestVerdictByGroup(t *testing.T) {
	const groups = `{"action":"test_groups","line":1,"groups":["a/m.toml"]}`
	failure := func(status string) string {
		return `{"action":"test_result","line":2,"test":"a/other.js","subtest":null,"group":"a/m.toml","status":"` +
			status + `","expected":"PASS","message":"m"}`
	}
	ended := func(status string) string {
		return `{"action":"group_result","line":9,"group":"a/m.toml","status":` + status + `}`
	}
	for log, want := range map[string]joblog.TestVerdict{
		lines(groups, ended(`"OK"`)):      joblog.TestPassed,
		lines(groups, ended(`"PASS"`)):    joblog.TestPassed,
		lines(groups, ended(`"SKIP"`)):    joblog.TestNotRun,
		lines(groups, ended(`"ERROR"`)):   joblog.TestUnknown,
		lines(groups, ended(`"FAIL"`)):    joblog.TestUnknown,
		lines(groups, ended(`"CRASH"`)):   joblog.TestUnknown,
		lines(groups, ended(`"TIMEOUT"`)): joblog.TestUnknown,
		lines(groups, ended(`"NEWWORD"`)): joblog.TestUnknown,
		lines(groups, ended(`null`)):      joblog.TestUnknown,
		lines(groups):                     joblog.TestUnknown,
		// it ran twice
		lines(groups, ended(`"OK"`), ended(`"ERROR"`)): joblog.TestUnknown,
		lines(groups, ended(`"OK"`), ended(`"SKIP"`)):  joblog.TestNotRun,
		// the others passed
		lines(groups, failure("FAIL"), ended(`"ERROR"`)): joblog.TestPassed,
		lines(groups, failure("FAIL"), ended(`"FAIL"`)):  joblog.TestPassed,
		lines(groups, failure("FAIL"), ended(`"OK"`)):    joblog.TestPassed,
		// it may have gone no further
		lines(groups, failure("TIMEOUT"), ended(`"ERROR"`)):                               joblog.TestUnknown,
		lines(groups, failure("CRASH"), ended(`"ERROR"`)):                                 joblog.TestUnknown,
		lines(groups, failure("FAIL"), ended(`null`)):                                     joblog.TestUnknown,
		lines(groups, ended(`"OK"`), "{torn"):                                             joblog.TestUnknown,
		lines(groups, `{"action":"log","level":"ERROR","message":"x"}`, ended(`"ERROR"`)): joblog.TestUnknown,
		// passing tests are listed
		lines(groups,
			`{"action":"test_result","test":"a/other.js","subtest":null,"group":"a/m.toml","status":"PASS","expected":"PASS"}`, ended(`"OK"`)): joblog.TestNotRun,
		lines(groups,
			`{"action":"test_result","test":"a/other.js","subtest":null,"group":"a/m.toml","status":"SKIP","expected":"SKIP"}`, ended(`"OK"`)): joblog.TestNotRun,
	} {
		for _, group := range []string{"", "a/m.toml", "parent.toml:a/m.toml"} {
			if got := read(t, joblog.ErrorSummary, log).Verdict("a/t.js", group); got != want {
				t.Errorf("%s, expected %s, in %q:\n%s", got, want, group, log)
			}
		}
	}
}

// A manifest holds the tests of its sort only.
func TestManifestsOfOtherSorts(t *testing.T) {
	r := read(t, joblog.ErrorSummary,
		lines(`{"action":"test_groups","groups":["a/mochitest.toml","a/xpcshell.toml","a/browser.toml","/css"]}`,
			`{"action":"group_result","group":"a/mochitest.toml","status":"OK"}`,
			`{"action":"group_result","group":"/css","status":"OK"}`,
			`{"action":"group_result","group":"a/xpcshell.toml","status":"SKIP"}`))
	for test, want := range map[string]joblog.TestVerdict{
		"a/test_x.html": joblog.TestPassed, "a/unit/test_x.js": joblog.TestNotRun, "a/browser_x.js": joblog.TestUnknown,
		"/css/a.html": joblog.TestPassed, "/css/deep/a.html?x": joblog.TestPassed,
		"testing/web-platform/tests/css/a.html": joblog.TestPassed, "/dom/a.html": joblog.TestNotRun,
	} {
		if got := r.Verdict(test, ""); got != want {
			t.Errorf("%s: %s, expected %s", test, got, want)
		}
	}
}

// The groups of structured logs.
func TestStructuredGroups(t *testing.T) {
	start := func(test string) string { return `{"action":"test_start","test":"` + test + `"}` }
	end := func(test, status string) string { return `{"action":"test_end","test":"` + test + `",` + status + `}` }
	const over = `{"action":"suite_end","source":"x"}`
	for name, c := range map[string]struct {
		log  string
		want []string
	}{
		"each of its own": {
			lines(`{"action":"suite_start","source":"x","tests":{"b.toml":["b1"],"a.toml":["a1","a2"]}}`,
				`{"action":"group_start","name":"a.toml"}`,
				start("a1"), end("a1", `"status":"OK"`), start("a2"), end("a2", `"status":"FAIL","expected":"OK"`),
				`{"action":"group_end","name":"a.toml"}`,
				`{"action":"group_start","name":"b.toml"}`, start("b1"), end("b1", `"status":"SKIP"`),
				`{"action":"group_end","name":"b.toml"}`, over), []string{"a.toml ERROR", "b.toml SKIP"},
		},
		"no beginnings": {lines(`{"action":"suite_start","source":"x","tests":{"a":["a1"],"b":["b1"],"c":["c1"]}}`,
			start("a1"), end("a1", `"status":"OK"`), start("b1"),
			`{"action":"test_status","test":"b1","subtest":"s","status":"FAIL","expected":"PASS"}`,
			end("b1", `"status":"OK"`), over), []string{"a OK", "b ERROR", "c "}},
		"a hang": {
			lines(`{"action":"suite_start","source":"x","tests":{"a":["a1"]}}`,
				`{"action":"group_start","name":"a"}`, start("a1"), `{"action":"group_end","name":"a"}`, over),
			[]string{"a ERROR"},
		},
		"a leak": {
			lines(`{"action":"suite_start","source":"x","tests":{"a":["a1"]}}`, start("a1"),
				end("a1", `"status":"OK"`),
				`{"action":"shutdown_failure","group":"a","message":"leaked 1 window(s) until shutdown"}`, over),
			[]string{"a ERROR"},
		},
		"a list": {lines(`{"action":"suite_start","source":"x","tests":["a1"]}`,
			`{"action":"group_start","name":"a"}`, start("a1"), end("a1", `"status":"OK"`),
			`{"action":"group_end","name":"a"}`, over), []string{"a OK"}},
		"xpcshell's": {lines(`{"action":"suite_start","source":"x","tests":["a1"]}`,
			`{"action":"group_start","name":"parallel"}`, start("a1"), end("a1", `"status":"OK"`),
			`{"action":"group_end","name":"parallel"}`, over), nil},
		"the harness broke": {lines(`{"action":"suite_start","source":"x","tests":{"a":["a1"]}}`, start("a1"),
			end("a1", `"status":"OK"`)), []string{"a "}},
	} {
		var got []string
		for _, g := range read(t, joblog.StructuredLog, c.log).Groups {
			got = append(got, g.Name+" "+g.Status)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// Groups of which nobody knows what went wrong, and those that did not end.
func TestNamelessGroups(t *testing.T) {
	r := read(t, joblog.ErrorSummary, lines(`{"action":"test_groups","groups":["a.toml","b.toml","c.toml","d.toml"]}`,
		`{"action":"test_result","line":2,"test":"b.js","group":"b.toml","status":"FAIL","expected":"PASS"}`,
		`{"action":"group_result","line":3,"group":"a.toml","status":"FAIL"}`,
		`{"action":"group_result","line":4,"group":"b.toml","status":"ERROR"}`,
		`{"action":"group_result","line":5,"group":"c.toml","status":null}`))
	var got []string
	for _, f := range r.Nameless() {
		got = append(got, show(f))
	}
	if d := cmp.Diff([]string{"test|||a.toml|FAIL||the group ended FAIL and names no test|"}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff([]joblog.Group{{Name: "c.toml"}, {Name: "d.toml"}}, r.Unfinished()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

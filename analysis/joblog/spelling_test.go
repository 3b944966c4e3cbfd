package joblog_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mozci/mozci/analysis/joblog"
)

// Names of one test, the canonical one first. No two lines mean the same.
var spellings = [][]string{
	{
		"browser/base/content/test/browser_a.js",
		"chrome://mochitests/content/browser/browser/base/content/test/browser_a.js",
		"chrome://mochikit/content/browser/browser/base/content/test/browser_a.js",
		`browser\base\content\test\browser_a.js`, "./browser/base/content/test/browser_a.js",
		"browser.toml:browser/base/content/test/browser_a.js",
		"/builds/worker/workspace/build/tests/mochitest/browser/browser/base/content/test/browser_a.js",
		"http://mochi.test:8888/browser/browser/base/content/test/browser_a.js",
		"browser/base/content/test/browser_a.js (finished)",
		"browser/base/content/test/browser_a.js:12",
		"chrome://mochitests/content/browser/browser/base/content/test/browser_a.js:12:3",
		"/builds/worker/checkouts/gecko/browser/base/content/test/browser_a.js",
		`Z:\task_1690\build\src\browser\base\content\test\browser_a.js`,
	},
	{"base/x.js", "chrome://mochitests/content/browser/base/x.js", "/tests/base/x.js"},
	{
		"browser/base/x.js", "chrome://mochitests/content/browser/browser/base/x.js", "/tests/browser/base/x.js",
		"chrome://mochitests/content/tests/browser/base/x.js",
	},
	{
		"dom/base/test_a.html", "/tests/dom/base/test_a.html", "http://mochi.test:8888/tests/dom/base/test_a.html",
		"http://10.0.2.2:8888/tests/dom/base/test_a.html",
		"https://example.com:443/tests/dom/base/test_a.html", "chrome://mochitests/content/chrome/dom/base/test_a.html",
		"dom/base/mochitest.toml:dom/base/test_a.html",
		"http://mochi.test:8888/chrome/dom/base/test_a.html",
		"file:///Z:/task_1690/build/tests/mochitest/tests/dom/base/test_a.html", "dom//base/./test_a.html",
		"dom/x/../base/test_a.html",
	},
	{
		"accessible/tests/test_b.html", "chrome://mochitests/content/a11y/accessible/tests/test_b.html",
		"http://mochi.test:8888/a11y/accessible/tests/test_b.html",
	},
	{"base/test_a.html", "/tests/base/test_a.html"},
	{
		"netwerk/test/unit/test_socks.js", "/home/u/slave/test/build/xpcshell/tests/netwerk/test/unit/test_socks.js",
		"xpcshell.toml:netwerk/test/unit/test_socks.js",
		"xpcshell-remote.toml:netwerk/test/unit/test_socks.js", "xpcshell.ini:netwerk/test/unit/test_socks.js",
		`c:\slave\test\build\tests\xpcshell\tests\netwerk\test\unit\test_socks.js`,
		"netwerk/test/unit/xpcshell.toml:netwerk/test/unit/test_socks.js",
		"build/tests/xpcshell/tests/netwerk/test/unit/test_socks.js", "xpcshell/tests/netwerk/test/unit/test_socks.js",
		`c:\slave\test\build\xpcshell.ini:netwerk\test\unit\test_socks.js`,
	},
	{"test/unit/test_socks.js"},
	{
		"/css/css-grid/a.html", "testing/web-platform/tests/css/css-grid/a.html",
		"http://web-platform.test:8000/css/css-grid/a.html", `testing\web-platform\tests\css\css-grid\a.html`,
		"/builds/worker/workspace/build/tests/web-platform/tests/css/css-grid/a.html",
		"/builds/worker/checkouts/gecko/testing/web-platform/tests/css/css-grid/a.html",
		"https://www1.web-platform.test:8443/css/css-grid/a.html",
	},
	{"/css/css-grid/a.html?x=1", "testing/web-platform/tests/css/css-grid/a.html?x=1"},
	{"/css/css-grid/a.html?x=2", "http://web-platform.test:8000/css/css-grid/a.html?x=2"},
	{
		"/_mozilla/css/css-grid/a.html", "testing/web-platform/mozilla/tests/css/css-grid/a.html",
		"http://web-platform.test:8000/_mozilla/css/css-grid/a.html",
	},
	{"/css/reftest/tests/a.html", "testing/web-platform/tests/css/reftest/tests/a.html"},
	{"css/css-grid/a.html"},
	{
		"layout/a.html == layout/a-ref.html", "== layout/a.html layout/a-ref.html",
		"file:///Z:/task_1690/build/tests/reftest/tests/layout/a.html == " +
			"file:///Z:/task_1690/build/tests/reftest/tests/layout/a-ref.html",
		"http://10.0.2.2:8888/tests/layout/a.html == http://10.0.2.2:8888/tests/layout/a-ref.html",
		`layout\a.html == layout\a-ref.html`,
	},
	{"layout/a.html != layout/a-ref.html", "!= layout/a.html layout/a-ref.html"},
	{"layout/a.html == layout/b-ref.html"},
	{
		"layout/z.html", "file:///builds/worker/workspace/build/tests/reftest/tests/layout/z.html",
		"/Users/cltbld/tasks/task_1/build/tests/reftest/tests/layout/z.html",
	},
	{
		"ecma_3/RegExp/15.js", "file:///c:/slave/build/jsreftest/tests/jsreftest.html?test=ecma_3/RegExp/15.js",
		"js/src/tests/ecma_3/RegExp/15.js",
		"http://10.0.2.2:8888/jsreftest/tests/jsreftest.html?test=ecma_3/RegExp/15.js",
		"file:///c:/slave/build/jsreftest/tests/js/src/tests/jsreftest.html?test=ecma_3/RegExp/15.js;module",
	},
	{
		"js/src/jit-test/tests/basic/bug1.js", "tests/jit-test/jit-test/tests/basic/bug1.js",
		"/builds/worker/workspace/build/tests/jit-test/jit-test/tests/basic/bug1.js", "jit-test/tests/basic/bug1.js",
	},
	{
		"testing/marionette/test_click.py TestClick.test_a", `testing\marionette\test_click.py TestClick.test_a`,
		"/builds/worker/checkouts/gecko/testing/marionette/test_click.py TestClick.test_a",
	},
	{"testing/mochitest/tests/Harness_sanity/test_a.html", "/tests/testing/mochitest/tests/Harness_sanity/test_a.html"},
	{"tests/test_a.py"},
	{"test_a.py"},
	{"Suite.Test"},
	{"Suite/P.Test/0"},
	{"org.mozilla.geckoview.test.A#b"},
	{"data:text/html,PASS"},
	{"about:blank"},
	{""},
}

func TestSpellings(t *testing.T) {
	seen := map[string]string{}
	for _, names := range spellings {
		for _, n := range names {
			if got := joblog.CanonicalTest(n); got != names[0] {
				t.Errorf("%s: %s, expected %s", n, got, names[0])
			}
			if joblog.CanonicalTest(n) != joblog.CanonicalTest(names[0]) {
				t.Errorf("%s is not %s", n, names[0])
			}
		}
		if other, ok := seen[names[0]]; ok {
			t.Errorf("%s and %s are one", names[0], other)
		}
		seen[names[0]] = names[0]
	}
}

// logOf is a log of each sort in which tests ended as told: "pass", "fail",
// "skip", or "hang".
func logOf(which joblog.Format, ends ...[2]string) string {
	var b strings.Builder
	switch which {
	case joblog.PlainText:
		for _, e := range ends {
			fmt.Fprintf(&b, "TEST-START | %s\n", e[0])
			b.WriteString(map[string]string{
				"pass": "TEST-OK | " + e[0] + " | took 3ms\n",
				"fail": "TEST-UNEXPECTED-FAIL | " + e[0] + " | oh\nTEST-OK | " + e[0] + " | took 3ms\n",
				"skip": "TEST-SKIP | " + e[0] + " | took 0ms\n", "hang": "TEST-PASS | " + e[0] + " | one\n",
			}[e[1]])
		}
	case joblog.StructuredLog:
		b.WriteString(`{"action":"suite_start","source":"x","tests":[]}` + "\n")
		for _, e := range ends {
			fmt.Fprintf(&b, `{"action":"test_start","test":%q,"source":"x"}`+"\n", e[0])
			b.WriteString(map[string]string{
				"pass": fmt.Sprintf(`{"action":"test_end","test":%q,"status":"OK","source":"x"}`+"\n", e[0]),
				"fail": fmt.Sprintf(
					`{"action":"test_status","test":%q,"subtest":"s","status":"FAIL","expected":"PASS","source":"x"}`+
						"\n"+`{"action":"test_end","test":%q,"status":"OK","source":"x"}`+"\n", e[0], e[0]),
				"skip": fmt.Sprintf(`{"action":"test_end","test":%q,"status":"SKIP","source":"x"}`+"\n", e[0]),
				"hang": fmt.Sprintf(`{"action":"test_status","test":%q,"subtest":"s","status":"PASS","source":"x"}`+
					"\n", e[0]),
			}[e[1]])
		}
		b.WriteString(`{"action":"suite_end","source":"x"}` + "\n")
	case joblog.ErrorSummary:
		b.WriteString(`{"action":"test_groups","line":1,"groups":["g.toml"]}` + "\n")
		for _, e := range ends {
			b.WriteString(map[string]string{
				"pass": fmt.Sprintf(
					`{"action":"test_result","line":2,"test":%q,"subtest":null,"group":"","status":"PASS","expected":"PASS"}`+"\n", e[0]),
				"fail": fmt.Sprintf(
					`{"action":"test_result","line":2,"test":%q,"subtest":"s","group":"","status":"FAIL","expected":"PASS"}`+"\n"+`{"action":"test_result","line":2,"test":%q,"subtest":null,"group":"","status":"OK","expected":"OK"}`+"\n", e[0], e[0]),
				"skip": fmt.Sprintf(
					`{"action":"test_result","line":2,"test":%q,"subtest":null,"group":"","status":"SKIP","expected":"SKIP"}`+"\n", e[0]),
				"hang": fmt.Sprintf(
					`{"action":"test_result","line":2,"test":%q,"subtest":"s","group":"","status":"PASS","expected":"PASS"}`+"\n", e[0]),
			}[e[1]])
		}
		b.WriteString(`{"action":"group_result","line":9,"group":"g.toml","status":"OK"}` + "\n")
	}
	return b.String()
}

var sorts = []joblog.Format{joblog.PlainText, joblog.StructuredLog, joblog.ErrorSummary}

func read(t *testing.T, which joblog.Format, log string) *joblog.Report {
	t.Helper()
	r, err := joblog.Read(t.Context(), strings.NewReader(log), which, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Whichever name the log has, and whichever is asked about: a failure wins over
// what another name says, in any order, and a hang over a pass.
func TestOneTestManyNames(t *testing.T) {
	for _, which := range sorts {
		for _, names := range spellings {
			if len(names) < 2 {
				continue
			}
			for i, a := range names {
				for j, b := range names {
					if i == j || i != 0 && j != 0 && j != i+1 {
						continue
					}
					for _, c := range []struct {
						first, second string
						want          joblog.TestVerdict
					}{
						{"pass", "fail", joblog.TestFailed},
						{"fail", "pass", joblog.TestFailed},
						{"pass", "skip", joblog.TestPassed},
						{"skip", "pass", joblog.TestPassed},
						{"skip", "skip", joblog.TestNotRun},
						{"hang", "fail", joblog.TestFailed},
						{"pass", "pass", joblog.TestPassed},
						{"pass", "hang", joblog.TestUnknown},
						{"skip", "hang", joblog.TestUnknown},
					} {
						r := read(t, which, logOf(which, [2]string{a, c.first}, [2]string{"other/test.html", "pass"},
							[2]string{b, c.second}))
						for _, asked := range []string{a, b, names[0]} {
							if got := r.Verdict(asked, ""); got != c.want {
								t.Fatalf("%s: %s %s, %s %s: %s is %s, expected %s", which, a, c.first, b, c.second,
									asked, got, c.want)
							}
						}
					}
				}
			}
		}
	}
}

// Tests of other names are other tests: what became of one says nothing of
// another.
func TestOtherNamesAreOtherTests(t *testing.T) {
	for _, which := range sorts {
		for i, names := range spellings {
			for j, others := range spellings {
				if i == j || names[0] == "" || others[0] == "" {
					continue
				}
				r := read(t, which, logOf(which, [2]string{others[len(others)-1], "pass"}))
				if got := r.Verdict(names[0], ""); got == joblog.TestPassed && !part(names[0], others[0]) {
					t.Errorf("%s: %s passed, %s is %s", which, others[0], names[0], got)
				}
				r = read(t, which, logOf(which, [2]string{others[len(others)-1], "fail"}, [2]string{names[0], "pass"}))
				want := joblog.TestPassed
				if strings.HasSuffix("/"+others[0], "/"+names[0]) && others[0][0] == '/' {
					want = joblog.TestUnknown // it may be the same, in a folder of which nothing is known
				}
				if got := r.Verdict(names[0], ""); got != want && !part(names[0], others[0]) {
					t.Errorf("%s: %s failed and %s passed, which is %s", which, others[0], names[0], got)
				}
			}
		}
	}
}

// part: a file and what is tested with it.
func part(a, b string) bool {
	return strings.HasPrefix(a, b+" ") || strings.HasPrefix(b, a+" ")
}

// The file of a reftest, or of a Python test, means all that is tested with it;
// and what is said of the file alone counts for each.
func TestFileOfSeveralTests(t *testing.T) {
	for _, which := range sorts {
		r := read(t, which, logOf(which,
			[2]string{"layout/a.html == layout/a-ref.html", "pass"},
			[2]string{"layout/a.html != layout/b.html", "fail"},
			[2]string{"layout/c.html == layout/c-ref.html", "pass"},
			[2]string{"layout/d.html == layout/d-ref.html", "pass"},
			[2]string{"file:///Z:/task_1/build/tests/reftest/tests/layout/d.html", "fail"},
			[2]string{"a/test_x.py TestX.test_a", "pass"}, [2]string{"a/test_x.py TestX.test_b", "hang"}))
		for test, want := range map[string]joblog.TestVerdict{
			"layout/a.html": joblog.TestFailed, "layout/a.html == layout/a-ref.html": joblog.TestPassed,
			"layout/a.html != layout/b.html":     joblog.TestFailed,
			"layout/c.html":                      joblog.TestPassed,
			"layout/d.html == layout/d-ref.html": joblog.TestFailed,
			"layout/d.html":                      joblog.TestFailed,
			"a/test_x.py":                        joblog.TestUnknown, "a/test_x.py TestX.test_a": joblog.TestPassed,
			"a/test_x.py TestX.test_b": joblog.TestUnknown,
		} {
			if got := r.Verdict(test, ""); got != want {
				t.Errorf("%s: %s is %s, expected %s", which, test, got, want)
			}
		}
	}
}

// A failure of a variant leaves nothing known of the file: by its group it would
// have passed.
func TestFailedVariant(t *testing.T) {
	for _, failure := range []string{
		`{"action":"test_result","line":2,"test":"/css/a.html?x=1","subtest":"s","group":"/css","status":"FAIL","expected":"PASS"}`,
		`{"action":"crash","line":2,"test":"/css/a.html?x=1","signature":"f"}`,
	} {
		r := read(t, joblog.ErrorSummary, lines(`{"action":"test_groups","groups":["/css"]}`, failure,
			`{"action":"group_result","group":"/css","status":"ERROR"}`))
		for test, want := range map[string]joblog.TestVerdict{
			"/css/a.html?x=1": joblog.TestFailed,
			"/css/a.html":     joblog.TestUnknown,
		} {
			if got := r.Verdict(test, ""); got != want {
				t.Errorf("%s is %s, expected %s", test, got, want)
			}
		}
	}
}

// A failure in a folder of which nothing is known may be that of the test which
// passed: then nothing is known.
func TestUnknownFolder(t *testing.T) {
	for _, which := range sorts {
		r := read(t, which, logOf(which, [2]string{"dom/a.html", "pass"},
			[2]string{"/opt/ci/run-77/dom/a.html", "fail"}, [2]string{"b/dom/a.html", "pass"},
			[2]string{"/css/a.html", "pass"}, [2]string{"/opt/ci/run-77/css/a.html", "fail"},
			[2]string{"/svg/a.html", "pass"}, [2]string{"/_mozilla/svg/a.html", "fail"}))
		for test, want := range map[string]joblog.TestVerdict{
			"dom/a.html":   joblog.TestUnknown,
			"b/dom/a.html": joblog.TestPassed, "/opt/ci/run-77/dom/a.html": joblog.TestFailed,
			"/css/a.html": joblog.TestUnknown, "/svg/a.html": joblog.TestPassed,
		} {
			if got := r.Verdict(test, ""); got != want {
				t.Errorf("%s: %s is %s, expected %s", which, test, got, want)
			}
		}
	}
}

func FuzzCanonicalTest(f *testing.F) {
	for _, names := range spellings {
		for _, n := range names {
			f.Add(n)
		}
	}
	f.Fuzz(func(t *testing.T, name string) {
		once := joblog.CanonicalTest(name)
		if twice := joblog.CanonicalTest(once); twice != once {
			t.Errorf("%q: %q, and that is %q", name, once, twice)
		}
	})
}

package joblog_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/analysis/joblog"
)

func readSample(t *testing.T, name string) *joblog.Report {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	r, err := joblog.Read(t.Context(), bytes.NewReader(text), "", nil)
	if err != nil || r.Partial {
		t.Fatalf("%s: %v, %s", name, err, r.Reason)
	}
	return r
}

// The samples, with the failures that are in them.
func TestSamples(t *testing.T) {
	for name, want := range map[string]string{
		"xperf.log": `2 test||||FAIL||xperf: File '{firefox}\omni.ja' was accessed and we were not expecting it. DiskReadCount: 6, DiskWriteCount: 0, DiskReadBytes: 16904, DiskWriteBytes: 0|
3 test||||FAIL||mainthreadio: File '{profile}\places.sqlite-wal' was accessed and we were not expecting it.|`,
		"ansi.log": `1 test|a/test_x.js|||FAIL||boom|
2 test|a/test_y.js|||FAIL||boom|
3 test|a/test_z.js|||FAIL||q|
4 build||||||foo.cpp:12:3: error: use of undeclared identifier|
5 build||||||make: *** [x] Error 1|`,
		"kinds.log": `2 timeout||||||[taskcluster:error] Task timeout after 5400 seconds. Force killing container.|
3 timeout||||||[taskcluster:error] Aborting task - max run time exceeded!|
4 timeout||||||timed out after 1800 seconds of no output|
5 timeout||||||Automation Error: mozprocess timed out after 1000 seconds running|
6 infra||||||SSLError: [Errno 185090050] _ssl.c:328: error:0B084002:x509 certificate routines:X509_load_cert_crl_file:system lib|
7 timeout|file:///Z:/task_1690/build/tests/reftest/tests/layout/a.html|||ERROR||application timed out after 330 seconds with no output|`,
		"par_raw.log": `6 test|a/test_foo.js||a/xpcshell.toml|FAIL|PASS||`,
		"c3_crash.log": `2 crash|dom/t.html|||CRASH||SIGSEGV / SEGV_MAPERR [@ ns::F(int)]|ns::F(int)
3 crash|dom/t.html|||CRASH||SIGSEGV / SEGV_MAPERR [@ ns::F(int)]|ns::F(int)
4 crash|dom/t.html|||CRASH||java.lang.RuntimeException: bad at a.b.C.d(C.java:1)|java.lang.RuntimeException: bad at a.b.C.d(C.java:1)`,
		"c4_raw.log": `4 test|a/t.js||a/m.toml|FAIL|PASS||
7 leak|leakcheck|||FAIL||gpu missing output line for total leaks!|`,
		"c6_errorsummary.log": "",
		"c7_lines.log": `1 test|/w/a.html|||TIMEOUT|OK|expected OK|
3 test|/w/a.html|||PASS|NOTRUN|sub - expected NOTRUN|
5 test||||FAIL||no raptor test results were found for page-1|
6 test||||FAIL||one or more subtests failed for page-2|
7 leak|leakcheck large BrowsingContext|||FAIL||dom/base/test|
8 crash||||VALGRIND-ERROR||Invalid read of size 8 at f / g|
9 leak|dom/base/test/m.toml|||FAIL||leaked 2 window(s) until shutdown [url = about:blank]|`,
	} {
		if d := cmp.Diff(want, shown(readSample(t, name))); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// What the samples say of tests and groups.
func TestSampleVerdicts(t *testing.T) {
	groups := func(r *joblog.Report) (out []string) {
		for _, g := range r.Groups {
			out = append(out, g.Name+" "+g.Status)
		}
		return out
	}
	par := readSample(t, "par_raw.log")
	if d := cmp.Diff([]string{"a/xpcshell.toml ERROR", "b/xpcshell.toml OK"}, groups(par)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	c4 := readSample(t, "c4_raw.log")
	if d := cmp.Diff([]string{"a/m.toml ERROR"}, groups(c4)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	c6 := readSample(t, "c6_errorsummary.log")
	if d := cmp.Diff([]joblog.Failure{{
		Line: 9, Kind: joblog.KindTest, Group: "a/m.toml", Status: "ERROR",
		Message: "the group ended ERROR and names no test",
	}}, c6.Nameless()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for _, c := range []struct {
		r    *joblog.Report
		test string
		want joblog.TestVerdict
	}{
		{par, "a/test_foo.js", joblog.TestFailed},
		{par, "b/test_bar.js", joblog.TestPassed},
		{c4, "a/t.js", joblog.TestFailed},
		{c4, "a/new.js", joblog.TestNotRun},
		{c6, "a/t.js", joblog.TestUnknown},
		{readSample(t, "c3_crash.log"), "/tests/dom/t.html", joblog.TestFailed},
		{readSample(t, "kinds.log"), "layout/a.html", joblog.TestFailed},
		{readSample(t, "kinds.log"), "layout/a.html == layout/b.html", joblog.TestFailed},
		{readSample(t, "ansi.log"), "a/test_y.js", joblog.TestFailed},
	} {
		if got := c.r.Verdict(c.test, ""); got != c.want {
			t.Errorf("%s: %s, expected %s", c.test, got, c.want)
		}
	}
}

// The same failure on two workers, and what sanitizers found in two builds.
func TestFingerprintsOfSamples(t *testing.T) {
	if a, b := readSample(t, "w1.log").Failures[0].Fingerprint(),
		readSample(t, "w2.log").Failures[0].Fingerprint(); a != b ||
		a != "test | toolkit/a/test_x.js | xpcshell/head.js:N - boom" {
		t.Errorf("%s\n%s", a, b)
	}
	var got []string
	for _, f := range readSample(t, "asan.log").Failures {
		got = append(got, f.Fingerprint())
	}
	want := []string{
		"crash |  | [@ AddressSanitizer: heap-use-after-free in nsNode::Foo]",
		"crash |  | [@ AddressSanitizer: SEGV in bar]",
		"crash |  | [@ AddressSanitizer: SEGV in bar]",
		"leak |  | SUMMARY: AddressSanitizer: N byte(s) leaked in N allocation(s).",
		"leak |  | SUMMARY: AddressSanitizer: N byte(s) leaked in N allocation(s).",
		"crash |  | [@ UndefinedBehaviorSanitizer: undefined-behavior foo.cc]", //nolint:misspell // as the sanitizer writes it
		"crash |  | [@ UndefinedBehaviorSanitizer: undefined-behavior foo.cc]", //nolint:misspell // as the sanitizer writes it
		"crash |  | [@ AddressSanitizer: stack-overflow in baz]",
		"crash |  | [@ ThreadSanitizer: data race in mozilla::A::B(int)]",
		"crash |  | [@ AddressSanitizer: SEGV]",
		"crash |  | [@ AddressSanitizer: attempting free on address which was not malloc()-ed in free]",
		"crash |  | [@ AddressSanitizer: SEGV in _foo]",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

package joblog_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/analysis/joblog"
)

const (
	pass    = joblog.TestPassed
	fail    = joblog.TestFailed
	unknown = joblog.TestUnknown
	notRun  = joblog.TestNotRun
)

func readAs(t *testing.T, text []byte, which joblog.Format) *joblog.Report {
	t.Helper()
	r, err := joblog.Read(t.Context(), bytes.NewReader(text), which, nil)
	if err != nil {
		t.Fatalf("%v\n%.300s", err, text)
	}
	return r
}

// Each sample, by its content and by its name, says what it says.
func TestFormats(t *testing.T) {
	seen := map[joblog.Format]bool{}
	for _, s := range samples {
		t.Run(s.file, func(t *testing.T) {
			seen[s.format] = true
			for _, which := range []joblog.Format{"", s.format} {
				r := readAs(t, open(t, s), which)
				if d := cmp.Diff(strings.TrimSpace(s.failures), sampled(r)); d != "" {
					t.Errorf("as %q (-want +got):\n%s", which, d)
				}
				if r.Source != s.format || !slices.Contains(r.Formats, s.format) {
					t.Errorf("as %q: %s, of %v", which, r.Source, r.Formats)
				}
				if r.Partial != (s.partial != "") || !strings.Contains(r.Reason, s.partial) {
					t.Errorf("as %q: partial %t: %s", which, r.Partial, r.Reason)
				}
				for test, want := range s.verdicts {
					if got := r.Verdict(test, ""); got != want {
						t.Errorf("as %q: %s: %s, expected %s", which, test, got, want)
					}
				}
			}
		})
	}
	for _, f := range joblog.Formats() {
		if !seen[f] && f != joblog.StructuredLog {
			t.Errorf("no sample of %s", f)
		}
	}
}

// What the messages say.
func TestFormatMessages(t *testing.T) {
	for file, want := range map[string]map[string]string{
		"pytest_v.log": {
			"tests/test_a.py::test_fail":            "AssertionError: line one",
			"tests/test_a.py::TestX::test_p[x]y[z]": "AssertionError: assert 'x]y[z' == 'ü'\n\n- ü\n+ x]y[z",
		},
		"pytest_nosummary.log": {"tests/test_a.py::test_err": "ValueError: no fixture"},
		"pytest_xcrash.log":    {"crash_test.py::test_2": "worker 'gw0' crashed while running 'crash_test.py::test_2'"},
		"go.log": {
			"TestFail":  "a_test.go:4: first\na_test.go:4: got 1\nwant 2",
			"TestPanic": "panic: boom [recovered, repanicked]", "TestHang": "panic: test timed out after 2s",
		},
		"go_v.log": {"TestFail/sub_one": "a_test.go:4: sub bad", "TestGo": "panic: bg"},
		"go_json.log": {
			"TestFail/sub_one": "a_test.go:4: sub bad",
			"TestPanic":        "panic: boom [recovered, repanicked]", "TestGo": "panic: bg",
		},
		"cargo.log": {
			"tests::bad":              "assertion `left == right` failed: multi\nline\nleft: 1\nright: 2",
			"src/lib.rs - f (line 1)": "assertion `left == right` failed\nleft: 1\nright: 2",
		},
		"nextest.log": {
			"tests::breaks": "assertion `left == right` failed: why\nleft: 1\nright: 2",
			"segv":          "SIGSEGV",
		},
		"ctest.log": {"crash": "Exception: SegFault"},
		"gtest.log": {"A.bad": "/src/ct/g.cc:3: Failure\nExpected equality of these values:\n  1\n  2\n" +
			"more\ntext"},
		"jest.log": {"src/c.test.js": "Test suite failed to run\n" +
			"Cannot find module './nope' from 'src/c.test.js'"},
		"tap12.log":    {"reads": "Failed test at t/a.t line 7.\ngot: 1"},
		"tap14.log":    {"bar.tap > object.isBar should return true": "wanted: true"},
		"node_tap.log": {"bad # hash": "multi\nline\n1 !== 2"},
		"maven.log": {"com.example.FooTest.testBoom(int)[2]": "java.lang.NullPointerException: Cannot " +
			"invoke \"String.length()\"\nsecond line"},
		"gradle.log": {"com.example.FooTest > testBar()": "org.opentest4j.AssertionFailedError: expected: " +
			"<1> but was: <2>"},
		"surefire.xml": {
			"b.two": "line one\nline two ?[0m",
			"com.example.RerunTest.never": "java.lang.RuntimeException: <b> & \"ünï\"\n" +
				"\tat com.example.RerunTest.never(RerunTest.java:9)",
		},
	} {
		r := readAs(t, open(t, sample{file: file}), "")
		for _, f := range r.Failures {
			if message, ok := want[f.Test]; ok {
				if d := cmp.Diff(message, f.Message); d != "" {
					t.Errorf("%s: %s (-want +got):\n%s", file, f.Test, d)
				}
				delete(want, f.Test)
			}
		}
		for test := range want {
			t.Errorf("%s: %s is not there", file, test)
		}
	}
}

// prefixed puts something before each line.
func prefixed(text []byte, prefix string) []byte {
	return []byte(prefix + strings.ReplaceAll(strings.TrimSuffix(string(text), "\n"), "\n", "\n"+prefix) + "\n")
}

// wide is text as UTF-16.
func wide(text []byte, big bool) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(string(text))) {
		if big {
			out = append(out, byte(u>>8), byte(u))
		} else {
			out = append(out, byte(u), byte(u>>8))
		}
	}
	return out
}

// withoutLine is a failure without its line.
func withoutLine(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		_, lines[i], _ = strings.Cut(l, " ")
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// What CIs, terminals and Windows do to a log changes nothing.
func TestFormatsWrapped(t *testing.T) {
	filler := bytes.Repeat([]byte("make[1]: Entering directory '/builds/slave/m-in-l64-000000000/build/obj-firefox'\n"),
		8000)
	for _, s := range samples {
		text := bytes.TrimPrefix(open(t, s), []byte("\xef\xbb\xbf"))
		if s.file == "u16le.log" {
			continue
		}
		lined := s.format != joblog.JUnit && s.format != joblog.WPTReport && s.format != joblog.ErrorSummary
		ways := map[string][]byte{
			"CRLF":                  bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")),
			"a mark":                append([]byte("\xef\xbb\xbf"), text...),
			"UTF-16 LE":             append([]byte("\xff\xfe"), wide(text, false)...),
			"UTF-16 BE":             append([]byte("\xfe\xff"), wide(text, true)...),
			"UTF-16 LE, no mark":    wide(text, false),
			"UTF-16 BE, no mark":    wide(text, true),
			"without the last feed": bytes.TrimRight(text, "\n"),
		}
		if lined {
			ways["Taskcluster"] = prefixed(text, "[task 2026-01-01T00:00:00.000Z] ")
			ways["GitHub"] = prefixed(text, "2026-01-01T00:00:00.1234567Z ")
			ways["mozharness"] = prefixed(text, "12:34:56     INFO -  ")
			ways["Taskcluster and mozharness"] = prefixed(text, "[task 2026-01-01T00:00:00.000Z] 12:34:56     INFO -  ")
			ways["a clock"] = prefixed(text, "[12:34:56.789] ")
			ways["colours"] = prefixed(bytes.ReplaceAll(text, []byte("\n"), []byte("\x1b[0m\n")), "\x1b[31m\x1b[1m")
			ways["late"] = slices.Concat(filler, text, filler)
			ways["among others"] = slices.Concat([]byte("Cloning into 'x'...\n$ make check\n"), text,
				[]byte("\ndone.\nelapsedTime=12.3\n"))
		}
		for way, text := range ways {
			r := readAs(t, text, "")
			if d := cmp.Diff(withoutLine(s.failures), withoutLine(sampled(r))); d != "" {
				t.Errorf("%s: %s (-want +got):\n%s", s.file, way, d)
			}
			if r.Partial != (s.partial != "") {
				t.Errorf("%s: %s: partial %t: %s", s.file, way, r.Partial, r.Reason)
			}
			for test, want := range s.verdicts {
				if got := r.Verdict(test, ""); got != want {
					t.Errorf("%s: %s: %s: %s, expected %s", s.file, way, test, got, want)
				}
			}
		}
	}
}

// A log that is cut anywhere is never taken for one without failures, and never
// says that a test passed that the whole log does not say so of.
func TestFormatsCut(t *testing.T) {
	for _, s := range samples {
		text := open(t, s)
		if s.failures == "" || s.file == "u16le.log" || s.format == joblog.ErrorSummary {
			continue
		}
		for n := 0; n < len(text); n += 1 + len(text)/300 {
			r, err := joblog.Read(t.Context(), bytes.NewReader(text[:n]), "", nil)
			if err != nil {
				continue // it is told that it is none
			}
			if len(r.Failures) == 0 && !r.Partial {
				t.Errorf("%s, cut at %d: no failures, of %v:\n…%s", s.file, n, r.Formats, text[max(0, n-200):n])
				break
			}
			for test, want := range s.verdicts {
				if got := r.Verdict(test, ""); got == pass && want != pass &&
					!strings.HasSuffix(test, "::TestU::test_sub") {
					t.Errorf("%s, cut at %d: %s: %s", s.file, n, test, got)
				}
			}
		}
	}
}

// Two runs in one log are both read, and the worse counts.
func TestFormatsTwice(t *testing.T) {
	for _, s := range samples {
		text := open(t, s)
		switch s.format {
		case joblog.ErrorSummary, joblog.WPTReport, joblog.PlainText:
			continue
		}
		if s.partial != "" {
			continue
		}
		r := readAs(t, slices.Concat(text, []byte("\n"), text), "")
		want := strings.Count(s.failures+"\n", "\n")
		if s.failures == "" {
			want = 0
		}
		if got := len(r.Failures); got != 2*want || r.Partial {
			t.Errorf("%s: %d failures of twice %d, partial %t: %s\n%s", s.file, got, want, r.Partial, r.Reason,
				sampled(r))
		}
		for test, want := range s.verdicts {
			if got := r.Verdict(test, ""); got != want {
				t.Errorf("%s: %s: %s, expected %s", s.file, test, got, want)
			}
		}
	}
}

package joblog_test

import (
	"archive/tar"
	"bufio"
	"compress/bzip2"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/internal/testing/testenv"
)

func TestNormalise(t *testing.T) {
	for in, want := range map[string]string{
		"[Child 1234, Main Thread] at a.cpp:12":                    "[Child N, Main Thread] at a.cpp:N",
		"leaked 3 window(s), 4096 bytes leaked":                    "leaked N window(s), N bytes leaked",
		"http://localhost:8888/ in 0x7F3a, 12.5ms":                 "http://localhost:N/ in X, Nms",
		"got 3, expected 4":                                        "got N, expected N",
		"  a\t\n b  ":                                              "a b",
		"test_socks2.js Uint8Array 1830206.html v1_2":              "test_socks2.js Uint8Array 1830206.html v1_2",
		"took 1.5s or 20 s, 30.25":                                 "took Ns or N s, N",
		"task P1GeuP4lS4WEe9C6j6A4cg of HTMLInputElement2":         "task X of HTMLInputElement2",
		"deadbeef01 cafe 567d57332b25c9645bbf0957e04efaa1c83a11bd": "X cafe X",
		"finished in 1234ms, difference 0.0012":                    "finished in Nms, difference N",
		"":                                                         "",
		"ünïcode 5 ☃":                                              "ünïcode N ☃",
		"HTTP Error 404, [Errno 13], Return code: 1, code 5":       "HTTP Error 404, [Errno 13], Return code: 1, code N",
		"dump 11111111-2222-3333-4444-555555555555.dmp":            "dump X.dmp",
		"moz-extension://0a1b2c3d-2222-cafe-beef-555555555555/a":   "moz-extension://X/a",
		"in Z:\\task_1690000001\\build\\src\\dom\\a.cpp:12":        "in dom/a.cpp:N",
		"at /opt/worker/tasks/task_1690000002/build/src/dom/a.cpp": "at dom/a.cpp",
		"file:///C:/Users/task_16/build/tests/xpcshell/head.js:12": "xpcshell/head.js:N",
		"a profile in /tmp/tmpa1b2c3d4.mozrunner/x, task_16":       "a profile in /tmp/tmp/x, task_N",
		"2026-01-05T00:00:01Z at 00:00:01":                         "N-N-NTN:N:NZ at N:N:N",
	} {
		if got := joblog.Normalise(in); got != want {
			t.Errorf("%q: %q, expected %q", in, got, want)
		}
		if again := joblog.Normalise(joblog.Normalise(in)); again != joblog.Normalise(in) {
			t.Errorf("%q: twice is not once: %q", in, again)
		}
	}
}

func parse(t *testing.T, line string) joblog.Failure {
	t.Helper()
	f, ok := joblog.ParseErrorLine(line)
	if !ok {
		t.Fatalf("no failure: %q", line)
	}
	return f
}

func TestFingerprint(t *testing.T) {
	same := [][2]string{
		{
			"TEST-UNEXPECTED-FAIL | chrome://mochitests/content/browser/dom/a.js | timed out after 50 tries. " +
				"at x.js:120",
			"12:00:01     INFO - TEST-UNEXPECTED-FAIL | dom/a.js | timed out after 30 tries. at x.js:7",
		},
		{
			`TEST-UNEXPECTED-FAIL | c:\w\build\xpcshell\tests\n\test_a.js | xpcshell return code: 0`,
			"TEST-UNEXPECTED-FAIL | /home/u/build/xpcshell/tests/n/test_a.js | xpcshell return code: 1",
		},
		{"PROCESS-CRASH | dom/a.js | application crashed [@ f]", "PROCESS-CRASH | MOZ_CRASH(x) [@ f] | dom/a.js"},
	}
	for _, p := range same {
		if a, b := parse(t, p[0]).Fingerprint(), parse(t, p[1]).Fingerprint(); a != b {
			t.Errorf("%q is not %q", a, b)
		}
	}
	different := [][2]string{
		{"TEST-UNEXPECTED-FAIL | dom/a.js | x", "TEST-UNEXPECTED-FAIL | dom/b.js | x"},
		{"TEST-UNEXPECTED-FAIL | dom/a.js | x", "TEST-UNEXPECTED-FAIL | dom/a.js | y"},
		{
			"PROCESS-CRASH | dom/a.js | application crashed [@ f]",
			"PROCESS-CRASH | dom/a.js | application crashed [@ g]",
		},
		{
			"TEST-UNEXPECTED-FAIL | layout/1.html == layout/1-ref.html | x",
			"TEST-UNEXPECTED-FAIL | layout/2.html == layout/1-ref.html | x",
		},
	}
	for _, p := range different {
		if a, b := parse(t, p[0]).Fingerprint(), parse(t, p[1]).Fingerprint(); a == b {
			t.Errorf("both are %q", a)
		}
	}
}

func TestSearchTerm(t *testing.T) {
	for line, want := range map[string]string{
		"TEST-UNEXPECTED-FAIL | dom/base/test_XHR.html | foo":                       "test_XHR.html",
		"TEST-UNEXPECTED-FAIL | layout/a.html == layout/b.html | image":             "a.html",
		"TEST-UNEXPECTED-FAIL | leakcheck | tab 1234 bytes leaked (nsA, nsB, ...)":  "nsA, nsB, ...",
		"TEST-UNEXPECTED-FAIL | LeakSanitizer | leak at moz_xmalloc, f, g":          "moz_xmalloc, f, g",
		"PROCESS-CRASH | dom/a.js | application crashed [@ mozilla::F]":             "mozilla::F",
		"PROCESS-CRASH | Shutdown | application crashed [@ mozalloc_abort]":         "Shutdown | application crashed [@ mozalloc_abort]",
		"TEST-UNEXPECTED-FAIL | automation.py | application timed out":              "automation.py | application timed out",
		"TEST-UNEXPECTED-FAIL | test_click.py TestClick.test_a | AssertionError: x": "test_click.py",
		"TEST-UNEXPECTED-FAIL | x | " + strings.Repeat("y", 200):                    "x | " + strings.Repeat("y", 96),
	} {
		if got := parse(t, line).SearchTerm(); got != want {
			t.Errorf("%s: %q, expected %q", line, got, want)
		}
	}
}

// How well a fingerprint tells that two jobs failed for the same reason: over
// real jobs that sheriffs starred with the same bug. Two jobs are the same by
// the fingerprint of their first failure.
func TestFingerprintsOfStarredJobs(t *testing.T) {
	f, err := os.Open(testenv.Shared(t, "data", "7-datasets", "treeherder-classifier__training.tar.bz2"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	jobs := 0
	byPrint, byTest := pairs{}, pairs{}
	bugs := map[string]int{}
	for in := tar.NewReader(bzip2.NewReader(f)); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(h.Name, "/")
		if h.Typeflag != tar.TypeReg || len(parts) < 2 {
			continue
		}
		bug := parts[len(parts)-2]
		failure, ok := firstFailure(in)
		if !ok {
			continue
		}
		jobs++
		bugs[bug]++
		byPrint.add(failure.Fingerprint(), bug)
		byTest.add(string(failure.Kind)+" "+failure.SearchTerm(), bug)
	}
	total := 0
	for _, n := range bugs {
		total += n * (n - 1) / 2
	}
	for name, p := range map[string]pairs{"fingerprint": byPrint, "search term": byTest} {
		right, all := p.count()
		t.Logf("%d jobs, %d bugs, %s: precision %.3f (%d of %d pairs alike are of one bug), recall %.3f (of %d pairs "+
			"of one bug)",
			jobs, len(bugs), name, float64(right)/float64(all), right, all, float64(right)/float64(total), total)
	}
	if right, all := byPrint.count(); jobs < 30_000 || float64(right)/float64(all) < 0.728 ||
		float64(right)/float64(total) < 0.773 {
		t.Errorf("%d jobs, %d of %d pairs alike are of one bug, of %d; expected at least 72.8%% and 77.3%%", jobs,
			right, all, total)
	}
}

// pairs counts jobs by what they are alike in, and then by bug.
type pairs map[string]map[string]int

func (p pairs) add(alike, bug string) {
	if p[alike] == nil {
		p[alike] = map[string]int{}
	}
	p[alike][bug]++
}

// count is how many pairs are alike, and how many of those are of one bug.
func (p pairs) count() (right, all int) {
	for _, bugs := range p {
		n := 0
		for _, k := range bugs {
			right += k * (k - 1) / 2
			n += k
		}
		all += n * (n - 1) / 2
	}
	return right, all
}

func firstFailure(in io.Reader) (joblog.Failure, bool) {
	s := bufio.NewScanner(in)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		if f, ok := joblog.ParseErrorLine(s.Text()); ok && s.Text() != "" {
			return f, true
		}
	}
	return joblog.Failure{}, false
}

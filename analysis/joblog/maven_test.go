package joblog_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mozci/mozci/analysis/joblog"
)

// mavenRun is what surefire writes about one module: a class whose failed tests are listed as they are
// given, and the totals, with as many failures as given.
func mavenRun(class string, lost int, listed ...string) string {
	var b strings.Builder
	b.WriteString("[INFO]  T E S T S\n")
	b.WriteString(mavenClass(class, listed...))
	fmt.Fprintf(&b, "[INFO] Results:\n[ERROR] Tests run: 9, Failures: %d, Errors: 0, Skipped: 0\n", lost)
	return b.String()
}

// mavenClass is one run of a class.
func mavenClass(class string, listed ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[INFO] Running %s\n[ERROR] Tests run: 9, Failures: %d, Errors: 0, Skipped: 0, Time elapsed: 0.1 s"+
		" <<< FAILURE! -- in %s\n", class, len(listed), class)
	for _, test := range listed {
		fmt.Fprintf(&b, "[ERROR] %s.%s -- Time elapsed: 0.01 s <<< FAILURE!\nboom\n\n", class, test)
	}
	return b.String()
}

// The totals of all modules together count as many failures as are listed, or the report is partial.
// A test that surefire runs again is listed each time and counted once.
func TestMavenTotals(t *testing.T) {
	const end, flaky = "[INFO] BUILD FAILURE\n", "[WARNING] Flakes: \n[WARNING] a.A.x\n"
	again := "[INFO]  T E S T S\n" + mavenClass("a.A", "x", "y") + mavenClass("a.A", "x", "y") + mavenClass("a.A", "x")
	total := func(lost int) string {
		return fmt.Sprintf("[ERROR] Tests run: 9, Failures: %d, Errors: 0, Skipped: 0\n", lost)
	}
	for name, c := range map[string]struct {
		log     string
		partial bool
	}{
		"one module":                        {mavenRun("a.A", 2, "x", "y"), false},
		"one module, one not listed":        {mavenRun("a.A", 3, "x", "y"), true},
		"two modules":                       {mavenRun("a.A", 2, "x", "y") + mavenRun("b.B", 1, "z"), false},
		"a module that lists none":          {mavenRun("a.A", 2, "x", "y") + mavenRun("b.B", 2), true},
		"a first module that lists none":    {mavenRun("b.B", 2) + mavenRun("a.A", 2, "x", "y"), true},
		"three modules, the last lists one": {mavenRun("a.A", 1, "x") + mavenRun("b.B", 0) + mavenRun("c.C", 2, "z"), true},
		"one class in two modules":          {mavenRun("a.A", 1, "x") + mavenRun("a.A", 1, "x"), false},
		"a test with two sets of data":      {mavenRun("a.A", 2, "x", "x"), false},
		"run again":                         {again + total(2), false},
		"run again, the next lists none":    {again + total(2) + mavenRun("b.B", 2), true},
		"run again, one not listed":         {again + total(3), true},
		"flaky":                             {again + flaky + total(1), false},
		"flaky, the next lists none":        {again + flaky + total(1) + mavenRun("b.B", 1), true},
	} {
		r := readAs(t, []byte(c.log+end), "")
		if r.Partial != c.partial || c.partial && !strings.Contains(r.Reason, "count more failures than are listed") {
			t.Errorf("%s: partial %t: %s\n%s", name, r.Partial, r.Reason, sampled(r))
		}
	}
}

// A test that was flaky in one module and failed in another has not passed.
func TestMavenFlakyInOneModule(t *testing.T) {
	const flaky = "[WARNING] Flakes: \n[WARNING] a.A.x\n"
	run := func(lost int) string {
		return "[INFO]  T E S T S\n" + mavenClass("a.A", "x") +
			"[INFO] Results:\n" + map[bool]string{true: flaky}[lost == 0] +
			fmt.Sprintf("[ERROR] Tests run: 9, Failures: %d, Errors: 0, Skipped: 0\n", lost)
	}
	for name, c := range map[string]struct {
		log   string
		fails int
		pass  bool
	}{
		"flaky":              {run(0) + "[INFO] BUILD SUCCESS\n", 0, true},
		"flaky, then failed": {run(0) + run(1) + "[INFO] BUILD FAILURE\n", 1, false},
		"failed, then flaky": {run(1) + run(0) + "[INFO] BUILD FAILURE\n", 1, false},
	} {
		r := readAs(t, []byte(c.log), "")
		if len(r.Failures) != c.fails || (r.Verdict("a.A.x", "") == joblog.TestPassed) != c.pass || r.Partial {
			t.Errorf("%s: %s, partial %t: %s\n%s", name, r.Verdict("a.A.x", ""), r.Partial, r.Reason, sampled(r))
		}
	}
}

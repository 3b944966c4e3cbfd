package joblog_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// The names that a world has for its tests are read in both logs, whatever they are.
func TestLogsNameTheTest(t *testing.T) {
	const odd = `a"b\<script>|é`
	w := jobtest.MustParse(`
truth t culprit=2 until=3 after=1 before=1 sig=broke flake=flaky
push t b-build
1 a1c0 fail:sig=` + odd + `,fail,pass busted:sig=libfoo,busted
2 b2d1 - -
3 c3e2 pending,pending:sig=mine -
`)
	ci := ranOnce(t, w, "t")
	var got []string
	for _, p := range w.Pushes("autoland") {
		jobs, err := ci.Jobs(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs {
			got = append(got, fmt.Sprint(p.ID, " ", j.Name(), " ", j.Status(), " ", failing(t, ci, j)))
		}
	}
	want := []string{
		`1 t test_failed errorsummary:` + odd + ` text:` + odd, "1 t test_failed errorsummary:test text:test", "1 t success ",
		"1 b-build busted text:make: *** [libfoo] Error 2", "1 b-build busted text:make: *** [all] Error 2",
		"1 t test_failed errorsummary:flaky text:flaky", "2 t test_failed errorsummary:broke text:broke",
		"3 t test_failed errorsummary:flaky text:flaky", "3 t test_failed errorsummary:mine text:mine",
		"3 t test_failed errorsummary:flaky text:flaky",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// failing are the tests that failed as each log has it.
func failing(t *testing.T, ci *jobtest.CI, j job.Job) string {
	t.Helper()
	var out []string
	for _, which := range []job.LogKind{job.LogErrorSummary, job.LogText} {
		log, err := job.OpenLog(t.Context(), ci, j, which)
		if errors.Is(err, job.ErrNotFound) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(log)
		if err != nil {
			t.Fatal(err)
		}
		report, err := joblog.Read(t.Context(), strings.NewReader(string(text)), joblog.Format(which), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range report.Failures {
			name := f.Test
			if name == "" {
				name = f.Message
			}
			out = append(out, string(which)+":"+name)
		}
	}
	return strings.Join(out, " ")
}

// A run that failed in one test tells of the others that they passed.
func TestLogsTellOfTheOtherTests(t *testing.T) {
	w := jobtest.MustParse("truth t culprit=1 flake=c\npush t\n1 a1c0 fail:sig=a,fail:sig=b,pass,fail:sig=a:no-test,pass:no-test\n")
	ci := jobtest.NewCI(w, nil)
	jobs, err := ci.Jobs(t.Context(), w.Pushes("autoland")[0])
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, j := range jobs {
		log, err := ci.OpenLog(t.Context(), j, job.LogText)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(log)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		slices.Sort(lines)
		verdicts := ":"
		for _, test := range []string{"a", "b"} {
			v, err := joblog.TestJudge(ci, test, nil)(t.Context(), j)
			if err != nil {
				t.Fatal(err)
			}
			verdicts += " " + v.String()
		}
		got = append(got, strings.Join(lines, "; ")+verdicts)
	}
	want := []string{
		"TEST-PASS | b; TEST-PASS | c; TEST-UNEXPECTED-FAIL | a | expected PASS: bad good",
		"TEST-PASS | a; TEST-PASS | c; TEST-UNEXPECTED-FAIL | b | expected PASS: good bad",
		"TEST-PASS | a; TEST-PASS | b; TEST-PASS | c: good good",
		"TEST-PASS | b; TEST-PASS | c; TEST-UNEXPECTED-FAIL | a | expected PASS: bad unknown",
		"nothing to run: no test no test",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// ranOnce is the CI of a world in which a label was triggered once on each push, and ended.
func ranOnce(t *testing.T, w *jobtest.World, label string) *jobtest.CI {
	t.Helper()
	ci := jobtest.NewCI(w, nil)
	for _, p := range w.Pushes("autoland") {
		if _, err := ci.Trigger(t.Context(), job.Request{Label: label, Push: p, Count: 1}); err != nil {
			t.Fatal(err)
		}
	}
	ci.Advance(time.Hour)
	return ci
}

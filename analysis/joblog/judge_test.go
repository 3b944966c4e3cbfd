package joblog_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// Good and bad are about the test: a green job that did not run it is unknown.
func TestJudge(t *testing.T) {
	ci := jobtest.NewCI(jobtest.MustParse(`
push  m
1 a1c0 pass
2 a2c0 fail
3 a3c0 pass:no-test
4 a4c0 busted
5 a5c0 pending
6 a6c0 coalesced
7 a7c0 exception`), nil)
	judge := joblog.TestJudge(ci, "test", nil)
	other := joblog.TestJudge(ci, "other/test", nil)
	repo, err := ci.Repository("autoland")
	if err != nil {
		t.Fatal(err)
	}
	pushes, err := repo.Pushes(t.Context(), job.IDs(1, 7))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range pushes {
		jobs, err := ci.Jobs(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		v, err := judge(t.Context(), jobs[0])
		if err != nil {
			t.Fatal(err)
		}
		w, err := other(t.Context(), jobs[0])
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(jobs[0].Status(), ": ", v, ", ", w))
	}
	want := []string{
		"success: good, good", "test_failed: bad, good", "success: no test, no test", "busted: unknown, unknown",
		"pending: running, running", "coalesced: not run, not run",
		"exception: unknown, unknown",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// opener has logs by their sort, and counts how often they are opened.
type opener struct {
	job.Scheduler
	logs   map[job.LogKind]string
	opened int
	err    error
}

func (o *opener) OpenLog(_ context.Context, _ job.Job, which job.LogKind) (io.ReadCloser, error) {
	o.opened++
	if o.err != nil {
		return nil, o.err
	}
	text, ok := o.logs[which]
	if !ok {
		return nil, &job.Error{Op: "open", Err: job.ErrNotFound}
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

// The best log that there is is read.
func TestBestLog(t *testing.T) {
	summary := `{"action":"test_result","line":2,"test":"a","status":"FAIL","expected":"PASS"}` + "\n"
	raw := `{"action":"suite_start","source":"x"}` + "\n" +
		`{"action":"test_end","test":"b","status":"PASS","source":"x"}` + "\n" + `{"action":"suite_end","source":"x"}` +
		"\n"
	text := "TEST-UNEXPECTED-FAIL | c | d\n"
	for name, c := range map[string]struct {
		logs map[job.LogKind]string
		want joblog.Format
	}{
		"all": {map[job.LogKind]string{
			job.LogErrorSummary: summary, job.LogStructured: raw,
			job.LogText: text,
		}, joblog.ErrorSummary},
		"no summary": {
			map[job.LogKind]string{job.LogStructured: raw, job.LogText: text},
			joblog.StructuredLog,
		},
		"an empty summary":     {map[job.LogKind]string{job.LogErrorSummary: "", job.LogText: text}, joblog.PlainText},
		"only the plain one":   {map[job.LogKind]string{job.LogText: text}, joblog.PlainText},
		"summary and no other": {map[job.LogKind]string{job.LogErrorSummary: summary}, joblog.ErrorSummary},
	} {
		r, err := joblog.Failures(t.Context(), &opener{logs: c.logs}, job.New(job.Fields{ID: "1"}), nil)
		if err != nil || r.Source != c.want {
			t.Errorf("%s: %v, %+v", name, err, r)
		}
	}
	for name, text := range map[string]string{
		"nothing": "", "a picture": "\x89PNG\r\n\x1a\n",
		"JSON": `{"error":{"code":404}}`,
	} {
		logs := map[job.LogKind]string{job.LogErrorSummary: text, job.LogText: text}
		if _, err := joblog.Failures(t.Context(), &opener{logs: logs}, job.New(job.Fields{ID: "1"}),
			nil); !errors.Is(err, job.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
		v, err := joblog.TestJudge(&opener{logs: logs}, "a", nil)(t.Context(),
			job.New(job.Fields{ID: "1", Status: job.StatusSuccess}))
		if v != analysis.Unclear || err != nil {
			t.Errorf("%s: %s, %v", name, v, err)
		}
	}
	page := &opener{logs: map[job.LogKind]string{
		job.LogErrorSummary: "<!DOCTYPE html>\n<html><title>Sign in</title></html>",
	}}
	if v, err := joblog.TestJudge(page, "a", nil)(t.Context(),
		job.New(job.Fields{ID: "1", Status: job.StatusSuccess})); v != analysis.Unclear ||
		!errors.Is(err, job.ErrMalformed) {
		t.Errorf("a page: %s, %v", v, err)
	}
	var wrapped *job.Error
	if _, err := joblog.Failures(t.Context(), &opener{}, job.New(job.Fields{ID: "1"}),
		nil); !errors.Is(err, job.ErrNotFound) || !errors.As(err, &wrapped) {
		t.Errorf("without logs: %v", err)
	}
	if _, err := joblog.Failures(t.Context(), &opener{err: job.ErrUnavailable}, job.New(job.Fields{ID: "1"}),
		nil); !errors.Is(err, job.ErrUnavailable) {
		t.Errorf("a service that does not answer: %v", err)
	}
}

// Logs are read once for each run; a failure to read is an error, not a verdict.
func TestJudgeReadsOnce(t *testing.T) {
	o := &opener{logs: map[job.LogKind]string{job.LogText: "TEST-UNEXPECTED-FAIL | x/c.js | d\n"}}
	judge := joblog.TestJudge(o, "x/c.js", nil)
	j := job.New(job.Fields{ID: "1", Status: job.StatusTestFailed})
	for range 3 {
		if v, err := judge(t.Context(), j); v != analysis.Bad || err != nil {
			t.Fatalf("%s, %v", v, err)
		}
	}
	if o.opened != 3 { // one of each sort
		t.Errorf("opened %d times", o.opened)
	}
	o.err = job.ErrUnavailable
	if v, err := judge(t.Context(), job.New(job.Fields{ID: "2", Status: job.StatusSuccess})); v != analysis.Unclear ||
		!errors.Is(err, job.ErrUnavailable) {
		t.Errorf("%s, %v", v, err)
	}
	type blind struct{ job.Scheduler }
	if v, err := joblog.TestJudge(blind{}, "a", nil)(t.Context(), j); v != analysis.Unclear ||
		!errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a CI without logs: %s, %v", v, err)
	}
}

// A job whose plain log is a test runner's is judged by it; a log that is not
// understood says nothing.
func TestJudgeFormats(t *testing.T) {
	for _, s := range samples {
		text := string(open(t, s))
		for test, want := range s.verdicts {
			o := &opener{logs: map[job.LogKind]string{job.LogText: text}}
			v, err := joblog.TestJudge(o, test, nil)(t.Context(),
				job.New(job.Fields{ID: "1", Status: job.StatusTestFailed}))
			meant := map[joblog.TestVerdict]analysis.Verdict{pass: analysis.Good, fail: analysis.Bad}[want]
			if meant == analysis.Verdict(0) {
				meant = analysis.Unclear
			}
			if s.file+" "+test == "surefire.xml other" || s.file+" "+test == "wptreport.json /xhr/c.html" {
				meant = analysis.NoTest // all that ran is listed; others were skipped, and so exist
			}
			if v != meant || err != nil {
				t.Errorf("%s: %s: %s, %v; expected %s", s.file, test, v, err, meant)
			}
		}
	}
	o := &opener{logs: map[job.LogKind]string{job.LogText: "12 widgets were tested.\nAll went well: a\n"}}
	if v, err := joblog.TestJudge(o, "a", nil)(t.Context(),
		job.New(job.Fields{ID: "1", Status: job.StatusSuccess})); v != analysis.Unclear || err != nil {
		t.Errorf("a log that is not understood: %s, %v", v, err)
	}
}

// The logs of whole masters: what each run says of the test, in the order of the
// builds; g is good, b bad, and - neither.
func TestJudgeOfMasters(t *testing.T) {
	for name, c := range map[string]struct{ test, want string }{
		"bb4.json": {"a/test_x.js", "g--bbgbb-bggggb-b"},
		"bb5.json": {"browser/base/x.js", "bbbbb"},
		"bb6.json": {"a/test_x.js", "ggggbb"},
	} {
		var master struct {
			Builds []struct {
				Buildid, Results int
			}
			Raw map[string]string
		}
		if err := json.Unmarshal(testenv.Read(t, "cases", "logs", name), &master); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, b := range master.Builds {
			status := job.StatusSuccess
			if b.Results != 0 {
				status = job.StatusTestFailed
			}
			o := &opener{logs: map[job.LogKind]string{job.LogText: master.Raw[fmt.Sprint(b.Buildid)]}}
			if strings.HasPrefix(master.Raw["1"], "{") {
				o.logs = map[job.LogKind]string{job.LogStructured: master.Raw[fmt.Sprint(b.Buildid)]}
			}
			v, err := joblog.TestJudge(o, c.test, nil)(t.Context(), job.New(job.Fields{ID: "1", Status: status}))
			if err != nil {
				t.Fatal(err)
			}
			switch v {
			case analysis.Good:
				got += "g"
			case analysis.Bad:
				got += "b"
			default:
				got += "-"
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, expected %s", name, got, c.want)
		}
	}
}

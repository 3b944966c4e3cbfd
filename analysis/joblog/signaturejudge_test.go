package joblog_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// The lines of an error summary.
const (
	groupsAB = `{"action":"test_groups","line":1,"groups":["a/m.toml","b/m.toml"]}` + "\n"
	endOfA   = `{"action":"group_result","line":7,"group":"a/m.toml","status":"OK","duration":1}` + "\n"
	badEndA  = `{"action":"group_result","line":7,"group":"a/m.toml","status":"ERROR","duration":1}` + "\n"
	endOfB   = `{"action":"group_result","line":8,"group":"b/m.toml","status":"ERROR","duration":1}` + "\n"
)

// failed is the line of an error summary for a test that failed.
func failed(group, test, status, message string) string {
	return fmt.Sprintf(`{"action":"test_result","line":3,"test":"%s/%s","group":"%s/m.toml","status":"%s",`+
		`"expected":"PASS","message":"%s"}`+"\n", group, test, group, status, message)
}

// crashed is that for a crash.
func crashed(group, test, top string) string {
	return fmt.Sprintf(`{"action":"crash","line":4,"test":"%s/%s","group":"%s/m.toml","signature":"%s",`+
		`"stackwalk_stdout":"","stackwalk_stderr":""}`+"\n", group, test, group, top)
}

const soughtPrint = "test | a/x.js | got N, wanted N"

// The lines of an error summary for the failure that is sought, and for another.
var (
	sought = failed("a", "x.js", "FAIL", "got 12, wanted 13")
	other  = failed("b", "y.js", "FAIL", "boo")
)

// judged are logs of a failed run, and what they make of it.
var judged = map[string]struct {
	summary, text string
	loose         bool
	signatures    []string
	want          analysis.Verdict
	why           string
}{
	"the sought one": {summary: groupsAB + sought + badEndA + endOfB, want: analysis.Bad},
	"with another": {
		summary: groupsAB + other + failed("a", "x.js", "FAIL", "got 1, wanted 3") + badEndA + endOfB,
		want:    analysis.Bad,
	},
	"another, and its test passed": {summary: groupsAB + other + endOfA + endOfB, want: analysis.Good},
	"another, and its group did not end": {
		summary: groupsAB + other + endOfB, want: analysis.Unclear,
	},
	"another, and a crash before it": {
		summary: groupsAB + other + crashed("a", "z.js", "boom") + badEndA + endOfB, want: analysis.Unclear,
	},
	"its test, with another message": {
		summary: groupsAB + failed("a", "x.js", "FAIL", "no") + badEndA + endOfB, want: analysis.Unclear,
	},
	"its test, and another message will do": {
		summary: groupsAB + failed("a", "x.js", "FAIL", "no") + badEndA + endOfB, loose: true, want: analysis.Bad,
	},
	"another test, and another message will do": {
		summary: groupsAB + other + endOfA + endOfB, loose: true, want: analysis.Good,
	},
	"a crash of the same function elsewhere": {
		summary: groupsAB + crashed("b", "y.js", "boom") + endOfA + endOfB, loose: true,
		signatures: []string{"crash | a/x.js | [@ boom]"}, want: analysis.Bad,
	},
	"and to the letter": {
		summary:    groupsAB + crashed("b", "y.js", "boom") + endOfA + endOfB,
		signatures: []string{"crash | a/x.js | [@ boom]"}, want: analysis.Unclear,
	},
	"a function in which everything crashes": {
		summary: groupsAB + crashed("b", "y.js", "mozalloc_abort") + endOfA + endOfB, loose: true,
		signatures: []string{"crash | a/x.js | [@ mozalloc_abort]"}, want: analysis.Good,
	},
	"one of two": {
		summary: groupsAB + other + endOfA + endOfB, signatures: []string{soughtPrint, "test | b/y.js | boo"},
		want: analysis.Bad,
	},
	"two, of which one did not run": {
		summary: groupsAB + other + endOfA + endOfB, signatures: []string{soughtPrint, "test | c/q.js | boo"},
		want: analysis.Unclear,
	},
	"a leak, of which the log is silent": {
		summary: groupsAB + other + endOfA + endOfB, signatures: []string{soughtPrint, "leak |  | N bytes leaked"},
		want: analysis.Good,
	},
	"a leak alone": {
		summary: groupsAB + other + endOfA + endOfB, signatures: []string{"leak |  | N bytes leaked"},
		want: analysis.Unclear,
	},
	"cut": {summary: groupsAB + other + endOfA + endOfB + `{"act`, want: analysis.Bad, why: "cut or damaged"},
	"cut after the sought one": {
		summary: groupsAB + sought + `{"act`, want: analysis.Bad,
	},
	"a failure without its test": {
		summary: groupsAB + other + `{"action":"test_result","line":3,"group":"a/m.toml","status":"FAIL"}` + "\n" + endOfA +
			endOfB,
		want: analysis.Bad, why: "cut or damaged",
	},
	"cut within a line": {
		text: "[taskcluster 2026-01-05] Task ID: x\nTEST-START | a/x.js\nTEST-OK | a/x.js | took 3ms\n" +
			"TEST-UNEXPECTED-FAIL | b/y.js | boo\nTEST-STA", want: analysis.Bad, why: "cut or damaged",
	},
	"fewer failures than it counts": {
		text: "FAIL src/a.test.js\nTests:       2 failed, 2 total\n", want: analysis.Bad, why: "cut or damaged",
	},
	"a machine alone": {text: "abort: error: Connection refused\n", want: analysis.Unclear},
	"a machine, after the test": {
		text: "TEST-START | a/x.js\nTEST-OK | a/x.js | took 3ms\nabort: error: Connection refused\n", want: analysis.Good,
	},
	"nothing is said": {
		summary: groupsAB + endOfA + `{"action":"group_result","line":8,"group":"b/m.toml","status":"OK"}` + "\n",
		want:    analysis.Bad, why: "does not say what failed",
	},
	"not understood": {text: "12 widgets were tested.\n", want: analysis.Bad, why: "not understood"},
	"no log":         {want: analysis.Bad, why: "gone"},
	"a picture":      {text: "\x89PNG\r\n\x1a\n", want: analysis.Bad, why: "no log"},
	"a page":         {text: "<!DOCTYPE html>\n<html><title>Sign in</title></html>", want: analysis.Bad, why: "could not be read"},
	"the build broke": {
		text: "make: *** [all] Error 2\n", want: analysis.Unclear,
	},
	"a plain log": {
		text: "TEST-START | a/x.js\nTEST-OK | a/x.js | took 3ms\nTEST-UNEXPECTED-FAIL | b/y.js | boo\n", want: analysis.Good,
	},
	"a plain log without the test": {
		text: "TEST-PASS | c/q.js\nTEST-UNEXPECTED-FAIL | b/y.js | boo\n", want: analysis.Unclear,
	},
}

// What failed decides, and not that something did. What the log of a failed run does
// not show is neither good nor, where the log is whole, bad.
func TestSignatureJudge(t *testing.T) {
	for name, c := range judged {
		o := &opener{logs: map[job.LogKind]string{}}
		if c.summary != "" {
			o.logs[job.LogErrorSummary] = c.summary
		}
		if c.text != "" {
			o.logs[job.LogText] = c.text
		}
		if c.signatures == nil {
			c.signatures = []string{soughtPrint}
		}
		var told []joblog.Judged
		judge := joblog.SignatureJudge(o, c.signatures, &joblog.JudgeOptions{
			Loose: c.loose, OnRead: func(j joblog.Judged) { told = append(told, j) },
		})
		run := job.New(job.Fields{ID: "1", Status: job.StatusTestFailed})
		for range 2 {
			if v, err := judge(t.Context(), run); v != c.want || err != nil {
				t.Errorf("%s: %s, %v; expected %s", name, v, err, c.want)
			}
		}
		if len(told) == 0 || told[0].Verdict != c.want || (told[0].Why == "") != (c.why == "") ||
			!strings.Contains(told[0].Why, c.why) {
			t.Errorf("%s: told %+v", name, told)
		}
		if len(told) != 1 && name != "a page" {
			t.Errorf("%s: told %d times", name, len(told))
		}
	}
}

// Only a failed run is read, and once; what status says without a log stands.
func TestSignatureJudgeReads(t *testing.T) {
	o := &opener{logs: map[job.LogKind]string{job.LogText: "TEST-UNEXPECTED-FAIL | a/x.js | got 1, wanted 2\n"}}
	judge := joblog.SignatureJudge(o, []string{soughtPrint}, nil)
	for status, want := range map[job.Status]analysis.Verdict{
		job.StatusSuccess: analysis.Good, job.StatusPending: analysis.Running, job.StatusException: analysis.Unclear,
		job.StatusCoalesced: analysis.NotRun,
	} {
		if v, err := judge(t.Context(), job.New(job.Fields{ID: status.String(), Status: status})); v != want || err != nil ||
			o.opened != 0 {
			t.Errorf("%s: %s, %v, %d logs opened", status, v, err, o.opened)
		}
	}
	run := job.New(job.Fields{ID: "1", Status: job.StatusBusted})
	for range 3 {
		if v, err := judge(t.Context(), run); v != analysis.Bad || err != nil || o.opened != 3 {
			t.Errorf("%s, %v, %d logs opened", v, err, o.opened)
		}
	}
	o.err = job.ErrUnavailable // for now
	second := job.New(job.Fields{ID: "2", Status: job.StatusTestFailed})
	if v, err := judge(t.Context(), second); v != analysis.Bad || err != nil {
		t.Errorf("a service that does not answer: %s, %v", v, err)
	}
	o.err, o.logs[job.LogText] = nil, "TEST-START | a/x.js\nTEST-OK | a/x.js | took 3ms\nTEST-UNEXPECTED-FAIL | q | r\n"
	if v, err := judge(t.Context(), second); v != analysis.Good || err != nil {
		t.Errorf("and then does: %s, %v", v, err)
	}
	type blind struct{ job.Scheduler }
	if v, err := joblog.SignatureJudge(blind{}, []string{soughtPrint}, nil)(t.Context(), run); v != analysis.Bad ||
		err != nil {
		t.Errorf("a CI without logs: %s, %v", v, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if v, err := judge(ctx, job.New(job.Fields{ID: "3", Status: job.StatusTestFailed})); v != analysis.Unclear ||
		!errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits: %s, %v", v, err)
	}
}

// What was read to learn the signatures is not read again by the judge, where it says
// enough.
func TestSignatureReader(t *testing.T) {
	o := &opener{logs: map[job.LogKind]string{job.LogErrorSummary: groupsAB + failed("b", "y.js", "FAIL", "boo") + endOfA +
		endOfB}}
	r := joblog.NewSignatureReader(o, nil)
	run := job.New(job.Fields{ID: "1", Status: job.StatusTestFailed})
	signs, why, err := r.Of(t.Context(), run)
	if err != nil || why != "" || len(signs) != 1 || signs[0].String() != "b/y.js" || signs[0].Group != "b/m.toml" ||
		o.opened != 1 {
		t.Fatalf("%v, %q, %v", signs, why, err)
	}
	if d := cmp.Diff(signs[0].Print, joblog.ParseSignature("test | b/y.js | boo").Print); d != "" {
		t.Error(d)
	}
	if v, err := r.Judge(signs)(t.Context(), run); v != analysis.Bad || err != nil || o.opened != 1 {
		t.Errorf("its own: %s, %v, opened %d times", v, err, o.opened)
	}
	another := []joblog.Signature{{Print: soughtPrint, Test: "a/x.js", Group: "elsewhere.toml"}}
	if v, err := r.Judge(another)(t.Context(), run); v != analysis.Good || err != nil || o.opened != 2 {
		t.Errorf("another: %s, %v, opened %d times", v, err, o.opened)
	}
}

// Names that a world gives to failures are signatures: equal for the same name, also of
// runs that are triggered, and different for others.
func TestSignaturesOfWorlds(t *testing.T) {
	w := jobtest.MustParse(`
truth l culprit=2 before=1 after=1 sig=broke flake=flaky
push l
1 a1c0 fail:sig=broke,fail:sig=flaky,fail,fail:sig=broke
2 a2c0 fail
`)
	ci := ranOnce(t, w, "l")
	var got []string
	for _, p := range w.Pushes("autoland") {
		jobs, err := ci.Jobs(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs {
			signs, _, err := joblog.NewSignatureReader(ci, nil).Of(t.Context(), j)
			if err != nil || len(signs) != 1 {
				t.Fatalf("%v, %v", signs, err)
			}
			got = append(got, signs[0].String())
		}
	}
	if d := cmp.Diff("broke flaky test broke flaky test broke", strings.Join(got, " ")); d != "" {
		t.Error(d)
	}
}

// cutting is a CI whose logs are cut after so many bytes, or whose transfer breaks there.
type cutting struct {
	job.Scheduler
	text   string
	which  job.LogKind
	at     int
	broken bool
	mu     sync.Mutex
}

func (c *cutting) OpenLog(_ context.Context, _ job.Job, which job.LogKind) (io.ReadCloser, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if which != c.which {
		return nil, job.ErrNotFound
	}
	cut := io.Reader(strings.NewReader(c.text[:c.at]))
	if c.broken {
		cut = io.MultiReader(cut, brokenReader{})
	}
	return io.NopCloser(cut), nil
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// Wherever the transfer of a log breaks, a failed run is not good; wherever it is cut,
// it is not good while the sought failure may have stood in the rest.
func TestSignatureJudgeOfCutLogs(t *testing.T) {
	logs := map[job.LogKind]string{
		job.LogErrorSummary: groupsAB + failed("b", "y.js", "FAIL", "boo") + endOfB + failed("a", "x.js", "FAIL",
			"got 1, wanted 2") + badEndA,
		job.LogText: "TEST-START | b/y.js\nTEST-UNEXPECTED-FAIL | b/y.js | boo\nTEST-END | b/y.js\n" +
			"TEST-START | a/x.js\nTEST-UNEXPECTED-FAIL | a/x.js | got 1, wanted 2\nTEST-END | a/x.js\n",
		job.LogStructured: `{"action":"suite_start","source":"x","tests":{"m":["b/y.js","a/x.js"]}}` + "\n" +
			`{"action":"test_start","test":"b/y.js","source":"x"}` + "\n" +
			`{"action":"test_end","test":"b/y.js","status":"FAIL","expected":"PASS","message":"boo","source":"x"}` + "\n" +
			`{"action":"test_start","test":"a/x.js","source":"x"}` + "\n" +
			`{"action":"test_end","test":"a/x.js","status":"FAIL","expected":"PASS","message":"got 1, wanted 2","source":"x"}` +
			"\n" + `{"action":"suite_end","source":"x"}` + "\n",
	}
	for which, text := range logs {
		for at := range len(text) + 1 {
			for _, broken := range []bool{false, true} {
				c := &cutting{text: text, which: which, at: at, broken: broken}
				v, err := joblog.SignatureJudge(c, []string{soughtPrint}, nil)(t.Context(),
					job.New(job.Fields{ID: "1", Status: job.StatusTestFailed}))
				if v == analysis.Good || err != nil || at == len(text) && v != analysis.Bad {
					t.Errorf("%s cut at %d (broken %t): %s, %v\n%s", which, at, broken, v, err, text[:at])
				}
			}
		}
	}
	good := logs[job.LogErrorSummary]
	good = strings.ReplaceAll(good, failed("a", "x.js", "FAIL", "got 1, wanted 2")+badEndA, endOfA)
	for at := range len(good) {
		c := &cutting{text: good, which: job.LogErrorSummary, at: at, broken: true}
		if v, err := joblog.SignatureJudge(c, []string{soughtPrint}, nil)(t.Context(),
			job.New(job.Fields{ID: "1", Status: job.StatusTestFailed})); v == analysis.Good || err != nil {
			t.Errorf("broken at %d: %s, %v", at, v, err)
		}
	}
}

package server

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// aRun is a run of a status.
func aRun(st job.Status) job.Job {
	return job.New(job.Fields{ID: "r1", Name: "t", Push: job.Push{Repo: "autoland", ID: 1}, Status: st})
}

// What a run means: that it ran is said of each that ran, and "failed elsewhere" only of one that
// is known to have failed elsewhere.
func TestResults(t *testing.T) {
	for _, c := range []struct {
		status job.Status
		said   analysis.Verdict // NotRun: no judge saw it
		told   bool             // whether the search read its log
		want   Result
	}{
		{job.StatusSuccess, analysis.NotRun, false, Passed},
		{job.StatusSuccess, analysis.Good, false, Passed},
		{job.StatusSuccess, analysis.Unclear, false, Unclear},
		{job.StatusSuccess, analysis.NoTest, false, Unclear},
		{job.StatusSuccess, analysis.Bad, false, Failure},
		{job.StatusTestFailed, analysis.NotRun, false, Failure},
		{job.StatusTestFailed, analysis.Good, false, Passed},
		{job.StatusTestFailed, analysis.NoTest, false, Elsewhere},
		{job.StatusTestFailed, analysis.Unclear, false, Unclear},
		{job.StatusTestFailed, analysis.Unclear, true, Elsewhere},
		{job.StatusException, analysis.Unclear, false, Machine},
		{job.StatusCancelled, analysis.Unclear, false, Stopped},
		{job.StatusCoalesced, analysis.Unclear, false, Coalesced},
		{job.StatusSkipped, analysis.NotRun, false, Skipped},
	} {
		w := &work{verdicts: map[string]analysis.Verdict{}, told: map[string]analysis.Verdict{}}
		if c.said != analysis.NotRun {
			w.verdicts["r1"] = c.said
		}
		if c.told {
			w.told["r1"] = c.said
		}
		if got := w.result(aRun(c.status)); got != c.want {
			t.Errorf("%s, %s, told %t: %s, expected %s", c.status, c.said, c.told, got, c.want)
		}
	}
	for _, r := range Results() {
		if words := outcomeWord(r, job.StatusSuccess); strings.Contains(words, "did not run") !=
			(r == Coalesced || r == Skipped) {
			t.Errorf("%s: %s", r, words)
		}
		if _, ok := resultLooks[r]; !ok {
			t.Errorf("%s has no look", r)
		}
	}
	if e := endOf("1234", Unclear, 0, time.Minute, ""); e.Kind != "state" || e.Text !=
		"1234 ended without a result that counts in 1 min." {
		t.Errorf("%+v", e)
	}
}

// What the page offers is a request that the service takes, and is named for what it does.
func TestOffersThatAreTaken(t *testing.T) {
	taken := func(what string, in Input) {
		t.Helper()
		if err := in.check(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for most, want := range map[int]string{10: "20", 20: "40", 400: "500", 499: "500", 500: ""} {
		b := Backfill{State: Refused, Reason: NeverGreen, Ask: Ask{
			Project: "autoland", Label: "t", Revision: strings.Repeat("a", 40), Mode: Linear, Most: most, Times: 1,
		}}
		got := ""
		for _, v := range insteadOf(b) {
			got = strings.TrimSuffix(strings.TrimPrefix(v.Linked, "Look back "), " pushes")
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, v.Link, nil)
			if err != nil {
				t.Fatal(err)
			}
			in, err := readInput(r.URL.Query())
			if err != nil {
				t.Error(err)
			}
			taken(v.Linked, in)
		}
		if got != want {
			t.Errorf("after %d pushes it offers %q, expected %q", most, got, want)
		}
	}
	// The runs so far do not count against the budget of the new backfill: all of it can be spent.
	for budget, want := range map[int]string{
		100: "120 runs", 980: "1,000 runs", 990: "1,000 runs", 999: "1,000 runs", 1000: "",
	} {
		b := Backfill{State: Undecided, Cost: Cost{Runs: budget + 3}, Ask: Ask{
			Project: "autoland", Label: "t", Revision: strings.Repeat("a", 40), Mode: Search, Most: 50, Batch: 4,
			MaxRuns: budget,
		}}
		a, q := actsOf(b).Main, map[string][]string{}
		if a == nil {
			if want != "" {
				t.Errorf("with a budget of %d it offers nothing", budget)
			}
			continue
		}
		for _, f := range a.Fields {
			q[f.Name] = []string{f.Value}
		}
		in, err := readInput(q)
		if err != nil {
			t.Error(err)
		}
		taken(a.Button, in)
		if a.Button != "Add up to "+want || number(*in.MaxRuns)+" runs" != want || *in.MaxRuns == budget {
			t.Errorf("with a budget of %d: %q, %q, %v", budget, a.Button, a.Ask, q["max_runs"])
		}
	}
}

// One rule for revisions, in one sentence.
func TestRevisions(t *testing.T) {
	const words = "expected 12 to 40 hexadecimal digits, or tip"
	for _, bad := range []string{"abc", "xyz1", "tips", strings.Repeat("a", 41)} {
		for what, err := range map[string]error{
			"input":   Input{Label: "t", Revision: bad}.check(),
			"chooser": checkChooser("autoland", bad),
		} {
			if err == nil || !strings.Contains(err.Error(), words) {
				t.Errorf("%s: %s: %v", what, bad, err)
			}
		}
		f, o := robotics(busyDay())
		_, body := post(t, pageOf(t, newFake(), chief, o), "/autopilot/optout",
			map[string][]string{"project": {"autoland"}, "revision": {bad}})
		contains(t, body, words)
		if len(f.did) > 0 {
			t.Errorf("it did %q", f.did)
		}
	}
	for _, good := range []string{"0123456789ab", strings.Repeat("A", 40), "tip"} {
		if err := (Input{Label: "t", Revision: good}).check(); err != nil {
			t.Error(err)
		}
		if err := checkChooser("", good); err != nil {
			t.Error(err)
		}
	}
}

// A slugid may begin with any of its 64 characters; what only looks like an option is none.
func TestTaskIDs(t *testing.T) {
	for id, want := range map[string]bool{
		"fN5jvDLtQ9qXH5Vfi_2yRw": true, "fN5jvDLtQ9qXH5Vfi_2yRw/1": true, "-N5jvDLtQ9qXH5Vfi_2yRw": true,
		"_N5jvDLtQ9qXH5Vfi_2yRw/0": true, "run-7": true, "build/7.1": true,
		"-a": false, "_": false, "--help": false, "../a": false, "-N5jvDLtQ9qXH5Vfi_2yRw/../x": false,
		"-N5jvDLtQ9qXH5Vfi_2yRw/": false, "-N5jvDLtQ9qXH5Vfi_2yRw/-1": false, "-N5jvDLtQ9qXH5Vfi_2yR": false,
		"-N5jvDLtX9qXH5Vfi_2yRw": false, // not of version 4
	} {
		if err := (Input{TaskID: id}).check(); (err == nil) != want {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// A request counts the runs that it triggered: none when these had been triggered before, or when
// the CI did not answer.
func TestRunsTriggeredAreCounted(t *testing.T) {
	m := newMeter()
	step := func(s job.ReceiptState, err error) trigger.Step {
		st := trigger.Step{Count: 3, Err: err}
		if err == nil {
			st.Receipt = &job.Receipt{State: s}
		}
		return st
	}
	value := func(name string) string {
		w := httptest.NewRecorder()
		m.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		_, rest, _ := strings.Cut(w.Body.String(), "\nmozci_"+name+" ")
		v, _, _ := strings.Cut(rest, "\n")
		return v
	}
	for i, c := range []struct {
		step          trigger.Step
		asked, failed string
	}{
		{step(job.ReceiptCreated, nil), "3", "0"},
		{step(job.ReceiptAlreadyAsked, nil), "3", "0"},
		{step(job.ReceiptAccepted, nil), "6", "0"},
		{step("", job.ErrUnavailable), "6", "1"},
		{trigger.Step{Count: 3}, "6", "1"},
	} {
		m.step(c.step)
		if a, f := value("runs_triggered_total"), value("trigger_errors_total"); a != c.asked || f != c.failed {
			t.Errorf("after step %d: %v runs and %v errors, expected %v and %v", i, a, f, c.asked, c.failed)
		}
	}
}

// 504 is another service that was late; what is above it is this one's own fault.
func TestTroubleOfStatuses(t *testing.T) {
	for code, want := range map[int]string{
		500: "mozci failed", 502: "A service did not answer", 503: "A service did not answer",
		504: "A service did not answer", 505: "mozci failed", 404: "Not found", 400: "mozci cannot do this yet",
	} {
		if got := troubleWith(code, "", "It took too long."); got.Heading != want ||
			strings.Contains(got.Text, "too long") == (want == "mozci failed") {
			t.Errorf("%d: %+v, expected %q", code, got, want)
		}
	}
}

// Pushes of two repositories are not taken for one: x 12 and x1 2.
func TestPushesOfAPlan(t *testing.T) {
	var p trigger.Plan
	for i, at := range []job.Push{{Repo: "x", ID: 12}, {Repo: "x1", ID: 2}, {Repo: "x", ID: 12}} {
		p.Steps = append(p.Steps, trigger.Step{Key: fmt.Sprint(i), Push: at, Action: trigger.ActionTrigger, Count: 1})
	}
	if n := pushesOf(p); n != 2 {
		t.Errorf("%d pushes, expected 2", n)
	}
}

// What never ran is counted as no run, and what failed is red whatever it means for the question.
func TestCountsOfRuns(t *testing.T) {
	run := func(r Result, st job.Status) Run { return Run{ID: "x", Result: r, Status: st.String(), Ours: true} }
	b := Backfill{State: Waiting, Rows: []Row{{Runs: []Run{
		run(Coalesced, job.StatusCoalesced), run(Skipped, job.StatusSkipped), run(Queued, job.StatusPending),
	}}}}
	if b.begun() {
		t.Error("a run that never ran has begun")
	}
	if got := runsOf(b); got != "0 runs by the CI, 0 by mozci, 1 to come" {
		t.Error(got)
	}
	if f := foldOf([]Row{{Runs: b.Rows[0].Runs[:2]}}, ""); !strings.HasSuffix(f.Fold, "nothing ran") {
		t.Error(f.Fold)
	}
	b.Rows[0].Runs = append(b.Rows[0].Runs,
		run(Unclear, job.StatusSuccess), run(Passed, job.StatusTestFailed), run(Failure, job.StatusBusted),
		run(Unclear, job.StatusTestFailed), run(Elsewhere, job.StatusTestFailed), run(Machine, job.StatusException),
	)
	b.sumUp()
	if !b.begun() || b.Cost.Red != 4 || b.Cost.Ended != 8 {
		t.Errorf("begun %t, %+v", b.begun(), b.Cost)
	}
	if got := runsOf(b); got != "0 runs by the CI, 6 by mozci, 1 to come" {
		t.Error(got)
	}
	if f := foldOf([]Row{{Runs: []Run{run(Unclear, job.StatusSuccess)}}}, ""); strings.Contains(f.Fold, "nothing ran") {
		t.Error(f.Fold)
	}
}

// The chooser's sentence counts apart what it triggered, what had been triggered, and what failed.
func TestSentenceOfAnAct(t *testing.T) {
	for want, of := range map[string][3]int{
		"5 runs triggered, 2 before, 3 not triggered":          {5, 2, 3},
		"0 runs triggered, 2 before, 3 not triggered":          {0, 2, 3},
		"1 run triggered, 3 not triggered":                     {1, 0, 3},
		"5 runs triggered, 2 before":                           {5, 2, 0},
		"5 runs triggered":                                     {5, 0, 0},
		"Nothing new: 1 run was triggered before":              {0, 1, 0},
		"Nothing was triggered: 3 runs could not be requested": {0, 0, 3},
	} {
		a := acted{Done: trigger.Plan{Steps: []trigger.Step{
			{Count: of[0], Receipt: &job.Receipt{State: job.ReceiptCreated}},
			{Count: of[1], Receipt: &job.Receipt{State: job.ReceiptAlreadyAsked}},
			{Count: of[2], Err: job.ErrRefused},
		}}}
		if got := a.sentence(); got != want {
			t.Errorf("%v: %q, expected %q", of, got, want)
		}
	}
}

package main

import (
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/monitor"
)

// showing prints what a monitor tells.
type showing struct {
	a      *app
	wanted []monitor.Expectation
	live   bool // the last line is redrawn
	drawn  bool
	latest map[string]monitor.Counts
	told   map[runChange]bool
	failed func() // is called when one has failed; nil where the others are watched on
}

// runChange is what is told of a run once, though several expectations may see it: a build
// is watched for itself and for its tests.
type runChange struct {
	push   job.PushKey
	id     string
	status job.Status
	why    string
}

func (a *app) showing(wanted []monitor.Expectation) *showing {
	return &showing{
		a: a, wanted: wanted, live: !a.json && a.look(a.out).redraws, latest: map[string]monitor.Counts{},
		told: map[runChange]bool{},
	}
}

// begin says what is watched.
func (s *showing) begin() {
	if s.a.json {
		return
	}
	labels, pushes, n := map[string]bool{}, map[job.PushKey]bool{}, 0
	for _, e := range s.wanted {
		labels[e.Label], pushes[e.Push.Key()] = true, true
		n += max(e.Count, 1)
	}
	what := plural(len(labels), "label")
	if len(labels) == 1 {
		what = s.wanted[0].Label
	}
	where := plural(len(pushes), "push")
	if len(pushes) == 1 {
		where = "push " + s.a.where(s.wanted[0].Push)
	}
	if e := s.wanted[0]; e.UntilHit {
		s.a.paragraph("", plain, fmt.Sprintf("Triggering up to %s of %s on %s, %d at a time, until one fails.",
			runs(e.Max*len(s.wanted)), what, where, e.Batch))
	} else {
		s.a.paragraph("", plain, fmt.Sprintf("Watching %s of %s on %s.", runs(n), what, where))
	}
	s.a.printf("Ctrl+C stops watching; the runs go on.\n\n")
	s.a.busy.stop() // the last line says what is going on
}

type eventJSON struct {
	Time     time.Time   `json:"time"`
	ID       *string     `json:"id"`
	Label    string      `json:"label"`
	Repo     string      `json:"repo"`
	PushID   int64       `json:"push_id"`
	Revision *string     `json:"revision"`
	Status   *job.Status `json:"status"`
	Count    int         `json:"count"`
	Action   *string     `json:"action"`
	Why      string      `json:"why"`
}

// changes prints what was seen at one look. How an expectation ended comes with the
// last line where it is the only one.
func (s *showing) changes(changes []monitor.Change) {
	s.clear()
	for _, c := range changes {
		s.latest[c.Key] = c.Results
		// With --fail-fast the end after the first failure is Limit: too few to say more.
		failed := c.Outcome == monitor.Permanent || c.Outcome == monitor.Intermittent ||
			c.Outcome == monitor.Limit && c.Results.Failures > 0
		if failed && s.failed != nil && c.Ended.Parent == "" {
			s.failed()
		}
	}
	changes = slices.DeleteFunc(changes, s.wasTold)
	for i := 0; i < len(changes); i++ {
		c := changes[i]
		switch {
		case c.Outcome != "":
			if !s.a.json && (len(s.wanted) > 1 || c.Ended.Parent != "") {
				s.line(c, symbolOf(c), cmp.Or(c.Why, string(c.Outcome)))
			}
			continue
		case s.a.json:
			e := eventJSON{
				Time: c.Time.UTC(), ID: orNull(c.ID), Label: c.Label, Repo: c.Push.Repo, PushID: c.Push.ID,
				Revision: orNull(c.Push.Revision), Count: c.Count, Action: orNull(string(c.Action)), Why: c.Why,
			}
			if c.Status != 0 {
				e.Status = &c.Status
			}
			_ = s.a.printJSON(e)
			continue
		}
		n := 1
		for c.Action == "" && !isResult(c.Status) && i+1 < len(changes) && changes[i+1].Status == c.Status &&
			changes[i+1].Action == "" && changes[i+1].Why == c.Why {
			n, i = n+1, i+1
		}
		s.line(c, symbolOf(c), s.phrase(c, n))
	}
	s.draw()
}

// wasTold reports whether a change of a run was told before.
func (s *showing) wasTold(c monitor.Change) bool {
	k := runChange{c.Push.Key(), c.ID, c.Status, c.Why}
	if c.ID == "" || c.Action != "" || c.Outcome != "" {
		return false
	}
	was := s.told[k]
	s.told[k] = true
	return was
}

func isResult(st job.Status) bool { return st == job.StatusSuccess || st.Failed() }

// phrase is a change in words.
func (s *showing) phrase(c monitor.Change, n int) string {
	switch {
	case c.Action == trigger.ActionBuild:
		return fmt.Sprintf("build triggered: %s; %s", c.Label, c.Why)
	case c.Action != "":
		return fmt.Sprintf("%s triggered: %s", runs(c.Count), c.Why)
	case isResult(c.Status):
		out := fmt.Sprintf("%s  %d of %d", c.Why, c.Results.Runs, max(c.Want, c.Results.Runs))
		if c.Took > 0 {
			out += "  " + aboutTime(c.Took)
		}
		return out
	}
	return fmt.Sprintf("%s %s", runs(n), c.Why)
}

// line prints one change.
func (s *showing) line(c monitor.Change, symbol, text string) {
	label := ""
	if s.several() || c.Label != s.wanted[0].Label { // that of a build
		label = "  " + c.Label
	}
	at := c.Time.Local()
	if s.a.world != "" {
		at = c.Time.UTC() // its days are as it is written
	}
	lead := []cell{
		{text: at.Format("15:04"), style: soft},
		{text: "  "},
		mark(symbol),
		{text: " " + s.a.where(c.Push) + label + "  "},
	}
	result, details, _ := strings.Cut(text, "  ") // columns, such as "passed  1 of 2  24 min", stay apart
	if details != "" {
		s.a.line(append(lead, cell{text: result + "  " + details})...)
		return
	}
	s.a.wrapped(s.a.out, lead, strings.Repeat(" ", 9), plain, text)
}

// several reports whether more than one label is watched.
func (s *showing) several() bool {
	return slices.ContainsFunc(s.wanted, func(e monitor.Expectation) bool { return e.Label != s.wanted[0].Label })
}

// draw writes the live line.
func (s *showing) draw() {
	if !s.live {
		return
	}
	done, failed, want := 0, 0, 0
	for _, e := range s.wanted {
		want += max(e.Count, 1)
	}
	for _, c := range s.latest {
		done, failed = done+c.Runs, failed+c.Failures
	}
	s.a.printf("%s %d of %d done: %d passed, %d failed", symbol(running), done, max(want, done), done-failed, failed)
	s.drawn = true
}

// clear removes the live line.
func (s *showing) clear() {
	if s.drawn {
		s.a.printf("\r\x1b[K")
		s.drawn = false
	}
}

// symbolOf is the symbol of a change.
func symbolOf(c monitor.Change) string {
	out := statusSymbol(c.Status)
	switch {
	case c.Action != "":
		out = planned
	case c.Outcome != "":
		out = outcomeSymbol(c.Outcome, c.Results.Failures)
	}
	return out
}

func statusSymbol(s job.Status) string {
	switch s {
	case job.StatusSuccess:
		return passed
	case job.StatusTestFailed, job.StatusBusted:
		return failed
	case job.StatusException, job.StatusRetry:
		return machine
	case job.StatusRunning, job.StatusUnknown:
		return running
	case job.StatusPending, job.StatusUnscheduled:
		return queued
	case job.StatusCancelled:
		return stopped
	}
	return coalesced // and skipped: it did not run
}

// outcomeSymbol is the symbol of an end after a number of failures.
func outcomeSymbol(o monitor.Outcome, failures int) string {
	switch o {
	case monitor.Limit:
		if failures > 0 {
			return failed
		}
	case monitor.Met:
		return passed
	case monitor.Permanent, monitor.Intermittent, monitor.Hit:
		return failed
	case monitor.Cancelled:
		return stopped
	}
	return machine
}

// aboutTime is a duration to the minute, from a minute on.
func aboutTime(d time.Duration) string {
	d = d.Round(time.Second)
	if d >= time.Minute {
		d = d.Round(time.Minute)
	}
	switch {
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

type endJSON struct {
	Outcome  monitor.Outcome `json:"outcome"`
	Label    *string         `json:"label"`
	Revision *string         `json:"revision"`
	Failures int             `json:"failures"`
	Runs     int             `json:"runs"`
	Push     *job.PushRef    `json:"push"` // what made it moot
	Why      string          `json:"why"`
	Next     *string         `json:"next"`
	Each     []endJSON       `json:"each,omitempty"` // where several things were watched
}

// watched prints the last line.
func (a *app) watched(ctx context.Context, s *showing, store monitor.Store, notify bool) error {
	all, err := store.Expectations(ctx)
	if err != nil {
		return err
	}
	s.clear()
	var each []endJSON
	var worst monitor.Expectation
	rank, of := -1, 0
	for _, e := range all {
		if e.Parent != "" {
			continue
		}
		if of++; e.Open() { // --fail-fast has stopped watching
			continue
		}
		each = append(each, a.endOf(e))
		if r := slices.Index(monitor.Outcomes(), e.Progress.Outcome); r > rank {
			worst, rank = e, r
		}
	}
	last := a.endOf(worst)
	if of > 1 {
		last.Each = each
		met := 0
		for _, e := range each {
			if e.Outcome.Good() {
				met++
			}
		}
		if met < of {
			last.Why = fmt.Sprintf("%d of %d met; %s on %s: %s", met, of, worst.Label, a.where(worst.Push),
				last.Why)
		} else {
			last.Why = fmt.Sprintf("all %d met", met)
		}
	}
	err = a.printEnd(last)
	if notify {
		a.notice(ctx, inWords(last.Outcome)+": "+worst.Label, last.Why)
	}
	switch {
	case err != nil || worst.Progress.Outcome.Good():
		return err
	case worst.Progress.Outcome == monitor.CouldNotSee:
		return errTold
	}
	return errNotEnough
}

// printEnd prints the last line.
func (a *app) printEnd(last endJSON) error {
	if a.json {
		return a.printJSON(last)
	}
	a.printf("\n")
	a.answer(outcomeSymbol(last.Outcome, last.Failures), inWords(last.Outcome)+": "+last.Why)
	if last.Next != nil {
		if words, command, ok := strings.Cut(*last.Next, ": mozci "); ok {
			a.typed(words+":", "mozci "+command)
		} else {
			a.printf("%s\n", *last.Next)
		}
	}
	return nil
}

func inWords(o monitor.Outcome) string {
	text := strings.ReplaceAll(string(o), "_", " ")
	return strings.ToUpper(text[:1]) + text[1:]
}

func (a *app) endOf(e monitor.Expectation) endJSON {
	p := e.Progress
	out := endJSON{
		Outcome: p.Outcome, Label: orNull(e.Label), Revision: orNull(e.Push.Revision), Failures: p.Results.Failures,
		Runs: p.Results.Runs, Why: p.Note, Next: orNull(a.nextStep(e)),
	}
	if p.Moot != nil {
		ref := p.Moot.Ref()
		out.Push = &ref
	}
	return out
}

// nextStep is what to do after an outcome; empty after a good one.
func (a *app) nextStep(e monitor.Expectation) string {
	of := fmt.Sprintf("%s --label %s --rev %s", a.placeFlags(), quoted(e.Label), e.Push.Short())
	switch e.Progress.Outcome {
	case monitor.Permanent:
		return "To find the push that broke it: mozci backfill" + of
	case monitor.Intermittent:
		return "To see how often it fails: mozci frequency" + of
	case monitor.Hit:
		return "To see what failed: mozci jobs" + of
	case monitor.Blocked:
		return "To see what can run there: mozci labels" + a.placeFlags() + " --rev " + e.Push.Short()
	case monitor.NoRun, monitor.Cancelled, monitor.Infra:
		return "To run it: mozci trigger" + of + " --times 1"
	case monitor.Limit:
		if e.WatchOnly {
			return "To let mozci trigger what is missing: mozci watch" + of + " --yes"
		}
		if e.Progress.Results.Failures > 0 {
			return "To see how often it fails: mozci frequency" + of
		}
		return "To see what ran: mozci jobs" + of
	case monitor.TimedOut, monitor.CouldNotSee:
		return "To go on watching: mozci watch" + of
	}
	return ""
}

// notice shows a notice on the desktop, with the desktop's own program.
func (a *app) notice(ctx context.Context, title, text string) {
	title, text = job.Visible(title), job.Visible(text)
	const script = "on run a\ndisplay notification (item 2 of a) with title (item 1 of a)\nend run"
	for _, cmd := range [][]string{
		{"notify-send", "--app-name=mozci", "--", title, text}, {"osascript", "-e", script, title, text},
	} {
		if path, err := exec.LookPath(cmd[0]); err == nil {
			err := exec.CommandContext(ctx, path, cmd[1:]...).Run() // #nosec G204 -- the texts are arguments
			if err != nil {
				a.warnf("note: no notice could be shown: %v\n", err)
			}
			return
		}
	}
	a.warnf("note: no notice could be shown: neither notify-send nor osascript is installed\n")
}

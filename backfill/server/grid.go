package server

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// The rows of a backfill: how runs become cells, how new rows replace old ones, and what is
// computed from them. Rows are newest first, so the push before row i is row i+1. found and tested
// replace all rows, refresh replaces one.

// row builds a push's row. running is how many runs are under way, including those that were
// requested and are not visible yet: these get cells without an id. With running 3 and one run of
// the CI's queued, the row gets that run and 2 cells without an id.
func (w *work) row(p job.Push, label string, jobs []job.Job, running int) Row {
	row := Row{
		Push: p.Ref(), Label: label, Author: job.Visible(author(p)), Subject: job.Visible(subject(p)),
		Time: p.Time.UTC(),
		Runs: []Run{},
	}
	if w.place.PushPage != nil {
		row.Link = Text(w.place.PushPage(p))
	}
	jobs = slices.Clone(jobs)
	slices.SortStableFunc(jobs, func(a, b job.Job) int { return a.Times().Requested.Compare(b.Times().Requested) })
	visible := 0
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, j := range jobs {
		if j.Name() != label {
			continue
		}
		r := Run{
			ID: Text(j.ID()), Status: j.Status().String(), Ours: w.ours[j.ID()],
			Link: Text(job.PageOf(w.place.CI, j)), Result: w.result(j),
		}
		if t := j.Times(); !t.Started.IsZero() && t.Finished.After(t.Started) {
			r.Seconds = t.Finished.Sub(t.Started).Seconds()
		}
		switch r.Result {
		case Passed:
			row.Passed++
		case Failure:
			row.Failed++
		case UnderWay, Queued:
			visible++
		}
		row.Runs = append(row.Runs, r)
	}
	row.UnderWay = max(running, visible)
	for range running - visible { // requested, not visible yet
		row.Runs = append(row.Runs, Run{Result: Queued, Status: job.StatusPending.String(), Ours: true})
	}
	return row
}

// result says what a run means for the question. The verdict of a run's log comes before its
// status: a job may fail while the test in question passed. The caller holds the lock. judged says
// that some Judge has seen the run; one that it could not tell anything about is judged, and
// neither Good nor Bad.
//
//	success, not judged or Good     → Passed
//	success, judged Unclear, NoTest → Unclear: it ran, and says nothing about the test
//	failed, judged NoTest           → Elsewhere
//	failed, told Unclear            → Elsewhere: the search read the log, and it was another failure
//	failed, judged Unclear          → Unclear: the log does not say, or is gone
func (w *work) result(j job.Job) Result {
	v, judged := w.verdicts[j.ID()]
	_, told := w.told[j.ID()]
	switch st := j.Status(); {
	case st == job.StatusPending, st == job.StatusUnscheduled:
		return Queued
	case st.Waiting():
		return UnderWay
	case st == job.StatusSuccess && (!judged || v == analysis.Good):
		return Passed
	case judged && v == analysis.Bad, !judged && st.Failed():
		return Failure
	case judged && v == analysis.Good: // the job failed, but the test in question passed
		return Passed
	case st.Failed() && (told || v == analysis.NoTest):
		return Elsewhere
	case st == job.StatusException, st == job.StatusRetry:
		return Machine
	case st == job.StatusCancelled:
		return Stopped
	case st == job.StatusCoalesced:
		return Coalesced
	case st == job.StatusSkipped:
		return Skipped
	}
	return Unclear
}

// ended makes the log line for the end of a run.
func (w *work) ended(p job.Push, label, id string, st job.Status, took time.Duration) Entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := Result("")
	var link Text
	for _, row := range w.r.Rows {
		for _, run := range row.Runs {
			if string(run.ID) == id && id != "" {
				r, link = run.Result, run.Link
			}
		}
	}
	what := name(p.Ref())
	if label != w.r.Ask.Label {
		what += ": " + job.Visible(label)
	}
	return endOf(what, r, st, took, link)
}

// endOf makes the log line for the end of a run. r is empty when the run is not in the grid, and
// then its status is told. took is 0 when it is unknown. Of push 1234 it says "1234 passed in 36
// min."
func endOf(what string, r Result, st job.Status, took time.Duration, link Text) Entry {
	text := what + " " + outcomeWord(r, st)
	if took > 0 {
		text += " in " + lasting(took)
	}
	return Entry{Kind: kindOf(r), Text: text + ".", Link: link}
}

// kindOf is the Entry's kind for the end of a run. What says nothing about the push is "machine";
// a run that is Unclear is "state", as no machine was at fault.
func kindOf(r Result) string {
	switch r {
	case Passed:
		return "passed"
	case Failure, Elsewhere:
		return "failed"
	case Unclear:
		return "state"
	}
	return "machine"
}

// author is who pushed or, when that is unknown, the author of the newest change; empty for none.
func author(p job.Push) string {
	if p.User != "" {
		return p.User
	}
	if n := len(p.Changesets); n > 0 {
		return p.Changesets[n-1].Author
	}
	return ""
}

// subject is the first line of the newest change's description; changesets are oldest first.
func subject(p job.Push) string {
	if n := len(p.Changesets); n > 0 {
		first, _, _ := strings.Cut(p.Changesets[n-1].Description, "\n")
		return strings.TrimSpace(first)
	}
	return ""
}

// same reports whether two references are the same push.
func same(a, b job.PushRef) bool { return a.Repo == b.Repo && a.ID == b.ID && a.Revision == b.Revision }

// setRows replaces all rows, and returns log lines for the runs that have ended since the last
// look. Chances and planned runs are kept where the new rows do not know them. A row with 2 planned
// runs of which one has appeared has 1 left: its runs grew from 3 to 4.
func (b *Backfill) setRows(rows []Row) (news []Entry) {
	for i := range rows {
		old := b.rowOf(rows[i].Push)
		if old == nil {
			continue
		}
		rows[i].Probability = cmp.Or(rows[i].Probability, old.Probability)
		if len(old.Runs) > 0 || old.Planned > 0 {
			news = append(news, endedSince(*old, rows[i])...)
		}
		rows[i].Planned = max(0, old.Planned-max(0, len(rows[i].Runs)-len(old.Runs)))
	}
	b.Rows = rows[:min(len(rows), mostPushes)]
	b.sumUp()
	return news
}

// endedSince makes log lines for the runs that ended between two looks at a push. A run that is new
// and over already counts; one without an id cannot be recognised and does not.
func endedSince(old, now Row) (out []Entry) {
	was := map[Text]Result{}
	for _, r := range old.Runs {
		was[r.ID] = r.Result
	}
	for _, r := range now.Runs {
		over := r.Result != Queued && r.Result != UnderWay
		before, known := was[r.ID]
		if !over || r.ID == "" || known && before != Queued && before != UnderWay {
			continue
		}
		took := time.Duration(r.Seconds * float64(time.Second))
		out = append(out, endOf(name(now.Push), r.Result, 0, took, r.Link))
	}
	return out
}

// beyond returns the rows with runs of this backfill that the new rows leave out. This happens when
// a filled push passes: the range then begins at a newer good push, but the older runs still belong
// to this backfill's cost.
func (b *Backfill) beyond(rows []Row) (out []Row) {
	for _, old := range b.Rows {
		there := slices.ContainsFunc(rows, func(r Row) bool { return same(r.Push, old.Push) })
		if !there && slices.ContainsFunc(old.Runs, func(r Run) bool { return r.Ours }) {
			out = append(out, old)
		}
	}
	return out
}

// setRow replaces the row of one push. A push that is in no row is ignored: the range has moved on.
func (b *Backfill) setRow(row Row) {
	old := b.rowOf(row.Push)
	if old == nil {
		return
	}
	row.Probability, row.Untestable = old.Probability, old.Untestable
	row.Planned = max(0, old.Planned-max(0, len(row.Runs)-len(old.Runs)))
	*old = row
	b.sumUp()
}

// rowOf returns the row of a push, to be changed in place; nil when there is none.
func (b *Backfill) rowOf(p job.PushRef) *Row {
	for i := range b.Rows {
		if same(b.Rows[i].Push, p) {
			return &b.Rows[i]
		}
	}
	return nil
}

// chance sets the probability of a push that has a row.
func (b *Backfill) chance(p job.PushRef, chance float64) {
	if r := b.rowOf(p); r != nil {
		r.Probability = chance
	}
}

func (b *Backfill) untestable(p job.PushRef, why string) {
	if r := b.rowOf(p); r != nil {
		r.Untestable = Text(job.Visible(why))
	}
}

// planned marks the rows on which the plan would run the label. Builds are not counted: the grid
// shows runs of the label.
func (b *Backfill) planned() {
	for i := range b.Rows {
		b.Rows[i].Planned = 0
	}
	for _, st := range b.Plan.Steps {
		if r := b.rowOf(st.Push.Ref()); r != nil && st.Action != trigger.ActionNothing &&
			st.Action != trigger.ActionBuild {
			r.Planned += st.Count
		}
	}
}

// sumUp computes the costs from the runs in the grid. Only runs of this backfill cost something;
// the usual duration is the median of all. Of an even number of runs that is the longer one of the
// two in the middle: 9 of 5, 7, 9, 12.
func (b *Backfill) sumUp() {
	c := &b.Cost
	c.Runs, c.Ended, c.Red, c.Machine = 0, 0, 0, 0
	c.Most = b.Ask.MaxRuns
	var lengths []float64
	for _, row := range b.Rows {
		for _, r := range row.Runs {
			if r.Seconds > 0 {
				lengths = append(lengths, r.Seconds)
			}
			if !r.Ours {
				continue
			}
			c.Runs++
			if r.Result == Queued || r.Result == UnderWay {
				continue
			}
			c.Ended++
			c.Machine += r.Seconds
			// People see the job's status and classify it, whatever the run means for the question:
			// a job that failed in another test is red too.
			if st, err := job.ParseStatus(r.Status); err == nil && st.Failed() {
				c.Red++
			}
		}
	}
	if len(lengths) > 0 {
		slices.Sort(lengths)
		c.Usual = lengths[len(lengths)/2]
	}
}

// bounds sets the last good and the first bad push while a search goes on: going back from the
// newest push, the first one that only passed is the last good, and the one seen failing before it
// the first bad.
//
//	30 failed            the first bad push so far
//	29 passed, failed    flaky: now this is the first bad push
//	28 did not run
//	27 passed            the last good push; older ones do not matter
func (b *Backfill) bounds() {
	b.LastGood, b.FirstBad = nil, nil
	for i := range b.Rows { // newest first
		r := b.Rows[i]
		switch {
		case r.Passed > 0 && r.Failed == 0:
			b.LastGood = &r.Push
			return
		case r.Failed > 0:
			b.FirstBad = &r.Push
		}
	}
}

// boundsAround sets the bounds once the search knows the culprit. A flaky job also passes after the
// break by luck, so the culprit is the first bad push whatever ran after it. The last good push is
// the next older one with a pass, whether it also failed or not.
func (b *Backfill) boundsAround(culprit job.PushRef) {
	for i, r := range b.Rows {
		if !same(r.Push, culprit) {
			continue
		}
		b.FirstBad, b.LastGood = &b.Rows[i].Push, nil
		for k := i + 1; k < len(b.Rows) && b.LastGood == nil; k++ {
			if b.Rows[k].Passed > 0 {
				b.LastGood = &b.Rows[k].Push
			}
		}
		return
	}
}

// credible sets the pushes that can have broken the job, by the search's latest decision.
func (b *Backfill) credible(d culprit.Decision, pushes []backfill.Tested) {
	b.Credible = []Suspect{}
	for _, c := range d.Credible {
		b.Credible = append(b.Credible, Suspect{pushes[c.Push].Push.Ref(), c.Probability})
	}
}

// confirmed reports whether the culprit failed and the push before it passed. There must be a
// Culprit. When nothing ran on the push before it, it is not confirmed.
func (b *Backfill) confirmed() bool {
	for i, r := range b.Rows {
		if same(r.Push, b.Culprit.Push) {
			return r.Failed > 0 && i+1 < len(b.Rows) && b.Rows[i+1].Passed > 0
		}
	}
	return false
}

// warn adds a warning that is not there yet: a search may give the same one in every round.
func (b *Backfill) warn(w string) {
	if !slices.Contains(b.Warnings, w) {
		b.Warnings = append(b.Warnings, w)
	}
}

// left is the expected time until the answer, in seconds: the remaining rounds times the usual
// length of a run, as the runs of one round run at the same time. A fill is one round. With 9 more
// runs expected in batches of 4 there are 3 rounds. nil when it is unknown.
func (b *Backfill) left() *float64 {
	if !b.State.Open() || b.Cost.Usual == 0 {
		return nil
	}
	rounds := 1
	if b.Ask.Mode == Search {
		rounds = max(1, (b.Cost.Forecast+b.Ask.Batch-1)/max(1, b.Ask.Batch))
	}
	s := float64(rounds) * b.Cost.Usual
	return &s
}

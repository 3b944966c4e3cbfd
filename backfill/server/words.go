package server

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/internal/phrase"
	"github.com/mozci/mozci/job"
)

// A backfill in sentences: Answer and Why, which the page, the API and a bug show, and lines of the
// log. They are stored with the backfill and say the same everywhere. pagewords.go has the words
// that only the page needs.

// name is how people call a push: by its id or, without one, by the start of its revision.
func name(p job.PushRef) string {
	if p.ID > 0 {
		return strconv.FormatInt(p.ID, 10)
	}
	return short(p.Revision)
}

func runs(n int) string    { return phrase.Count(n, "run") }
func results(n int) string { return phrase.Count(n, "result") }
func pushes(n int) string  { return phrase.Count(n, "push") }

func were(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

func are(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// lasting is a duration in words, rounded: "40 s", "36 min", "2 h 5 min".
func lasting(d time.Duration) string {
	switch m := int(math.Round(d.Minutes())); {
	case d < time.Minute:
		return strconv.Itoa(max(1, int(math.Round(d.Seconds())))) + " s"
	case m < 100:
		return strconv.Itoa(m) + " min"
	case m%60 == 0:
		return strconv.Itoa(m/60) + " h"
	default:
		return fmt.Sprintf("%d h %d min", m/60, m%60)
	}
}

// full makes a sentence of a text: a capital at its beginning and a full stop at its end.
//
//	it broke           → It broke.
//	linux64/opt failed → linux64/opt failed.
//	why?               → Why?
func full(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	if word, _, _ := strings.Cut(s, " "); !strings.ContainsAny(word, "/_-.0123456789") && s[0] >= 'a' && s[0] <= 'z' {
		s = string(s[0]-'a'+'A') + s[1:] // a label or a number stays as it is
	}
	if !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, "?") {
		s += "."
	}
	return s
}

// forPeople is the reason of a step without the search's measure, such as "3.10 bits": the page
// says what it means. "3.1 bits of uncertainty left; 2 queued" → "most informative next run; 2
// queued".
func forPeople(why string) string {
	measure, rest, _ := strings.Cut(why, "; ")
	if !strings.Contains(measure, " bits ") {
		return why
	}
	if rest == "" {
		return "most informative next run"
	}
	return "most informative next run; " + rest
}

// outcomeWord says how a run ended. For a run that is not in the grid r is empty, and the status
// says it.
func outcomeWord(r Result, st job.Status) string {
	switch r {
	case Passed:
		return "passed"
	case Failure:
		return "failed"
	case Elsewhere:
		return "failed in another test, so it does not count"
	case Machine:
		return "was ended by a machine problem, so it does not count"
	case Coalesced:
		return "was coalesced: it did not run"
	case Stopped:
		return "was cancelled"
	case Skipped:
		return "did not run"
	case Unclear:
		return "ended without a result that counts"
	case UnderWay, Queued:
		return "is under way"
	}
	switch {
	case st == job.StatusSuccess:
		return "passed"
	case st.Failed():
		return "failed"
	}
	return "ended: " + strings.ReplaceAll(st.String(), "_", " ")
}

// merged says what a merge brought. Gone says that mozci cannot look into the repository.
func merged(m backfill.Followed) string {
	switch {
	case m.Gone:
		return fmt.Sprintf("push %d is a merge from %s, a repository that this service does not know", m.Through.ID,
			m.Repo)
	case m.LastGood != nil && m.FirstBad != nil:
		return fmt.Sprintf("push %d is a merge from %s: the last good push there is %s, the first bad one %s",
			m.Through.ID,
			m.Repo, name(m.LastGood.Ref()), name(m.FirstBad.Ref()))
	}
	return fmt.Sprintf("push %d is a merge from %s; the job did not run on %s there", m.Through.ID, m.Repo,
		pushes(len(m.Missing)))
}

// sure is the probability from which on the page says "broke it" and not "probably broke it".
const sure = 0.95

// describe writes the answer in words. It runs before each save, so that the texts always match the
// facts. The answer of a Refused backfill is set once, by refuse.
func (b *Backfill) describe() {
	if b.State == Waiting && b.begun() {
		b.State = Running
	}
	b.Cost.Left = b.left()
	if b.Ask.Mode == Search && b.Culprit != nil {
		b.boundsAround(b.Culprit.Push)
	}
	b.Probability = nil
	switch {
	case b.Culprit != nil:
		b.Probability = &b.Culprit.Probability
	case len(b.Credible) > 0:
		b.Probability = &b.Credible[0].Probability
	}
	if b.State == Refused {
		return
	}
	b.Answer = b.answer()
	if why := b.because(); why != "" {
		b.Why = Text(why)
	}
}

// answer says in one sentence where the backfill stands. Running and Undecided, which have no
// sentence of their own, get the one of remaining.
func (b *Backfill) answer() string {
	switch b.State {
	case Planned:
		return b.proposal()
	case Waiting:
		if n := b.underWay(); n > 0 {
			return runs(n) + " " + are(n) + " queued; none has started"
		}
		return "Accepted; mozci has triggered nothing yet"
	case Cancelled:
		return string(b.CancelledBy) + " cancelled this"
	case Failed:
		return b.failure()
	case Done:
		if b.Outcome == "not_a_regression" {
			return "No push broke it: the job was as flaky before" + b.rateWords()
		}
		if b.Culprit != nil {
			if b.Culprit.Probability < sure {
				return "Push " + name(b.Culprit.Push) + " probably broke it: " + phrase.Sureness(b.Culprit.Probability)
			}
			return "Push " + name(b.Culprit.Push) + " broke it: " + phrase.Sureness(b.Culprit.Probability) + " sure"
		}
	}
	return b.remaining()
}

// proposal is the answer of a dry run. on counts the pushes with runs of the label. A plan that
// only makes builds has none and says 1 push.
func (b *Backfill) proposal() string {
	total, on := b.Plan.Total(), 0
	for _, r := range b.Rows {
		if r.Planned > 0 {
			on++
		}
	}
	switch {
	case total == 0 && b.LastGood != nil && b.FirstBad != nil && b.gap() == 0:
		return "Nothing is missing: " + name(*b.LastGood) + " passed and " + name(*b.FirstBad) + " failed"
	case total == 0 && b.underWay() > 0:
		return "Nothing to trigger: " + runs(b.underWay()) + " " + are(b.underWay()) + " under way"
	case total == 0:
		return "Nothing can be triggered"
	}
	return "mozci would trigger " + runs(total) + " on " + pushes(max(on, 1))
}

// failure is the answer of a backfill that failed.
func (b *Backfill) failure() string {
	switch b.Reason {
	case Denied:
		return "The caller's credentials are not sufficient"
	case CIRefused:
		return "The CI refused the request"
	case Unavailable:
		return "A service did not answer"
	case Malformed:
		return "A service sent an answer that mozci does not understand"
	case NotFound:
		return "The push or the job no longer exists"
	}
	return "mozci failed"
}

// remaining says which pushes can have broken the job.
//
//	one push above 50%, still searching → Push 1234 probably broke it: 62%
//	two pushes above 90% together, over → Two pushes remain: 1234 (55%) and 1236 (41%)
//	last good and first bad known       → Between 1230 and 1235: 5 pushes left
func (b *Backfill) remaining() string {
	top := b.top(3)
	switch {
	case len(top) > 0 && b.State.Open() && top[0].Probability > 0.5:
		return "Push " + name(top[0].Push) + " probably broke it: " + phrase.Sureness(top[0].Probability)
	case !b.State.Open() && len(top) == 2 && top[0].Probability+top[1].Probability > 0.9:
		return fmt.Sprintf("Two pushes remain: %s (%s) and %s (%s)", name(top[0].Push),
			phrase.Sureness(top[0].Probability), name(top[1].Push), phrase.Sureness(top[1].Probability))
	case b.LastGood != nil && b.FirstBad != nil && b.gap() > 0:
		return fmt.Sprintf("Between %s and %s: %s left", name(*b.LastGood), name(*b.FirstBad), pushes(b.gap()+1))
	case len(top) == 1 && !b.State.Open():
		return fmt.Sprintf("Not sure: push %s has a probability of %s", name(top[0].Push),
			phrase.Sureness(top[0].Probability))
	case b.State.Open():
		return "Looking for the push that broke it"
	}
	return "mozci could not find out which push broke it"
}

// top are the n most probable pushes of at least 1%.
func (b *Backfill) top(n int) []Suspect {
	var out []Suspect
	for _, c := range b.Credible {
		if c.Probability >= 0.01 && len(out) < n {
			out = append(out, c)
		}
	}
	return out
}

// gap is the number of pushes between the last good and the first bad push, without these two: 0
// when they are neighbours. Without a last good push in the rows it counts to the oldest row, and
// without a first bad one it is 0.
func (b *Backfill) gap() int {
	n, inside := 0, false
	for _, r := range b.Rows { // newest first
		switch {
		case b.FirstBad != nil && same(r.Push, *b.FirstBad):
			inside = true
		case b.LastGood != nil && same(r.Push, *b.LastGood):
			return n
		case inside:
			n++
		}
	}
	return n
}

// underWay counts the runs that are queued or running, whoever triggered them.
func (b *Backfill) underWay() int {
	n := 0
	for _, r := range b.Rows {
		n += r.UnderWay
	}
	return n
}

// begun reports whether any run that it triggered has started. One that the CI coalesced or skipped
// never did.
func (b *Backfill) begun() bool {
	for _, row := range b.Rows {
		if slices.ContainsFunc(row.Runs, func(r Run) bool {
			return r.Ours && r.Result != Queued && r.Result != Coalesced && r.Result != Skipped
		}) {
			return true
		}
	}
	return false
}

// rateWords are the failure rates before and since, in brackets; empty while one is unknown.
func (b *Backfill) rateWords() string {
	if b.FailRate.Before == nil || b.FailRate.After == nil {
		return ""
	}
	return " (" + phrase.Sureness(*b.FailRate.Before) + " and " + phrase.Sureness(*b.FailRate.After) + ")"
}

// because says what the answer rests on; empty where another text already does.
func (b *Backfill) because() string {
	if b.State == Cancelled || b.State == Failed || b.State == Planned && b.Plan.Total() > 0 && b.LastGood == nil {
		return ""
	}
	if b.LastGood == nil || b.FirstBad == nil {
		return ""
	}
	text := "Last good " + name(*b.LastGood) + ", first bad " + name(*b.FirstBad) + "."
	if b.FailRate.Before != nil && b.FailRate.After != nil && b.Culprit != nil {
		text += fmt.Sprintf(" It failed in %s of the runs before and in %s since.", phrase.Sureness(*b.FailRate.Before),
			phrase.Sureness(*b.FailRate.After))
	}
	return text
}

// ending is the last line of the log.
func (w *work) ending(st State) string {
	switch st {
	case Cancelled:
		return string(w.r.CancelledBy) + " cancelled it."
	case Failed:
		return "The backfill failed."
	case Done:
		return "The backfill has its answer."
	}
	return "The backfill ended without an answer."
}

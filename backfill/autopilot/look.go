package autopilot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/internal/phrase"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// One look at a failure: the stages are gathered one after the other, and after each the gates are
// asked, so that a failure which is refused early costs little. A stage that cannot be read gives
// an error, and the failure is looked at again; only what the gates unread and blind are about is
// recorded in the facts instead.

// look decides about a failure. It gathers the facts stage by stage, asks the gates after each, and
// opens a case when none refuses. It returns after how long to look again; 0 when that is decided.
func (r *Robot) look(ctx context.Context, f *Failure) (again time.Duration, err error) {
	l := &looking{r: r, f: Facts{Config: r.cfg, Failure: *f}}
	defer func() { l.keep(f) }()
	for stage := StageHeard; stage < StageAll; stage++ {
		if err := l.gather(ctx, stage); err != nil {
			return 0, err
		}
		if no, refused := Gate(l.f, stage); refused {
			return l.refused(ctx, f, no)
		}
	}
	return l.open(ctx, f)
}

// looking gathers the facts about one failure.
type looking struct {
	r     *Robot
	f     Facts
	repo  job.Repository      // nil before the first stage, and when the file does not name it
	jobs  []job.Job           // all runs of the label on the push
	first job.Job             // a failed run, preferably one that came with the push; nil when none failed
	find  backfill.FindResult // zero before the stage of the history
}

// keep writes into the failure what was learnt, whatever the decision.
func (l *looking) keep(f *Failure) {
	g := l.f.Failure
	f.Read, f.Signatures, f.Tests, f.New = g.Read, g.Signatures, g.Tests, g.New
}

// refused records a gate's refusal. Some final refusals are reported: they become a case that has
// ended already. A label that never ran before is not reported as never green, and a failure
// without signatures is not reported at all.
func (l *looking) refused(ctx context.Context, f *Failure, no Refusal) (time.Duration, error) {
	f.Rule, f.Why = no.Rule, no.Why
	f.Blind, f.BlindAt = again(no.Rule == RuleBlind, f.Blind, f.BlindAt, l.f.Now)
	if !no.Final() {
		return no.Wait, nil
	}
	outcome, told := map[Rule]Outcome{
		RuleNeverGreen: NeverGreen, RuleBackout: BackedOut, RuleBlind: CouldNotSee, RuleBudget: OverBudget,
	}[no.Rule]
	if told && (no.Rule != RuleNeverGreen || l.f.Ran > 0) && len(l.f.Failure.Signatures) > 0 {
		c := l.newCase()
		c.State, c.Rule, c.Why = Ended, no.Rule, no.Why
		c.Report = c.report(outcome, l.f.FirstBad, nil, no.Why)
		if b := l.f.BackedOut; b != nil {
			c.Report.Credible = []Chance{}
		}
		// A case that has ended is stored even when 0 may be open; see WorkStore.Open.
		made, fresh, err := l.r.store.Open(ctx, c, l.spans(), 0)
		if err != nil {
			return 0, err
		}
		f.Case = made.Key
		if !fresh {
			f.Rule, f.Why = RuleCase, fmt.Sprintf("case %s is about the same failure", made.Key)
		}
	}
	l.remember(ctx, no.Rule)
	f.Decided = true
	l.r.log.InfoContext(ctx, "left alone", "repo", f.Push.Repo, "push", f.Push.ID, "label", f.Label, "rule",
		string(f.Rule),
		"why", f.Why)
	return 0, nil
}

// remember stores the signatures of a failure that was left alone before its log was read, so that
// they are known the next time. It tries once; a signature that cannot be read now will look new
// then.
func (l *looking) remember(ctx context.Context, rule Rule) {
	if l.f.Failure.Read || rule != RuleMixed && rule != RuleAge && rule != RuleCancelled {
		return
	}
	err := error(nil)
	if l.first == nil {
		err = l.runs(ctx)
	}
	if err == nil && l.first != nil && !l.f.Offspring {
		if err = l.log(ctx); err == nil {
			err = l.f.Unread
		}
	}
	if err != nil {
		l.r.log.InfoContext(ctx, "the signatures of a failure that was left alone could not be read", "run",
			l.f.Failure.Run, "err", err)
	}
}

// gather reads the facts of a stage.
func (l *looking) gather(ctx context.Context, s Stage) error {
	switch s {
	case StageHeard:
		return l.heard(ctx)
	case StageStore:
		return l.ofStore(ctx)
	case StageRuns:
		return l.runs(ctx)
	case StageLog:
		return l.log(ctx)
	case StageHistory:
		return l.history(ctx)
	case StagePeople:
		return l.people(ctx)
	case StageCosts:
		return l.costs(ctx)
	}
	return nil
}

// heard reads the clock and, for a repository of the file, whether its pushes follow each other. A
// repository that the file does not name is not opened.
func (l *looking) heard(ctx context.Context) (err error) {
	if l.f.Now, err = l.r.store.Now(ctx); err != nil {
		return err
	}
	if unnamed(l.f) != nil {
		return nil
	}
	if l.repo, err = l.r.places.Repository(l.f.Failure.Push.Repo); err != nil {
		return err
	}
	l.f.NoLine, err = l.r.line(ctx, l.repo)
	return err
}

func (l *looking) ofStore(ctx context.Context) (err error) {
	l.f.OptedOut, err = l.r.store.OptedOut(ctx, l.f.Failure.Push)
	return err
}

// runs reads what the label did on the push. A failed run that came with the push goes before one
// that was triggered later; Offspring says that there is none that came with it.
func (l *looking) runs(ctx context.Context) (err error) {
	f := l.f.Failure
	if l.jobs, err = l.r.ci.Jobs(ctx, f.Push, f.Label); err != nil {
		return err
	}
	if l.f.Runs, err = analysis.OfRuns(ctx, l.jobs, nil); err != nil {
		return err
	}
	for _, j := range l.jobs {
		if !j.Status().Failed() {
			continue
		}
		added, err := l.r.added(ctx, l.jobs, j, f.Label)
		if err != nil {
			return err
		}
		if !added {
			l.first, l.f.Offspring = j, false
			break
		}
		if l.first == nil {
			l.first, l.f.Offspring = j, true
		}
	}
	if l.f.Offspring {
		l.f.By, _ = job.RequesterOf(ctx, l.r.ci, l.first) // only for people; no decision depends on it
	}
	return l.builds(ctx)
}

// added reports whether a run was triggered after its push. When the CI cannot tell, the ledger
// knows the runs that mozci triggered.
func (r *Robot) added(ctx context.Context, all []job.Job, j job.Job, label string) (bool, error) {
	added, err := job.WasAdded(ctx, r.ci, j)
	if errors.Is(err, errors.ErrUnsupported) {
		return trigger.Offspring(ctx, r.ci, r.places.Ledger, j.Push(), all, label)
	}
	return added, err
}

// builds looks for a failed build that the label needs: such a test failed because it did not get
// its files. It asks only when the run is busted and no build itself. Of several failed builds the
// last is named. A CI without a catalog, or a label that is not in it, has no known builds.
func (l *looking) builds(ctx context.Context) error {
	if l.first == nil || l.first.Status() != job.StatusBusted || l.first.Kind() == job.KindBuild {
		return nil
	}
	entries, err := job.Catalog(ctx, l.r.ci, l.f.Failure.Push, l.f.Failure.Label)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, job.ErrNotScheduled) {
		return nil
	}
	if err != nil {
		return err
	}
	e, err := job.Lookup(entries, l.f.Failure.Label)
	if err != nil || len(e.Upstreams) == 0 {
		return nil //nolint:nilerr // the label is not in the catalog, so its builds are unknown
	}
	jobs, err := l.r.ci.Jobs(ctx, l.f.Failure.Push, e.Upstreams...)
	if err != nil {
		return err
	}
	for _, b := range e.Upstreams {
		runs, err := analysis.OfRuns(ctx, analysis.OfLabel(jobs, b), nil)
		if err != nil {
			return err
		}
		if runs.Verdict() == analysis.Bad {
			l.f.Broken = b
		}
	}
	return nil
}

// history finds the last good push, and reads the newer pushes. Of a history that could be read in
// part, what was read counts.
func (l *looking) history(ctx context.Context) error {
	f := l.f.Failure
	judge, err := l.r.judge(ctx, f)
	if err != nil {
		return err
	}
	l.f.FirstBad = f.Push
	l.find, err = backfill.Find(ctx, l.repo, l.r.ci, f.Label, f.Push.Revision, &backfill.FindOptions{
		MaxRevisions: l.r.cfg.MaxRevisions, Judge: judge, Logger: l.r.log,
	})
	if errors.Is(err, backfill.ErrNotBad) { // its log says that this run did not fail in the test
		l.f.Unread = err
		return nil
	}
	if err != nil && len(l.find.History) == 0 {
		return err
	}
	// History[0] is the failure's own push.
	l.f.LastGood, l.f.Older = l.find.LastGood, len(l.find.History)-1
	if l.find.FirstBad != nil {
		l.f.FirstBad = *l.find.FirstBad
	}
	for _, s := range l.find.History[1:] {
		if s.Verdict != analysis.NotRun && s.Verdict != analysis.Untestable {
			l.f.Ran++
		}
	}
	l.f.Gap = len(l.find.Missing) + len(l.find.Unclear)
	l.f.Running = slices.Clone(l.find.Running)
	return l.newer(ctx, judge)
}

// newerMost is the maximum number of pushes after a failure that are read.
const newerMost = 10

// newer reads what the label did on the pushes after the failure. One red run makes a push bad,
// also beside green ones.
func (l *looking) newer(ctx context.Context, judge analysis.Judge) error {
	seen, err := l.r.newer(ctx, l.repo, l.f.Failure.Label, l.f.Failure.Push, judge)
	if err != nil {
		return err
	}
	for _, s := range seen {
		switch {
		case s.runs.Bad > 0:
			l.f.Newer = append(l.f.Newer, Newer{s.push, analysis.Bad})
		case s.runs.Good > 0:
			l.f.Newer = append(l.f.Newer, Newer{s.push, analysis.Good})
		// A run requested after the quiet time is not waited for, or each new push would prolong
		// the wait.
		case s.runs.Running > 0 && !s.requested.After(l.f.Failure.Heard.Add(l.r.cfg.Quiet)):
			l.f.Running = append(l.f.Running, s.push)
		}
	}
	return nil
}

// laterPush is what the label did on a push newer than a failure.
type laterPush struct {
	push      job.Push
	runs      analysis.Runs
	requested time.Time // when the first of its runs under way was requested; zero when none is, or it is not known
}

// newer reads what the label did on the pushes after one, oldest first.
func (r *Robot) newer(
	ctx context.Context, repo job.Repository, label string, after job.Push, judge analysis.Judge,
) (out []laterPush, err error) {
	all, err := repo.Pushes(ctx, job.Around(after.Revision, 0, newerMost))
	if err != nil {
		return nil, err
	}
	// Around includes the push itself.
	all = slices.DeleteFunc(all, func(p job.Push) bool { return p.Compare(after) <= 0 || !p.Testable() })
	history := analysis.NewHistory(r.ci, all)
	read := func(ctx context.Context, p job.Push, _ *slog.Logger) (laterPush, error) {
		jobs, err := history.Jobs(ctx, p, label)
		if err != nil {
			return laterPush{}, err
		}
		l := laterPush{push: p}
		for _, j := range jobs {
			if t := j.Times().Requested; j.Status().Waiting() && (l.requested.IsZero() || t.Before(l.requested)) {
				l.requested = t
			}
		}
		l.runs, err = analysis.OfRuns(ctx, analysis.OfLabel(jobs, label), judge)
		return l, err
	}
	for got := range analysis.Ordered(ctx, all, read, nil) {
		if got.Err != nil {
			return out, got.Err
		}
		out = append(out, got.Value)
	}
	slices.SortFunc(out, func(a, b laterPush) int { return a.push.Compare(b.push) })
	return out, ctx.Err()
}

// people reads how people classified the failed runs, and what they backed out. The first
// classification that a person made counts. A source that does not answer sets Blind and is no
// error: the gate decides how long to wait for it.
func (l *looking) people(ctx context.Context) error {
	for _, j := range l.jobs {
		if !j.Status().Failed() {
			continue
		}
		c, err := job.Classified(ctx, l.r.ci, j)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
		case err != nil:
			l.f.Blind = err
			return ctx.Err()
		case c.Classified():
			l.f.Class = c
			return nil
		}
	}
	suspects := l.find.Suspects()
	undone, by, err := backouts(ctx, l.repo, suspects, l.f.newestRed())
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		l.f.Blind = err
	default:
		l.f.BackedOut, l.f.Backout, l.f.Suspects = undone, by, len(suspects)
		if n := len(l.f.Newer); by != nil && n > 0 {
			l.f.Settled = l.f.Newer[n-1].Push.Compare(*by) >= 0
		}
	}
	return nil
}

// newestRed is the newest push that is red; the failure's own when no newer one is.
func (f Facts) newestRed() job.Push {
	red := f.Failure.Push
	for _, n := range f.Newer {
		if n.Verdict == analysis.Bad {
			red = n.Push
		}
	}
	return red
}

// backouts looks for a suspect that was backed out after the newest red push. One that was backed
// out before that push cannot have caused its failure. With the suspects 4 and 5, and push 7 red, a
// backout of 4 by push 6 does not count, and one by push 8 does. Both results are nil for none, and
// for a repository that cannot tell backouts.
func backouts(ctx context.Context, repo job.Repository, suspects []job.Push, red job.Push) (undone, by *job.Push,
	err error,
) {
	for _, p := range suspects {
		if !p.Testable() {
			continue
		}
		found, err := job.Backouts(ctx, repo, p)
		if errors.Is(err, errors.ErrUnsupported) {
			return nil, nil, nil
		}
		if err != nil {
			return nil, nil, err
		}
		for _, b := range found {
			if b.Compare(red) > 0 {
				return &p, &b, nil
			}
		}
	}
	return nil, nil, nil
}

// costs reads how busy the label's queue is, and which budgets are left. One run must fit; a case
// pays for each of its requests again.
func (l *looking) costs(ctx context.Context) error {
	depth, err := job.QueueDepthOf(ctx, l.r.ci, l.f.Failure.Label)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	l.f.Queue = depth
	if mode, _ := l.r.mode(ctx); mode != Act {
		return nil // a dry run spends nothing
	}
	over, err := l.r.over(ctx, l.r.spend(l.newCase(), "", l.f.Failure.Label, 1))
	if over != nil {
		l.f.Over, l.f.OverMax = over.String(), over.Most
	}
	return err
}

// spans returns the ranges of pushes that can have caused the failure. Without a last good push,
// Low is 0: every push up to the first bad one.
func (l *looking) spans() []Span {
	s := Span{Repo: l.f.Failure.Push.Repo, High: place(l.f.FirstBad)}
	if l.f.LastGood != nil {
		s.Low = place(*l.f.LastGood)
	}
	return []Span{s}
}

// newCase is the case that this failure would open. It is about the new signatures or, when there
// are none, about all. When the push has too many new ones, one case is about them all, and a
// signature that names only the push lets the other failures of the push join it.
func (l *looking) newCase() Case {
	f := l.f.Failure
	signs := f.New
	if len(signs) == 0 {
		signs = f.Signatures
	}
	c := Case{
		Repo: f.Push.Repo, Label: f.Label, Labels: []string{f.Label}, Signatures: slices.Clone(signs), Kind: f.Kind,
		Run: f.Run, Push: l.f.FirstBad, LastGood: l.f.LastGood, State: Waiting, Mode: l.r.cfg.Mode, Rule: RuleOpened,
		Takes: usualMinutes, Start: f.Push,
	}
	if len(signs) > 0 {
		c.Signature, c.Test = signs[0], f.test(signs[0])
	}
	if l.first != nil {
		c.Run, c.Page, c.Kind = l.first.ID(), job.PageOf(l.r.ci, l.first), l.first.Kind()
		if t := l.first.Times(); !t.Started.IsZero() && t.Finished.After(t.Started) {
			c.Takes = t.Finished.Sub(t.Started).Minutes()
		}
	}
	c.Why = fmt.Sprintf("%s failed on push %d with a signature that was not seen for %s", f.Label, f.Push.ID,
		phrase.Count(l.r.cfg.KnownDays, "day"))
	if l.f.Many > l.r.cfg.Together {
		c.Signature = fmt.Sprintf("%s and %d more", c.Signature, l.f.Many-1)
		c.Signatures = append(c.Signatures, fmt.Sprintf("more than %d new failures on push %d", l.r.cfg.Together,
			f.Push.ID))
		c.Why = fmt.Sprintf("push %d has %d new failures, which are one case", f.Push.ID, l.f.Many)
	}
	// They may be long, and the repository has them.
	c.Push.Changesets, c.Start.Changesets = nil, nil
	parts := []string{c.Repo, strconv.FormatInt(c.Push.ID, 10), c.Push.Revision}
	c.Key = "c-" + keyOf(append(parts, c.Signatures...)...)
	return c
}

// usualMinutes is how many minutes a run is assumed to take when no duration is known.
const usualMinutes = 30

// test returns the test that a signature is about; empty when it names none.
func (f Failure) test(signature string) string {
	if i := slices.Index(f.Signatures, signature); i >= 0 && i < len(f.Tests) {
		return f.Tests[i]
	}
	return ""
}

// open opens a case for the failure, or adds it to one that exists. It returns 0 when that is done,
// and when to try again while too many cases are open.
func (l *looking) open(ctx context.Context, f *Failure) (time.Duration, error) {
	w, err := l.r.store.Window(ctx, l.r.cfg.Cases)
	if err != nil {
		return 0, err
	}
	made, fresh, err := l.r.store.Open(ctx, l.newCase(), l.spans(), w.Size)
	if errors.Is(err, ErrFull) {
		f.Rule = RuleCases
		f.Why = fmt.Sprintf("%s open, which is the maximum now", phrase.Count(w.Open, "case"))
		return shortWait, nil
	}
	if err != nil {
		return 0, err
	}
	f.Decided, f.Case, f.Rule, f.Why = true, made.Key, RuleOpened, made.Why
	if !fresh {
		f.Rule, f.Why = RuleCase, fmt.Sprintf("case %s is about the same failure", made.Key)
	}
	l.r.log.InfoContext(ctx, "a case", "key", made.Key, "new", fresh, "repo", f.Push.Repo, "push", f.Push.ID, "label",
		f.Label,
		"signature", made.Signature)
	l.r.wake()
	return 0, nil
}

// again counts how many times in a row a source did not answer. An event may make the robot look
// again long before the wait is over; such an early look does not count. n is that number so far,
// and at is when it last changed. After 2 times, the next look counts once 2 minutes have passed.
func again(blind bool, n int, at, now time.Time) (int, time.Time) {
	switch {
	case !blind:
		return 0, time.Time{}
	case n > 0 && now.Sub(at) < blindWait(n-1):
		return n, at
	}
	return n + 1, now
}

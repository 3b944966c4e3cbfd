package autopilot

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Day returns what the robot did on the UTC day of a time, and what its budgets have left now. The
// zero time means today. A switch that cannot be read is no error; see Day.SwitchOK. On an error,
// the Day has what was read before it.
func (r *Robot) Day(ctx context.Context, of time.Time) (Day, error) {
	now, err := r.store.Now(ctx)
	if err != nil {
		return Day{}, err
	}
	if of.IsZero() {
		of = now
	}
	d := Day{Date: of.UTC().Truncate(day)}
	d.Mode, d.Why = r.mode(ctx)
	d.Switch, err = r.store.Switch(ctx)
	d.SwitchOK = err == nil
	if d.Window, err = r.store.Window(ctx, r.cfg.Cases); err != nil {
		return d, err
	}
	if err := r.opened(ctx, &d); err != nil {
		return d, err
	}
	if err := r.left(ctx, &d); err != nil {
		return d, err
	}
	if err := r.spent(ctx, &d, now); err != nil {
		return d, err
	}
	d.Accuracy, err = r.accuracy(ctx, now)
	return d, err
}

// opened reads the cases that were opened on the day, and sums up what they cost until now.
func (r *Robot) opened(ctx context.Context, d *Day) (err error) {
	d.Cases, err = r.store.Cases(ctx, CaseQuery{Since: d.Date, Until: d.Date.Add(day)})
	for _, c := range d.Cases {
		d.New++
		if c.Report != nil && c.Report.Outcome == Culprit {
			d.Culprits++
		}
		d.Cost.Runs += c.Cost.Runs
		d.Cost.RedRuns += c.Cost.RedRuns
		d.Cost.Minutes += c.Cost.Minutes
	}
	return err
}

// mostLeft is the maximum number of decisions that a page shows, the newest ones.
const mostLeft = 200

// left reads the failures that were left alone on the day. Known ones are only counted.
func (r *Robot) left(ctx context.Context, d *Day) error {
	all, err := r.store.Failures(ctx, FailureQuery{Since: d.Date, Until: d.Date.Add(day)})
	for _, f := range all {
		switch {
		case f.Rule == RuleOpened, f.Rule == "":
		case f.Rule == RuleKnown:
			d.Known++
		case len(d.Left) < mostLeft:
			d.Left = append(d.Left, f.decision())
		}
	}
	return err
}

// decision is what was decided about a failure or, while it waits, what it waits for. Its time is
// then when the robot heard of it.
func (f Failure) decision() Decision {
	d := Decision{
		Time: f.At, Repo: f.Push.Repo, Label: f.Label, Push: f.Push.Ref(), Run: f.Run, Rule: f.Rule, Why: f.Why,
		Case: f.Case, Waits: !f.Decided,
	}
	if d.Time.IsZero() {
		d.Time = f.Heard
	}
	if len(f.Signatures) > 0 {
		d.Signature = f.Signatures[0]
	}
	return d
}

// spent reads what the last 24 hours used of the budgets. Labels and pools have a bar once they have
// used something; the others always do. Minutes are rounded.
func (r *Robot) spent(ctx context.Context, d *Day, now time.Time) error {
	spends, err := r.store.Spends(ctx, "", now.Add(-day))
	if err != nil {
		return err
	}
	bar := func(name string, l Limit) {
		d.Budgets = append(d.Budgets, Bar{Name: name, Used: int(used(l, spends) + 0.5), Limit: l.Most})
	}
	b := r.cfg.Budgets
	bar("runs", Limit{Meter: MeterRuns, Most: b.RunsDay})
	bar("red runs", Limit{Meter: MeterRed, Most: b.RedRunsDay})
	bar("minutes", Limit{Meter: MeterMinutes, Most: b.MinutesDay})
	type labelled struct{ repo, label string }
	labels := map[labelled]bool{}
	pools := map[string]bool{}
	for _, s := range spends {
		labels[labelled{s.Repo, s.Label}] = true
		for _, p := range s.Pools {
			pools[p] = true
		}
	}
	for _, p := range slices.Sorted(maps.Keys(pools)) {
		most := b.PoolDay
		if !strings.HasPrefix(p, platformPool) {
			most = b.Pools[p]
		}
		bar("pool "+p, Limit{Meter: MeterPool, Name: p, Most: most})
	}
	for _, kind := range slices.Sorted(maps.Keys(b.Kinds)) {
		bar("kind "+kind, Limit{Meter: MeterKind, Name: kind, Most: b.Kinds[kind]})
	}
	for _, l := range slices.SortedFunc(maps.Keys(labels), func(a, b labelled) int {
		return strings.Compare(a.repo+" "+a.label, b.repo+" "+b.label)
	}) {
		bar(fmt.Sprintf("label %s", l.label), Limit{Meter: MeterLabel, Repo: l.repo, Name: l.label, Most: b.LabelDay})
	}
	return nil
}

// accuracyOver is the period for which answers are compared with what people did.
const accuracyOver = 28 * day

// accuracy counts the answers of cases that were opened in that period. A case that a person called
// wrong counts as wrong, whatever its outcome.
func (r *Robot) accuracy(ctx context.Context, now time.Time) (a Accuracy, err error) {
	cases, err := r.store.Cases(ctx, CaseQuery{Since: now.Add(-accuracyOver)})
	for _, c := range cases {
		switch {
		case c.People.Answer == Right:
			a.Right++
		case c.People.Answer == Wrong:
			a.Wrong++
		case c.Report == nil:
		case c.Report.Outcome == Culprit:
			a.Open++
		case c.Report.Outcome == Undecided:
			a.Undecided++
		}
	}
	return a, err
}

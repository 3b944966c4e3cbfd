package autopilot

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

// What a request costs, and which limits it must respect. Before each request the guard spends its
// cost; account follows how the runs ended and corrects it.

// spend is what a request for a number of runs of a label costs a case. Minutes are expected: 2 runs
// of a label that takes 30 minutes cost 60. A build costs the minutes of the case's label too, until
// it has ended.
func (r *Robot) spend(c Case, key, label string, runs int) Spend {
	kind := c.Kind
	if variant(label) != variant(c.Label) {
		kind = job.KindBuild // everything else that a case triggers is a build that it needs
	}
	s := Spend{
		Key: key, Case: c.Key, Repo: c.Repo, Label: label, Kind: kind.String(), Runs: runs,
		Minutes: float64(runs) * c.Takes,
	}
	for _, pool := range slices.Sorted(maps.Keys(r.cfg.Budgets.Pools)) {
		if matches([]string{pool}, label) {
			s.Pools = append(s.Pools, pool)
		}
	}
	if r.cfg.Budgets.PoolDay >= 0 {
		s.Pools = append(s.Pools, platformPool+platform(label))
	}
	return s
}

// platformPool is the prefix of the pools of platforms: "platform linux64". A label has no space,
// so no glob of Budgets.Pools is taken for one.
const platformPool = "platform "

// limits returns the limits that a spend must respect. A limit of -1 is left out. A kind without a
// limit in the file has none.
func (r *Robot) limits(s Spend) []Limit {
	b := r.cfg.Budgets
	out := []Limit{
		{Meter: MeterRuns, Most: b.RunsDay},
		{Meter: MeterRed, Most: b.RedRunsDay},
		{Meter: MeterMinutes, Most: b.MinutesDay},
		{Meter: MeterLabel, Repo: s.Repo, Name: s.Label, Most: b.LabelDay},
	}
	for _, pool := range s.Pools {
		most := b.PoolDay
		if !strings.HasPrefix(pool, platformPool) {
			most = b.Pools[pool]
		}
		out = append(out, Limit{Meter: MeterPool, Name: pool, Most: most})
	}
	if most, ok := b.Kinds[s.Kind]; ok {
		out = append(out, Limit{Meter: MeterKind, Name: s.Kind, Most: most})
	}
	return slices.DeleteFunc(out, func(l Limit) bool { return l.Most < 0 })
}

// over returns the first limit that a spend would exceed; nil when it fits. It reads and spends
// nothing, so another case may be faster; Store.Spend decides.
func (r *Robot) over(ctx context.Context, s Spend) (*Limit, error) {
	now, err := r.store.Now(ctx)
	if err != nil {
		return nil, err
	}
	spends, err := r.store.Spends(ctx, "", now.Add(-day))
	if err != nil {
		return nil, err
	}
	// No run has ended yet, so all count as red; as in Store.Spend.
	s.Open = s.Runs
	for _, l := range r.limits(s) {
		if used(l, spends)+l.of(s) > float64(l.Most) {
			return &l, nil
		}
	}
	return nil, nil
}

// used is how much of a limit these spends use up: runs or minutes, by its meter.
func used(l Limit, spends []Spend) (n float64) {
	for _, s := range spends {
		n += l.of(s)
	}
	return n
}

// account reads how the runs that a case triggered ended, and records it in the budgets. Only
// spends with runs that have not ended are looked at again.
func (r *Robot) account(ctx context.Context, c *Case) error {
	spends, err := r.store.Spends(ctx, c.Key, c.Opened)
	if err != nil {
		return err
	}
	c.Cost = Cost{}
	for _, s := range spends {
		if s.Open > 0 {
			if s, err = r.settle(ctx, c, s); err != nil {
				return err
			}
		}
		c.Cost.Runs += s.Runs
		c.Cost.RedRuns += s.Red
		c.Cost.Minutes += s.Minutes
	}
	return nil
}

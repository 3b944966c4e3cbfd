package autopilot

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/ledger"
)

// From what Find has read to the view that decide needs: the line of pushes with what is known of
// each, the newer pushes, and, once only a merge is suspected, the pushes of the repository that it
// came from.

// byIDs returns the jobs with these ids or, without any ids, those that are newer than the first
// seen jobs, up to count. With 3 jobs by time of their request, seen 1 and count 1, it is the
// second.
func byIDs(jobs []job.Job, ids []string, seen, count int) []job.Job {
	if len(ids) > 0 {
		return slices.DeleteFunc(slices.Clone(jobs), func(j job.Job) bool { return !slices.Contains(ids, j.ID()) })
	}
	jobs = slices.Clone(jobs)
	slices.SortStableFunc(jobs, func(a, b job.Job) int { return a.Times().Requested.Compare(b.Times().Requested) })
	jobs = jobs[min(seen, len(jobs)):]
	return jobs[:min(count, len(jobs))]
}

// see makes the case's view from what was read. The first bad push is always in the history, as the
// start if no older push is bad, so bad is set by the end of the loop.
func (s *searching) see(ctx context.Context) error {
	c, find := s.c, s.find
	l := line{bad: -1}
	history := slices.Clone(find.History)
	slices.Reverse(history) // oldest first from here on
	for _, sight := range history {
		if find.LastGood != nil && sight.Push.Compare(*find.LastGood) < 0 {
			continue
		}
		sp, err := s.spot(ctx, sight)
		if err != nil {
			return err
		}
		l.spots = append(l.spots, sp)
		if find.FirstBad != nil && sight.Push.ID == find.FirstBad.ID {
			l.bad = len(l.spots) - 1
		}
	}
	if find.LastGood == nil { // index 0 is the good end
		l.spots, l.bad = append([]spot{{}}, l.spots...), l.bad+1
	}
	s.newest, s.last = c.Start, c.Start
	v := view{
		line: l, nameless: c.Test == "", flaky: find.Flaky, dry: s.mode != Act,
		age: s.now.Sub(c.Opened), maxAge: s.r.cfg.MaxAge, spent: c.Cost.Runs, left: s.r.cfg.MaxRuns - c.Cost.Runs,
	}
	for i := l.bad; i < len(l.spots); i++ {
		v.count(l.spots[i])
	}
	v.redRuns = l.spots[l.bad].bad
	if err := s.newer(ctx, &v); err != nil {
		return err
	}
	if err := s.older(ctx, &v); err != nil {
		return err
	}
	s.view = v
	return s.follow(ctx)
}

// count counts the results of a push from the first bad one on. One of 2 red runs and 1 green adds
// 1 to reds, 2 to failed and 1 to greens.
func (v *view) count(sp spot) {
	v.greens, v.failed = v.greens+sp.good, v.failed+sp.bad
	if sp.bad > 0 {
		v.reds++
	}
}

// spot returns what is known of a push. Requests in the ledger whose runs are not visible yet count
// as running. A request that a person withdrew is as good as a run that a person cancelled. Ours
// are only those of this case: other cases may have run the label there too.
func (s *searching) spot(ctx context.Context, sight backfill.Sighting) (spot, error) {
	r, label := sight.Runs, cmp.Or(sight.Label, s.c.Label)
	sp := spot{
		push: sight.Push, label: label, bad: r.Bad, good: r.Good, running: r.Running, counted: r.Counted,
		unclear: r.Unclear, cancelled: r.By[job.StatusCancelled] > 0,
		untestable: sight.Verdict == analysis.Untestable || s.c.Blocked[blockKey(sight.Push)] != "",
	}
	entries, err := s.r.places.Ledger.Entries(ctx, ledger.ForPush(sight.Push, label))
	if err != nil || len(entries) == 0 {
		return sp, err
	}
	if entries, err = ledger.Recheck(ctx, s.r.places.Ledger, s.r.ci, entries); err != nil {
		return sp, err
	}
	asked := ledger.Outstanding(entries, r.Seen)
	sp.running, sp.counted = sp.running+asked, sp.counted+asked
	for _, e := range entries {
		if e.State == ledger.Withdrawn {
			sp.cancelled = true
		}
		if e.Who == s.r.opts.Who && e.Purpose == s.c.purpose() && (e.State.Made() || e.State.Open()) {
			sp.ours += e.Count
		}
	}
	return sp, nil
}

// newer reads the pushes after the start, as many as newerMost, and notes the newest red one and the
// newest one with a result.
func (s *searching) newer(ctx context.Context, v *view) error {
	seen, err := s.r.newer(ctx, s.repo, s.c.Label, s.c.Start, s.judge)
	if err != nil {
		return err
	}
	v.pushed = len(seen)
	for _, p := range seen {
		if p.runs.Bad > 0 {
			s.newest = p.push
		}
		if p.runs.Good+p.runs.Bad > 0 {
			s.last = p.push
			v.count(spot{good: p.runs.Good, bad: p.runs.Bad})
			continue
		}
		if p.runs.Running > 0 {
			v.newerRunning = append(v.newerRunning, p.push)
		}
	}
	return nil
}

// older looks whether the label failed before the last good push in any way, which makes it flaky.
// Find has read only a few of these pushes, and counts only the same failure.
func (s *searching) older(ctx context.Context, v *view) error {
	if v.flaky {
		return nil
	}
	for _, sight := range s.find.Beyond {
		jobs, err := s.r.ci.Jobs(ctx, sight.Push, s.c.Label)
		if err != nil {
			return err
		}
		for _, j := range jobs {
			v.flaky = v.flaky || j.Status().Failed()
		}
	}
	return nil
}

// follow goes on in the repository that a merge brought its pushes from, once only the merge is
// suspected. It replaces the view's line by the one of the other repository. Its spot 0 is the last
// good push there, or the zero spot. Where none of the pushes is bad, bad is one past the last.
// Reds, greens and failed keep what was counted on this side of the merge.
func (s *searching) follow(ctx context.Context) error {
	suspects := s.view.line.suspects()
	if len(suspects) != 1 || len(s.view.line.gap()) > 0 || len(s.view.line.running()) > 0 {
		return nil
	}
	for _, d := range s.find.Merges {
		if d.Through.ID != suspects[0].ID || d.Through.Repo != suspects[0].Repo || d.Gone || len(d.History) == 0 {
			continue
		}
		l := line{spots: []spot{{}}}
		history := slices.Clone(d.History)
		slices.Reverse(history)
		for _, sight := range history {
			sp, err := s.spot(ctx, sight)
			if err != nil {
				return err
			}
			if d.LastGood != nil && sight.Push.ID == d.LastGood.ID {
				l.spots[0] = sp
				continue
			}
			l.spots = append(l.spots, sp)
			if l.bad == 0 && d.FirstBad != nil && sight.Push.ID == d.FirstBad.ID {
				l.bad = len(l.spots) - 1
			}
		}
		if l.bad == 0 {
			l.bad = len(l.spots)
		}
		for i := l.bad; i < len(l.spots); i++ {
			s.view.count(l.spots[i])
		}
		if d.LastGood != nil && len(l.spots) == 1 {
			continue // everything that it brought is good, so it is another merge, or the merge itself
		}
		s.view.line, s.inner = l, &d
		return s.extend(ctx, d, l)
	}
	return nil
}

// extend makes the case one about the pushes of the other repository too: the span from its last
// good push, or from just before the first push that was looked at, to its last one. When an
// earlier case has the same failure there, the error is a *joinedError.
func (s *searching) extend(ctx context.Context, d backfill.Followed, l line) error {
	high := l.spots[len(l.spots)-1].push
	span := Span{Repo: d.Repo, High: place(high)}
	if first := l.spots[1].push; d.LastGood != nil {
		span.Low = place(*d.LastGood)
	} else {
		span.Low = place(first) - 1
	}
	other, err := s.r.store.Extend(ctx, s.c.Key, []Span{span})
	if err == nil && other.Key != "" {
		return &joinedError{other.Key}
	}
	return err
}

// joinedError says that another case is about the same failure.
type joinedError struct{ key string }

func (e *joinedError) Error() string { return fmt.Sprintf("case %s is about the same failure", e.key) }

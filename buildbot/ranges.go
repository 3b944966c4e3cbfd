package buildbot

import (
	"context"
	"math"
	"strconv"

	"github.com/mozci/mozci/job"
)

// Pushes implements job.Repository. Errors are those of [Changes.Push]; a malformed range gives
// [job.ErrInvalid].
func (r *Changes) Pushes(ctx context.Context, in job.Range) ([]job.Push, error) {
	const op = "buildbot.pushes"
	way, err := checkRange(&in)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, job.Wrap(op, r.name, err)
	}
	return bounded(ctx, r.c, op, r.name, func(ctx context.Context) ([]job.Push, error) {
		return r.pushesIn(ctx, way, in)
	})
}

func (r *Changes) pushesIn(ctx context.Context, way job.Way, in job.Range) ([]job.Push, error) {
	var found []pushed
	m, _, err := r.refresh(ctx)
	if err == nil {
		switch way {
		case job.ByCenter:
			found, err = r.around(ctx, in)
		case job.ByRevisions:
			found, err = r.between(ctx, in)
		case job.ByDates:
			found, err = r.dates(ctx, m, in)
		default:
			found, err = r.ids(ctx, m, in.FirstID, in.LastID)
		}
	}
	if len(found) > 0 {
		m.used(found[0].ID)
	}
	r.wanted.Store(int64(len(found)))
	var out []job.Push
	for _, p := range found {
		out = append(out, clone(p.Push))
	}
	return out, err
}

// checkRange checks a range, and normalises its revisions. Range.Check accepts only hashes,
// while revisions here may be numbers. So it passes a copy whose valid revisions are replaced by
// "tip", which leaves the shape to check.
func checkRange(in *job.Range) (job.Way, error) {
	shape := *in
	for _, rev := range []struct{ own, shape *string }{
		{&in.From, &shape.From}, {&in.To, &shape.To}, {&in.Center, &shape.Center},
	} {
		parsed, err := parseRevision(*rev.own)
		if err == nil {
			*rev.own, *rev.shape = parsed, "tip"
		}
	}
	return shape.Check()
}

// around returns the pushes from in.Before before the center to in.After after it. With pushes 1
// to 9, center 5, Before 2 and After 1, they are 3, 4, 5 and 6. in.After is cut to the number of
// pushes before anything is added to it, as it may be the largest int.
func (r *Changes) around(ctx context.Context, in job.Range) ([]pushed, error) {
	m, p, err := r.find(ctx, in.Center)
	if err != nil {
		return nil, err
	}
	var count paging
	for t := m.now(); ; {
		i := t.index(p.Revision)
		switch {
		case i < 0: // the center is older than what was read: read around it only
			old, err := r.below(ctx, m, p.ID, 0, in.Before)
			if err != nil {
				return nil, err
			}
			later, err := r.above(ctx, m, p.ID, in.After)
			return append(append(old, p), later...), err
		case i >= in.Before || t.whole:
			return t.pushes[max(0, i-in.Before):min(len(t.pushes), i+min(in.After, len(t.pushes))+1)], nil
		}
		if t, err = r.extend(ctx, m, in.Before-i, &count); err != nil {
			return nil, err
		}
	}
}

// between returns the pushes from one revision to another, both included.
func (r *Changes) between(ctx context.Context, in job.Range) ([]pushed, error) {
	_, from, err := r.find(ctx, in.From)
	if err != nil {
		return nil, err
	}
	m, to, err := r.find(ctx, in.To)
	if err != nil {
		return nil, err
	}
	if err := in.CheckOrder(from.Push, to.Push); err != nil {
		return nil, err
	}
	return r.ids(ctx, m, from.ID, to.ID)
}

// ids returns the pushes with ids from first to last, both included. A range that lies below low
// entirely is read alone, without the changes between it and low: those with ids less than
// last+1 and at least first.
func (r *Changes) ids(ctx context.Context, m *memory, first, last int64) ([]pushed, error) {
	t := m.now()
	if last < t.low && !t.whole {
		return r.below(ctx, m, last+1, first, math.MaxInt)
	}
	var count paging
	for t.low > first && !t.whole {
		var err error
		if t, err = r.extend(ctx, m, int(min(t.low-first, largePage)), &count); err != nil {
			return nil, err
		}
	}
	return within(t.pushes, func(p pushed) bool { return p.ID >= first && p.ID <= last }), nil
}

// dates returns the pushes between two times, both included. Dates need not ascend with ids, so
// unless all changes are known the master must search for them. The master compares whole
// seconds, so what it finds is compared once more with the exact times.
func (r *Changes) dates(ctx context.Context, m *memory, in job.Range) ([]pushed, error) {
	var found []pushed
	if t := m.now(); t.whole {
		found = t.pushes
	} else {
		var err error
		found, err = r.below(ctx, m, 0, 0, math.MaxInt, "when_timestamp__ge", strconv.FormatInt(in.Since.Unix(), 10),
			"when_timestamp__le", strconv.FormatInt(in.Until.Unix(), 10))
		if err != nil {
			return nil, err
		}
	}
	return within(found, func(p pushed) bool { return !p.Time.Before(in.Since) && !p.Time.After(in.Until) }), nil
}

func within(all []pushed, is func(pushed) bool) []pushed {
	var out []pushed
	for _, p := range all {
		if is(p) {
			out = append(out, p)
		}
	}
	return out
}

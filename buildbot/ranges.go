package buildbot

import (
	"context"
	"math"
	"strconv"

	"github.com/mozci/mozci/job"
)

// Pushes implements job.Repository. Errors are those of [Changes.Push]; a range that is
// none gives [job.ErrInvalid].
func (r *Changes) Pushes(ctx context.Context, in job.Range) ([]job.Push, error) {
	const op = "buildbot.pushes"
	way, err := checkRange(&in)
	if err == nil {
		err = r.gate.lock(ctx)
	}
	if err != nil {
		return nil, job.Wrap(op, r.name, err)
	}
	defer r.gate.unlock()
	var found []pushed
	if err = r.refresh(ctx); err == nil {
		switch way {
		case job.ByCenter:
			found, err = r.around(ctx, in)
		case job.ByRevisions:
			found, err = r.between(ctx, in)
		case job.ByDates:
			found, err = r.dates(ctx, in)
		default:
			found, err = r.ids(ctx, in.FirstID, in.LastID)
		}
	}
	r.wanted.Store(int64(len(found)))
	var out []job.Push
	for _, p := range found {
		out = append(out, clone(p.Push))
	}
	return out, job.Wrap(op, r.name, err)
}

// checkRange checks a range. Its revisions need not be hashes here, so that the
// range's own check is asked about its shape alone.
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

// around reads as far from the center as the range goes.
func (r *Changes) around(ctx context.Context, in job.Range) ([]pushed, error) {
	p, err := r.find(ctx, in.Center)
	if err != nil {
		return nil, err
	}
	if r.index(p.Revision) < 0 { // far from the newest
		old, err := r.below(ctx, p.ID, 0, in.Before)
		if err != nil {
			return nil, err
		}
		later, err := r.above(ctx, p.ID, in.After)
		return append(append(old, p), later...), err
	}
	for r.index(p.Revision) < in.Before && !r.whole {
		if err := r.extend(ctx, in.Before-r.index(p.Revision)); err != nil {
			return nil, err
		}
	}
	i := r.index(p.Revision)
	return r.pushes[max(0, i-in.Before):min(len(r.pushes), i+min(in.After, len(r.pushes))+1)], nil
}

func (r *Changes) between(ctx context.Context, in job.Range) ([]pushed, error) {
	from, err := r.find(ctx, in.From)
	if err != nil {
		return nil, err
	}
	to, err := r.find(ctx, in.To)
	if err != nil {
		return nil, err
	}
	if err := in.CheckOrder(from.Push, to.Push); err != nil {
		return nil, err
	}
	return r.ids(ctx, from.ID, to.ID)
}

// ids reads from the last id down to the first.
func (r *Changes) ids(ctx context.Context, first, last int64) ([]pushed, error) {
	if last < r.low && !r.whole {
		return r.below(ctx, last+1, first, math.MaxInt)
	}
	for r.low > first && !r.whole {
		if err := r.extend(ctx, int(min(r.low-first, largePage))); err != nil {
			return nil, err
		}
	}
	return within(r.pushes, func(p pushed) bool { return p.ID >= first && p.ID <= last }), nil
}

// dates asks for the changes of some days: their order need not be that of ids.
func (r *Changes) dates(ctx context.Context, in job.Range) ([]pushed, error) {
	var found []pushed
	if r.whole {
		found = r.pushes
	} else {
		var err error
		found, err = r.below(ctx, 0, 0, math.MaxInt, "when_timestamp__ge", strconv.FormatInt(in.Since.Unix(), 10),
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

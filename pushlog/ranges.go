package pushlog

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/mozci/mozci/job"
)

// page is how many ids one request asks for, and mostPages how many requests one
// listing takes: no repository has had a million pushes in a range.
const (
	page      = 200
	mostPages = 5000
)

// Pushes implements job.Repository.
//
// Requests: by ids, one for each 200 ids; by revisions two more, or one when
// they are the same; around a revision one more, and one or two where many ids
// are missing; by dates one for each ten days, or a hundred. A range that would
// take more than 5,000 is an error.
func (l *Log) Pushes(ctx context.Context, r job.Range) ([]job.Push, error) {
	way, err := r.Check()
	if err != nil {
		return nil, job.Wrap("pushlog.pushes", l.name, err)
	}
	return within(ctx, l.server, "pushlog.pushes", l.name, func(ctx context.Context) (pushes []job.Push, err error) {
		switch way {
		case job.ByIDs:
			pushes, _, err = l.byIDs(ctx, r.FirstID, r.LastID, r.Full)
		case job.ByRevisions:
			pushes, err = l.between(ctx, r)
		case job.ByCenter:
			pushes, err = l.around(ctx, r)
		case job.ByDates:
			pushes, err = l.dates(ctx, r)
		}
		if err != nil {
			return nil, err
		}
		return pushes, nil
	})
}

// byIDs returns the pushes with ids from lo to hi, both included, and the last
// id of the repository. Both bounds are always sent: without a lower one the
// server ignores the upper one and answers the last ten pushes.
func (l *Log) byIDs(ctx context.Context, lo, hi int64, full bool) (out []job.Push, last int64, err error) {
	lo = max(lo, 1)
	for range mostPages {
		end := min(hi, lo+page-1)
		a, err := l.ask(ctx, full, "startID", strconv.FormatInt(lo-1, 10), "endID", strconv.FormatInt(end, 10))
		if err != nil {
			return nil, 0, err
		}
		out = append(out, a.pushes...)
		if last = a.last; end >= hi || end >= last {
			return out, last, nil
		}
		lo = end + 1
	}
	return nil, 0, tooMany(last)
}

func tooMany(last int64) error {
	return fmt.Errorf("%w: json-pushes: no end within %d pages of %d ids, and lastpushid is %d", job.ErrMalformed,
		mostPages, page, last)
}

func (l *Log) between(ctx context.Context, r job.Range) ([]job.Push, error) {
	from, err := l.push(ctx, r.From, r.Full)
	if err != nil {
		return nil, err
	}
	if r.From == r.To {
		return []job.Push{from}, nil
	}
	to, err := l.push(ctx, r.To, r.Full)
	if err != nil {
		return nil, err
	}
	if err := r.CheckOrder(from, to); err != nil {
		return nil, err
	}
	if from.ID == to.ID {
		return []job.Push{from}, nil
	}
	pushes, _, err := l.byIDs(ctx, from.ID, to.ID, r.Full)
	if err != nil {
		return nil, err
	}
	for _, end := range []job.Push{from, to} {
		if !slices.ContainsFunc(pushes, func(p job.Push) bool { return p.ID == end.ID }) {
			return nil, missing(end, from.ID, to.ID)
		}
	}
	return pushes, nil
}

// missing is the error of a push that is not in the range that has it.
func missing(p job.Push, lo, hi int64) error {
	return fmt.Errorf("%w: json-pushes: pushes: push %d has %s, and is not among the pushes %d to %d",
		job.ErrMalformed, p.ID, p.Short(), lo, hi)
}

// around asks for as many ids as pushes are wanted and a few more, since ids
// have holes, and for more where those were not enough.
func (l *Log) around(ctx context.Context, r job.Range) ([]job.Push, error) {
	p, err := l.push(ctx, r.Center, r.Full)
	if err != nil || r.Before == 0 && r.After == 0 {
		return []job.Push{p}, err
	}
	lo, hi := p.ID, p.ID
	if r.Before > 0 {
		lo = max(1, p.ID-spare(r.Before))
	}
	if r.After > 0 {
		hi = p.ID + spare(r.After)
	}
	pushes, last, err := l.byIDs(ctx, lo, hi, r.Full)
	for wider := int64(1); err == nil; wider *= 2 {
		at := slices.IndexFunc(pushes, func(q job.Push) bool { return q.ID == p.ID })
		if at < 0 {
			return nil, missing(p, lo, hi)
		}
		before, after := r.Before-at, r.After-(len(pushes)-1-at)
		var more []job.Push
		switch {
		case before > 0 && lo > 1:
			end := lo - 1
			lo = max(1, lo-spare(before)-wider*page/4)
			more, last, err = l.byIDs(ctx, lo, end, r.Full)
			pushes = append(more, pushes...)
		case after > 0 && hi < last:
			start := hi + 1
			hi += spare(after) + wider*page/4
			more, last, err = l.byIDs(ctx, start, hi, r.Full)
			pushes = append(pushes, more...)
		default:
			return pushes[max(0, -before) : len(pushes)-max(0, -after)], nil
		}
	}
	return nil, err
}

// spare is how many ids to ask for so that n pushes are likely among them. No
// repository has as many as the cap; beyond it the sum would overflow.
func spare(n int) int64 {
	const most = 1 << 40
	m := min(int64(n), most)
	return m + m/4 + 2
}

// dates asks in pieces, each a day longer at both ends than it needs to be,
// and sorts out what does not belong: the server reads dates in its own time
// zone, with the lower bound exclusive and in whole seconds.
func (l *Log) dates(ctx context.Context, r job.Range) ([]job.Push, error) {
	piece := max(10*24*time.Hour, r.Until.Sub(r.Since)/100)
	found := map[int64]job.Push{}
	for since := r.Since; !since.After(r.Until); since = since.Add(piece) {
		until := since.Add(piece)
		if until.After(r.Until) {
			until = r.Until
		}
		a, err := l.ask(ctx, r.Full,
			"startdate", since.UTC().Add(-mostZone).Format(dateLayout),
			"enddate", until.UTC().Add(mostZone).Format(dateLayout))
		if err != nil {
			return nil, err
		}
		for _, p := range a.pushes {
			if !p.Time.Before(r.Since) && !p.Time.After(r.Until) {
				found[p.ID] = p
			}
		}
	}
	out := make([]job.Push, 0, len(found))
	for _, p := range found {
		out = append(out, p)
	}
	slices.SortFunc(out, job.Push.Compare)
	return out, nil
}

package pushlog

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/mozci/mozci/job"
)

// page is the number of ids in one request, and mostPages the maximum number of requests
// for one range: together a million ids, more than any repository has.
const (
	page      = 200
	mostPages = 5000
)

// Pushes implements job.Repository.
//
// Requests: by ids, one for each 200 ids. By revisions, two more, or one in all when the
// two texts are equal. Around a revision, one more, and another one or two where many ids
// are missing. By dates, one for each ten days, but about a hundred at most. A range that
// would take more than 5,000 requests is an error.
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

// byIDs returns the pushes with ids from lo to hi, both inclusive, and the last id of the
// repository. Both bounds are always sent: without a lower one the server ignores the
// upper one and answers the last ten pushes. The server's lower bound is exclusive, so the
// ids 201 to 450 are the requests (200, 400] and (400, 450].
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
	return fmt.Errorf("%w: json-pushes: no end after %d pages of %d ids; lastpushid is %d", job.ErrMalformed,
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

// missing is the error for a push that the server found by its revision but does not list
// among the ids where it belongs.
func missing(p job.Push, lo, hi int64) error {
	return fmt.Errorf("%w: json-pushes: pushes: push %d has %s, but is not listed among the pushes %d to %d",
		job.ErrMalformed, p.ID, p.Short(), lo, hi)
}

// around requests as many ids as pushes are wanted, and a few more, since ids have gaps.
// Where these were not enough it widens the range on the side that lacks pushes, by twice
// as many spare ids each round, until it has enough or the history ends.
//
// For push 100 with 8 before it, the ids 88 to 100 are read, spare(8) = 12 more than one. If
// only 5 of the 12 are pushes, 3 are missing, and the next ids are 33 to 87: 88 - spare(3) - 50
// is 33. A further round would take 100 ids instead of 50.
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
		// How many pushes are missing on each side; negative: how many there are too many.
		// Of 7 pushes with the center at index 4, 4 are before it and 2 after.
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

// spare is how many ids to request so that n pushes are likely among them: a quarter more,
// and two. The cap keeps the sum from overflowing; no repository has as many pushes. For example
// 10 → 14, and 1 → 3.
func spare(n int) int64 {
	const most = 1 << 40
	m := min(int64(n), most)
	return m + m/4 + 2
}

// dates requests the range in pieces of ten days, or of a hundredth of the range where that
// is longer. It extends each piece by a day (mostZone) at both ends, and drops the pushes
// outside the range itself, because the server reads dates in its own time zone, in whole
// seconds, with an exclusive lower bound. Pushes of two pieces are kept once, by id. A range of
// 25 days is read in pieces of 10, 10 and 5; one of 10 years in pieces of 36.5 days.
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

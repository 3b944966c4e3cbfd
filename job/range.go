package job

import (
	"fmt"
	"time"
)

// Range names consecutive pushes of one repository in one of four ways, both
// ends inclusive. Make one with [Between], [IDs], [Dates] or [Around].
type Range struct {
	From, To string // revisions

	FirstID, LastID int64 // push ids

	Since, Until time.Time // when pushed

	Center        string // a revision, with
	Before, After int    // the number of pushes before and after it

	// Full requests the changesets' authors, descriptions and parents, which
	// cost more to fetch. Without it a Repository may leave them empty.
	Full bool
}

// Between is the range from the push of one revision to that of another.
func Between(from, to string) Range { return Range{From: from, To: to} }

// IDs is the range of the pushes with ids from first to last. Where pushes are not
// ordered by their ids, such a range may have pushes that are not consecutive.
func IDs(first, last int64) Range { return Range{FirstID: first, LastID: last} }

// Dates is the range of the pushes made from since to until.
func Dates(since, until time.Time) Range { return Range{Since: since, Until: until} }

// Around is the push of rev with up to before pushes older and up to after pushes
// newer than it: Around(rev, 2, 1) has 4 pushes, or fewer at an end of the history.
func Around(rev string, before, after int) Range {
	return Range{Center: rev, Before: before, After: after}
}

// CheckOrder returns an error that wraps ErrInvalid when the pushes of a range
// by revisions are in the wrong order.
func (r Range) CheckOrder(from, to Push) error {
	if from.Compare(to) > 0 {
		return fmt.Errorf("%w: %.12s (push %d) is newer than %.12s (push %d): swap them",
			ErrInvalid, r.From, from.ID, r.To, to.ID)
	}
	return nil
}

// Way says how a range names its pushes.
type Way int

// The ways of a Range.
const (
	ByRevisions Way = iota + 1 // From and To; see Between
	ByIDs                      // FirstID and LastID; see IDs
	ByDates                    // Since and Until; see Dates
	ByCenter                   // Center, Before and After; see Around
)

// Check says which way the range uses, or returns an error that wraps
// ErrInvalid: no way or several at once, half of one, a malformed revision, or
// a first that is after the last.
func (r Range) Check() (Way, error) {
	var ways []Way
	if r.From != "" || r.To != "" {
		ways = append(ways, ByRevisions)
	}
	if r.FirstID != 0 || r.LastID != 0 {
		ways = append(ways, ByIDs)
	}
	if !r.Since.IsZero() || !r.Until.IsZero() {
		ways = append(ways, ByDates)
	}
	if r.Center != "" || r.Before != 0 || r.After != 0 {
		ways = append(ways, ByCenter)
	}
	if len(ways) != 1 {
		return 0, fmt.Errorf("%w: a range is named by two revisions, two ids, two dates, or a revision and its "+
			"surroundings; %d of these are given", ErrInvalid, len(ways))
	}
	return ways[0], r.checkWay(ways[0])
}

func (r Range) checkWay(w Way) error {
	switch w {
	case ByRevisions:
		return checkRevisions(r.From, r.To)
	case ByIDs:
		if r.FirstID < 0 || r.LastID < r.FirstID {
			return fmt.Errorf("%w: ids %d to %d: expected 0 <= first <= last", ErrInvalid, r.FirstID, r.LastID)
		}
	case ByDates:
		if r.Since.IsZero() || r.Until.IsZero() {
			return fmt.Errorf("%w: a range of dates needs both ends", ErrInvalid)
		}
		if r.Until.Before(r.Since) {
			return fmt.Errorf("%w: dates %s to %s: the first is after the last", ErrInvalid,
				r.Since.Format(time.RFC3339), r.Until.Format(time.RFC3339))
		}
	case ByCenter:
		if r.Before < 0 || r.After < 0 {
			return fmt.Errorf("%w: %d pushes before and %d after: expected 0 or more", ErrInvalid, r.Before, r.After)
		}
		return checkRevisions(r.Center)
	}
	return nil
}

func checkRevisions(revs ...string) error {
	for _, rev := range revs {
		if _, err := ParseRevision(rev); err != nil {
			return err
		}
	}
	return nil
}

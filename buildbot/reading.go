package buildbot

import (
	"context"
	"sync"
	"time"

	"github.com/mozci/mozci/internal/flight"
)

// reading is a list of records, newest first, that is read as far back as questions need. It
// reads one page at a time, without holding the lock and once for all callers, and stores the
// page when it has arrived.
type reading struct {
	steps *flight.Cache[string, nothing] // reads of pages under way

	mu sync.Mutex // not held during requests
	extent
	deep time.Time // when a caller last asked about records beyond the bound
}

// extent is how far a list was read.
//
// A list with the records 90 to 41, read at 12:00:00 in 3 seconds by a page of 50: at 12:00:00,
// took 3s, low 41, high 90, size 50, count 50, and the tail is the whole page. The next page is
// of 100, below 41.
type extent struct {
	database  int           // how many databases the master has had
	touched   int64         // Project.touched when the newest records were read
	at        time.Time     // when the newest records were read
	took      time.Duration // how long that took, with the pages that were read since
	low, high int64         // all records with ids from low to high, both included, were read
	whole     bool          // the master has no records below low
	tail      []finished    // the oldest page, newest first
	size      int           // the size of that page; 0 before the first one
	count     int           // records in the list
}

func newReading() reading { return reading{steps: flight.New[string, nothing](0)} }

// now returns how far the list was read.
func (r *reading) now() extent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.extent
}

// pages are the two ways to read more of a list. was is the extent on which the read is based;
// when the list has a different one by the time the page arrives, the page is dropped.
type pages interface {
	// renew reads the records that are newer than the list.
	renew(ctx context.Context, was extent) error
	// extend reads a page of older records.
	extend(ctx context.Context, was extent) error
}

// question is one call, perhaps about many pushes. A list that is fresh when the question
// begins counts as fresh until its end, and a list that could not be read is not tried again.
type question struct {
	at      time.Time
	touched int64 // Project.touched when the question began
	broken  map[*reading]error
}

// question begins a question. Use it in one goroutine only.
func (p *Project) question() *question {
	return &question{at: time.Now(), touched: p.touched.Load(), broken: map[*reading]error{}}
}

// stale reports whether a list must be renewed for a question: something was triggered since it
// was read, or it is too old. renewed says that the question has renewed it already, so that
// on a slow master it does not do so for ever. A list that took 3 s to read is fresh for 2 s + 3
// s after it was read.
func (q *question) stale(e extent, renewed bool) bool {
	return !e.at.IsZero() && (e.touched < q.touched || !renewed && q.at.Sub(e.at) >= freshFor+e.took)
}

// reach reads a list page after page until it is fresh and reaches back behind the horizons, or
// until the master has no more.
//
//	not fresh                      → renew (for its age only once), then again from the top
//	fresh, behind the horizons     → done
//	fresh, not far enough          → extend, then again from the top
func (p *Project) reach(ctx context.Context, q *question, r *reading, pages pages, all horizons) error {
	var count paging
	for renewed := false; ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		was := r.now()
		step, read := "older", pages.extend
		if q.stale(was, renewed) {
			step, read, renewed = "newest", pages.renew, true
		} else if done, err := all.reached(ctx, was); err != nil || done {
			return err
		}
		if err := q.broken[r]; err != nil {
			return err
		}
		err := count.next(p.c, "requests")
		if err == nil {
			_, err = r.steps.Do(ctx, step, func(ctx context.Context) (nothing, bool, error) {
				return nothing{}, false, read(ctx, r.now())
			})
		}
		if err != nil {
			q.broken[r] = err
			return err
		}
	}
}

// is reports whether a list still has the extent on which a read was based. at and touched do
// not count: renewing a list that has nothing new leaves its records as they are.
func (e extent) is(was extent) bool {
	return e.database == was.database && e.low == was.low && e.high == was.high
}

// begun notes a page that took from at until now. The first page of a list has the newest
// records, so its beginning is the age of the list. The time for further pages is added to
// took, which extends how long the list counts as fresh: a caller that reads one range of
// pushes after another then does not renew the list at every step.
func (e *extent) begun(at time.Time, touched int64) {
	if e.at.IsZero() {
		e.at, e.touched = at, touched
	}
	e.took = min(e.took+time.Since(at), keptFor)
}

// span extends low and high to ids that were read, newest first. For example low 41, high 90 and
// the ids 93, 91 give 41 and 93; with the ids 40, 39 they give 39 and 90.
func (e *extent) span(ids []int64) {
	if n := len(ids); n > 0 {
		e.high = max(e.high, ids[0])
		if e.low == 0 || ids[n-1] < e.low {
			e.low = ids[n-1]
		}
	}
}

// another is the extent of an empty list, for a master that has another database.
func (e extent) another() extent { return extent{database: e.database + 1} }

// surplus is how many of the oldest records can be dropped: those over the bound most, unless a
// question needed them within deepFor. asked is how far back the present question goes, and
// stays(cut) the time of the oldest record that would stay after dropping cut. With a bound of
// 2000 and 2300 records cut is 300; a question that goes back to before the 2000 newest returns
// 0.
func (r *reading) surplus(most int, asked time.Time, stays func(cut int) time.Time) int {
	cut := r.count - most
	switch {
	case cut <= 0:
		return 0
	case asked.Before(stays(cut)):
		r.deep = time.Now()
		return 0
	case !r.deep.IsZero() && time.Since(r.deep) <= deepFor:
		return 0
	}
	r.deep = time.Time{}
	return cut
}

package buildbot

import (
	"context"
	"sync"
	"time"

	"github.com/mozci/mozci/internal/flight"
)

// reading is a list of records, newest first, that is read as far back as somebody
// asked. One page is read at a time, without a lock and for all who want it, and
// filed when it is there.
type reading struct {
	steps *flight.Cache[string, nothing] // pages under way

	mu sync.Mutex // not held while the master is asked
	extent
	deep time.Time // when somebody asked for what lies beyond the bound
}

// extent is how far a list was read.
type extent struct {
	database  int           // how many databases the master has had
	touched   int64         // how often something was asked for before the newest were read
	at        time.Time     // when the newest were read
	took      time.Duration // how long that took, with the pages that were read since
	low, high int64         // records with ids from low to high were read
	whole     bool          // nothing is below low
	tail      []finished    // the page that was read last
	size      int           // of that page
	count     int           // records
}

func newReading() reading { return reading{steps: flight.New[string, nothing](0)} }

// extent is how far the list was read by now.
func (r *reading) now() extent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.extent
}

// pages are the two ways to read more of a list: what is new, and what is older than
// what was read. Each files what it read if the list is still as it was.
type pages interface {
	renew(ctx context.Context, was extent) error
	extend(ctx context.Context, was extent) error
}

// question is what one call wants to know, perhaps of many pushes: what is fresh when it
// begins is so to its end, and a list that could not be read is not tried again.
type question struct {
	at      time.Time
	touched int64
	broken  map[*reading]error
}

// question begins one, which is of one goroutine.
func (p *Project) question() *question {
	return &question{at: time.Now(), touched: p.touched.Load(), broken: map[*reading]error{}}
}

// stale reports whether a list is to be renewed for a question.
func (q *question) stale(e extent, renewed bool) bool {
	return !e.at.IsZero() && (e.touched < q.touched || !renewed && q.at.Sub(e.at) >= freshFor+e.took)
}

// reach reads page after page until what was read is fresh and reaches back behind
// the horizons, or there is no more.
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

// is reports whether a list is as it was when a page of it was asked for.
func (e extent) is(was extent) bool {
	return e.database == was.database && e.low == was.low && e.high == was.high
}

// begun notes when a page was begun, of which the first has the newest records. Those who
// ask for one range of pushes after another are not told to begin anew by how long it
// takes to read them.
func (e *extent) begun(at time.Time, touched int64) {
	if e.at.IsZero() {
		e.at, e.touched = at, touched
	}
	e.took = min(e.took+time.Since(at), keptFor)
}

// span notes which ids, newest first, were read.
func (e *extent) span(ids []int64) {
	if n := len(ids); n > 0 {
		e.high = max(e.high, ids[0])
		if e.low == 0 || ids[n-1] < e.low {
			e.low = ids[n-1]
		}
	}
}

// another is a list of which nothing was read: the master has another database.
func (e extent) another() extent { return extent{database: e.database + 1} }

// surplus is how many of the oldest records can go: those over the bound, once
// nobody has asked so far back for a while. asked is how far back is asked now, and
// stays when the oldest one that stays was asked for.
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

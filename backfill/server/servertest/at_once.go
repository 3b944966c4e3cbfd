package servertest

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/mozci/mozci/backfill/server"
)

const (
	callers = 8  // each of the two opened stores has this many
	rounds  = 10 // rounds of adding
	shared  = 60 // records that all callers claim
)

// atOnce checks calls at the same time: of several that add the same record exactly one adds it,
// each record is leased to one caller, no save is lost, and the first of several that cancel is
// recorded.
func (c *check) atOnce(ctx context.Context) {
	c.addAtOnce(ctx)
	c.claimAtOnce(ctx)
	c.cancelAtOnce(ctx)
}

// together runs f for each caller at the same time. Callers with an even number use the first
// opened store, the others the second one. They start when begin is closed, so that the first one
// is not done before the last one begins.
func (c *check) together(f func(i int, s server.Store)) {
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range callers {
		s := c.s
		if i%2 == 1 {
			s = c.other
		}
		all.Go(func() { <-begin; f(i, s) })
	}
	close(begin)
	all.Wait()
}

// addAtOnce lets all callers add a record with the same key. All must get the same id, and one of
// them must be told that it was added. It does so in several rounds, because a race need not show
// in the first.
func (c *check) addAtOnce(ctx context.Context) {
	for round := range rounds {
		records := make([]server.Record, callers)
		for i := range records {
			records[i] = c.record(server.Waiting)
			records[i].Key = fmt.Sprintf("same-%d", round)
		}
		var mu sync.Mutex
		ids, news := map[string]bool{}, 0
		c.together(func(i int, s server.Store) {
			got, added, err := s.Add(ctx, records[i], long)
			if !c.wants(adding(records[i], long), err, nil) {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			ids[got.ID] = true
			if added {
				news++
			}
		})
		if len(ids) != 1 || news != 1 {
			c.wrong(fmt.Sprintf("Add(…, key %q, …) by %d at once", records[0].Key, callers),
				fmt.Sprintf("%d ids, %d of them new", len(ids), news), "one id, which one of them added")
		}
	}
	c.clear(ctx)
}

// claimAtOnce lets all callers claim what there is, one or three records at a time, save each twice
// and end it. A correct store gives each record to one caller, so each has 4 versions in the end, 1
// from Add and 3 from Save, and 3 warnings, all by one holder. A lost save would leave fewer.
func (c *check) claimAtOnce(ctx context.Context) {
	var ids []string
	for range shared {
		ids = append(ids, c.added(ctx, server.Waiting).ID)
	}
	var mu sync.Mutex
	// The holder that got a record first, by id; whoever gets it later is one too many.
	holders := map[string]string{}
	c.together(func(i int, s server.Store) {
		holder := "holder-" + strconv.Itoa(i)
		for range 2 * shared { // an end also for a store that gives out the same again and again
			got, err := s.Claim(ctx, holder, long, 1+i%3)
			if !c.wants(claiming(holder, long, 1+i%3), err, nil) || len(got) == 0 {
				return
			}
			for _, r := range got {
				mu.Lock()
				before := holders[r.ID]
				holders[r.ID] = holder
				mu.Unlock()
				if before != "" {
					c.wrong(claiming(holder, long, 1+i%3), fmt.Sprintf("%q, which %s has", r.ID, before),
						"a record that is not leased")
				}
				for _, state := range []server.State{server.Running, server.Running, server.Done} {
					r.State = state
					r.Warnings = append(r.Warnings, holder)
					_, err := s.Save(ctx, r, holder)
					c.wants(saving(r, holder), err, nil)
				}
			}
		}
	})
	for _, id := range ids {
		const saves = 3
		if r := c.read(ctx, id); r.State != server.Done || r.Version != 1+saves || len(r.Warnings) != saves {
			c.wrong(getting(id)+" after Claim and Save by many at once",
				fmt.Sprintf("%s, version %d, %d notes", r.State, r.Version,
					len(r.Warnings)), "done, version 4, 3 notes")
		}
	}
}

// cancelAtOnce cancels while the holder saves. Caller 0 saves 8 times, the 7 others cancel. The
// version must be 1, plus 1 for the cancellation, plus the saves: neither may undo the other.
func (c *check) cancelAtOnce(ctx context.Context) {
	r := c.held(ctx, long)
	var mu sync.Mutex
	by := map[string]bool{}
	var saves atomic.Int64
	c.together(func(i int, s server.Store) {
		if i == 0 {
			for range callers {
				if _, err := s.Save(ctx, r, "holder"); c.wants(saving(r, "holder"), err, nil) {
					saves.Add(1)
				}
			}
			return
		}
		who := "caller-" + strconv.Itoa(i)
		got, err := s.Cancel(ctx, r.ID, who)
		c.wants(cancelling(r.ID, who), err, nil)
		mu.Lock()
		defer mu.Unlock()
		by[string(got.CancelledBy)] = true
	})
	got := c.read(ctx, r.ID)
	if len(by) != 1 || !by[string(got.CancelledBy)] || got.CancelledBy == "" || got.Version != 2+saves.Load() {
		c.wrong(fmt.Sprintf("Cancel(%q by many at once) during %d saves", r.ID, saves.Load()),
			fmt.Sprintf("%d answers who cancelled it, finally %q, version %d", len(by), got.CancelledBy, got.Version),
			"the first caller, version %d", 2+saves.Load())
	}
}

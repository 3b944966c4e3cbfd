package backfill

import (
	"slices"
	"time"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/job"
)

// ended is what the engine is told of one push.
type ended struct {
	x              int
	failed, passed int // runs with a result,
	freeFailed     int // and how many of these the search did not ask for
	freePassed     int
	infra          int // runs that infrastructure ended
	silent         int // of those, the ones since the last result
	// result and last are when the last run with a result ended, and the last run.
	result, last time.Time
}

// endedOn orders the runs of a push by their ends: those that the search asked for are
// the last. The first failures, as many as looked says, are left out.
func endedOn(x int, t Tested, looked int) ended {
	e := ended{x: x, failed: t.Failed - looked, passed: t.Passed, infra: t.Infra, silent: t.Infra}
	free := max(0, e.failed+e.passed-t.Chosen)
	runs := slices.DeleteFunc(slices.Clone(t.Jobs), func(j job.Job) bool { return j.Status().Waiting() })
	slices.SortStableFunc(runs, func(a, b job.Job) int { return a.Times().Finished.Compare(b.Times().Finished) })
	since, results := 0, 0
	for _, j := range runs {
		e.last = j.Times().Finished
		since++
		failed := j.Status() == job.StatusTestFailed || j.Status() == job.StatusBusted
		if !failed && j.Status() != job.StatusSuccess {
			continue
		}
		since, e.result = 0, e.last
		if results++; failed && results <= free+looked {
			e.freeFailed++
		}
	}
	// A judge may see a run otherwise than its status says.
	e.freeFailed = min(max(e.freeFailed-looked, free-e.passed, 0), free, e.failed)
	e.freePassed = free - e.freeFailed
	if e.failed+e.passed > 0 {
		e.silent = min(e.infra, since)
	}
	return e
}

// observe tells the engine of all runs, in an order in which it sees what is silent: the
// push with the newest result is the last with results, and what infrastructure ended
// after that comes at the end.
func observe(engine *culprit.Search, all []ended) error {
	var newest time.Time
	at := -1
	for i, e := range all {
		if e.failed+e.passed > 0 && (at < 0 || !e.result.Before(newest)) {
			newest, at = e.result, i
		}
	}
	infra := func(e ended, n int) error {
		for range n {
			if err := engine.ObserveInfra(e.x); err != nil {
				return err
			}
		}
		return nil
	}
	order := make([]int, 0, len(all))
	for i := range all {
		if i != at {
			order = append(order, i)
		}
	}
	if at >= 0 {
		order = append(order, at)
	}
	var late []ended
	for _, i := range order {
		e := all[i]
		if err := infra(e, e.infra-e.silent); err != nil {
			return err
		}
		if err := results(engine, e); err != nil {
			return err
		}
		if at < 0 || e.last.After(newest) {
			late = append(late, e)
		} else if err := infra(e, e.silent); err != nil {
			return err
		}
	}
	for _, e := range late {
		if err := infra(e, e.silent); err != nil {
			return err
		}
	}
	return nil
}

// results tells of the runs on a push that had one.
func results(engine *culprit.Search, e ended) error {
	for i := range e.passed {
		if err := engine.Observe(e.x, false, i >= e.freePassed); err != nil {
			return err
		}
	}
	for i := range e.failed {
		if err := engine.Observe(e.x, true, i >= e.freeFailed); err != nil {
			return err
		}
	}
	return nil
}

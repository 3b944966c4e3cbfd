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
	silent         int // of those, the ones since the last result,
	tried          int // and of these the ones that the search asked for
	// result and last are when the last run with a result ended, and the last run.
	result, last time.Time
}

// endedOn orders the runs of a push by their ends: those that the search asked for are
// the last. The first failures, as many as looked says, are left out.
func endedOn(x int, t Tested, looked int) ended {
	e := ended{x: x, failed: t.Failed - looked, passed: t.Passed, infra: t.Infra, silent: t.Infra}
	runs := slices.DeleteFunc(slices.Clone(t.Jobs), func(j job.Job) bool { return j.Status().Waiting() })
	slices.SortStableFunc(runs, func(a, b job.Job) int { return a.Times().Finished.Compare(b.Times().Finished) })
	since := 0
	for i, j := range runs {
		e.last = j.Times().Finished
		free := i < len(runs)-t.Chosen
		switch j.Status() {
		case job.StatusTestFailed, job.StatusBusted:
			if free {
				e.freeFailed++
			}
		case job.StatusSuccess:
			if free {
				e.freePassed++
			}
		default:
			if since++; !free {
				e.tried++
			}
			continue
		}
		since, e.tried, e.result = 0, 0, e.last
	}
	// A judge may see a run otherwise than its status says.
	e.freeFailed, e.freePassed = min(max(0, e.freeFailed-looked), e.failed), min(e.freePassed, e.passed)
	if e.failed+e.passed > 0 {
		e.silent = min(e.infra, since)
	}
	e.tried = min(e.tried, e.silent)
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
	infra := func(e ended, n, tried int) error {
		for i := range n {
			if err := engine.ObserveInfra(e.x, i >= n-tried); err != nil {
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
		if err := infra(e, e.infra-e.silent, 0); err != nil {
			return err
		}
		if err := results(engine, e); err != nil {
			return err
		}
		if at < 0 || e.last.After(newest) {
			late = append(late, e)
		} else if err := infra(e, e.silent, e.tried); err != nil {
			return err
		}
	}
	for _, e := range late {
		if err := infra(e, e.silent, e.tried); err != nil {
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

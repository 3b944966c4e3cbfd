package backfill

import (
	"slices"
	"time"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/job"
)

// ended is what the engine is told about one push.
type ended struct {
	x              int // the position of the push
	failed, passed int // runs with a result,
	freeFailed     int // those of failed, and
	freePassed     int // those of passed that the search did not trigger
	infra          int // runs that infrastructure ended
	silent         int // those of infra since the last result,
	tried          int // and those of silent that the search triggered
	// result is when the last run with a result ended, last when the last run did.
	result, last time.Time
}

// endedOn sorts the finished runs of a push by when they ended, and takes the last
// t.Chosen of them as those that the search triggered. looked is how many failures to
// leave out because they started the search.
func endedOn(x int, t Tested, looked int) ended {
	e := ended{x: x, failed: t.Failed - looked, passed: t.Passed, infra: t.Infra, silent: t.Infra}
	runs := slices.DeleteFunc(slices.Clone(t.Jobs), func(j job.Job) bool { return j.Status().Waiting() })
	slices.SortStableFunc(runs, func(a, b job.Job) int { return a.Times().Finished.Compare(b.Times().Finished) })
	// since counts the runs without a result after the last result so far; a result sets
	// it back.
	since := 0
	for i, j := range runs {
		e.last = j.Times().Finished
		// With 5 finished runs and 2 of them chosen, runs 0, 1 and 2 are free.
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
	// A judge may decide otherwise than the status of a run says.
	e.freeFailed, e.freePassed = min(max(0, e.freeFailed-looked), e.failed), min(e.freePassed, e.passed)
	if e.failed+e.passed > 0 {
		e.silent = min(e.infra, since)
	}
	e.tried = min(e.tried, e.silent)
	return e
}

// observe tells the engine about all runs, in an order from which it sees what is silent.
// The push with the newest result comes last among the results; what infrastructure ended
// after that result comes at the very end, so that it counts as silence everywhere.
func observe(engine *culprit.Search, all []ended) error {
	var newest time.Time
	at := -1
	for i, e := range all {
		if e.failed+e.passed > 0 && (at < 0 || !e.result.Before(newest)) {
			newest, at = e.result, i
		}
	}
	// infra reports n runs that infrastructure ended; the last tried of them are the
	// search's.
	infra := func(e ended, n, tried int) error {
		for i := range n {
			if err := engine.ObserveInfra(e.x, i >= n-tried); err != nil {
				return err
			}
		}
		return nil
	}
	// Every push but the one with the newest result, and then that one.
	order := make([]int, 0, len(all))
	for i := range all {
		if i != at {
			order = append(order, i)
		}
	}
	if at >= 0 {
		order = append(order, at)
	}
	// late are the pushes whose last run ended after the newest result anywhere: their
	// silence is reported last.
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

// results tells the engine about the runs with a result on a push, those that the search
// triggered last.
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

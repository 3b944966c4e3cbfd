package jobtest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mozci/mozci/job"
)

// history checks that the runs on many pushes at once are those that Jobs returns for
// each push.
func (k *schedulerKit) history(ctx context.Context) {
	_, err := job.History(ctx, k.s, []job.Push{k.c.Push}, k.c.Labels[0])
	if errors.Is(err, errors.ErrUnsupported) {
		return
	}
	_, err = job.History(ctx, k.s, []job.Push{k.c.Push})
	k.sentinel("history-labels", call("History", k.c.Push)+" without a label", err, job.ErrInvalid)
	pushes := append(slices.Clone(k.c.Others), k.c.Push)
	if k.c.NotScheduled.Repo != "" {
		pushes = append(pushes, k.c.NotScheduled)
	}
	slices.Reverse(pushes) // the order is the caller's
	// Many pushes, one, and none; one label, two, one that is not there, and one of each.
	for _, asked := range [][]job.Push{pushes, {k.c.Push}, nil} {
		for _, labels := range [][]string{
			k.c.Labels[:1], k.c.Labels[:2], {unknownLabel}, {k.c.Labels[1], unknownLabel},
		} {
			k.remembers(ctx, asked, labels)
		}
	}
	k.cancelled("cancelled-history", call("History", k.c.Push), func(ctx context.Context) error {
		_, err := job.History(ctx, k.s, pushes, k.c.Labels[0])
		return err
	})
}

// remembers compares one History with the Jobs of its pushes.
func (k *schedulerKit) remembers(ctx context.Context, pushes []job.Push, labels []string) {
	called := fmt.Sprintf("History(%s, %q)", manyPushes(len(pushes)), labels)
	got, err := job.History(ctx, k.s, pushes, labels...)
	if k.failed("history", called, err) {
		return
	}
	if len(got) != len(pushes) {
		k.wrong("history-order", called, manyPushes(len(got)), "as many as were given, in their order")
		return
	}
	for i, p := range pushes {
		if got[i].Push.Key() != p.Key() {
			k.wrong("history-order", called, fmt.Sprintf("%s in place %d", pushText(got[i].Push), i),
				"%s, as in the call", pushText(p))
			continue
		}
		want, err := k.s.Jobs(ctx, p, labels...)
		if a, b := kindOf(got[i].Err), kindOf(err); a != b {
			k.wrong("history-errors", called+" for "+pushText(p), fmt.Sprintf("the error %v (%s)", got[i].Err, a),
				"what Jobs returns: %v (%s)", err, b)
		}
		if a, b := firstOther(got[i].Jobs, want); a != b {
			k.wrong("history", called+" for "+pushText(p), a, "%s, as Jobs of that push returns", b)
		}
	}
}

// manyPushes is a number of pushes: "1 push", "2 pushes".
func manyPushes(n int) string {
	if n == 1 {
		return "1 push"
	}
	return fmt.Sprintf("%d pushes", n)
}

// kindOf is the sentinel that an error wraps, as text; "none" without an error, and "another" for an
// error that wraps none of them. History and Jobs need not give the same text.
func kindOf(err error) string {
	if err == nil {
		return "none"
	}
	for _, kind := range []error{
		job.ErrNotFound, job.ErrInvalid, job.ErrNotScheduled, job.ErrUnavailable, job.ErrUnknownWord, job.ErrMalformed,
		job.ErrDenied, errors.ErrUnsupported,
	} {
		if errors.Is(err, kind) {
			return kind.Error()
		}
	}
	return "another"
}

// firstOther are the first runs, by ID, in which two lists differ; the same text twice where
// they do not. How far a run is that has not ended may change between two questions.
func firstOther(got, want []job.Job) (a, b string) {
	as, bs := runTexts(got), runTexts(want)
	for i := range max(len(as), len(bs)) {
		a, b = "no other job", "no other job"
		if i < len(as) {
			a = as[i]
		}
		if i < len(bs) {
			b = bs[i]
		}
		if a != b {
			return a, b
		}
	}
	return "", ""
}

// runTexts is all that two snapshots of the same runs have in common, sorted, since the order of
// runs is not part of the contract. All statuses of a run that has not ended are the same word.
func runTexts(jobs []job.Job) []string {
	var out []string
	for _, j := range jobs {
		status := j.Status().String()
		if j.Status().Waiting() {
			status = "waiting"
		}
		out = append(out, fmt.Sprintf("job %s of %q (%s), %s, on %s (revision %q), requested %s", j.ID(), j.Name(),
			j.Kind(), status, pushText(j.Push()), j.Push().Revision,
			j.Times().Requested.UTC().Format("2006-01-02 15:04:05")))
	}
	slices.Sort(out)
	return out
}

// statuses checks that the statuses of runs, by their IDs alone, are those that Jobs
// returns.
func (k *schedulerKit) statuses(ctx context.Context) {
	const unknown = "no-such-run"
	if _, err := job.StatusesOf(ctx, k.s, unknown); errors.Is(err, errors.ErrUnsupported) {
		return
	}
	listed, err := k.s.Jobs(ctx, k.c.Push, k.c.Labels[:2]...)
	if err != nil {
		return // said by jobs
	}
	ids := []string{unknown}
	for _, j := range listed {
		ids = append(ids, j.ID())
	}
	called := call("Statuses", ids)
	got, err := job.StatusesOf(ctx, k.s, ids...)
	if k.failed("statuses", called, err) {
		return
	}
	if s, ok := got[unknown]; ok {
		k.wrong("statuses-unknown", called, fmt.Sprintf("%s for %q", s, unknown), "nothing: there is no such run")
	}
	for _, j := range listed {
		s, ok := got[j.ID()]
		switch {
		case !ok:
			k.wrong("statuses", called, "nothing for "+j.ID(), "%s, as Jobs says", j.Status())
		case s != j.Status() && !j.Status().Waiting():
			k.wrong("statuses", called, fmt.Sprintf("%s for %s", s, j.ID()), "%s, as Jobs says", j.Status())
		}
	}
	if none, err := job.StatusesOf(ctx, k.s); err != nil || len(none) > 0 {
		k.wrong("statuses", call("Statuses", []string{}), with(fmt.Sprint(none), err),
			"nothing and no error: no run was asked about")
	}
	k.cancelled("cancelled-statuses", called, func(ctx context.Context) error {
		_, err := job.StatusesOf(ctx, k.s, ids...)
		return err
	})
}

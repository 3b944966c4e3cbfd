package jobtest

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// How the kits check a server that hangs. For each question a first caller asks, and a patient one;
// others come with a short deadline and must end at theirs; the first gives up and must end at
// once; then the server answers again, and the patient one must have its answer.

// How long the kit waits for what does not hang. The times are real, also where
// everything else is in memory: a source that holds a lock while it waits would
// stop the time of a testing/synctest bubble.
const (
	begins  = 20 * time.Millisecond // for a call to be under way
	hasty   = 50 * time.Millisecond // the deadline of a caller in a hurry
	longest = 5 * time.Minute       // for an answer, of a server that has one
)

// prompt is how long the kit waits for a call to end that is over. It ends when the server
// answers if it does not end by itself, and until then the server hangs: so that this can
// be far longer than a busy machine makes a call take.
var prompt = 30 * time.Second

// question is something that a source is asked: the call, as reports write it.
type question struct {
	called string
	ask    func(context.Context) error
}

// asked is a question under way. done has room for the answer, so that its goroutine ends also when
// nobody waits any more.
type asked struct{ done chan error }

// start asks in a goroutine.
func (q question) start(ctx context.Context) asked {
	a := asked{make(chan error, 1)}
	go func() { a.done <- q.ask(ctx) }()
	return a
}

// within waits for the answer, which is an error or none; ended is false where there
// is no answer in time.
func (a asked) within(d time.Duration) (ended bool, err error) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case err := <-a.done:
		return true, err
	case <-timer.C:
		return false, nil
	}
}

// hanging checks, for each question, that callers who wait for a server which does
// not answer each have their own context: of the same question, and of all others. A
// source may answer one from what it knows; where it does so with all, the case shows
// nothing.
func (r *report) hanging(ctx context.Context, hang func() (release func()), questions ...question) {
	if hang == nil {
		return
	}
	hung := false
	for _, q := range questions {
		hung = r.hangingOver(ctx, hang, q, questions) || hung
	}
	if !hung {
		r.wrong("hang", questions[0].called+" while the server hangs", "an answer",
			"a call that waits: the case's Hang must make the source ask its server")
	}
}

// hangingOver checks one question. It is false where q is answered though the server hangs, as from
// a cache: then nothing was checked.
func (r *report) hangingOver(ctx context.Context, hang func() func(), q question, all []question) bool {
	release := hang()
	defer release()
	mine, giveUp := context.WithCancel(ctx)
	defer giveUp()
	first := q.start(mine)
	if ended, err := first.within(begins); ended {
		if err != nil {
			r.wrong("hang", q.called+" while the server hangs", fmt.Sprintf("the error %q at once", err),
				"a call that waits, or the right answer")
		}
		return false
	}
	patient := q.start(ctx)
	for _, other := range all {
		r.hurry(ctx, q, other)
	}
	giveUp()
	ended, err := first.within(prompt)
	called := q.called + " while the server hangs, with a context that is cancelled,"
	switch {
	case !ended:
		r.wrong("hang-cancel", called, fmt.Sprintf("nothing within %s", prompt), "the context's error at once")
	case err == nil:
		return false // it was known, and only took its time
	default:
		r.sentinel("hang-cancel", called, err, context.Canceled)
	}
	r.released(ctx, q, patient, release)
	return true
}

// released checks that a patient caller goes on waiting when another one has given up, and
// has its answer once the server answers again, as has whoever asks then.
func (r *report) released(ctx context.Context, q question, patient asked, release func()) {
	ended, err := patient.within(begins)
	release()
	if !ended {
		ended, err = patient.within(longest)
	}
	switch {
	case errors.Is(err, context.Canceled) && ctx.Err() == nil:
		r.wrong("hang-others", q.called+" while the server hangs, as another caller's context is cancelled,",
			fmt.Sprintf("the error %v", err), "a call that goes on waiting")
	case !ended || err != nil:
		r.wrong("hang-release", q.called+" once the server answers again", ending(ended, err), "the answer")
	}
	if ended, err := q.start(ctx).within(longest); !ended || err != nil {
		r.wrong("hang-release", q.called+" once the server answers again", ending(ended, err), "the answer")
	}
}

// hurry asks with a short deadline while q hangs. The answer may take prompt longer than the
// deadline, since a busy machine is slow.
func (r *report) hurry(ctx context.Context, q, other question) {
	short, cancel := context.WithTimeout(ctx, hasty)
	defer cancel()
	ended, err := other.start(short).within(hasty + prompt)
	called := fmt.Sprintf("%s with a deadline of %s while %s hangs", other.called, hasty, q.called)
	switch {
	case !ended:
		r.wrong("hang-own-context", called, fmt.Sprintf("nothing within %s of it", prompt), "the context's error")
	case err != nil: // else it was known already
		r.sentinel("hang-own-context", called, err, context.DeadlineExceeded)
	}
}

// ending is how a call ended.
func ending(ended bool, err error) string {
	if !ended {
		return fmt.Sprintf("nothing within %s", longest)
	}
	return fmt.Sprintf("the error %q", err)
}

// hanging are the questions of a repository. An answer that is another one than
// without hanging is an error: that of a context must not become an empty answer.
func (k *repositoryKit) hanging(ctx context.Context) {
	p := k.testable()[0]
	k.report.hanging(ctx, k.c.Hang,
		question{call("Push", p.Revision), func(ctx context.Context) error {
			got, err := k.r.Push(ctx, p.Revision)
			if err == nil && !samePush(got, p) {
				err = fmt.Errorf("the answer is %s, expected %s", whole(got), whole(p))
			}
			return err
		}},
		question{call("Pushes", k.all()), func(ctx context.Context) error {
			got, err := k.r.Pushes(ctx, k.all())
			if err == nil && !samePushes(got, k.want) {
				err = fmt.Errorf("the answer is %s, expected %s", pushesText(got), pushesText(k.want))
			}
			return err
		}})
}

// hanging are the questions of a CI that change nothing in it.
func (k *schedulerKit) hanging(ctx context.Context) {
	jobs := func(labels ...string) question {
		return question{labelled("Jobs", k.c.Push, labels), func(ctx context.Context) error {
			got, err := k.s.Jobs(ctx, k.c.Push, labels...)
			if n := countOf(got, k.c.Labels[0]); err == nil && n != k.c.Runs {
				err = fmt.Errorf("the answer has %s of %q, expected %d", count(n, "run"), k.c.Labels[0], k.c.Runs)
			}
			return err
		}}
	}
	k.report.hanging(ctx, k.c.Hang, jobs(), jobs(k.c.Labels[0]))
}

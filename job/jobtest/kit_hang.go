package jobtest

import (
	"context"
	"time"
)

// How long the kit waits for what does not hang. The times are real, also where
// everything else is in memory: a source that holds a lock while it waits would
// stop the time of a testing/synctest bubble.
const (
	begins  = 20 * time.Millisecond  // for a call to be under way
	hasty   = 50 * time.Millisecond  // the deadline of a caller in a hurry
	prompt  = 100 * time.Millisecond // for a call to end that is over
	longest = 10 * time.Second       // for an answer, of a server that has one
)

// question is something that a source is asked.
type question struct {
	what string
	ask  func(context.Context) error
}

// asked is a question under way.
type asked struct{ done chan error }

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
// not answer each have their own context: of the same question, and of all others.
func (r *report) hanging(ctx context.Context, hang func() (release func()), questions ...question) {
	if hang == nil {
		return
	}
	for _, q := range questions {
		r.hangingOver(ctx, hang, q, questions)
	}
}

func (r *report) hangingOver(ctx context.Context, hang func() func(), q question, all []question) {
	release := hang()
	defer release()
	mine, giveUp := context.WithCancel(ctx)
	defer giveUp()
	first := q.start(mine)
	if ended, err := first.within(begins); ended {
		r.broken("hang", "%s answered though the server hangs (error %v): the case must make it ask", q.what, err)
		return
	}
	patient := q.start(ctx)
	for _, other := range all {
		r.hurry(ctx, q, other)
	}
	giveUp()
	ended, err := first.within(prompt)
	if !ended {
		r.broken("hang-cancel", "%s had not ended %s after its context was cancelled", q.what, prompt)
	} else {
		r.sentinel("hang-cancel", err, context.Canceled)
	}
	waiting := []asked{patient}
	if ended, err := patient.within(begins); ended {
		r.broken("hang-others", "%s ended with %v when the context of another caller did", q.what, err)
		waiting = nil
	}
	release()
	for _, a := range append(waiting, q.start(ctx)) {
		if ended, err := a.within(longest); !ended || err != nil {
			r.broken("hang-release", "%s, once the server answers again: error %v, ended: %t", q.what, err, ended)
		}
	}
}

// hurry asks with a short deadline while q hangs.
func (r *report) hurry(ctx context.Context, q, other question) {
	short, cancel := context.WithTimeout(ctx, hasty)
	defer cancel()
	ended, err := other.start(short).within(hasty + prompt)
	if !ended {
		r.broken("hang-own-context", "%s with a deadline of %s had not ended %s after it, while %s hung", other.what,
			hasty, prompt, q.what)
		return
	}
	r.sentinel("hang-own-context", err, context.DeadlineExceeded)
}

// hanging are the questions of a repository.
func (k *repositoryKit) hanging(ctx context.Context) {
	known := k.testable()
	k.report.hanging(ctx, k.c.Hang,
		question{"Push", func(ctx context.Context) error {
			_, err := k.r.Push(ctx, known[0].Revision)
			return err
		}},
		question{"Pushes", func(ctx context.Context) error {
			_, err := k.r.Pushes(ctx, k.all())
			return err
		}})
}

// hanging are the questions of a CI that change nothing in it.
func (k *schedulerKit) hanging(ctx context.Context) {
	k.report.hanging(ctx, k.c.Hang,
		question{"Jobs", func(ctx context.Context) error {
			_, err := k.s.Jobs(ctx, k.c.Push)
			return err
		}},
		question{"Jobs of a label", func(ctx context.Context) error {
			_, err := k.s.Jobs(ctx, k.c.Push, k.c.Labels[0])
			return err
		}})
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/pulse"
	"github.com/mozci/mozci/pushlog"
)

// The variables that an account of PulseGuardian is taken from.
const (
	pulseUser     = "PULSE_USER"
	pulsePassword = "PULSE_PASSWORD"
)

// pulseOptions are those of a queue of this process alone, which the broker deletes with
// the connection.
func (a *app) pulseOptions(bindings []pulse.Binding) (pulse.Options, error) {
	user, password := os.Getenv(pulseUser), os.Getenv(pulsePassword)
	if user == "" || password == "" {
		return pulse.Options{}, usage("Pulse needs an account: set %s and %s; "+
			"https://pulseguardian.mozilla.org makes one", pulseUser, pulsePassword)
	}
	return pulse.Options{
		URL: a.pulseURL, User: user, Password: pulse.Secret(password), Bindings: bindings, Logger: a.log,
	}, nil
}

// queueEvents are the messages of Taskcluster's queue that say how far a task is.
var queueEvents = []string{"defined", "pending", "running", "completed", "failed", "exception"}

const wholeRevision = 40 // digits

// kindOf is the name of the CI, as --ci has it; p has several where one is read and
// another acts.
func (a *app) kindOf(ci job.Scheduler) string {
	if _, ok := job.As[tasker](ci); ok {
		return "taskcluster"
	}
	return a.ci
}

// bindings are the messages that tell of the jobs of a push, or of all pushes of the
// repository for an empty revision.
func (a *app) bindings(ci, revision string) []pulse.Binding {
	name := pushlog.ShortName(a.repo)
	if len(revision) != wholeRevision { // routes have no others
		revision = ""
	}
	var out []pulse.Binding
	switch ci {
	case "taskcluster":
		project := name
		if a.project != "" {
			project = a.project
		}
		key := "route.tc-treeherder.v2." + project + ".#"
		if revision != "" {
			key = "route.tc-treeherder.v2." + project + "." + revision + ".#"
		}
		for _, what := range queueEvents {
			out = append(out, pulse.Binding{Exchange: "exchange/taskcluster-queue/v1/task-" + what, Key: key})
		}
		out = append(out, pulse.Binding{Exchange: "exchange/hgpushes/v2", Key: pushlog.Path(a.repo)})
	case "selfserve":
		out = append(out, pulse.Binding{Exchange: "exchange/build/", Key: "build.#"})
	case "treeherder":
		out = append(out, pulse.Binding{Exchange: "exchange/treeherder/v1/jobs", Key: name + ".#"})
	}
	return out
}

// tasker decodes the messages of Taskcluster's queue.
type tasker interface {
	DecodePulse(ctx context.Context, exchange, routingKey string, body []byte) ([]job.Event, error)
}

// decoder says what the messages of Pulse tell of a CI.
func decoder(ci job.Scheduler) pulse.Decoder {
	known := newRooms()
	return func(ctx context.Context, m pulse.Message) ([]job.Event, error) {
		t, err := recordedMessage{m.Exchange, m.RoutingKey, m.Body}.decode(known, func(recordedMessage) (told, error) {
			queue, ok := job.As[tasker](ci)
			if !ok {
				err := fmt.Errorf("%w: the CI is not Taskcluster", job.ErrInvalid)
				return told{}, job.Wrap("events", m.Exchange, err)
			}
			events, err := queue.DecodePulse(ctx, m.Exchange, m.RoutingKey, m.Body)
			return told{events: events}, err
		})
		for i := range t.pushes {
			t.events = append(t.events, job.Event{Time: t.pushes[i].Time, CI: "hg", Push: &t.pushes[i]})
		}
		return t.events, err
	}
}

// live is the CI with what Pulse tells of it.
func (a *app) live(ci job.Scheduler, bindings []pulse.Binding) (*pulse.Live, error) {
	o, err := a.pulseOptions(bindings)
	if err != nil {
		return nil, err
	}
	return pulse.NewLive(ci, pulse.LiveOptions{
		Store: pulse.NewMemory(), Decode: decoder(ci), CI: a.kindOf(ci), Consumer: pulse.Listen(o), Logger: a.log,
	})
}

// listening is a CI with Pulse where there is an account for it, and stop, which ends
// that; of the pushes with these revisions, or of all of the repository without any.
// Without an account, and where Pulse cannot be had, the CI is asked every so often; that
// is said.
func (a *app) listening(
	ctx context.Context, of job.Scheduler, revisions ...string,
) (ci job.Scheduler, stop func(), err error) {
	kind := a.kindOf(of)
	if a.world != "" || os.Getenv(pulseUser) == "" || kind == "treeherder" || len(a.bindings(kind, "")) == 0 {
		return of, func() {}, nil // Treeherder tells Pulse of jobs no more
	}
	if len(revisions) == 0 {
		revisions = []string{""}
	}
	var bindings []pulse.Binding
	for _, rev := range revisions {
		for _, b := range a.bindings(kind, rev) {
			if !slices.Contains(bindings, b) {
				bindings = append(bindings, b)
			}
		}
	}
	live, err := a.live(of, bindings)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := live.Run(ctx); err != nil {
			a.warnf("note: Pulse cannot be used, asking every minute instead: %v\n", err)
		}
	}()
	return live, func() {
		cancel()
		<-done
	}, nil
}

// tell prints what Pulse tells until the program is stopped.
func (a *app) tell(ctx context.Context) error {
	bindings := a.bindings(a.ci, "")
	if len(bindings) == 0 {
		return usage("--ci %s has no events on Pulse", a.ci)
	}
	p, err := a.places()
	if err != nil {
		return err
	}
	live, err := a.live(p.read, bindings)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	done := make(chan error, 1)
	told := &rows{a: a}
	go func() {
		err := live.Run(ctx)
		stop(err)
		done <- err
	}()
	for e, watchErr := range live.Watch(ctx) {
		switch {
		case watchErr != nil:
			err = watchErr
		case e.Missed:
			a.log.InfoContext(ctx, "messages may be missing", "why", e.Note)
		case e.Job != nil:
			if err = told.add(eventOf(e)); err == nil {
				err = told.flush()
			}
		}
		if err != nil {
			stop(nil)
			break
		}
	}
	return errors.Join(err, <-done)
}

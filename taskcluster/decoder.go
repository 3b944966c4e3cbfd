package taskcluster

import (
	"context"

	"github.com/mozci/mozci/job"
)

// DecodePulse turns a message of the queue on Pulse into job events. It takes the exchange
// that the message came by, its routing key, which may be empty, and its body. The first
// message about a task costs one request, for the task's definition; that never changes and
// is remembered for the next messages. Messages that ProjectOptions.Want turns down, and
// those about task groups, cost no request and give no events.
//
// The events may be of any repository, named as Treeherder names it. They carry the push's
// revision, and its id when the task has it; see [ParseDefinition]. Events of a task that
// belongs to no push have no revision.
//
// The error decides what to do with the message. After job.ErrUnavailable, try it again
// later; after any other error, set it aside. job.ErrNotFound is a task of another
// deployment, or one that has expired. Events may come together with an error: they are
// those of the runs that the error is not about.
func (p *Project) DecodePulse(
	ctx context.Context, exchange, routingKey string, body []byte,
) ([]job.Event, error) {
	const op = "taskcluster.message"
	if err := ctx.Err(); err != nil {
		return nil, job.Wrap(op, exchange, err)
	}
	m, err := DecodeMessage(exchange, body)
	if err != nil {
		return nil, err
	}
	if err := m.OfKey(routingKey); err != nil {
		return nil, err
	}
	if m.Status == nil {
		return nil, nil
	}
	// The task has changed: drop remembered listings that show it, or its group without it.
	p.known.listings.forgetTask(m.Status.TaskID)
	p.known.listings.forgetTask(m.Status.TaskGroupID)
	if p.opts.Want != nil && !p.opts.Want(m) {
		return nil, nil
	}
	d, err := within(ctx, p.c, op, m.Status.TaskID, func(ctx context.Context) (*Definition, error) {
		return p.taskOf(ctx, m.Status.TaskID)
	})
	if err != nil {
		return nil, err
	}
	return m.Events(d)
}

// taskOf is the definition of a task. A failed request is not tried again, since the caller
// has other messages to read and will see this one later.
func (p *Project) taskOf(ctx context.Context, taskID string) (*Definition, error) {
	return p.readTask(ctx, taskID, -1)
}

// defined is taskOf for callers that can wait: a failed request is tried again.
func (p *Project) defined(ctx context.Context, taskID string) (*Definition, error) {
	return p.readTask(ctx, taskID, 0)
}

// readTask is the definition of a task, from memory when it was read before. retries is as in
// rest.Call: 0 is the default number, -1 none.
func (p *Project) readTask(ctx context.Context, taskID string, retries int) (*Definition, error) {
	return p.known.tasks.Do(ctx, taskID, func(ctx context.Context) (*Definition, bool, error) {
		const op = "queue.task"
		r := p.c.request("", p.c.route("queue", "task", taskID))
		r.Retries = retries
		w, body, err := call(ctx, p.c, op, taskID, r, definitions)
		if err != nil {
			return nil, false, err
		}
		return w.definition(body), true, nil
	})
}

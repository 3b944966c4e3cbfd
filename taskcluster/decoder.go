package taskcluster

import (
	"context"

	"github.com/mozci/mozci/job"
)

// DecodePulse says what a message of the queue on Pulse tells of jobs: the exchange
// that it came by, its routing key, which may be empty, and its body. Of several messages about a
// task the first asks for its definition, which never changes: one request. None is
// made for messages that ProjectOptions.Want does not want, or that are about groups;
// they tell nothing.
//
// The events are of whatever repository the task is of, named as Treeherder names it,
// and have the push's revision, and its id where the task has it; see ParseDefinition.
// Of a task that is of no push they have no revision.
//
// The error says what is to become of the message: after job.ErrUnavailable it is tried
// again later; after any other it is set aside. job.ErrNotFound is a task of another
// deployment, or one that has expired. Events that come with an error are those of
// the runs that it is not about.
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
	// Who looks now must not see what was listed before: the task, or its group without it.
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

// taskOf is the definition of a task. It is asked for once: who waits for an answer has
// other messages to read.
func (p *Project) taskOf(ctx context.Context, taskID string) (*Definition, error) {
	return p.readTask(ctx, taskID, -1)
}

// defined is taskOf for who can wait.
func (p *Project) defined(ctx context.Context, taskID string) (*Definition, error) {
	return p.readTask(ctx, taskID, 0)
}

// readTask is the definition of a task, which may be known.
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

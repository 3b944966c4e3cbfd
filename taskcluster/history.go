package taskcluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

// History implements job.HistoryReader. A task group of Firefox has thousands of tasks, so
// the runs of a few labels are read without it. Two kinds of files tell which tasks a label
// has: the label-to-taskid.json of each decision task, the push's own or a cron job's, and
// the task-graph.json of each action of the push that is in the index. How the tasks stand
// is then read for all pushes at once. The groups of a push are listed after all when that
// may not tell everything:
//
//   - the decision task or an action is still running, failed, or completed only in a
//     later run: it may have made tasks that are in no such file;
//   - a file is missing, has expired or cannot be read, an action left none, or a file
//     names a task of another group or one that no longer exists;
//   - the push is older than 45 days: people copy tasks of old pushes by hand;
//   - this project fired an action that has not completed, or fired one lately without
//     learning whether it was accepted;
//   - the deployment cannot tell of several tasks in one request.
//
// The result is that of the groups, with one exception. The index has an action only once it
// has completed. So History does not see what an action of somebody else is still making,
// what a failed one made, and tasks made by hand, until something lists the groups, as
// Catalog, Accepted and Trigger do. Such a listing is remembered: the extra tasks in it count
// from then on, if it was known at that time what the decision task itself had made.
//
// Requests: 2 for each push, to see what is new in the index; then for each 1000 pushes or
// tasks 1 for the statuses, and 1 more when tasks wait. What never changes is read once: the
// decision tasks, their statuses and the definitions, in 1 request each for all pushes, and
// each push's file in 2. The files are also kept in Options.CacheDir.
func (p *Project) History(ctx context.Context, pushes []job.Push, labels ...string) ([]job.PushRuns, error) {
	const op = "taskcluster.history"
	key := strings.Join(labels, " ")
	if len(labels) == 0 {
		return nil, job.Wrap(op, key, fmt.Errorf("%w: no label was given", job.ErrInvalid))
	}
	if err := ctx.Err(); err != nil {
		return nil, job.Wrap(op, key, err)
	}
	return within(ctx, p.c, op, key, func(ctx context.Context) ([]job.PushRuns, error) {
		out := p.history(ctx, pushes, labels)
		if err := ctx.Err(); err != nil {
			return nil, job.Wrap(op, key, err)
		}
		return out, nil
	})
}

// HistoryWidth implements job.HistoryWidth. Each push costs requests of its own, so reading
// many more than 10 at a time saves little and may read more than is needed.
func (p *Project) HistoryWidth() int { return 10 }

// history reads each push; out[i] has what Jobs would return for pushes[i], its error too. A
// push that cannot be tested has no jobs and no error.
func (p *Project) history(ctx context.Context, pushes []job.Push, labels []string) []job.PushRuns {
	out := make([]job.PushRuns, len(pushes))
	var asked []int
	for i, push := range pushes {
		out[i].Push = push
		if push.Testable() {
			asked = append(asked, i)
		}
	}
	s := p.survey(labels)
	for _, i := range asked {
		s.add(p, pushes[i])
	}
	s.read(ctx)
	each(ctx, s.all, func(ctx context.Context, r *reading) {
		i := asked[slices.Index(s.all, r)]
		jobs, err := r.jobs(ctx, labels)
		out[i].Jobs, out[i].Err = jobs, job.Wrap("taskcluster.jobs", r.push.String(), err)
	})
	return out
}

// jobs are the runs of a push's labels: from the files when they tell everything, and from
// the groups otherwise.
func (r *reading) jobs(ctx context.Context, labels []string) ([]job.Job, error) {
	switch {
	case r.err != nil:
		return nil, r.err
	case r.listed != nil:
		return r.p.jobsOf(ctx, r.push, r.listed, labels...)
	case r.lacking != "":
		r.p.log.DebugContext(ctx, "listing the groups of a push", "push", r.push, "why", r.lacking)
		return r.p.jobsByGroup(ctx, r.push, labels...)
	}
	return r.p.jobsOf(ctx, r.push, r.g, labels...)
}

package taskcluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

// History implements job.HistoryReader. A task group of Firefox has thousands of tasks, so
// that the runs of some labels are read without it: which tasks a label has is in the
// label-to-taskid.json that a decision task, the push's own or a cron job's, leaves behind,
// and in the task-graph.json of each action that the index has of the push; and how far
// they are is asked for all pushes at once. The groups are listed where that does not tell
// all:
//
//   - the decision task, or an action, is not done, failed, or completed only in a
//     later run: it may have made tasks that no such file has;
//   - a file is missing, has expired or cannot be read, an action left none, or what a
//     file names is another group's task, or no more;
//   - the push is older than 45 days: tasks of old pushes are copied by hand;
//   - this project fired an action that has not completed, or has lately asked for
//     something and was not told what came of it;
//   - the deployment does not tell of several tasks in one request.
//
// The jobs are then those that the groups have, but for one thing: the index has an action
// once it has completed, so that what is being made by an action of somebody else's, what
// one made that failed, and tasks that somebody made by hand are not seen before
// something has listed the groups, as Catalog, Accepted and Trigger do. What those
// listings showed of that kind is remembered, where it was known then what the decision
// task itself made.
//
// Requests: two for each push, of what is new in the index, and, for each 1000 pushes or
// tasks, one for the statuses, and one more where tasks wait. What does not change is asked
// for once: the decision tasks, their statuses and the definitions, in one request each, and
// two for each push's file. The files are kept in Options.CacheDir, too.
func (p *Project) History(ctx context.Context, pushes []job.Push, labels ...string) ([]job.PushRuns, error) {
	const op = "taskcluster.history"
	key := strings.Join(labels, " ")
	if len(labels) == 0 {
		return nil, job.Wrap(op, key, fmt.Errorf("%w: no label", job.ErrInvalid))
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

// HistoryWidth implements job.HistoryWidth: each push has files of its own.
func (p *Project) HistoryWidth() int { return 10 }

// history reads each push, and has in its result what Jobs returns for it.
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

// jobs are the runs of a push's labels, by what was read of it or by its groups.
func (r *reading) jobs(ctx context.Context, labels []string) ([]job.Job, error) {
	switch {
	case r.err != nil:
		return nil, r.err
	case r.listed != nil:
		return r.p.jobsOf(ctx, r.push, r.listed, labels...)
	case r.lacking != "":
		r.p.log.DebugContext(ctx, "the groups of a push are listed", "push", r.push, "why", r.lacking)
		return r.p.jobsByGroup(ctx, r.push, labels...)
	}
	return r.p.jobsOf(ctx, r.push, r.g, labels...)
}

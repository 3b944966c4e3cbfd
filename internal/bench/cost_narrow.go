package main

import (
	"context"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/treeherder"
	"github.com/mozci/mozci/taskcluster"
)

// These schedulers have the abilities that questions use, except those that read many pushes or
// runs at once. What they cost is the column "before".

// narrowTreeherder is Treeherder push by push.
func narrowTreeherder(p *treeherder.Project) job.Scheduler {
	return struct {
		job.Scheduler
		job.Classifier
	}{p, p}
}

// narrowBuildbot is Buildbot push by push.
func narrowBuildbot(p *buildbot.Project) job.Scheduler {
	return struct {
		job.Scheduler
		job.Cataloger
		job.Canceler
		job.LogOpener
		job.KeyCarrier
		job.AddedChecker
		job.QueueMeter
		job.CoalesceChecker
	}{p, p, p, p, p, p, p, p}
}

// narrowTaskcluster is Taskcluster push by push, by the listing of each push's group.
func narrowTaskcluster(p *taskcluster.Project) job.Scheduler {
	return struct {
		wholeGroups
		job.Cataloger
		job.TestLister
		job.Canceler
		job.LogOpener
		job.AcceptedLister
		job.OutcomeFinder
		job.AddedChecker
		job.ArtifactChecker
		job.QueueMeter
	}{wholeGroups{p}, p, p, p, p, p, p, p, p, p}
}

// wholeGroups reads all jobs of a push, whichever are wanted.
type wholeGroups struct{ job.Scheduler }

// Jobs implements job.Scheduler.
func (w wholeGroups) Jobs(ctx context.Context, p job.Push, names ...string) ([]job.Job, error) {
	all, err := w.Scheduler.Jobs(ctx, p)
	if len(names) == 0 {
		return all, err
	}
	var out []job.Job
	for _, j := range all {
		for _, n := range names {
			if j.Name() == n {
				out = append(out, j)
				break
			}
		}
	}
	return out, err
}

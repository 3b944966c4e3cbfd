package jobtest

import (
	"context"
	"time"

	"github.com/mozci/mozci/job"
)

// requester is the requester of runs that were triggered in the CI.
const requester = "mozci"

// WasAdded implements job.AddedChecker: the runs that were triggered in the CI, and those of the grid
// with :by=.
func (c *CI) WasAdded(ctx context.Context, j job.Job) (bool, error) {
	by, err := c.asked(ctx, "world.offspring", j)
	return by != "", err
}

// Requester implements job.RequesterFinder: the name after :by=, and "mozci" for what was
// triggered in the CI.
func (c *CI) Requester(ctx context.Context, j job.Job) (string, error) {
	return c.asked(ctx, "world.requester", j)
}

// asked is who requested a run after its push; empty when it came with the push.
func (c *CI) asked(ctx context.Context, op string, j job.Job) (string, error) {
	if err := c.reach(ctx); err != nil {
		return "", job.Wrap(op, j.ID(), err)
	}
	c.lock()
	defer c.unlock()
	n, err := c.byID(j.ID())
	switch {
	case err != nil:
		return "", job.Wrap(op, j.ID(), err)
	case n.triggered:
		return requester, nil
	}
	return n.cell.by, nil
}

const (
	classified = time.Minute // after the end of a run a person classifies it
	classifier = "sheriff"   // is who does
)

// Classification implements job.Classifier: what the grid says with :class= of a run
// that failed, a minute after its end.
func (c *CI) Classification(ctx context.Context, j job.Job) (job.Classification, error) {
	const op = "world.classification"
	if err := c.reach(ctx); err != nil {
		return job.Classification{}, job.Wrap(op, j.ID(), err)
	}
	c.lock()
	defer c.unlock()
	n, err := c.byID(j.ID())
	if err != nil {
		return job.Classification{}, job.Wrap(op, j.ID(), err)
	}
	said, at := classes[n.cell.class], n.times.Finished.Add(classified)
	failed := n.status.Failed() || n.status == job.StatusException || n.status == job.StatusRetry
	if n.cell.class == "" || said == job.NotClassified || !failed || at.After(c.now) {
		return job.Classification{Kind: job.NotClassified}, nil
	}
	return job.Classification{Kind: said, By: classifier, At: at}, nil
}

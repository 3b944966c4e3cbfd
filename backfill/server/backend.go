package server

import (
	"context"
	"iter"
)

// backend is what the page needs of the service. Server implements it; a test's double does too.
type backend interface {
	// Get returns a backfill; job.ErrNotFound when none has this id.
	Get(ctx context.Context, id string) (Backfill, error)
	// List returns backfills, the newest first.
	List(ctx context.Context, q Query) ([]Backfill, error)
	// Follow yields the backfill if its version is greater than after, then each later version,
	// until the backfill has ended or ctx is done. A slow reader may miss versions, never the last
	// one.
	Follow(ctx context.Context, id string, after int64) iter.Seq2[Backfill, error]
	// Start starts a backfill or makes the plan of one (Input.DryRun). A refusal is not an error:
	// the backfill it returns is Refused. Input that makes no sense gives an error that wraps
	// job.ErrInvalid and names the field.
	Start(ctx context.Context, by Caller, in Input) (Backfill, error)
	// Cancel stops a backfill. One that has ended is returned unchanged.
	Cancel(ctx context.Context, by Caller, id string) (Backfill, error)
}

// Query selects the backfills that match every field that is set.
type Query struct {
	Project, Label, By string
	States             []State
	Before             string // only those older than the one with this id: the next page of a list
	Limit              int    // default 50, at most 500
}

// Input is what a caller sends to start a backfill. It names the job by one of Link, JobID and
// TaskID, or by Label and Revision; the other fields say how to look for the push.
type Input struct {
	Link     string `json:"link"`
	Project  string `json:"project"`
	JobID    *int64 `json:"job_id"`  // Treeherder's, or the CI's own number
	TaskID   string `json:"task_id"` // Taskcluster's, or another CI's own id
	Label    string `json:"label"`
	Revision string `json:"revision"`
	Test     string `json:"test"`
	Mode     Mode   `json:"mode"` // default Linear
	Times    *int   `json:"times"`
	Most     *int   `json:"max_revisions"`
	Batch    *int   `json:"batch"`
	MaxRuns  *int   `json:"max_runs"`
	Follow   bool   `json:"follow_merges"`
	DryRun   bool   `json:"dry_run"`
}

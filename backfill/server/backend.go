package server

import (
	"context"
	"iter"
)

// backend is what the page shows, and asks for.
type backend interface {
	// Get returns a backfill; job.ErrNotFound for an id that nobody knows.
	Get(ctx context.Context, id string) (Backfill, error)
	// List returns backfills, the newest first.
	List(ctx context.Context, q Query) ([]Backfill, error)
	// Follow gives the backfill if its version is above after, then each later one, until it
	// has ended or ctx is done.
	Follow(ctx context.Context, id string, after int64) iter.Seq2[Backfill, error]
	// Start takes an input: a dry run, or a backfill. One that is refused is no error: it has
	// its state. An input that makes no sense is an error that wraps job.ErrInvalid and
	// names the field.
	Start(ctx context.Context, by Caller, in Input) (Backfill, error)
	// Cancel asks for the end of a backfill. One that has ended stays as it is.
	Cancel(ctx context.Context, by Caller, id string) (Backfill, error)
}

// Query selects backfills: those that fit every field which is set.
type Query struct {
	Project, Label, By string
	States             []State
	Before             string // older than the one with this id
	Limit              int    // default 50, at most 500
}

// Input is what a caller gives: one of a link, a job_id, a task_id, or a label with a
// revision; and how to go about it.
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

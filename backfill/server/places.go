package server

import (
	"context"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/link"
)

// Places are the projects that the service works for: the wiring that a program gives.
// Implementations are safe for concurrent use.
type Places interface {
	// Open opens a project by the name of its repository; job.ErrNotFound, with the names
	// that there are, for one that is not served. An empty name is the default project.
	Open(ctx context.Context, project string) (Place, error)
	// Locate finds the job that a caller has named. Errors are those of the sources, or a
	// *Refusal where the place knows better why nothing can be done.
	Locate(ctx context.Context, named Named) (Located, error)
	// Deployments are those that links may be of.
	Deployments() link.Deployments
}

// Place is one project.
type Place struct {
	Project string
	Repo    job.Repository
	// CI is what ran there, and what is asked for more.
	CI job.Scheduler
	// Repositories opens other repositories, where merges lead. Optional.
	Repositories func(name string) (job.Repository, error)
	// Judge says what a run means, to the question whether a test failed, or the job where
	// test is empty. Nil: by the status, or by the test's log.
	Judge func(test string) analysis.Judge
	// PushPage is where people look at a push, and RangePage at several; empty for
	// nowhere. Optional.
	PushPage  func(p job.Push) string
	RangePage func(from, to job.Push) string
}

// Named is how a caller names a job, other than by its label and revision.
type Named struct {
	Project string     // may be empty
	Link    *link.Link // of Places.Deployments
	JobID   *int64
	TaskID  string
}

// Located is the job that was named.
type Located struct {
	Project  string
	Label    string // may be empty, as in the link of a push
	Revision string
	Run      string // the id of the run; empty where none was named
	Page     string // where people look at it
}

// Refusal is an error that says in a word, and in a sentence, why nothing is done.
type Refusal struct {
	Reason  Reason
	Message string // a sentence
	Err     error  // what it rests on; may be nil
}

// Error is the sentence.
func (r *Refusal) Error() string { return r.Message }

// Unwrap is what it rests on.
func (r *Refusal) Unwrap() error { return r.Err }

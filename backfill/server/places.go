package server

import (
	"context"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/link"
)

// Places are the projects that the service works for. The program that embeds the service
// implements it, and there decides which sources are read and on which CI runs are triggered.
// Implementations are safe for concurrent use.
type Places interface {
	// Open opens a project by the name of its repository; an empty name is the default project. For
	// a project that is not served the error is job.ErrNotFound and lists those that are.
	Open(ctx context.Context, project string) (Place, error)
	// Locate finds the job that a caller has named by a link or an id. Its errors are those of the
	// sources, or a *Refusal where the place can explain better why nothing can be done.
	Locate(ctx context.Context, named Named) (Located, error)
	// Deployments are the services whose links are accepted.
	Deployments() link.Deployments
}

// Place is one project.
type Place struct {
	Project string
	Repo    job.Repository
	// CI tells which runs there are, and triggers more.
	CI job.Scheduler
	// Repositories opens the other repositories that merges come from. Optional.
	Repositories func(name string) (job.Repository, error)
	// Judge returns what decides whether a run is good or bad for the question: whether the given
	// test failed or, for an empty test, the job. Nil: decide by the status, or by the log of a
	// test.
	Judge func(test string) analysis.Judge
	// PushPage is the page that shows a push, and RangePage the page that shows several; empty when
	// there is none. Optional.
	PushPage  func(p job.Push) string
	RangePage func(from, to job.Push) string
}

// Named says how a caller named a job, when not by its label and revision.
type Named struct {
	Project string     // may be empty
	Link    *link.Link // a link of one of Places.Deployments
	JobID   *int64
	TaskID  string
}

// Located is the job that a caller named.
type Located struct {
	Project  string
	Label    string // empty when the link is to a push
	Revision string
	Run      string // the id of the run; empty when the caller named none
	Page     string // the job's page; empty when there is none
}

// Refusal is an error that explains in a word and in a sentence why mozci does nothing.
type Refusal struct {
	Reason  Reason
	Message string // a sentence
	Err     error  // the underlying error; may be nil
}

// Error is the sentence.
func (r *Refusal) Error() string { return r.Message }

// Unwrap is the underlying error.
func (r *Refusal) Unwrap() error { return r.Err }

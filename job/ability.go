package job

import (
	"context"
	"io"
	"iter"
	"strconv"
	"time"
)

// Cataloger knows which labels can run on a push.
type Cataloger interface {
	// Catalog returns what can run on the push, or the named labels of it, each
	// label once, in no particular order. A named label that cannot run there
	// is left out. A push that nothing can run on gives ErrNotScheduled. Naming
	// labels is cheaper where a catalog is large.
	Catalog(ctx context.Context, p Push, labels ...string) ([]Runnable, error)
}

// TestLister knows the tests of each manifest.
type TestLister interface {
	// TestsByManifest returns the tests that the manifests of a push have, by the
	// manifest's path, each as the CI calls it. Manifests may be missing from it: nothing is
	// known of those. A push without such a list gives ErrNotFound.
	TestsByManifest(ctx context.Context, p Push) (map[string][]string, error)
}

// Runnable is one label of a catalog.
type Runnable struct {
	Label     string
	Kind      Kind
	Upstreams []string // labels of the builds whose files it needs
	// MakesUpstreams says that the CI itself makes the builds that are missing,
	// and waits for those under way, when the label is asked for.
	MakesUpstreams bool
	Manifests      []string // the test manifests it runs, where that is known
	// Barred says why the CI, which has the label, cannot be asked for it on this
	// push. Empty: it can.
	Barred string
	Parts
}

// Parts are what a label is made of, in the CI's own words; empty and 0 where it does not
// say.
type Parts struct {
	BuildType    string // "opt", "debug" or "pgo": of a test, that of the build which it tests
	Platform     string // what is built, "linux64-asan": of a test, that of the build which it tests
	TestPlatform string // what a test runs on, "linux2404-64-qr"
	Suite        string // what a test runs, "mochitest-browser-chrome"; what else a build is, "nightly"
	Chunk        int    // 1 and up; 0 for what is in one piece
}

// Name is the suite with its chunk, as in "xpcshell-4".
func (p Parts) Name() string {
	if p.Chunk > 0 && p.Suite != "" {
		return p.Suite + "-" + strconv.Itoa(p.Chunk)
	}
	return p.Suite
}

// Canceler can stop a run.
type Canceler interface {
	// Cancel stops the run with this ID. Cancelling what has ended already is
	// no error; an ID that the CI does not know is ErrNotFound.
	Cancel(ctx context.Context, id string) error
}

// LogKind is a sort of record that a run leaves behind.
type LogKind string

// The sorts of logs, best for finding failures first; the last has values in place of
// failures.
const (
	LogErrorSummary LogKind = "errorsummary" // JSON lines: groups, results, crashes
	LogStructured   LogKind = "structured"   // JSON lines: everything the harness said
	LogText         LogKind = "text"         // plain lines
	LogPerf         LogKind = "perf"         // JSON for Perfherder: perfherder-data-*.json, one file after the other
)

// LogOpener reads what a run left behind.
type LogOpener interface {
	// OpenLog opens one log of a run; the caller closes it. A run without such
	// a log gives ErrNotFound. Content is as the CI has it, compressed or not.
	OpenLog(ctx context.Context, j Job, which LogKind) (io.ReadCloser, error)
}

// Event is one of three things: a change of a job, a new push, or word that changes may
// have been missed.
type Event struct {
	Time time.Time
	CI   string // the CI's name
	Job  Job    // after the change; nil where it is about none
	Push *Push  // that is new, as far as the event tells; nil where it is about none
	// Missed says that changes may not have been told, and why in Note: the events
	// were cut off, or it is time for a look of one's own. Who waits for something
	// then asks the CI about it.
	Missed bool
	Note   string
}

// Watcher tells about changes as they happen.
type Watcher interface {
	// Watch yields events until ctx is done, or nothing can happen any more.
	// Events may come twice and, for different jobs, in any order. One that is
	// Missed says that others may not have come. An error that is not followed by
	// events ends the sequence.
	Watch(ctx context.Context) iter.Seq2[Event, error]
}

// LineLocator is a log, as OpenLog returns it, that knows where it is from: one that
// was put together of several.
type LineLocator interface {
	// Place returns the step and the log that a line of it is from, and which line
	// of that log it is; lines are 1-based. Both are empty for a line of its own,
	// and for one that was not read yet.
	Place(line int) (step, log string, own int)
}

// AcceptedLister knows what was asked for and is not visible yet.
type AcceptedLister interface {
	// Accepted returns the requests for the label on the push that the CI has
	// accepted and whose runs Jobs does not show yet, with Count the number
	// of such runs.
	Accepted(ctx context.Context, p Push, label string) ([]Request, error)
}

// Outcome is what became of a request that a CI accepted.
type Outcome struct {
	IDs  []string // of the runs that were made by now
	Done bool     // no more runs come of it
	Why  string   // for people: why none, or fewer, were made; only when Done
	// StatusCancelled says that somebody stopped it, which is a will and not a failure.
	Cancelled bool
}

// OutcomeFinder knows what became of requests that were accepted before their runs
// existed.
type OutcomeFinder interface {
	// Outcome tells which runs of the label, or of all labels when it is empty,
	// the job that a receipt names (Receipt.By) has made by now. A receipt whose
	// runs were made at once has its own IDs as the outcome. A job that the CI
	// does not know is ErrNotFound.
	Outcome(ctx context.Context, p Push, label string, r Receipt) (Outcome, error)
}

// KeyCarrier carries the keys of requests: a Trigger with a key that it has
// accepted before makes nothing new, so that a request whose answer was lost
// may be repeated, once nobody is still asking under that key.
type KeyCarrier interface {
	// Carried returns the IDs of the runs that requests with req's key made for
	// its label on its push: none where there are none, at most Count. The CI is
	// asked, whatever was known before. Where keys of the label do not reach the
	// CI the error wraps errors.ErrUnsupported.
	Carried(ctx context.Context, req Request) ([]string, error)
}

// RunFinder knows runs by their IDs alone.
type RunFinder interface {
	// FindRun returns the run with this ID, as Job.ID has it or as the CI's links name it,
	// as it is now: its name, its status, and its push, with the repository, the revision,
	// and what else the source has of it. The push may be one of another repository than
	// the Scheduler's; Push.Repo says of which. An ID that stands for several runs, such
	// as that of a task without the number of a run, is the newest of them.
	//
	// What has expired, what never was, and what is no ID of the CI, gives ErrNotFound,
	// and a run that is of no push ErrNoPush.
	FindRun(ctx context.Context, id string) (Job, error)
}

// PushRuns are the runs of some labels on one push.
type PushRuns struct {
	Push Push
	Jobs []Job
	Err  error // why the push alone could not be read; Jobs has what is known all the same
}

// HistoryReader reads the runs of some labels on many pushes in a few requests, where a
// Scheduler's Jobs takes some for each push. Package analysis has the reader that uses it
// where there is one, and Jobs where there is none.
type HistoryReader interface {
	// History returns, for each of the pushes and in their order, what Jobs returns for that
	// push and the labels: the same runs, and the same error, which does not keep the other
	// pushes from being read. No label is ErrInvalid; no push is no result.
	//
	// The second result is an error about all of them, such as the context's; there is no
	// result then. A Scheduler around another one that changes what Jobs returns must have
	// a History of its own.
	History(ctx context.Context, pushes []Push, labels ...string) ([]PushRuns, error)
}

// HistoryWidth is an ability of a HistoryReader for which each push has a cost of its own.
type HistoryWidth interface {
	// HistoryWidth is how many pushes are best read in one go, 1 or more: more of them
	// would cost too much where the first few suffice.
	HistoryWidth() int
}

// StatusReader knows how far runs are by their IDs alone, many in one go: what somebody
// who waits for them asks each minute.
type StatusReader interface {
	// Statuses returns the status that each run has now, by its ID: as Job.ID has it, or as
	// Receipt.By has it for the CI's own job, of which the newest run counts. The status is
	// the one that Jobs returns for the run. IDs that the CI does not know are left out.
	Statuses(ctx context.Context, ids ...string) (map[string]Status, error)
}

// PageLinker knows where people look at a run.
type PageLinker interface {
	// Page is the address of the run's page, in the CI that the run is of; empty
	// when it has none.
	Page(j Job) string
}

// AddedChecker knows which runs somebody asked for after the push, by hand or by a
// tool, and which came with it.
type AddedChecker interface {
	// WasAdded reports whether the run was asked for: backfilled, retriggered
	// or added. A robot that acts on such runs never ends.
	WasAdded(ctx context.Context, j Job) (bool, error)
}

// RequesterFinder knows who asked for a run after its push.
type RequesterFinder interface {
	// Requester returns the person or the tool that asked for the run, as the CI names
	// it, such as an e-mail address: it is not for everybody to see. It is empty for a
	// run that came with the push, and where the CI does not say.
	Requester(ctx context.Context, j Job) (string, error)
}

// Classifier knows what people said of failed runs.
type Classifier interface {
	// Classification returns what a person last said of the run. Only a person's word
	// counts: what a program guesses by itself, such as Treeherder's autoclassification,
	// leaves a run NotClassified. It is asked anew each time, as people change their
	// minds. A source that cannot be read is an error, never NotClassified.
	Classification(ctx context.Context, j Job) (Classification, error)
}

// ArtifactChecker knows whether the files of a run are still there.
type ArtifactChecker interface {
	// ArtifactsExist reports whether the files that other jobs need of this
	// run can still be fetched.
	ArtifactsExist(ctx context.Context, j Job) (bool, error)
}

// QueueDepth is the depth of the queue that a label waits in.
type QueueDepth struct{ Pending, Running int }

// QueueMeter knows how busy a CI is.
type QueueMeter interface {
	// QueueDepth returns the depth of the queue that runs of the label wait in.
	QueueDepth(ctx context.Context, label string) (QueueDepth, error)
}

// CoalesceChecker knows which labels' requests it merges while they wait.
type CoalesceChecker interface {
	// Coalesces reports whether requests for the label on one push, which wait at
	// the same time, were seen to become one run: of several that are asked for
	// at once some never run.
	Coalesces(ctx context.Context, label string) (bool, error)
}

// TriggerScoper knows which scopes, words for what somebody may do, a request needs: a
// service that acts for its callers asks it, so that it never lends them its own power.
type TriggerScoper interface {
	// TriggerNeeds returns what whoever wants the request done must have: one scope of each
	// group, of which the first is the usual one. It is of the way that Trigger would
	// take first, as things are now, and asks for nothing.
	//
	// A Scheduler that has it also keeps its acts to the scopes of [WithScopes], whatever
	// way it takes in the end: one that the scopes do not allow is ErrDenied.
	TriggerNeeds(ctx context.Context, req Request) ([][]string, error)
}

// CancelScoper knows which scopes the end of a run needs.
type CancelScoper interface {
	// CancelNeeds is TriggerNeeds for a Cancel of the run with this ID. One that has
	// ended needs none.
	CancelNeeds(ctx context.Context, id string) ([][]string, error)
}

// Origin is what a merge brought: pushes of another repository.
type Origin struct {
	Repo   string // empty when nobody knows
	Head   string // the revision that was merged
	Pushes []Push // ascending; exactly those that brought something new
	// Before is the push before the first of them: where the first one is bad,
	// the last good one is to be looked for from here on. Nil when there is none.
	Before *Push
	// Gone says that no repository that was asked has what was merged: it is no
	// more, or is not known. Repo is then what the merge's message says, or
	// empty, and Pushes is empty.
	Gone bool
}

// OriginFinder is a Repository that can tell what a merge push brought.
type OriginFinder interface {
	// Origins returns one Origin for each merge that brought something into the
	// repository with this push, in the order of the merges; also for a push
	// that moved the repository forward to another's head without a merge. A
	// push of new work has none.
	Origins(ctx context.Context, p Push) ([]Origin, error)
}

// BackoutFinder is a Repository that knows which push undid another.
type BackoutFinder interface {
	// Backouts returns the pushes that backed out changesets of p, ascending.
	Backouts(ctx context.Context, p Push) ([]Push, error)
}

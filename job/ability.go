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
	// Catalog returns what can run on the push, each label once, in no particular
	// order. With labels it returns those alone, and leaves out the ones that cannot
	// run there; this is cheaper where a catalog is large. A push on which nothing
	// can run gives ErrNotScheduled.
	Catalog(ctx context.Context, p Push, labels ...string) ([]Runnable, error)
}

// TestLister knows the tests of each manifest.
type TestLister interface {
	// TestsByManifest returns the tests of each manifest on a push. The key is the
	// manifest's path; the tests have the names that the CI uses. A manifest that is missing
	// is unknown, which does not mean that it has no tests. A push without such a list gives
	// ErrNotFound.
	TestsByManifest(ctx context.Context, p Push) (map[string][]string, error)
}

// Runnable is one label of a catalog.
type Runnable struct {
	Label     string
	Kind      Kind
	Upstreams []string // labels of the builds whose files it needs
	// MakesUpstreams says that a request for the label is enough: the CI itself makes
	// the builds that are missing, and waits for those under way.
	MakesUpstreams bool
	Manifests      []string // the test manifests it runs, where that is known
	// Barred says why the label cannot be triggered on this push although the CI has
	// it. Empty: it can be.
	Barred string
	Parts
}

// Parts are what a label is made of, in the CI's own words. A part that the CI does not
// give is empty or 0.
type Parts struct {
	BuildType    string // "opt", "debug" or "pgo"; a test has the type of the build that it tests
	Platform     string // what is built, "linux64-asan"; a test has the platform of the build that it tests
	TestPlatform string // what a test runs on, "linux2404-64-qr"
	Suite        string // what a test runs, "mochitest-browser-chrome"; for a build its variant, "nightly"
	Chunk        int    // 1 and up; 0 for a suite that is not split
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
	// Cancel stops the run with this ID. It is no error to cancel a run that has
	// already ended; an ID that the CI does not know is ErrNotFound.
	Cancel(ctx context.Context, id string) error
}

// LogKind is a sort of record that a run leaves behind.
type LogKind string

// The sorts of logs, the best for finding failures first. The last one has measured
// values instead of failures.
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
	Job  Job    // as it is after the change; nil when the event is not about a job
	Push *Push  // the new push, as far as the event describes it; nil when there is none
	// Missed says that some changes may not have been reported, for instance because
	// the connection was lost; Note says why. A caller that waits for something must
	// then ask the CI for its present state.
	Missed bool
	Note   string
}

// Watcher tells about changes as they happen.
type Watcher interface {
	// Watch yields events until ctx is done, or nothing can happen any more.
	// An event may come twice, and events of different jobs may come in any order.
	// An event with Missed set says that others may be lost. Events may go on after
	// an error; the sequence ends with an error only when none follows.
	Watch(ctx context.Context) iter.Seq2[Event, error]
}

// LineLocator is implemented by a log that OpenLog put together from several: it knows
// where each of its lines is from.
type LineLocator interface {
	// Place returns the step and the log that a line is from, and the number of the
	// line in that log; both numbers are 1-based. Step and log are empty for a line
	// that the reader added itself, and for one that was not read yet.
	//
	// For example, where step "compile" has 100 lines and step "test" follows, with
	// one heading line added before each, line 104 is line 2 of "test": 1 + 100 + 1 + 2.
	Place(line int) (step, log string, own int)
}

// AcceptedLister knows which requests a CI has accepted whose runs are not visible yet.
type AcceptedLister interface {
	// Accepted returns the requests for the label on the push that the CI has
	// accepted and whose runs Jobs does not show yet. Count is the number of those
	// runs that are still to appear, not the number that was requested at first.
	Accepted(ctx context.Context, p Push, label string) ([]Request, error)
}

// Outcome is what became of a request that a CI accepted.
type Outcome struct {
	IDs  []string // of the runs made so far
	Done bool     // no more runs will be made
	Why  string   // for people: why none, or fewer, were made; only when Done
	// Cancelled says that a person stopped the request on purpose. That is a decision,
	// not a failure: mozci does not repeat it.
	Cancelled bool
}

// OutcomeFinder knows what became of requests that were accepted before their runs
// existed.
type OutcomeFinder interface {
	// Outcome returns the runs that the receipt's job (Receipt.By) has made so far:
	// those of the label, or of all labels when it is empty. A receipt whose runs
	// were made at once has its own IDs as the outcome. A job that the CI does not
	// know is ErrNotFound.
	Outcome(ctx context.Context, p Push, label string, r Receipt) (Outcome, error)
}

// KeyCarrier carries the keys of requests: a Trigger with a key that it has
// accepted before makes nothing new. A request whose answer was lost may
// therefore be repeated, as soon as no other call with that key is under way.
type KeyCarrier interface {
	// Carried returns the IDs of the runs that requests with req's key made for
	// its label on its push: at most Count, possibly none. It asks the CI each time
	// and answers nothing from memory. Where keys of the label do not reach the
	// CI the error wraps errors.ErrUnsupported.
	Carried(ctx context.Context, req Request) ([]string, error)
}

// RunFinder knows runs by their IDs alone.
type RunFinder interface {
	// FindRun returns the run with this ID in its present state. The ID is one of Job.ID,
	// or one from the CI's links. The result has the run's name, its status and its push,
	// with the repository, the revision, and whatever else the source knows. The push can
	// belong to another repository than the Scheduler's; Push.Repo says which. An ID that
	// stands for several runs, such as a task's without the number of a run, means the
	// newest of them.
	//
	// A run that has expired or never existed, and a text that is no ID of the CI, give
	// ErrNotFound. A run without a push gives ErrNoPush.
	FindRun(ctx context.Context, id string) (Job, error)
}

// PushRuns are the runs of some labels on one push.
type PushRuns struct {
	Push Push
	Jobs []Job
	Err  error // why this push could not be read in full; Jobs still has what is known
}

// HistoryReader reads the runs of some labels on many pushes in a few requests. Jobs needs
// one request or more for each push. Package analysis has a reader that uses History where
// there is one, and Jobs otherwise.
type HistoryReader interface {
	// History returns one result for each push, in the order of pushes: the runs and the
	// error that Jobs would return for that push and the labels. An error of one push does
	// not keep the others from being read. No labels give ErrInvalid; no pushes give no
	// results.
	//
	// The second result is an error that concerns all pushes, such as the context's; there
	// are no results then. A Scheduler that wraps another one and changes what Jobs returns
	// must have a History of its own, or the two would disagree.
	History(ctx context.Context, pushes []Push, labels ...string) ([]PushRuns, error)
}

// HistoryWidth is implemented by a HistoryReader whose cost grows with each push.
type HistoryWidth interface {
	// HistoryWidth is the best number of pushes for one call of History, 1 or more. A
	// caller that reads more at once pays for all of them, though the first few are
	// often enough.
	HistoryWidth() int
}

// StatusReader reads the statuses of many runs at once, by their IDs alone. It is for
// callers that wait for runs and ask again each minute.
type StatusReader interface {
	// Statuses returns the present status of each run, by its ID. An ID is one of Job.ID,
	// or one of Receipt.By for the CI's own job, whose newest run counts. The status is
	// the one that Jobs returns for the run. IDs that the CI does not know are left out.
	Statuses(ctx context.Context, ids ...string) (map[string]Status, error)
}

// PageLinker knows where people look at a run.
type PageLinker interface {
	// Page is the address of the run's page in its own CI; empty when it has none.
	Page(j Job) string
}

// AddedChecker tells the runs that came with a push from those that a person or a tool
// triggered later.
type AddedChecker interface {
	// WasAdded reports whether the run was triggered later: backfilled, retriggered
	// or added. An unattended program must not act on such runs: each of its own runs
	// would give it a reason for the next.
	WasAdded(ctx context.Context, j Job) (bool, error)
}

// RequesterFinder knows who triggered a run after its push.
type RequesterFinder interface {
	// Requester returns the person or the tool that triggered the run, as the CI names
	// them. This can be an e-mail address: do not publish it. It is empty for a run that
	// came with the push, and where the CI does not say.
	Requester(ctx context.Context, j Job) (string, error)
}

// Classifier knows what people said of failed runs.
type Classifier interface {
	// Classification returns what a person last said of the run. Only a person's word
	// counts: a program's guess, such as Treeherder's autoclassification, leaves a run
	// NotClassified. Each call reads the source again, because people change their
	// minds. A source that cannot be read is an error, never NotClassified.
	Classification(ctx context.Context, j Job) (Classification, error)
}

// ArtifactChecker knows whether the files of a run are still there.
type ArtifactChecker interface {
	// ArtifactsExist reports whether the files that other jobs need of this
	// run can still be fetched.
	ArtifactsExist(ctx context.Context, j Job) (bool, error)
}

// QueueDepth is how many runs, of all labels, wait in the queue of a label and run from it.
type QueueDepth struct{ Pending, Running int }

// QueueMeter knows how busy a CI is.
type QueueMeter interface {
	// QueueDepth returns the depth of the queue that runs of the label wait in.
	QueueDepth(ctx context.Context, label string) (QueueDepth, error)
}

// CoalesceChecker knows for which labels a CI merges requests that wait.
type CoalesceChecker interface {
	// Coalesces reports whether the CI was seen to make one run of several requests for
	// the label on one push that waited at the same time. Where it does, some of the runs
	// that are triggered together never run: trigger them one by one.
	Coalesces(ctx context.Context, label string) (bool, error)
}

// TriggerScoper knows which scopes a request needs; a scope is a word for something that
// a caller may do. A service that acts for its callers checks their scopes with it, so
// that they cannot use the service's own rights.
type TriggerScoper interface {
	// TriggerNeeds returns the scopes that the caller must have: at least one of each
	// group; the first of a group is the usual one. For example {{"a", "b"}, {"c"}} means
	// (a or b) and c. They are for the way that Trigger would try first now.
	// TriggerNeeds triggers nothing.
	//
	// A Scheduler that implements it also limits its acts to the scopes of [WithScopes],
	// whichever way it takes in the end: an act that the scopes do not allow is ErrDenied.
	TriggerNeeds(ctx context.Context, req Request) ([][]string, error)
}

// CancelScoper knows which scopes are needed to cancel a run.
type CancelScoper interface {
	// CancelNeeds returns the scopes to cancel the run with this ID, in the groups of
	// TriggerNeeds. A run that has ended needs none.
	CancelNeeds(ctx context.Context, id string) ([][]string, error)
}

// Origin is what a merge brought: pushes of another repository.
type Origin struct {
	Repo   string // empty when it is unknown
	Head   string // the revision that was merged
	Pushes []Push // ascending; exactly those that brought something new
	// Before is the push before the first of Pushes: when that one is bad, a search
	// for the last good push goes on from here, back in time. Nil when there is none.
	Before *Push
	// Gone says that none of the repositories that were asked has the merged
	// revision: its repository was removed, or is not known. Repo is then the name in
	// the merge's message, or empty, and Pushes is empty.
	Gone bool
}

// OriginFinder is a Repository that can tell what a merge push brought.
type OriginFinder interface {
	// Origins returns one Origin for each merge that brought something into the
	// repository with this push, in the order of the merges. A push that moved the
	// repository forward to another's head without a merge (a fast-forward) has one
	// too. A push of new work has none.
	Origins(ctx context.Context, p Push) ([]Origin, error)
}

// BackoutFinder is a Repository that knows which push undid another.
type BackoutFinder interface {
	// Backouts returns the pushes that backed out changesets of p, ascending.
	Backouts(ctx context.Context, p Push) ([]Push, error)
}

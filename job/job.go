// Package job holds the words that the rest of mozci speaks, and the contracts
// that a CI and a repository fulfil. It imports the standard library only.
//
// Start with [Repository], which finds pushes, and [Scheduler], a CI, which says
// what ran on a [Push] and can run more. Most programs do three things with them:
//
//	push, err := repo.Push(ctx, "2b3a9d5b0e51")             // a revision's push
//	jobs, err := ci.Jobs(ctx, push, "linux64/opt/xpcshell-1") // the runs of a label on it
//	receipt, err := ci.Trigger(ctx, job.Request{            // two more runs
//		Key: "backfill-17-xpcshell-1", Label: "linux64/opt/xpcshell-1", Push: push, Count: 2,
//	})
//
// The packages buildbot, taskcluster, pushlog and job/treeherder implement these
// interfaces for real services. Package [github.com/mozci/mozci/job/jobtest] has
// them in memory: its NewCI reads a history written as text. It also has the kit
// that checks whether an implementation keeps the contracts below.
//
// Times are UTC, and zero where they are unknown. Implementations are safe for
// concurrent use. Errors are *[Error] values; use errors.Is with the sentinels, such
// as [ErrNotFound] and [ErrUnavailable], to decide what to do next.
//
// # Glossary
//
//   - A push is one delivery of changesets to a repository; its tip is its
//     revision. Pushes of a repository are ordered; see [Push.Compare].
//   - A line is a series of pushes in which each builds on the one before: those
//     of one branch of one repository. Try and pull requests have none; see
//     [LineChecker].
//   - A label names what can run on a push: a task label or a builder name.
//   - A job, or run, is one execution of a label on a push. Two runs of one
//     label on one push are two jobs.
//   - A status says how far a run is or how it ended; see [Status].
//   - A kind says whether a label builds, tests or measures; see [Kind].
//   - A range names consecutive pushes; see [Range].
//   - A request asks a CI for runs; a receipt is what the CI answered at once.
//   - A plan is a list of steps, each a request with its reason (package
//     trigger).
//   - An event is a change of a job, as it happens.
//   - The culprit is the push that broke a label.
//   - Good, bad and mixed are verdicts on a push for a label (package analysis).
//
// # Optional abilities
//
// [Repository] and [Scheduler] are the minimum. What only some services can do is
// an optional interface of one method. Call it by its function, which finds the
// ability and answers [errors.ErrUnsupported] where there is none. For a Scheduler:
//
//   - [Cataloger], by [Catalog]: which labels can run on a push.
//   - [TestLister], by [TestsByManifest]: which tests the manifests of a push have.
//   - [AcceptedLister], by [Accepted]: the requests that the CI has accepted and
//     whose runs are not visible yet.
//   - [OutcomeFinder], by [OutcomeOf]: what became of one such request.
//   - [KeyCarrier], by [Carried]: the runs that a request's key made.
//   - [AddedChecker], by [WasAdded]: whether a run was added after the push, by hand
//     or by a tool.
//   - [RequesterFinder], by [RequesterOf]: who triggered such a run.
//   - [Classifier], by [Classified]: what a person said of a failed run.
//   - [ArtifactChecker], by [ArtifactsExist]: whether a build's files are there.
//   - [QueueMeter], by [QueueDepthOf]: how many runs wait where a label's would.
//   - [CoalesceChecker], by [Coalesces]: whether waiting requests become one run.
//   - [TriggerScoper], by [TriggerNeeds], and [CancelScoper], by [CancelNeeds]: which
//     scopes a caller needs for an act; [WithScopes] limits an act to a caller's scopes.
//   - [RunFinder], by [FindRun]: the run with an ID, and so its label and its push.
//   - [HistoryReader], by [History]: the runs of some labels on many pushes, in a few requests;
//     [HistoryWidth], by [HistoryWidthOf], is the best number of pushes for one call.
//   - [StatusReader], by [StatusesOf]: the statuses of many runs at once.
//   - [Canceler], by [Cancel]; [LogOpener], by [OpenLog]; [Watcher], by [Watch];
//     [PageLinker], by [PageOf].
//
// For a Repository:
//
//   - [OriginFinder], by [Origins]: what a merge brought, and from where.
//   - [BackoutFinder], by [Backouts]: which push undid another.
//   - [LineChecker], by [Line]: whether each push builds on the one before.
//
// No method of an implementation silently does nothing. A Scheduler that wraps another
// keeps its abilities by a method Unwrap; see [As].
package job

import (
	"context"
	"time"
)

// Job is one run of a label on a push: an immutable snapshot of what was known
// when it was read. Reading again gives a new value; this one never changes.
type Job interface {
	// ID is opaque and unique in its CI.
	ID() string
	// Name is the label: a task label or a builder name.
	Name() string
	// Push is the push the run belongs to.
	Push() Push
	// Kind says what sort of work the label does.
	Kind() Kind
	// Status says how far the run is, or how it ended.
	Status() Status
	// Times are zero where they are not known.
	Times() Times
	// Raw is the source's own record, for callers that need more than the contract
	// gives. The source documents its type. It must not be changed.
	Raw() any
}

// Times are the moments of a run, UTC; each is zero while it is unknown.
type Times struct {
	Requested, Started, Finished time.Time
}

// Fields are the fields of a Job that New makes.
type Fields struct {
	ID, Name string
	Push     Push
	Kind     Kind
	Status   Status
	Times    Times
	Raw      any
}

// New returns a Job with these fields. It saves each source from writing the same
// seven methods.
func New(f Fields) Job { return snapshot{f} }

type snapshot struct{ f Fields }

func (s snapshot) ID() string     { return s.f.ID }
func (s snapshot) Name() string   { return s.f.Name }
func (s snapshot) Push() Push     { return s.f.Push }
func (s snapshot) Kind() Kind     { return s.f.Kind }
func (s snapshot) Status() Status { return s.f.Status }
func (s snapshot) Times() Times   { return s.f.Times }
func (s snapshot) Raw() any       { return s.f.Raw }

// Repository is a place where pushes are found. Implementations are safe for
// concurrent use. The kit is jobtest.CheckRepository.
//
// Laws for both methods: errors are of type *[Error]; a revision or name that
// the repository does not have gives [ErrNotFound]; a malformed argument gives
// [ErrInvalid] without asking the service; a cancelled context gives its error
// promptly. Returned slices are the caller's.
type Repository interface {
	// Name is the repository's short name, as in Push.Repo.
	Name() string

	// Push returns the push that contains rev, whether rev is its tip or one of
	// its other changesets. rev is 12 to 40 hexadecimal digits, or "tip" for the
	// newest push that has a revision. A hash of git finds a push of hg where the
	// source knows both hashes.
	Push(ctx context.Context, rev string) (Push, error)

	// Pushes returns the pushes of a range, ascending by Push.Compare, each
	// once. Where the repository has several branches, a range stays on one: that
	// of the push it starts from, or else the repository's own.
	//
	// A well-formed range with no pushes in it gives none and no error; revisions
	// in the wrong order give ErrInvalid. A push whose changesets were all stripped
	// is either absent or has an empty Revision.
	Pushes(ctx context.Context, r Range) ([]Push, error)
}

// Scheduler is a CI: it says what ran, and runs more. Implementations are safe
// for concurrent use. The kit is jobtest.CheckScheduler.
//
// Laws for both methods: errors are of type *[Error], and errors.Is finds the
// sentinels of this package in them; a cancelled context gives its error
// promptly and triggers nothing.
type Scheduler interface {
	// Jobs returns every run of the push, or those of the named labels, in no
	// particular order, each ID once. Automatic retries are jobs of their own,
	// with StatusRetry. A push that nothing was scheduled on gives no jobs and
	// no error. A status word that the source's documentation does not know is
	// [ErrUnknownWord], never a default; the other jobs come with the error.
	Jobs(ctx context.Context, p Push, names ...string) ([]Job, error)

	// Trigger requests runs. It returns once the CI has accepted the request,
	// which can be before the runs are visible. Where the CI carries keys, a request
	// whose Key was accepted before makes nothing new: the receipt then says
	// ReceiptAlreadyAsked.
	//
	// An error that wraps ErrUnavailable, or a context's error, means that the
	// outcome is not known: check before you repeat the request. A *[PartialError]
	// says for how many runs it is known. Every other error means that nothing was
	// triggered. A read-only source answers [errors.ErrUnsupported].
	Trigger(ctx context.Context, req Request) (Receipt, error)
}

// Request asks for Count runs of Label on Push.
type Request struct {
	Key   string // equal keys mean the same work; it travels to the CI where that is possible
	Label string
	Push  Push
	Count int // at least 1
	// Times is the total number of runs wanted on the push, including those that
	// exist and those on their way; 0 means Count runs whatever exists. A source
	// whose CI does not carry keys looks once more just before it acts, since
	// others may have triggered runs meanwhile, and then makes only what is
	// missing. The receipt says ReceiptAlreadyAsked when nothing is missing.
	//
	// For example Count 2 and Times 3: the caller saw 1 run. If 2 exist by now, the
	// source makes 1 more.
	Times  int
	Action string // a CI's own way to do it; empty is the usual one
	Input  any    // the action's input, encodable as JSON; nil for none
	Why    string // shown to people where the CI has a place for it
}

// ReceiptState says what a CI made of a request.
type ReceiptState string

// The states of a receipt.
const (
	ReceiptCreated      ReceiptState = "created"       // the runs exist; Receipt.IDs names them
	ReceiptAccepted     ReceiptState = "accepted"      // the CI accepted it, but no run is visible yet
	ReceiptAlreadyAsked ReceiptState = "already_asked" // the key was known; nothing new was made
)

// Receipt is what a CI answered to a request at once.
type Receipt struct {
	IDs   []string // of the runs that were created, where the CI says so
	State ReceiptState
	// By is the ID of the CI's own job that makes the runs, such as the task of
	// an in-tree action. OutcomeOf tells what it made, and Cancel stops it.
	// Empty where the CI makes the runs at once.
	By string
	// Link is a page about By, or about the runs; empty where there is none.
	Link string
	// Note is for people: it says that the source took another way than the usual
	// one, and why. Empty when all went as usual.
	Note string
}

// Others reports whether the runs of this receipt belong to others, who requested
// them first, and the CI made nothing new. By is then their job, which the caller must
// not stop.
func (r Receipt) Others() bool { return r.State == ReceiptAlreadyAsked && r.By != "" }

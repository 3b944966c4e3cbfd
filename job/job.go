// Package job holds the words that the rest of mozci speaks, and the contracts
// that a CI and a repository fulfil. It imports the standard library only.
//
// Start with [Scheduler], a CI: it says what ran on a [Push] and runs more of
// it; and with [Repository], the place where pushes are found. Package
// [github.com/mozci/mozci/job/jobtest] has both in memory, made by its
// NewCI from a history written as text, and the kit that tells whether an
// implementation keeps the contracts below.
//
// # Glossary
//
//   - A push is one delivery of changesets to a repository; its tip is its
//     revision. Pushes of a repository are ordered; see [Push.Compare].
//   - A line is pushes that follow each other: those of one branch of one
//     repository. Try and pull requests have none; see [LineChecker].
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
// [Repository] and [Scheduler] are the minimum. What only some services can do
// is a wider interface of one method, each with a function that asks for it and
// falls back to [errors.ErrUnsupported]. Of a Scheduler:
//
//   - [Cataloger], by [Catalog]: which labels can run on a push.
//   - [TestLister], by [TestsByManifest]: which tests the manifests of a push have.
//   - [AcceptedLister], by [Accepted]: the requests that the CI has taken and whose
//     runs are not visible yet.
//   - [OutcomeFinder], by [OutcomeOf]: what became of one such request.
//   - [KeyCarrier], by [Carried]: the runs that a request's key made.
//   - [AddedChecker], by [WasAdded]: whether a run was added after the push, by hand
//     or by a tool.
//   - [RequesterFinder], by [RequesterOf]: who asked for such a run.
//   - [Classifier], by [Classified]: what a person said of a failed run.
//   - [ArtifactChecker], by [ArtifactsExist]: whether a build's files are there.
//   - [QueueMeter], by [QueueDepthOf]: how many runs wait where a label's would.
//   - [CoalesceChecker], by [Coalesces]: whether waiting requests become one run.
//   - [TriggerScoper], by [TriggerNeeds], and [CancelScoper], by [CancelNeeds]: what
//     whoever asks for an act must be allowed to do; [WithScopes] keeps an act to that.
//   - [RunFinder], by [FindRun]: the run with an ID, and so its label and its push.
//   - [HistoryReader], by [History]: the runs of some labels on many pushes, in a few requests;
//     [HistoryWidth], by [HistoryWidthOf], says how many pushes are best read in one go.
//   - [StatusReader], by [StatusesOf]: how far runs are, many in one go.
//   - [Canceler], by [Cancel]; [LogOpener], by [OpenLog]; [Watcher], by [Watch];
//     [PageLinker], by [PageOf].
//
// Of a Repository:
//
//   - [OriginFinder], by [Origins]: what a merge brought, and from where.
//   - [BackoutFinder], by [Backouts]: which push undid another.
//   - [LineChecker], by [Line]: whether its pushes follow each other.
//
// No method of an implementation silently does nothing. A Scheduler around another
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
	// Raw is the source's own record, for who wants more than the contract;
	// its type is documented by the source, and it must not be changed.
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

// New returns the Job with these facts. Sources use it so that each need not
// write the same seven methods.
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

	// Push returns the push that contains rev, not only the one whose tip it
	// is. rev is 12 to 40 hexadecimal digits, or "tip" for the newest push
	// that has a revision. A hash of git names a push of hg where the source
	// knows the pair.
	Push(ctx context.Context, rev string) (Push, error)

	// Pushes returns the pushes of a range, ascending by Push.Compare, each
	// once. Where the repository has several branches, a range is of one: that
	// of the push it starts from, or else the repository's own. A well-formed range with no pushes in it gives none and
	// no error; revisions
	// given in the wrong order give ErrInvalid. A push whose changesets were
	// all stripped is either absent or has an empty Revision.
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

	// Trigger asks for runs. It returns once the CI has accepted the request,
	// which can be before the runs are visible. A request whose Key was
	// accepted before is not repeated where the CI carries keys: the receipt
	// then says AlreadyAsked. An error that wraps ErrUnavailable, or a
	// context's error, means that the outcome is not known: look before
	// asking again; a *[PartialError] tells for how many it is known. Every other
	// error means that nothing was asked for.
	// A read-only source answers [errors.ErrUnsupported].
	Trigger(ctx context.Context, req Request) (Receipt, error)
}

// Request asks for Count runs of Label on Push.
type Request struct {
	Key   string // the same for the same work; travels to the CI where it can
	Label string
	Push  Push
	Count int // at least 1
	// Times is the total of runs that is wanted, those that are there and those
	// that are on their way included; 0 when the caller wants Count whatever is
	// there. A CI that keys do not reach looks once more just before it acts,
	// and makes no more than is then missing of Times: somebody else may have
	// asked since the caller looked. The receipt says AlreadyAsked when nothing
	// is missing.
	Times  int
	Action string // a CI's own way to do it; empty is the usual one
	Input  any    // the action's input, encodable as JSON; nil for none
	Why    string // shown to people where the CI has a place for it
}

// ReceiptState says what a CI made of a request.
type ReceiptState string

// The states of a receipt.
const (
	ReceiptCreated      ReceiptState = "created"       // the runs exist, IDs name them
	ReceiptAccepted     ReceiptState = "accepted"      // taken, but no run is visible yet
	ReceiptAlreadyAsked ReceiptState = "already_asked" // the key was known; nothing new was made
)

// Receipt is what a CI answered to a request at once.
type Receipt struct {
	IDs   []string // of the runs that were created, where the CI says so
	State ReceiptState
	// By is the ID of the CI's own job that makes the runs, such as the task of
	// an in-tree action: OutcomeOf tells what it made, and Cancel stops it.
	// Empty where the CI makes the runs at once.
	By string
	// Link is a page about By, or about the runs; empty where there is none.
	Link string
	// Note says what people should know: that another way than the usual one
	// was taken, and why. Empty when all went as usual.
	Note string
}

// Others reports whether a receipt, as the CI gave it, is for what somebody else
// had asked for: nothing more was made, and By, which is theirs, is not the
// caller's to stop.
func (r Receipt) Others() bool { return r.State == ReceiptAlreadyAsked && r.By != "" }

package autopilot

import (
	"context"
	"errors"
	"time"

	"github.com/mozci/mozci/job"
)

// Store keeps what the robot knows and has decided. Implementations are safe for concurrent use,
// and those that outlive a process are safe for use by several processes. autopilottest.CheckStore
// is the kit that each must pass.
//
// Laws: Errors are of type *job.Error. A call whose context is done returns the context's error and
// writes nothing. When a method returns without an error, its change is stored. Times are by the
// store's own clock, except those of runs and pushes. The caller owns the returned values and may
// change them.
type Store interface {
	WorkStore
	SignatureStore
	PurseStore
	PeopleStore
	// Now is the store's clock.
	Now(ctx context.Context) (time.Time, error)
	// Prune deletes what ended, or was spent, longer than keep ago, and the signatures that were
	// seen longer than signatures ago. keep must be at least LeastKept. It returns how
	// many failures and cases it deleted.
	Prune(ctx context.Context, keep, signatures time.Duration) (int, error)
}

// WorkStore keeps failures and cases, and leases each to one instance at a time.
type WorkStore interface {
	// Hear stores a failure that becomes due after the duration after. Heard is set to the store's
	// clock. When its key exists already, Hear changes nothing and returns false. A failure that is
	// decided already is stored as decided.
	Hear(ctx context.Context, f Failure, after time.Duration) (fresh bool, err error)
	// Open stores a case, due at once, and returns it and true. Instead, if an earlier case has one
	// of its signatures in a span that overlaps one of spans, Open adds the case's labels,
	// signatures and spans to that one and returns it and false. This happens in one step, so that
	// a failure never gets two cases. When most cases are open already, nothing is stored and the
	// error is ErrFull; a case that has ended is stored always. Opened is set to the store's clock,
	// and so is Ended when the case has ended.
	Open(ctx context.Context, c Case, spans []Span, most int) (Case, bool, error)
	// Extend adds spans to an open case. If an earlier case has one of its signatures in an
	// overlapping span, Extend adds nothing and returns that case; otherwise it returns the zero
	// Case.
	Extend(ctx context.Context, key string, spans []Span) (earlier Case, err error)
	// Claim leases up to n failures and cases to the holder. They must be due, not leased to
	// anybody, and not done: a failure is done when it is decided, a case when it has ended and its
	// report was delivered. Cases come first, and then what has been due longest.
	Claim(ctx context.Context, holder string, lease time.Duration, n int) ([]Claimed, error)
	// Renew extends the lease to lease from now. Its errors are those of Save.
	Renew(ctx context.Context, c Claimed, lease time.Duration) error
	// Save writes a claimed failure or case and ends its lease. It becomes due after again, or at
	// once when Wake has met it since it was claimed. Labels and signatures that Open added
	// meanwhile stay, and so does People. When a case ends, Ended is set to the store's clock. The
	// error is ErrLost, with nothing written, when the lease had ended and another holder claimed
	// it, or when it was given back already; it is job.ErrNotFound when it does not exist.
	Save(ctx context.Context, c Claimed, again time.Duration) error
	// Wake makes failures and cases due now that are not done and have this repository and label.
	// An empty label means every label, an empty repo every repository. What is leased becomes due
	// when it is given back. It returns how many there were.
	Wake(ctx context.Context, repo, label string) (int, error)
	// Next returns after how long the next failure or case can be claimed: 0 for now. some is false
	// when there is none. What others have leased counts from the end of the lease.
	Next(ctx context.Context) (after time.Duration, some bool, err error)
	// Cases returns the cases that the query selects, the newest first.
	Cases(ctx context.Context, q CaseQuery) ([]Case, error)
	// Failures returns the failures that the query selects, the newest first.
	Failures(ctx context.Context, q FailureQuery) ([]Failure, error)
}

// SignatureStore knows when each signature was seen.
type SignatureStore interface {
	// See records that signatures were seen on a push, in a label's variant. Recording the same
	// twice changes nothing.
	See(ctx context.Context, s Seen) error
	// LastSeen returns where and when each of the signatures was last seen in the repository and
	// variant: at since or later, and on a push older than before. Signatures that were not seen
	// are left out.
	LastSeen(ctx context.Context, repo, variant string, signatures []string, before job.Push, since time.Time) (
		map[string]Seen, error)
}

// PurseStore knows what was spent.
type PurseStore interface {
	// Spend takes a spend out of the budgets of the last 24 hours, if it exceeds none of the
	// limits, in one step. Otherwise it returns the limit that it would exceed; empty means that it
	// was taken. The same key is taken only once.
	Spend(ctx context.Context, s Spend, limits []Limit) (over string, err error)
	// GiveBack undoes a spend when its request made no run. An unknown key is not an error.
	GiveBack(ctx context.Context, key string) error
	// Account updates a spend: how many of its runs ended red, how many have not ended, and the
	// minutes that they took or are expected to take. An unknown key is not an error.
	Account(ctx context.Context, key string, red, open int, minutes float64) error
	// Spends returns the spends of a case or, when caseKey is empty, all those since a time; in the
	// order in which they were taken.
	Spends(ctx context.Context, caseKey string, since time.Time) ([]Spend, error)
}

// PeopleStore keeps what people set, and what the outcomes of cases changed.
type PeopleStore interface {
	// Switch returns the switch; Act when it was never set.
	Switch(ctx context.Context) (Switch, error)
	// SetSwitch sets the switch. Its At is set to the store's clock.
	SetSwitch(ctx context.Context, s Switch) error
	// FallBack sets the switch to s if it is Act, in one step, so that it never takes the place of
	// what a person set; otherwise it changes nothing. It returns the switch as it is then.
	FallBack(ctx context.Context, s Switch) (Switch, error)
	// OptOut keeps the robot away from a push, named by repository and revision. With out false it
	// ends that.
	OptOut(ctx context.Context, repo, revision, who string, out bool) error
	// OptedOut returns who opted the push out, by any of its hashes; empty when none is.
	OptedOut(ctx context.Context, p job.Push) (who string, err error)
	// Tell records what people did about a case. Its At is set to the store's clock.
	Tell(ctx context.Context, key string, p People) error
	// Learn changes the window after a case ended, once for each key, and returns it. start is its
	// size before the first lesson.
	Learn(ctx context.Context, key string, l Lesson, start int) (Window, error)
	// Window returns the window. start is its size before the first lesson.
	Window(ctx context.Context, start int) (Window, error)
}

// Failure is a label that failed on a push: what the robot has to decide about.
type Failure struct {
	Key      string // made of the repository, the push and the label
	Run      string // the id of the run that the robot heard of first
	Label    string
	Push     job.Push
	Kind     job.Kind
	Finished time.Time // when the run ended
	Heard    time.Time // when the robot heard of it, by the store's clock

	// Signatures are what the log says, once Read is true. Tests are the tests that these are
	// about, one for each signature, and New the signatures that are new.
	Read       bool
	Signatures []string
	Tests      []string
	New        []string

	// Rule and Why are the decision, or what the failure waits for; empty before the robot has
	// looked.
	Rule    Rule
	Why     string
	Decided bool
	At      time.Time // when it was decided, by the store's clock
	Case    string    // the key of its case; empty for none
	Blind   int       // how many times in a row a source did not answer
	BlindAt time.Time // the last of these times
}

// Claimed is a failure or a case that is leased to a holder: exactly one of Failure and Case is
// set.
type Claimed struct {
	Failure *Failure
	Case    *Case  // nil when it is a failure
	Holder  string // the name that Claim was called with
	Woken   int64  // how often Wake had met it when it was claimed
}

// key is the key of the failure or case.
func (c Claimed) key() string {
	if c.Case != nil {
		return c.Case.Key
	}
	return c.Failure.Key
}

// done reports whether nothing is left to do, so that it is not claimed any more.
func (c Claimed) done() bool {
	if c.Case != nil {
		return c.Case.State == Ended && c.Case.Told
	}
	return c.Failure.Decided
}

// Span is a range of pushes of one repository that can have caused a failure, by their place in the
// repository's order: those after Low, up to and including High. Low 17 and High 20 are the pushes
// 18, 19 and 20.
type Span struct {
	Repo      string
	Low, High int64
}

// place is a push's place in the order of its repository. That is its Order or, where the ids grow
// with every push, its ID.
func place(p job.Push) int64 {
	if p.Order != 0 {
		return p.Order
	}
	return p.ID
}

// overlaps reports whether a push can be in both spans. (17, 20] and (20, 25] share none.
func (s Span) overlaps(o Span) bool { return s.Repo == o.Repo && s.Low < o.High && o.Low < s.High }

// CaseQuery selects the cases that match every field that is set.
type CaseQuery struct {
	// Key is that of one case. Label is one of the case's labels.
	Key          string
	Repo, Label  string
	Open         bool      // only those that have not ended
	Since, Until time.Time // opened at Since or later, and before Until
	Limit        int       // at most this many, the newest ones; 0 for all
}

// FailureQuery selects the failures that match every field that is set.
type FailureQuery struct {
	Repo, Label  string
	Push         *job.Push // its repository and ID count
	Waiting      bool      // only those that are not decided
	Rule         Rule
	Since, Until time.Time // heard at Since or later, and before Until
	Limit        int       // at most this many, the newest ones; 0 for all
}

// Seen says that signatures were seen on a push.
type Seen struct {
	Repo, Variant string // the variant is the label without its chunk number
	Signatures    []string
	Push          job.Push
	At            time.Time // when the run ended
}

// Spend is what one request costs.
type Spend struct {
	Key   string // the key of the request
	Case  string // the key of the case
	Repo  string
	Label string
	Pools []string // those of Budgets.Pools, as globs, and "platform linux64"; none twice
	Kind  string   // "build", "test", "perf" or "other"
	Runs  int      // with the builds that the CI makes along with them
	Red   int      // how many of Runs ended red
	Open  int      // how many of Runs have not ended
	// Minutes is the machine time: expected at first, then what it really was.
	Minutes float64
	At      time.Time // when it was taken, by the store's clock
}

// Meter says what a limit counts.
type Meter string

// The meters.
const (
	MeterRuns    Meter = "runs"     // runs, including builds
	MeterRed     Meter = "red runs" // runs that ended red, and runs that have not ended
	MeterMinutes Meter = "minutes"  // minutes of machine time
	MeterLabel   Meter = "label"    // runs of the label Name in repository Repo
	MeterPool    Meter = "pool"     // runs in the pool Name
	MeterKind    Meter = "kind"     // runs of the kind Name
)

// Limit is how much may be spent in 24 hours. A Most below 0 means no limit. Exactly Most still
// fits: after 38 of 40 runs 2 more do, and 3 do not. Name is empty for runs, red runs and minutes;
// only MeterLabel uses Repo.
type Limit struct {
	Meter      Meter
	Repo, Name string
	Most       int
}

// String says what the limit counts: "runs", "label linux64/opt/xpcshell-1". Spend returns it for
// the limit that is used up.
func (l Limit) String() string {
	if l.Name == "" {
		return string(l.Meter)
	}
	return string(l.Meter) + " " + l.Name
}

// Lesson is what the end of a case teaches about how many cases may be open.
type Lesson string

// The lessons.
const (
	LessonRight     Lesson = "right"     // one more may be open
	LessonWrong     Lesson = "wrong"     // half as many may be open
	LessonUndecided Lesson = "undecided" // half as many may be open; counts towards Config.Undecided
	LessonDecided   Lesson = "decided"   // an answer that names no push: ends a row of undecided ones
	LessonReset     Lesson = "reset"     // a person lets the robot act again: ends a row of undecided ones
)

// taught is the window after a lesson. A Size of 5 halves to 2, and of 1 stays 1.
func (w Window) taught(l Lesson) Window {
	switch l {
	case LessonRight:
		w.Size, w.Undecided = w.Size+1, 0
	case LessonWrong:
		w.Size = max(1, w.Size/2)
	case LessonUndecided:
		w.Size, w.Undecided = max(1, w.Size/2), w.Undecided+1
	case LessonDecided, LessonReset:
		w.Undecided = 0
	}
	return w
}

var (
	// ErrLost says that another instance has claimed the failure or case since.
	ErrLost = errors.New("another instance has taken it over")
	// ErrFull says that the maximum number of cases is open.
	ErrFull = errors.New("the maximum number of cases is open")
)

const day = 24 * time.Hour

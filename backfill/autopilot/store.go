package autopilot

import (
	"context"
	"errors"
	"time"

	"github.com/mozci/mozci/job"
)

// Store keeps what the robot knows and decided. Implementations are safe for concurrent use, and by
// several processes where they outlive one. The kit is autopilottest.CheckStore.
//
// Laws: errors are of type *job.Error. A context that is done gives its error and writes nothing.
// What a method has returned is written. Times are by the store's own clock, but for the times of
// runs and pushes. What a method returns is the caller's.
type Store interface {
	WorkStore
	SignatureStore
	PurseStore
	PeopleStore
	// Now is the store's clock.
	Now(ctx context.Context) (time.Time, error)
	// Prune forgets what ended, was seen or was spent longer ago than keep, which must be 48 hours
	// at least, and signatures that were seen longer ago than signatures.
	Prune(ctx context.Context, keep, signatures time.Duration) (int, error)
}

// WorkStore keeps failures and cases, and gives each to one instance at a time.
type WorkStore interface {
	// Hear stores a failure, due after so long, with Heard set to the store's clock. It reports
	// false, and changes nothing, where the key is known. One that is decided already is stored
	// as such.
	Hear(ctx context.Context, f Failure, after time.Duration) (fresh bool, err error)
	// Open gives a case out once, in one step: it stores the case, due at once, unless an earlier one
	// has one of its signatures in a span that overlaps one of its spans. That one is returned then,
	// with the case's labels, signatures and spans added to it. With as many cases open as most,
	// nothing is stored and the error is ErrFull; a case that has ended is always stored.
	// Opened is set to the store's clock, and Ended where the case has ended.
	Open(ctx context.Context, c Case, spans []Span, most int) (Case, bool, error)
	// Extend adds spans to a case that is open, unless an earlier case has one of its signatures in a
	// span that overlaps: that one is returned then, and nothing is added. The zero Case is for
	// none.
	Extend(ctx context.Context, key string, spans []Span) (earlier Case, err error)
	// Claim leases up to n failures and cases to the holder that are due, that nobody holds, and that
	// are not done: failures that are not decided, and cases that have not ended or are not told. Cases
	// come first, then the longest due.
	Claim(ctx context.Context, holder string, lease time.Duration, n int) ([]Claimed, error)
	// Renew makes the lease last for so long from now on. ErrLost as for Save.
	Renew(ctx context.Context, c Claimed, lease time.Duration) error
	// Save writes what became of a claimed failure or case, and gives it back: it is due again after
	// so long, or at once where it was woken since it was claimed. Labels and signatures that were
	// added by Open stay, and so does People. Ended is set to the store's clock when a case ends.
	// ErrLost, with nothing written, where the lease was over and another holder has claimed it since,
	// or it was given back; job.ErrNotFound where there is no such thing.
	Save(ctx context.Context, c Claimed, again time.Duration) error
	// Wake makes failures and cases due now that are not done: those of a label in a repository; of
	// every label for an empty one, of every repository for an empty one. What is held is
	// due when it is given back. It returns how many.
	Wake(ctx context.Context, repo, label string) (int, error)
	// Next is after how long the next failure or case that could be claimed is due: 0 for now, and
	// false where there is none. Those that others hold count, from the end of their leases.
	Next(ctx context.Context) (after time.Duration, some bool, err error)
	// Cases returns those that the query selects, the newest first.
	Cases(ctx context.Context, q CaseQuery) ([]Case, error)
	// Failures returns those that the query selects, the newest first.
	Failures(ctx context.Context, q FailureQuery) ([]Failure, error)
}

// SignatureStore knows when which signature was seen.
type SignatureStore interface {
	// See stores that signatures were seen on a push, in a label's variant; once each.
	See(ctx context.Context, s Seen) error
	// LastSeen returns, for each of the signatures that was seen in the repository and variant from
	// the moment since on and on a push that is older than before, the last time that it was.
	LastSeen(ctx context.Context, repo, variant string, signatures []string, before job.Push, since time.Time) (
		map[string]Seen, error)
}

// PurseStore knows what was spent.
type PurseStore interface {
	// Spend takes a spend out of the budgets of the last 24 hours, in one step, and reports which limit
	// it would exceed; empty when it was taken. The same key is taken once.
	Spend(ctx context.Context, s Spend, limits []Limit) (over string, err error)
	// GiveBack undoes a spend, when nothing came of it. An unknown key is no error.
	GiveBack(ctx context.Context, key string) error
	// Account writes what became of a spend: how many of its runs ended red, how many have not ended,
	// and the minutes that they took or are expected to take. An unknown key is no error.
	Account(ctx context.Context, key string, red, open int, minutes float64) error
	// Spends returns the spends of a case or, without a key, those since the moment; in their order.
	Spends(ctx context.Context, caseKey string, since time.Time) ([]Spend, error)
}

// PeopleStore keeps what people, and the outcome of cases, set.
type PeopleStore interface {
	// Switch returns the switch: Act where nobody has set it yet.
	Switch(ctx context.Context) (Switch, error)
	// SetSwitch sets it. At is set to the store's clock.
	SetSwitch(ctx context.Context, s Switch) error
	// OptOut keeps the robot away from a push, named by repository and revision; or, with out false, lets
	// it back.
	OptOut(ctx context.Context, repo, revision, who string, out bool) error
	// OptedOut returns who opted the push out, by any of its hashes; empty where nobody did.
	OptedOut(ctx context.Context, p job.Push) (who string, err error)
	// Tell writes what people did about a case. At is set to the store's clock.
	Tell(ctx context.Context, key string, p People) error
	// Learn changes the window by how a case ended, once for each key, and returns it. Its size is
	// start at first.
	Learn(ctx context.Context, key string, l Lesson, start int) (Window, error)
	// Window returns it as it is.
	Window(ctx context.Context, start int) (Window, error)
}

// Failure is a label that failed on a push: what the robot has to decide about.
type Failure struct {
	Key      string // of the repository, the push and the label
	Run      string // the id of the run that was heard of first
	Label    string
	Push     job.Push
	Kind     job.Kind
	Finished time.Time // of the run
	Heard    time.Time

	// Signatures are what its log says, once it was read, Tests the tests that they are about, each of
	// one, and New those that are new.
	Read       bool
	Signatures []string
	Tests      []string
	New        []string

	// Rule and Why are what was decided, or what it waits for; empty before it was looked at.
	Rule    Rule
	Why     string
	Decided bool
	At      time.Time // when it was decided, by the store's clock
	Case    string    // the case that it is part of
	Blind   int       // how often in a row a source did not answer
	BlindAt time.Time // the last time
	Count   int       // how many runs it stands for; 0 for one
}

// Claimed is a failure or a case that is leased to a holder.
type Claimed struct {
	Failure *Failure
	Case    *Case // nil where it is a failure
	Holder  string
	Woken   int64 // how often it had been woken when it was claimed
}

// key is that of what was claimed.
func (c Claimed) key() string {
	if c.Case != nil {
		return c.Case.Key
	}
	return c.Failure.Key
}

// done reports whether nobody needs to claim it any more.
func (c Claimed) done() bool {
	if c.Case != nil {
		return c.Case.State == Ended && c.Case.Told
	}
	return c.Failure.Decided
}

// Span is a range of pushes of one repository that can have caused a failure, by their places in its
// order: after Low, up to High.
type Span struct {
	Repo      string
	Low, High int64
}

// place is a push's place in the order of its repository.
func place(p job.Push) int64 {
	if p.Order != 0 {
		return p.Order
	}
	return p.ID
}

// overlaps reports whether some push can be in both.
func (s Span) overlaps(o Span) bool { return s.Repo == o.Repo && s.Low < o.High && o.Low < s.High }

// CaseQuery selects cases: those that fit every field which is set.
type CaseQuery struct {
	Key          string
	Repo, Label  string
	Open         bool // not ended
	Since, Until time.Time
	Limit        int // the newest so many
}

// FailureQuery selects failures: those that fit every field which is set.
type FailureQuery struct {
	Repo, Label  string
	Push         *job.Push // by its revision
	Waiting      bool      // not decided
	Rule         Rule
	Since, Until time.Time // heard; Until is not included
	Limit        int       // the newest so many
}

// Seen is a signature, or several, on a push.
type Seen struct {
	Repo, Variant string // the variant is the label without its chunk
	Signatures    []string
	Push          job.Push
	At            time.Time // when the run ended
}

// Spend is what one request costs.
type Spend struct {
	Key   string // the request's
	Case  string
	Repo  string
	Label string
	Pools []string
	Kind  string
	Runs  int
	Red   int // of those, the ones that ended red
	Open  int // and those that have not ended
	// Minutes of machines: expected, then as they were.
	Minutes float64
	At      time.Time
}

// Meter is what a limit counts.
type Meter string

// The meters.
const (
	MeterRuns    Meter = "runs"
	MeterRed     Meter = "red runs" // those that ended red, and those that have not ended
	MeterMinutes Meter = "minutes"
	MeterLabel   Meter = "label" // runs of the label Name in repository Repo
	MeterPool    Meter = "pool"  // runs in the pool Name
	MeterKind    Meter = "kind"  // runs of the kind Name
)

// Limit is how much of something may be spent in 24 hours; without negative ones.
type Limit struct {
	Meter      Meter
	Repo, Name string
	Most       int
}

// String is what the limit counts.
func (l Limit) String() string {
	if l.Name == "" {
		return string(l.Meter)
	}
	return string(l.Meter) + " " + l.Name
}

// Lesson is how a case ended, for the number of cases that may be open.
type Lesson string

// The lessons.
const (
	LessonRight     Lesson = "right"     // one more
	LessonWrong     Lesson = "wrong"     // half
	LessonUndecided Lesson = "undecided" // half, and one more in a row
	LessonDecided   Lesson = "decided"   // an answer that names no push: ends the row of undecided ones
	LessonReset     Lesson = "reset"     // a person starts it anew: no undecided ones in a row
)

// taught is the window after a lesson.
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
	// ErrFull says that as many cases are open as may be.
	ErrFull = errors.New("as many cases are open as may be")
)

const day = 24 * time.Hour

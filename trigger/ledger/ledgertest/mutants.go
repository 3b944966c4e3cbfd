package ledgertest

import (
	"context"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/ledger"
)

// Mutant is a ledger that breaks one rule, and the name of the rule by which
// Check reports it.
type Mutant struct {
	Name string
	Rule string
	Wrap func(ledger.Ledger) ledger.Ledger
}

// Mutants are ledgers that break the contract, each in one way, made of one that
// keeps it.
func Mutants() []Mutant {
	intend := func(f intendFunc) func(ledger.Ledger) ledger.Ledger {
		return func(l ledger.Ledger) ledger.Ledger { return wrapped{Ledger: l, intend: f} }
	}
	settle := func(f settleFunc) func(ledger.Ledger) ledger.Ledger {
		return func(l ledger.Ledger) ledger.Ledger { return wrapped{Ledger: l, settle: f} }
	}
	entries := func(f entriesFunc) func(ledger.Ledger) ledger.Ledger {
		return func(l ledger.Ledger) ledger.Ledger { return wrapped{Ledger: l, entries: f} }
	}
	return []Mutant{
		{"everybody may ask", "once", intend(everybody)},
		{"a refusal is for ever", "again", intend(refusedForEver)},
		{"whatever is there is given away", "instead", intend(givenAway)},
		{"the caller's clock counts", "clock", intend(callersClock)},
		{"no leases", "lease", intend(noLeases)},
		{"a done context is not looked at", "done context", intend(anyContext)},
		{"bare errors", "done context", intend(bareErrors)},
		{"any attempt is settled", "superseded", settle(anyAttempt)},
		{"what is unknown is settled", "settle", settle(unknownKeys)},
		{"the receipt is forgotten", "settle", settle(noReceipt)},
		{"the count is forgotten", "settle", settle(noCount)},
		{"leases are not renewed", "renewed", settle(notRenewed)},
		{"the owner is not asked about", "queries", entries(anyOwner)},
		{"pushes are not told apart", "queries", entries(anyPush)},
		{"newest first", "queries", entries(newestFirst)},
		{"no hashes of git", "kept", entries(noGit)},
		{
			"the receipt of the attempt before", "again",
			func(l ledger.Ledger) ledger.Ledger { return &sticky{Ledger: l, of: map[string]job.Receipt{}} },
		},
		{"everything is forgotten", "prune", func(l ledger.Ledger) ledger.Ledger { return forgetful{l} }},
	}
}

type (
	intendFunc = func(ctx context.Context, l ledger.Ledger, e ledger.Entry, instead *ledger.Entry) (ledger.Entry, bool,
		error)
	settleFunc  = func(ctx context.Context, l ledger.Ledger, e ledger.Entry) error
	entriesFunc = func(ctx context.Context, l ledger.Ledger, q ledger.Query) ([]ledger.Entry, error)
)

// wrapped is a ledger with other methods where they are set.
type wrapped struct {
	ledger.Ledger
	intend  intendFunc
	settle  settleFunc
	entries entriesFunc
}

func (w wrapped) Intend(ctx context.Context, e ledger.Entry, instead *ledger.Entry) (ledger.Entry, bool, error) {
	if w.intend != nil {
		return w.intend(ctx, w.Ledger, e, instead)
	}
	return w.Ledger.Intend(ctx, e, instead)
}

func (w wrapped) Settle(ctx context.Context, e ledger.Entry) error {
	if w.settle != nil {
		return w.settle(ctx, w.Ledger, e)
	}
	return w.Ledger.Settle(ctx, e)
}

func (w wrapped) Entries(ctx context.Context, q ledger.Query) ([]ledger.Entry, error) {
	if w.entries != nil {
		return w.entries(ctx, w.Ledger, q)
	}
	return w.Ledger.Entries(ctx, q)
}

func everybody(
	ctx context.Context, l ledger.Ledger, e ledger.Entry, instead *ledger.Entry,
) (ledger.Entry, bool, error) {
	got, _, err := l.Intend(ctx, e, instead)
	return got, err == nil, err
}

func refusedForEver(
	ctx context.Context, l ledger.Ledger, e ledger.Entry, instead *ledger.Entry,
) (ledger.Entry, bool, error) {
	known, err := l.Entries(ctx, ledger.Query{Key: e.Key})
	if err == nil && len(known) == 1 && instead == nil {
		return known[0], false, nil
	}
	return l.Intend(ctx, e, instead)
}

func givenAway(
	ctx context.Context, l ledger.Ledger, e ledger.Entry, instead *ledger.Entry,
) (ledger.Entry, bool, error) {
	got, fresh, err := l.Intend(ctx, e, instead)
	if err == nil && !fresh && instead != nil && got.Lease == 0 {
		return l.Intend(ctx, e, &got)
	}
	return got, fresh, err
}

func callersClock(
	ctx context.Context, l ledger.Ledger, e ledger.Entry, instead *ledger.Entry,
) (ledger.Entry, bool, error) {
	got, fresh, err := l.Intend(ctx, e, instead)
	if !e.Asked.IsZero() {
		got.Age = time.Since(e.Asked)
	}
	return got, fresh, err
}

func noLeases(ctx context.Context, l ledger.Ledger, e ledger.Entry, instead *ledger.Entry) (ledger.Entry, bool, error) {
	e.Lease = 0
	return l.Intend(ctx, e, instead)
}

func anyContext(
	ctx context.Context, l ledger.Ledger, e ledger.Entry, instead *ledger.Entry,
) (ledger.Entry, bool, error) {
	return l.Intend(context.WithoutCancel(ctx), e, instead)
}

func bareErrors(
	ctx context.Context, l ledger.Ledger, e ledger.Entry, instead *ledger.Entry,
) (ledger.Entry, bool, error) {
	if err := ctx.Err(); err != nil {
		return ledger.Entry{}, false, err
	}
	return l.Intend(ctx, e, instead)
}

func anyAttempt(ctx context.Context, l ledger.Ledger, e ledger.Entry) error {
	if known, err := l.Entries(ctx, ledger.Query{Key: e.Key}); err == nil && len(known) == 1 {
		e.Attempt = known[0].Attempt
	}
	return l.Settle(ctx, e)
}

func unknownKeys(ctx context.Context, l ledger.Ledger, e ledger.Entry) error {
	if known, err := l.Entries(ctx, ledger.Query{Key: e.Key}); err == nil && len(known) == 0 {
		return nil
	}
	return l.Settle(ctx, e)
}

func noReceipt(ctx context.Context, l ledger.Ledger, e ledger.Entry) error {
	e.Receipt = job.Receipt{State: e.Receipt.State}
	return l.Settle(ctx, e)
}

func noCount(ctx context.Context, l ledger.Ledger, e ledger.Entry) error {
	if known, err := l.Entries(ctx, ledger.Query{Key: e.Key}); err == nil && len(known) == 1 {
		e.Count = known[0].Count
	}
	return l.Settle(ctx, e)
}

func notRenewed(ctx context.Context, l ledger.Ledger, e ledger.Entry) error {
	e.Lease = 0
	return l.Settle(ctx, e)
}

func anyOwner(ctx context.Context, l ledger.Ledger, q ledger.Query) ([]ledger.Entry, error) {
	q.Who = ""
	return l.Entries(ctx, q)
}

func anyPush(ctx context.Context, l ledger.Ledger, q ledger.Query) ([]ledger.Entry, error) {
	q.Pushes = nil
	return l.Entries(ctx, q)
}

func newestFirst(ctx context.Context, l ledger.Ledger, q ledger.Query) ([]ledger.Entry, error) {
	got, err := l.Entries(ctx, q)
	for i, j := 0, len(got)-1; i < j; i, j = i+1, j-1 {
		got[i], got[j] = got[j], got[i]
	}
	return got, err
}

func noGit(ctx context.Context, l ledger.Ledger, q ledger.Query) ([]ledger.Entry, error) {
	got, err := l.Entries(ctx, q)
	for i := range got {
		got[i].Push.Git, got[i].Push.Hg = "", ""
	}
	return got, err
}

// sticky keeps the receipt of an attempt for the next one.
type sticky struct {
	ledger.Ledger
	of map[string]job.Receipt
}

func (s *sticky) Settle(ctx context.Context, e ledger.Entry) error {
	s.of[e.Key] = e.Receipt
	return s.Ledger.Settle(ctx, e)
}

func (s *sticky) Intend(ctx context.Context, e ledger.Entry, instead *ledger.Entry) (ledger.Entry, bool, error) {
	got, fresh, err := s.Ledger.Intend(ctx, e, instead)
	if fresh {
		got.Receipt = s.of[e.Key]
	}
	return got, fresh, err
}

// forgetful forgets all when it is asked to forget what is old.
type forgetful struct{ ledger.Ledger }

func (f forgetful) Prune(context.Context, time.Duration) (int, error) { return 1, nil }

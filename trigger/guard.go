package trigger

import (
	"context"
	"errors"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/ledger"
)

// ledgerError is an error of the ledger. It ends the run, whereas an error of the CI only
// concerns one step.
type ledgerError struct{ err error }

func (e *ledgerError) Error() string { return e.err.Error() }
func (e *ledgerError) Unwrap() error { return e.err }

// ofLedger reports whether an error is the ledger's.
func ofLedger(err error) bool {
	var broken *ledgerError
	return errors.As(err, &broken)
}

// guarded is a ledger whose errors can be told apart from those of a CI.
type guarded struct{ ledger.Ledger }

// guard marks an error as the ledger's. That another process has taken an attempt over,
// or that an entry was pruned, is an answer and no failure of the ledger.
func guard(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, ledger.ErrSuperseded) || errors.Is(err, job.ErrNotFound) {
		return err
	}
	return &ledgerError{err}
}

func (g guarded) Intend(ctx context.Context, e ledger.Entry, instead *ledger.Entry) (ledger.Entry, bool, error) {
	got, fresh, err := g.Ledger.Intend(ctx, e, instead)
	return got, fresh, guard(ctx, err)
}

func (g guarded) Settle(ctx context.Context, e ledger.Entry) error {
	return guard(ctx, g.Ledger.Settle(ctx, e))
}

func (g guarded) Entries(ctx context.Context, q ledger.Query) ([]ledger.Entry, error) {
	es, err := g.Ledger.Entries(ctx, q)
	return es, guard(ctx, err)
}

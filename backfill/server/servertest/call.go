package servertest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job"
)

// The calls of a store, as reports write them: the method, and its arguments without the context,
// such as
//
//	Claim("holder", 1h0m0s, up to 5)

func adding(r server.Record, lifetime time.Duration) string {
	return fmt.Sprintf("Add(%q, key %q, %s, %s)", r.ID, r.Key, r.State, lifetime)
}

func living(key string) string { return fmt.Sprintf("Living(%q)", key) }

func getting(id string) string { return fmt.Sprintf("Get(%q)", id) }

func listing(q server.Query) string {
	return fmt.Sprintf("List(project %q, label %q, by %q, states %v, before %q, limit %d)", q.Project, q.Label, q.By,
		q.States, q.Before, q.Limit)
}

func versioning(ids ...string) string { return fmt.Sprintf("Versions(%q)", ids) }

func claiming(holder string, lease time.Duration, n int) string {
	return fmt.Sprintf("Claim(%q, %s, up to %d)", holder, lease, n)
}

func renewing(id, holder string, lease time.Duration) string {
	return fmt.Sprintf("Renew(%q of %q, %s)", id, holder, lease)
}

func saving(r server.Record, holder string) string {
	return fmt.Sprintf("Save(%q of %q, %s)", r.ID, holder, r.State)
}

func releasing(id, holder string) string { return fmt.Sprintf("Release(%q of %q)", id, holder) }

func cancelling(id, by string) string { return fmt.Sprintf("Cancel(%q by %q)", id, by) }

func pruning(keep time.Duration) string { return fmt.Sprintf("Prune(%s)", keep) }

// idsOf lists the ids of records in their order; of many it gives the number, the first and the
// last.
func idsOf(ids []string) string {
	const most = 8
	if len(ids) > most {
		return fmt.Sprintf("%d, from %q to %q", len(ids), ids[0], ids[len(ids)-1])
	}
	return fmt.Sprintf("the ids %q", ids)
}

// wrong reports that a call returned something that it should not have. want is a format for args.
//
//	freed: Living("key-31") returned no error, want an error that wraps "not found"
func (c *check) wrong(called, returned, want string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errs = append(c.errs, fmt.Errorf("%s: %s returned %s, want %s", c.rule, called, returned,
		fmt.Sprintf(want, args...)))
}

// wants checks the error of a call: none, or one that wraps want. It returns true if there was none
// and none was wanted. Errors must be *job.Error, so that callers see the operation and the key.
func (c *check) wants(called string, err, want error) bool {
	var typed *job.Error
	switch {
	case want == nil && err != nil:
		c.wrong(called, errorText(err), "no error")
	case !errors.Is(err, want):
		c.wrong(called, errorText(err), "an error that wraps %q", want)
	case err != nil && !errors.As(err, &typed):
		c.wrong(called, errorText(err), "a *job.Error")
	}
	return err == nil && want == nil
}

// errorText describes an error, or says that there is none.
func errorText(err error) string {
	if err == nil {
		return "no error"
	}
	return fmt.Sprintf("the error %q (%T)", strings.ReplaceAll(err.Error(), "\n", " "), err)
}

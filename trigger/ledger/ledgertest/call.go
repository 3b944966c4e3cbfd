package ledgertest

import (
	"fmt"
	"strings"
	"time"

	"github.com/mozci/mozci/trigger/ledger"
)

// The calls of a ledger as reports write them: the method, and what it was called with
// except for the context, such as
//
//	Intend("autoland/1/test/1", instead of attempt 1, accepted)

func intends(e ledger.Entry, instead *ledger.Entry) string {
	args := fmt.Sprintf("%q", e.Key)
	if e.Lease > 0 {
		args += fmt.Sprintf(", leased to %s for %s", e.Holder, e.Lease)
	}
	if instead != nil {
		args += fmt.Sprintf(", instead of attempt %d, %s", instead.Attempt, instead.State)
	}
	return "Intend(" + args + ")"
}

func settles(e ledger.Entry) string {
	args := fmt.Sprintf("%q, attempt %d, %s", e.Key, e.Attempt, e.State)
	if e.Lease > 0 {
		args += fmt.Sprintf(", leased to %s for %s", e.Holder, e.Lease)
	}
	return "Settle(" + args + ")"
}

func selects(q ledger.Query) string {
	var out []string
	for _, f := range []struct{ name, value string }{
		{"key", q.Key}, {"repository", q.Repo}, {"owner", q.Who}, {"purpose", q.Purpose},
	} {
		if f.value != "" {
			out = append(out, fmt.Sprintf("%s %q", f.name, f.value))
		}
	}
	if len(q.Labels) > 0 {
		out = append(out, fmt.Sprintf("labels %q", q.Labels))
	}
	for _, p := range q.Pushes {
		out = append(out, fmt.Sprintf("push %d (%s)", p.ID, p.Short()))
	}
	if q.Within > 0 {
		out = append(out, "within "+q.Within.String())
	}
	if len(out) == 0 {
		out = []string{"everything"}
	}
	return "Entries(" + strings.Join(out, ", ") + ")"
}

func prunes(keep time.Duration) string { return "Prune(" + keep.String() + ")" }

// entryText is an entry in short.
func entryText(e ledger.Entry) string {
	return fmt.Sprintf("attempt %d, %s, %d of %q on push %d, by %q for %q", e.Attempt, e.State, e.Count, e.Label,
		e.Push.ID, e.Who, e.Purpose)
}

// given is what Intend returned.
func given(e ledger.Entry, fresh bool, err error) string {
	switch {
	case err != nil:
		return fmt.Sprintf("the error %q", err)
	case fresh:
		return "fresh: " + entryText(e)
	}
	return "not fresh: " + entryText(e)
}

// errorText is an error, or none.
func errorText(err error) string {
	if err == nil {
		return "no error"
	}
	return fmt.Sprintf("the error %q (%T)", err, err)
}

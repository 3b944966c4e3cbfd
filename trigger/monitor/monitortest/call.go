package monitortest

import (
	"fmt"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/monitor"
)

// The calls of a store as reports write them: the method, and what it was called with
// except for the context, such as
//
//	Claim("holder", 1h0m0s, up to 5, of "key-1" "key-2")

func adding(e monitor.Expectation) string { return fmt.Sprintf("Add(%q)", e.Key) }

func claiming(holder string, lease time.Duration, n int, only ...string) string {
	return fmt.Sprintf("Claim(%q, %s, up to %d%s)", holder, lease, n, of(only))
}

func renewing(c monitor.Claimed, lease time.Duration) string {
	return fmt.Sprintf("Renew(%q of %q, %s)", c.Key, c.Holder, lease)
}

func saving(c monitor.Claimed, again time.Duration, add ...monitor.Expectation) string {
	var keys []string
	for _, e := range add {
		keys = append(keys, fmt.Sprintf("%q", e.Key))
	}
	state := "open"
	if !c.Open() {
		state = string(c.Progress.Outcome)
	}
	return strings.TrimSuffix(fmt.Sprintf("Save(%q of %q, %s, again after %s, adding %s", c.Key, c.Holder, state, again,
		strings.Join(keys, " ")), ", adding ") + ")"
}

func announcing(c monitor.Claimed) string { return fmt.Sprintf("Announced(%q of %q)", c.Key, c.Holder) }

func waking(p job.Push, label string) string {
	return fmt.Sprintf("Wake(%q %v, label %q)", p.Repo, p.Hashes(), label)
}

func nexting(only ...string) string { return "Next(" + strings.TrimPrefix(of(only), ", ") + ")" }

func reading(keys ...string) string {
	return "Expectations(" + strings.TrimPrefix(of(keys), ", ") + ")"
}

func pruning(keep time.Duration) string { return "Prune(" + keep.String() + ")" }

// of are keys as an argument; nothing for all.
func of(keys []string) string {
	if len(keys) == 0 {
		return ""
	}
	const most = 5
	if len(keys) > most {
		return fmt.Sprintf(", of %d keys", len(keys))
	}
	return fmt.Sprintf(", of %q", keys)
}

// errorText is an error, or none.
func errorText(err error) string {
	if err == nil {
		return "no error"
	}
	return fmt.Sprintf("the error %q (%T)", err, err)
}

// errorSuffix is an error after what there is in spite of it.
func errorSuffix(err error) string {
	if err == nil {
		return ""
	}
	return ", " + errorText(err)
}

package pulsetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/pulse"
)

// The calls of a store as reports write them: the method, and what it was called with
// except for the context, such as
//
//	Take("queue/user/3", up to 2 for "me", leased for 1h0m0s)

func puts(queue string, n int) string { return fmt.Sprintf("Put(%q, %d messages)", queue, n) }

func takes(queue, holder string, lease time.Duration, n int) string {
	return fmt.Sprintf("Take(%q, up to %d for %q, leased for %s)", queue, n, holder, lease)
}

func dones(in []pulse.Told) string {
	var out []string
	for _, t := range in {
		out = append(out, fmt.Sprintf("%d told %q", t.Message.ID, news(t.Events)))
	}
	if len(out) > 3 {
		out = append(out[:3], fmt.Sprintf("%d more", len(in)-3))
	}
	return "Done(" + strings.Join(out, ", ") + ")"
}

func laters(m pulse.Message, wait time.Duration) string {
	return fmt.Sprintf("Later(%q, %s)", m.RoutingKey, wait)
}

func putsAside(queue string, aside []pulse.Aside) string {
	return fmt.Sprintf("PutAside(%q, %d messages)", queue, len(aside))
}

func asides(queue string, n int) string { return fmt.Sprintf("SetAside(%q, the newest %d)", queue, n) }

func queues(name string) string { return fmt.Sprintf("Queue(%q)", name) }

func saves(q pulse.Queue) string {
	return fmt.Sprintf("SaveQueue(%q with %d bindings)", q.Name, len(q.Bindings))
}

func routingKeys(messages []pulse.Message) []string {
	var out []string
	for _, m := range messages {
		out = append(out, m.RoutingKey)
	}
	return out
}

// news are events in short: "task1/0 running", "missed".
func news(events []job.Event) []string {
	var out []string
	for _, e := range events {
		if e.Job == nil {
			out = append(out, "missed")
			continue
		}
		id := e.Job.ID()
		if len(id) > 40 {
			id = fmt.Sprintf("%q, %d bytes", id[:20], len(id))
		}
		out = append(out, id+" "+e.Job.Status().String())
	}
	return out
}

// errorText is an error, or none.
func errorText(err error) string {
	if err == nil {
		return "no error"
	}
	return fmt.Sprintf("the error %q (%T)", err, err)
}

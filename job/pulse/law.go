package pulse

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/job"
)

// The maximums of what a store keeps.
const (
	mostAsides  = 10_000              // messages set aside for each queue; older ones are dropped
	mostBody    = 16 << 10            // bytes of the body of a message set aside; a usual one has 2,000
	mostWhy     = 2 << 10             // bytes of the reason
	keepJobs    = 30 * 24 * time.Hour // after a job's last change
	mostKey     = 255                 // bytes of a name; an index of PostgreSQL takes 2,700 bytes
	mostMessage = 255                 // bytes of an exchange and of a routing key, by AMQP
)

// jobKey names a run in a store.
type jobKey struct{ ci, id string }

// keyOf names the run of an event.
func keyOf(e job.Event) jobKey { return jobKey{short(e.CI), short(e.Job.ID())} }

// short is a name that every database can store and index. A name of more than 255 bytes is
// cut, and the hash of the whole is added: 190 bytes, #, and 64 hexadecimal digits.
func short(name string) string {
	if len(name) > mostKey {
		sum := sha256.Sum256([]byte(name))
		name = clip.Text(name, mostKey-2*len(sum)-1) + "#" + hex.EncodeToString(sum[:])
	}
	return clean(name)
}

// clean is a text that PostgreSQL can store: UTF-8 without zero bytes. Other texts are made
// visible.
func clean(text string) string {
	if utf8.ValidString(text) && !strings.ContainsRune(text, 0) {
		return text
	}
	return job.Visible(text)
}

// sound reports whether an event is usable: it is about a run that has an ID and a status, it
// is about a push, or it says that events were missed.
func sound(e job.Event) bool {
	if e.Job == nil {
		return e.Missed || e.Push != nil
	}
	s := e.Job.Status()
	return e.Job.ID() != "" && s >= job.StatusUnscheduled && s <= job.StatusCoalesced
}

// news returns the events that are new to somebody who knows the statuses in known, in their
// order (fresh), and the last of them for each run (last). An event is new when its run can
// still go from the known status to the event's; see After. An event without a run is always
// new.
//
// For example, known is running, and the events are pending, success, running. Only success
// is new: pending comes late, and so does the second running.
func news(known map[jobKey]job.Status, told []Told) (fresh []job.Event, last map[jobKey]job.Event) {
	last = map[jobKey]job.Event{}
	for _, t := range told {
		for _, e := range t.Events {
			if !sound(e) {
				continue
			}
			if e.Job == nil {
				fresh = append(fresh, e)
				continue
			}
			k := keyOf(e)
			was, ok := known[k]
			if before, changed := last[k]; changed {
				was, ok = before.Job.Status(), true
			}
			if !ok || After(was, e.Job.Status()) {
				fresh, last[k] = append(fresh, e), e
			}
		}
	}
	return fresh, last
}

// runs are the runs that the events of messages are about, each once.
func runs(told []Told) []jobKey {
	var out []jobKey
	seen := map[jobKey]bool{}
	for _, t := range told {
		for _, e := range t.Events {
			if e.Job == nil || !sound(e) {
				continue
			}
			if k := keyOf(e); !seen[k] {
				seen[k], out = true, append(out, k)
			}
		}
	}
	return out
}

// cut is a message set aside in the form in which a store keeps it, with its texts shortened.
// The body's capacity is cut as well, so that an append to it does not write into the caller's
// message.
func (a Aside) cut() Aside {
	m := a.Message
	m.Exchange, m.RoutingKey = clean(clip.Text(m.Exchange, mostMessage)), clean(clip.Text(m.RoutingKey, mostMessage))
	m.Body = m.Body[:min(len(m.Body), mostBody):min(len(m.Body), mostBody)]
	return Aside{Message: m, Why: clean(clip.Marked(a.Why, mostWhy))}
}

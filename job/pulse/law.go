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

// Bounds of what a store keeps.
const (
	mostAsides  = 10_000              // set aside, of each queue: the newest
	mostBody    = 16 << 10            // bytes of the body of a message that is set aside; usual ones have 2,000
	mostWhy     = 2 << 10             // bytes of the reason
	keepJobs    = 30 * 24 * time.Hour // since a job's last change
	mostKey     = 255                 // bytes of a name: an index of PostgreSQL takes 2,700
	mostMessage = 255                 // bytes of an exchange and a routing key, by AMQP
)

// jobKey names a run in a store.
type jobKey struct{ ci, id string }

// keyOf names the run of an event.
func keyOf(e job.Event) jobKey { return jobKey{short(e.CI), short(e.Job.ID())} }

// short is a name that every database can keep and find: one that is too long is cut,
// and told apart from others by its hash.
func short(name string) string {
	if len(name) > mostKey {
		sum := sha256.Sum256([]byte(name))
		name = clip.Text(name, mostKey-2*len(sum)-1) + "#" + hex.EncodeToString(sum[:])
	}
	return clean(name)
}

// clean is a text as PostgreSQL can keep it: UTF-8 without zeros.
func clean(text string) string {
	if utf8.ValidString(text) && !strings.ContainsRune(text, 0) {
		return text
	}
	return job.Visible(text)
}

// sound reports whether an event can be told at all: it is of a run that has a name
// and a status, of a push, or says that others were missed.
func sound(e job.Event) bool {
	if e.Job == nil {
		return e.Missed || e.Push != nil
	}
	s := e.Job.Status()
	return e.Job.ID() != "" && s >= job.StatusUnscheduled && s <= job.StatusCoalesced
}

// news are the events of messages that are new to who knows the statuses in known, in
// their order, and the last of them for each run. An event without a run, of a push or
// one that says that others were missed, is always new.
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

// runs are the runs that messages told of, each once.
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

// cut is what is kept of a message that is set aside.
func (a Aside) cut() Aside {
	m := a.Message
	m.Exchange, m.RoutingKey = clean(clip.Text(m.Exchange, mostMessage)), clean(clip.Text(m.RoutingKey, mostMessage))
	m.Body = m.Body[:min(len(m.Body), mostBody):min(len(m.Body), mostBody)]
	return Aside{Message: m, Why: clean(clip.Marked(a.Why, mostWhy))}
}

package selfserve

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/lax"
	"github.com/mozci/mozci/job"
)

// Message is what a job that a Pulse message tells of has as Raw.
type Message struct {
	RoutingKey string // build.<builder's short name>.<number>.<what happened>
	Builder    string
	Branch     string
	Revision   string // in 12 or 40 digits; empty where the message has none
	Result     int    // 0 to 6 as in Buildbot; NoResult while it runs
	Requests   []int64
	LogURL     string // empty where the message has none
	BuildURL   string // of the build's package; empty where the message has none
}

// wireMessage is a message of exchange/build, whole or its payload alone, or of
// exchange/build/normalized, which a translator made of those.
type wireMessage struct {
	Payload *wireMessage `json:"payload"`
	Meta    struct {
		RoutingKey string `json:"routing_key"`
	} `json:"_meta"`

	Build *struct {
		Name       lax.Word          `json:"builderName"`
		Number     int               `json:"number"`
		Results    *int              `json:"results"`
		Times      []*string         `json:"times"` // begun, ended
		Properties []json.RawMessage `json:"properties"`
	} `json:"build"`

	Key      string   `json:"key"`
	Builder  lax.Word `json:"buildername"`
	Tree     lax.Word `json:"tree"`
	Revision lax.Word `json:"revision"`
	Status   *int     `json:"status"`
	Stamp    string   `json:"timestamp"`
	Begun    seconds  `json:"builddate"`
	LogURL   lax.Word `json:"logurl"`
	BuildURL lax.Word `json:"buildurl"`
}

// DecodeMessage decodes a message of Pulse about Mozilla's Buildbot, of
// exchange/build or exchange/build/normalized, to what it says of jobs. The last
// of several requests ran; those before it were merged into its build. A message
// of normalized has no request, and its job's ID is the routing key without what
// happened. A job's Raw is a [Message]; its push has the branch and the revision
// only. What is no such message gives [job.ErrMalformed], and a result that no
// documentation has [job.ErrUnknownWord].
func DecodeMessage(body []byte) ([]job.Event, error) {
	const op = "selfserve.message"
	var w wireMessage
	if err := json.Unmarshal(body, &w); err != nil {
		return nil, job.Wrap(op, "", fmt.Errorf("%w: %w", job.ErrMalformed, err))
	}
	if w.Payload != nil {
		key := w.Meta.RoutingKey
		w = *w.Payload
		w.Meta.RoutingKey = cmp.Or(key, w.Meta.RoutingKey)
	}
	var (
		m   Message
		t   job.Times
		err error
	)
	switch {
	case w.Build != nil:
		m, t, err = w.raw()
	case w.Key != "" && w.Builder != "":
		m, t, err = w.normalized()
	default:
		err = fmt.Errorf("%w: neither a build nor a key and builder's name", job.ErrMalformed)
	}
	if err == nil && m.Builder == "" {
		err = fmt.Errorf("%w: a build without a builder's name", job.ErrMalformed)
	}
	if err != nil {
		return nil, job.Wrap(op, cmp.Or(w.Meta.RoutingKey, w.Key), err)
	}
	events, err := m.events(t)
	return events, job.Wrap(op, m.RoutingKey, err)
}

// raw is what a message of exchange/build says.
func (w *wireMessage) raw() (Message, job.Times, error) {
	m := Message{RoutingKey: w.Meta.RoutingKey, Builder: string(w.Build.Name), Result: NoResult}
	if w.Build.Results != nil {
		m.Result = *w.Build.Results
	}
	for _, text := range w.Build.Properties {
		var p []json.RawMessage // name, value, source
		var name string
		if json.Unmarshal(text, &p) != nil || len(p) < 2 || json.Unmarshal(p[0], &name) != nil {
			return m, job.Times{}, fmt.Errorf("%w: a property: expected its name, value and source, got %.60s",
				job.ErrMalformed, text)
		}
		var value lax.Word
		_ = value.UnmarshalJSON(p[1]) // what is no string is none
		switch name {
		case "buildername":
			m.Builder = cmp.Or(string(value), m.Builder)
		case "branch":
			m.Branch = string(value)
		case "revision":
			m.Revision = string(value)
		case "log_url":
			m.LogURL = string(value)
		case "packageUrl":
			m.BuildURL = string(value)
		case "request_ids":
			var some ids
			_ = some.UnmarshalJSON(p[1])
			m.Requests = slices.Sorted(slices.Values(some))
		}
	}
	var t job.Times
	for i, at := range []*time.Time{&t.Started, &t.Finished} {
		if i >= len(w.Build.Times) || w.Build.Times[i] == nil {
			continue
		}
		when, err := time.Parse("2006-01-02T15:04:05-0700", *w.Build.Times[i])
		if err != nil {
			return m, t, fmt.Errorf("%w: times: %w", job.ErrMalformed, err)
		}
		*at = when.UTC()
	}
	return m, t, nil
}

// normalized is what a message of exchange/build/normalized says.
func (w *wireMessage) normalized() (Message, job.Times, error) {
	m := Message{
		RoutingKey: w.Key, Builder: string(w.Builder), Branch: string(w.Tree), Revision: string(w.Revision),
		Result: NoResult, LogURL: string(w.LogURL), BuildURL: string(w.BuildURL),
	}
	if m.Revision == "None" { // Python's
		m.Revision = ""
	}
	if w.Status != nil {
		m.Result = *w.Status
	}
	t := job.Times{Started: w.Begun.time()}
	if w.Stamp != "" && m.Result != NoResult {
		when, err := time.Parse(time.RFC3339, w.Stamp)
		if err != nil {
			return m, t, fmt.Errorf("%w: timestamp: %w", job.ErrMalformed, err)
		}
		t.Finished = when.UTC()
	}
	return m, t, nil
}

// events are the jobs of a message.
func (m Message) events(t job.Times) ([]job.Event, error) {
	last, ok := job.StatusRunning, true
	switch {
	case m.Result == 0:
		last = job.StatusSuccess
	case m.Result != NoResult:
		last, ok = words[m.Result]
	}
	if !ok {
		return nil, job.UnknownWord("Mozilla's Buildbot", "result", strconv.Itoa(m.Result))
	}
	if last == job.StatusRunning {
		t.Finished = time.Time{}
	}
	when := t.Finished
	if when.IsZero() {
		when = t.Started
	}
	f := job.Fields{
		Name: m.Builder, Kind: kindOf(m.Builder), Status: job.StatusCoalesced, Times: t, Raw: m,
		Push: job.Push{Repo: m.Branch, Revision: m.Revision},
	}
	var out []job.Event
	for i, r := range m.Requests {
		if f.ID = fmt.Sprintf("%d/1", r); i == len(m.Requests)-1 {
			f.Status = last
		}
		out = append(out, job.Event{Time: when, CI: "selfserve", Job: job.New(f)})
	}
	if len(out) == 0 {
		f.ID, f.Status = m.RoutingKey, last
		if dot := strings.LastIndexByte(f.ID, '.'); dot > 0 {
			f.ID = f.ID[:dot]
		}
		out = append(out, job.Event{Time: when, CI: "selfserve", Job: job.New(f)})
	}
	return out, nil
}

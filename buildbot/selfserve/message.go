package selfserve

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// NoResult is the result of a build that runs.
const NoResult = -1

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

// DecodeMessage decodes a message of Pulse about Mozilla's Buildbot, of
// exchange/build or exchange/build/normalized, to what it says of jobs. The last
// of several requests ran; those before it were merged into its build. A message
// of normalized has no request, and its job's ID is the routing key without what
// happened. A job's Raw is a [Message]; its push has the branch and the revision
// only. What is no such message gives [job.ErrMalformed], and a result that no
// documentation has [job.ErrUnknownWord].
func DecodeMessage(body []byte) ([]job.Event, error) {
	const op = "selfserve.message"
	m, t, err := read(body)
	if err != nil {
		var known *contract.Error
		if errors.As(err, &known) && known.Source == "" {
			known.Source = buildMessages.Title()
		}
		return nil, job.OfHTTP(op, m.RoutingKey, err)
	}
	events, err := m.events(t)
	return events, job.Wrap(op, m.RoutingKey, err)
}

// wireForm tells the forms of a message apart: whole or its payload alone, of a master
// or of the translator.
type wireForm struct {
	Payload jsontext.Value `json:"payload"`
	Build   jsontext.Value `json:"build"`
}

var forms = contract.New(contract.Endpoint[wireForm]{Source: source, Name: "message"})

// read is what a message of any form says.
func read(body []byte) (Message, job.Times, error) {
	form, err := forms.Decode(contract.Asked{}, body)
	if err != nil {
		return Message{}, job.Times{}, err
	}
	payload, inner := body, form
	if form.Payload != nil {
		payload = form.Payload
		if inner, err = forms.Decode(contract.Asked{}, payload); err != nil {
			return Message{}, job.Times{}, err
		}
	}
	switch {
	case inner.Build == nil:
		w, err := normalizedMessages.Decode(contract.Asked{}, payload)
		if err != nil {
			return Message{}, job.Times{}, err
		}
		return w.message()
	case form.Payload == nil:
		w, err := payloads.Decode(contract.Asked{}, body)
		if err != nil {
			return Message{}, job.Times{}, err
		}
		return w.Build.message("")
	}
	w, err := buildMessages.Decode(contract.Asked{}, body)
	if err != nil {
		return Message{}, job.Times{}, err
	}
	return w.Payload.Build.message(w.Meta.RoutingKey)
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

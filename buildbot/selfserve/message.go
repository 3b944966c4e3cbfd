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

// NoResult is the Result of a build that is still running.
const NoResult = -1

// Message is a build as a Pulse message tells it. It is what Raw returns for the jobs of
// [DecodeMessage].
type Message struct {
	RoutingKey string // build.<builder's short name>.<number>.<what happened>
	Builder    string
	Branch     string
	Revision   string // in 12 or 40 digits; "" when the message has none
	Result     int    // 0 to 6 as in Buildbot; NoResult while it runs
	Requests   []int64
	LogURL     string // "" when the message has none
	BuildURL   string // of the build's package; "" when the message has none
}

// DecodeMessage turns a message of Pulse about Mozilla's Buildbot, from exchange/build or
// exchange/build/normalized, into job events. When a build had several requests, the last one
// ran and the others were merged into it. A normalized message has no requests; the ID of its
// job is the routing key without the last word, which says what happened. Raw of a job is a
// [Message], and its push has only the branch and the revision. A body that is not such a
// message gives [job.ErrMalformed], and an undocumented result [job.ErrUnknownWord].
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

// wireForm tells apart the forms of a message: the whole message or its payload alone, and from a
// master or from the translator that makes normalized ones.
type wireForm struct {
	Payload jsontext.Value `json:"payload"`
	Build   jsontext.Value `json:"build"`
}

var forms = contract.New(contract.Endpoint[wireForm]{Source: source, Name: "message"})

// read decodes a message of any form.
//
//	form                                             decoded as
//	{"payload": {"build": {…}}, "_meta": {…}}        a whole message of a master
//	{"build": {…}}                                   its payload alone
//	{"payload": {"key": …, "buildername": …}, …}     a normalized message
//	{"key": …, "buildername": …}                     a normalized payload alone
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

// events returns one event for each request of a message; a message without requests gives one.
//
// The requests 11, 12 and 13 with result 0 give 11/1 and 12/1, coalesced, and 13/1, success. A
// normalized message with the key build.try-linux64.17.finished gives one event, with the ID
// build.try-linux64.17.
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

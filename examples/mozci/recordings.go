package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
	"github.com/mozci/mozci/job/treeherder"
	"github.com/mozci/mozci/pushlog"
	"github.com/mozci/mozci/taskcluster"
)

// recordedMessage is a message of Pulse as somebody saved it.
type recordedMessage struct {
	exchange, key string // empty where they were not saved
	body          []byte
}

// errShape says that a value is no message in a form that is known.
var errShape = errors.New("not a Pulse message in a known form")

// deepest is how deep a message may lie in what was written around it.
const deepest = 4

// messagesIn are the messages in a recorded value, which is one, or has one under
// "message", or several under "messages".
func messagesIn(text []byte, depth int) ([]recordedMessage, error) {
	if depth == deepest {
		return nil, errShape
	}
	if bytes.HasPrefix(text, []byte("[")) {
		return eachMessage(text, depth)
	}
	var members map[string]jsontext.Value
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, fmt.Errorf("not a JSON object: %w", err)
	}
	if members == nil {
		return nil, errShape
	}
	if inner, ok := members["message"]; ok && members["payload"] == nil {
		return messagesIn(inner, depth+1)
	}
	if list, ok := members["messages"]; ok {
		return eachMessage(list, depth+1)
	}
	m := envelopeOf(members)
	for _, name := range []string{"payload", "body"} {
		if m.body == nil {
			m.body = members[name]
		}
	}
	if m.body == nil {
		m.body = text
	}
	var inner string
	if json.Unmarshal(m.body, &inner) == nil { // as a text, as RabbitMQ's own tools write it
		m.body = []byte(inner)
	}
	return []recordedMessage{m}, nil
}

func eachMessage(list []byte, depth int) (out []recordedMessage, err error) {
	var all []jsontext.Value
	if err := json.Unmarshal(list, &all); err != nil {
		return nil, fmt.Errorf("not a list of messages: %w", err)
	}
	for _, text := range all {
		found, err := messagesIn(text, depth+1)
		if err != nil {
			return out, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// envelopeOf is where a message came by, which was written in several ways. Members of
// these names that are something else, as those of a payload, are left out.
func envelopeOf(members map[string]jsontext.Value) (m recordedMessage) {
	type place struct {
		Exchange string `json:"exchange"`
		Key      string `json:"routingKey"`
		OldKey   string `json:"routing_key"`
	}
	var fields, meta place
	var payload struct {
		Meta place `json:"_meta"`
	}
	read := func(name string, into any) {
		if v, ok := members[name]; ok {
			_ = json.Unmarshal(v, into)
		}
	}
	var exchange, key, routes string
	read("exchange", &exchange)
	read("routingKey", &key)
	read("routes", &routes)
	read("fields", &fields)
	read("_meta", &meta)
	if m.exchange = cmp.Or(exchange, fields.Exchange, meta.Exchange); m.exchange == "" {
		read("payload", &payload)
		m.exchange = payload.Meta.Exchange
	}
	m.key = cmp.Or(key, fields.Key, meta.OldKey, routes, payload.Meta.OldKey)
	return m
}

// room is a source of messages.
type room int

const (
	roomTaskcluster room = iota + 1
	roomSelfserve
	roomTreeherder
	roomPushlog
)

// rooms are what the sources rely on in messages, and whose the exchanges are that were
// seen before. They are safe for concurrent use.
type rooms struct {
	contracts map[room][]contract.Any

	mu    sync.Mutex
	known map[string]room
}

func newRooms() *rooms {
	return &rooms{contracts: map[room][]contract.Any{
		roomTaskcluster: taskcluster.Contracts(), roomSelfserve: selfserve.Contracts(),
		roomTreeherder: treeherder.Contracts(), roomPushlog: pushlog.Contracts(),
	}, known: map[string]room{}}
}

// of says whose message it is, by its exchange, or else by what is in it.
func (k *rooms) of(m recordedMessage) (room, error) {
	if m.exchange == "" {
		return m.roomByBody()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if r, ok := k.known[m.exchange]; ok {
		return r, nil
	}
	for r, all := range k.contracts {
		if slices.ContainsFunc(all, func(e contract.Any) bool { return e.Carries(m.exchange) }) {
			k.known[m.exchange] = r // there are as many as contracts match
			return r, nil
		}
	}
	return 0, fmt.Errorf("unknown exchange %.100q", m.exchange)
}

// roomByBody says whose message it is that was saved without its exchange.
func (m recordedMessage) roomByBody() (room, error) {
	var members map[string]jsontext.Value
	if err := json.Unmarshal(m.body, &members); err != nil {
		return 0, fmt.Errorf("not a JSON object: %w", err)
	}
	has := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return members[name] == nil })
	}
	switch {
	case has("build"), has("buildername", "key"):
		return roomSelfserve, nil
	case has("jobGuid"), has("taskId", "origin"), has("job_guid"), has("resultset_id"), has("revision_hash"):
		return roomTreeherder, nil
	case has("pushlog_pushes"), has("type", "data"):
		return roomPushlog, nil
	case has("status", "version"), has("taskGroupId"):
		return roomTaskcluster, nil
	}
	return 0, fmt.Errorf("%w; nothing in it says what it is about", errShape)
}

// told is what a message says: events, or an action, or neither.
type told struct {
	events []job.Event
	action *treeherder.Action
	pushes []job.Push
	about  string // what a message is about that says nothing of jobs
}

// definitions are those of tasks, by id.
type definitions map[string]*taskcluster.Definition

// decode says what a message tells; task says it of those of Taskcluster's queue.
func (m recordedMessage) decode(known *rooms, task func(recordedMessage) (told, error)) (told, error) {
	r, err := known.of(m)
	if err != nil {
		return told{}, err
	}
	switch r {
	case roomTaskcluster:
		return task(m)
	case roomSelfserve:
		events, err := selfserve.DecodeMessage(m.whole())
		return told{events: events}, err
	case roomPushlog:
		pushes, err := pushlog.DecodeMessage(m.body)
		return told{pushes: pushes, about: "pushes"}, err
	}
	t, err := treeherder.DecodeMessage(m.body)
	switch {
	case t.Event != nil:
		return told{events: []job.Event{*t.Event}}, err
	case t.Action != nil:
		return told{action: t.Action}, err
	}
	return told{about: "pushes"}, err
}

// of says what a message of Taskcluster's queue tells, where these are the tasks.
func (tasks definitions) of(m recordedMessage) (told, error) {
	t, err := taskcluster.DecodeMessage(m.exchange, m.body)
	if err == nil {
		err = t.OfKey(m.key)
	}
	switch {
	case err != nil:
		return told{}, err
	case t.Status == nil:
		return told{about: "groups of tasks"}, nil
	}
	events, err := t.Events(tasks[t.Status.TaskID])
	return told{events: events}, err
}

// whole is a message of Buildbot as its masters sent it, where its routing key is known:
// the key says which build it is about, too. One that Pulse has just brought is whole.
func (m recordedMessage) whole() []byte {
	var w struct {
		Payload jsontext.Value `json:"payload"`
		Meta    struct {
			Key string `json:"routing_key"`
		} `json:"_meta"`
	}
	if m.key == "" || !jsontext.Value(m.body).IsValid() || json.Unmarshal(m.body, &w) == nil && w.Payload != nil {
		return m.body
	}
	w.Payload, w.Meta.Key = m.body, m.key
	text, err := json.Marshal(w)
	if err != nil {
		return m.body
	}
	return text
}

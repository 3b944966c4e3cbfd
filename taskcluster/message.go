package taskcluster

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// CI is what events of this package have as their CI.
const CI = "taskcluster"

// NoRun is the RunID of a message that is about no run: task-defined, an exception
// before the first run, and what is about a group.
const NoRun = -1

// Message is a message of the queue on Pulse.
type Message struct {
	Kind        string      // task-completed, artifact-created …: the end of the exchange's name
	Status      *TaskStatus // with all runs of the task; nil where the message is about a group
	TaskGroupID string
	RunID       int               // of the run that the message is about, or NoRun
	Tags        map[string]string // of the task; none before 2019
	Artifact    *Artifact         // of artifact-created alone
}

// Label is the task's label as its tags have it; empty where they do not, as before
// 2019. The task's definition has it always.
func (m *Message) Label() string { return m.Tags["label"] }

// Project is the repository as the task's tags have it; empty where they do not, as
// before 2023.
func (m *Message) Project() string { return m.Tags["project"] }

// DecodeMessage decodes the body of a message of one of the queue's exchanges, such as
// exchange/taskcluster-queue/v1/task-completed. An empty exchange is for a body
// that was saved without: what it has in it tells what it is. A body that is no such
// message is job.ErrMalformed, and an exchange that nobody documents
// job.ErrUnknownWord.
func DecodeMessage(exchange string, body []byte) (*Message, error) {
	m, err := decodeMessage(exchange, body)
	if err != nil {
		return nil, job.Wrap("taskcluster.message", clip.Marked(exchange, shown), by(bodies, err))
	}
	return m, nil
}

// by is an error with the contract that it is about, where it does not say.
func by(e contract.Any, err error) error {
	var known *contract.Error
	if errors.As(err, &known) && known.Source == "" {
		known.Source = e.Title()
	}
	return err
}

func decodeMessage(exchange string, body []byte) (*Message, error) {
	var kind messageKind
	if exchange != "" {
		// As each kind's Carries, but in one look: there are many messages.
		_, name, ok := strings.Cut(exchange, "/taskcluster-queue/v1/")
		n := slices.IndexFunc(messages, func(k messageKind) bool { return k.name == name })
		if !ok || n < 0 {
			return nil, unknownWord("exchange", exchange)
		}
		kind = messages[n]
	} else {
		name, err := kindOfBody(body)
		if err != nil {
			return nil, err
		}
		kind = messages[slices.IndexFunc(messages, func(k messageKind) bool { return k.name == name })]
	}
	m, err := kind.read(body)
	return &m, err
}

// bodyShape tells the messages apart that were saved without their exchange.
type bodyShape struct {
	Status *struct {
		Runs []struct {
			State string `json:"state"`
		} `json:"runs"`

		_ contract.Also `names:"*"`
	} `json:"status"`
	RunID       *int           `json:"runId" is:"" min:"0"`
	Artifact    jsontext.Value `json:"artifact"`
	TaskGroupID string         `json:"taskGroupId"`
	Sealed      jsontext.Value `json:"sealed"`
	OldPriority jsontext.Value `json:"oldPriority"`
	NewPriority jsontext.Value `json:"newPriority"`
	TakenUntil  jsontext.Value `json:"takenUntil"`

	_ contract.Also `names:"*"`
}

var bodies = contract.New(contract.Endpoint[bodyShape]{Source: source, Name: "message"})

// kindOfBody is the kind that a body has by what is in it. A group that is sealed and
// resolved looks the same in both messages; nothing is made of either.
func kindOfBody(body []byte) (string, error) {
	w, err := bodies.Decode(contract.Asked{}, body)
	switch {
	case err != nil:
		return "", err
	case w.Status == nil && w.TaskGroupID == "":
		return "", contract.Outside(".", "neither about a task nor about a group")
	case w.Status == nil && w.NewPriority != nil:
		return groupPriority, nil
	case w.Status == nil && w.Sealed != nil:
		return groupSealed, nil
	case w.Status == nil:
		return groupResolved, nil
	case w.OldPriority != nil:
		return taskPriority, nil
	case w.Artifact != nil:
		return artifactCreated, nil
	case w.RunID == nil && len(w.Status.Runs) > 0:
		return taskException, nil
	case w.RunID == nil:
		return taskDefined, nil
	case *w.RunID >= len(w.Status.Runs):
		return "", contract.Outside("runId", "%d, and the task has %d runs", *w.RunID, len(w.Status.Runs))
	case w.TakenUntil != nil:
		return taskRunning, nil
	}
	switch state := w.Status.Runs[*w.RunID].State; state {
	case "pending", "running", "completed", "failed", "exception":
		return "task-" + state, nil
	default:
		return "", unknownWord("run state", state)
	}
}

// Events are the runs of the message's task as they are now, one event each: a message
// may be lost, and the next one makes up for it. A task without a run is Unscheduled,
// with the ID <task id>/0. A message about a group has no events.
//
// Without a definition, d is nil, events have what the task's tags say, and no
// revision. The Raw of a job is a Record, whose Task has nothing but what the message
// says then. An event's time is the run's end, or else its start, or else when it was
// asked for. A definition of another group's task is job.ErrMalformed; a run whose
// words nobody documents is job.ErrUnknownWord, and the other runs come with the error.
func (m *Message) Events(d *Definition) ([]job.Event, error) {
	if m.Status == nil {
		return nil, nil
	}
	t := &listedTask{Status: *m.Status}
	push := job.Push{Repo: m.Project()}
	if d != nil {
		t.Task, push = d.Task, d.Push
		push.Repo = cmp.Or(push.Repo, m.Project())
	} else {
		t.Task = Task{
			SchedulerID: m.Status.SchedulerID, ProjectID: m.Status.ProjectID, TaskGroupID: m.Status.TaskGroupID,
			Deadline: m.Status.Deadline, Expires: m.Status.Expires, Tags: m.Tags,
			Metadata: TaskMetadata{Name: m.Label()},
		}
	}
	id := m.Status.TaskID
	if err := t.Prove(); err != nil {
		return nil, job.Wrap("taskcluster.message", id, by(definitions, err))
	}
	jobs, err := runsOf(push, t, "")
	out := make([]job.Event, 0, len(jobs))
	for _, j := range jobs {
		out = append(out, job.Event{Time: lastOf(j.Times()), CI: CI, Job: j})
	}
	return out, job.Wrap("taskcluster.message", id, err)
}

// lastOf is the last that is known of a run's times.
func lastOf(t job.Times) time.Time {
	for _, at := range []time.Time{t.Finished, t.Started} {
		if !at.IsZero() {
			return at
		}
	}
	return t.Requested
}

// OfKey is job.ErrMalformed where a routing key is another task's, or another group's
// than the message's: the queue's begin with primary.<id>. An empty key, and one of a
// route of the task's own, prove nothing.
func (m *Message) OfKey(routingKey string) error {
	rest, ok := strings.CutPrefix(routingKey, "primary.")
	if !ok {
		return nil
	}
	id := m.TaskGroupID
	if m.Status != nil {
		id = m.Status.TaskID
	}
	if got, _, _ := strings.Cut(rest, "."); got != id {
		err := contract.Differs("routingKey", clip.Marked(got, shown), "a message about "+id)
		return job.Wrap("taskcluster.message", id, by(bodies, err))
	}
	return nil
}

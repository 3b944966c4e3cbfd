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

// CI is the value of job.Event.CI in events of this package.
const CI = "taskcluster"

// NoRun is the RunID of a message that is not about a run: task-defined, an exception before
// the first run, and any message about a group.
const NoRun = -1

// Message is a message of the queue on Pulse.
type Message struct {
	Kind        string      // the last part of the exchange's name: task-completed, artifact-created …
	Status      *TaskStatus // with all runs of the task; nil when the message is about a group
	TaskGroupID string
	RunID       int               // the run that the message is about, or NoRun
	Tags        map[string]string // the task's; messages before 2019 have none
	Artifact    *Artifact         // only for artifact-created
}

// Label is the label in the task's tags; "" when they have none, as before 2019. The task's
// definition always has the label.
func (m *Message) Label() string { return m.Tags["label"] }

// Project is the repository in the task's tags; "" when they have none, as before 2023.
func (m *Message) Project() string { return m.Tags["project"] }

// DecodeMessage decodes the body of a message of one of the queue's exchanges, such as
// exchange/taskcluster-queue/v1/task-completed. Pass an empty exchange for a body that was
// saved without it; its members then tell the kind. A body that is not such a message is
// job.ErrMalformed; an undocumented exchange is job.ErrUnknownWord.
func DecodeMessage(exchange string, body []byte) (*Message, error) {
	m, err := decodeMessage(exchange, body)
	if err != nil {
		return nil, job.Wrap("taskcluster.message", clip.Marked(exchange, shown), by(bodies, err))
	}
	return m, nil
}

// by names the contract e in an error that does not name one yet.
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
		// The same as asking each kind's Carries, but faster: messages come by the million.
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

// bodyShape has the members that tell apart the kinds of messages saved without an exchange.
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

// kindOfBody tells the kind of a message from its members. The messages "sealed" and
// "resolved" of a group that is both look alike; that does no harm, since neither has events.
//
//	members                                       kind
//	taskGroupId, newPriority                      task-group-priority-changed
//	taskGroupId, sealed                           task-group-sealed
//	taskGroupId                                   task-group-resolved
//	status, oldPriority                           task-priority-changed
//	status, runId, artifact                       artifact-created
//	status with runs, no runId                    task-exception: the deadline passed
//	status without runs, no runId                 task-defined
//	status, runId, takenUntil                     task-running
//	status, runId 0, runs[0] is failed            task-failed
func kindOfBody(body []byte) (string, error) {
	w, err := bodies.Decode(contract.Asked{}, body)
	switch {
	case err != nil:
		return "", err
	case w.Status == nil && w.TaskGroupID == "":
		return "", contract.Outside(".", "the message is about neither a task nor a group")
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
		return "", contract.Outside("runId", "%d, but the task has %d runs, counted from 0",
			*w.RunID, len(w.Status.Runs))
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

// Events returns one event for each run of the message's task, not only for the run that the
// message is about: so when a message was lost, the next one makes up for it. A task without
// a run gives one Unscheduled event with the ID <task id>/0. A message about a group has no
// events.
//
// d may be nil. The events then have what the task's tags say, and no revision, and the Task
// in a job's Record has only what the message says. The time of an event is the end of the
// run, or else its start, or else the time at which it was requested.
//
// A definition of a task of another group is job.ErrMalformed. A run with an undocumented
// word is job.ErrUnknownWord; the other runs come with the error.
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

// lastOf is the latest of a run's times that is known.
func lastOf(t job.Times) time.Time {
	for _, at := range []time.Time{t.Finished, t.Started} {
		if !at.IsZero() {
			return at
		}
	}
	return t.Requested
}

// OfKey checks that a routing key belongs to the message. The queue's keys begin with
// primary.<task or group id>; when that id is another one, the error is job.ErrMalformed. An
// empty key, or one of the task's own routes, proves nothing and is accepted. For a message
// about the task fN1S…, "primary.fN1S….0.community-tc.w._" and "index.gecko.v2.autoland…" are
// accepted, and "primary.A5O7…" is not.
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

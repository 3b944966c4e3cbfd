package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/pulse"
	"github.com/mozci/mozci/job/treeherder"
	"github.com/mozci/mozci/taskcluster"
)

// mostKnown is of how many jobs the status is remembered, so that it is told once.
const mostKnown = 100_000

// rowsTogether is how many events are put into columns together.
const rowsTogether = 500

type eventFlags struct{ messages, tasks string }

func (a *app) eventsCommand() *cobra.Command {
	var f eventFlags
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Print job events from Pulse, or from a file of recorded messages",
		Long: `Print what happens to the jobs of a repository, from Pulse, until you press
Ctrl+C. That needs an account of PulseGuardian in PULSE_USER and PULSE_PASSWORD.

With --replay-messages mozci reads recorded Pulse messages instead: of
Taskcluster's queue, of Mozilla's Buildbot (raw or normalized) and of Treeherder.

The file is a JSON list, or has a message on each line, and may be packed with gzip; - is
standard input. A message is {exchange, routingKey, payload}, {fields, body},
{_meta, payload}, or a payload alone, also under "message". Nothing is asked of any
service: a Taskcluster message has no revision, so --tasks names a file of task
definitions, by task id.

mozci prints each status of a run once, and never one that is older than what it
printed before. It counts messages that are about no job, such as those of pushes.
A message that mozci cannot read is set aside: standard error has its number in
the file and the reason, and the exit status is 1.`,
		Example: `  mozci events --repo autoland --json
  mozci events --replay-messages messages.json --tasks tasks.json.gz --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.events(cmd.Context(), f) },
	}
	cmd.Flags().StringVar(&f.messages, "replay-messages", "", "a `file` of recorded Pulse messages; - is "+
		"standard input")
	cmd.Flags().StringVar(&f.tasks, "tasks", "", "a `file` of task definitions, by task id, for --replay-messages")
	return cmd
}

func (a *app) events(ctx context.Context, f eventFlags) error {
	switch {
	case a.world != "":
		return usage("--world: a world has no messages")
	case f.messages == "" && f.tasks != "":
		return usage("--tasks needs --replay-messages")
	case f.messages == "":
		return a.tell(ctx)
	case f.messages == "-" && f.tasks == "-":
		return usage("--replay-messages and --tasks cannot both be standard input")
	}
	r := &replay{a: a, rooms: newRooms(), tasks: definitions{}, once: pulse.NewOnce(mostKnown), about: map[string]int{}}
	r.rows = &rows{a: a}
	var err error
	if f.tasks != "" {
		err = a.eachFile(f.tasks, func(in io.Reader) error { return r.each(ctx, f.tasks, in, r.define) })
	}
	var wrong *usageError
	if !errors.As(err, &wrong) && ctx.Err() == nil {
		err = errors.Join(err, a.eachFile(f.messages, func(in io.Reader) error {
			return r.each(ctx, f.messages, in, r.tell)
		}))
	}
	if err = errors.Join(err, r.rows.flush()); err != nil {
		return err
	}
	r.sayQuiet()
	if r.aside > 0 {
		return errTold
	}
	return nil
}

// replay tells the events of recorded messages.
type replay struct {
	a     *app
	rooms *rooms
	tasks definitions
	once  *pulse.Once
	rows  *rows
	about map[string]int // messages that say nothing of jobs, by what they are about
	aside int
}

// each reads the values of a file. What one is is taken by do, which says how many
// there were of what is counted.
func (r *replay) each(ctx context.Context, name string, in io.Reader, do func(value, *counter) error) error {
	all, err := newValues(in, mostRecorded)
	if err != nil {
		return unread(name, err)
	}
	c := &counter{file: name}
	for ctx.Err() == nil {
		v, err := all.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return unread(name, err)
		}
		c.line = v.line
		if err := do(v, c); err != nil {
			return err
		}
	}
	return job.Wrap("events", name, ctx.Err())
}

// unread is why a file could not be read: what is in it, or the file itself, as a folder.
func unread(name string, err error) error {
	var file *fs.PathError
	if !errors.As(err, &file) {
		err = fmt.Errorf("%w: %w", job.ErrMalformed, err)
	}
	return job.Wrap("events", name, err)
}

// counter is where in a file a message is.
type counter struct {
	file    string
	n, line int
}

// setAside says why something of a file was not read.
func (r *replay) setAside(c *counter, what string, why error) {
	r.aside++
	key := fmt.Sprintf("%s, %s %d, line %d", c.file, what, c.n, c.line)
	r.a.sayError(job.Wrap("events", key, fmt.Errorf("set aside: %w", bare(why))))
}

// bare is what an error says without where it was: an Error within another is one
// wrap too many.
func bare(err error) error {
	if e, ok := err.(*job.Error); ok { //nolint:errorlint // the outer one alone
		return e.Err
	}
	return err
}

// sayError says an error that does not end the program.
func (a *app) sayError(err error) {
	if a.json {
		a.jsonError(err)
		return
	}
	a.complain(err)
}

// define keeps a definition: of a member named by the task's id, or of an object that
// has it, beside the definition or in it.
func (r *replay) define(v value, c *counter) error {
	c.n++
	id, d, err := definitionIn(v)
	if err != nil {
		r.setAside(c, "task", err)
		return nil
	}
	// What the events do not need is let go of: there may be many.
	t := &d.Task
	t.Dependencies, t.Scopes, t.Payload = nil, nil, taskcluster.TaskPayload{}
	r.tasks[id] = d
	return nil
}

func definitionIn(v value) (id string, d *taskcluster.Definition, err error) {
	if v.err != nil {
		return "", nil, v.err
	}
	var w struct {
		TaskID string         `json:"taskId"`
		Task   jsontext.Value `json:"task"`
		Status struct {
			TaskID string `json:"taskId"`
		} `json:"status"`
	}
	if err := json.Unmarshal(v.text, &w); err != nil {
		return "", nil, fmt.Errorf("not a JSON object: %w", err)
	}
	for _, name := range []string{v.name, w.TaskID, w.Status.TaskID} {
		if id == "" {
			id = name
		}
	}
	text := []byte(w.Task)
	if text == nil {
		text = v.text
	}
	if id == "" {
		return "", nil, errors.New("it has no taskId")
	}
	d, err = taskcluster.ParseDefinition(text)
	return id, d, err
}

// tell prints what the messages of a value tell.
func (r *replay) tell(v value, c *counter) error {
	var all []recordedMessage
	err := v.err
	if err == nil {
		all, err = messagesIn(v.text, 0)
	}
	for _, m := range all {
		c.n++
		if err := r.one(m, c); err != nil {
			return err
		}
	}
	if err != nil {
		c.n++
		r.setAside(c, "message", err)
	}
	return nil
}

// one prints what a message tells. Its error is one of printing.
func (r *replay) one(m recordedMessage, c *counter) error {
	var t told
	var err error
	if len(m.body) > mostRecorded {
		err = fmt.Errorf("too large: %d bytes", len(m.body))
	} else {
		t, err = m.decode(r.rooms, r.tasks.of)
	}
	if err != nil {
		r.setAside(c, "message", err)
	} else if t.about != "" {
		r.about[t.about]++
	}
	for _, e := range t.events {
		if !r.once.Fresh(e) {
			continue
		}
		if err := r.rows.add(eventOf(e)); err != nil {
			return err
		}
	}
	if t.action != nil {
		return r.rows.add(actionOf(t.action))
	}
	return nil
}

// sayQuiet says how many messages were about no job.
func (r *replay) sayQuiet() {
	for _, what := range slices.Sorted(maps.Keys(r.about)) {
		about := plural(r.about[what], "message") + " is"
		if r.about[what] > 1 {
			about = plural(r.about[what], "message") + " are"
		}
		r.a.warnf("note: %s about %s, and not about jobs\n", about, what)
	}
}

// eventRow is the JSON of an event. Only actions have what is after the status.
type eventRow struct {
	Time     *time.Time  `json:"time"`
	CI       string      `json:"ci"`
	ID       *string     `json:"id"`
	Label    *string     `json:"label"`
	Repo     *string     `json:"repo"`
	Revision *string     `json:"revision"`
	Status   *job.Status `json:"status"`
	Action   string      `json:"action,omitempty"`
	PushID   int64       `json:"push_id,omitempty"`
	Labels   []string    `json:"labels,omitempty"`
}

func eventOf(e job.Event) eventRow {
	j, status := e.Job, e.Job.Status()
	return eventRow{
		Time: timeOrNull(e.Time), CI: e.CI, ID: orNull(j.ID()), Label: orNull(j.Name()), Repo: orNull(j.Push().Repo),
		Revision: orNull(j.Push().Revision), Status: &status,
	}
}

// actionOf is what somebody asked for. Who did is an e-mail address, and not shown.
func actionOf(x *treeherder.Action) eventRow {
	id := x.JobGUID
	if x.JobID > 0 {
		id = strconv.FormatInt(x.JobID, 10)
	}
	return eventRow{
		Time: timeOrNull(x.Time), CI: "treeherder", ID: orNull(id), Repo: orNull(x.Project), Action: x.Action,
		PushID: x.PushID, Labels: x.Labels,
	}
}

// rows prints events as they come: as JSON, or in columns, some hundred at a time.
type rows struct {
	a    *app
	wait []eventRow
}

func (r *rows) add(e eventRow) error {
	if r.a.json {
		return r.a.printJSON(e)
	}
	if r.wait = append(r.wait, e); len(r.wait) < rowsTogether {
		return nil
	}
	return r.flush()
}

func (r *rows) flush() error {
	g := grid{cut: map[int]bool{5: true}, list: true}
	for _, e := range r.wait {
		what, revision, when, symbol := e.Action, "-", "-", ""
		if e.Status != nil {
			what, symbol = e.Status.String(), statusSymbol(*e.Status)
		}
		if e.Revision != nil {
			revision = job.Push{Revision: *e.Revision}.Short()
		}
		if e.Time != nil {
			when = e.Time.Format(time.RFC3339)
		}
		label := orDash(e.Label)
		if len(e.Labels) > 0 {
			label = strings.Join(e.Labels, ", ")
		}
		g.add(mark(symbol), cell{text: when}, cell{text: what}, cell{text: orDash(e.Repo)}, cell{text: revision},
			cell{text: label}, cell{text: orDash(e.ID)})
	}
	r.wait = r.wait[:0]
	g.write(r.a, r.a.out)
	return nil
}

func orDash(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

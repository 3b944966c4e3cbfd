package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/testenv"
)

// eventLine is a line of mozci events --json.
type eventLine struct {
	Time     *string  `json:"time"`
	CI       string   `json:"ci"`
	ID       *string  `json:"id"`
	Label    *string  `json:"label"`
	Repo     *string  `json:"repo"`
	Revision *string  `json:"revision"`
	Status   *string  `json:"status"`
	Action   string   `json:"action"`
	PushID   int64    `json:"push_id"`
	Labels   []string `json:"labels"`
}

// events are the lines that mozci events prints, with what else is given.
func events(t *testing.T, args ...string) (lines []eventLine, errOut string, status int) {
	t.Helper()
	out, errOut, status := mozci(t, append([]string{"events", "--json", "--replay-messages"}, args...)...)
	for line := range strings.Lines(out) {
		var e eventLine
		dec := json.NewDecoder(strings.NewReader(line))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&e); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		for _, key := range []string{"time", "ci", "id", "label", "repo", "revision", "status"} {
			if !strings.Contains(line, `"`+key+`":`) {
				t.Errorf("no %q in %s", key, line)
			}
		}
		lines = append(lines, e)
	}
	return lines, errOut, status
}

// tally is how often each CI told each status, or action, with a revision or without.
func tally(lines []eventLine) map[string]int {
	out := map[string]int{}
	for _, e := range lines {
		what := e.Action
		if e.Status != nil {
			what = *e.Status
		}
		if e.Revision == nil {
			what += ", no revision"
		}
		out[e.CI+" "+what]++
	}
	return out
}

// Every file of recorded messages, as it lies there. Of pulsetranslator's 49 messages
// seven are in two of its sets; two builds answered two requests each.
func TestEventsOfRecordedFiles(t *testing.T) {
	tasks := testenv.Shared(t, "data", "3-pulse", "treeherder__taskcluster_tasks.json.gz")
	for name, c := range map[string]struct {
		want   map[string]int
		aside  int // how many were set aside
		says   string
		status int
	}{
		"bugbug__taskcluster_task-failed_2026-06.json": {
			want: map[string]int{"taskcluster test_failed, no revision": 8},
		},
		"mozmill-ci__normalized_pulse_messages.jsonl": {
			want: map[string]int{
				"selfserve success": 2, "selfserve success, no revision": 3, "taskcluster success, no revision": 1,
			},
		},
		"pulse_actions__queue_dump_2016.first_half.jsonl.gz": {
			want: map[string]int{
				"treeherder trigger_missing_jobs, no revision": 15, "treeherder cancel_all, no revision": 1367,
				"treeherder add_new_jobs, no revision": 565, "treeherder trigger_all_talos_jobs, no revision": 56,
				"treeherder backfill, no revision": 112,
			},
		},
		"pulsetranslator__pulse_messages.jsonl.gz": {
			want: map[string]int{
				"selfserve success": 28, "selfserve success, no revision": 8, "selfserve busted": 6,
			},
		},
		"treeherder__raw_pulse_buildbot_2013-04.jsonl.gz": {
			want: map[string]int{
				"selfserve success": 23, "selfserve test_failed": 5, "selfserve coalesced": 2,
			},
		},
		"treeherder__taskcluster_pulse_messages.json": {
			want: map[string]int{"taskcluster pending": 67, "taskcluster running": 11, "taskcluster success": 13},
		},
		"treeherder__hg_push.json": {says: "note: 1 message is about pushes, and not about jobs\n"},
		"version-control-tools__hgpushes_messages_test-pulse-notifier.json": {
			says: "note: 6 messages are about pushes, and not about jobs\n",
		},
		// The test that it is of fills in the revision.
		"treeherder__pulse_job_data_2015.json": {aside: 3, says: "origin.revision", status: 1},
		// Not messages.
		"treeherder__job-action-message.json":           {aside: 1, says: "not a Pulse message", status: 1},
		"treeherder__taskcluster_transformed_jobs.json": {aside: 91, says: "not a Pulse message", status: 1},
		"treeherder__transformed_hg_push.json":          {aside: 1, says: "not a Pulse message", status: 1},
	} {
		lines, errOut, status := events(t, testenv.Shared(t, "data", "3-pulse", name), "--tasks", tasks)
		if c.want == nil {
			c.want = map[string]int{}
		}
		if d := cmp.Diff(c.want, tally(lines)); d != "" || status != c.status {
			t.Errorf("%s: exit %d (-want +got)\n%s", name, status, d)
		}
		if n := strings.Count(errOut, "set aside"); n != c.aside || !strings.Contains(errOut, c.says) ||
			c.says == "" && errOut != "" {
			t.Errorf("%s: %d were set aside, expected %d, %q in\n%.500s", name, n, c.aside, c.says, errOut)
		}
		if strings.Contains(errOut, "@") {
			t.Errorf("%s: it names people: %.300s", name, errOut)
		}
	}
}

// The 91 messages of 2019 with their definitions have each its push, and without them
// the same runs, with no label: their tags are not in the messages.
func TestEventsWithAndWithoutDefinitions(t *testing.T) {
	file := testenv.Shared(t, "data", "3-pulse", "treeherder__taskcluster_pulse_messages.json")
	var want map[string]struct {
		Revision string
		Job      struct{ Name string }
	}
	text := testenv.Read(t, "data", "3-pulse", "treeherder__taskcluster_transformed_jobs.json")
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	tasks := testenv.Shared(t, "data", "3-pulse", "treeherder__taskcluster_tasks.json.gz")
	with, _, _ := events(t, file, "--tasks", tasks)
	without, errOut, status := events(t, file)
	if len(with) != 91 || len(without) != 91 || status != 0 || errOut != "" {
		t.Fatalf("%d and %d events, exit %d, %s", len(with), len(without), status, errOut)
	}
	repos := map[string]int{}
	for i, e := range with {
		task, _, _ := strings.Cut(*e.ID, "/")
		if *e.Label != want[task].Job.Name || *e.Revision != want[task].Revision || e.CI != "taskcluster" {
			t.Errorf("%s: %s %s", *e.ID, *e.Label, *e.Revision)
		}
		repos[*e.Repo]++
		o := without[i]
		if *o.ID != *e.ID || *o.Time != *e.Time || *o.Status != *e.Status || o.Label != nil || o.Repo != nil ||
			o.Revision != nil {
			t.Errorf("without a definition: %+v", o)
		}
	}
	if d := cmp.Diff(map[string]int{"autoland": 79, "try": 11, "mozilla-inbound": 1}, repos); d != "" {
		t.Error(d)
	}
}

// The messages of a deployment of today, one after the other as they lie in files, and
// as a list, and packed: each run's statuses in order and once.
func TestEventsOfTheWire(t *testing.T) {
	var stream, list bytes.Buffer
	for i, name := range ok(filepath.Glob(filepath.Join(testenv.Shared(t, "wire", "pulse"), "*.json"))) {
		text := ok(os.ReadFile(name))
		_, _ = fmt.Fprintf(&stream, "%s\n", text)
		_, _ = fmt.Fprintf(&list, "%c %s\n", "[,"[min(i, 1)], text)
	}
	list.WriteString("]")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(list.Bytes())
	_ = z.Close()
	var first []eventLine
	for name, text := range map[string]string{
		"a.json": stream.String(), "b.json": list.String(), "c.json.gz": packed.String(), "d.json": packed.String(),
	} {
		lines, errOut, status := events(t, file(t, name, text))
		if first == nil {
			first = lines
		}
		if d := cmp.Diff(first, lines); d != "" || status != 0 || len(lines) == 0 ||
			errOut != "note: 3 messages are about groups of tasks, and not about jobs\n" {
			t.Errorf("%s: exit %d, %s\n%s", name, status, errOut, d)
		}
	}
	seen, last := map[string]bool{}, map[string]string{}
	for _, e := range first {
		key := *e.ID + " " + *e.Status
		if seen[key] {
			t.Errorf("%s comes twice", key)
		}
		if was := last[*e.ID]; was != "" && was != "pending" && was != "running" && was != "unscheduled" {
			t.Errorf("%s: %s after %s", *e.ID, *e.Status, was)
		}
		seen[key], last[*e.ID] = true, *e.Status
	}
}

// runMessage is a message of a task's run, as the queue sends it.
func runMessage(state, more string) string {
	taken := `, "workerGroup": "g", "workerId": "w"`
	times := `, "started": "2026-11-01T00:00:01.000Z"`
	if state != "running" && state != "pending" {
		times += `, "resolved": "2026-11-01T00:00:02.000Z", "reasonResolved": "` + state + `"`
	}
	if state == "pending" {
		taken, times = "", ""
	}
	return `{"exchange": "exchange/taskcluster-queue/v1/task-` + state + `", "routingKey": "primary.` + taskID +
		`.0.x", "payload": {"version": 1, "runId": 0` + taken + `, "task": {"tags": {"label": "build-x", "project": "try"}},
		"status": {"taskId": "` + taskID + `", "taskGroupId": "` + taskID + `", "schedulerId": "s", "retriesLeft": 5,
		"deadline": "2026-11-02T00:00:00.000Z", "expires": "2026-11-09T00:00:00.000Z", "state": "` + state + `", "runs": [
		{"runId": 0, "state": "` + state + `", "reasonCreated": "scheduled", "scheduled": "2026-11-01T00:00:00.000Z"` +
		taken + times + `}]}` + more + `}}`
}

const taskID = "AAAAAAAAQAaAAAAAAAAAAA"

// flat is a message on one line.
func flat(message string) string { return strings.Join(strings.Fields(message), " ") }

// Messages that overtake each other and come twice: never backwards, each status once.
func TestEventsOnceAndForwards(t *testing.T) {
	var text string
	for _, state := range []string{"pending", "running", "pending", "completed", "running", "completed", "failed"} {
		text += flat(runMessage(state, "")) + "\n"
	}
	lines, errOut, status := events(t, file(t, "m.jsonl", text))
	want := map[string]int{
		"taskcluster pending, no revision": 1, "taskcluster running, no revision": 1,
		"taskcluster success, no revision": 1,
	}
	if d := cmp.Diff(want, tally(lines)); d != "" || status != 0 || errOut != "" || *lines[2].Status != "success" {
		t.Errorf("exit %d, %s\n%s", status, errOut, d)
	}
	if *lines[0].Time != "2026-11-01T00:00:00Z" || *lines[1].Time != "2026-11-01T00:00:01Z" ||
		*lines[2].Time != "2026-11-01T00:00:02Z" {
		t.Errorf("%+v", lines)
	}
}

// Each way in which a message is written.
func TestEventsForms(t *testing.T) {
	whole := runMessage("failed", "")
	var m struct {
		Exchange, RoutingKey string
		Payload              json.RawMessage
	}
	if err := json.Unmarshal([]byte(whole), &m); err != nil {
		t.Fatal(err)
	}
	asText := string(ok(json.Marshal(string(m.Payload))))
	for name, text := range map[string]string{
		"whole":           whole,
		"a list":          "[" + whole + "]",
		"a list in lines": "[\n" + whole + ",\n" + whole + "\n]\n",
		"amqplib": `{"fields": {"exchange": "` + m.Exchange + `", "routingKey": "` + m.RoutingKey + `"}, "properties": {},
			"body": ` + string(m.Payload) + `}`,
		"mozillapulse": `{"_meta": {"exchange": "` + m.Exchange + `", "routing_key": "` + m.RoutingKey + `"}, "payload": ` +
			string(m.Payload) + `}`,
		"alone":                    string(m.Payload),
		"under message":            `{"path": "x", "message": ` + whole + `}`,
		"alone in message":         `{"message": ` + string(m.Payload) + `}`,
		"beside a note":            `{"message": "a note", "payload": ` + string(m.Payload) + `}`,
		"under messages":           `{"test": "x", "messages": [` + whole + `, ` + string(m.Payload) + `]}`,
		"a list of lists":          `[[` + whole + `]]`,
		"by task":                  `{"` + taskID + `": ` + whole + `, "` + taskID + `": ` + string(m.Payload) + `}`,
		"as a text":                `{"exchange": "` + m.Exchange + `", "payload": ` + asText + `}`,
		"with a mark":              "\ufeff" + whole,
		"payload alone in payload": `{"payload": ` + string(m.Payload) + `}`,
	} {
		lines, errOut, status := events(t, file(t, "m.json", text))
		if len(lines) != 1 || *lines[0].Status != "busted" || *lines[0].Label != "build-x" || *lines[0].Repo != "try" ||
			*lines[0].ID != taskID+"/0" || status != 0 || errOut != "" {
			t.Errorf("%s: exit %d, %s\n%+v", name, status, errOut, lines)
		}
	}
}

// Definitions are told apart by the task's id, however they are written.
func TestEventsTasks(t *testing.T) {
	rev := strings.Repeat("a", 40)
	d := `{"taskQueueId": "a/b", "schedulerId": "s", "taskGroupId": "` + taskID + `", "dependencies": [],
		"requires": "all-completed", "created": "2026-11-01T00:00:00Z", "deadline": "2026-11-02T00:00:00Z",
		"expires": "2026-12-01T00:00:00Z", "scopes": [], "metadata": {"name": "test-y"}, "tags": {}, "extra": {},
		"payload": {}, "routes": ["tc-treeherder.v2.autoland.` + rev + `.7"]`
	messages := file(t, "m.json", runMessage("failed", ""))
	for name, c := range map[string]struct {
		text   string
		says   string
		status int
	}{
		"by id":      {`{"` + taskID + `": ` + d + `}}`, "", 0},
		"in a list":  {`[` + d + `, "taskId": "` + taskID + `"}]`, "", 0},
		"on a line":  {flat(`{"taskId": "`+taskID+`", "task": `+d+`}}`) + "\n", "", 0},
		"in a group": {`[{"status": {"taskId": "` + taskID + `"}, "task": ` + d + `}}]`, "", 0},
		"one that is none": {
			`{"` + taskID + `": ` + d + `}, "BBBBBBBBQAaAAAAAAAAAAA": {"tags": {}}}`,
			"tasks.json, task 2, line", 1,
		},
		"one without an id": {`[` + d + `}, ` + d + `, "taskId": "` + taskID + `"}]`, "task 1, line 1: set aside: it has no taskId", 1},
		"cut off":           {`{"` + taskID + `": ` + d + `},`, "the file is cut off", 1},
	} {
		out, errOut, status := mozci(t, "events", "--json", "--replay-messages", messages, "--tasks",
			file(t, "tasks.json", c.text))
		if !strings.Contains(out, `"label":"test-y","repo":"autoland","revision":"`+rev+`","status":"test_failed"`) ||
			status != c.status || !strings.Contains(complaints(t, errOut), c.says) || c.says == "" && errOut != "" {
			t.Errorf("%s: exit %d, %s\n%s", name, status, errOut, out)
		}
	}
	other := strings.Replace(d, `"taskGroupId": "`+taskID, `"taskGroupId": "BBBBBBBBQAaAAAAAAAAAAA`, 1)
	out, errOut, status := mozci(t, "events", "--json", "--replay-messages", messages, "--tasks",
		file(t, "tasks.json", `{"`+taskID+`": `+other+`}}`))
	if out != "" || status != 1 || !strings.Contains(errOut, "taskGroupId") {
		t.Errorf("of another group: exit %d, %s\n%s", status, errOut, out)
	}
}

// complaints are those of a program with --json, as lines "key: message".
func complaints(t *testing.T, text string) string {
	t.Helper()
	var out strings.Builder
	for line := range strings.Lines(text) {
		var e struct {
			Error struct{ Op, Key, Message string }
		}
		if strings.HasPrefix(line, "note: ") {
			out.WriteString(line)
			continue
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Error.Op != "events" {
			t.Errorf("%v: %s", err, line)
		}
		_, _ = fmt.Fprintf(&out, "%s: %s\n", filepath.Base(e.Error.Key), e.Error.Message)
	}
	return out.String()
}

// What cannot be read is set aside with its number and why, and what is around it told.
func TestEventsSetAside(t *testing.T) {
	good, late := flat(runMessage("pending", "")), flat(runMessage("completed", ""))
	change := func(old, replaced string) string { return strings.Replace(good, old, replaced, 1) }
	for name, c := range map[string]struct{ bad, says string }{
		"no JSON":          {"hello, world", "line 2: set aside: not a JSON object: jsontext: invalid"},
		"damaged":          {strings.Replace(good, `"runId": 0`, `"runId" 0`, 1), "set aside: not a JSON object"},
		"cut off":          {good[:200], "set aside: the file is cut off: it ends on line 2, in the middle of a value"},
		"a number":         {"7", "set aside: not a JSON object"},
		"null":             {"null", "set aside: not a Pulse message"},
		"a text":           {`"{}"`, "set aside: not a JSON object"},
		"nothing":          {"{}", "set aside: not a Pulse message"},
		"a name twice":     {`{"payload": {}, "payload": {}}`, "set aside: not a JSON object"},
		"unknown version":  {change(`"version": 1`, `"version": 2`), "set aside: taskcluster/pulse.task-pending: version"},
		"unknown exchange": {change(`v1/task-pending`, `v2/task-pending`), `set aside: unknown exchange "exchange/taskcluster-queue/v2/task-pending"`},
		"another task's":   {change(`primary.A`, `primary.B`), "set aside: taskcluster/message: routingKey"},
		"an unknown word":  {flat(strings.Replace(runMessage("failed", ""), `"reasonResolved": "failed"`, `"reasonResolved": "melted"`, 1)), "set aside"},
		"too deep":         {`{"message": {"message": {"message": {"message": ` + good + `}}}}`, "set aside: not a Pulse message"},
	} {
		path := file(t, "m.jsonl", good+"\n"+c.bad+"\n"+late+"\n")
		lines, errOut, status := events(t, path)
		if len(lines) != 2 || *lines[1].Status != "success" || status != 1 ||
			!strings.HasPrefix(complaints(t, errOut), "m.jsonl, message 2, line 2: set aside: ") ||
			!strings.Contains(complaints(t, errOut), c.says) || strings.Count(errOut, "\n") != 1 {
			t.Errorf("%s: exit %d, %s\n%+v", name, status, errOut, lines)
		}
		out, errOut, status := mozci(t, "events", "--replay-messages", path)
		if strings.Count(out, "\n") != 2 || status != 1 ||
			!strings.HasPrefix(errOut, "error: "+path+", message 2, line 2: set aside: ") {
			t.Errorf("%s, for people: exit %d, %s\n%s", name, status, errOut, out)
		}
	}
}

// A message that is larger than any is set aside, and the next one is told.
func TestEventsTooLarge(t *testing.T) {
	good := flat(runMessage("pending", ""))
	large := strings.Replace(good, `"payload"`, `"x": "`+strings.Repeat("x", mostRecorded)+`", "payload"`, 1)
	for name, text := range map[string]string{
		"lines": large + "\n" + good + "\n", "a list": "[" + large + "," + good + "]",
		"by task": `{"` + taskID + `": ` + large + `, "` + taskID + `": ` + good + `}`,
	} {
		lines, errOut, status := events(t, file(t, "m.json", text))
		if len(lines) != 1 || status != 1 ||
			!strings.Contains(complaints(t, errOut), "message 1, line 1: set aside: too large") {
			t.Errorf("%s: exit %d, %.300s, %d events", name, status, errOut, len(lines))
		}
	}
}

// Of a file that is cut off what came before is told, and where it ends.
func TestEventsTorn(t *testing.T) {
	one, two := runMessage("pending", ""), runMessage("completed", "")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte("[" + one))
	_ = z.Flush()
	for name, c := range map[string]struct {
		text string
		told int
		says string
	}{
		"in a message":  {"[" + one + ",\n" + two[:300], 1, "in the middle of value 2, which begins on line 5"},
		"in a text":     {one + "\n" + two[:20], 1, "in the middle of value 2"},
		"in a list":     {"[" + one + "\n", 1, "after 1 value, and the list that begins on line 1 goes on"},
		"after a comma": {"[" + one + ",\n", 1, "after 1 value, and the list"},
		"in an object":  {`{"` + taskID + `": ` + one, 1, "after 1 value, and the list"},
		"after a name":  {`{"` + taskID + `": ` + one + `, "` + taskID + `"`, 1, "has no value"},
		"packed":        {packed.String(), 1, "unexpected EOF"},
		"no gzip":       {"\x1f\x8bhello", 0, "gzip"},
	} {
		lines, errOut, status := events(t, file(t, "m.json", c.text))
		if len(lines) != c.told || status != 1 || !strings.Contains(complaints(t, errOut), c.says) {
			t.Errorf("%s: exit %d, %s, %d events", name, status, errOut, len(lines))
		}
	}
}

// What people see.
func TestEventsForPeople(t *testing.T) {
	action := `{"version": 1, "project": "try", "requester": "a@example.com", "resultset_id": "7", "buildernames": ["a", "b"]}`
	out, errOut, status := mozci(t, "events", "--replay-messages", file(t, "m.jsonl",
		flat(runMessage("pending", ""))+"\n"+flat(runMessage("completed", ""))+"\n"+action+"\n"+
			`{"build": {"builderName": "x", "number": 1, "results": 0, "times": ["2013-04-11T21:13:36+0000",
			"2013-04-11T21:14:36+0000"], "sourceStamp": {"revision": "1fa1f28c6edf"}, "properties": [["buildername",
			"X try build", "Build"], ["buildnumber", 1, "Build"], ["branch", "try", "Build"],
			["revision", "1fa1f28c6edf",
			"Build"]]}}`))
	want := ". 2026-11-01T00:00:00Z  pending       try  -             build-x      " + taskID + "/0\n" +
		"✓ 2026-11-01T00:00:02Z  success       try  -             build-x      " + taskID + "/0\n" +
		"  -                     add_new_jobs  try  -             a, b         -\n" +
		"✓ 2013-04-11T21:14:36Z  success       try  1fa1f28c6edf  X try build  build.x.1\n"
	if out != want || status != 0 || errOut != "" {
		t.Errorf("exit %d, %s\n%s\nexpected\n%s", status, errOut, out, want)
	}
}

// Buildbot's messages keep the proof of their routing key, wherever that was written.
func TestEventsOfBuildbot(t *testing.T) {
	payload := `{"build": {"builderName": "x", "number": 1, "results": 0, "times": ["2013-04-11T21:13:36+0000",
		"2013-04-11T21:14:36+0000"], "sourceStamp": {"revision": "1fa1f28c6edf"}, "properties": [["buildername",
		"X try build", "Build"], ["buildnumber", 1, "Build"], ["branch", "try", "Build"],
			["revision", "1fa1f28c6edf",
		"Build"]]}}`
	for key, want := range map[string]int{"build.x.1.finished": 0, "build.x.2.finished": 1} {
		for _, form := range []string{
			`{"exchange": "exchange/build/", "routingKey": "` + key + `", "payload": ` + payload + `}`,
			`{"fields": {"exchange": "exchange/build/", "routingKey": "` + key + `"}, "body": ` + payload + `}`,
			`{"_meta": {"exchange": "exchange/build/", "routing_key": "` + key + `"}, "payload": ` + payload + `}`,
		} {
			lines, errOut, status := events(t, file(t, "m.json", form))
			if status != want || len(lines) != 1-want || want == 0 && (*lines[0].ID != "build.x.1" ||
				lines[0].CI != "selfserve" || *lines[0].Revision != "1fa1f28c6edf") {
				t.Errorf("%s: exit %d, %s, %+v", form, status, errOut, lines)
			}
		}
	}
}

func TestEventsUsage(t *testing.T) {
	m := file(t, "m.json", "")
	for _, args := range [][]string{
		{},
		{"--tasks", m},
		{"--replay-messages", filepath.Join(t.TempDir(), "none")},
		{"--replay-messages", m, "--tasks", filepath.Join(t.TempDir(), "none")},
		{"--replay-messages", m, "x"},
		{"--replay-messages", m, "--world", m},
		{"--replay-messages", "-", "--tasks", "-"},
	} {
		out, errOut, status := mozci(t, append([]string{"events"}, args...)...)
		if status != 2 || errOut == "" || out != "" {
			t.Errorf("%q: exit %d, %s", args, status, errOut)
		}
	}
	for _, empty := range []string{"", "\n", "[]", "[\n]\n", "\ufeff[]"} {
		if out, errOut, status := mozci(t, "events", "--replay-messages", file(t, "m.json", empty)); status != 0 ||
			out != "" || errOut != "" {
			t.Errorf("%q: exit %d, %s", empty, status, errOut)
		}
	}
	_, errOut, status := mozci(t, "events", "--replay-messages", t.TempDir())
	if status != 1 || !strings.Contains(errOut, "is a directory") || strings.Contains(errOut, "malformed") {
		t.Errorf("a folder: exit %d, %s", status, errOut)
	}
	var o, e bytes.Buffer
	in := strings.NewReader(runMessage("pending", ""))
	if status := run(t.Context(), []string{"events", "--replay-messages", "-"}, in, &o, &e); status != 0 ||
		!strings.Contains(o.String(), "pending") {
		t.Errorf("standard input: exit %d, %s", status, e.String())
	}
}

// Whatever a message has in it, nothing of it reaches a terminal.
func TestEventsOfHostileMessages(t *testing.T) {
	word := string(ok(json.Marshal("l" + evil)))
	text := strings.NewReplacer(`"build-x"`, word, `"try"`, word).Replace(flat(runMessage("pending", ""))) + "\n" +
		`{"exchange": ` + word + `, "payload": {}}` + "\n" + `{"version": 1, "project": ` + word +
		`, "requester": "a", "resultset_id": "7", "buildernames": [` + word + `]}` + "\n" +
		`{"version": 1, "project": "a", "requester": "a", "resultset_id": ` + word + `, "action": ` + word + `}` + "\n"
	out, errOut, status := mozci(t, "events", "--replay-messages", file(t, "m.jsonl", text))
	if status != 1 || strings.Count(out, "\n") != 2 || strings.Count(errOut, "\n") != 2 {
		t.Errorf("exit %d, %s\n%s", status, errOut, out)
	}
	tame(t, "events", out)
	tame(t, "errors", errOut)
}

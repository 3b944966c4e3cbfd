package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/pulse"
	"github.com/mozci/mozci/taskcluster"
)

// template is a recorded message about a task. Any number of messages can be made from it, each
// about another task.
type template struct {
	exchange, key, task string
	body                []byte
}

// liveTemplates are the recorded messages about tasks or, without any, a made-up one.
func liveTemplates(l *bay) []template {
	l.Helper()
	var out []template
	l.Run("recorded", func(t *testing.T) {
		dir := testenv.Shared(t, "wire", "pulse")
		files, err := filepath.Glob(filepath.Join(dir, "*.json"))
		l.must(err)
		for _, f := range files {
			text, err := os.ReadFile(f) // #nosec G304 -- of the recorded data
			l.must(err)
			if m, ok := templateOf(l, text); ok {
				out = append(out, m)
			}
		}
	})
	if len(out) == 0 {
		fmt.Println("live: no recorded messages, so a made-up one is used")
		out = append(out, madeUp())
	}
	return out
}

// templateOf makes a template of a recorded message, if that is about a run of a task.
func templateOf(l *bay, text []byte) (template, bool) {
	var w struct {
		Fields struct{ Exchange, RoutingKey string }
		Body   json.RawMessage
	}
	l.must(json.Unmarshal(text, &w))
	var body bytes.Buffer
	l.must(json.Compact(&body, w.Body)) // the form in which it is sent
	m, err := taskcluster.DecodeMessage(w.Fields.Exchange, body.Bytes())
	l.must(err)
	_, name, _ := strings.Cut(w.Fields.Exchange, "/v1/task-")
	ends := []string{"pending", "running", "completed", "failed", "exception"}
	if m.Status == nil || len(m.Status.Runs) == 0 || !slices.Contains(ends, name) {
		return template{}, false
	}
	return template{w.Fields.Exchange, w.Fields.RoutingKey, m.Status.TaskID, body.Bytes()}, true
}

// madeUp is a message of about 2 kB.
func madeUp() template {
	const task = "AAAAAAAAQAKAAAAAAAAAAA"
	pad := strings.Repeat("x", 1200)
	return template{
		"exchange/taskcluster-queue/v1/task-completed", "primary." + task + ".0", task,
		fmt.Appendf(nil, `{"version":1,"runId":0,"workerGroup":"g","workerId":"w","task":{"tags":{"kind":"test",`+
			`"label":"test-linux/opt-a","project":"autoland","pad":"%s"}},"status":{"taskId":"%s","provisionerId":"p",`+
			`"workerType":"w","taskQueueId":"p/w","schedulerId":"gecko-level-3","projectId":"none","taskGroupId":`+
			`"BBBBBBBBQBKBBBBBBBBBBA","priority":"low","deadline":"2026-11-24T05:51:42.889Z","expires":`+
			`"2026-12-21T05:51:42.889Z","retriesLeft":5,"state":"completed","runs":[{"runId":0,"state":"completed",`+
			`"reasonCreated":"scheduled","reasonResolved":"completed","workerGroup":"g","workerId":"w","takenUntil":`+
			`"2026-11-23T06:11:43.655Z","scheduled":"2026-11-23T05:51:42.896Z","started":"2026-11-23T05:51:43.656Z",`+
			`"resolved":"2026-11-23T05:51:43.666Z"}]}}`, pad, task),
	}
}

// exchanges are the exchanges of the templates, each once.
func (l *bay) exchanges() []string {
	var out []string
	for _, m := range l.templates {
		if !slices.Contains(out, m.exchange) {
			out = append(out, m.exchange)
		}
	}
	return out
}

// publish sends n messages about new tasks, equally many of each template.
func (l *bay) publish(n int) {
	l.Helper()
	for i, m := range l.templates {
		count := n / len(l.templates)
		if i < n%len(l.templates) {
			count++
		}
		l.must(l.broker.PublishMany(m.exchange, m.key, m.bodies(count)))
	}
}

// tasks is the number of tasks made so far.
var tasks int

// bodies are n messages about new tasks.
func (m template) bodies(n int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for range n {
			tasks++
			id := fmt.Sprintf("%08x%s", tasks, m.task[8:]) // a task id may have any 8 characters there
			if !yield(bytes.ReplaceAll(m.body, []byte(m.task), []byte(id))) {
				return
			}
		}
	}
}

// decodeTask decodes a message of Taskcluster without reading the task's definition. It does not
// check that the routing key is the task's, since all messages have their template's.
func decodeTask(_ context.Context, m pulse.Message) ([]job.Event, error) {
	d, err := taskcluster.DecodeMessage(m.Exchange, m.Body)
	if err != nil {
		return nil, err
	}
	return d.Events(nil)
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/rabbittest"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/job"
)

const liveLabel = "test-linux2404-64/opt-xpcshell-1"

// liveWorld is a push on Taskcluster whose one test waits, and a broker.
type liveWorld struct {
	t      *testing.T
	tc     *tctest.Server
	root   string
	broker *rabbittest.Broker
	task   string
	args   []string
}

func newLiveWorld(t *testing.T) *liveWorld {
	t.Helper()
	w := &liveWorld{t: t, tc: tctest.New(), broker: rabbittest.Start(t)}
	hg := hgtest.New()
	hg.Add("integration/autoland", 20, hgtest.Push{
		Date: 1700000020, User: "dev", Changesets: []hgtest.Changeset{{Node: revisionOf(20)}},
	})
	build := tctest.Label{Name: "build-linux64/opt", Planned: true}
	decision := w.tc.AddPush("autoland", 20, revisionOf(20), build,
		tctest.Label{Name: liveLabel, Build: build.Name, Planned: true})
	w.tc.Resolve(w.tc.Tasks(decision, build.Name)[0], "completed", "completed")
	w.task = w.tc.Tasks(decision, liveLabel)[0]
	w.root = listen(t, w.tc)
	if err := w.broker.AddUser("me", "se?cret", "queue/me/.*", "queue/me/.*", ".*"); err != nil {
		t.Fatal(err)
	}
	exchanges := []string{"exchange/hgpushes/v2"}
	for _, what := range queueEvents {
		exchanges = append(exchanges, "exchange/taskcluster-queue/v1/task-"+what)
	}
	if err := w.broker.Declare(exchanges...); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PULSE_USER", "me")
	t.Setenv("PULSE_PASSWORD", "se?cret")
	w.args = []string{
		"--root-url", w.root, "--hg-url", listen(t, hg), "--pulse-url", w.broker.URL(), "--log-level", "info",
		"--ledger", filepath.Join(t.TempDir(), "l.db"),
	}
	return w
}

// publish sends what the queue says of the task, as it does: by the task's own key, and by
// its routes.
func (w *liveWorld) publish(what string) {
	w.t.Helper()
	res, err := http.Get(w.root + "/api/queue/v1/task/" + w.task + "/status")
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	message := map[string]any{"version": 1, "runId": 0, "workerGroup": "w", "workerId": "i"}
	if err := json.NewDecoder(res.Body).Decode(&message); err != nil {
		w.t.Fatal(err)
	}
	body, err := json.Marshal(message)
	if err != nil {
		w.t.Fatal(err)
	}
	routes := []string{"route.tc-treeherder.v2.autoland." + revisionOf(20) + ".20"}
	if err := w.broker.PublishRouted("exchange/taskcluster-queue/v1/task-"+what, "primary."+w.task+".0.w.i.p.t.s.g._",
		routes, body); err != nil {
		w.t.Fatal(err)
	}
}

// start runs the program until the test ends it, and gives its lines.
func (w *liveWorld) start(args ...string) (out, errOut *bufio.Scanner, end func() int) {
	ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Minute) // of a test that hangs
	outR, outW := io.Pipe()
	errR, errW := io.Pipe()
	done := make(chan int, 1)
	go func() {
		status := run(ctx, append(args, w.args...), strings.NewReader(""), outW, errW)
		_, _ = outW.Close(), errW.Close()
		done <- status
	}()
	out = bufio.NewScanner(outR)
	return out, bufio.NewScanner(errR), func() int {
		cancel()
		for out.Scan() {
			w.t.Errorf("one line too many: %s", out.Text())
		}
		return <-done
	}
}

// until reads lines up to one that has a text, and goes on reading beside the test.
func until(t *testing.T, lines *bufio.Scanner, text string) {
	t.Helper()
	for lines.Scan() {
		if strings.Contains(lines.Text(), text) {
			go func() {
				for lines.Scan() {
					continue
				}
			}()
			return
		}
	}
	t.Fatalf("it never said %q", text)
}

// TestEventsFromPulse: the events of a repository, as they happen.
func TestEventsFromPulse(t *testing.T) {
	w := newLiveWorld(t)
	out, errOut, end := w.start("events", "--json")
	until(t, errOut, "listening")
	w.publish("pending")
	w.publish("pending") // which is no news
	w.tc.Start(w.task)
	w.publish("running")
	w.tc.Resolve(w.task, "completed", "completed")
	w.publish("completed")
	for _, want := range []string{"pending", "running", "success"} {
		if !out.Scan() {
			t.Fatal("no more lines")
		}
		var e struct {
			CI, ID, Label, Repo, Revision string
			Status                        job.Status
			Time                          time.Time
		}
		if err := json.Unmarshal(out.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		if e.CI != "taskcluster" || e.ID != w.task+"/0" || e.Label != liveLabel || e.Repo != "autoland" ||
			e.Revision != revisionOf(20) || e.Status.String() != want || e.Time.IsZero() {
			t.Errorf("%s, want %s", out.Text(), want)
		}
	}
	if status := end(); status != 0 {
		t.Errorf("exit %d when it was stopped", status)
	}
}

// TestWatchByPulse: an event makes it look at once; without one it would for ten minutes not.
func TestWatchByPulse(t *testing.T) {
	w := newLiveWorld(t)
	out, errOut, end := w.start("watch", "--label", liveLabel, "--rev", "tip")
	until(t, errOut, "listening")
	for _, c := range []struct {
		do   func()
		what string
		want string
	}{
		{func() {}, "", "queued"},
		{func() { w.tc.Start(w.task) }, "running", "started"},
		{func() { w.tc.Resolve(w.task, "completed", "completed") }, "completed", "Met: 1 of 1 run passed"},
	} {
		if c.do(); c.what != "" {
			w.publish(c.what)
		}
		seen := false
		for !seen && out.Scan() {
			seen = strings.Contains(out.Text(), c.want)
		}
		if !seen {
			t.Fatalf("it never said %q", c.want)
		}
	}
	for out.Scan() {
		continue
	}
	if status := end(); status != 0 {
		t.Errorf("exit %d", status)
	}
}

// TestPulseAccounts: what is wrong with an account is said with the broker's words, and not
// the password; watching goes on without Pulse.
func TestPulseAccounts(t *testing.T) {
	w := newLiveWorld(t)
	t.Setenv("PULSE_PASSWORD", "wrong-secret")
	_, errOut, status := mozci(t, append([]string{"events"}, w.args...)...)
	if status != 1 || !strings.Contains(errOut, "me") || !strings.Contains(errOut, "denied") ||
		strings.Contains(errOut, "wrong-secret") {
		t.Errorf("exit %d: %s", status, errOut)
	}
	w.tc.Resolve(w.task, "completed", "completed")
	out, errOut, status := mozci(t, append([]string{"watch", "--label", liveLabel, "--rev", "tip"}, w.args...)...)
	if status != 0 || !strings.Contains(out, "Met") {
		t.Errorf("exit %d: %s%s", status, out, errOut)
	}
	t.Setenv("PULSE_USER", "")
	_, errOut, status = mozci(t, append([]string{"events"}, w.args...)...)
	if status != 2 || !strings.Contains(errOut, "PULSE_USER") {
		t.Errorf("exit %d: %s", status, errOut)
	}
}

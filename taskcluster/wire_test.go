package taskcluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// at is a client of a handler, without credentials.
func at(t testing.TB, h http.Handler) *taskcluster.Client {
	t.Helper()
	return ok(taskcluster.New("http://tc.example", &taskcluster.Options{HTTP: &http.Client{Transport: testenv.InMemory{Handler: h}}}))
}

// The recorded exchanges that no call of mozci makes, by what their names have
// in them.
var notCalled = map[string]string{
	"-ping-": "only for people", "-getTaskGroup-": "the listing says the same", "-listDependentTasks-": "the group has the dependencies",
	"-pendingTasks-": "deprecated; taskQueueCounts is used", "Info-": "artifact-content says where an artifact is", "-createArtifact-": "workers make artifacts",
	"-scheduleTask-": "in-tree actions schedule", "-cancelTaskGroup-": "a person's decision, made in Treeherder", "-sealTaskGroup-": "nobody's group is sealed by mozci",
	"-insertTask-": "mozci indexes nothing", "-listNamespaces-200-root": "the root is never listed", "-createHook-": "ci-admin makes hooks",
	"-listHookGroups-": "actions.json names hooks", "-listHooks-": "actions.json names hooks", "-hook-200": "actions.json has the schema", "-hook-404": "actions.json has the schema",
	"-getHookStatus-": "the action task says what was made", "-getTriggerToken-": "credentials are used",
	"-triggerHookWithToken-": "credentials are used", "-authenticateHawk-": "for servers, which take no signatures yet", "-testAuthenticate-": "the service's own test",
	"-client-404": "scopes are asked for, not clients", "-findArtifactFromTask-": "the task is found first, and its artifact by run", "-options-cors-": "for browsers",
	"-wrong-method": "no call of mozci is made so", "-unknown-route-": "no call of mozci is made so", "-unencoded-slash-": "the escaped one is sent",
	"-unencoded.json": "the escaped one is sent", "-percent-encoded-name": "the queue takes both; slashes are sent as they are", "-206-range": "logs are read whole",
	"-without-accept-encoding": "Go's transport asks for gzip; TestArtifactsAreDecompressed has a store that was not asked", "-limit2": "pages have the service's size; TestRecordedPages follows their tokens",
	"-page2": "as its first page", "-page3-last": "as its first page", "-malformed-json": "what is sent is JSON", "malformed.json": "what is sent is JSON", "-content-type": "application/json is sent",
	"-bad-slug": "refused before it is sent", "-bad-taskId": "refused before it is sent", "-404-task": "artifact-content is asked instead", "-expandScopes-400": "a list is sent",
	"-statuses-400": "a list is sent", "-bad-token": "TestTornPages has a service that ignores tokens", "-limit1": "as limit2",
}

// Every recorded exchange that mozci makes is made, against a server that knows
// that one alone: what succeeded succeeds, and what failed is an error that
// keeps the code, the message and what they mean.
func TestRecordedExchanges(t *testing.T) {
	recordedExchanges(t, "taskcluster", 191)
}

// The same of the exchanges that were recorded while mozci's requests were acted
// on: what failed builds leave behind, what actions made, what hooks answer when
// the services behind them are away.
func TestRecordedActing(t *testing.T) {
	recordedExchanges(t, "taskcluster-acting", 45)
}

func recordedExchanges(t *testing.T, folder string, n int) {
	t.Helper()
	all := ok(tctest.ReadRecorded(testenv.Shared(t, "wire", folder)))
	made, left := 0, 0
	for _, e := range all {
		if why := reason(e.Name); why != "" {
			left++
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			r := tctest.NewReplay([]tctest.Recorded{e})
			r.URL = "http://tc.example"
			time.Sleep(time.Until(ok(http.ParseTime(e.Response.Headers["date"])))) // of the recording: credentials have times
			known, err := call(t.Context(), at(t, r), e)
			if !known {
				t.Errorf("%s: neither a call nor a reason why there is none", e.Name)
				return
			}
			unknown := slices.DeleteFunc(r.Unanswered(), func(u string) bool { return !strings.Contains(u, "/api/") || strings.Contains(u, "/api/object/") }) // where it is stored
			if len(unknown) > 0 {
				t.Errorf("%s: asked for %q", e.Name, unknown)
			}
			checkOutcome(t, e, err)
		})
		made++
	}
	t.Logf("%d exchanges made, %d with a reason why not", made, left)
	if made+left != n {
		t.Errorf("%d exchanges, expected %d", made+left, n)
	}
}

func reason(name string) string {
	for part, why := range notCalled {
		if strings.Contains(name, part) {
			return why
		}
	}
	return ""
}

func checkOutcome(t *testing.T, e tctest.Recorded, err error) {
	t.Helper()
	if e.Response.Status < 400 {
		if err != nil && !strings.Contains(e.Name, "-content-200-error") {
			t.Errorf("%s: %v", e.Name, err)
		}
		return
	}
	var body struct{ Code, Message, Reason string }
	_ = json.Unmarshal(e.Response.Body, &body)
	var wrapped *job.Error
	var answered *taskcluster.Error
	want := job.SentinelOf(e.Response.Status)
	if !errors.Is(err, want) || !errors.As(err, &wrapped) || !errors.As(err, &answered) || answered.Code != body.Code || answered.Status != e.Response.Status {
		t.Errorf("%s: %v, expected one that wraps %v with the code %s", e.Name, err, want, body.Code)
		return
	}
	first, _, _ := strings.Cut(body.Message, "\n")
	if !strings.Contains(err.Error(), strings.Join(strings.Fields(first), " ")) || body.Code != "" && answered.RequestInfo == nil {
		t.Errorf("%s: %v does not say %q", e.Name, err, first)
	}
	if e.Response.Status == http.StatusForbidden && strings.Contains(body.Message, "missing the following scopes") && len(answered.Missing) == 0 {
		t.Errorf("%s: the missing scopes are not named: %q", e.Name, answered.Message)
	}
}

// call makes the call that a recorded exchange was.
func call(ctx context.Context, c *taskcluster.Client, e tctest.Recorded) (known bool, err error) {
	u, err := url.Parse(e.Request.URL)
	if err != nil {
		return false, err
	}
	if strings.HasPrefix(u.Path, "/public-bucket/") || strings.HasPrefix(e.Request.URL, "store: ") {
		return true, nil // TestRecordedArtifact and TestRecordedOutcomes follow it
	}
	var parts []string
	for _, p := range strings.Split(strings.TrimPrefix(u.EscapedPath(), "/api/"), "/") {
		p, err := url.PathUnescape(p)
		if err != nil {
			return false, err
		}
		parts = append(parts, p)
	}
	var body map[string]any
	_ = json.Unmarshal(e.Request.Body, &body)
	strs := func(name string) (out []string) {
		list, _ := body[name].([]any)
		for _, v := range list {
			out = append(out, v.(string))
		}
		return out
	}
	service, rest := parts[0], parts[2:]
	switch what := e.Request.Method + " " + service + " " + rest[0]; {
	case what == "PUT queue task" && len(rest) == 2:
		_, err = c.CreateTask(ctx, rest[1], body)
	case what == "GET queue task" && len(rest) == 2:
		_, err = c.Task(ctx, rest[1])
	case what == "GET queue task" && rest[2] == "status":
		_, err = c.Status(ctx, rest[1])
	case what == "POST queue task" && rest[2] == "rerun":
		_, err = c.RerunTask(ctx, rest[1])
	case what == "POST queue task" && rest[2] == "cancel":
		_, err = c.CancelTask(ctx, rest[1])
	case what == "GET queue task" && slices.Contains(rest, "artifact-content"):
		run := taskcluster.Latest
		if rest[2] == "runs" {
			run, _ = strconv.Atoi(rest[3])
			rest = rest[2:]
		}
		err = place(ctx, c, parts[3], run, strings.Join(rest[3:], "/"), e)
	case what == "GET queue task" && slices.Contains(rest, "artifacts"):
		run, last := taskcluster.Latest, rest[len(rest)-1]
		if rest[2] == "runs" {
			run, _ = strconv.Atoi(rest[3])
		}
		if last != "artifacts" {
			return true, skipped(e) // artifact-content is asked first; TestOldDeployment follows redirects
		}
		for _, err = range c.ListArtifacts(ctx, rest[1], run) {
		}
	case what == "GET queue task-group":
		for _, err = range c.TaskGroup(ctx, rest[1]) {
		}
	case what == "POST queue tasks" && len(rest) == 2:
		_, err = c.Statuses(ctx, strs("taskIds")...)
	case what == "POST queue tasks":
		_, err = c.Tasks(ctx, strs("taskIds")...)
	case what == "GET queue task-queues":
		_, err = c.TaskQueueCounts(ctx, rest[1])
	case what == "GET index task":
		_, err = c.FindTask(ctx, rest[1])
	case what == "POST index tasks":
		_, err = c.FindTasksAtIndex(ctx, strs("indexes")...)
	case what == "GET index tasks":
		_, err = c.ListIndexedTasks(ctx, rest[1])
	case what == "GET index namespaces":
		_, err = c.ListNamespaces(ctx, rest[1])
	case what == "GET hooks hooks" && rest[3] == "last-fires":
		_, err = c.ListLastFires(ctx, rest[1], rest[2])
	case what == "POST hooks hooks":
		_, err = c.TriggerHook(ctx, rest[1], rest[2], body)
	case what == "GET auth scopes":
		_, err = c.CurrentScopes(ctx)
	case what == "POST auth scopes":
		_, err = c.ExpandScopes(ctx, strs("scopes"))
	default:
		return false, nil
	}
	return true, err
}

// skipped gives an exchange the outcome that it had: it is not made alone.
func skipped(e tctest.Recorded) error {
	if e.Response.Status < 400 {
		return nil
	}
	s := tctest.NewReplay([]tctest.Recorded{e})
	s.URL = "http://tc.example"
	c, err := taskcluster.New("http://tc.example", &taskcluster.Options{HTTP: &http.Client{Transport: testenv.InMemory{Handler: s}}})
	if err != nil {
		return err
	}
	_, name, _ := strings.Cut(e.Request.URL, "/artifacts/")
	_, rest, _ := strings.Cut(e.Request.URL, "/task/")
	id, _, _ := strings.Cut(rest, "/")
	return c.Read(context.Background(), id, taskcluster.Latest, name, func(r io.Reader) error {
		_, err := io.Copy(io.Discard, r)
		return err
	})
}

// place asks where an artifact is; what is there, the one exchange does not
// have, so that an answer that it is not there means that the place was asked.
func place(ctx context.Context, c *taskcluster.Client, id string, run int, name string, e tctest.Recorded) error {
	err := c.Read(ctx, id, run, name, func(io.Reader) error { return nil })
	if e.Response.Status < 400 && errors.Is(err, job.ErrNotFound) {
		return nil
	}
	return err
}

// The messages of Pulse carry statuses: the words of all their runs are known.
func TestRecordedMessages(t *testing.T) {
	dir := testenv.Shared(t, "wire", "pulse")
	names := ok(filepath.Glob(filepath.Join(dir, "*.json")))
	statuses := map[string]int{}
	for _, n := range names {
		var m struct {
			Body struct {
				Status *taskcluster.Status `json:"status"`
			} `json:"body"`
		}
		if err := json.Unmarshal(ok(os.ReadFile(n)), &m); err != nil {
			t.Fatalf("%s: %v", n, err)
		}
		if m.Body.Status == nil || len(m.Body.Status.Runs) == 0 {
			statuses["none"]++
			continue // about a group, or a task that has no run yet
		}
		for i := range m.Body.Status.Runs {
			s, err := taskcluster.StatusOf(&m.Body.Status.Runs[i], job.KindTest, i+1 < len(m.Body.Status.Runs))
			if err != nil {
				t.Errorf("%s: %v", filepath.Base(n), err)
			}
			statuses[s.String()]++
		}
	}
	for _, want := range []string{"pending", "running", "success", "test_failed", "retry", "exception", "cancelled", "skipped"} {
		if statuses[want] == 0 {
			t.Errorf("no %s among %v", want, statuses)
		}
	}
	if len(names) != 29 {
		t.Errorf("%d messages, expected 29", len(names))
	}
}

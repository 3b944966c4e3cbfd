package taskcluster_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// The recorded exchanges that no call of mozci makes, by what their names have
// in them.
var notCalled = map[string]string{
	"-ping-":                   "only for people",
	"-getTaskGroup-":           "the listing says the same",
	"-listDependentTasks-":     "the group has the dependencies",
	"-pendingTasks-":           "deprecated; taskQueueCounts is used",
	"Info-":                    "artifact-content says where an artifact is",
	"-createArtifact-":         "workers make artifacts",
	"-scheduleTask-":           "in-tree actions schedule",
	"-cancelTaskGroup-":        "a person's decision, made in Treeherder",
	"-sealTaskGroup-":          "nobody's group is sealed by mozci",
	"-insertTask-":             "mozci indexes nothing",
	"-listNamespaces-200-root": "the root is never listed",
	"-createHook-":             "ci-admin makes hooks",
	"-listHookGroups-":         "actions.json names hooks",
	"-listHooks-":              "actions.json names hooks",
	"-hook-200":                "actions.json has the schema",
	"-hook-404":                "actions.json has the schema",
	"-getHookStatus-":          "the action task says what was made",
	"-getTriggerToken-":        "credentials are used",
	"-triggerHookWithToken-":   "credentials are used",
	"-authenticateHawk-":       "for servers, which take no signatures yet",
	"-testAuthenticate-":       "the service's own test",
	"-client-404":              "scopes are asked for, not clients",
	"-findArtifactFromTask-":   "the task is found first, and its artifact by run",
	"-options-cors-":           "for browsers",
	"-wrong-method":            "no call of mozci is made so",
	"-unknown-route-":          "no call of mozci is made so",
	"-unencoded-slash-":        "the escaped one is sent",
	"-unencoded.json":          "the escaped one is sent",
	"-percent-encoded-name":    "the queue takes both; slashes are sent as they are",
	"-206-range":               "logs are read whole",
	"-without-accept-encoding": "Go's transport asks for gzip; see TestArtifactsAreDecompressed",
	"-limit2":                  "pages have the service's size; TestRecordedPages follows their tokens",
	"-page2":                   "as its first page",
	"-page3-last":              "as its first page",
	"-malformed-json":          "what is sent is JSON",
	"malformed.json":           "what is sent is JSON",
	"-content-type":            "application/json is sent",
	"-bad-slug":                "refused before it is sent",
	"-bad-taskId":              "refused before it is sent",
	"-404-task":                "artifact-content is asked instead",
	"-expandScopes-400":        "a list is sent",
	"-statuses-400":            "a list is sent",
	"-bad-token":               "TestTornPages has a service that ignores tokens",
	"-limit1":                  "as limit2",
	"-rerunTask-":              "the in-tree action runs a task again, and says what it needs",
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
			// of the recording: credentials have times
			time.Sleep(time.Until(ok(http.ParseTime(e.Response.Headers["date"]))))
			known, err := call(t.Context(), at(t, r), e)
			if !known {
				t.Errorf("%s: neither a call nor a reason why there is none", e.Name)
				return
			}
			// where it is stored
			unknown := slices.DeleteFunc(r.Unanswered(),
				func(u string) bool { return !strings.Contains(u, "/api/") || strings.Contains(u, "/api/object/") })
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
	if !errors.Is(err, want) || !errors.As(err, &wrapped) || !errors.As(err, &answered) || answered.Code != body.Code ||
		answered.Status != e.Response.Status {
		t.Errorf("%s: %v, expected one that wraps %v with the code %s", e.Name, err, want, body.Code)
		return
	}
	first, _, _ := strings.Cut(body.Message, "\n")
	if !strings.Contains(err.Error(), strings.Join(strings.Fields(first), " ")) ||
		body.Code != "" && answered.RequestInfo == nil {
		t.Errorf("%s: %v does not say %q", e.Name, err, first)
	}
	if e.Response.Status == http.StatusForbidden && strings.Contains(body.Message, "missing the following scopes") &&
		len(answered.Missing) == 0 {
		t.Errorf("%s: the missing scopes are not named: %q", e.Name, answered.Message)
	}
}

// The messages of Pulse carry statuses: the words of all their runs are known.
func TestRecordedMessages(t *testing.T) {
	dir := testenv.Shared(t, "wire", "pulse")
	names := ok(filepath.Glob(filepath.Join(dir, "*.json")))
	statuses := map[string]int{}
	for _, n := range names {
		var m struct {
			Body struct {
				Status *taskcluster.TaskStatus `json:"status"`
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
	for _, want := range []string{
		"pending", "running", "success", "test_failed", "retry", "exception", "cancelled",
		"skipped",
	} {
		if statuses[want] == 0 {
			t.Errorf("no %s among %v", want, statuses)
		}
	}
	if len(names) != 29 {
		t.Errorf("%d messages, expected 29", len(names))
	}
}

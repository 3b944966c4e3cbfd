package monitor_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/monitor"
)

func ended() monitor.Expectation {
	return monitor.Expectation{
		Key: "k", Label: "t", Push: job.Push{Repo: "autoland", ID: 3, Revision: "a003"},
		Progress: monitor.Progress{
			Outcome: monitor.Moot, Note: "backed out", Results: monitor.Counts{Failures: 1, Runs: 2},
			Moot: &job.Push{Repo: "autoland", ID: 4, Revision: "a004"},
		},
	}
}

func TestWebhook(t *testing.T) {
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, r.Method+" "+r.URL.Path+" "+r.Header.Get("Content-Type")+" "+string(body))
		switch r.URL.Path {
		case "/moved/SECRET":
			http.Redirect(w, r, "/hook/SECRET", http.StatusFound)
		case "/broken/SECRET":
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer server.Close()
	for _, c := range []struct{ path, want string }{
		{"/hook/SECRET", ""}, {"/moved/SECRET", "HTTP 302"}, {"/broken/SECRET", "HTTP 500"},
	} {
		hook, err := monitor.Webhook(server.URL+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = hook.Notify(t.Context(), ended())
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.path, err, c.want)
		}
	}
	if len(got) != 3 { // a redirect is not followed
		t.Errorf("%d requests: %q", len(got), got)
	}
	head, body, _ := strings.Cut(got[0], " {")
	if head != "POST /hook/SECRET application/json" {
		t.Error(head)
	}
	var n monitor.Notice
	if err := json.Unmarshal([]byte("{"+body), &n); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(monitor.NoticeOf(ended()), n); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestWebhookHidesItsURL: whoever knows it can post there.
func TestWebhookHidesItsURL(t *testing.T) {
	hook, err := monitor.Webhook("http://127.0.0.1:1/SECRET?token=SECRET", nil) // nobody serves there
	if err != nil {
		t.Fatal(err)
	}
	err = hook.Notify(t.Context(), ended())
	if !errors.Is(err, job.ErrUnavailable) || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"", "ftp://h/SECRET", "https:///SECRET", "SECRET", "http://h\x7f/SECRET"} {
		_, err := monitor.Webhook(bad, nil)
		if !errors.Is(err, job.ErrInvalid) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

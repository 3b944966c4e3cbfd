package cassette_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job/cassette"
)

// exchange sends a request with secrets in every place where they occur.
func exchange(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/sign?bewit=secret-1&n=1",
		strings.NewReader(`{"accessToken": "secret-2", "n": 1}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Hawk secret-3")
	req.Header.Set("Cookie", "session=secret-4")
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestRecordedIsScrubbedAndPlaysBack(t *testing.T) {
	n := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n++
		w.Header().Set("Set-Cookie", "secret-5")
		_, _ = fmt.Fprintf(w, `{"n": %d, "credentials": {"certificate": "secret-6 \" quoted"}}`, n)
	}))
	url := srv.URL
	path := filepath.Join(t.TempDir(), "tape.yaml")
	tape, err := cassette.Record(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	live := []string{exchange(t, tape.Client(), url), exchange(t, tape.Client(), url)}
	if err := tape.Close(); err != nil {
		t.Fatal(err)
	}
	srv.Close()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "secret-") {
		t.Errorf("a secret reached the disk:\n%s", text)
	}
	if tape, err = cassette.Replay(path); err != nil {
		t.Fatal(err)
	}
	for i := range live {
		if got := exchange(t, tape.Client(), url); !strings.HasPrefix(got, live[i][:8]) {
			t.Errorf("exchange %d plays %s, was %s", i, got, live[i])
		}
		if left := tape.Unused(); len(left) != 1-i {
			t.Errorf("%d exchanges unused after %d", len(left), i+1)
		}
	}
	if err := tape.Close(); err != nil {
		t.Error(err)
	}
}

// What was not recorded fails by name, at once, and at the end.
func TestUnmatchedRequestsFail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tape.yaml")
	const empty = "version: 2\ninteractions: []\n# The end, after 0 exchanges.\n"
	if err := os.WriteFile(path, []byte(empty), 0o600); err != nil {
		t.Fatal(err)
	}
	tape, err := cassette.Replay(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = rest.New(&rest.Options{HTTP: tape.Client()}).Do(t.Context(),
		rest.Call{URL: "http://example.com/x?token=secret"})
	var lost *cassette.UnmatchedError
	if !errors.As(err, &lost) || !strings.Contains(err.Error(), "GET http://example.com/x?token=REDACTED") {
		t.Errorf("error %v", err)
	}
	if err := tape.Close(); err == nil || !strings.Contains(err.Error(), "does not have 1 of the requests") {
		t.Errorf("Close: %v, expected that one request, tried once, is lacking", err)
	}
}

func TestOrphansAndMissing(t *testing.T) {
	dir := t.TempDir()
	for _, f := range []string{"a.yaml", "b.yaml", "README.md"} {
		if err := os.WriteFile(filepath.Join(dir, f), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := cassette.Orphans(dir, filepath.Join(dir, "a.yaml"))
	if err != nil || len(got) != 1 || filepath.Base(got[0]) != "b.yaml" {
		t.Errorf("orphans %q, %v; expected b.yaml", got, err)
	}
	if got, err := cassette.Orphans(filepath.Join(dir, "none")); err != nil || len(got) != 0 {
		t.Errorf("of no folder: %q, %v", got, err)
	}
	for _, path := range []string{filepath.Join(dir, "none.yaml"), filepath.Join(dir, "README.md")} {
		if _, err := cassette.Replay(path); err == nil {
			t.Errorf("%s is played", path)
		}
	}
}

package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/backfill/server"
)

const permanent = `push t
1 a001 pass
2 a002 -
3 a003 -
4 a004 -
5 a005 fail
6 a006 fail
`

// service is a Server that runs, and is called over HTTP.
type service struct {
	t     *testing.T
	s     *server.Server
	url   string
	token string
}

func serve(t *testing.T, p server.Places, store server.Store, change func(*server.Options)) *service {
	t.Helper()
	token := server.NewToken()
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, []byte("hazel "+server.HashToken(token)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tokens, err := server.OpenTokens(file)
	if err != nil {
		t.Fatal(err)
	}
	o := &server.Options{Door: server.DoorOptions{OpenReads: true, Tokens: tokens}, Poll: 10 * time.Millisecond}
	if change != nil {
		change(o)
	}
	if store == nil {
		store = server.NewMemory(nil)
	}
	s, err := server.New(p, store, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	h := httptest.NewServer(s.Handler())
	t.Cleanup(func() { h.Close(); stop(); <-done })
	return &service{t, s, h.URL, token}
}

// call makes a request, and returns the status and the answer.
func (s *service) call(method, path, body string, header ...string) (int, []byte) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, text
}

// start takes a backfill that must be accepted.
func (s *service) start(body string) server.Backfill {
	s.t.Helper()
	status, text := s.call("POST", "/v1/backfills", body)
	if status != http.StatusAccepted {
		s.t.Fatalf("status %d: %s", status, text)
	}
	return decoded(s.t, text)
}

func decoded(t *testing.T, text []byte) (b server.Backfill) {
	t.Helper()
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return b
}

// ended follows a backfill until it has ended.
func (s *service) ended(id string) (last server.Backfill) {
	s.t.Helper()
	for b, err := range s.s.Follow(s.t.Context(), id, 0) {
		if err != nil {
			s.t.Fatal(err)
		}
		last = b
	}
	return last
}

func TestLinear(t *testing.T) {
	s := serve(t, newPlaces(permanent), nil, nil)
	ask := `{"label":"t","revision":"a006"`
	dry := s.start(ask + `,"dry_run":true}`)
	if dry.State != server.Planned || dry.Plan.Total() != 3 || !dry.DryRun {
		t.Errorf("dry run: %s, %d runs", dry.State, dry.Plan.Total())
	}
	if dry.Answer != "mozci would trigger 3 runs on 3 pushes" {
		t.Errorf("answer %q", dry.Answer)
	}
	b := s.start(ask + `}`)
	if b.ID == dry.ID {
		t.Error("a dry run and the backfill have the same id")
	}
	if again := s.start(ask + `}`); again.ID != b.ID {
		t.Errorf("the same again is %s, not %s", again.ID, b.ID)
	}
	e := s.ended(b.ID)
	if e.State != server.Done || e.Culprit == nil || e.Culprit.Push.ID != 5 || e.LastGood.ID != 4 {
		text, _ := json.MarshalIndent(e, "", " ")
		t.Fatalf("%s", text)
	}
	t.Log(e.Answer, e.Why)
	for _, l := range e.Log {
		t.Log(l.Text, l.Why)
	}
}

func TestSearch(t *testing.T) {
	s := serve(t, newPlaces(`truth t culprit=4 before=0 after=1
push t
1 a001 pass
2 a002 -
3 a003 -
4 a004 -
5 a005 -
6 a006 fail
`), nil, nil)
	b := s.start(`{"label":"t","revision":"a006","mode":"search"}`)
	t.Log(b.Answer, b.Plan.Total(), b.Cost)
	e := s.ended(b.ID)
	if e.State != server.Done || e.Culprit == nil || e.Culprit.Push.ID != 4 {
		text, _ := json.MarshalIndent(e, "", " ")
		t.Fatalf("%s", text)
	}
	t.Log(e.Answer, e.Why, e.Cost)
	for _, l := range e.Log {
		t.Log(l.Kind, l.Text, l.Why)
	}
}

// A search without a test asks about what failed on the revision: runs that failed otherwise
// are no failures, on the page too.
func TestSearchBySignature(t *testing.T) {
	s := serve(t, newPlaces(`truth t culprit=4 before=0 after=1 sig=broke
push t
1 a001 pass*2
2 a002 pass,fail:sig=other
3 a003 fail*2:sig=other
4 a004 -
5 a005 -
6 a006 fail:sig=broke
`), nil, nil)
	b := s.ended(s.start(`{"label":"t","revision":"a006","mode":"search"}`).ID)
	if b.State != server.Done || b.Culprit == nil || b.Culprit.Push.ID != 4 {
		text, _ := json.MarshalIndent(b, "", " ")
		t.Fatalf("%s", text)
	}
	for _, row := range b.Rows {
		if row.Push.ID < 4 && row.Failed > 0 || row.Push.ID >= 4 && row.Passed > 0 {
			t.Errorf("push %d: failed %d, passed %d", row.Push.ID, row.Failed, row.Passed)
		}
	}
	if w := fmt.Sprint(b.Warnings); !strings.Contains(w, "3 other failures of the job do not count: other (3)") {
		t.Error(w)
	}
}

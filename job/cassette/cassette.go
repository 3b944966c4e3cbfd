// Package cassette records HTTP exchanges and plays them back, with go-vcr
// tamed: what is recorded is scrubbed of secrets before it reaches the disk,
// playing back never touches the network and never waits, a request that was
// not recorded fails at once and by name, and exchanges or whole cassettes that
// nothing used are found.
//
// Start with [Record] and [Replay]; each gives a [Tape], whose Client goes into the
// options of the sources, and whose Close ends it. A program can offer that to its
// users, as mozci does with --record and --replay: what went wrong with a CI is
// then kept, and can be looked at without it.
package cassette

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	vcr "gopkg.in/dnaeon/go-vcr.v3/cassette"
	"gopkg.in/dnaeon/go-vcr.v3/recorder"

	"github.com/mozci/mozci/internal/private"
	"github.com/mozci/mozci/internal/rest"
)

// Tape is a cassette that is being recorded or played back. It is an
// http.RoundTripper, safe for concurrent use.
type Tape struct {
	path    string
	rec     *recorder.Recorder
	replays bool
	total   int // recorded exchanges, when it replays

	mu        sync.Mutex
	used      map[int]bool
	unmatched []string
}

// Record starts a cassette at path, which ends in .yaml, over a transport that
// reaches the service; nil is http.DefaultTransport. The file is written by Close: a
// new one only its owner can read, one that is there keeps its mode.
func Record(path string, live http.RoundTripper) (*Tape, error) {
	return open(path, live, recorder.ModeRecordOnly)
}

// Replay plays the cassette at path, which ends in .yaml. Each exchange is
// played once, in the order of recording among those that match: the method,
// the URL without secrets, and the body are the same.
func Replay(path string) (*Tape, error) {
	return open(path, nil, recorder.ModeReplayOnly)
}

func open(path string, live http.RoundTripper, mode recorder.Mode) (*Tape, error) {
	name, ok := strings.CutSuffix(path, ".yaml")
	if !ok {
		return nil, fmt.Errorf("cassette %s: expected a name that ends in .yaml", path)
	}
	t := &Tape{path: path, used: map[int]bool{}, replays: mode == recorder.ModeReplayOnly}
	if t.replays {
		recorded, err := vcr.Load(name)
		if err != nil {
			return nil, fmt.Errorf("cassette %s: %w", path, err)
		}
		t.total = len(recorded.Interactions)
	}
	rec, err := recorder.NewWithOptions(&recorder.Options{
		CassetteName: name, Mode: mode, RealTransport: live, SkipRequestLatency: true,
	})
	if err != nil {
		return nil, fmt.Errorf("cassette %s: %w", path, err)
	}
	rec.SetMatcher(matches)
	rec.AddHook(scrub, recorder.BeforeSaveHook)
	rec.AddHook(t.played, recorder.BeforeResponseReplayHook)
	t.rec = rec
	return t, nil
}

// Client is an HTTP client over the tape.
func (t *Tape) Client() *http.Client { return &http.Client{Transport: t} }

// UnmatchedError is a request that the cassette does not have. It is
// permanent: repeating the request does not help.
type UnmatchedError struct{ Cassette, Request string }

func (e *UnmatchedError) Error() string {
	return fmt.Sprintf("cassette %s does not have %s: record it again", e.Cassette, e.Request)
}

// Permanent says that asking again is no use.
func (*UnmatchedError) Permanent() bool { return true }

// RoundTrip implements http.RoundTripper.
func (t *Tape) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.rec.RoundTrip(r)
	if !errors.Is(err, vcr.ErrInteractionNotFound) {
		return res, err
	}
	lost := &UnmatchedError{t.path, r.Method + " " + rest.Redact(r.URL.String())}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unmatched = append(t.unmatched, lost.Request)
	return nil, lost
}

func (t *Tape) played(i *vcr.Interaction) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.used[i.ID] = true
	return nil
}

// Close ends the tape. Recording, it writes the file; playing back, it returns
// an error that names the requests which the cassette did not have.
func (t *Tape) Close() error {
	if err := t.stop(); err != nil {
		return fmt.Errorf("cassette %s: %w", t.path, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.unmatched) > 0 {
		return fmt.Errorf("cassette %s lacks %d requests, the first: %s", t.path, len(t.unmatched), t.unmatched[0])
	}
	return nil
}

// stop ends the recorder, which writes into a file that only its owner can read.
func (t *Tape) stop() error {
	if t.replays {
		return t.rec.Stop()
	}
	if err := private.Folder(filepath.Dir(t.path)); err != nil {
		return err
	}
	if err := private.File(t.path); err != nil {
		return err
	}
	return t.rec.Stop()
}

// Unused is how many exchanges of the cassette were not played.
func (t *Tape) Unused() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.replays {
		return 0
	}
	return t.total - len(t.used)
}

// matches compares a request with a recorded one.
func matches(r *http.Request, kept vcr.Request) bool {
	if r.Method != kept.Method || rest.Redact(r.URL.String()) != kept.URL {
		return false
	}
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return false
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return scrubBody(string(body)) == kept.Body
}

// keptHeaders are the headers that mean something when played back; all others
// are dropped, since any of them can identify or authorise somebody.
var keptHeaders = []string{
	"Accept", "Content-Type", "Etag", "If-None-Match", "If-Modified-Since", "Last-Modified", "Link", "Location",
	"Retry-After", "X-Taskcluster-Artifact-Storage-Type",
}

// scrub removes secrets from an exchange. go-vcr shares its maps with the live
// request, so they are copied.
func scrub(i *vcr.Interaction) error {
	i.Request.Headers = only(i.Request.Headers)
	i.Response.Headers = only(i.Response.Headers)
	if l := i.Response.Headers.Get("Location"); l != "" {
		i.Response.Headers.Set("Location", rest.Redact(l))
	}
	i.Request.URL = rest.Redact(i.Request.URL)
	i.Request.RequestURI, i.Request.RemoteAddr, i.Request.Form = "", "", nil
	i.Request.Body = scrubBody(i.Request.Body)
	i.Response.Body = scrubBody(i.Response.Body)
	i.Response.ContentLength = int64(len(i.Response.Body))
	i.Response.Duration = 0
	return nil
}

func only(h http.Header) http.Header {
	out := http.Header{}
	for k, v := range h {
		if slices.Contains(keptHeaders, http.CanonicalHeaderKey(k)) {
			for _, value := range v {
				out[k] = append(out[k], rest.RedactText(value))
			}
		}
	}
	return out
}

func scrubBody(body string) string { return rest.RedactText(body) }

// Orphans returns the cassettes in dir that are not among used, by path: a
// test that used them is gone, or was renamed.
func Orphans(dir string, used ...string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && strings.HasSuffix(path, ".yaml") && !slices.Contains(used, path) {
			out = append(out, path)
		}
		return err
	})
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return out, err
}

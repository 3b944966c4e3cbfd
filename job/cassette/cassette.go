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
//
// Two things are taken out of what is recorded. By name: most headers, the user and
// password of a URL, and the values of parameters, form fields and JSON members that
// are called as secrets are; also within text, in gzip, and in JSON inside JSON. And by
// value: what was such a secret once is taken out of the whole cassette, wherever it
// comes back, also in base64, in hex, and percent-encoded. What is shorter than six
// bytes is only found by name, and other compression than gzip is not looked into.
package cassette

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	vcr "gopkg.in/dnaeon/go-vcr.v3/cassette"
	"gopkg.in/dnaeon/go-vcr.v3/recorder"
)

// Tape is a cassette that is being recorded or played back. It is an
// http.RoundTripper, safe for concurrent use.
type Tape struct {
	path    string
	rec     *recorder.Recorder
	secrets *scrubber
	replays bool
	played  []Exchange // all of the cassette, when it replays

	mu        sync.Mutex
	captured  []*vcr.Interaction // when it records
	used      map[int]bool
	unmatched []string
}

// Record starts a cassette at path, which ends in .yaml, over a transport that
// reaches the service; nil is http.DefaultTransport. The file is written by Close.
func Record(path string, live http.RoundTripper) (*Tape, error) {
	return open(path, live, recorder.ModeRecordOnly)
}

// Replay plays the cassette at path, which ends in .yaml. Each exchange is
// played once, in the order of recording among those that match: the method,
// the URL without secrets, and the body are the same. A file that is not whole is an
// error.
func Replay(path string) (*Tape, error) {
	return open(path, nil, recorder.ModeReplayOnly)
}

func open(path string, live http.RoundTripper, mode recorder.Mode) (*Tape, error) {
	name, err := nameOf(path)
	if err != nil {
		return nil, err
	}
	t := &Tape{path: path, secrets: newScrubber(), used: map[int]bool{}, replays: mode == recorder.ModeReplayOnly}
	if t.replays {
		if t.played, err = Read(path); err != nil {
			return nil, err
		}
	}
	rec, err := recorder.NewWithOptions(&recorder.Options{
		CassetteName: name, Mode: mode, RealTransport: whole{live}, SkipRequestLatency: true,
	})
	if err != nil {
		return nil, fmt.Errorf("cassette %s: %w", path, err)
	}
	rec.SetMatcher(matches)
	rec.AddHook(t.capture, recorder.AfterCaptureHook)
	rec.AddHook(t.play, recorder.BeforeResponseReplayHook)
	t.rec = rec
	return t, nil
}

// whole reads the body of a request before it sends it: go-vcr records as much of one as
// was read, and a server may answer before it has read all.
type whole struct{ next http.RoundTripper }

func (w whole) RoundTrip(r *http.Request) (*http.Response, error) {
	next := w.next
	if next == nil {
		next = http.DefaultTransport
	}
	if r.Body == nil || r.Body == http.NoBody {
		return next.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err = errors.Join(err, r.Body.Close()); err != nil {
		return nil, err
	}
	sent := r.Clone(r.Context())
	sent.Body = io.NopCloser(bytes.NewReader(body))
	return next.RoundTrip(sent)
}

// Client is an HTTP client over the tape.
func (t *Tape) Client() *http.Client { return &http.Client{Transport: t} }

// Scrub returns a text without the secrets that went over the tape, and those that
// its own names tell: for what else is kept of a recording.
func (t *Tape) Scrub(text string) string { return t.secrets.forget(t.secrets.body(text)) }

// UnmatchedError is a request that the cassette does not have. It is
// permanent: repeating the request does not help.
type UnmatchedError struct{ Cassette, Request string }

func (e *UnmatchedError) Error() string {
	return fmt.Sprintf("cassette %s does not have %s: record it again", e.Cassette, e.Request)
}

// Permanent says that asking again is no use.
func (*UnmatchedError) Permanent() bool { return true }

// asked is a request as a cassette has it, without secrets.
type asked struct{ url, body string }

type askedKey struct{}

// RoundTrip implements http.RoundTripper.
func (t *Tape) RoundTrip(r *http.Request) (*http.Response, error) {
	if !t.replays {
		return t.rec.RoundTrip(r)
	}
	q, err := t.ask(r)
	if err != nil {
		return nil, err
	}
	res, err := t.rec.RoundTrip(r.WithContext(context.WithValue(r.Context(), askedKey{}, q)))
	if !errors.Is(err, vcr.ErrInteractionNotFound) {
		if res != nil {
			res.Request = r
		}
		return res, err
	}
	lost := &UnmatchedError{t.path, r.Method + " " + q.url}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unmatched = append(t.unmatched, lost.Request)
	return nil, lost
}

// ask reads a request that is to be found in the cassette.
func (t *Tape) ask(r *http.Request) (asked, error) {
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body)
		if err = errors.Join(err, r.Body.Close()); err != nil {
			return asked{}, fmt.Errorf("cassette %s: the body of a request: %w", t.path, err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	s := t.secrets
	s.headers(r.Header, nil)
	url, text := s.url(r.URL.String()), s.unpacked(string(body))
	return asked{s.forget(url), s.forget(text)}, nil
}

// matches compares a request with a recorded one.
func matches(r *http.Request, kept vcr.Request) bool {
	q, ok := r.Context().Value(askedKey{}).(asked)
	return ok && r.Method == kept.Method && q.url == kept.URL && q.body == kept.Body
}

func (t *Tape) capture(i *vcr.Interaction) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.captured = append(t.captured, i)
	return nil
}

func (t *Tape) play(i *vcr.Interaction) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.used[i.ID] = true
	return nil
}

// Close ends the tape. Recording, it writes the file; playing back, it returns
// an error that names the requests which the cassette did not have.
func (t *Tape) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.replays {
		return write(t.path, t.secrets.all(t.captured))
	}
	if len(t.unmatched) > 0 {
		return fmt.Errorf("cassette %s lacks %d requests: %s", t.path, len(t.unmatched),
			strings.Join(t.unmatched, ", "))
	}
	return nil
}

// Unused are the exchanges of the cassette that were not played.
func (t *Tape) Unused() []Exchange {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []Exchange
	for id, e := range t.played {
		if !t.used[id] {
			out = append(out, e)
		}
	}
	return out
}

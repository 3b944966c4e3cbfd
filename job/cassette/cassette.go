// Package cassette records HTTP exchanges in a file, a cassette, and plays them back. It is
// built on go-vcr and adds to it: secrets are removed before anything reaches the
// disk; playing back never uses the network and never waits; a request that was not recorded
// fails at once, and the error names it; exchanges and whole cassettes that nothing uses are
// found.
//
// Start with [Record] or [Replay]. Each returns a [Tape]; its Client goes into the options of
// the sources, and its Close ends it:
//
//	tape, err := cassette.Record("testdata/push.yaml", nil)
//	server, err := pushlog.New(pushlog.DefaultURL, &pushlog.Options{HTTP: tape.Client()})
//	push, err := server.Repository("autoland").Push(ctx, "tip")
//	err = tape.Close() // writes the file
//
// A program can offer this to its users, as mozci does with --record and --replay. A recording
// of a problem with a CI can then be studied without that CI.
//
// Secrets are removed in two ways:
//
//   - By name: most headers, the user and password of a URL, and the values of parameters,
//     form fields and JSON members with names such as "token"; also within text, in gzip,
//     and in JSON inside JSON.
//   - By value: once a value was such a secret, it is removed from the whole cassette,
//     wherever it comes again, also in base64, in hex and percent-encoded.
//
// Values shorter than six bytes are found by name alone, and so are numbers of fewer than 16
// digits. Compression other than gzip is not looked into.
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
	played  []Exchange // all exchanges of the cassette, when it replays

	mu        sync.Mutex
	captured  []*vcr.Interaction // the exchanges so far, when it records
	used      map[int]bool       // by index in played: it was played
	unmatched []string           // requests that the cassette does not have
}

// Record starts a cassette at path, which ends in .yaml, over a transport that
// reaches the service; nil is http.DefaultTransport. The file is written by Close.
func Record(path string, live http.RoundTripper) (*Tape, error) {
	return open(path, live, recorder.ModeRecordOnly)
}

// Replay plays the cassette at path, which ends in .yaml. A request matches an exchange with
// the same method, the same URL and the same body, all without secrets. Each exchange is
// played once; of several that match, the one that was recorded first. An incomplete file is
// an error.
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

// whole reads the whole body of a request before it sends it. go-vcr records only the part of
// a body that was read, and a server may answer before it has read all.
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

// Scrub returns a text without the secrets that went over the tape, and without those that
// names in the text show. Use it for everything else that is stored with a recording.
func (t *Tape) Scrub(text string) string { return t.secrets.forget(t.secrets.body(text)) }

// UnmatchedError is a request that the cassette does not have. It is
// permanent: repeating the request does not help.
type UnmatchedError struct{ Cassette, Request string }

// Error names the cassette and the request, and says to record the cassette again.
func (e *UnmatchedError) Error() string {
	return fmt.Sprintf("cassette %s does not have %s: record it again", e.Cassette, e.Request)
}

// Permanent returns true: internal/rest does not repeat such a request.
func (*UnmatchedError) Permanent() bool { return true }

// asked is a request in the form of the cassette, without secrets.
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

// ask reads a request and brings it into the form in which the cassette has it.
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

// Close ends the tape. A recording is written to its file now. After playing back, Close
// returns an error that names the requests that the cassette did not have.
func (t *Tape) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.replays {
		return write(t.path, t.secrets.all(t.captured))
	}
	if len(t.unmatched) > 0 {
		return fmt.Errorf("cassette %s does not have %d of the requests: %s", t.path, len(t.unmatched),
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

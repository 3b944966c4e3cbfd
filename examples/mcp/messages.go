package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// mostMessage is the length of the longest message that is read, in bytes: a plan of a
// hundred steps has a twentieth of it.
const mostMessage = 1 << 20

// How long the client's next message waits until its first one is answered, and the end of
// its messages until all are. A client that writes all it has to say and closes the pipe, as
// a script does, has its answers so; one that is gone does not keep the server for long.
const (
	firstAnswer = 10 * time.Second
	lastAnswers = time.Minute
)

// messages are the lines of a client that are messages of JSON-RPC. Any other line is
// answered with an error here, and the session goes on; it would end it otherwise, with all
// calls under way.
type messages struct {
	*exchange
	lines *bufio.Reader
	end   io.Closer
	rest  []byte // of a message that was not yet taken whole
}

func messagesOf(in io.ReadCloser, e *exchange) *messages {
	return &messages{exchange: e, lines: bufio.NewReader(in), end: in}
}

// Close implements io.Closer.
func (m *messages) Close() error {
	m.stop()
	return m.end.Close()
}

// Read implements io.Reader.
func (m *messages) Read(p []byte) (int, error) {
	for len(m.rest) == 0 {
		line, err := m.line()
		msg, wrong := messageOf(line)
		switch {
		case wrong != nil:
			if err := wrong.answer(m.exchange); err != nil {
				return 0, err
			}
		case msg != nil:
			m.until(m.greeted, firstAnswer)
			m.asked(msg)
			m.rest = append(line, '\n')
			continue // an error comes again
		}
		if err != nil {
			m.until(m.quiet, lastAnswers)
			return 0, err
		}
	}
	n := copy(p, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

// line is the next line without blanks around it. Of one that is too long it keeps so much
// that this can be seen.
func (m *messages) line() ([]byte, error) {
	var line []byte
	for {
		part, err := m.lines.ReadSlice('\n')
		line = append(line, part[:min(len(part), mostMessage+1-len(line))]...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return bytes.TrimSpace(line), err
		}
	}
}

// fault is why a line is no message, as JSON-RPC numbers it, and the id that it gave.
type fault struct {
	id   any // a string, a number or nil
	code int
	text string
}

// messageOf is the message of a line, or what is wrong with it; neither for an empty line.
func messageOf(line []byte) (jsonrpc.Message, *fault) {
	switch {
	case len(line) == 0:
		return nil, nil
	case len(line) > mostMessage:
		return nil, &fault{nil, jsonrpc.CodeInvalidRequest, "The message is too long: at most 1 MiB is read."}
	case !json.Valid(line):
		return nil, &fault{nil, jsonrpc.CodeParseError, "The line is not JSON. A message is one line."}
	case line[0] != '{':
		return nil, &fault{
			nil, jsonrpc.CodeInvalidRequest, "The message is no object. Each message is one, on its own line.",
		}
	}
	msg, err := jsonrpc.DecodeMessage(line)
	if err == nil {
		return msg, nil
	}
	wrong := &fault{nil, jsonrpc.CodeInvalidRequest, "The object is no message of JSON-RPC 2.0."}
	var given struct {
		ID any `json:"id"`
	}
	if err := json.Unmarshal(line, &given); err == nil {
		switch given.ID.(type) {
		case string, float64:
			wrong.id = given.ID
		}
	}
	return nil, wrong
}

func (f *fault) answer(w io.Writer) error {
	type told struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	_, err := io.WriteString(w, asJSON(struct {
		Version string `json:"jsonrpc"`
		ID      any    `json:"id"`
		Error   told   `json:"error"`
	}{"2.0", f.id, told{f.code, f.text}})+"\n")
	return err
}

// exchange is the writer of answers, one line each time. It knows which questions have none
// yet. It is safe for concurrent use.
type exchange struct {
	writing sync.Mutex // alone, as a client may write for long before it reads
	out     io.Writer

	mu      sync.Mutex
	open    map[any]string // the methods of requests without an answer, by their ids
	changed chan struct{}  // is closed when an answer goes out, and made anew
	ended   bool           // nobody waits any more
}

func exchangeOn(out io.Writer) *exchange {
	return &exchange{out: out, open: map[any]string{}, changed: make(chan struct{})}
}

// Write implements io.Writer.
func (e *exchange) Write(p []byte) (int, error) {
	e.writing.Lock()
	n, err := e.out.Write(p)
	e.writing.Unlock()
	msg, wrong := jsonrpc.DecodeMessage(p)
	if r, ok := msg.(*jsonrpc.Response); ok && wrong == nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.done(r.ID.Raw())
	}
	return n, err
}

// asked notes a message of the client: a question, or that it does not want the answer.
func (e *exchange) asked(msg jsonrpc.Message) {
	r, ok := msg.(*jsonrpc.Request)
	if !ok {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if r.IsCall() {
		e.open[r.ID.Raw()] = r.Method
		return
	}
	var of struct {
		RequestID any `json:"requestId"`
	}
	if r.Method != "notifications/cancelled" || json.Unmarshal(r.Params, &of) != nil {
		return
	}
	if id, err := jsonrpc.MakeID(of.RequestID); err == nil {
		e.done(id.Raw())
	}
}

// done notes that a question needs no answer any more; e is locked.
func (e *exchange) done(id any) {
	delete(e.open, id)
	close(e.changed)
	e.changed = make(chan struct{})
}

// stop ends all waiting.
func (e *exchange) stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ended = true
	e.done(nil)
}

// greeted reports whether the session's first question is answered; e is locked.
func (e *exchange) greeted() bool {
	for _, method := range e.open {
		if method == "initialize" {
			return false
		}
	}
	return true
}

// quiet reports whether each question is answered; e is locked.
func (e *exchange) quiet() bool { return len(e.open) == 0 }

// until waits for a state, but not for longer than the patience lasts.
func (e *exchange) until(reached func() bool, patience time.Duration) {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		e.mu.Lock()
		changed, over := e.changed, e.ended || reached()
		e.mu.Unlock()
		if over {
			return
		}
		select {
		case <-changed:
		case <-late.C:
			return
		}
	}
}

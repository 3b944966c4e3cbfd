package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/internal/redact"
)

// What surrounds every request: watched notes which status was sent, end runs last and also after a
// panic, and audit writes the line about a request that acts. Reads leave no line.

// visitKey is the key of the visit in a request's context.
type visitKey struct{}

// notes are what handlers add to the audit line of a request. mu guards attrs, because a handler
// may use several goroutines.
type notes struct {
	mu    sync.Mutex
	attrs []slog.Attr
}

// Audit adds attributes to the line that the door logs for each request that acts, such as what was
// done and the id of the backfill. It does nothing when ctx does not belong to a request.
func Audit(ctx context.Context, attrs ...slog.Attr) {
	if v, ok := ctx.Value(visitKey{}).(*visit); ok {
		v.notes.mu.Lock()
		defer v.notes.mu.Unlock()
		v.notes.attrs = append(v.notes.attrs, attrs...)
	}
}

// shownPath is how many bytes of a path the audit line shows.
const shownPath = 200

// audit logs an act. It leaves out the query and every header, because these may hold secrets.
func (v *visit) audit() {
	who, via := "", ""
	if v.who != nil {
		who, via = v.who.Name, v.who.Via
	}
	attrs := []slog.Attr{
		slog.String("who", who), slog.String("via", via), slog.String("address", v.source()),
		slog.String("method", clip.Marked(v.r.Method, 20)),
		slog.String("path", clip.Marked(redact.Text(v.r.URL.Path), shownPath)),
		slog.Int("status", v.w.code()), slog.String("outcome", v.outcome()), slog.Duration("took", time.Since(v.began)),
	}
	v.notes.mu.Lock()
	attrs = append(attrs, v.notes.attrs...)
	v.notes.mu.Unlock()
	v.d.log.LogAttrs(context.WithoutCancel(v.r.Context()), slog.LevelInfo, "act", attrs...)
}

// outcome says how an act ended: "done", or the reason of the refusal.
func (v *visit) outcome() string {
	switch code := v.w.code(); {
	case v.reason != "":
		return v.reason
	case code >= http.StatusBadRequest:
		return http.StatusText(code)
	}
	return "done"
}

// end ends a visit, also after a panic in a handler. When nothing was sent yet, the caller gets
// 500. When a part of the answer was sent, the connection is cut, so that no client takes that part
// for the whole answer.
func (v *visit) end() {
	p := recover()
	// ErrAbortHandler is how a handler asks net/http to cut the connection: no fault, and not
	// logged.
	aborted := p == http.ErrAbortHandler //nolint:errorlint // a panic's value
	cut := p != nil && v.w.wrote()
	if p != nil && !aborted {
		v.d.log.LogAttrs(context.WithoutCancel(v.r.Context()), slog.LevelError, "a handler panicked",
			slog.String("method", clip.Marked(v.r.Method, 20)),
			slog.String("path", clip.Marked(redact.Text(v.r.URL.Path), shownPath)),
			slog.String("panic", clip.Marked(redact.Text(fmt.Sprint(p)), 1000)),
			slog.String("stack", redact.Text(string(debug.Stack()))))
		if v.reason = "internal"; !cut {
			v.fail(http.StatusInternalServerError, "internal", "mozci failed; the log has the reason.")
		}
	}
	if !safe(v.r.Method) {
		v.audit()
	}
	if aborted || cut {
		// net/http recovers it, closes the connection, and logs nothing.
		panic(http.ErrAbortHandler)
	}
}

// watched is a ResponseWriter that remembers which status was sent. status is 0 until something was
// sent.
type watched struct {
	http.ResponseWriter
	rc     *http.ResponseController
	status int
	each   time.Duration // time for each write of a stream; 0 for an answer with one deadline for all of it
}

// Unwrap lets http.ResponseController reach the connection.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *watched) wrote() bool { return w.status != 0 }

// code is the status that was sent. A handler that sent nothing is answered with 200 by net/http.
func (w *watched) code() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}

// WriteHeader implements http.ResponseWriter.
func (w *watched) WriteHeader(status int) {
	// A status below 200, such as 103 Early Hints, comes before the real one and is not kept.
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *watched) Write(b []byte) (n int, err error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	err = w.timed(func() error { n, err = w.ResponseWriter.Write(b); return err })
	return n, err
}

// FlushError implements what http.ResponseController looks for.
func (w *watched) FlushError() error {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.timed(w.rc.Flush)
}

// Flush implements http.Flusher, for handlers that do not use a ResponseController.
func (w *watched) Flush() { _ = w.FlushError() }

// timed does one write of a stream within w.each, so that a client that stops reading does not hold
// a connection for ever. It removes the deadline afterwards, because a stream may be silent for
// hours.
func (w *watched) timed(do func() error) error {
	if w.each > 0 {
		_ = w.rc.SetWriteDeadline(time.Now().Add(w.each))
		defer func() { _ = w.rc.SetWriteDeadline(time.Time{}) }()
	}
	return do()
}

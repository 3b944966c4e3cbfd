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

// visitKey is the key of the visit in a request's context.
type visitKey struct{}

// notes are what handlers say of an act.
type notes struct {
	mu    sync.Mutex
	attrs []slog.Attr
}

// Audit adds to the line that the door writes of an act: of what, and with which id. A
// context that is of no request is left alone.
func Audit(ctx context.Context, attrs ...slog.Attr) {
	if v, ok := ctx.Value(visitKey{}).(*visit); ok {
		v.notes.mu.Lock()
		defer v.notes.mu.Unlock()
		v.notes.attrs = append(v.notes.attrs, attrs...)
	}
}

// shownPath is how many bytes of a path a line shows.
const shownPath = 200

// audit writes the line of an act. The query is left out, and so is every header.
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

// outcome is what became of an act: "done", or the reason of a refusal.
func (v *visit) outcome() string {
	switch code := v.w.code(); {
	case v.reason != "":
		return v.reason
	case code >= http.StatusBadRequest:
		return http.StatusText(code)
	}
	return "done"
}

// end ends a visit: a handler that panics is answered with 500, or the connection ends
// where something was answered already, so that nobody takes it for whole.
func (v *visit) end() {
	p := recover()
	aborted := p == http.ErrAbortHandler //nolint:errorlint // a panic's value
	cut := p != nil && v.w.wrote()
	if p != nil && !aborted {
		v.d.log.LogAttrs(context.WithoutCancel(v.r.Context()), slog.LevelError, "a handler panicked",
			slog.String("method", clip.Marked(v.r.Method, 20)),
			slog.String("path", clip.Marked(redact.Text(v.r.URL.Path), shownPath)),
			slog.String("panic", clip.Marked(redact.Text(fmt.Sprint(p)), 1000)),
			slog.String("stack", redact.Text(string(debug.Stack()))))
		if v.reason = "internal"; !cut {
			v.fail(http.StatusInternalServerError, "internal", "Something is wrong here; the log says what.")
		}
	}
	if !safe(v.r.Method) {
		v.audit()
	}
	if aborted || cut {
		panic(http.ErrAbortHandler)
	}
}

// watched is a ResponseWriter that knows what was answered.
type watched struct {
	http.ResponseWriter
	rc     *http.ResponseController
	status int
	each   time.Duration // for each write of a stream; 0 for what has one deadline
}

// Unwrap is for http.ResponseController.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *watched) wrote() bool { return w.status != 0 }

// code is the status that was answered; 200 where nothing was said.
func (w *watched) code() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}

// WriteHeader implements http.ResponseWriter.
func (w *watched) WriteHeader(status int) {
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

// FlushError is for http.ResponseController, and Flush for who looks for a http.Flusher.
func (w *watched) FlushError() error {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.timed(w.rc.Flush)
}

// Flush implements http.Flusher.
func (w *watched) Flush() { _ = w.FlushError() }

// timed does a write of a stream in its time: a caller who takes nothing is let go. The
// deadline is taken away afterwards, as a stream may have nothing to say for long.
func (w *watched) timed(do func() error) error {
	if w.each > 0 {
		_ = w.rc.SetWriteDeadline(time.Now().Add(w.each))
		defer func() { _ = w.rc.SetWriteDeadline(time.Time{}) }()
	}
	return do()
}

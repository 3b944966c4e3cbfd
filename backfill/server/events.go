package server

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"sync"
	"time"
)

// eventWriter writes a stream of server-sent events.
type eventWriter struct {
	mu sync.Mutex
	w  http.ResponseWriter
	rc *http.ResponseController
}

// newEventWriter begins a stream.
func newEventWriter(w http.ResponseWriter) *eventWriter {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	e := &eventWriter{w: w, rc: http.NewResponseController(w)}
	_ = e.rc.Flush()
	return e
}

// send writes one event. Its data may have several lines.
func (e *eventWriter) send(kind string, id int64, data []byte) error {
	var b strings.Builder
	fmt.Fprintf(&b, "id: %d\nevent: %s\n", id, kind)
	for line := range strings.Lines(string(data)) {
		b.WriteString("data: " + strings.TrimRight(line, "\r\n") + "\n")
	}
	b.WriteString("\n")
	return e.write(b.String())
}

// beat says that the stream lives.
func (e *eventWriter) beat() error { return e.write(": \n\n") }

func (e *eventWriter) write(text string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, err := e.w.Write([]byte(text)); err != nil {
		return err
	}
	return e.rc.Flush()
}

// beating is Follow for a stream, to which heartbeats are written meanwhile; it ends when
// they cannot be.
func (s *Server) beating(ctx context.Context, id string, after int64, out *eventWriter) iter.Seq2[Backfill, error] {
	return func(yield func(Backfill, error) bool) {
		ctx, stop := context.WithCancel(ctx)
		var beats sync.WaitGroup
		defer beats.Wait()
		defer stop()
		beats.Go(func() {
			tick := time.NewTicker(beatEvery)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					if out.beat() != nil {
						stop()
						return
					}
				}
			}
		})
		for b, err := range s.Follow(ctx, id, after) {
			if !yield(b, err) {
				return
			}
		}
	}
}

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

// heartbeat is how often a stream without news says that it lives.
const heartbeat = 15 * time.Second

// events writes a stream of server-sent events.
type events struct {
	mu sync.Mutex
	w  http.ResponseWriter
	rc *http.ResponseController
}

// newEvents begins a stream of this media type: text/event-stream, with or without its
// charset.
func newEvents(w http.ResponseWriter, media string) *events {
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy that collects answers would keep them
	w.WriteHeader(http.StatusOK)
	e := &events{w: w, rc: http.NewResponseController(w)}
	_ = e.rc.Flush()
	return e
}

// send writes one event. Its data may have several lines.
func (e *events) send(kind string, id int64, data []byte) error {
	var b strings.Builder
	fmt.Fprintf(&b, "id: %d\nevent: %s\n", id, kind)
	for line := range strings.Lines(string(data)) {
		b.WriteString("data: " + strings.TrimRight(line, "\r\n") + "\n")
	}
	b.WriteString("\n")
	return e.write(b.String())
}

// beat says that the stream lives.
func (e *events) beat() error { return e.write(": \n\n") }

func (e *events) write(text string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, err := e.w.Write([]byte(text)); err != nil {
		return err
	}
	return e.rc.Flush()
}

// beating is follow for a stream, to which heartbeats are written meanwhile; it ends when
// they cannot be.
func (s *Server) beating(ctx context.Context, id string, after int64, out *events) iter.Seq2[body, error] {
	return func(yield func(body, error) bool) {
		ctx, stop := context.WithCancel(ctx)
		var beats sync.WaitGroup
		defer beats.Wait()
		defer stop()
		beats.Go(func() {
			tick := time.NewTicker(heartbeat)
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
		for b, err := range s.follow(ctx, id, after) {
			if !yield(b, err) {
				return
			}
		}
	}
}

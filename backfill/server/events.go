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

// heartbeat is how often a stream without news sends a sign of life. Proxies close connections that
// are silent for a minute or so.
const heartbeat = 15 * time.Second

// events writes a stream of server-sent events. mu guards the writing, as heartbeats and news come
// from different goroutines: two events must not mix.
type events struct {
	mu sync.Mutex
	w  http.ResponseWriter
	rc *http.ResponseController
}

// newEvents starts a stream with this media type: text/event-stream, with or without a charset.
func newEvents(w http.ResponseWriter, media string) *events {
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // or a proxy would buffer the stream instead of passing it on
	w.WriteHeader(http.StatusOK)
	e := &events{w: w, rc: http.NewResponseController(w)}
	_ = e.rc.Flush()
	return e
}

// send writes one event. Each line of its data gets a "data:" of its own, as the format of
// server-sent events needs it. Version 7 of a backfill is this text, with an empty line at its end:
//
//	id: 7
//	event: backfill
//	data: {"id":"b4k2…","version":7,…}
func (e *events) send(kind string, id int64, data []byte) error {
	var b strings.Builder
	fmt.Fprintf(&b, "id: %d\nevent: %s\n", id, kind)
	for line := range strings.Lines(string(data)) {
		b.WriteString("data: " + strings.TrimRight(line, "\r\n") + "\n")
	}
	b.WriteString("\n")
	return e.write(b.String())
}

// beat writes a comment, which clients ignore: a sign of life.
func (e *events) beat() error { return e.write(": \n\n") }

func (e *events) write(text string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, err := e.w.Write([]byte(text)); err != nil {
		return err
	}
	return e.rc.Flush()
}

// beating is follow, with heartbeats written to out meanwhile. It ends when out cannot be written
// to any more, which is how the service notices that a client is gone.
func (s *Server) beating(ctx context.Context, id string, after int64, out *events) iter.Seq2[body, error] {
	return func(yield func(body, error) bool) {
		ctx, stop := context.WithCancel(ctx)
		var beats sync.WaitGroup
		// Deferred calls run last first: stop, then Wait. The goroutine never outlives the
		// iterator, and so never writes to a ResponseWriter whose handler has returned.
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

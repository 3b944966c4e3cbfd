package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Live updates of a backfill's screen. The server renders the screen in parts, and sends the parts
// that differ from what this browser got last, as HTML with the id of the element to replace: the
// script needs no knowledge of what they mean. A browser that connects again gets all parts.

// update is the data of an event: the parts of the screen that changed, by the id of their HTML
// element, in the order in which the script replaces them. Announce is for screen readers. Parts
// are never nil.
type update struct {
	Version  int64      `json:"version"`
	State    State      `json:"state"`
	Title    string     `json:"title"`
	Announce string     `json:"announce"`
	Time     string     `json:"time"`
	Parts    []partHTML `json:"parts"`
}

// partHTML is an element and its new HTML, which html/template has made safe.
type partHTML struct {
	ID   string `json:"id"`
	HTML string `json:"html"`
}

// partNames are the parts of the screen that an update may replace; each is a template and the id
// of an element. While the grid has the same rows, its rows are replaced one by one.
var partNames = []string{"answer", "facts", "grid", "plan", "log", "foot", "asks"}

// rendered is a screen in parts. rows are the sum above the grid, then its rows. Browsers share it,
// so it does not change.
type rendered struct {
	update // with all parts
	rows   []partHTML
	plain  bool // the grid has no column of probabilities
}

// stream sends the changes of a backfill as server-sent events. "update" is a change, and its id
// the version. "still" is a heartbeat, with a comment before it. "end" says that nothing will
// change any more.
//
//	id: 8
//	event: update
//	data: {"version":8,"state":"running",…,"parts":[{"id":"answer","html":"…"}]}
//
// When the service ends, the stream ends without "end", and the browser connects again.
func (p *page) stream(w http.ResponseWriter, r *http.Request) {
	id, all := r.PathValue("id"), allRows(r)
	if _, err := p.backend.Get(r.Context(), id); err != nil {
		p.fail(w, r, err)
		return
	}
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	out := newEvents(w, "text/event-stream; charset=utf-8")
	if out.write(": mozci\n\n") != nil {
		return
	}
	changes := p.follow(ctx, id, after(r))
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	// last is what this browser has; nil until the first update, which therefore has all parts.
	var last *rendered
	for {
		var err error
		select {
		case c, ok := <-changes:
			switch {
			case !ok:
				return
			case c.err != nil:
				p.o.Log.WarnContext(ctx, "a stream ended early", "id", id, "error", c.err)
				return
			case c.over:
				_ = out.write("event: end\ndata: {}\n\n")
				return
			}
			var now *rendered
			if now, err = p.render(c.b, all); err == nil {
				err = out.update(now, last)
				last = now
			}
		case <-beat.C:
			err = out.write(": still here\nevent: still\ndata: {}\n\n")
		case <-p.o.Done:
			return
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// after is the version that a browser has already: the id of its last event when it connects again,
// or the parameter of its first request. What cannot be read is 0: the browser then gets the screen
// once more.
func after(r *http.Request) int64 {
	for _, s := range []string{r.Header.Get("Last-Event-ID"), r.URL.Query().Get("after")} {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n
		}
	}
	return 0
}

// change is one of b, err and over.
type change struct {
	b    Backfill
	err  error
	over bool // the backfill has ended
}

// follow turns the backend's Follow into a channel, which is closed when there is no more, or when
// ctx ends. The channel has no buffer, so while a browser reads slowly Follow waits, and skips the
// versions in between. After an error, or over, nothing comes.
func (p *page) follow(ctx context.Context, id string, after int64) <-chan change {
	out := make(chan change)
	go func() {
		defer close(out)
		send := func(c change) bool {
			select {
			case out <- c:
				return true
			case <-ctx.Done():
				return false
			}
		}
		for b, err := range p.backend.Follow(ctx, id, after) {
			if !send(change{b: b, err: err}) || err != nil {
				return
			}
		}
		if ctx.Err() == nil {
			send(change{over: true})
		}
	}()
	return out
}

// update sends the parts of now that differ from last, or all parts when last is nil.
func (e *events) update(now, last *rendered) error {
	u := now.update
	u.Parts = now.since(last)
	text, err := json.Marshal(u)
	if err != nil {
		return err
	}
	return e.send("update", u.Version, text)
}

// since returns the parts that differ from last. While the grid has the same rows in the same
// order, only the rows that changed are sent. Both have their parts in the order of partNames.
func (now *rendered) since(last *rendered) []partHTML {
	if last == nil {
		return now.Parts
	}
	out := []partHTML{}
	for i, part := range now.Parts {
		switch {
		case part == last.Parts[i]:
		case part.ID == "grid" && now.plain == last.plain && sameRows(now.rows, last.rows):
			for k, row := range now.rows {
				if row != last.rows[k] {
					out = append(out, row)
				}
			}
		default:
			out = append(out, part)
		}
	}
	return out
}

// sameRows reports whether two grids have the same elements, whatever their content.
func sameRows(a, b []partHTML) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].ID != b[i].ID {
			return false
		}
	}
	return true
}

// render makes the parts of a screen, once for all browsers that watch it. The key has the version,
// so a kept screen is never outdated.
func (p *page) render(b Backfill, all bool) (*rendered, error) {
	key := partKey{b.ID, b.Version, all}
	if r, ok := p.parts.Get(key); ok {
		return r, nil
	}
	v := p.view(b, all)
	r := &rendered{plain: !v.Grid.Chances, update: update{
		Version: b.Version, State: b.State, Title: title(b), Announce: v.Announce, Time: iso(b.Updated),
	}}
	t := p.screens["backfill"]
	var buf bytes.Buffer
	part := func(id, name string, data any) (partHTML, error) {
		buf.Reset()
		err := t.ExecuteTemplate(&buf, name, data)
		return partHTML{id, buf.String()}, err
	}
	for _, name := range partNames {
		h, err := part(name, name, v)
		if err != nil {
			return nil, fmt.Errorf("part %s: %w", name, err)
		}
		r.Parts = append(r.Parts, h)
	}
	sum, err := part("grid-sum", "grid-sum", v.Grid)
	if err != nil {
		return nil, err
	}
	r.rows = append(r.rows, sum)
	for _, row := range v.Grid.Rows {
		h, err := part(row.ID, "row", row)
		if err != nil {
			return nil, err
		}
		r.rows = append(r.rows, h)
	}
	p.parts.Put(key, r)
	return r, nil
}

// partKey is a version of a screen. all says that every push is shown.
type partKey struct {
	id      string
	version int64
	all     bool
}

// mostParts is how many rendered screens are kept: hundreds of browsers may watch one backfill.
const mostParts = 64

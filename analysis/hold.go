package analysis

import (
	"context"
	"log/slog"
	"slices"
	"sync"
)

// holder keeps the log records of one push until its result is due.
type holder struct {
	mu      sync.Mutex
	records []slog.Record
}

func (h *holder) handler() slog.Handler { return holdHandler{to: h} }

// take returns the records so far. What is logged after the fetch returned is
// lost: its result is gone.
func (h *holder) take() []slog.Record {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.records
}

// holdHandler resolves WithAttrs and WithGroup into each record, so that a
// record means the same when another handler writes it.
type holdHandler struct {
	to     *holder
	scopes []scope
}

// scope is one WithGroup (a name) or one WithAttrs (no name).
type scope struct {
	group string
	attrs []slog.Attr
}

func (h holdHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h holdHandler) Handle(_ context.Context, rec slog.Record) error {
	var attrs []slog.Attr
	rec.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	for _, s := range slices.Backward(h.scopes) {
		if s.group != "" {
			attrs = []slog.Attr{{Key: s.group, Value: slog.GroupValue(attrs...)}}
			continue
		}
		attrs = slices.Concat(s.attrs, attrs)
	}
	out := slog.NewRecord(rec.Time, rec.Level, rec.Message, rec.PC)
	out.AddAttrs(attrs...)
	h.to.mu.Lock()
	defer h.to.mu.Unlock()
	h.to.records = append(h.to.records, out)
	return nil
}

func (h holdHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	h.scopes = append(slices.Clip(h.scopes), scope{attrs: attrs})
	return h
}

func (h holdHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	h.scopes = append(slices.Clip(h.scopes), scope{group: name})
	return h
}

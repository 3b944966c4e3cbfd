package analysis

import (
	"context"
	"log/slog"
	"slices"
	"sync"
)

// holder keeps the log records of one push until its result is yielded.
type holder struct {
	mu      sync.Mutex
	records []slog.Record
}

func (h *holder) handler() slog.Handler { return holdHandler{to: h} }

// take returns the records so far. Records logged after the fetch returned are lost: the
// result has been handed over by then.
func (h *holder) take() []slog.Record {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.records
}

// holdHandler writes the attributes and groups of WithAttrs and WithGroup into each
// record, so the record means the same when another handler writes it later.
type holdHandler struct {
	to     *holder
	scopes []scope
}

// scope is one WithGroup (a name) or one WithAttrs (no name).
type scope struct {
	group string
	attrs []slog.Attr
}

// Enabled says yes to every level: only the logger that gets the records in the end knows
// which it wants.
func (h holdHandler) Enabled(context.Context, slog.Level) bool { return true }

// Handle keeps the record. It does not fail.
func (h holdHandler) Handle(_ context.Context, rec slog.Record) error {
	var attrs []slog.Attr
	rec.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	// From the innermost scope outwards: log.With("a", 1).WithGroup("g").Info("m", "b",
	// 2) has attrs b=2, then g={b=2}, then a=1 g={b=2}.
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
	// Clip makes append copy: handlers derived from the same one must not share scopes.
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

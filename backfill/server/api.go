package server

import (
	"context"
	_ "embed" // the OpenAPI document
	"encoding/json"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/job"
)

// The API under /v1/ and the addresses for monitoring. A handler reads its input (decodeInput,
// listQuery, lastEvent), calls the Server, and answers with write or serveJSON; every error goes
// through fail, so that all of them have the same JSON. The door in front has already checked the
// caller, the size of the body and the rates.

// openAPI is the description of the API for programs. A test sends requests to a real Server and
// checks each answer against it.
//
//go:embed openapi.json
var openAPI []byte

// Handler returns the whole service behind its door: the API under /v1/, the page, /healthz,
// /readyz, /metrics and /openapi.json.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range map[string]http.HandlerFunc{
		"POST /v1/backfills":             s.apiStart,
		"GET /v1/backfills":              s.apiList,
		"GET /v1/backfills/{id}":         s.apiGet,
		"POST /v1/backfills/{id}/cancel": s.apiCancel,
		"GET /v1/runnable":               s.apiRunnable,
		"GET /healthz":                   s.healthz,
		"GET /readyz":                    s.readyz,
		"GET /metrics":                   s.meter.handler().ServeHTTP,
		"GET /openapi.json":              s.apiDocument,
	} {
		mux.HandleFunc(pattern, s.timed(pattern, h))
	}
	// A stream may last for hours, so it is not among the times of answers: meter.streams counts
	// those that are open.
	mux.HandleFunc("GET /v1/backfills/{id}/events", s.apiEvents)
	// This takes every address that no other route takes, and every method that has no route. So
	// the mux never answers 405 by itself; apiUnknown does.
	mux.HandleFunc("/v1/", s.apiUnknown(mux))
	s.page.register(mux)
	return s.door.Handler(mux)
}

// streams reports whether a request is answered by a stream. Examples are /v1/backfills/b7/events
// of the API and /backfills/b7/stream of the page.
func streams(r *http.Request) bool {
	return r.Method == http.MethodGet &&
		(strings.HasSuffix(r.URL.Path, "/events") || strings.HasSuffix(r.URL.Path, "/stream"))
}

// timed wraps a handler so that the meter records how long its answer takes, by route and status.
func (s *Server) timed(pattern string, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		h(w, r)
		status := http.StatusOK
		if seen, ok := w.(*watched); ok { // only a Handler that a test calls without the door has none
			status = seen.code()
		}
		s.meter.requests.WithLabelValues(pattern, strconv.Itoa(status)).Observe(time.Since(began).Seconds())
	}
}

// apiUnknown answers an address under /v1/ that no route takes: 405 with the methods that would
// work, else 404. It finds these methods by asking the mux which route it would choose for the same
// address.
//
//	DELETE /v1/backfills → 405, Allow: GET, POST
//	GET    /v1/nothing   → 404
func (s *Server) apiUnknown(mux *http.ServeMux) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var allowed []string
		for _, m := range []string{http.MethodGet, http.MethodPost} {
			other := r.Clone(r.Context())
			other.Method = m
			if _, pattern := mux.Handler(other); pattern != "/v1/" && pattern != "" {
				allowed = append(allowed, m)
			}
		}
		if len(allowed) > 0 {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			s.door.Fail(w, r, http.StatusMethodNotAllowed, "method",
				"This address accepts only "+strings.Join(allowed, " and ")+".")
			return
		}
		s.door.Fail(w, r, http.StatusNotFound, string(NotFound),
			"There is nothing at this address; /openapi.json lists those that exist.")
	}
}

// apiStart starts a backfill. A refusal is stored like any other backfill, so the 422 has a
// Location that leads to it.
func (s *Server) apiStart(w http.ResponseWriter, r *http.Request) {
	by, ok := CallerOf(r.Context())
	if !ok {
		s.door.FailWith(w, r, ErrNoCredentials)
		return
	}
	in, err := decodeInput(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	b, err := s.Start(r.Context(), by, in)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	Audit(r.Context(), slog.String("what", "backfill"), slog.String("backfill", b.ID),
		slog.String("state", string(b.State)), slog.Bool("dry_run", b.DryRun))
	if b.State == Refused && b.Reason != "" {
		w.Header().Set("Location", string(b.Links.Self))
		s.door.Fail(w, r, http.StatusUnprocessableEntity, string(b.Reason), string(b.Why))
		return
	}
	w.Header().Set("Location", string(b.Links.Self))
	s.write(w, r, http.StatusAccepted, b)
}

// decodeInput reads the body of a request strictly: an unknown field, a duplicate field or text
// after the object is an error. A misspelled "dry_run" must not trigger anything.
//
//	{"tries":3}    → tries: unknown field; /openapi.json lists the fields
//	{"times":"3"}  → times: expected a whole number, got string
//	{"times":3} 4  → body: not valid JSON: invalid character '4' after top-level value
func decodeInput(r *http.Request) (in Input, err error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return in, &mediaError{}
	}
	err = jsonv2.UnmarshalRead(r.Body, &in, jsonv2.RejectUnknownMembers(true))
	if err == nil {
		return in, nil
	}
	// The order counts: a body that was cut off at its maximum size is also bad JSON, and an
	// unknown field is also a SemanticError.
	var sem *jsonv2.SemanticError
	var syn *jsontext.SyntacticError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return in, err
	case errors.Is(err, jsonv2.ErrUnknownName) && errors.As(err, &sem):
		name := strings.TrimPrefix(string(sem.JSONPointer), "/")
		return in, wrong(clipped(name), "unknown field; /openapi.json lists the fields")
	case errors.As(err, &sem) && sem.JSONPointer != "":
		return in, wrong(clipped(strings.TrimPrefix(string(sem.JSONPointer), "/")), "expected %s, got %s",
			kindName(sem),
			sem.JSONKind.String())
	case errors.As(err, &syn):
		return in, wrong("body", "not valid JSON: %s", clipped(syn.Err.Error()))
	}
	return in, wrong("body", "expected one JSON object")
}

// kindName says in JSON's words which type a field must have. The decoder knows only Go's name for
// it.
func kindName(e *jsonv2.SemanticError) string {
	if e.GoType == nil {
		return "another value"
	}
	switch name := e.GoType.String(); {
	case strings.Contains(name, "int"):
		return "a whole number"
	case strings.Contains(name, "bool"):
		return "true or false"
	case strings.Contains(name, "string"), strings.HasSuffix(name, "Mode"):
		return "a string"
	}
	return "an object"
}

// mediaError says that the body is not declared as JSON.
type mediaError struct{}

func (*mediaError) Error() string {
	return "the body must be JSON: send Content-Type: application/json"
}

// fail answers an error. It knows those that only this service has (a wrong Content-Type, a body
// that is too large, a refusal) and leaves the others to the door.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var media *mediaError
	var large *http.MaxBytesError
	var no *Refusal
	switch {
	case errors.As(err, &media):
		s.door.Fail(w, r, http.StatusUnsupportedMediaType, "invalid", full(media.Error()))
	case errors.As(err, &large):
		s.door.Fail(w, r, http.StatusRequestEntityTooLarge, "too_large", full(err.Error()))
	case errors.As(err, &no):
		s.door.Fail(w, r, http.StatusUnprocessableEntity, string(no.Reason), job.Visible(no.Message))
	default:
		// When the caller has gone, the error is only a consequence of that, and not worth a line.
		if status, _ := statusOf(err); status == http.StatusInternalServerError && r.Context().Err() == nil {
			s.log.Error("a request failed", "path", r.URL.Path, "error", err)
		}
		s.door.FailWith(w, r, err)
	}
}

// write answers a value as JSON. The answer is never cached.
func (s *Server) write(w http.ResponseWriter, r *http.Request, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}

// apiGet answers one backfill. The JSON is encoded once for each version, not for each request.
func (s *Server) apiGet(w http.ResponseWriter, r *http.Request) {
	b, err := s.body(r.Context(), r.PathValue("id"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	serveJSON(w, r, b.json, b.etag, "no-cache")
}

// serveJSON answers with a text and its ETag. A client that has the same version already gets 304
// without a body. etag is complete, with its quotation marks: `"7"`.
func serveJSON(w http.ResponseWriter, r *http.Request, text []byte, etag, cache string) {
	h := w.Header()
	h.Set("Etag", etag)
	h.Set("Cache-Control", cache)
	if matches(r.Header.Values("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text)
}

// matches reports whether one of the client's If-None-Match tags is etag. A proxy that compresses
// an answer marks its tag as weak (W/"7"); the content is the same, so that counts too.
func matches(given []string, etag string) bool {
	for tag := range strings.SplitSeq(strings.Join(given, ","), ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
			return true
		}
	}
	return false
}

// apiList lists backfills. Each is complete, with its rows and log; a caller who needs few should
// set limit.
func (s *Server) apiList(w http.ResponseWriter, r *http.Request) {
	q, err := listQuery(r.URL.Query())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	all, err := s.store.List(r.Context(), q)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	// The copy makes an empty list [] and not null.
	s.write(w, r, http.StatusOK, struct {
		Backfills []Backfill `json:"backfills"`
	}{append([]Backfill{}, all...)})
}

// listQuery reads the parameters of a list. An unknown or repeated parameter is an error, because a
// filter that is silently ignored gives the wrong list; state may be repeated, and then any of them
// matches.
func listQuery(v url.Values) (Query, error) {
	q := Query{
		Project: v.Get("project"), Label: v.Get("label"), By: v.Get("by"), Before: v.Get("before"),
	}
	for name, values := range v {
		if !slices.Contains([]string{"project", "label", "by", "before", "state", "limit"}, name) {
			return q, wrong(clipped(name), "unknown parameter; /openapi.json lists the parameters")
		}
		if name != "state" && len(values) > 1 {
			return q, wrong(name, "given %d times; give it once", len(values))
		}
	}
	for _, s := range v["state"] {
		if !slices.Contains(States(), State(s)) {
			return q, wrong("state", "%q is not a state; expected one of %v", clipped(s), States())
		}
		q.States = append(q.States, State(s))
	}
	if text := v.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > mostLimit {
			return q, wrong("limit", "%q is out of range; expected 1 to %d", clipped(text), mostLimit)
		}
		q.Limit = n
	}
	return q, nil
}

// apiCancel cancels a backfill. The answer may still say "running": the runs are stopped
// afterwards.
func (s *Server) apiCancel(w http.ResponseWriter, r *http.Request) {
	by, ok := CallerOf(r.Context())
	if !ok {
		s.door.FailWith(w, r, ErrNoCredentials)
		return
	}
	b, err := s.Cancel(r.Context(), by, r.PathValue("id"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	Audit(r.Context(), slog.String("what", "cancel"), slog.String("backfill", b.ID))
	s.write(w, r, http.StatusAccepted, b)
}

// apiEvents streams a backfill as server-sent events: one event each time it changes, with its
// version as the event's id. The stream ends with the last change. A browser's EventSource then
// connects again with the last id, and stops for good when it gets 204.
func (s *Server) apiEvents(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	after, err := lastEvent(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	first, err := s.body(r.Context(), id)
	switch {
	case err != nil:
		s.fail(w, r, err)
		return
	// It ended with version 9, say, and the client has seen 9.
	case !first.open && after >= first.version:
		w.WriteHeader(http.StatusNoContent)
		return
	}
	s.meter.streams.Inc()
	defer s.meter.streams.Dec()
	out := newEvents(w, "text/event-stream")
	for b, err := range s.beating(r.Context(), id, after, out) {
		if err != nil {
			continue // the store does not answer: follow looks again in a second
		}
		if out.send("backfill", b.version, b.json) != nil {
			return
		}
	}
}

// lastEvent returns the version that a client saw last, 0 for none. Browsers send it in a header;
// clients that cannot set headers use a parameter.
func lastEvent(r *http.Request) (int64, error) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		text = r.URL.Query().Get("last_event_id")
	}
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, wrong("Last-Event-ID", "%q is not a version; expected the id of the last event", clipped(text))
	}
	return n, nil
}

// healthz says that the process is alive.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	s.write(w, r, http.StatusOK, struct {
		Status string `json:"status"`
	}{"ok"})
}

// readyz says that the service can do its work: the store and the ledger answer, and Run is
// running.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	// A check of a load balancer needs its answer soon, also when the database hangs.
	ctx, stop := context.WithTimeout(r.Context(), 5*time.Second)
	defer stop()
	if err := s.ready(ctx); err != nil {
		s.door.Fail(w, r, http.StatusServiceUnavailable, string(Unavailable),
			full(errorText(err)))
		return
	}
	s.healthz(w, r)
}

// apiDocument answers with openAPI. It changes only when the program does, so it may be cached.
func (s *Server) apiDocument(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(openAPI)
}

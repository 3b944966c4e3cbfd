package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/internal/redact"
	"github.com/mozci/mozci/job"
)

// errorAnswer is the JSON of an error.
type errorAnswer struct {
	Error struct {
		Reason  string `json:"reason"`
		Message string `json:"message"`
	} `json:"error"`
}

// Fail answers that a request failed. reason is one word and message a sentence. Programs get JSON,
// {"error":{"reason","message"}}; people get what DoorOptions.Fail writes. The reason also becomes
// the outcome in the audit line. With status 401 the answer says which kinds of credentials are
// accepted.
func (d *Door) Fail(w http.ResponseWriter, r *http.Request, status int, reason, message string) {
	if v, ok := r.Context().Value(visitKey{}).(*visit); ok {
		v.reason = reason
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if status == http.StatusUnauthorized && h.Get("WWW-Authenticate") == "" {
		h.Add("WWW-Authenticate", `Bearer realm="mozci"`)
		h.Add("WWW-Authenticate", "Hawk")
	}
	if d.o.Fail != nil && !wantsJSON(r) {
		d.o.Fail(w, r, status, reason, message)
		return
	}
	var a errorAnswer
	a.Error.Reason, a.Error.Message = reason, message
	text, err := json.Marshal(a)
	if err != nil { // two strings always encode
		text = []byte(`{"error":{"reason":"internal","message":""}}`)
	}
	h.Set("Content-Type", "application/json")
	h.Del("Content-Length")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}

// wantsJSON reports whether a program sent the request, rather than a person's browser. "text/html"
// is what a browser sends for a page; scripts and curl send "*/*" or what they expect.
func wantsJSON(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/v1/") || !strings.Contains(r.Header.Get("Accept"), "text/html")
}

// FailWith is Fail for an error. Errors of the door, of Guard and of package job have a status and
// a reason of their own. Any other error is this service's fault: the caller gets 500 without
// details, and whoever calls FailWith must log the error.
func (d *Door) FailWith(w http.ResponseWriter, r *http.Request, err error) {
	status, reason := statusOf(err)
	message := errorText(err)
	if status == http.StatusInternalServerError {
		message = "mozci failed; the log has the reason."
	}
	if status == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", "10")
	}
	d.Fail(w, r, status, reason, message)
}

// failures are the statuses and reasons of errors. An error may match several; the first counts.
// For example, Guard's error about an expired token is ErrExpired and job.ErrDenied: 401, as
// signing in again helps, and not 403.
var failures = []struct {
	err    error
	status int
	reason string
}{
	{ErrCannotCheck, http.StatusServiceUnavailable, "cannot_check"},
	{ErrReplayed, http.StatusUnauthorized, "replayed"},
	{ErrExpired, http.StatusUnauthorized, "credentials_expired"},
	{ErrWrong, http.StatusUnauthorized, "wrong_credentials"},
	{ErrNoCredentials, http.StatusUnauthorized, "no_credentials"},
	{job.ErrDenied, http.StatusForbidden, "denied"},
	{job.ErrInvalid, http.StatusBadRequest, "invalid"},
	{job.ErrNotFound, http.StatusNotFound, "not_found"},
	{job.ErrNoLine, http.StatusUnprocessableEntity, string(NoLine)},
	{job.ErrNotScheduled, http.StatusUnprocessableEntity, "not_scheduled"},
	{job.ErrNoBuild, http.StatusUnprocessableEntity, string(Expired)},
	{job.ErrRefused, http.StatusConflict, string(CIRefused)},
	{job.ErrUnavailable, http.StatusServiceUnavailable, string(Unavailable)},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, "timeout"},
	{job.ErrMalformed, http.StatusBadGateway, string(Malformed)},
	{job.ErrUnknownWord, http.StatusBadGateway, string(Malformed)},
	{errors.ErrUnsupported, http.StatusNotImplemented, "unsupported"},
}

// statusOf returns the status and reason of an error. Missing scopes come first, since a ScopeError
// is also a job.ErrDenied.
func statusOf(err error) (status int, reason string) {
	var scopes *ScopeError
	if errors.As(err, &scopes) {
		return http.StatusForbidden, "missing_scopes"
	}
	for _, f := range failures {
		if errors.Is(err, f.err) {
			return f.status, f.reason
		}
	}
	return http.StatusInternalServerError, string(Internal)
}

// mostSentence is how many bytes of an error's text a caller gets.
const mostSentence = 2000

// errorText is an error's text for the caller: without secrets, control characters made visible.
func errorText(err error) string {
	var scopes *ScopeError
	var own *job.Error
	text := fmt.Sprint(err)
	switch {
	case errors.As(err, &scopes):
		text = scopes.Error()
	case errors.As(err, &own) && own.Error() == text && !ofService(own):
		text = sentenceOf(own)
	}
	return clip.Marked(job.Visible(redact.Text(text)), mostSentence)
}

// services are the first words of the operations that ask a service. The text of such an error
// keeps the operation, which says who answered.
var services = []string{"taskcluster", "treeherder", "pushlog", "buildbot", "selfserve", "pulse", "lando", "ledger"}

func ofService(e *job.Error) bool {
	place, _, _ := strings.Cut(e.Op, ".")
	return slices.Contains(services, place)
}

// sentenceOf is the text of an error of the library without the name of the function that failed,
// which would tell a caller nothing, and without what the status and the reason of the answer say:
// "backfill.find a-1: not found: label \"a-1\"…" is "no label \"a-1\" on this push; closest: a-2".
func sentenceOf(e *job.Error) string {
	var unknown *job.UnknownLabelError
	switch {
	case errors.As(e.Err, &unknown) && len(unknown.Near) == 0:
		return fmt.Sprintf("no label %q on this push: nothing can run there", unknown.Label)
	case errors.As(e.Err, &unknown):
		return fmt.Sprintf("no label %q on this push; closest: %s", unknown.Label, strings.Join(unknown.Near, ", "))
	}
	text := fmt.Sprint(e.Err)
	for _, kind := range []error{job.ErrNotFound, job.ErrInvalid} {
		text = strings.ReplaceAll(text, kind.Error()+": ", "")
	}
	if e.Key != "" && !strings.Contains(text, e.Key) {
		text = fmt.Sprintf("%q: %s", e.Key, text)
	}
	return text
}

// fail answers that the door does not let the request through. It returns false.
func (v *visit) fail(status int, reason, message string) bool {
	v.d.Fail(v.w, v.r, status, reason, message)
	return false
}

// refuse answers with an error. It returns false.
func (v *visit) refuse(err error) bool {
	v.d.FailWith(v.w, v.r, err)
	return false
}

// later answers that the caller sent too many requests. It returns false.
func (v *visit) later(wait time.Duration) bool {
	v.w.Header().Set("Retry-After", strconv.Itoa(seconds(wait)))
	return v.fail(http.StatusTooManyRequests, "too_many",
		fmt.Sprintf("Too many requests; try again in %d s.", seconds(wait)))
}

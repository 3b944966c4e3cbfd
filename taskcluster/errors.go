package taskcluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	v2 "github.com/go-json-experiment/json"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
)

// Error is the answer of a service to a call that failed. Find it with errors.As.
type Error struct {
	Status int // of HTTP
	// Code is the service's word, such as InsufficientScopes. It is empty when the answer
	// is not Taskcluster's own but that of a proxy in front of it.
	Code string
	// Message is what the service says, without the lines about the request.
	Message string
	// RequestInfo is what the service understood of the request: its method, params,
	// payload and time. Nil when the answer has none.
	RequestInfo json.RawMessage
	// Missing are the scopes that the caller lacks, as the service names them.
	Missing []string
	// ClockOff is how far this machine's clock is ahead of the service's; negative when it
	// is behind. It is set only when the service answered 401 and the clocks differ by
	// more than 5 minutes, which may then be the reason.
	ClockOff time.Duration

	err    error
	header http.Header // of the answer
}

// Error has the status, the service's word and its message in one line, and how far this
// machine's clock is off when ClockOff is set. The answer of a proxy, which has no word, gives
// the text of the failed exchange.
func (e *Error) Error() string {
	if e.Code == "" {
		return e.err.Error()
	}
	s := fmt.Sprintf("%d %s: %s", e.Status, e.Code, strings.Join(strings.Fields(e.Message), " "))
	if e.ClockOff != 0 {
		way := "ahead of"
		if e.ClockOff < 0 {
			way = "behind"
		}
		s += fmt.Sprintf("; this machine's clock is %s %s the service's", e.ClockOff.Abs().Round(time.Minute), way)
	}
	return s
}

// Unwrap returns the failed exchange.
func (e *Error) Unwrap() error { return e.err }

// HTTPStatus is Status, for job.OfHTTP.
func (e *Error) HTTPStatus() int { return e.Status }

// missing finds the scopes in a message of InsufficientScopes, where they stand one a line
// between two fences of three backquotes. Group 1 is what stands between the fences, here
// hooks:trigger-hook:g/h:
//
//	Client ID x is missing the following scopes:
//
//	```
//	hooks:trigger-hook:g/h
//	```
var missing = regexp.MustCompile("(?s)missing the following scopes:\\s*```\\s*(.*?)\\s*```")

// skewed is how far a clock must be off before an error mentions it. The services refuse
// signatures whose time differs by more than 15 minutes.
const skewed = 5 * time.Minute

// wrap turns the error of a failed call into a *job.Error. That wraps the sentinel of package
// job that the failure means and, when a service answered, an *Error.
func wrap(op, key string, err error) error {
	if errors.Is(err, rest.ErrTooLarge) {
		return job.Wrap(op, key, fmt.Errorf("%w: %w", job.ErrMalformed, err))
	}
	var answered *rest.Error
	if err == nil || !errors.As(err, &answered) || answered.Status == 0 {
		var permanent expired
		if errors.As(err, &permanent) { // it wraps its sentinel already
			return job.Wrap(op, key, permanent.error)
		}
		return job.OfHTTP(op, key, err)
	}
	return job.OfHTTP(op, key, apiError(answered))
}

// apiError reads the body of a failed answer. A Taskcluster service sends an object with a
// code; after the message proper, a line of dashes starts a dump of the request, which is cut
// off here. Anything else is a proxy's, and stays as it came.
//
//	{"code": "ResourceNotFound", "message": "No such hook\n\n---\n\n* method: triggerHook\n…",
//	 "requestInfo": {"method": "triggerHook", …}}
//
// gives the code ResourceNotFound and the message "No such hook".
func apiError(answered *rest.Error) *Error {
	e := &Error{Status: answered.Status, err: answered, header: answered.Header}
	var body struct {
		Code        string          `json:"code"`
		Message     string          `json:"message"`
		RequestInfo json.RawMessage `json:"requestInfo"`
	}
	if v2.Unmarshal(answered.Body, &body) != nil || body.Code == "" { // a proxy's
		return e
	}
	e.Code, e.RequestInfo = body.Code, body.RequestInfo
	e.Message, _, _ = strings.Cut(body.Message, "\n\n---\n")
	if m := missing.FindStringSubmatch(body.Message); m != nil {
		e.Missing = strings.Fields(m[1])
	}
	at, err := http.ParseTime(answered.Header.Get("Date"))
	if off := time.Since(at); err == nil && e.Status == http.StatusUnauthorized && off.Abs() > skewed {
		e.ClockOff = off
	}
	return e
}

// lacks reports whether err says that the deployment does not have this call at all, as older
// ones lack newer calls: a 405, or a 404 without Taskcluster's code. A 404 with a code means
// that the call exists and the thing does not.
func lacks(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == "" &&
		(e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed)
}

// shown is how many bytes of a service's text an error shows.
const shown = 60

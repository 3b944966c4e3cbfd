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

// Error is a service's answer that a call failed.
type Error struct {
	Status int
	// Code is the service's word, such as InsufficientScopes; empty where the
	// answer is not Taskcluster's own, but of a proxy before it.
	Code string
	// Message is what the service says, without the lines about the request.
	Message string
	// RequestInfo is what the service understood of the request: its method,
	// params, payload and time; nil where it does not say.
	RequestInfo json.RawMessage
	// Missing are the scopes that the caller lacks, as the service names them.
	Missing []string
	// ClockOff is how far this machine's clock is ahead of the service's, where
	// the service refused the time of the signature.
	ClockOff time.Duration

	err    error
	header http.Header // of the answer
}

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

var missing = regexp.MustCompile("(?s)missing the following scopes:\\s*```\\s*(.*?)\\s*```")

// skewed is how far a clock must be off to be mentioned; the services allow 15
// minutes.
const skewed = 5 * time.Minute

// wrap makes a failed call a *job.Error that wraps the sentinel it means and,
// where a service answered, an *Error.
func wrap(op, key string, err error) error {
	if errors.Is(err, rest.ErrTooLarge) {
		return job.Wrap(op, key, fmt.Errorf("%w: %w", job.ErrMalformed, err))
	}
	var answered *rest.Error
	if err == nil || !errors.As(err, &answered) || answered.Status == 0 {
		var permanent expired
		if errors.As(err, &permanent) { // it has its sentinel
			return job.Wrap(op, key, permanent.error)
		}
		return job.OfHTTP(op, key, err)
	}
	return job.OfHTTP(op, key, apiError(answered))
}

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

// lacks reports whether err says that the deployment has no such route, rather
// than no such thing: a 404 without a code, or a 405.
func lacks(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == "" &&
		(e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed)
}

// shown is how many bytes of what a service said an error shows.
const shown = 60

package job

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Sentinels that errors.Is finds in what contracts return.
var (
	// ErrNotFound: the service answered, and it has no such thing.
	ErrNotFound = errors.New("not found")
	// ErrNoPush: the run exists, but its source does not say which push it belongs to, as
	// with a task that a hook made. It is an ErrNotFound.
	ErrNoPush = fmt.Errorf("%w: it is of no push", ErrNotFound)
	// ErrInvalid: the caller's arguments make no sense. No request was sent, and
	// repeating the call will not help.
	ErrInvalid = errors.New("invalid")
	// ErrRefused: the service understood the request and will not do it.
	// Nothing was done.
	ErrRefused = errors.New("refused")
	// ErrDenied: credentials are missing, wrong or too weak.
	ErrDenied = errors.New("denied")
	// ErrUnavailable: no usable answer came from the service: none at all, or one
	// that says it is down or too busy. It may or may not have acted on the request.
	ErrUnavailable = errors.New("unavailable")
	// ErrMalformed: the service's answer does not have the form that is documented.
	ErrMalformed = errors.New("malformed answer")
	// ErrUnknownWord: a status or kind word that the source does not document.
	ErrUnknownWord = errors.New("unknown word")
	// ErrNotScheduled: nothing can run on the push, as with a push that has no
	// decision task.
	ErrNotScheduled = errors.New("nothing is scheduled on this push")
	// ErrNoLine: the repository's pushes do not build on each other. Those of try do
	// not, so a range of them has no first bad push.
	ErrNoLine = errors.New("no line of pushes")
	// ErrNoBuild: the build that a test needs has no files to test.
	ErrNoBuild = errors.New("the build it needs has no files")
)

// Error is the type of every error that a contract's method returns.
type Error struct {
	Op  string // what was being done: "pushlog.push", "treeherder.jobs"
	Key string // to what: a revision, a label, a URL without secrets
	Err error
}

// Error is the text for people. Whatever a server sent is made [Visible] in it. Errors
// that were joined have a line each; there are no other line breaks. A Key that is a URL is
// left out where the cause says it, as the error of an HTTP request does.
func (e *Error) Error() string {
	cause := lines(e.Err)
	if e.Key == "" || strings.Contains(e.Key, "://") && strings.Contains(cause, Visible(e.Key)) {
		return Visible(e.Op) + ": " + cause
	}
	return Visible(e.Op+" "+e.Key) + ": " + cause
}

// lines is the text of an error, made visible, with a line for each joined error. An
// error that joins others but has a text of its own (fmt.Errorf with two %w) stays in
// one line: cutting it apart would lose the words between them.
func lines(err error) string {
	if err == nil {
		return "<nil>"
	}
	list, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // of this one, not of one within it
	if !ok {
		return Visible(err.Error())
	}
	var texts, shown []string
	for _, e := range list.Unwrap() {
		texts, shown = append(texts, e.Error()), append(shown, lines(e))
	}
	if strings.Join(texts, "\n") != err.Error() { // it says more than they do
		return Visible(err.Error())
	}
	return strings.Join(shown, "\n")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// PartialError says that a CI took some of a request's runs and then refused the rest,
// or stopped answering. Trigger returns it where a CI needs one request for each run.
// Taken is at least 1 and less than Count; Receipt is for the runs that were taken.
type PartialError struct {
	Taken, Count int
	Receipt      Receipt
	Err          error // why no more were taken
}

// Error says how many of the runs were triggered, and why no more were, made [Visible]:
// "2 of 5 runs were triggered: " and the cause.
func (e *PartialError) Error() string {
	return Visible(fmt.Sprintf("%d of %d runs were triggered: %v", e.Taken, e.Count, e.Err))
}

// Unwrap returns the cause.
func (e *PartialError) Unwrap() error { return e.Err }

// Wrap returns err as an *Error with this op and key. Nil stays nil, and an err
// that already has an *Error in its chain is returned unchanged: one wrap is
// enough to say where and what.
func Wrap(op, key string, err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	return &Error{Op: op, Key: key, Err: err}
}

// OfHTTP turns an error of an HTTP exchange into an *Error that wraps the matching
// sentinel. It looks, in this order, for: a context's error, which stays as it is; a
// method Malformed() bool that returns true, which means ErrMalformed; a method
// HTTPStatus() int, whose status gives SentinelOf. Everything else is ErrUnavailable.
// The methods are found by their shape, so that this package need not import an HTTP
// client.
func OfHTTP(op, key string, err error) error {
	var malformed interface{ Malformed() bool }
	var answered interface{ HTTPStatus() int }
	var sentinel error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Wrap(op, key, err)
	case errors.As(err, &malformed) && malformed.Malformed():
		sentinel = ErrMalformed
	case errors.As(err, &answered):
		sentinel = SentinelOf(answered.HTTPStatus())
	}
	if sentinel == nil {
		sentinel = ErrUnavailable
	}
	return Wrap(op, key, fmt.Errorf("%w: %w", sentinel, err))
}

// UnknownWord is the error for a status or kind word that source does not
// document.
func UnknownWord(source, what, word string) error {
	return fmt.Errorf("%w: %s says %s %q", ErrUnknownWord, source, what, word)
}

// SentinelOf returns the sentinel for an HTTP status, or nil for one below 400.
// All sources share it: they differ in the bodies of their errors, not in what the
// statuses mean. The statuses that are not listed, such as 400 and 409, are ErrRefused.
func SentinelOf(httpStatus int) error {
	switch {
	case httpStatus < 400:
		return nil
	case httpStatus == http.StatusNotFound || httpStatus == http.StatusGone:
		return ErrNotFound
	case httpStatus == http.StatusUnauthorized || httpStatus == http.StatusForbidden:
		return ErrDenied
	case httpStatus == http.StatusTooManyRequests || httpStatus >= 500:
		return ErrUnavailable
	}
	return ErrRefused
}

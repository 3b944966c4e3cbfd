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
	// ErrNoPush: the run is there, and is of no push that its source tells, as a task
	// that a hook made. It is an ErrNotFound.
	ErrNoPush = fmt.Errorf("%w: it is of no push", ErrNotFound)
	// ErrInvalid: the caller's arguments make no sense; asking again will not
	// help. No service was asked.
	ErrInvalid = errors.New("invalid")
	// ErrRefused: the service understood the request and will not do it.
	// Nothing was done.
	ErrRefused = errors.New("refused")
	// ErrDenied: credentials are missing, wrong or too weak.
	ErrDenied = errors.New("denied")
	// ErrUnavailable: the service did not answer, or not with an answer.
	// Whether it acted on a request is not known.
	ErrUnavailable = errors.New("unavailable")
	// ErrMalformed: the service answered something that is not what it is
	// documented to answer.
	ErrMalformed = errors.New("malformed answer")
	// ErrUnknownWord: a status or kind word that the source does not document.
	ErrUnknownWord = errors.New("unknown word")
	// ErrNotScheduled: nothing can run on the push, as with a push that has no
	// decision task.
	ErrNotScheduled = errors.New("nothing is scheduled on this push")
	// ErrNoLine: the repository's pushes do not follow each other, as those of
	// try, so that nothing can be said about a range of them.
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

// Error is for people: what servers said in it is [Visible]. It has a line for each of
// several errors that were joined, and no other line breaks.
func (e *Error) Error() string {
	if e.Key == "" {
		return Visible(e.Op) + ": " + lines(e.Err)
	}
	return Visible(e.Op+" "+e.Key) + ": " + lines(e.Err)
}

// lines is what an error says, visible, a line for each of those that were joined.
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

// PartialError says that a CI took some of the runs of a request and then refused
// the rest, or did not answer any more: what Trigger returns as its error where a
// CI is asked for each run. Taken is at least 1; Receipt is for what was taken.
type PartialError struct {
	Taken, Count int
	Receipt      Receipt
	Err          error // why no more were taken
}

func (e *PartialError) Error() string {
	return Visible(fmt.Sprintf("%d of %d runs were triggered: %v", e.Taken, e.Count, e.Err))
}

// Unwrap returns the cause.
func (e *PartialError) Unwrap() error { return e.Err }

// Wrap returns err as an *Error with this op and key. It is nil for nil, and
// an err that already is an *Error is returned as it is: one wrap is enough to
// say where and what.
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

// OfHTTP returns an error of an HTTP exchange as an *Error that wraps the
// sentinel which it means: SentinelOf the status, where err has a method
// HTTPStatus that says one; ErrMalformed, where it has a method Malformed that
// says so; the error itself of a context; and ErrUnavailable otherwise.
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

// SentinelOf returns the sentinel that an HTTP status means to a client, or
// nil for a success: sources differ in their bodies, not in these.
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

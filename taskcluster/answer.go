package taskcluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

// answer is what a hook's answer says about what was done.
type answer int

const (
	other        answer = iota // of the context, or of the caller's rights: final
	unclear                    // a task may have been made
	nothingDone                // none was, and it may go better the next time
	hookGone                   // there is no such hook any more
	refusedInput               // the hook does not take this
)

// answerOf reads an error of triggerHook. hooks answers 400 InputError to every
// failure of createTask, also where the queue took the task and only its answer
// was late; a 4xx of createTask that is named means that it did not.
func answerOf(err error) answer {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return other
	}
	var failed interface{ NothingDone() bool }
	if errors.As(err, &failed) && failed.NothingDone() {
		return nothingDone
	}
	var e *Error
	if !errors.As(err, &e) {
		if errors.Is(err, job.ErrInvalid) {
			return other // it was never sent
		}
		return unclear // no answer, or none that can be read
	}
	switch {
	case e.Status == 404 && e.Code != "", e.Status == 410:
		return hookGone
	case e.Status == 401, e.Status == 403:
		return other
	case e.Status == 408, e.Status == 409, e.Status >= 500:
		return unclear
	case firing(e.Message):
		return unclear
	case e.Status >= 400 && e.Code != "":
		return refusedInput
	case e.Status == 404, e.Status == 405: // a proxy's: no such service here
		return hookGone
	}
	return unclear
}

// firing reports whether a message of hooks speaks of a failure while it made
// the task, other than a refusal by the queue that it names.
func firing(message string) bool {
	if !strings.Contains(message, "While firing") && !strings.Contains(message, "While calling") {
		return false
	}
	for _, no := range []string{
		"InputError", "InputValidationError", "InsufficientScopes", "MalformedPayload", "InvalidRequestArguments",
		"ResourceNotFound",
	} {
		if strings.Contains(message, no) {
			return false
		}
	}
	return true
}

// notMade says that a hook surely made nothing, and might the next time.
type notMade struct {
	err   error
	later time.Duration // after which the service asks to come again, where it says so
}

func (e *notMade) Error() string {
	again := "it may be triggered again"
	if e.later > 0 {
		again += fmt.Sprintf(" in %s, as the service asks", e.later)
	}
	return fmt.Sprintf("%v: the hook could not make its task, and nothing was made: %s: %v",
		job.ErrRefused, again, e.err)
}

// Is makes it a kind of job.ErrRefused. What the service answered is not
// unwrapped: an answer of 502 alone would mean that nobody knows.
func (e *notMade) Is(target error) bool { return target == job.ErrRefused }

package taskcluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

// answer is what the answer to triggerHook says about whether a task was made.
type answer int

const (
	other        answer = iota // the context ended, or the caller lacks the right: final
	unclear                    // a task may have been made
	nothingDone                // no task was made, and trying again may work
	hookGone                   // the hook does not exist (any more)
	refusedInput               // the hook does not accept this payload
)

// answerOf reads an error of triggerHook. The hooks service answers 400 InputError to every
// failure of the createTask that it sends to the queue. That includes the case in which the
// queue created the task and only its answer came too late. Only when the message names a
// 4xx error of createTask is it certain that there is no task; see firing.
//
//	404 ResourceNotFound                                     hookGone
//	403 InsufficientScopes                                   other
//	400 InputValidationError (the payload)                   refusedInput
//	400 InputError, "While firing hook: … socket hang up"    unclear
//	400 InputError, "While firing hook: … MalformedPayload"  refusedInput
//	502, or no answer                                        unclear
//	404 of a proxy, without a code                           hookGone
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
			return other // the request was never sent
		}
		return unclear // no answer arrived, or it cannot be read
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
	case e.Status == 404, e.Status == 405: // without a code it is a proxy's: no hooks service here
		return hookGone
	}
	return unclear
}

// firing reports whether a message of hooks tells of a failure while it was making the task,
// after which a task may exist. A message that names one of the queue's refusals does not
// count: the queue checks all of those before it creates a task.
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

// notMade says that a hook certainly made no task, and that trying again may work.
type notMade struct {
	err   error
	later time.Duration // the wait that the service asks for (Retry-After); 0 when it names none
}

func (e *notMade) Error() string {
	again := "it may be triggered again"
	if e.later > 0 {
		again += fmt.Sprintf(" in %s, as the service asks", e.later)
	}
	return fmt.Sprintf("%v: the hook could not make its task, and nothing was made: %s: %v",
		job.ErrRefused, again, e.err)
}

// Is makes it a kind of job.ErrRefused. There is no Unwrap on purpose: the service's answer,
// say a 502, would make it job.ErrUnavailable as well, which means that the outcome of the
// request is unknown.
func (e *notMade) Is(target error) bool { return target == job.ErrRefused }

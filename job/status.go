package job

import (
	"fmt"
	"slices"
)

// Status is how far a run is, or how it ended. Each source maps its own words
// to these and documents the table; a word that it does not know is an error
// (see [UnknownWord]), never one of these.
type Status int

// The statuses. The zero Status is no status.
const (
	StatusUnscheduled Status = iota + 1 // waits for something else, such as its build
	StatusPending                       // waits for a machine
	StatusRunning                       // a machine works on it
	StatusUnknown                       // ended, but the source has not said how yet
	StatusSuccess                       // ended green
	StatusTestFailed                    // tests ran, and some failed
	StatusBusted                        // the build or the harness broke
	StatusSkipped                       // did not run, on purpose
	StatusException                     // infrastructure failed, and nothing will retry it
	StatusRetry                         // infrastructure failed, and another run took its place
	StatusCancelled                     // a person stopped it
	StatusCoalesced                     // merged into a run of a newer push; never ran here
)

var statusWords = []string{
	StatusUnscheduled: "unscheduled", StatusPending: "pending", StatusRunning: "running", StatusUnknown: "unknown",
	StatusSuccess: "success", StatusTestFailed: "test_failed", StatusBusted: "busted", StatusSkipped: "skipped",
	StatusException: "exception", StatusRetry: "retry", StatusCancelled: "cancelled", StatusCoalesced: "coalesced",
}

// Statuses returns every Status, in order.
func Statuses() []Status {
	all := make([]Status, 0, len(statusWords)-1)
	for s := StatusUnscheduled; s <= StatusCoalesced; s++ {
		all = append(all, s)
	}
	return all
}

// String is the status's word in JSON: snake_case.
func (s Status) String() string {
	if s < StatusUnscheduled || s > StatusCoalesced {
		return fmt.Sprintf("status(%d)", int(s))
	}
	return statusWords[s]
}

// ParseStatus is the inverse of String. Other words give ErrInvalid.
func ParseStatus(word string) (Status, error) {
	if i := slices.Index(statusWords, word); i > 0 {
		return Status(i), nil
	}
	return 0, fmt.Errorf("%w: %q is not a status", ErrInvalid, word)
}

// MarshalText writes the word of String.
func (s Status) MarshalText() ([]byte, error) {
	if s < StatusUnscheduled || s > StatusCoalesced {
		return nil, fmt.Errorf("%w: %s has no word", ErrInvalid, s)
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads the word of String.
func (s *Status) UnmarshalText(text []byte) error {
	v, err := ParseStatus(string(text))
	if err == nil {
		*s = v
	}
	return err
}

// Waiting reports whether the run has no result yet but will have one.
func (s Status) Waiting() bool {
	return s == StatusUnscheduled || s == StatusPending || s == StatusRunning || s == StatusUnknown
}

// Failed reports whether the run ended and says that something is broken.
func (s Status) Failed() bool { return s == StatusTestFailed || s == StatusBusted }

// Counts reports whether the run counts towards "times", the number of runs
// wanted on a push: it has a result or will have one. Coalesced, skipped and
// cancelled runs never ran; of a retried run its successor counts; an exception
// says nothing about the push.
func (s Status) Counts() bool { return s.Waiting() || s == StatusSuccess || s.Failed() }

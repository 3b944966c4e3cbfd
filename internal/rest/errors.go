package rest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// ErrTooLarge says that the body is larger than Options.MaxBody.
var ErrTooLarge = errors.New("the body is larger than allowed")

// Error is a request that failed: a status of 400 or more, or no answer.
type Error struct {
	Method     string
	URL        string        // without secrets
	Status     int           // 0 when there was no answer
	Body       []byte        // the answer's first bytes, without secrets
	Header     http.Header   // of the answer; nil when there was none
	RetryAfter time.Duration // 0 when the server did not say
	Err        error         // why there was no answer
}

// Error names the method and the URL, and then the status with the beginning of the body in
// one line, at most 200 bytes of it. Without an answer it says why there was none.
func (e *Error) Error() string {
	if e.Status == 0 {
		return fmt.Sprintf("%s %s: %v", e.Method, e.URL, e.Err)
	}
	s := fmt.Sprintf("%s %s: %d %s", e.Method, e.URL, e.Status, http.StatusText(e.Status))
	if text := oneLine(e.Body); text != "" {
		s += ": " + text
	}
	return s
}

// Unwrap returns why there was no answer.
func (e *Error) Unwrap() error { return e.Err }

// HTTPStatus is Status, for job.OfHTTP.
func (e *Error) HTTPStatus() int { return e.Status }

// NothingDone reports whether the service certainly did not act on the request: no
// connection was made, so the request never arrived, or the service answered 429, too many
// requests. Such a request can be repeated, even a POST.
func (e *Error) NothingDone() bool {
	var op *net.OpError
	return e.Status == http.StatusTooManyRequests || e.Status == 0 && errors.As(e.Err, &op) && op.Op == "dial"
}

// stalledError says that no byte of an answer came for a while. The request is not
// repeated: the caller has waited long enough.
type stalledError struct{ after time.Duration }

func (e *stalledError) Error() string {
	return fmt.Sprintf("stalled: no byte for %s", e.after)
}

// Permanent says that the request is not repeated.
func (*stalledError) Permanent() bool { return true }

// errorBytes is how many bytes an error keeps of the body of a failed answer. Error shows
// only its beginning; callers may parse the rest, which can be JSON or XML.
const errorBytes = 64 << 10

// oneLine is the beginning of a body in one line for an error message: 200 bytes at most,
// cut between characters, with valid UTF-8.
func oneLine(body []byte) string {
	const most = 200
	s := strings.Join(strings.Fields(strings.ToValidUTF8(string(body), "\uFFFD")), " ")
	if len(s) <= most {
		return s
	}
	for s = s[:most]; !utf8.ValidString(s); {
		s = s[:len(s)-1]
	}
	return s + "…"
}

package selfserve

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// failures is self-serve's own answer to a request that failed. A server in front of it answers
// with a page of HTML instead.
var failures = contract.New(contract.Endpoint[wireFailure]{Source: source, Name: "failure"})

// wireFailure is such an answer: {"status": "FAILED", "msg": "Revision a1c0ffee1234 not found on
// branch try"}.
type wireFailure struct {
	Msg    string `json:"msg" is:"required" min:"1"`
	Status string `json:"status" is:"required" words:"FAILED"`
}

// wireTaken is the answer to a write. It comes before anything is made, so it says nothing about
// that: its request_id is only a number in the list of writes.
type wireTaken struct {
	Status string `json:"status" is:"required" words:"OK FAILED"`
	Msg    string `json:"msg"`

	_ contract.Also `names:"request_id"`
}

// taken makes the endpoint of a write.
func taken(name, method, url string) *contract.Endpoint[wireTaken] {
	return contract.New(contract.Endpoint[wireTaken]{
		Source: source, Name: name, Method: method, URL: `/self-serve/[^/]+/` + url + `$`,
	})
}

var (
	takenBuilds   = taken("taken build", http.MethodPost, `builders/[^/]+/[^/]+`)
	takenRebuilds = taken("taken rebuild", http.MethodPost, `request`)
	takenCancels  = taken("taken cancel", http.MethodDelete, `request/[^/]+`)
)

// failedError is a failure with self-serve's own message.
type failedError struct {
	status int
	msg    string
}

func (e *failedError) Error() string { return fmt.Sprintf("%d %s", e.status, e.msg) }

// saying replaces the text of an error by self-serve's own message, if the answer has one.
func saying(err error) error {
	var r *rest.Error
	if !errors.As(err, &r) || r.Status == 0 {
		return err
	}
	said, other := failures.Decode(contract.Asked{}, r.Body)
	if other != nil || said.Status != "FAILED" {
		return err
	}
	return fmt.Errorf("%w: %w", job.SentinelOf(r.Status), &failedError{r.Status, said.Msg})
}

// wrap turns the error of a request into a *job.Error, with self-serve's own message if there is
// one.
func wrap(op, key string, err error) error {
	err = saying(err)
	var said *failedError
	if errors.As(err, &said) || errors.Is(err, job.ErrUnavailable) || errors.Is(err, job.ErrUnknownWord) {
		return job.Wrap(op, key, err)
	}
	return job.OfHTTP(op, key, err)
}

package selfserve

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// failures are self-serve's own words about a request that failed; what is in front of
// it answers with a page.
var failures = contract.New(contract.Endpoint[wireFailure]{Source: source, Name: "failure"})

type wireFailure struct {
	Msg    string `json:"msg" is:"required" min:"1"`
	Status string `json:"status" is:"required" words:"FAILED"`
}

// wireTaken is what a write is answered with, which is later than anything that is
// known of what it makes: request_id is a number in the list of writes.
type wireTaken struct {
	Status string `json:"status" is:"required" words:"OK FAILED"`
	Msg    string `json:"msg"`

	_ contract.Also `names:"request_id"`
}

// taken is the answer to a write.
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

// failedError is a failure in self-serve's own words.
type failedError struct {
	status int
	msg    string
}

func (e *failedError) Error() string { return fmt.Sprintf("%d %s", e.status, e.msg) }

// saying is an error with self-serve's own words, where it has some.
func saying(err error) error {
	var r *rest.Error
	if !errors.As(err, &r) || r.Status == 0 {
		return err
	}
	said, torn := failures.Decode(contract.Asked{}, r.Body)
	if torn != nil || said.Status != "FAILED" {
		return err
	}
	return fmt.Errorf("%w: %w", job.SentinelOf(r.Status), &failedError{r.Status, said.Msg})
}

// wrap says what was being done when something failed, in self-serve's words.
func wrap(op, key string, err error) error {
	err = saying(err)
	var said *failedError
	if errors.As(err, &said) || errors.Is(err, job.ErrUnavailable) || errors.Is(err, job.ErrUnknownWord) {
		return job.Wrap(op, key, err)
	}
	return job.OfHTTP(op, key, err)
}

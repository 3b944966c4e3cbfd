package buildbot

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
)

// failure is the master's answer that a call failed.
type failure struct {
	Status int
	// Code is JSON-RPC's: -32602 for parameters, -32600 for a request that is
	// not allowed; 0 where the answer has none.
	Code    int
	Message string
	// Fields says what is wrong with each field of a form, by its full name.
	Fields map[string]string
	// Hint says what to set, where the caller was refused for who it is.
	Hint string

	err error
}

func (e *failure) Error() string {
	s := e.Message
	if len(e.Fields) > 0 {
		var all []string
		for _, k := range slices.Sorted(maps.Keys(e.Fields)) {
			all = append(all, k+": "+e.Fields[k])
		}
		s = strings.Join(all, "; ")
	}
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return fmt.Sprintf("%d %s", e.Status, s)
}

// Unwrap returns the failed exchange.
func (e *failure) Unwrap() error { return e.err }

// HTTPStatus is Status, for job.OfHTTP.
func (e *failure) HTTPStatus() int { return e.Status }

// parseError reads an error's body: {"error": "text"} of a read, and a code and
// message of a call, whose message can be an object. Nil when it is neither.
func parseError(status int, body []byte) *failure {
	var answer struct {
		Error json.RawMessage `json:"error"`
	}
	_ = json.Unmarshal(body, &answer) // a page has none
	if len(answer.Error) == 0 || string(answer.Error) == "null" {
		return nil
	}
	e := &failure{Status: status}
	if json.Unmarshal(answer.Error, &e.Message) == nil {
		return e
	}
	var rpc struct {
		Code    int             `json:"code"`
		Message json.RawMessage `json:"message"`
	}
	if json.Unmarshal(answer.Error, &rpc) != nil {
		rpc.Message = answer.Error
	}
	e.Code = rpc.Code
	if json.Unmarshal(rpc.Message, &e.Message) == nil || json.Unmarshal(rpc.Message, &e.Fields) == nil {
		return e
	}
	e.Message = string(rpc.Message)
	return e
}

// wrap returns an error of an exchange with what the master said of it.
func wrap(op, key string, err error) error {
	if err == nil {
		return nil
	}
	var r *rest.Error
	if errors.As(err, &r) && r.Status != 0 {
		if e := parseError(r.Status, r.Body); e != nil {
			var refused *refusal
			if errors.As(err, &refused) {
				e.Hint = refused.says
			}
			e.err = err
			err = e
		}
	}
	return job.OfHTTP(op, key, err)
}

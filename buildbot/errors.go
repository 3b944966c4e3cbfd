package buildbot

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	v2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
)

// failure is the master's answer that a call failed.
type failure struct {
	status  int
	message string
	fields  map[string]string // what is wrong with each field of a form, by its full name
	hint    string            // what to set, where the caller was refused for who it is
	err     error             // the failed exchange
}

func (e *failure) Error() string {
	s := e.message
	if len(e.fields) > 0 {
		var all []string
		for _, k := range slices.Sorted(maps.Keys(e.fields)) {
			all = append(all, k+": "+e.fields[k])
		}
		s = strings.Join(all, "; ")
	}
	if e.hint != "" {
		s += " (" + e.hint + ")"
	}
	return fmt.Sprintf("%d %s", e.status, s)
}

// Unwrap returns the failed exchange.
func (e *failure) Unwrap() error { return e.err }

// HTTPStatus implements what job.OfHTTP looks for.
func (e *failure) HTTPStatus() int { return e.status }

// parseError reads an error's body: {"error": "text"} of a read, and a code and
// message of a call, whose message can be an object. Nil when it is neither.
func parseError(status int, body []byte) *failure {
	var answer struct {
		Error jsontext.Value `json:"error"`
	}
	_ = v2.Unmarshal(body, &answer) // a page has none
	if len(answer.Error) == 0 || answer.Error.Kind() == 'n' {
		return nil
	}
	e := &failure{status: status}
	if v2.Unmarshal(answer.Error, &e.message) == nil {
		return e
	}
	var rpc struct {
		Message jsontext.Value `json:"message"`
	}
	if v2.Unmarshal(answer.Error, &rpc) != nil || len(rpc.Message) == 0 {
		rpc.Message = answer.Error
	}
	if v2.Unmarshal(rpc.Message, &e.message) == nil || v2.Unmarshal(rpc.Message, &e.fields) == nil {
		return e
	}
	e.message = string(rpc.Message)
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
				e.hint = refused.says
			}
			e.err = err
			err = e
		}
	}
	return job.OfHTTP(op, key, err)
}

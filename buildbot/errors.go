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

// failure is the master's answer to a call that failed.
type failure struct {
	status  int // of HTTP
	message string
	fields  map[string]string // by full name of a form's field: what is wrong with it
	hint    string            // what to set, when the caller was refused for who it is
	err     error             // the failed exchange
}

// Error is one line, for example 404 with {"error": "Invalid path"} → "404 Invalid path".
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

// parseError reads the body of an error; nil when it is not one. It has one of three forms:
//
//	{"error": "Invalid path"}                                   a read
//	{"error": {"code": -32600, "message": "no such method"}}    a call
//	{"error": {"code": -32602, "message": {"branch": "…"}}}     a form, with the wrong fields
func parseError(status int, body []byte) *failure {
	var answer struct {
		Error jsontext.Value `json:"error"`
	}
	_ = v2.Unmarshal(body, &answer) // a page of HTML leaves it empty
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

// wrap turns the error of a failed exchange into a *job.Error that quotes the master.
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

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/link"
)

// sentences say what kinds of errors mean to who asked; the first that fits counts.
var sentences = []struct {
	is   error
	text string
}{
	{context.Canceled, "The call was cancelled."},
	{context.DeadlineExceeded, "The call took too long and was ended."},
	{backfill.ErrNotBad, "The label did not fail on this push, so there is nothing to look for."},
	{backfill.ErrOverBudget, "The search is expected to need more runs than it may have."},
	{job.ErrNoLine, "The pushes of this repository do not follow each other, so nothing can be said about a range."},
	{job.ErrNotScheduled, "Nothing is scheduled on this push."},
	{link.ErrHost, "The link is of a host that this server was not started for."},
	{job.ErrInvalid, "The question makes no sense as it was asked."},
	{job.ErrDenied, "The service denied it: credentials are missing or too weak."},
	{job.ErrRefused, "The service refused it."},
	{job.ErrMalformed, "The service answered something that it is not documented to answer."},
	{job.ErrUnknownWord, "The service used a word that it is not documented to use."},
	{job.ErrUnavailable, "The service is unavailable now. Try again later."},
	{job.ErrNotFound, "It was not found."},
	{errors.ErrUnsupported, "This CI cannot do that."},
}

// sentence says in our own words what an error means.
func sentence(err error) string {
	for _, s := range sentences {
		if errors.Is(err, s.is) {
			return s.text
		}
	}
	return "It failed."
}

// asJSON is a value that always has a JSON form.
func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // only texts are given
	}
	return string(text)
}

// refusal is what the server itself has to say against a call: there is nothing of
// anybody else in it.
type refusal string

func (r refusal) Error() string { return string(r) }

// failure is an error as an agent reads it: a sentence of ours, and then what the
// library said, which may have words of a server in it.
type failure struct{ err error }

func (f failure) Unwrap() error { return f.err }

func (f failure) Error() string {
	return sentence(f.err) + " Details, as data: " + asJSON(cmp.Or(quoted(f.err.Error()), &untrusted{}))
}

// problems are the lines of an error that came with an answer.
func problems(err error) []untrusted {
	if err == nil {
		return nil
	}
	return allQuoted(strings.Split(err.Error(), "\n"))
}

// told is an error that a tool may return.
func told(err error) error {
	var own refusal
	if err == nil || errors.As(err, &own) {
		return err
	}
	return failure{err}
}

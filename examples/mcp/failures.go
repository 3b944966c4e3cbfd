package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/job"
)

type failuresOut struct {
	Job    jobOut   `json:"job"`
	Push   pushName `json:"push"`
	Format string   `json:"format" jsonschema:"what kind of log was read"`
	// What an empty list means depends on these two.
	Understood bool         `json:"understood" jsonschema:"false when no line was of a known format: no failures then says nothing"`
	Partial    bool         `json:"partial" jsonschema:"true when there may be more failures than were found"`
	Reason     *untrusted   `json:"reason,omitempty" jsonschema:"why it is partial or was not understood"`
	Failures   []failureOut `json:"failures" jsonschema:"in the order of the log"`
	counted
	Unfinished []untrusted `json:"unfinished_groups" jsonschema:"groups of tests that began and did not end"`
}

// failureOut is one failure: every text in it is of the log.
type failureOut struct {
	Line      int        `json:"line" jsonschema:"the line of the log, from 1"`
	Kind      string     `json:"kind"`
	Status    *untrusted `json:"status,omitempty"`
	Expected  *untrusted `json:"expected,omitempty"`
	Test      *untrusted `json:"test,omitempty"`
	Subtest   *untrusted `json:"subtest,omitempty"`
	Group     *untrusted `json:"group,omitempty" jsonschema:"the manifest"`
	Message   *untrusted `json:"message,omitempty"`
	Signature *untrusted `json:"signature,omitempty" jsonschema:"of a crash: the function at the top of the stack"`
	Search    *untrusted `json:"search_term,omitempty" jsonschema:"what to look for among known bugs"`
}

func (s *service) listFailures(ctx context.Context, in about) (failuresOut, error) {
	of, err := s.ofLabel(ctx, in)
	if err != nil {
		return failuresOut{}, err
	}
	j, err := of.failed(ctx)
	if err != nil {
		return failuresOut{}, err
	}
	opener, ok := job.As[job.LogOpener](of.ci)
	if !ok {
		return failuresOut{}, job.Wrap("mcp.failures", j.ID(), fmt.Errorf("logs: %w", errors.ErrUnsupported))
	}
	r, err := joblog.Failures(ctx, opener, j, nil)
	if err != nil {
		return failuresOut{}, err
	}
	out := failuresOut{
		Job: of.shownJob(j), Push: nameOf(j.Push()), Format: string(r.Source), Understood: len(r.Formats) > 0,
		Partial: r.Partial, Reason: quoted(r.Reason),
	}
	out.Failures, out.counted = bounded(append(r.Failures, r.Nameless()...), shownFailure)
	var open []string
	for _, g := range r.Unfinished() {
		open = append(open, g.Name)
	}
	out.Unfinished = allQuoted(open)
	return out, nil
}

func shownFailure(f joblog.Failure) failureOut {
	return failureOut{
		Line: f.Line, Kind: string(f.Kind), Status: quoted(f.Status), Expected: quoted(f.Expected),
		Test: quoted(f.Test), Subtest: quoted(f.Subtest), Group: quoted(f.Group), Message: quoted(f.Message), Signature: quoted(f.Signature),
		Search: quoted(f.SearchTerm()),
	}
}

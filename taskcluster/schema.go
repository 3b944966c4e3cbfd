package taskcluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/internal/schema"
	"github.com/mozci/mozci/job"
)

// schema reads the schema of the action's input. A push may have written anything there, so
// package schema bounds its size and depth.
func (a *action) schema() (*schema.Schema, error) {
	s, err := schema.Read(a.Schema)
	if err != nil {
		return nil, a.badSchema(err)
	}
	return s, nil
}

// badSchema says that the action's schema cannot be used.
func (a *action) badSchema(err error) error {
	name := clip.Marked(a.Name, shown)
	if errors.Is(err, schema.ErrBound) {
		return fmt.Errorf("%w: actions.json: the schema of %s: %w; fire the action from Treeherder or from "+
			"Taskcluster's page, or fix the schema in the repository", job.ErrMalformed, name, err)
	}
	return fmt.Errorf("%w: actions.json: the schema of %s: %w", job.ErrMalformed, name, err)
}

// validate checks an input against the action's schema. job.ErrInvalid says what is wrong
// with it, and where; job.ErrMalformed means that the schema itself cannot be used.
func (a *action) validate(ctx context.Context, s *schema.Schema, input any) error {
	err := s.Validate(ctx, input)
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case errors.Is(err, schema.ErrInvalid):
		return fmt.Errorf("%w: the input of action %s: %w", job.ErrInvalid, clip.Marked(a.Name, shown), err)
	}
	return a.badSchema(err)
}

// filled returns a copy of an input with the schema's defaults added.
func (a *action) filled(s *schema.Schema, input any) (any, error) {
	plain, err := a.fill(input)
	if err != nil {
		return nil, err
	}
	if plain, err = s.Defaults(plain); err != nil {
		return nil, a.badSchema(err)
	}
	return plain, nil
}

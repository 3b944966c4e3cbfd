package schema

import (
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/mozci/mozci/internal/clip"
)

// The maximum length of an error. The schema's author is a stranger and could make it as
// long as they like.
const (
	mostReasons   = 5
	longestReason = 300 // bytes
	longestShown  = 80  // bytes of a text that is quoted from the schema
)

// short cuts a text of the schema for an error.
func short(s string) string { return clip.Marked(s, longestShown) }

// reasons are the places of a value that are wrong, and what is wrong there. The validator
// reports a tree; its leaves are the actual faults.
func reasons(e *jsonschema.ValidationError) string {
	var out []string
	n := 0
	var leaves func(*jsonschema.ValidationError)
	leaves = func(e *jsonschema.ValidationError) {
		for _, c := range e.Causes {
			leaves(c)
		}
		if len(e.Causes) > 0 {
			return
		}
		if n++; n <= mostReasons {
			out = append(out, clip.Marked(here(e.Error()), longestReason))
		}
	}
	leaves(e)
	if n > mostReasons {
		out = append(out, fmt.Sprintf("and %d more", n-mostReasons))
	}
	return strings.Join(out, "; ")
}

// unsound says why a schema cannot be used, without the made-up address that the validator
// has for it.
func unsound(err error) error {
	var meta *jsonschema.SchemaValidationError
	var invalid *jsonschema.ValidationError
	if errors.As(err, &meta) && errors.As(meta.Err, &invalid) {
		return fmt.Errorf("it is not a JSON Schema: %s", reasons(invalid))
	}
	return errors.New(clip.Marked(here(err.Error()), longestReason))
}

package schema

import (
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/mozci/mozci/internal/clip"
)

// How much an error says: a schema of a stranger's can have as much to say as it likes.
const (
	mostReasons   = 5
	longestReason = 300
	longestShown  = 80
)

// short is a text of the schema's, for an error.
func short(s string) string { return clip.Marked(s, longestShown) }

// reasons are the places of a value that are wrong, and how.
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

// unsound is why a schema cannot be used, without the address that the validator
// knows it by.
func unsound(err error) error {
	var meta *jsonschema.SchemaValidationError
	var invalid *jsonschema.ValidationError
	if errors.As(err, &meta) && errors.As(meta.Err, &invalid) {
		return fmt.Errorf("it is no JSON Schema: %s", reasons(invalid))
	}
	return errors.New(clip.Marked(here(err.Error()), longestReason))
}

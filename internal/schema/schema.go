// Package schema checks a value against a JSON Schema that a stranger wrote.
//
// Start with [Read]; then [Schema.Defaults] fills in the schema's defaults, and
// [Schema.Validate] checks the value:
//
//	s, err := schema.Read(text)
//	input, err = s.Defaults(input)
//	err = s.Validate(ctx, input) // an ErrInvalid says what is wrong, and where
//
// The validator underneath cannot be interrupted, and a schema of one kilobyte can keep
// it busy for a day: two references in each of forty definitions are 2^40, about 10¹²,
// checks. So this package starts no check whose end is not in sight:
//
//   - Read refuses a schema that is too large, too deep or has too many parts.
//   - The regular expressions of a schema are limited by the size they compile to.
//   - Before a value is checked, the checks are counted. The count takes one step for each
//     pair of a part of the schema and a part of the value, however often the validator
//     would look at it.
//
// Beyond a limit the error is an [ErrBound]. Nothing runs in the background and nothing is
// fetched: a schema that refers to a file or an address is an error. No error names a path
// on this machine.
package schema

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// ErrBound says that a check would take too much time or memory.
var ErrBound = errors.New("too much to check")

// ErrInvalid says that a value does not fit its schema.
var ErrInvalid = errors.New("not what the schema asks for")

// bound is an ErrBound that says why.
func bound(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBound, fmt.Sprintf(format, args...))
}

// Schema is a schema within the limits; Read makes one. It never changes and may be shared.
type Schema struct {
	root any            // for the validator: numbers are json.Number, as they were written
	tree map[string]any // the same with float64s, for Defaults; empty for a schema that is true or false
}

// Read reads a schema: an object, true or false. It checks the limits but not whether the
// schema is a valid one; Validate reports that.
func Read(text []byte) (*Schema, error) {
	if len(text) > mostBytes {
		return nil, bound("it is larger than %d KiB", mostBytes>>10)
	}
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	if err := (&measure{}).walk(root, 0, 0); err != nil {
		return nil, err
	}
	s := &Schema{root: root, tree: map[string]any{}}
	switch root.(type) {
	case bool:
		return s, nil
	case map[string]any:
		return s, json.Unmarshal(text, &s.tree)
	}
	return nil, errors.New("expected an object or a boolean")
}

// Property reports whether the schema has a property of this name (has), and whether it
// lists any properties at all (says).
func (s *Schema) Property(name string) (has, says bool) {
	properties, says := s.refer(s.tree)["properties"].(map[string]any)
	_, has = properties[name]
	return has, says
}

// Validate checks a value made of plain JSON types. An ErrInvalid says what is wrong with
// it, and where. The context can end the counting of checks, but not the check itself, which
// the limits keep to about a second.
func (s *Schema) Validate(ctx context.Context, v any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c, loader, engine := jsonschema.NewCompiler(), &offline{}, &patterns{}
	c.DefaultDraft(jsonschema.Draft7)
	c.UseLoader(loader)
	c.UseRegexpEngine(engine.compile)
	if err := c.AddResource(base, s.root); err != nil {
		return unsound(err)
	}
	compiled, err := c.Compile(base)
	switch {
	case engine.over != nil:
		return engine.over
	case loader.refused != nil:
		return loader.refused
	case err != nil:
		return unsound(err)
	}
	if err := count(ctx, compiled, v); err != nil {
		return err
	}
	err = compiled.Validate(v)
	var invalid *jsonschema.ValidationError
	if errors.As(err, &invalid) {
		return fmt.Errorf("%w: %s", ErrInvalid, reasons(invalid))
	}
	return err
}

// base is the made-up address of the schema for the validator. It needs a scheme: the
// validator takes a name without one for a file in the working directory.
const base = "mozci:///schema"

// here removes base from a text of the validator.
func here(text string) string {
	return strings.NewReplacer(base, "", "mozci:///", "", "mozci:", "").Replace(text)
}

// offline is the loader of other documents; it refuses all of them. It keeps its error,
// because the validator would keep the text alone.
type offline struct{ refused error }

// Load implements jsonschema.URLLoader.
func (o *offline) Load(url string) (any, error) {
	o.refused = errors.New("it refers to another document, and no file is read")
	if strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "http://") {
		o.refused = fmt.Errorf("it refers to %q, and nothing is fetched", short(url))
	}
	return nil, o.refused
}

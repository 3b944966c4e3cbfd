// Package schema checks a value by a JSON Schema that a stranger wrote.
//
// Start with [Read]; [Schema.Defaults] fills in what the schema says of a value
// that lacks it, and [Schema.Validate] checks one.
//
// The validator underneath cannot be interrupted, and a schema of a kilobyte can
// keep it busy for a day: two references in each of forty definitions are 10¹²
// checks. So nothing is begun that has no end in sight. Read
// refuses a schema that is too large, too deep or has too many parts; its regular
// expressions have a bound on what they compile to; and before a value is checked,
// the checks are counted, which costs one step for each part of the schema and
// each part of the value however often they meet. Past a bound the error is an
// [ErrBound]. Nothing runs in the background, and nothing is fetched: a schema
// that refers to a file or an address is an error, and no error names a place on
// this machine.
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

// ErrBound says that checking by a schema would take too long or too much memory.
var ErrBound = errors.New("too much to check")

// ErrInvalid says that a value is not what its schema asks for.
var ErrInvalid = errors.New("not what the schema asks for")

// bound is an ErrBound that says why.
func bound(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBound, fmt.Sprintf(format, args...))
}

// Schema is a schema within the bounds; Read makes one. It is not changed by use.
type Schema struct {
	root any            // with numbers as they are written, for the validator
	tree map[string]any // the same, with float64s; empty for a schema that is true or false
}

// Read reads a schema: an object, true or false. It need not be a sound one, which
// Validate says.
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

// Property reports whether the schema knows a property of this name, and whether it
// says at all what properties there are.
func (s *Schema) Property(name string) (has, says bool) {
	properties, says := s.refer(s.tree)["properties"].(map[string]any)
	_, has = properties[name]
	return has, says
}

// Validate checks a value of plain JSON; an ErrInvalid says what is wrong with it, and
// where. Once the context has ended the error is the context's.
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

// base is the address that the validator knows a schema by: one of its own, since
// it takes a name without a scheme for a file in the working directory.
const base = "mozci:///schema"

// here takes base out of a text of the validator.
func here(text string) string {
	return strings.NewReplacer(base, "", "mozci:///", "", "mozci:", "").Replace(text)
}

// offline refuses what a schema would have us fetch.
type offline struct{ refused error }

// Load implements jsonschema.URLLoader.
func (o *offline) Load(url string) (any, error) {
	o.refused = errors.New("it refers to another document, and no file is read")
	if strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "http://") {
		o.refused = fmt.Errorf("it refers to %q, and nothing is fetched", short(url))
	}
	return nil, o.refused
}

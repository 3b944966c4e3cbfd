package taskcluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/mozci/mozci/job"
)

// schema reads the action's schema; true and false are schemas, too, without
// anything to read in them.
func (a *action) schema() (map[string]any, error) {
	var s any
	err := json.Unmarshal(a.Schema, &s)
	switch s := s.(type) {
	case map[string]any:
		return s, nil
	case bool:
		return map[string]any{}, nil
	}
	if err == nil {
		err = errors.New("expected an object or a boolean")
	}
	return nil, a.badSchema(err)
}

// badSchema says that the action's schema cannot be used.
func (a *action) badSchema(err error) error {
	return fmt.Errorf("%w: actions.json: the schema of %s: %w", job.ErrMalformed, a.Name, err)
}

// refer follows references of a schema within itself; a schema that refers
// elsewhere, or to itself, is left as it is.
func refer(root, schema map[string]any) map[string]any {
	for range deepest {
		ref, ok := schema["$ref"].(string)
		if !ok {
			break
		}
		path, within := strings.CutPrefix(ref, "#/")
		at := any(root)
		for name := range strings.SplitSeq(path, "/") {
			m, _ := at.(map[string]any)
			at = m[strings.NewReplacer("~1", "/", "~0", "~").Replace(name)]
		}
		to, ok := at.(map[string]any)
		if !within || !ok {
			break
		}
		schema = to
	}
	return schema
}

// deepest is how far defaults are looked for in a schema.
const deepest = 20

// defaults fills in what the schema of an object says of properties that are
// not there; root is the schema that it may refer into.
func defaults(root, schema map[string]any, v any, depth int) any {
	if depth > deepest {
		return v
	}
	schema = refer(root, schema)
	switch v := v.(type) {
	case map[string]any:
		properties, _ := schema["properties"].(map[string]any)
		for name, p := range properties {
			sub, _ := p.(map[string]any)
			sub = refer(root, sub)
			if has, ok := v[name]; ok {
				v[name] = defaults(root, sub, has, depth+1)
			} else if d, ok := sub["default"]; ok {
				v[name] = d
			}
		}
	case []any:
		items, _ := schema["items"].(map[string]any)
		for i := range v {
			v[i] = defaults(root, items, v[i], depth+1)
		}
	}
	return v
}

// offline refuses what a schema from a push would have us fetch.
type offline struct{}

func (offline) Load(url string) (any, error) {
	return nil, fmt.Errorf("it refers to %s, and nothing is fetched", url)
}

// validate checks an input by the action's schema; job.ErrInvalid says what is
// wrong with it, and where.
func (a *action) validate(input any) error {
	schema, err := jsonschema.UnmarshalJSON(strings.NewReader(string(a.Schema)))
	if err != nil {
		return a.badSchema(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	c.UseLoader(offline{})
	const url = "actions.json"
	if err := c.AddResource(url, schema); err != nil {
		return a.badSchema(err)
	}
	compiled, err := c.Compile(url)
	if err != nil {
		return a.badSchema(err)
	}
	err = compiled.Validate(input)
	var invalid *jsonschema.ValidationError
	if errors.As(err, &invalid) {
		why := strings.Join(reasons(invalid), "; ")
		return fmt.Errorf("%w: the input of action %s: %s", job.ErrInvalid, a.Name, why)
	}
	return err
}

// reasons are the places of an input that are wrong, and how.
func reasons(e *jsonschema.ValidationError) []string {
	if len(e.Causes) == 0 {
		text := e.Error()
		if i := strings.LastIndex(text, "\n"); i >= 0 {
			text = strings.TrimPrefix(text[i+1:], "- ")
		}
		return []string{text}
	}
	var out []string
	for _, c := range e.Causes {
		out = append(out, reasons(c)...)
	}
	return out
}

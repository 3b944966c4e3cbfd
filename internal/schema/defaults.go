package schema

import (
	"strings"
)

// deepest is how far defaults are looked for in a value, and how many references
// are followed one after another.
const deepest = 20

// mostFilled is how many parts defaults may add to a value, and how often the schema
// may be looked at to that end.
const mostFilled = 100_000

// Defaults fills in what the schema says of an object's properties that are not
// there. The value is changed.
func (s *Schema) Defaults(v any) (any, error) {
	f := &filler{s: s, left: mostFilled}
	v = f.fill(s.tree, v, 0)
	if f.left < 0 {
		return nil, bound("its defaults add too much")
	}
	return v, nil
}

// filler counts what defaults add.
type filler struct {
	s    *Schema
	left int
}

func (f *filler) fill(schema map[string]any, v any, depth int) any {
	if f.left--; depth > deepest || f.left < 0 {
		return v
	}
	schema = f.s.refer(schema)
	switch v := v.(type) {
	case map[string]any:
		properties, _ := schema["properties"].(map[string]any)
		for name, p := range properties {
			f.property(v, name, p, depth)
		}
	case []any:
		items, _ := schema["items"].(map[string]any)
		for i := range v {
			v[i] = f.fill(items, v[i], depth+1)
		}
	}
	return v
}

// property fills in one property of an object.
func (f *filler) property(v map[string]any, name string, p any, depth int) {
	if f.left--; f.left < 0 {
		return
	}
	sub, _ := p.(map[string]any)
	sub = f.s.refer(sub)
	if has, ok := v[name]; ok {
		v[name] = f.fill(sub, has, depth+1)
	} else if d, ok := sub["default"]; ok {
		if f.left -= parts(d); f.left >= 0 {
			v[name] = d
		}
	}
}

// refer follows references of a schema within itself; a schema that refers
// elsewhere, or to itself, is left as it is.
func (s *Schema) refer(schema map[string]any) map[string]any {
	for range deepest {
		ref, ok := schema["$ref"].(string)
		if !ok {
			break
		}
		path, within := strings.CutPrefix(ref, "#/")
		at := any(s.tree)
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

package schema

import (
	"strings"
)

// deepest is the maximum depth at which defaults are filled in, and the maximum number of
// references followed one after another.
const deepest = 20

// mostFilled limits the work of Defaults: the parts of the value and the schema that it
// looks at, and the parts that it adds, all together.
const mostFilled = 100_000

// Defaults adds the properties that a value lacks and for which the schema has a default. It
// changes the value in place and returns it. It looks at "properties" and at "items" that is
// one schema, and follows references within the schema; it does not look into "allOf" and
// the like.
func (s *Schema) Defaults(v any) (any, error) {
	f := &filler{s: s, left: mostFilled}
	v = f.fill(s.tree, v, 0)
	if f.left < 0 {
		return nil, bound("its defaults add too much")
	}
	return v, nil
}

// filler fills in defaults as long as steps are left.
type filler struct {
	s    *Schema
	left int // negative: the limit was passed
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

// refer follows "$ref" to another part of the same schema, such as "#/definitions/run". A
// reference to another document, or to nothing, is not followed. In a JSON pointer ~1 stands
// for a slash and ~0 for a tilde (RFC 6901); Replacer tries them in this order, and never
// twice at one place, so that ~01 is "~1".
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

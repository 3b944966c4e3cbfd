package schema

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"
)

// The bounds of a schema, far above what real ones need: the largest of Gecko's
// actions, release-promotion, has 4 KB, 111 parts and 8 levels.
const (
	mostBytes = 64 << 10
	mostParts = 2000
	mostDepth = 64
	// mostPaths bounds the JSON pointers to all parts together: the validator keeps one
	// for each, and a long name is in those of everything beneath it.
	mostPaths = 4 << 20
	// The validator reckons with fractions: 1e999999 has a million digits.
	longestNumber   = 40
	largestExponent = 400
)

// measure counts what a schema is made of.
type measure struct{ parts, paths int }

// walk counts a part at this depth, whose JSON pointer has this many bytes.
func (m *measure) walk(v any, depth, path int) error {
	m.parts++
	m.paths += path
	switch {
	case m.parts > mostParts:
		return bound("it has more than %d parts", mostParts)
	case m.paths > mostPaths:
		return bound("its names are too long")
	case depth > mostDepth:
		return bound("it nests more than %d levels deep", mostDepth)
	}
	switch v := v.(type) {
	case map[string]any:
		for name, sub := range v {
			if err := m.walk(sub, depth+1, path+len(name)+1); err != nil {
				return err
			}
		}
	case []any:
		for i, sub := range v {
			if err := m.walk(sub, depth+1, path+len(strconv.Itoa(i))+1); err != nil {
				return err
			}
		}
	case json.Number:
		return number(v)
	}
	return nil
}

// number refuses one that takes long to reckon with.
func number(n json.Number) error {
	_, exponent, _ := strings.Cut(strings.ToLower(string(n)), "e")
	e, err := strconv.Atoi(cmp.Or(exponent, "0"))
	if len(n) > longestNumber || err != nil || e > largestExponent || e < -largestExponent {
		return bound("the number %s in it is too long, too large or too small", short(string(n)))
	}
	return nil
}

package schema

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"
)

// The maximums of a schema. They are far above what real ones need: the largest of Gecko's
// actions, release-promotion, has 4 KB, 111 parts and 8 levels.
const (
	mostBytes = 64 << 10
	mostParts = 2000
	mostDepth = 64
	// mostPaths limits the JSON pointers to all parts together, in bytes. The validator
	// keeps a pointer for each part, and a long name is in the pointers of all parts below it.
	mostPaths = 4 << 20
	// The validator computes with exact fractions: 1e999999 has a million digits.
	longestNumber   = 40 // characters
	largestExponent = 400
)

// measure counts the parts of a schema, and the bytes of the JSON pointers to them.
type measure struct{ parts, paths int }

// walk counts a part and all parts below it. The part is at this depth, and its JSON pointer
// has path bytes: "/properties/a" has 13.
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

// number refuses a number that takes long to compute with. Its length alone does not show
// that: 1e999999 has eight characters.
func number(n json.Number) error {
	_, exponent, _ := strings.Cut(strings.ToLower(string(n)), "e")
	e, err := strconv.Atoi(cmp.Or(exponent, "0"))
	if len(n) > longestNumber || err != nil || e > largestExponent || e < -largestExponent {
		return bound("the number %s in it is too long, too large or too small", short(string(n)))
	}
	return nil
}

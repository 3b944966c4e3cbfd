// Package shape compares the form of two JSON texts and not their values, so
// that a double of a service can be held to what the real service answered:
// start from Diff.
package shape

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Diff says how got's form differs from want's, one line for each path, sorted:
//
//	results[].author: missing
//	results[].push_id: string, want number
//	results[].extra: not in want
//	results: empty, want objects
//
// A path is written as above, the whole text as ".". The types are null, bool,
// number, string, array and object. All elements of an array are of one form:
// a field that some of want's elements lack may be missing in got too, and a
// field that is null in some of want's may be null or not. An array of plain
// values may be empty in got, one of objects may not: nothing would have been
// compared.
//
// An object whose keys are data, as push ids are, is named by its path in keyed;
// its values are then of one form too, and their path ends in ".*".
func Diff(want, got []byte, keyed ...string) []string {
	w, g := &form{keyed: keyed}, &form{keyed: keyed}
	for _, side := range []struct {
		name string
		text []byte
		form *form
	}{{"want", want, w}, {"got", got, g}} {
		var v any
		if err := json.Unmarshal(side.text, &v); err != nil {
			return []string{fmt.Sprintf(".: %s is not JSON: %v", side.name, err)}
		}
		side.form.add(".", v)
	}
	var out []string
	differ(w, g, ".", &out)
	slices.Sort(out)
	return out
}

// Unexpected takes away the lines that are on purpose, each named by how it
// begins, and adds one for each of those that no line begins with any more: a
// list of differences stays true that way.
func Unexpected(diffs []string, onPurpose ...string) []string {
	var out []string
	for _, line := range diffs {
		if !slices.ContainsFunc(onPurpose, func(p string) bool { return strings.HasPrefix(line, p) }) {
			out = append(out, line)
		}
	}
	for _, p := range onPurpose {
		if !slices.ContainsFunc(diffs, func(line string) bool { return strings.HasPrefix(line, p) }) {
			out = append(out, "no longer different: "+p)
		}
	}
	return out
}

// form is what was seen at one path.
type form struct {
	keyed    []string
	types    map[string]bool
	objects  int              // how many objects were seen here
	seen     map[string]int   // by field: in how many of them
	fields   map[string]*form // by field; a keyed object has the one field "*"
	elements *form            // of the arrays; nil where all were empty
}

// add adds a value, which was found at a path.
func (f *form) add(path string, v any) {
	if f.types == nil {
		f.types = map[string]bool{}
	}
	f.types[typeOf(v)] = true
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if f.elements == nil {
				f.elements = &form{keyed: f.keyed}
			}
			f.elements.add(element(path), e)
		}
	case map[string]any:
		f.objects++
		if f.fields == nil {
			f.fields, f.seen = map[string]*form{}, map[string]int{}
		}
		isKeyed := slices.Contains(f.keyed, path)
		for name, e := range v {
			if isKeyed {
				name = "*"
			}
			if f.fields[name] == nil {
				f.fields[name] = &form{keyed: f.keyed}
			}
			f.seen[name]++
			f.fields[name].add(field(path, name), e)
		}
	}
}

func typeOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "bool"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	}
	return "object"
}

func field(path, name string) string {
	if path == "." {
		return name
	}
	return path + "." + name
}

func element(path string) string {
	if path == "." {
		return "[]"
	}
	return path + "[]"
}

// differ appends the differences at and below a path.
func differ(want, got *form, path string, out *[]string) {
	say := func(at, format string, args ...any) { *out = append(*out, at+": "+fmt.Sprintf(format, args...)) }
	for _, t := range slices.Sorted(maps.Keys(got.types)) {
		if !want.types[t] {
			say(path, "%s, want %s", t, strings.Join(slices.Sorted(maps.Keys(want.types)), " or "))
		}
	}
	if want.elements != nil && got.types["array"] {
		switch {
		case got.elements != nil:
			differ(want.elements, got.elements, element(path), out)
		case want.elements.types["object"]:
			say(path, "empty, want objects")
		}
	}
	if want.objects == 0 || got.objects == 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(want.fields)) {
		at, w, g := field(path, name), want.fields[name], got.fields[name]
		switch {
		case name == "*" && g == nil && w.types["object"]:
			say(path, "empty, want objects")
		case name != "*" && want.seen[name] == want.objects && (g == nil || got.seen[name] < got.objects):
			say(at, "missing")
		}
		if g != nil {
			differ(w, g, at, out)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got.fields)) {
		if want.fields[name] == nil && name != "*" {
			say(field(path, name), "not in want")
		}
	}
}

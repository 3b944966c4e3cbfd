package contract

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	v2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// form is the way in which a value is read.
type form int

const (
	formOwn     form = iota // the type decodes itself
	formAny                 // anything
	formObject              // a struct
	formMap                 // an object whose keys are data
	formList                //
	formString              //
	formBool                //
	formInteger             // signed
	formCount               // unsigned
	formNumber              //
	formTime                // of RFC 3339
)

// expected is the name of a form in errors.
var expected = map[form]string{
	formObject: "an object", formMap: "an object", formList: "a list", formString: "a string",
	formBool: "true or false", formInteger: "a whole number", formCount: "a whole number", formNumber: "a number",
	formTime: "a time",
}

// shape is a Go type, compiled for reading. It does not change once it is compiled.
type shape struct {
	form    form
	kinds   uint64 // the JSON types that it accepts; see form.kinds
	typ     reflect.Type
	pointer bool // the Go value is a pointer to typ
	proves  bool // it is a Prover
	fields  []*field
	// byLength are the fields by the length of their names in bytes. Few names have the
	// same length, so a search among those is faster than a map.
	byLength [][]*field
	required uint64          // the bits of the required fields
	also     map[string]bool // the names of the tag names
	element  *shape          // of a list or a map
	empty    reflect.Value   // a list without elements
}

// field is a member of an object.
type field struct {
	*shape
	name     string
	index    []int    // of the field in the struct; longer than 1 in an embedded struct
	bit      uint64   // a bit of its own among the fields of the struct
	null     bool     // null is allowed
	open     bool     // is:"open"
	min, max *float64 // inclusive; nil for none
	words    []string
}

var shapes = struct {
	sync.Mutex
	of map[reflect.Type]*shape
}{of: map[reflect.Type]*shape{}}

// compiled is the shape of a type. It panics for a type that cannot be a contract: that is a
// mistake in the program, which shows when its package is loaded.
func compiled(t reflect.Type) *shape {
	shapes.Lock()
	defer shapes.Unlock()
	return shapeOf(t)
}

// shapeOf is compiled for a caller that holds the lock of shapes.
func shapeOf(t reflect.Type) *shape {
	s, ok := shapes.of[t]
	if !ok {
		s = &shape{}
		shapes.of[t] = s // before its fields are compiled: a type may contain itself
		s.compile(t)
	}
	return s
}

var (
	unmarshalerFrom = reflect.TypeFor[v2.UnmarshalerFrom]()
	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	textual         = reflect.TypeFor[encoding.TextUnmarshaler]()
	rawValue        = reflect.TypeFor[jsontext.Value]()
	rawMessage      = reflect.TypeFor[json.RawMessage]()
	timeType        = reflect.TypeFor[time.Time]()
	alsoType        = reflect.TypeFor[Also]()
	proverType      = reflect.TypeFor[Prover]()
)

func (s *shape) compile(t reflect.Type) {
	if t.Kind() == reflect.Pointer {
		s.pointer, t = true, t.Elem()
	}
	s.typ = t
	own := func(i reflect.Type) bool { return reflect.PointerTo(t).Implements(i) }
	switch {
	case t == rawValue || t == rawMessage || t.Kind() == reflect.Interface:
		s.form = formAny
	case t == timeType:
		s.form = formTime
	case own(unmarshalerFrom) || own(unmarshaler) || own(textual):
		s.form = formOwn
	case t.Kind() == reflect.Struct:
		s.form, s.also = formObject, map[string]bool{}
		s.proves = own(proverType)
		s.members(t, nil)
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		s.form, s.element = formMap, shapeOf(t.Elem())
	case t.Kind() == reflect.Slice:
		s.form, s.element, s.empty = formList, shapeOf(t.Elem()), reflect.MakeSlice(t, 0, 0)
	case t.Kind() == reflect.String:
		s.form = formString
	case t.Kind() == reflect.Bool:
		s.form = formBool
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Int64:
		s.form = formInteger
	case t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uint64:
		s.form = formCount
	case t.Kind() == reflect.Float64 || t.Kind() == reflect.Float32:
		s.form = formNumber
	default:
		panic(fmt.Sprintf("contract: %v cannot be read from JSON", t))
	}
	s.kinds = s.form.kinds()
}

// members compiles the fields of a struct, and those of embedded structs as if they were its
// own.
func (s *shape) members(t reflect.Type, at []int) {
	for i := range t.NumField() {
		f := t.Field(i)
		index := append(slices.Clone(at), i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Type == alsoType:
			for name := range strings.FieldsSeq(f.Tag.Get("names")) {
				s.also[name] = true
			}
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct:
			s.members(f.Type, index)
		case f.IsExported() && name != "-" && name != "":
			s.member(t, f, name, index)
		case f.IsExported() && name == "":
			panic(fmt.Sprintf("contract: %v.%s has no json tag", t, f.Name))
		}
	}
}

func (s *shape) member(t reflect.Type, f reflect.StructField, name string, index []int) {
	if s.fieldOf([]byte(name)) != nil || len(s.fields) == mostFields {
		panic(fmt.Sprintf("contract: %v.%s: %q comes twice, or there are more than %d fields", t, f.Name, name,
			mostFields))
	}
	m := &field{shape: shapeOf(f.Type), name: name, index: index, bit: 1 << len(s.fields)}
	is, tagged := f.Tag.Lookup("is")
	m.null = !tagged
	for word := range strings.SplitSeq(is, ",") {
		switch word {
		case "required":
			s.required |= m.bit
		case "null":
			m.null = true
		case "open":
			m.null, m.open = true, true
		case "":
		default:
			panic(fmt.Sprintf("contract: %v.%s: is:%q, expected required, null or open", t, f.Name, word))
		}
	}
	m.min, m.max = bound(t, f, "min"), bound(t, f, "max")
	m.words = strings.Fields(f.Tag.Get("words"))
	s.fields = append(s.fields, m)
	for len(s.byLength) <= len(name) {
		s.byLength = append(s.byLength, nil)
	}
	s.byLength[len(name)] = append(s.byLength[len(name)], m)
}

// mostFields is the maximum number of fields of a struct: each has a bit of a uint64.
const mostFields = 64

func bound(t reflect.Type, f reflect.StructField, tag string) *float64 {
	text, ok := f.Tag.Lookup(tag)
	if !ok {
		return nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic(fmt.Sprintf("contract: %v.%s: %s:%q is no number", t, f.Name, tag, text))
	}
	return &n
}

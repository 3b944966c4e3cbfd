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

// form is how a value is read.
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

// expected is a form in words.
var expected = map[form]string{
	formObject: "an object", formMap: "an object", formList: "a list", formString: "a string",
	formBool: "true or false", formInteger: "a whole number", formCount: "a whole number", formNumber: "a number",
	formTime: "a time",
}

// shape is a type, compiled.
type shape struct {
	form    form
	typ     reflect.Type
	pointer bool // the Go value is a pointer to typ
	proves  bool // it is a Prover
	fields  map[string]named
	few     []named  // the fields where they are few: looking through them is faster
	needed  []string // names of required fields, by bit
	also    map[string]bool
	element *shape // of a list or a map
}

// field is a member of an object.
type field struct {
	*shape
	index    []int // in the struct
	bit      int   // in needed, or -1
	null     bool
	open     bool // anybody may write what is there
	min, max *float64
	words    []string
}

var shapes = struct {
	sync.Mutex
	of map[reflect.Type]*shape
}{of: map[reflect.Type]*shape{}}

// compiled is the shape of a type. A type that cannot be a contract is a mistake of
// the program, found when its package is loaded: it panics.
func compiled(t reflect.Type) *shape {
	shapes.Lock()
	defer shapes.Unlock()
	return shapeOf(t)
}

// shapeOf is compiled for who holds the lock.
func shapeOf(t reflect.Type) *shape {
	s, ok := shapes.of[t]
	if !ok {
		s = &shape{}
		shapes.of[t] = s // before its fields: a type may hold itself
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
		s.form, s.fields, s.also = formObject, map[string]named{}, map[string]bool{}
		s.proves = own(proverType)
		s.members(t, nil)
		for _, f := range s.fields {
			if len(s.fields) <= mostFew {
				s.few = append(s.few, f)
			}
		}
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		s.form, s.element = formMap, shapeOf(t.Elem())
	case t.Kind() == reflect.Slice:
		s.form, s.element = formList, shapeOf(t.Elem())
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
}

// members compiles the fields of a struct, and of those that are embedded.
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
	m := &field{shape: shapeOf(f.Type), index: index, bit: -1}
	is, tagged := f.Tag.Lookup("is")
	m.null = !tagged
	for word := range strings.SplitSeq(is, ",") {
		switch word {
		case "required":
			m.bit = len(s.needed)
			s.needed = append(s.needed, name)
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
	if _, twice := s.fields[name]; twice || len(s.needed) > 64 {
		panic(fmt.Sprintf("contract: %v.%s: %q comes twice, or more than 64 fields are required", t, f.Name, name))
	}
	s.fields[name] = named{name, m}
}

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

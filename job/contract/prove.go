package contract

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"reflect"
	"slices"
	"strconv"
	"time"

	v2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// prover decodes a text and checks it in one pass. It calls found for everything that is
// wrong, and stops (errStop) when found returns false.
type prover struct {
	dec     *jsontext.Decoder
	path    path
	all     bool // for Check: report unknown words and new members too
	open    bool // within a member that is:"open"
	lost    bool // the value that was read last counts as missing
	found   func(Finding) (goOn bool)
	streams []Each // members whose elements are given away

	hashes hashes
	known  *known
	width  int    // the length in bytes of the name that was read last, as it is written
	said   []byte // a buffer for the content of the last string with escapes
	text   string // the last element of a map[string]string, before it is put in
}

func newProver() *prover {
	return &prover{
		dec: new(jsontext.Decoder), path: make(path, 0, 16), hashes: hashes{seed: maphash.MakeSeed()},
		known: new(known),
	}
}

// errStop ends the pass after a finding that found did not want to go beyond.
var errStop = errors.New("stop")

// again are the options for a text that was already checked to be JSON: it need not be
// checked twice for repeated names and UTF-8.
var again = v2.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// whole reads one value and the end of the text.
func (p *prover) whole(s *shape, v reflect.Value) error {
	if err := p.value(s, nil, v); err != nil {
		return err
	}
	return p.end()
}

func (p *prover) end() error {
	_, err := p.dec.ReadToken()
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil:
		return p.say(KindType, "something after the end")
	}
	return err
}

// say reports a finding at the present path. Within an open member it reports nothing, and
// the value counts as missing instead. It returns errStop when the pass must end.
func (p *prover) say(kind Kind, format string, args ...any) error {
	if p.open {
		p.lost = true
		return nil
	}
	if p.found(Finding{Path: p.path.String(), Kind: kind, Detail: fmt.Sprintf(format, args...)}) {
		return nil
	}
	return errStop
}

// at runs f with another path, and restores the present one.
func (p *prover) at(below path, f func() error) error {
	before := p.path
	p.path = below
	err := f()
	p.path = before
	return err
}

// value reads a value into v; f is the field of a member, nil for an element of a list or a
// map. A value of another JSON type is reported and skipped, and v stays zero.
func (p *prover) value(s *shape, f *field, v reflect.Value) error {
	kind := p.dec.PeekKind()
	if kind == 'n' {
		return p.null(s, f, v)
	}
	if s.kinds&bitOf(kind) == 0 {
		if err := p.say(KindType, "%s, expected %s", typeOf(kind), expected[s.form]); err != nil {
			return err
		}
		return p.skip()
	}
	if s.pointer {
		if v.IsNil() {
			v.Set(reflect.New(s.typ))
		}
		v = v.Elem()
	}
	switch s.form {
	case formOwn, formAny:
		return p.own(s, v)
	case formObject:
		return p.object(s, v)
	case formMap:
		return p.data(s, f, v)
	case formList:
		return p.list(s, f, v)
	case formTime:
		return p.time(v)
	}
	return p.plain(s, f, v)
}

// kinds are the bits of the JSON types that a value of the form may have. The bit of kind 0,
// invalid JSON, is always set: reading the value then gives the proper error.
func (f form) kinds() uint64 {
	var begins string
	switch f {
	case formObject, formMap:
		begins = "{"
	case formList:
		begins = "["
	case formString, formTime:
		begins = `"`
	case formBool:
		begins = "tf"
	case formInteger, formCount, formNumber:
		begins = "0"
	default:
		return ^uint64(0)
	}
	bits := bitOf(0)
	for _, b := range []byte(begins) {
		bits |= bitOf(jsontext.Kind(b))
	}
	return bits
}

// bitOf is the bit of a kind. A jsontext.Kind is a character, one of n t f " 0 [ { } ] or
// zero; their lowest six bits are all different, so each gets its own bit of 64.
func bitOf(k jsontext.Kind) uint64 { return 1 << (k & 63) }

func typeOf(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case 't', 'f':
		return "true or false"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '[':
		return "a list"
	case '{':
		return "an object"
	}
	return "nothing"
}

func (p *prover) null(s *shape, f *field, v reflect.Value) error {
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	v.SetZero()
	if f != nil && f.null || f == nil && (s.pointer || s.form == formAny) {
		return nil
	}
	want, ok := expected[s.form]
	if !ok {
		want = "a value"
	}
	return p.say(KindType, "null, expected %s", want)
}

// own reads a value that its type decodes itself, or keeps as raw JSON.
func (p *prover) own(s *shape, v reflect.Value) error {
	text, err := p.dec.ReadValue()
	if err != nil {
		return err
	}
	into := v.Addr().Interface()
	c, contracted := into.(Checker)
	if !contracted {
		if err := p.distinct(text); err != nil {
			return err
		}
	}
	if s.typ == rawValue || s.typ == rawMessage {
		v.SetBytes(bytes.Clone(text))
		return nil
	}
	if contracted && p.all {
		found := c.Check(text)
		if err := p.sayAll(found); err != nil || slices.ContainsFunc(found, Finding.Breaks) {
			return err
		}
	}
	if err := decode(text, into); err != nil {
		var known *Error
		if errors.As(err, &known) { // the type's decoder uses an endpoint, which has found this
			return p.sayAll([]Finding{known.Finding})
		}
		return p.say(KindType, "%v", err)
	}
	return nil
}

// decode calls a type's own decoder with a text that was already checked to be JSON, and
// returns the decoder's error. It leaves out the words that json v2 puts around it, because
// json v2 varies them on purpose from process to process.
func decode(text jsontext.Value, into any) error {
	if u, ok := into.(v2.Unmarshaler); ok {
		if _, also := into.(v2.UnmarshalerFrom); !also { // v2 would read the text again to find its end
			return u.UnmarshalJSON(text)
		}
	}
	err := v2.Unmarshal(text, into, again)
	var semantic *v2.SemanticError
	switch {
	case !errors.As(err, &semantic):
		return err
	case semantic.Err != nil:
		return semantic.Err
	}
	return fmt.Errorf("%s, expected another type", typeOf(text.Kind()))
}

// sayAll reports findings whose paths are relative to the present value.
func (p *prover) sayAll(found []Finding) error {
	for _, f := range found {
		below := p.path
		if f.Path != "." {
			below = p.path.member(f.Path)
		}
		if err := p.at(below, func() error { return p.say(f.Kind, "%s", f.Detail) }); err != nil {
			return err
		}
	}
	return nil
}

// object reads a struct.
func (p *prover) object(s *shape, v reflect.Value) error {
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	others := p.hashes.open()
	seen, err := p.members(s, v, &others)
	if err != nil {
		return err
	}
	p.hashes.close(&others)
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	if missing := s.required &^ seen; missing != 0 { // the bits that are required and were not seen
		if err := p.missing(s, missing); err != nil {
			return err
		}
	}
	if s.proves {
		return p.proven(v.Addr().Interface().(Prover))
	}
	return nil
}

// members reads the members of a struct, and returns the bits of the fields that it had;
// others collects the names that no field is for.
func (p *prover) members(s *shape, v reflect.Value, others *names) (seen uint64, err error) {
	for p.dec.PeekKind() != '}' {
		quoted, err := p.name()
		if err != nil {
			return 0, err
		}
		f, name := s.fieldOf(quoted[1:len(quoted)-1]), []byte(nil)
		if f == nil { // the name may be written with escapes: "i\u0064" is id
			if name, err = p.unquoted(quoted); err != nil {
				return 0, err
			}
			f = s.fieldOf(name)
		}
		switch {
		case f == nil && !p.hashes.first(others, name), f != nil && seen&f.bit != 0:
			err = p.twice()
		case f == nil:
			err = p.unread(s, name)
		default:
			seen |= f.bit
			err = p.member(f, v)
		}
		if err != nil {
			return 0, err
		}
	}
	return seen, nil
}

// missing reports each required member that an object lacks.
func (p *prover) missing(s *shape, bits uint64) error {
	for _, f := range s.fields {
		if bits&f.bit == 0 {
			continue
		}
		if err := p.at(p.path.member(f.name), func() error { return p.say(KindMissing, "missing") }); err != nil {
			return err
		}
	}
	return nil
}

// proven calls Prove. For Check it calls an Inspector's Inspect before, and leaves Prove out
// when that found something that breaks: Prove would report it again.
func (p *prover) proven(v Prover) error {
	if i, ok := v.(Inspector); ok && p.all {
		found := i.Inspect()
		if err := p.sayAll(found); err != nil || slices.ContainsFunc(found, Finding.Breaks) {
			return err
		}
	}
	return p.claim(v.Prove())
}

// claim reports the error of a Prover.
func (p *prover) claim(err error) error {
	if err == nil {
		return nil
	}
	var known *Error
	if !errors.As(err, &known) {
		return p.say(KindBound, "%v", err)
	}
	return p.sayAll([]Finding{known.Finding})
}

// fieldOf is the field for a member; nil where there is none.
func (s *shape) fieldOf(name []byte) *field {
	if len(name) >= len(s.byLength) {
		return nil
	}
	for _, f := range s.byLength[len(name)] {
		if f.name == string(name) {
			return f
		}
	}
	return nil
}

func (p *prover) member(f *field, v reflect.Value) error {
	before, open := p.path, p.open
	p.path, p.open = before.member(f.name), open || f.open
	err := p.memberAt(f, v, len(before) == 0)
	p.path, p.open = before, open
	return err
}

func (p *prover) memberAt(f *field, v reflect.Value, top bool) error {
	if top {
		for _, e := range p.streams {
			if e.member == f.name {
				return p.stream(f.shape, f, e)
			}
		}
	}
	at := v.Field(f.index[0])
	if len(f.index) > 1 {
		at = v.FieldByIndex(f.index)
	}
	err := p.value(f.shape, f, at)
	if p.isLost() {
		at.SetZero()
	}
	return err
}

// isLost reports whether the value that was read last counts as missing, and resets that.
func (p *prover) isLost() bool {
	lost := p.lost
	p.lost = false
	return lost
}

// unread skips a member that no field is for.
func (p *prover) unread(s *shape, name []byte) error {
	if p.all && !s.also[string(name)] && !s.also["*"] {
		at := p.path.member(string(name)) // a copy: name is not valid after the next use of the decoder
		kind := p.dec.PeekKind()
		if err := p.at(at, func() error { return p.say(KindNew, "new: %s", typeOf(kind)) }); err != nil {
			return err
		}
	}
	return p.skip()
}

// data reads an object whose keys are data.
func (p *prover) data(s *shape, f *field, v reflect.Value) error {
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	put, element := p.intoMap(s, v)
	before := p.path
	defer func() { p.path = before }()
	keys := p.hashes.open()
	for p.dec.PeekKind() != '}' {
		name, err := p.newName(&keys)
		if err != nil {
			return err
		}
		k := p.known.of(p.hashes.seed, name)
		p.path = before.key(k)
		element.SetZero()
		if err := p.value(s.element, nil, element); err != nil {
			return err
		}
		if !p.isLost() {
			put(k)
		}
	}
	p.hashes.close(&keys)
	p.path = before
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	return p.length(f, v.Len(), "members")
}

// intoMap makes a map. The caller reads each value into element and then calls put with its
// key. Most maps are of strings; these are filled without reflection, which is much faster.
func (p *prover) intoMap(s *shape, v reflect.Value) (put func(key string), element reflect.Value) {
	if texts, ok := v.Addr().Interface().(*map[string]string); ok {
		m := map[string]string{}
		*texts = m
		return func(key string) { m[key] = p.text }, reflect.ValueOf(&p.text).Elem()
	}
	v.Set(reflect.MakeMap(s.typ))
	k, element := reflect.New(s.typ.Key()).Elem(), reflect.New(s.typ.Elem()).Elem()
	return func(key string) {
		k.SetString(key)
		v.SetMapIndex(k, element)
	}, element
}

func (p *prover) list(s *shape, f *field, v reflect.Value) error {
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	v.Set(s.empty)
	before := p.path
	defer func() { p.path = before }()
	for n := 0; p.dec.PeekKind() != ']'; n++ {
		v.Grow(1)
		v.SetLen(n + 1)
		e := v.Index(n)
		e.SetZero()
		p.path = before.at(n)
		if err := p.value(s.element, nil, e); err != nil {
			return err
		}
		if p.isLost() { // an open list keeps its good elements alone: the next one takes this place
			n--
			v.SetLen(n + 1)
		}
	}
	p.path = before
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	return p.length(f, v.Len(), "elements")
}

// plain reads a string, a number, true or false.
func (p *prover) plain(s *shape, f *field, v reflect.Value) error {
	text, err := p.dec.ReadValue()
	if err != nil {
		return err
	}
	switch s.form {
	case formString:
		plain, err := p.string(text)
		if err != nil {
			return err
		}
		v.SetString(plain)
		return p.words(f, plain)
	case formBool:
		v.SetBool(text[0] == 't')
		return nil
	}
	return p.number(s, f, v, text)
}

// string is the content of a quoted string.
func (p *prover) string(quoted []byte) (string, error) {
	if s, ok := p.known.read(p.hashes.seed, quoted); ok {
		return s, nil
	}
	plain, err := p.unquoted(quoted)
	if err != nil {
		return "", err
	}
	return p.known.of(p.hashes.seed, plain), nil
}

// words checks a string against the vocabulary of its field, for Check alone, and its length.
func (p *prover) words(f *field, text string) error {
	if p.all && f != nil && len(f.words) > 0 && !slices.Contains(f.words, text) {
		if err := p.say(KindWord, "unknown word %.60q", text); err != nil {
			return err
		}
	}
	return p.length(f, len(text), "characters")
}

// time reads a time of RFC 3339. It has its own form because answers have many times, and the
// general way by own is slower.
func (p *prover) time(v reflect.Value) error {
	quoted, err := p.dec.ReadValue()
	if err != nil {
		return err
	}
	if err := v.Addr().Interface().(*time.Time).UnmarshalText(quoted[1 : len(quoted)-1]); err != nil {
		return p.say(KindType, "%.60s, expected a time", quoted)
	}
	return nil
}

// number reads a number of the Go type's size and checks its bounds. A fraction or an exponent
// in a whole number, such as 1.0 or 1e3, is another type.
func (p *prover) number(s *shape, f *field, v reflect.Value, text []byte) error {
	var err error
	var n float64
	switch s.form {
	case formInteger:
		var i int64
		i, err = strconv.ParseInt(string(text), 10, s.typ.Bits())
		v.SetInt(i)
		n = float64(i)
	case formCount:
		var u uint64
		u, err = strconv.ParseUint(string(text), 10, s.typ.Bits())
		v.SetUint(u)
		n = float64(u)
	default:
		n, err = strconv.ParseFloat(string(text), s.typ.Bits())
		v.SetFloat(n)
	}
	switch {
	case errors.Is(err, strconv.ErrRange):
		return p.say(KindBound, "%.30s, which is too large", text)
	case err != nil:
		return p.say(KindType, "%.30s, expected %s", text, expected[s.form])
	case f != nil && f.min != nil && n < *f.min:
		return p.say(KindBound, "%.30s, expected at least %v", text, *f.min)
	case f != nil && f.max != nil && n > *f.max:
		return p.say(KindBound, "%.30s, expected at most %v", text, *f.max)
	}
	return nil
}

// length checks the bounds of the length of a string (in bytes), a list or a map.
func (p *prover) length(f *field, n int, of string) error {
	switch {
	case f == nil:
		return nil
	case f.min != nil && float64(n) < *f.min:
		if n == 0 {
			return p.say(KindBound, "empty")
		}
		return p.say(KindBound, "%d %s, expected at least %v", n, of, *f.min)
	case f.max != nil && float64(n) > *f.max:
		return p.say(KindBound, "%d %s, expected at most %v", n, of, *f.max)
	}
	return nil
}

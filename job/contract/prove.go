package contract

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	v2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// prover decodes and proves a text in one pass.
type prover struct {
	dec     *jsontext.Decoder
	path    path
	all     bool // words and new members too
	open    bool // within what anybody may write
	lost    bool // the value that was read last is as good as absent
	found   func(Finding) (goOn bool)
	streams []Each
}

// errStop ends the pass: enough was found.
var errStop = errors.New("stop")

// again are the options for a text that was proven to be JSON already.
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

// at runs f one level below.
func (p *prover) at(below path, f func() error) error {
	before := p.path
	p.path = below
	err := f()
	p.path = before
	return err
}

// value reads a value; f is the member that it is, nil for an element.
func (p *prover) value(s *shape, f *field, v reflect.Value) error {
	kind := p.dec.PeekKind()
	if kind == 'n' {
		return p.null(s, f, v)
	}
	if want := s.form.kinds(); want != "" && kind != 0 && strings.IndexByte(want, byte(kind)) < 0 {
		if err := p.say(KindType, "%s, expected %s", typeOf(kind), expected[s.form]); err != nil {
			return err
		}
		return p.dec.SkipValue()
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

// kinds are the first bytes that a value of the form may have; none for any.
func (f form) kinds() string {
	switch f {
	case formObject, formMap:
		return "{"
	case formList:
		return "["
	case formString, formTime:
		return `"`
	case formBool:
		return "tf"
	case formInteger, formCount, formNumber:
		return "0"
	}
	return ""
}

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

// own reads what the type reads itself.
func (p *prover) own(s *shape, v reflect.Value) error {
	text, err := p.dec.ReadValue()
	if err != nil {
		return err
	}
	if s.typ == rawValue || s.typ == rawMessage {
		v.SetBytes(bytes.Clone(text))
		return nil
	}
	if c, ok := v.Addr().Interface().(Checker); ok && p.all {
		found := c.Check(text)
		if err := p.sayAll(found); err != nil || slices.ContainsFunc(found, Finding.Breaks) {
			return err
		}
	}
	err = v2.Unmarshal(text, v.Addr().Interface(), again)
	var known *Error
	var semantic *v2.SemanticError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known): // a contract within the type's own decoder
		return p.sayAll([]Finding{known.Finding})
	case errors.As(err, &semantic) && semantic.Err != nil:
		err = semantic.Err
	}
	return p.say(KindType, "%v", err)
}

// sayAll says what was found below the value that is read.
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
	var seen uint64
	for p.dec.PeekKind() != '}' {
		quoted, err := p.dec.ReadValue()
		if err != nil {
			return err
		}
		name := quoted[1 : len(quoted)-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			if name, err = jsontext.AppendUnquote(nil, quoted); err != nil {
				return err
			}
		}
		f, known := s.fieldOf(name)
		if f == nil {
			if err := p.unread(s, name); err != nil {
				return err
			}
			continue
		}
		if f.bit >= 0 {
			seen |= 1 << f.bit
		}
		if err := p.member(f, known, v); err != nil {
			return err
		}
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	for bit, name := range s.needed {
		if seen&(1<<bit) != 0 {
			continue
		}
		if err := p.at(p.path.member(name), func() error { return p.say(KindMissing, "missing") }); err != nil {
			return err
		}
	}
	if s.proves {
		return p.proven(v.Addr().Interface().(Prover))
	}
	return nil
}

// proven asks a Prover, and where everything is to be found an Inspector first.
func (p *prover) proven(v Prover) error {
	if i, ok := v.(Inspector); ok && p.all {
		found := i.Inspect()
		if err := p.sayAll(found); err != nil || slices.ContainsFunc(found, Finding.Breaks) {
			return err
		}
	}
	return p.claim(v.Prove())
}

// claim says what a Prover found.
func (p *prover) claim(err error) error {
	var known *Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &known):
		return p.say(KindBound, "%v", err)
	}
	return p.sayAll([]Finding{known.Finding})
}

// named is a field with its name.
type named struct {
	name string
	*field
}

// mostFew is how many fields are looked through.
const mostFew = 8

// fieldOf is the field for a member, and its name without a copy; nil where there is none.
func (s *shape) fieldOf(name []byte) (*field, string) {
	if s.few == nil {
		n := s.fields[string(name)]
		return n.field, n.name
	}
	for i := range s.few {
		if n := &s.few[i]; len(n.name) == len(name) && n.name == string(name) {
			return n.field, n.name
		}
	}
	return nil, ""
}

func (p *prover) member(f *field, name string, v reflect.Value) error {
	before, open := p.path, p.open
	p.path, p.open = before.member(name), open || f.open
	err := p.memberAt(f, name, v, len(before) == 0)
	p.path, p.open = before, open
	return err
}

func (p *prover) memberAt(f *field, name string, v reflect.Value, top bool) error {
	if top {
		for _, e := range p.streams {
			if e.member == name {
				return p.stream(f.shape, f, e)
			}
		}
	}
	at := v.FieldByIndex(f.index)
	err := p.value(f.shape, f, at)
	if p.isLost() {
		at.SetZero()
	}
	return err
}

// isLost reports, once, whether the value that was read is as good as absent.
func (p *prover) isLost() bool {
	lost := p.lost
	p.lost = false
	return lost
}

// unread skips a member that no field is for.
func (p *prover) unread(s *shape, name []byte) error {
	if p.all && !s.also[string(name)] && !s.also["*"] {
		kind := p.dec.PeekKind()
		err := p.at(p.path.member(string(name)), func() error { return p.say(KindNew, "new: %s", typeOf(kind)) })
		if err != nil {
			return err
		}
	}
	return p.dec.SkipValue()
}

// data reads an object whose keys are data.
func (p *prover) data(s *shape, f *field, v reflect.Value) error {
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	v.Set(reflect.MakeMap(s.typ))
	key, element := reflect.New(s.typ.Key()).Elem(), reflect.New(s.typ.Elem()).Elem()
	before := p.path
	defer func() { p.path = before }()
	for p.dec.PeekKind() != '}' {
		name, err := p.dec.ReadToken()
		if err != nil {
			return err
		}
		key.SetString(name.String())
		element.SetZero()
		p.path = before.key(key.String())
		if err := p.value(s.element, nil, element); err != nil {
			return err
		}
		if !p.isLost() {
			v.SetMapIndex(key, element)
		}
	}
	p.path = before
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	return p.length(f, v.Len(), "members")
}

func (p *prover) list(s *shape, f *field, v reflect.Value) error {
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	v.Set(reflect.MakeSlice(s.typ, 0, 0))
	before := p.path
	defer func() { p.path = before }()
	for n := 0; p.dec.PeekKind() != ']'; n++ {
		v.Grow(1)
		v.SetLen(n + 1)
		v.Index(n).SetZero()
		p.path = before.at(n)
		if err := p.value(s.element, nil, v.Index(n)); err != nil {
			return err
		}
		if p.isLost() {
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

// plain reads a string, a number or a truth.
func (p *prover) plain(s *shape, f *field, v reflect.Value) error {
	t, err := p.dec.ReadToken()
	if err != nil {
		return err
	}
	switch s.form {
	case formString:
		v.SetString(t.String())
		if p.all && f != nil && len(f.words) > 0 && !slices.Contains(f.words, v.String()) {
			if err := p.say(KindWord, "unknown word %.60q", v.String()); err != nil {
				return err
			}
		}
		return p.length(f, len(v.String()), "characters")
	case formBool:
		v.SetBool(t.Bool())
		return nil
	}
	return p.number(s, f, v, t.String())
}

// time reads a time, of which an answer has many.
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

func (p *prover) number(s *shape, f *field, v reflect.Value, text string) error {
	var err error
	var n float64
	switch s.form {
	case formInteger:
		var i int64
		i, err = strconv.ParseInt(text, 10, s.typ.Bits())
		v.SetInt(i)
		n = float64(i)
	case formCount:
		var u uint64
		u, err = strconv.ParseUint(text, 10, s.typ.Bits())
		v.SetUint(u)
		n = float64(u)
	default:
		n, err = strconv.ParseFloat(text, s.typ.Bits())
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

// length holds the bounds of a string, a list or a map.
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

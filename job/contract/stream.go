package contract

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Each takes the elements of one member, one at a time, so that an answer of any size needs
// only the memory of one element. Elements makes one.
type Each struct {
	member string
	typ    reflect.Type
	take   func(key string, v reflect.Value) error
}

// Elements calls take for each element of a member of the answer; "" is the answer itself.
// The member's type is []E or map[string]E, or has pointers to E. The elements are checked
// like those of any list or map; the member itself stays nil.
//
// take gets the key of an element of a map, and "" for one of a list; v is nil for a null. An
// error of take ends the reading and is returned as it is. When it was made by Differs or
// Outside, its path is relative to the element and gets the element's place before it.
func Elements[E any](member string, take func(key string, v *E) error) Each {
	return Each{
		member: member, typ: reflect.TypeFor[E](),
		take: func(key string, v reflect.Value) error { return take(key, v.Interface().(*E)) },
	}
}

// taken is an error of Each.take, to tell it from an error of reading.
type taken struct{ error }

// stream reads a list or a map, and gives each element away as soon as it is read.
func (p *prover) stream(s *shape, f *field, e Each) error {
	kind := p.dec.PeekKind()
	if (kind != '[' || s.form != formList) && (kind != '{' || s.form != formMap) {
		if kind == 'n' && f != nil && f.null {
			return p.skip()
		}
		if kind != 0 {
			return p.say(KindType, "%s, expected %s", typeOf(kind), expected[s.form])
		}
	}
	if s.element == nil || s.element.typ != e.typ {
		panic(fmt.Sprintf("contract: elements of %q are not %v", e.member, e.typ))
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	before := p.path
	defer func() { p.path = before }()
	n, keys := 0, p.hashes.open()
	for ; p.dec.PeekKind() != ']' && p.dec.PeekKind() != '}'; n++ {
		key := ""
		p.path = before.at(n)
		if s.form == formMap {
			name, err := p.newName(&keys)
			if err != nil {
				return err
			}
			key = string(name)
			p.path = before.key(key)
		}
		v := reflect.New(e.typ)
		if s.element.pointer {
			v = reflect.New(v.Type())
		}
		if err := p.value(s.element, nil, v.Elem()); err != nil {
			return err
		}
		if s.element.pointer {
			v = v.Elem()
		}
		if err := e.take(key, v); err != nil {
			return &taken{placed(err, p.path)}
		}
	}
	p.hashes.close(&keys)
	p.path = before
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	return p.length(f, n, "elements")
}

// placed puts the place of an element before the path of its error: "id" in builds[3] becomes
// "builds[3].id", and "." becomes "builds[3]".
func placed(err error, at path) error {
	var known *Error
	if errors.As(err, &known) && known.Source == "" {
		known.Path = strings.TrimSuffix(at.String()+"."+known.Path, "..")
	}
	return err
}

package contract

import (
	"bytes"
	"errors"
	"hash/maphash"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// plainly are the options by which texts are read: jsontext does not look for names
// that come twice, since the prover does. To find them jsontext keeps the text of every
// name of every open object in a table, those of values that nobody reads among them,
// which takes longer than all the rest of reading. A known member has a bit instead, and
// of another name its hash suffices.
var plainly = jsontext.AllowDuplicateNames(true)

// hashes are those of the names of the objects that are open, the innermost's last. The
// seed is a secret of the process, so that nobody can write two names of one hash; by
// chance it takes billions of names in one object.
type hashes struct {
	seed maphash.Seed
	all  []uint64
}

// mostFew is how many names are looked through, one after the other.
const mostFew = 64

// names are those of one object, as hashes.
type names struct {
	from int // in the hashes of all open objects
	many map[uint64]struct{}
}

func (h *hashes) open() names { return names{from: len(h.all)} }

func (h *hashes) close(n *names) { h.all = h.all[:n.from] }

// first adds a name, and reports whether the object did not have it.
func (h *hashes) first(n *names, name []byte) bool {
	hash := maphash.Bytes(h.seed, name)
	if n.many == nil {
		few := h.all[n.from:]
		if slices.Contains(few, hash) {
			return false
		}
		if len(few) < mostFew {
			h.all = append(h.all, hash)
			return true
		}
		n.many = make(map[uint64]struct{}, 2*mostFew)
		for _, before := range few {
			n.many[before] = struct{}{}
		}
	}
	before := len(n.many)
	n.many[hash] = struct{}{}
	return len(n.many) > before
}

// name reads the name of a member, as it is written. It is valid until the decoder is
// used again.
func (p *prover) name() (quoted []byte, err error) {
	quoted, err = p.dec.ReadValue()
	p.width = len(quoted)
	return quoted, err
}

// unquoted is what a string says; it is valid until the next one, or until the decoder is
// used again.
func (p *prover) unquoted(quoted []byte) ([]byte, error) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], nil
	}
	var err error
	p.said, err = jsontext.AppendUnquote(p.said[:0], quoted)
	return p.said, err
}

// newName is name for a member that no field is for, as it reads: it reports one that
// comes again.
func (p *prover) newName(n *names) ([]byte, error) {
	quoted, err := p.name()
	if err != nil {
		return nil, err
	}
	name, err := p.unquoted(quoted)
	if err == nil && !p.hashes.first(n, name) {
		err = p.twice()
	}
	return name, err
}

// twice is the error of the name that was read last, which the object has already.
func (p *prover) twice() error {
	return &jsontext.SyntacticError{
		ByteOffset: p.dec.InputOffset() - int64(p.width), JSONPointer: p.dec.StackPointer(),
		Err: jsontext.ErrDuplicateName,
	}
}

// distinct reports a name that comes twice within the value that was read last, which a
// type decodes itself.
func (p *prover) distinct(text jsontext.Value) error {
	if k := text.Kind(); k != '{' && k != '[' {
		return nil
	}
	outer := p.dec
	p.dec = jsontext.NewDecoder(bytes.NewBuffer(text), plainly)
	err := p.skip()
	p.dec = outer
	var at *jsontext.SyntacticError
	if errors.As(err, &at) {
		at.ByteOffset += outer.InputOffset() - int64(len(text))
		at.JSONPointer = outer.StackPointer() + at.JSONPointer
	}
	return err
}

// skip reads a value that nobody wants.
func (p *prover) skip() error {
	switch p.dec.PeekKind() {
	case '{':
		return p.skipObject()
	case '[':
		return p.skipList()
	}
	_, err := p.dec.ReadToken()
	return err
}

func (p *prover) skipObject() error {
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	n := p.hashes.open()
	for p.dec.PeekKind() != '}' {
		if _, err := p.newName(&n); err != nil {
			return err
		}
		if err := p.skip(); err != nil {
			return err
		}
	}
	p.hashes.close(&n)
	_, err := p.dec.ReadToken()
	return err
}

func (p *prover) skipList() error {
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	for p.dec.PeekKind() != ']' {
		if err := p.skip(); err != nil {
			return err
		}
	}
	_, err := p.dec.ReadToken()
	return err
}

package contract

import (
	"bytes"
	"errors"
	"hash/maphash"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// plainly are the options for reading: jsontext does not look for names that come twice,
// because the prover does that at a lower cost. jsontext keeps the text of every name of
// every open object in a table, even in values that are skipped, and this takes longer than
// all the rest of reading. The prover needs one bit for a member that the contract knows,
// and a hash for any other name.
var plainly = jsontext.AllowDuplicateNames(true)

// hashes are the hashes of the names of all open objects, those of the innermost one last.
// Two names with one hash would be taken for one name. The seed is random and secret, so
// nobody can construct such names; by chance it takes billions of names in one object, by the
// birthday bound of 2^32 for 64 bits.
type hashes struct {
	seed maphash.Seed
	all  []uint64
}

// mostFew is the maximum number of names of an object that are searched one by one; more are
// put into a map.
const mostFew = 64

// names are those of one object, as hashes.
type names struct {
	from int                 // the index of the object's first hash in hashes.all
	many map[uint64]struct{} // all of them, once there are more than mostFew; else nil
}

func (h *hashes) open() names { return names{from: len(h.all)} }

func (h *hashes) close(n *names) { h.all = h.all[:n.from] }

// first adds a name to an object, and reports whether it was not there yet.
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

// name reads the name of a member as it is written, with quotes and escapes. The slice is
// valid until the next use of the decoder.
func (p *prover) name() (quoted []byte, err error) {
	quoted, err = p.dec.ReadValue()
	p.width = len(quoted)
	return quoted, err
}

// unquoted is the content of a string, without quotes and escapes. The slice is valid until
// the next call, or the next use of the decoder.
func (p *prover) unquoted(quoted []byte) ([]byte, error) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], nil
	}
	var err error
	p.said, err = jsontext.AppendUnquote(p.said[:0], quoted)
	return p.said, err
}

// newName reads the name of a member for which there is no field, unquoted. A name that the
// object had before is an error.
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

// twice is the error for the name that was read last, which the object had before.
func (p *prover) twice() error {
	return &jsontext.SyntacticError{
		ByteOffset: p.dec.InputOffset() - int64(p.width), JSONPointer: p.dec.StackPointer(),
		Err: jsontext.ErrDuplicateName,
	}
}

// distinct looks for names that come twice in a value that a type decodes itself. The value
// was read last; offset and place of an error are corrected to those in the whole answer.
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

// skip reads a value that is not needed. It still looks for names that come twice.
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

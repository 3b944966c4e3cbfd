// Package damage damages recorded answers in every way that a service, a proxy, a network or a
// disk does, and checks what a reader makes of them. Start with [Case] and [Run].
//
// There are four outcomes. Caught: an error that names the source and the place. Harmless: the
// same result as without the damage. Undetectable: the case says why, for example because
// another valid answer of the service looks the same. Everything else is wrong: the result
// changed without an error.
package damage

import (
	"bytes"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Kind is a way to damage an answer.
type Kind string

// The ways. Those of a field are applied to every member and element of a text.
const (
	Removed    Kind = "removed"    // a member is absent
	Null       Kind = "null"       // a value is null
	Type       Kind = "type"       // a value of another JSON type
	Word       Kind = "word"       // a string that no vocabulary has
	Empty      Kind = "empty"      // a string, list or object without content
	Negative   Kind = "negative"   // a number below zero
	Huge       Kind = "huge"       // a number beyond every bound
	Fraction   Kind = "fraction"   // a whole number that is none
	Twice      Kind = "twice"      // a member that comes twice, with two values
	Dropped    Kind = "dropped"    // an element or a member of data that is gone
	Duplicated Kind = "duplicated" // an element that comes twice
	Reordered  Kind = "reordered"  // a list the other way round
	Cut        Kind = "cut"        // the text ends early
	Flipped    Kind = "flipped"    // one bit of one byte
	Other      Kind = "other"      // another answer of the same endpoint
	Instead    Kind = "instead"    // a page, an error's body, nothing
)

// Damage is a damaged text.
type Damage struct {
	Kind Kind
	Path string // "tasks[3].status.state", of the value; "." for the whole text
	What string // what stands there now, in short
	Text []byte
}

// String says what was done, and where.
func (d Damage) String() string {
	if d.What == "" {
		return fmt.Sprintf("%s %s", d.Kind, d.Path)
	}
	return fmt.Sprintf("%s %s: %s", d.Kind, d.Path, d.What)
}

// instead are answers that come in place of any other.
var instead = []string{
	"", " \n", "null", "{}", "[]", "0", `""`, "<!DOCTYPE html><html><body>Sign in</body></html>", `{"error":"try again later"}`,
	`{"error":{"code":502,"message":"bad gateway"}}`, `{"message":"Internal Server Error"}`, "\x1f\x8b\x08\x00torn", "\xef\xbb\xbf{}",
}

// All damages a text in every way. Of each way at each field, the places in lists
// left out, at most most are tried, spread over the text; the bytes that are cut
// and flipped are chosen by seed. A text that is not JSON is only cut, flipped and
// replaced.
func All(text []byte, most int, seed uint64) iter.Seq[Damage] {
	return func(yield func(Damage) bool) {
		root, _ := parse(text)
		tried := map[string][]planned{}
		var order []string
		root.each(func(n *node) {
			for _, d := range n.damages(text) {
				key := string(d.Kind) + " " + n.field() + " " + d.What
				if tried[key] == nil {
					order = append(order, key)
				}
				tried[key] = append(tried[key], d)
			}
		})
		for _, key := range order {
			for _, d := range spread(tried[key], most) {
				d.Text = d.make()
				if !yield(d.Damage) {
					return
				}
			}
		}
		for d := range bytewise(text, root, 20*most, seed) {
			if !yield(d) {
				return
			}
		}
		for _, other := range instead {
			if !yield(Damage{Kind: Instead, Path: ".", What: fmt.Sprintf("%.30q", other), Text: []byte(other)}) {
				return
			}
		}
	}
}

// planned is a damage whose text is made when it is its turn.
type planned struct {
	Damage
	make func() []byte
}

// spread are at most most of the list: the first, the last, and some between.
func spread(all []planned, most int) []planned {
	if len(all) <= most {
		return all
	}
	out := []planned{all[0]}
	for i := 1; i < most; i++ {
		out = append(out, all[i*(len(all)-1)/(most-1)])
	}
	return out
}

// bytewise cuts the text and flips bits of it.
func bytewise(text []byte, root *node, n int, seed uint64) iter.Seq[Damage] {
	return func(yield func(Damage) bool) {
		if len(text) == 0 {
			return
		}
		chance := rand.New(rand.NewPCG(seed, 17)) // #nosec G404 -- the same each time
		for i := range n {
			at := (i*len(text) + len(text)/2) / n
			if !yield(Damage{Kind: Cut, Path: root.at(at), What: fmt.Sprintf("at byte %d", at), Text: text[:at:at]}) {
				return
			}
		}
		for range 2 * n {
			at, bit := chance.IntN(len(text)), chance.IntN(8)
			flipped := bytes.Clone(text)
			flipped[at] ^= 1 << bit
			if !yield(Damage{
				Kind: Flipped, Path: root.at(at), What: fmt.Sprintf("bit %d of byte %d", bit, at), Text: flipped,
			}) {
				return
			}
		}
	}
}

// Scalar reports whether two texts differ in the value of one string or one number
// alone: whoever gets one of them cannot know that it was the other.
func Scalar(a, b []byte) bool {
	x, errX := parse(a)
	y, errY := parse(b)
	if errX != nil || errY != nil {
		return false
	}
	n := 0
	return x.differs(y, a, b, &n) && n == 1
}

// node is a value of a text.
type node struct {
	kind       jsontext.Kind
	start, end int // of the value
	name       string
	member     int // where the member begins, with its name; start for an element
	index      int // in its parent
	parent     *node
	children   []*node
}

// parse finds the values of a text. What is no JSON has no children.
func parse(text []byte) (*node, error) {
	lax := []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
	dec := jsontext.NewDecoder(bytes.NewReader(text), lax...)
	root := &node{end: len(text)}
	if err := root.read(dec, text); err != nil {
		return &node{end: len(text)}, err
	}
	return root, nil
}

func (n *node) read(dec *jsontext.Decoder, text []byte) error {
	n.kind = dec.PeekKind()
	if n.kind != '{' && n.kind != '[' {
		raw, err := dec.ReadValue()
		n.end = int(dec.InputOffset())
		n.start = n.end - len(raw)
		return err
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	n.start = int(dec.InputOffset()) - 1
	for dec.PeekKind() != '}' && dec.PeekKind() != ']' {
		c := &node{parent: n, index: len(n.children)}
		if n.kind == '{' {
			raw, err := dec.ReadValue()
			if err != nil {
				return err
			}
			c.member = int(dec.InputOffset()) - len(raw)
			name, err := jsontext.AppendUnquote(nil, raw)
			if err != nil {
				return err
			}
			c.name = string(name)
		}
		if err := c.read(dec, text); err != nil {
			return err
		}
		if n.kind == '[' {
			c.member = c.start
		}
		n.children = append(n.children, c)
	}
	_, err := dec.ReadToken()
	n.end = int(dec.InputOffset())
	return err
}

func (n *node) each(f func(*node)) {
	f(n)
	for _, c := range n.children {
		c.each(f)
	}
}

// differs compares two texts, counting strings and numbers that differ; false when
// anything else does.
func (n *node) differs(o *node, a, b []byte, count *int) bool {
	if n.kind != o.kind || n.name != o.name || len(n.children) != len(o.children) {
		return false
	}
	if n.kind != '{' && n.kind != '[' && !bytes.Equal(a[n.start:n.end], b[o.start:o.end]) {
		*count++
		return n.kind == '"' || n.kind == '0'
	}
	for i, c := range n.children {
		if !c.differs(o.children[i], a, b, count) {
			return false
		}
	}
	return true
}

// at is the path of the innermost value at a byte.
func (n *node) at(offset int) string {
	i := slices.IndexFunc(n.children, func(c *node) bool { return c.member <= offset && offset < c.end })
	if i < 0 {
		return n.path()
	}
	return n.children[i].at(offset)
}

package damage

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// path is where the value stands: "tasks[3].status".
func (n *node) path() string { return n.write(func(i int) string { return strconv.Itoa(i) }) }

// field is the path without places.
func (n *node) field() string { return n.write(func(int) string { return "" }) }

func (n *node) write(place func(int) string) string {
	var parts []string
	for ; n.parent != nil; n = n.parent {
		if n.parent.kind == '[' {
			parts = append(parts, "["+place(n.index)+"]")
		} else {
			parts = append(parts, "."+n.name)
		}
	}
	if len(parts) == 0 {
		return "."
	}
	var b strings.Builder
	for i := len(parts) - 1; i >= 0; i-- {
		b.WriteString(parts[i])
	}
	return strings.TrimPrefix(b.String(), ".")
}

// others are values of each JSON type.
var others = map[string]string{"t": "true", `"`: `"damaged"`, "0": "7", "[": "[]", "{": "{}"}

// damages are the text with this value, and what it is in, damaged.
func (n *node) damages(text []byte) []planned {
	var out []planned
	add := func(kind Kind, what string, damaged func() []byte) {
		out = append(out, planned{Damage{Kind: kind, Path: n.path(), What: what}, damaged})
	}
	if n.parent != nil {
		n.asMember(text, add)
		if n.kind != 'n' {
			add(Null, "", n.replaced(text, "null"))
		}
		for kind, value := range sorted(others) {
			if own := string(rune(n.kind)); kind != own && (kind != "t" || own != "f") {
				add(Type, value, n.replaced(text, value))
			}
		}
	}
	switch n.kind {
	case '"':
		add(Word, "", n.replaced(text, `"damaged"`))
		if n.end-n.start > 2 {
			add(Empty, "", n.replaced(text, `""`))
		}
	case '0':
		add(Negative, "", n.replaced(text, "-1"))
		add(Huge, "1e18", n.replaced(text, "1000000000000000000"))
		add(Huge, "1e30", n.replaced(text, "1000000000000000000000000000000"))
		add(Fraction, "", n.replaced(text, "1.5"))
	case 't', 'f':
		// The other truth is a value that nobody can know to be damaged.
	case '[', '{':
		n.asContainer(text, add)
	}
	return out
}

// asMember damages the value's place in its parent.
func (n *node) asMember(text []byte, add func(Kind, string, func() []byte)) {
	if n.parent.kind == '[' {
		add(Dropped, "", n.parent.without(text, n.index))
		add(Duplicated, "", splice(text, n.end, n.end, ","+string(text[n.member:n.end])))
		return
	}
	add(Removed, "", n.parent.without(text, n.index))
	add(Twice, "", splice(text, n.end, n.end, ","+strconv.Quote(n.name)+":7"))
}

// asContainer damages a list or an object as a whole.
func (n *node) asContainer(text []byte, add func(Kind, string, func() []byte)) {
	if len(n.children) == 0 {
		return
	}
	open, end := string(text[n.start]), string(text[n.end-1])
	if n.parent != nil {
		add(Empty, "", n.replaced(text, open+end))
	}
	if n.kind == '[' && len(n.children) > 1 {
		var parts []string
		for i := len(n.children) - 1; i >= 0; i-- {
			c := n.children[i]
			parts = append(parts, string(text[c.member:c.end]))
		}
		add(Reordered, "", n.replaced(text, open+strings.Join(parts, ",")+end))
	}
}

// without is the text without a child of the value.
func (n *node) without(text []byte, index int) func() []byte {
	return func() []byte {
		var parts [][]byte
		for i, c := range n.children {
			if i != index {
				parts = append(parts, text[c.member:c.end])
			}
		}
		value := string(text[n.start]) + string(bytes.Join(parts, []byte(","))) + string(text[n.end-1])
		return n.replaced(text, value)()
	}
}

func (n *node) replaced(text []byte, value string) func() []byte {
	return splice(text, n.start, n.end, value)
}

func splice(text []byte, from, to int, value string) func() []byte {
	return func() []byte {
		return fmt.Appendf(make([]byte, 0, len(text)+len(value)), "%s%s%s", text[:from], value, text[to:])
	}
}

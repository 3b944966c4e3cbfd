package contract

import (
	"strconv"
	"strings"

	"github.com/mozci/mozci/internal/clip"
)

// path is the place of a value, one step for each level. It becomes a text only when there is
// something to report, which keeps reading fast.
type path []step

type step struct {
	name  string
	index int  // in a list, where name is empty
	data  bool // the key of a map: it is data and not a member's name
}

func (p path) member(name string) path { return append(p, step{name: name}) }
func (p path) at(index int) path       { return append(p, step{index: index}) }
func (p path) key(name string) path    { return append(p, step{name: name, data: true}) }

// String writes the path: "tasks[3].status", `pushes["20"].user`; "." for none.
func (p path) String() string {
	if len(p) == 0 {
		return "."
	}
	var b strings.Builder
	for i, s := range p {
		switch {
		case s.data:
			b.WriteString("[" + clipped(s.name) + "]")
		case s.name == "":
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		case i > 0:
			b.WriteString("." + s.name)
		default:
			b.WriteString(s.name)
		}
	}
	return b.String()
}

// clipped is a key of a map in the form that a path shows: a number as it is, anything else
// quoted, and cut to 60 bytes.
func clipped(key string) string {
	if key != "" && strings.Trim(key, "0123456789") == "" && len(key) <= 20 {
		return key
	}
	return strconv.QuoteToASCII(clip.Marked(key, 60))
}

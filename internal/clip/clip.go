// Package clip shortens texts from outside, since anybody can write texts of any length into
// a log, an answer or a flag.
package clip

import "strings"

// Text is a copy of the first most bytes of s, without a character that is cut in half. It
// is always a copy, so that a short piece does not keep a long log in memory.
func Text(s string, most int) string {
	if len(s) <= most {
		return strings.Clone(s)
	}
	return strings.Clone(strings.ToValidUTF8(s[:most], ""))
}

// Marked is Text for people: it ends in … when something was cut off.
func Marked(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return Text(s, most) + "…"
}

// Package clip keeps texts from outside short: anybody can write what they like
// into a log, an answer or a flag.
package clip

import "strings"

// Text is a copy of the first most bytes of s, without half a character at their
// end; it does not keep a longer s alive.
func Text(s string, most int) string {
	if len(s) <= most {
		return strings.Clone(s)
	}
	return strings.Clone(strings.ToValidUTF8(s[:most], ""))
}

// Marked is Text for people: where something was cut off, … stands for it.
func Marked(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return Text(s, most) + "…"
}

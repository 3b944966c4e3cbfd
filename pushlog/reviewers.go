package pushlog

import (
	"slices"
	"strings"
)

// Reviewing says how reviewers are named in a message.
type Reviewing int

// The ways of naming reviewers.
const (
	AllReviewers Reviewing = iota // r=, r?, a=, sr=, rs=, ui-r=, and with ?
	Granted                       // r= only
	Requested                     // r? only
)

// specifiers come before a list of reviewers.
var specifiers = map[Reviewing][]string{
	AllReviewers: {"ui-r=", "ui-r?", "sr=", "sr?", "rs=", "rs?", "r=", "r?", "a=", "a?"},
	Granted:      {"r="},
	Requested:    {"r?"},
}

// ParseReviewers returns the people whom a message names as reviewers, in order:
// "r=one,two" or "(r?one)". A specifier stands at the beginning or after a space
// or one of ( [ . ; and comma.
func ParseReviewers(desc string, which Reviewing) []string {
	out := []string{}
	for i := range len(desc) {
		if i > 0 && !strings.ContainsRune(" \t\r\n([.;,", rune(desc[i-1])) {
			continue
		}
		for _, s := range specifiers[which] {
			if strings.HasPrefix(desc[i:], s) {
				for _, name := range nickList(desc[i+len(s):]) {
					if !slices.Contains(out, name) {
						out = append(out, name)
					}
				}
				break
			}
		}
	}
	return out
}

// nickList reads names with one of ; , / \ and spaces between them. What is
// followed by = or ? is not a name but the next specifier.
func nickList(s string) []string {
	name := nick(s)
	if name == "" {
		return nil
	}
	out := []string{name}
	for s = s[len(name):]; s != "" && strings.ContainsRune(`;,/\`, rune(s[0])); s = s[len(name):] {
		s = strings.TrimLeft(s[1:], " \t\r\n")
		name = nick(s)
		if rest := s[len(name):]; name == "" || rest != "" && (rest[0] == '=' || rest[0] == '?') {
			break
		}
		out = append(out, name)
	}
	return out
}

// nick is the longest name that s begins with; it does not end in a point.
func nick(s string) string {
	end := 0
	for i := range len(s) {
		b := s[i]
		if digit(b) || b == '-' || b == '_' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' {
			end = i + 1
		} else if b != '.' {
			break
		}
	}
	return s[:end]
}

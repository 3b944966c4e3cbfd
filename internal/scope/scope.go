// Package scope compares scopes, the words by which Taskcluster says who may do what:
// a scope that ends in * stands for all that begin with what is before it.
package scope

import "strings"

// All is the scope that satisfies every other.
const All = "*"

// Satisfies reports whether somebody with the scopes have may do what needs the scope
// need: it is among them, or one of them is a prefix of it that ends in *. A need that
// ends in * itself is one for everything that begins so. Roles ("assume:…") count as
// what they are: what is in them is for the deployment to say.
func Satisfies(have []string, need string) bool {
	for _, h := range have {
		if h == need {
			return true
		}
		if prefix, ok := strings.CutSuffix(h, All); ok && strings.HasPrefix(need, prefix) {
			return true
		}
	}
	return false
}

// Missing are the scopes that somebody with the scopes have lacks, in the order of need;
// none when nothing is missing. Of each group of need one scope suffices, and a group of
// which none is there is told by its first, the usual one. An empty group is one that
// nobody satisfies, and cannot be told: it is "*".
func Missing(have []string, need [][]string) []string {
	var out []string
	for _, any := range need {
		if !satisfiesOne(have, any) {
			out = append(out, append(any[:len(any):len(any)], All)[0])
		}
	}
	return out
}

func satisfiesOne(have, any []string) bool {
	for _, n := range any {
		if Satisfies(have, n) {
			return true
		}
	}
	return len(any) == 0 && Satisfies(have, All)
}

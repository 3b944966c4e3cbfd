// Package scope compares Taskcluster's scopes. A scope is a word for something that a caller
// may do, such as queue:cancel-task:gecko-level-1/*. One that ends in * stands for all scopes
// that begin with the text before it.
//
// Start with [Satisfies] for one scope, or [Missing] for groups of them.
package scope

import "strings"

// All is the scope that satisfies every other.
const All = "*"

// Satisfies reports whether a caller with the scopes have may do what needs the scope need:
// have contains it, or a scope that ends in * and covers it. "a:*" satisfies "a:b" and "a:*",
// but "a:b" does not satisfy "a:*". Roles ("assume:…") are compared as they are; only the
// deployment knows which scopes a role has.
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

// Missing returns the scopes that a caller with the scopes have lacks, in the order of need;
// none when nothing is missing. One scope of each group is enough. A group that is not
// satisfied is reported by its first scope, the usual one. An empty group is satisfied only
// by "*", and reported as "*".
//
// For example, with have {"a"} and need {{"a", "b"}, {"c", "d"}} the result is {"c"}.
func Missing(have []string, need [][]string) []string {
	var out []string
	for _, group := range need {
		if !satisfiesOne(have, group) {
			out = append(out, append(group[:len(group):len(group)], All)[0])
		}
	}
	return out
}

func satisfiesOne(have, group []string) bool {
	for _, n := range group {
		if Satisfies(have, n) {
			return true
		}
	}
	return len(group) == 0 && Satisfies(have, All)
}

package pushlog

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Undoing is what a commit message says that it undoes.
type Undoing struct {
	Nodes []string // 12 to 40 digits each, in the order of the message
	Bugs  []int
}

// The parts of a message that backs something out, each matched where the reader stands.
// "Backed out changesets 0123456789ab, abcdef012345 and …" is read as backOutWords
// ("Backed out "), backOutFill ("changesets "), nodeHere, nodeBetween (", "), nodeHere and
// so on. In "Backed out 3 changesets (bug 1)" backOutCount matches after backOutWords.
//
// revertsLine matches a whole line of git's, with all its hashes in one group; hashes then
// finds each of them.
var (
	backOutWords = regexp.MustCompile(`(?i)^(?:back(?:ed|ing|s)?[\s-]*out|revert(?:ed|ing|s)?)\b[:\s]*`)
	backOutFill  = regexp.MustCompile(
		`(?i)^(?:(?:of|hg|the|all|revisions?|revs?|changesets?|csets?|commits?)\b[:\s]*)+`)
	backOutCount = regexp.MustCompile(`(?i)^(\d{1,4})\s+(?:changesets?|csets?|revisions?|revs?|commits?)\b`)
	nodeHere     = regexp.MustCompile(`(?i)^([0-9a-f]{12,40})\b`)
	nodeBetween  = regexp.MustCompile(`(?i)^(?:\s|,|&|\band\b)+`)
	revertsLine  = regexp.MustCompile(
		`(?im)^[ \t]*This reverts commits?[:\s]+([0-9a-f]{12,40}\b(?:(?:\s|,|&|\band\b)+[0-9a-f]{12,40}\b)*)`)
	hashes = regexp.MustCompile(`(?i)[0-9a-f]{12,40}`)
)

// parseBackout reads a message that backs out changesets, in the forms that sheriffs use:
// "Backed out changeset X (bug N) for …", "Backed out changesets X, Y and Z", or "Backed
// out 3 changesets (bug N)" followed by a line for each of them. It returns false for every
// other message. With strict, it also returns false when the number in the first line is
// not the number of changesets that follow.
func parseBackout(desc string, strict bool) (Undoing, bool) {
	first, rest, _ := strings.Cut(desc, "\n")
	nodes, count, ok := backOutLine(first)
	if !ok {
		return Undoing{}, false
	}
	if count >= 0 {
		for line := range strings.Lines(rest) {
			more, n, ok := backOutLine(strings.TrimSpace(line))
			if ok && n < 0 {
				nodes = append(nodes, more...)
			}
		}
		if strict && len(nodes) != count {
			return Undoing{}, false
		}
	}
	return Undoing{nodes, parseBugs(first, true)}, true
}

// backOutLine reads one line. It returns the changesets that the line names, with count
// -1, or no changesets and the count that the line announces.
//
//	"Backed out changeset 0123456789AB (bug 1)"     0123456789ab; -1
//	"Backed out 3 changesets (bug 1) for failures"  none; 3
//	"Backed out the feature"                        false
func backOutLine(line string) (nodes []string, count int, ok bool) {
	words := backOutWords.FindString(line)
	if words == "" {
		return nil, 0, false
	}
	rest := line[len(words):]
	rest = rest[len(backOutFill.FindString(rest)):]
	if m := backOutCount.FindStringSubmatch(rest); m != nil {
		n, err := strconv.Atoi(m[1])
		return nil, n, err == nil
	}
	for {
		node := nodeHere.FindString(rest)
		if node == "" {
			return nodes, -1, len(nodes) > 0
		}
		nodes = append(nodes, strings.ToLower(node))
		rest = rest[len(node):]
		rest = rest[len(nodeBetween.FindString(rest)):]
		rest = rest[len(backOutFill.FindString(rest)):]
	}
}

// parseRevert reads a message that git made to revert commits. It has lines such as "This
// reverts commit X.", with one hash or several. Only these lines count: the title can be
// Revert "…", Reapply "…" for the revert of a revert, or a person's own words. In the
// message for a reverted merge, "reversing changes made to Y" names the commit to return
// to, which is not reverted. The hashes are git's.
func parseRevert(desc string) (Undoing, bool) {
	var u Undoing
	for _, m := range revertsLine.FindAllStringSubmatch(desc, -1) {
		for _, n := range hashes.FindAllString(m[1], -1) {
			if n = strings.ToLower(n); !slices.Contains(u.Nodes, n) {
				u.Nodes = append(u.Nodes, n)
			}
		}
	}
	for line := range strings.Lines(desc) {
		if strings.HasPrefix(line, "Revert ") {
			for _, b := range parseBugs(line, true) {
				if !slices.Contains(u.Bugs, b) {
					u.Bugs = append(u.Bugs, b)
				}
			}
		}
	}
	if len(u.Nodes) == 0 {
		return Undoing{}, false
	}
	return u, true
}

// Undoes returns what a commit message undoes, and whether it undoes anything. It reads
// both forms: "Backed out changeset X" of sheriffs, whose hashes are hg's, and "This
// reverts commit Y" of git. A message can have both, and the result then has the hashes of
// both.
func Undoes(desc string) (Undoing, bool) {
	u, reverts := parseRevert(desc)
	b, backs := parseBackout(desc, false)
	for _, n := range b.Nodes {
		if !slices.Contains(u.Nodes, n) {
			u.Nodes = append(u.Nodes, n)
		}
	}
	for _, n := range b.Bugs {
		if !slices.Contains(u.Bugs, n) {
			u.Bugs = append(u.Bugs, n)
		}
	}
	return u, reverts || backs
}

// parseBugs returns the bug numbers of a message, each once, in order. A number counts
// after "bug" or "b=", at the beginning, and anywhere when it has five digits or more and
// stands alone. Conservatively it counts after "bug" or "b=" alone; messages from GitHub
// are always read so, because other numbers there are pull requests.
//
//	Bug 123 - fix        123 in both
//	1234567: fix         1234567, conservatively no number
//	fix 1234567 again    1234567, conservatively no number
//	fix 12 of 34         no number in both
func parseBugs(desc string, conservative bool) []int {
	conservative = conservative || strings.Contains(desc, "Source-Repo: https://github.com/")
	out := []int{}
	for i := 0; i < len(desc); i++ {
		if !digit(desc[i]) {
			continue
		}
		start := i
		for i < len(desc) && digit(desc[i]) {
			i++
		}
		if i < len(desc) && wordByte(desc[i]) || !bugAt(desc, start, i, conservative) {
			continue
		}
		if n, err := strconv.Atoi(desc[start:i]); err == nil && n < 1e8 && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// bugAt reports whether the digits at desc[start:end] name a bug. Conservatively "bug"
// must be a word of its own with a space after it: not "debug 1", not "bug1".
func bugAt(desc string, start, end int, conservative bool) bool {
	before := desc[:start]
	if conservative {
		words := strings.TrimRight(before, " \t\n\r")
		lower := strings.ToLower(words)
		switch {
		case strings.HasSuffix(lower, "bug"):
			return len(words) < len(before) && !endsInWord(words[:len(words)-3])
		case strings.HasSuffix(lower, "b="):
			return !endsInWord(words[:len(words)-2])
		}
		return false
	}
	lower := strings.ToLower(strings.TrimRight(strings.TrimSuffix(before, "#"), " \t\n\r"))
	switch {
	case strings.HasSuffix(lower, "bug"), strings.HasSuffix(lower, "b="), start == 0:
		return true
	}
	// Five digits or more that stand alone. The number of a pull request does not count.
	return end-start >= 5 && !endsInWord(before) && !strings.HasSuffix(lower, "pull request")
}

func endsInWord(s string) bool { return s != "" && wordByte(s[len(s)-1]) }

func digit(b byte) bool { return b >= '0' && b <= '9' }

func wordByte(b byte) bool {
	return digit(b) || b == '_' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= 0x80
}

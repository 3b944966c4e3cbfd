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

// backOutWords begin a message that backs something out; the words that may
// come between them and the nodes are left to the reader of the rest.
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

// parseBackout reads a message that backs out changesets, by the grammar that
// sheriffs use: "Backed out changeset X (bug N) for …", "Backed out changesets X,
// Y and Z", or "Backed out 3 changesets (bug N)" with a line for each below it.
// It is false for every other message. With strict, a message whose number of
// lines is not the number that it says is false too.
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

// backOutLine reads one line: its nodes, or how many it announces (-1 when it
// names them itself).
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

// parseRevert reads a message that git made to revert commits: lines begin with
// "This reverts commit X.", or name several. The title is what people make of it:
// Revert "…", Reapply "…" where it reverts a revert, or their own. What a
// reverted merge goes back to ("reversing changes made to Y") is not reverted.
// Nodes are git's.
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

// Undoes returns what a message undoes, in either grammar. A message in both
// names in all what they do: hashes of git, and of hg.
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

// parseBugs returns the bug numbers of a message, each once, in order. A number
// counts after "bug" or "b=", at the beginning, and when it has five digits or
// more and stands alone; conservatively, and in messages that come from GitHub,
// where numbers name pull requests, only after "bug".
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

// bugAt reports whether the digits at desc[start:end] name a bug.
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
	// Five digits that stand alone; a pull request's number does not.
	return end-start >= 5 && !endsInWord(before) && !strings.HasSuffix(lower, "pull request")
}

func endsInWord(s string) bool { return s != "" && wordByte(s[len(s)-1]) }

func digit(b byte) bool { return b >= '0' && b <= '9' }

func wordByte(b byte) bool {
	return digit(b) || b == '_' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= 0x80
}

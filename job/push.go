package job

import (
	"fmt"
	"strings"
	"time"
)

// Push is one delivery of changesets to a repository: a value.
type Push struct {
	Repo       string      // short name, such as "autoland"
	ID         int64       // order key within Repo, larger is newer; not an index: ids have holes
	Revision   string      // the tip, as full as the source gives it (12 to 40 digits); empty when no changesets are left
	Changesets []Changeset // oldest first, tip last; may be empty, and sources may cap it
	User       string
	Time       time.Time // when it was pushed, UTC; need not be monotonic in ID
}

// Changeset is one commit of a push. Only Node is sure; the rest is there when
// Range.Full asked for it.
type Changeset struct {
	Node        string
	Author      string
	Description string
	Parents     []string // one, two for a merge; none for a root
}

// Testable reports whether jobs can run on the push at all: a push that has no
// changesets left has no revision to build.
func (p Push) Testable() bool { return p.Revision != "" }

// Short is the revision's first 12 digits, the length that Mozilla's tools
// show, or "-" for a push without one.
func (p Push) Short() string {
	switch {
	case p.Revision == "":
		return "-"
	case len(p.Revision) > shortRevision:
		return p.Revision[:shortRevision]
	}
	return p.Revision
}

// String is the repository, id and short revision: "autoland 17 a1c0…".
func (p Push) String() string { return fmt.Sprintf("%s %d %s", p.Repo, p.ID, p.Short()) }

// Contains reports whether rev, of 12 digits or more, is the tip of the push
// or one of its changesets.
func (p Push) Contains(rev string) bool {
	if SameRevision(p.Revision, rev) {
		return true
	}
	for _, c := range p.Changesets {
		if SameRevision(c.Node, rev) {
			return true
		}
	}
	return false
}

const (
	shortRevision = 12 // the shortest prefix that names a revision
	fullRevision  = 40 // a SHA-1 in hexadecimal
	tip           = "tip"
)

// SameRevision reports whether two revisions can be the same. Hashes of 12 to 40
// digits are when one is a prefix of the other; all else, such as Subversion's
// numbers, when they are equal.
func SameRevision(a, b string) bool {
	if a == b {
		return a != ""
	}
	if len(a) < shortRevision || len(b) < shortRevision {
		return false
	}
	n := min(len(a), len(b))
	return strings.EqualFold(a[:n], b[:n])
}

// ParseRevision returns rev in lower case if it is 12 to 40 hexadecimal digits
// or "tip", and an error that wraps ErrInvalid and says what is wrong
// otherwise.
func ParseRevision(rev string) (string, error) {
	if rev == tip {
		return rev, nil
	}
	rev = strings.ToLower(rev)
	if i := strings.IndexFunc(rev, notHex); i >= 0 {
		return "", fmt.Errorf("%w: revision %q: %q at position %d is not a hexadecimal digit", ErrInvalid, clip(rev), rev[i], i+1)
	}
	if len(rev) < shortRevision || len(rev) > fullRevision {
		return "", fmt.Errorf("%w: revision %q has %d digits, expected 12 to 40, or \"tip\"", ErrInvalid, clip(rev), len(rev))
	}
	return rev, nil
}

func notHex(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'f') }

// clip keeps an error short when somebody passes a whole file as a revision.
func clip(s string) string {
	const most = 60
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

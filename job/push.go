package job

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Push is one delivery of changesets to a repository: a value.
//
// Pushes of one repository are ordered by Order, then by ID: see [Push.Compare].
// Revision, Git and Hg name the same tip. Pushes of different sources are matched
// by these hashes and by nothing else: an ID has a meaning in its own source alone.
type Push struct {
	Repo   string // short name, such as "autoland"
	ID     int64  // names the push in its source; not an index: ids have gaps
	Order  int64  // compared before ID; 0 where the ids grow with every push
	Branch string // the branch it is on, where the source lists pushes of several; else empty
	// the tip, with as many digits as the source gives (12 to 40); empty when no changesets are left
	Revision   string
	Git        string      // the tip's hash in git, where the source knows one beside Revision; else empty
	Hg         string      // the tip's hash in hg, where the source knows one beside Revision; else empty
	Changesets []Changeset // oldest first, tip last; may be empty or incomplete: sources cap it
	User       string
	Time       time.Time // when it was pushed, UTC; need not grow with ID
}

// Changeset is one commit of a push. Only Node is certain; the other fields are
// set when Range.Full requested them.
type Changeset struct {
	Node        string
	Git         string // its hash in git, where the source knows one beside Node; else empty
	Author      string
	Description string
	Parents     []string // one, two for a merge; none for a root
}

// Compare orders two pushes of one repository: negative where p is older than
// q, positive where it is newer, 0 where they are the same push. A Repository
// gives pushes in this order. Most have ids that grow with every push;
// Treeherder can hear of a push late, and orders by time.
func (p Push) Compare(q Push) int {
	return cmp.Or(cmp.Compare(p.Order, q.Order), cmp.Compare(p.ID, q.ID))
}

// Hashes are the known hashes of the push's tip, Revision first, each once. A source
// that matches pushes by revision tries each of them. A push without a revision has
// none.
func (p Push) Hashes() []string {
	var out []string
	for _, h := range []string{p.Revision, p.Hg, p.Git} {
		if h != "" && p.Revision != "" && !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	return out
}

// Twin is the tip's other hash, the one that is not Revision, and its system, "git" or
// "hg". Both are empty where it is not known.
func (p Push) Twin() (system, hash string) {
	switch {
	case p.Git != "" && !SameRevision(p.Git, p.Revision):
		return "git", p.Git
	case p.Hg != "" && !SameRevision(p.Hg, p.Revision):
		return "hg", p.Hg
	}
	return "", ""
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
// or one of its changesets, by a hash of hg or of git.
func (p Push) Contains(rev string) bool {
	same := func(h string) bool { return SameRevision(h, rev) }
	return same(p.Revision) || same(p.Hg) || same(p.Git) ||
		slices.ContainsFunc(p.Changesets, func(c Changeset) bool { return same(c.Node) || same(c.Git) })
}

const (
	shortRevision = 12 // the shortest prefix that names a revision
	fullRevision  = 40 // a SHA-1 in hexadecimal
	tip           = "tip"
)

// SameRevision reports whether two texts can name the same revision. Hashes of 12
// to 40 digits can when one is a prefix of the other, in any case. Shorter texts, such
// as Subversion's numbers, must be equal. Two empty texts name nothing.
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
		return "", fmt.Errorf("%w: revision %.60q: %q at position %d is not a hexadecimal digit", ErrInvalid, rev,
			rev[i], i+1)
	}
	if len(rev) < shortRevision || len(rev) > fullRevision {
		return "", fmt.Errorf("%w: revision %.60q has %d digits, expected 12 to 40, or \"tip\"", ErrInvalid, rev,
			len(rev))
	}
	return rev, nil
}

func notHex(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'f') }

package job

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// LineChecker is a Repository that knows whether its pushes are a line. In a line
// each push contains the one before it, so the push that broke something is between
// a good push and a bad one. A source implements it when it knows more than the
// repository's name tells.
type LineChecker interface {
	// Line returns nil where the pushes are a line, and an error that wraps ErrNoLine,
	// with the reason, where they are not. Any other error means that it could not
	// find out.
	Line(ctx context.Context) error
}

// Line asks r whether its pushes are a line, and goes by the repository's name
// where r cannot tell. Every algorithm over a range of pushes calls it first: on
// try a push is one person's own work on top of any base, and the push before it
// is another person's.
func Line(ctx context.Context, r Repository) error {
	if l, ok := r.(LineChecker); ok {
		return l.Line(ctx)
	}
	return Wrap("line", r.Name(), LineByName(r.Name()))
}

// apart are the parts of names of repositories whose pushes stand alone: try
// (try-comm-central, nss-try, gaia-try), pull requests (enterprise-firefox-pr).
var apart = map[string]string{
	"try":   "every push stands alone, on a base of its own",
	"pr":    "every push is a pull request's, on a base of its own",
	"prs":   "every push is a pull request's, on a base of its own",
	"pull":  "every push is a pull request's, on a base of its own",
	"pulls": "every push is a pull request's, on a base of its own",
}

// LineByName returns an error that wraps ErrNoLine when the name shows that the pushes
// are no line, and nil for every other name. It looks at the last part of a path, cut
// at hyphens, underscores and dots, for "try" or a word for pull requests: "try",
// "try-comm-central" and "a/gaia-try" have no line, "retry-tools" may have one.
func LineByName(name string) error {
	short := strings.ToLower(name[strings.LastIndex(name, "/")+1:])
	parts := strings.FieldsFunc(short, func(r rune) bool { return r == '-' || r == '_' || r == '.' })
	i := slices.IndexFunc(parts, func(p string) bool { return apart[p] != "" })
	if i < 0 {
		return nil
	}
	return NoLine(name, apart[parts[i]])
}

// NoLine is the error of a repository whose pushes are no line, with the reason
// and what to do.
func NoLine(name, why string) error {
	return fmt.Errorf("%s has %w: %s, so the push before a bad one says nothing about it; look at one push of %s, or "+
		"search on the repository that the work is based on", name, ErrNoLine, why, name)
}

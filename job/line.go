package job

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// LineChecker is a Repository that knows whether its pushes are a line: each has
// what the one before it had, so that the push which broke something is between
// a good one and a bad one. A source that knows more than the name tells is one.
type LineChecker interface {
	// Line is nil where the pushes are a line. Otherwise it wraps ErrNoLine and
	// says why; other errors say that it could not be found out.
	Line(ctx context.Context) error
}

// Line asks r whether its pushes are a line, and goes by the repository's name
// where r cannot tell. Every algorithm over a range of pushes calls it first: on
// try a push is somebody's own work on top of any base, and the push before it
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

// LineByName is an error that wraps ErrNoLine for a repository whose name, or
// the last part of whose path, has the part "try", or one that means pull
// requests, between hyphens; and nil for every other name.
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

package joblog

import (
	"context"
	"errors"
	"io"
)

// ErrorLine is a line of a plain log that says what went wrong.
type ErrorLine struct {
	Line int    `json:"line"` // 1-based, counting line feeds
	Text string `json:"text"` // without Taskcluster's prefix; at most LineOptions.Length characters
}

// LineOptions change which error lines are listed; nil is zero options.
type LineOptions struct {
	// Most is the maximum number of lines listed; the log is read no further then. Default all.
	Most int
	// Length is the number of characters of a line that are examined. Default 500, as in
	// Treeherder.
	Length int

	in blocks // how the log is cut; zero but in tests
}

// errEnough ends a scan that has all the lines that were wanted. It is not returned.
var errEnough = errors.New("enough")

// errorLiterals find the lines that may be errors, and those that only Taskcluster's logs have. The latter
// are needed because a log's prefixes are cut off only after such a line.
var errorLiterals = append([]string{taskclusterStart}, triggers...)

// errorTriggers search for them alone, as ErrorLines does; Read uses plainTriggers.
var errorTriggers = newSearcher(errorLiterals)

// ErrorLines lists the error lines of a plain log by Treeherder's rules, as a sheriff sees them
// there. Identical lines in a row are listed once. The log may be compressed. When reading fails,
// the lines found so far come with the error.
func ErrorLines(ctx context.Context, r io.Reader, opts *LineOptions) ([]ErrorLine, error) {
	var o LineOptions
	if opts != nil {
		o = *opts
	}
	if o.Length <= 0 {
		o.Length = 500
	}
	r, done, err := plain(r, mostLayers, newTextLimits(mostUnpacked))
	defer done()
	if err != nil {
		return nil, err
	}
	l := newLineLooker(errorTriggers, o.Length)
	var out []ErrorLine
	err = eachBlock(ctx, r, o.in, l.look, func(_ block, of *lines) error {
		l.each(of, func(f *line) bool {
			l.read(f)
			if f.isErr && (len(out) == 0 || out[len(out)-1].Text != f.said) {
				out = append(out, ErrorLine{f.number, f.said})
			}
			return o.Most <= 0 || len(out) < o.Most
		})
		if o.Most > 0 && len(out) >= o.Most {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return out, err
}

// errorSet is the set of errorLiterals in both searchers, which have them first: bit 0.
const errorSet sets = 1

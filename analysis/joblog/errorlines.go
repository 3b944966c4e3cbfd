package joblog

import (
	"context"
	"errors"
	"io"
	"strings"
)

// ErrorLine is a line of a plain log that says what went wrong.
type ErrorLine struct {
	Line int    `json:"line"` // 1-based, counting line feeds
	Text string `json:"text"` // without Taskcluster's prefix, at most as long as was asked for
}

// LineOptions change which error lines are listed; nil is zero options.
type LineOptions struct {
	// Most is how many are listed. Default all.
	Most int
	// Length is how many characters of a line are looked at. Default 500, as
	// Treeherder does.
	Length int
}

// errEnough ends a scan.
var errEnough = errors.New("enough")

// errorTriggers find the lines that may be errors, and those by which a log is
// known to be Taskcluster's.
var errorTriggers = newSearcher(append([]string{taskclusterStart}, triggers...)...)

// ErrorLines lists the error lines of a plain log as a sheriff would see them in
// Treeherder, by the same rules; one that is identical to the one before it is
// listed once. The log may be compressed. When reading fails, the lines so far
// come with the error.
func ErrorLines(ctx context.Context, r io.Reader, opts *LineOptions) ([]ErrorLine, error) {
	var o LineOptions
	if opts != nil {
		o = *opts
	}
	if o.Length <= 0 {
		o.Length = 500
	}
	r, done, err := plain(r, mostLayers)
	if err != nil {
		return nil, err
	}
	defer done()
	var out []ErrorLine
	err = eachError(ctx, r, errorTriggers, o.Length, func(number int, text string, isError bool) error {
		text = strings.TrimRightFunc(text, isSpace)
		if !isError || len(out) > 0 && out[len(out)-1].Text == text {
			return nil
		}
		out = append(out, ErrorLine{number, text})
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

// eachError calls each with the lines that have a literal of s in them, without
// Taskcluster's prefix, and whether it is an error line.
func eachError(ctx context.Context, r io.Reader, s *searcher, length int, each func(number int, text string, isError bool) error) error {
	taskcluster := false
	return scan(ctx, r, s, length*4+4, func(f found) error {
		line := decodeLine(f.text, length)
		if strings.HasPrefix(line, taskclusterStart) {
			taskcluster = true
		}
		if taskcluster {
			line = stripTaskcluster(line)
		}
		return each(f.number, line, isError(line))
	})
}

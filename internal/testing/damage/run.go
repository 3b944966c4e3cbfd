package damage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/mozci/mozci/job/contract"
)

// Case is a recorded answer, and what the public API makes of it.
type Case struct {
	// Endpoint is whose answer it is; nil for a text that no contract is for,
	// such as a log. Its title must be in errors.
	Endpoint contract.Any
	Name     string // what the answer is: "the group of a push"
	Text     []byte
	// Others are other answers of the same endpoint, by what they are. An answer
	// to another question must be caught.
	Others map[string][]byte
	// Result is what a caller of the public API gets when the service answers
	// with the text: what matters of it, such as labels with statuses, or the
	// last good push. It must be the same each time, and start from nothing:
	// no cache holds what an earlier text said.
	Result func(text []byte) (string, error)
	// Untold says why the damage cannot be detected: another answer
	// of the service may be just so. Empty where one could. It is asked about
	// results that moved.
	Untold func(d Damage, result string) string
}

// Report is what came of the damages to an answer.
type Report struct {
	Name     string
	Tried    int
	Caught   int
	Harmless int
	Untold   map[string]int // by reason
	Unnamed  []string       // errors that do not name the source, or not the place
	Wrong    []string       // results that moved without an error
}

// Add counts what came of other damages too.
func (r *Report) Add(o *Report) {
	r.Tried += o.Tried
	r.Caught += o.Caught
	r.Harmless += o.Harmless
	r.Unnamed = append(r.Unnamed, o.Unnamed...)
	r.Wrong = append(r.Wrong, o.Wrong...)
	for reason, n := range o.Untold {
		if r.Untold == nil {
			r.Untold = map[string]int{}
		}
		r.Untold[reason] += n
	}
}

// Options limit what is tried.
type Options struct {
	Most int    // of each way at each field; 0 means 2
	Of   int    // one of so many is tried; 0 means each
	Seed uint64 // of the bytes that are cut and flipped
}

// Run damages the case's answer and tells what came of it. It is an error when the
// undamaged answer gives no result, and when the context is done.
func (c *Case) Run(ctx context.Context, opts Options) (*Report, error) {
	r := &Report{Name: c.title(), Untold: map[string]int{}}
	want, err := c.Result(c.Text)
	if err != nil {
		return nil, fmt.Errorf("%s: undamaged: %w", r.Name, err)
	}
	switch again, err := c.Result(c.Text); {
	case err != nil:
		return nil, fmt.Errorf("%s: undamaged, the second time: %w", r.Name, err)
	case again != want:
		return nil, fmt.Errorf("%s: undamaged, it gave %q and then %q", r.Name, want, again)
	}
	if opts.Most == 0 {
		opts.Most = 2
	}
	n := 0
	for d := range All(c.Text, opts.Most, opts.Seed) {
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		if n++; n%max(opts.Of, 1) == 0 {
			c.try(d, want, r)
		}
	}
	for name, text := range sorted(c.Others) {
		c.try(Damage{Kind: Other, Path: ".", What: name, Text: text}, want, r)
	}
	return r, nil
}

func (c *Case) title() string {
	if c.Endpoint == nil {
		return c.Name
	}
	return c.Endpoint.Title() + ": " + c.Name
}

// try damages, asks and counts.
func (c *Case) try(d Damage, want string, r *Report) {
	if bytes.Equal(d.Text, c.Text) {
		return
	}
	r.Tried++
	got, err := c.ask(d.Text)
	switch {
	case err != nil && c.names(err):
		r.Caught++
	case err != nil:
		r.Unnamed = append(r.Unnamed, fmt.Sprintf("%v: %v", d, err))
	case got == want:
		r.Harmless++
	default:
		if reason := c.untold(d, got); reason != "" {
			r.Untold[reason]++
			return
		}
		r.Wrong = append(r.Wrong, fmt.Sprintf("%v: got %s", d, difference(want, got)))
	}
}

// ask makes a panic an error of its own, which names nothing.
func (c *Case) ask(text []byte) (result string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return c.Result(text)
}

// names reports whether an error names the source and the place: that is what
// contract.Error does, and any error that begins with the source's name.
func (c *Case) names(err error) bool {
	var known *contract.Error
	if errors.As(err, &known) {
		return known.Source != "" && known.Path != ""
	}
	if c.Endpoint == nil {
		return !strings.HasPrefix(err.Error(), "panic")
	}
	source, _, _ := strings.Cut(c.Endpoint.Title(), "/")
	return strings.Contains(err.Error(), source) && !strings.HasPrefix(err.Error(), "panic")
}

// untold is the case's reason, or that of a value which was flipped to another one
// of the same form.
func (c *Case) untold(d Damage, got string) string {
	if c.Untold != nil {
		if reason := c.Untold(d, got); reason != "" {
			return reason
		}
	}
	if d.Kind == Flipped && Scalar(c.Text, d.Text) && c.Endpoint != nil &&
		!slices.ContainsFunc(c.Endpoint.Check(contract.Asked{}, d.Text), contract.Finding.Breaks) {
		return "a bit made another value of the same form"
	}
	return ""
}

// difference is where two results part.
func difference(want, got string) string {
	i := 0
	for i < len(want) && i < len(got) && want[i] == got[i] {
		i++
	}
	from := max(0, i-40)
	return fmt.Sprintf("…%.100q, undamaged …%.100q", got[from:], want[from:])
}

func sorted[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}

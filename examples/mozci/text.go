package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/mozci/mozci/job"
)

// say writes a text for people. It is the only place that does: whatever the text is
// made of, from labels to errors, servers can have had a hand in, so that each
// argument is shown as job.Visible has it. What the format itself says, such as the
// end of a line or a tab between two cells, stays.
func say(w io.Writer, format string, args ...any) {
	for i := range args {
		args[i] = shown{args[i]}
	}
	_, _ = fmt.Fprintf(w, format, args...)
}

// put writes lines that look.show and its callers made, which are visible already.
func put(w io.Writer, painted string) { _, _ = io.WriteString(w, painted) }

// printf says something on standard output.
func (a *app) printf(format string, args ...any) { say(a.out, format, args...) }

// warnf says something on standard error.
func (a *app) warnf(format string, args ...any) { say(a.err, format, args...) }

// table is text in columns on standard output, once it is flushed.
func (a *app) table() *tabwriter.Writer { return tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0) }

// plural is a number of things: "1 answer", "2 answers", "3 pushes".
func plural(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case strings.HasSuffix(what, "sh"), strings.HasSuffix(what, "ch"), strings.HasSuffix(what, "s"):
		return fmt.Sprintf("%d %ses", n, what)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// shown is a value that is printed as it would be, and made visible then.
type shown struct{ v any }

// Format implements fmt.Formatter.
func (s shown) Format(f fmt.State, verb rune) {
	_, _ = io.WriteString(f, job.Visible(fmt.Sprintf(fmt.FormatString(f, verb), s.v)))
}

// visibleLines is a writer of lines, one each time, which it makes visible. A handler
// of slog quotes most of what it must, and not all.
type visibleLines struct{ w io.Writer }

// Write implements io.Writer.
func (v visibleLines) Write(p []byte) (int, error) {
	say(v.w, "%s\n", strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

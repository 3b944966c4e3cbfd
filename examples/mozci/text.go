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

// printf says something on standard output.
func (a *app) printf(format string, args ...any) { say(a.out, format, args...) }

// warnf says something on standard error.
func (a *app) warnf(format string, args ...any) { say(a.err, format, args...) }

// table is text in columns on standard output, once it is flushed.
func (a *app) table() *tabwriter.Writer { return tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0) }

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

// complain says an error on standard error. Before a command has begun no server was
// asked, and the lines are those of the library that reads the command line.
func (a *app) complain(err error) {
	said := messages(err)
	if !a.started {
		said = []string{err.Error()}
	}
	for _, m := range said {
		prefix := "mozci: "
		for line := range strings.SplitSeq(m, "\n") {
			a.warnf("%s%s\n", prefix, strings.ReplaceAll(line, "\t", "  "))
			prefix = ""
		}
	}
}

// messages are what an error says, one for each of those that were joined. A message
// has no line break but those of a *job.Error, which are its own.
func messages(err error) []string {
	if e, ok := err.(*job.Error); ok { //nolint:errorlint // this one, not one within it
		return []string{e.Error()}
	}
	if list, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // as above
		var all, texts []string
		for _, e := range list.Unwrap() {
			all, texts = append(all, messages(e)...), append(texts, e.Error())
		}
		if err.Error() == strings.Join(texts, "\n") { // it says no more than they do
			return all
		}
	}
	return []string{job.Visible(err.Error())}
}

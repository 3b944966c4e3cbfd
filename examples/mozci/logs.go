package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/job"
)

// judge is that of the places, or the one that tells by a test.
func (a *app) judge(p *places, test string) analysis.Judge {
	if test == "" {
		return p.judge
	}
	return joblog.Judge(p.read, test, nil)
}

// manifests are those that can hold a test, as the newest push's catalog says
// that has any.
func (a *app) manifests(ctx context.Context, p *places, pushes []job.Push, test string) ([]string, error) {
	for _, push := range pushes {
		entries, err := job.Catalog(ctx, p.act, push)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			return nil, nil
		case errors.Is(err, job.ErrNotScheduled):
			continue
		case err != nil:
			return nil, err
		}
		return joblog.Manifests(entries, test), nil
	}
	return nil, nil
}

// formats are the sorts of logs by their names on the command line.
var formats = map[string]job.Log{"auto": "", "errorsummary": job.ErrorSummary, "mozlog": job.StructuredLog, "text": job.TextLog}

func (a *app) failuresCommand() *cobra.Command {
	var format, id string
	cmd := &cobra.Command{
		Use:   "failures [FILE…]",
		Short: "Which tests failed, in a job or in log files",
		Long: `Which tests failed, in a job or in log files: error summaries, structured logs
and plain logs, compressed or not; - is standard input. Of a job the best log is
read that it has. Tests that began and did not end are listed too: they hung,
crashed, or the log was cut. When a log is torn or too large, what was found so
far is printed, and why there may be more is said on standard error.`,
		Example: `  mozci failures --job A0cKfsxWTMq5ESDjLOnkVg/0
  mozci failures mochitest_errorsummary.log live_backing.log --json`,
		RunE: func(cmd *cobra.Command, files []string) error { return a.failures(cmd, format, id, files) },
	}
	cmd.Flags().StringVar(&format, "format", "auto", "the sort of the files, by `name`: auto, errorsummary, mozlog or text")
	cmd.Flags().StringVar(&id, "job", "", "the `id` of a job, as mozci jobs prints it")
	return cmd
}

func (a *app) failures(cmd *cobra.Command, format, id string, files []string) error {
	which, ok := formats[format]
	switch {
	case !ok:
		return usage("--format %q: expected auto, errorsummary, mozlog or text", format)
	case (id == "") == (len(files) == 0):
		return usage("failures needs files, or --job")
	}
	ctx := cmd.Context()
	if id != "" {
		p, err := a.places()
		if err != nil {
			return err
		}
		opener, ok := p.read.(job.LogOpener)
		if !ok {
			return job.Wrap("failures", id, fmt.Errorf("this CI has no logs: %w", errors.ErrUnsupported))
		}
		r, err := joblog.Failures(ctx, opener, job.New(job.Facts{ID: id}), nil)
		if err != nil {
			return err
		}
		return a.printFailures(id, r)
	}
	var errs []error
	for _, name := range files {
		errs = append(errs, a.eachFile(name, func(in io.Reader) error {
			r, err := joblog.Read(ctx, in, which, nil)
			if err != nil {
				return err
			}
			return a.printFailures(name, r)
		}))
	}
	return errors.Join(errs...)
}

// eachFile opens a file, or standard input.
func (a *app) eachFile(name string, read func(io.Reader) error) error {
	if name == "-" {
		return read(a.in)
	}
	f, err := os.Open(name)
	if err != nil {
		return usage("%v", err)
	}
	defer func() { _ = f.Close() }()
	return read(f)
}

type failureJSON struct {
	File      string      `json:"file"`
	Line      int         `json:"line"`
	Kind      joblog.Kind `json:"kind"`
	Test      *string     `json:"test"`
	Subtest   *string     `json:"subtest"`
	Group     *string     `json:"group"`
	Status    *string     `json:"status"`
	Expected  *string     `json:"expected"`
	Message   *string     `json:"message"`
	Signature *string     `json:"signature"`
	Print     string      `json:"fingerprint"`
	Term      string      `json:"search_term"`
	Source    job.Log     `json:"source"`
}

func (a *app) printFailures(name string, r *joblog.Report) error {
	table := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, f := range r.Failures {
		if a.json {
			err := a.printJSON(failureJSON{
				name, f.Line, f.Kind, orNull(f.Test), orNull(f.Subtest), orNull(f.Group), orNull(f.Status), orNull(f.Expected), orNull(f.Message),
				orNull(f.Signature), f.Fingerprint(), f.SearchTerm(), r.Source,
			})
			if err != nil {
				return err
			}
			continue
		}
		what := f.Message
		if f.Subtest != "" {
			what = f.Subtest + " - " + what
		}
		_, _ = fmt.Fprintf(table, "%s:%d\t%s\t%s\t%s\t%s\n", name, f.Line, f.Kind, f.Status, f.Test, oneLine(what))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	var open, bad []string
	for _, g := range r.Unfinished() {
		open = append(open, g.Name)
	}
	for _, f := range r.Nameless() {
		bad = append(bad, f.Group)
	}
	a.groups(name, bad, "group failed without naming a test", "groups failed without naming a test")
	a.groups(name, open, "group did not end", "groups did not end")
	if r.Partial {
		_, _ = fmt.Fprintf(a.err, "mozci: %s: there may be more failures: %s\n", name, oneLine(r.Reason))
	}
	switch {
	case len(r.Failures) > 0:
	case r.Partial, len(open)+len(bad) > 0:
		return errNotEnough
	case !a.json:
		a.printf("%s: no failures\n", name)
	}
	return nil
}

// groups says on standard error what became of groups, with their first names.
func (a *app) groups(file string, names []string, one, more string) {
	const most = 5
	switch n := len(names); {
	case n == 0:
		return
	case n > 1:
		one = more
	}
	shown := strings.Join(names[:min(len(names), most)], ", ")
	if len(names) > most {
		shown += ", …"
	}
	_, _ = fmt.Fprintf(a.err, "mozci: %s: %d %s: %s\n", file, len(names), one, oneLine(shown))
}

// oneLine keeps a table's line one line: what a log says is anybody's.
func oneLine(s string) string {
	const most = 200
	out := make([]rune, 0, min(len(s), most))
	for _, r := range s {
		if len(out) == most {
			return string(append(out, '…'))
		}
		if r < ' ' || r == 0x7f {
			r = ' '
		}
		out = append(out, r)
	}
	return string(out)
}

func (a *app) errorlinesCommand() *cobra.Command {
	var most int
	cmd := &cobra.Command{
		Use:     "errorlines [FILE…]",
		Short:   "The error lines of plain logs, as a sheriff would list them",
		Long:    `The error lines of plain logs, compressed or not, by Treeherder's rules; - is standard input.`,
		Example: `  mozci errorlines live_backing.log`,
		RunE:    func(cmd *cobra.Command, files []string) error { return a.errorlines(cmd, most, files) },
	}
	cmd.Flags().IntVar(&most, "max-lines", 0, "list so many of each file at most; 0 is all")
	return cmd
}

func (a *app) errorlines(cmd *cobra.Command, most int, files []string) error {
	switch {
	case len(files) == 0:
		return usage("errorlines needs files; - is standard input")
	case most < 0:
		return usage("--max-lines %d: expected 0 or more", most)
	}
	var errs []error
	for _, name := range files {
		errs = append(errs, a.eachFile(name, func(in io.Reader) error {
			lines, err := joblog.ErrorLines(cmd.Context(), in, &joblog.LineOptions{Most: most})
			if err != nil {
				err = job.Wrap("errorlines", name, fmt.Errorf("%w: %w", job.ErrMalformed, err))
			}
			if a.json {
				return errors.Join(a.printJSON(struct {
					File  string             `json:"file"`
					Lines []joblog.ErrorLine `json:"lines"`
				}{name, append([]joblog.ErrorLine{}, lines...)}), err)
			}
			for _, l := range lines {
				a.printf("%s:%d: %s\n", name, l.Line, oneLine(l.Text))
			}
			return err
		}))
	}
	return errors.Join(errs...)
}

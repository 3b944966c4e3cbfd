package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"

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
	return joblog.TestJudge(p.read, test, nil)
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

func (a *app) failuresCommand() *cobra.Command {
	var format, id string
	names := []string{"auto"}
	for _, f := range joblog.Formats() {
		names = append(names, string(f))
	}
	cmd := &cobra.Command{
		Use:   "failures [LINK | FILE…]",
		Short: "Show which tests failed, in a job or in log files",
		Long: `Show which tests failed, in a job or in log files; - is standard input. mozci
reads Mozilla's error summaries, structured logs and plain logs, wptreport.json
and JUnit XML, and in plain logs the output of pytest, go test, cargo test and
nextest, ctest, gtest, Jest, TAP, Maven and Gradle. Files may be UTF-16, and
packed by gzip, zstd, xz, bzip2 or zip. Of a job mozci reads the best log that
it has. Tests that began and did not end are listed too: they hung, crashed, or
the log was cut.

"no failures" is printed only for a log that was understood. When a log is cut,
damaged or too large, mozci prints what it found, says on standard error why
there may be more, and exits with 1; so it does when no failure is listed and a
group of tests did not end. It exits with 3 when no line was of a known format,
and when groups failed and no failure says in which test.`,
		Example: `  mozci failures examples/mozci/testdata/failed_errorsummary.log
  mozci failures --job A0cKfsxWTMq5ESDjLOnkVg/0
  mozci failures mochitest_errorsummary.log live_backing.log --json
  mozci failures --format junit report.xml`,
		RunE: func(cmd *cobra.Command, files []string) error { return a.failures(cmd, names, format, id, files) },
	}
	cmd.Flags().StringVar(&format, "format", "auto", "the `name` of the files' format: "+oneOf(names))
	cmd.Flags().StringVar(&id, "job", "", "the `id` of a run, which mozci jobs prints")
	return cmd
}

func (a *app) failures(cmd *cobra.Command, names []string, format, id string, files []string) error {
	switch {
	case !slices.Contains(names, format):
		return usage("--format %q: expected %s", format, oneOf(names))
	case len(files) > 1 && slices.ContainsFunc(files, a.isLink):
		return usage("failures takes one LINK, or files: quote a link, as a shell takes & and # for itself")
	case len(files) == 1 && a.isLink(files[0]):
		own, err := a.followRun(cmd, files[0])
		if err != nil {
			return err
		}
		id, files = own, nil
	case (id == "") == (len(files) == 0):
		return usage("failures needs files, or --job")
	}
	which := joblog.Format(format)
	if format == "auto" {
		which = ""
	}
	ctx := cmd.Context()
	if id != "" {
		p, err := a.places()
		if err != nil {
			return err
		}
		opener, ok := job.As[job.LogOpener](p.read)
		if !ok {
			return job.Wrap("failures", id, fmt.Errorf("this CI has no logs: %w", errors.ErrUnsupported))
		}
		placed := &placing{LogOpener: opener, keep: a.reports()}
		r, err := joblog.Failures(ctx, placed, job.New(job.Fields{ID: id}), nil)
		lines := placed.kept.lines(r)
		if err != nil {
			return err
		}
		if a.reports() {
			a.printReport(a.failuresReport(id, a.runOf(ctx, p.read, id), r, placed.last, lines))
			return a.howRead(id, r)
		}
		return a.printFailures(id, r, placed.last)
	}
	if a.reports() {
		return a.reportFiles(ctx, which, files)
	}
	tabled := false // whether the last of what was printed is a table
	return eachLog(ctx, a, files, func(ctx context.Context, in io.Reader) (*joblog.Report, error) {
		return joblog.Read(ctx, in, which, nil)
	}, func(name string, r *joblog.Report, err error) error {
		if err != nil {
			return job.Wrap("failures", name, err)
		}
		if tabled {
			a.printf("\n")
		}
		tabled = len(r.Failures) > 0 && !a.json
		return a.printFailures(name, r, nil)
	})
}

// placing opens logs and remembers the last, to say where its lines are from.
type placing struct {
	job.LogOpener
	last job.LineLocator
	keep bool     // for a report, which quotes lines
	kept *keeping // the last
}

// OpenLog implements job.LogOpener.
func (p *placing) OpenLog(ctx context.Context, j job.Job, which job.LogKind) (io.ReadCloser, error) {
	r, err := p.LogOpener.OpenLog(ctx, j, which)
	p.last, _ = r.(job.LineLocator)
	if !p.keep || err != nil {
		return r, err
	}
	_ = p.kept.lines(nil) // those of another log are not wanted any more
	p.kept = keepLog(r)
	return struct {
		io.Reader
		io.Closer
	}{p.kept, r}, nil
}

// eachLog reads files on all cores, and has what was read of each said in their order.
// Errors are joined; one file's do not hold up the others.
func eachLog[T any](
	ctx context.Context, a *app, files []string, read func(context.Context, io.Reader) (T, error),
	say func(name string, of T, err error) error,
) error {
	stdin := slices.DeleteFunc(slices.Clone(files), func(name string) bool { return name != "-" })
	if len(stdin) > 1 {
		return usage("- is standard input, which can be read once")
	}
	var errs []error
	for of, err := range joblog.InOrder(ctx, len(files), func(ctx context.Context, i int) (of T, err error) {
		err = a.eachFile(files[i], func(in io.Reader) error {
			of, err = read(ctx, in)
			return err
		})
		return of, err
	}) {
		var missing *usageError
		if name := files[len(errs)]; errors.As(err, &missing) {
			errs = append(errs, err)
		} else {
			errs = append(errs, say(name, of, err))
		}
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
	Source    string      `json:"source"`
	Step      *string     `json:"step"` // where the job's log is put together of several; line is then one of its log's
	Log       *string     `json:"log"`
}

// printFailures lists failures. placer, which may be nil, knows which step and log a
// line is from.
func (a *app) printFailures(name string, r *joblog.Report, placer job.LineLocator) error {
	g := grid{
		head: []string{"line", "kind", "status", "test", "message"}, right: map[int]bool{1: true},
		cut: map[int]bool{4: true, 5: true}, list: true,
	}
	for _, f := range r.Failures {
		step, log, where := "", "", strconv.Itoa(f.Line)
		if placer != nil {
			if s, l, own := placer.Place(f.Line); l != "" {
				step, log, f.Line = s, l, own
				where = fmt.Sprintf("step %s, log %s, line %d", oneLine(step), oneLine(log), own)
			}
		}
		if a.json {
			err := a.printJSON(failureJSON{
				name, f.Line, f.Kind, orNull(f.Test), orNull(f.Subtest), orNull(f.Group), orNull(f.Status),
				orNull(f.Expected), orNull(f.Message),
				orNull(f.Signature), f.Fingerprint(), f.SearchTerm(), sourceName(r.Source), orNull(step), orNull(log),
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
		symbol := failed
		if f.Kind == joblog.KindInfra {
			symbol = machine
		}
		g.add(mark(symbol), cell{text: where}, cell{text: string(f.Kind)}, cell{text: f.Status},
			cell{text: oneLine(f.Test)}, cell{text: oneLine(what)})
	}
	if len(g.rows) > 0 {
		a.printf("%s has %s:\n\n", name, plural(len(g.rows), "failure"))
		g.write(a, a.out)
	}
	return a.howRead(name, r)
}

// howRead says on standard error how a log was read, and what the exit status says of it.
func (a *app) howRead(name string, r *joblog.Report) error {
	for _, n := range r.Notes {
		a.warnf("note: %s: %s\n", name, oneLine(n))
	}
	if len(r.Formats) == 0 {
		a.warnf("note: %s: %s; try another --format, or another log of the job\n", name,
			oneLine(r.Reason))
		return errNotEnough
	}
	unfinished, nameless := a.sayGroups(name, r)
	switch {
	case r.Partial:
		a.warnf("note: %s: there may be more failures: %s\n", name, oneLine(r.Reason))
		return errTold
	case len(r.Failures) > 0:
	case unfinished > 0: // the log is cut, or the harness broke
		return errTold
	case nameless > 0:
		return errNotEnough
	case !a.json:
		a.printf("%s: no failures\n", name)
	}
	return nil
}

// sayGroups says on standard error which groups did not end, and which failed
// without naming a test, and returns how many.
func (a *app) sayGroups(name string, r *joblog.Report) (unfinished, nameless int) {
	var open, bad []string
	for _, g := range r.Unfinished() {
		open = append(open, g.Name)
	}
	for _, f := range r.Nameless() {
		bad = append(bad, f.Group)
	}
	a.groups(name, bad, "group failed without naming a test", "groups failed without naming a test")
	a.groups(name, open, "group did not end", "groups did not end")
	return len(open), len(bad)
}

// sourceName keeps the name that the JSON has had for structured logs.
func sourceName(f joblog.Format) string {
	if f == joblog.StructuredLog {
		return string(job.LogStructured)
	}
	return string(f)
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
	a.warnf("note: %s: %d %s: %s\n", file, len(names), one, oneLine(shown))
}

// oneLine is a text from a log without the blanks that are no spaces, and not longer
// than a line.
func oneLine(s string) string {
	const most = 200
	out := make([]rune, 0, min(len(s), most))
	for _, r := range s {
		if len(out) == most {
			return string(append(out, '…'))
		}
		if r < 0x80 && unicode.IsSpace(r) {
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
		Short:   "List the error lines of plain logs, as a sheriff would",
		Long:    `List the error lines of plain logs, packed or not, by the rules of Treeherder; - is standard input.`,
		Example: `  mozci errorlines examples/mozci/testdata/failed.log`,
		RunE:    func(cmd *cobra.Command, files []string) error { return a.errorlines(cmd, most, files) },
	}
	cmd.Flags().IntVar(&most, "max-lines", 0, "maximum `number` of lines to list from each file; 0 is all")
	return cmd
}

func (a *app) errorlines(cmd *cobra.Command, most int, files []string) error {
	switch {
	case len(files) == 0:
		return usage("errorlines needs files; - is standard input")
	case most < 0:
		return usage("--max-lines %d: expected 0 or more", most)
	}
	return eachLog(cmd.Context(), a, files, func(ctx context.Context, in io.Reader) ([]joblog.ErrorLine, error) {
		return joblog.ErrorLines(ctx, in, &joblog.LineOptions{Most: most})
	}, func(name string, lines []joblog.ErrorLine, err error) error {
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
	})
}

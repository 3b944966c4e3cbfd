package joblog

import (
	"archive/zip"
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/phrase"
)

// sortedKeys are the keys of a map in the order of the alphabet: a log read twice gives equal reports.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// isZip reports whether something is a zip archive. An empty one begins with its directory, PK\5\6.
func isZip(b *bufio.Reader) bool {
	head, _ := b.Peek(4)
	return string(head) == "PK\x03\x04" || string(head) == "PK\x05\x06"
}

// noLogs are extensions that logs do not have, in lower case. Other files are opened, whatever their
// names: logs are called a.txt, a.xml, a.json, a.log.gz, or nothing at all.
var noLogs = []string{
	".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".webm", ".mp4", ".html", ".htm", ".css", ".js", ".map",
	".woff", ".woff2", ".ttf", ".ico", ".pdf", ".dmp", ".extra", ".so", ".dll", ".exe", ".db", ".sqlite", ".mar",
	".jar", ".class", ".md", ".yml", ".yaml", ".toml", ".ini",
}

// archive reads the logs in a zip archive, each by its own format, and makes one report of them.
// The directory of a zip is at its end, so the zip is first copied into a temporary file. The files
// are read in the order of their names, so that the order in the zip makes no difference. layers is
// how many more layers may be unpacked within each file.
//
// One byte more than the maximum is copied, to tell a zip of exactly that size from a larger one.
// When the copy breaks off, the files that are there are still read, by tornArchive.
func (f *file) archive(ctx context.Context, in io.Reader, layers int) (*Report, error) {
	spool, done, err := spoolFile()
	if err != nil {
		return nil, err
	}
	defer done()
	size, err := io.Copy(spool, io.LimitReader(withContext{ctx, in}, mostSpooled+1))
	switch {
	case ctx.Err() != nil:
		return newReport(f.which), ctx.Err()
	case size > mostSpooled:
		return nil, &contentError{
			looks: fmt.Sprintf("it is a zip of more than %d bytes", mostSpooled),
			next:  "unpack it and give the log itself",
		}
	}
	z, zipErr := zip.NewReader(spool, size)
	if zipErr != nil {
		if err == nil {
			err = zipErr
		}
		return f.tornArchive(ctx, spool, layers, err)
	}
	a := f.archived(layers)
	for i, e := range slices.SortedStableFunc(slices.Values(z.File),
		func(x, y *zip.File) int { return strings.Compare(x.Name, y.Name) }) {
		if i >= mostMembers {
			a.r.partial(fmt.Sprintf("the archive has more than %d files", mostMembers))
			break
		}
		if e.FileInfo().IsDir() || slices.Contains(noLogs, strings.ToLower(path.Ext(e.Name))) {
			continue
		}
		if err := a.member(ctx, e); err != nil {
			return a.r, err
		}
	}
	return a.finish()
}

// spoolFile opens a temporary file. It removes the file's name at once if the system allows
// that, so that a process that is killed leaves nothing behind; Windows does not, and there the
// returned function removes it. The caller calls that function when it needs the file no more.
func spoolFile() (*os.File, func(), error) {
	spool, err := os.CreateTemp("", "mozci-log-*.zip")
	if err != nil {
		return nil, nil, fmt.Errorf("an archive needs room for a temporary file: %w", err)
	}
	gone := os.Remove(spool.Name()) == nil
	return spool, func() {
		_ = spool.Close()
		if !gone {
			_ = os.Remove(spool.Name())
		}
	}, nil
}

// archived gathers the reports of an archive's logs. Failures, groups and notes are added to r file by
// file. How tests ended is known only when all files were read, so finish adds that.
type archived struct {
	*file
	layers int               // that may be unpacked within a file of the archive
	r      *Report           // that of the archive
	names  []string          // the files that were read
	ends   map[string]ending // by canonical name of a test: its worst end in all files
	passed []string          // the files that were passed over: no logs, or not understood
	whole  int               // the number of logs that name the tests that passed
	holes  int               // the number of parts that could not be read
}

func (f *file) archived(layers int) *archived {
	shared := *f
	if shared.limits == nil {
		shared.limits = newTextLimits(f.opts.MaxUnpacked)
	}
	return &archived{
		file: &shared, layers: layers, ends: map[string]ending{},
		r: newReport(f.which).want(f.opts.Tests),
	}
}

// member reads one file of the archive.
func (a *archived) member(ctx context.Context, e *zip.File) error {
	in, err := e.Open()
	if err != nil {
		a.r.partial(fmt.Sprintf("%s could not be unpacked: %v", e.Name, err))
		return nil
	}
	defer func() { _ = in.Close() }()
	return a.take(ctx, e.Name, in)
}

// take reads the content of one file of the archive. A file that is no log does not end the reading; its
// name goes to passed, and finish makes the report partial. The error is only that of ctx.
func (a *archived) take(ctx context.Context, name string, in io.Reader) error {
	r, err := a.read(ctx, &sharing{in, a.limits}, a.layers)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch {
	case err != nil:
		a.passed = append(a.passed, name)
		a.r.Notes = append(a.r.Notes, fmt.Sprintf("%s was not read: %v", name, err))
		return nil //nolint:nilerr // an archive may have files that are no logs
	case len(r.Formats) == 0:
		a.passed = append(a.passed, name)
		a.r.Notes = append(a.r.Notes, fmt.Sprintf("%s: %s", name, r.Reason))
		return nil
	}
	a.absorb(name, r)
	return nil
}

// absorb adds the report of one log to that of the archive. It lists the failures without noting that
// their tests failed; endings brings that, as the worst of all files: passed in 1.log and no end in
// 2.log makes a test unknown.
func (a *archived) absorb(name string, r *Report) {
	a.names = append(a.names, name)
	for _, f := range r.Failures {
		a.r.list(f)
	}
	a.r.bad = append(a.r.bad, r.bad[:min(len(r.bad), mostBadGroups-len(a.r.bad))]...)
	a.r.strays = append(a.r.strays, r.strays...)
	a.r.listing = a.r.listing || r.listing
	a.holes += r.holes
	for _, g := range r.Groups {
		a.r.group(g)
	}
	r.endings(func(test string, e ending) {
		if was, ok := a.ends[test]; !ok || worse(e) > worse(was) {
			a.ends[test] = e
		}
	})
	for _, f := range r.Formats {
		if !slices.Contains(a.r.Formats, f) {
			a.r.Formats = append(a.r.Formats, f)
		}
	}
	if r.Partial {
		a.r.partial(name + ": " + r.Reason)
	}
	a.r.Notes = append(a.r.Notes, r.Notes...)
	if r.quiet {
		a.whole++
	}
}

// finish completes the report of the archive. Only when every log names the tests that passed did a
// test that none of them names not run.
func (a *archived) finish() (*Report, error) {
	r := a.r
	for _, test := range sortedKeys(a.ends) {
		r.end(test, a.ends[test])
	}
	r.holes = a.holes
	switch {
	case len(a.names) == 0 && len(a.passed) == 0:
		return nil, &contentError{looks: "it is an archive without a log in it", next: "give the log itself"}
	case len(a.names) == 0:
		r.Reason = ""
		r.partial(fmt.Sprintf("no line of a known format in the %s of the archive",
			phrase.Count(len(a.passed), "file")))
		return r, nil
	case len(a.passed) > 0:
		r.partial("not understood in the archive: " + strings.Join(a.passed[:min(len(a.passed), 5)], ", "))
	}
	r.quiet = a.whole == len(a.names)
	if r.Source == "" && len(r.Formats) == 1 {
		r.Source = r.Formats[0]
	} else if r.Source == "" {
		r.Source = PlainText
	}
	if len(a.names) > 1 {
		r.Notes = slices.Insert(r.Notes, 0, fmt.Sprintf(
			"the archive has %d logs, and all were read; lines are those of each: %s",
			len(a.names), strings.Join(a.names[:min(len(a.names), 10)], ", ")))
	}
	return r, nil
}

// withContext ends a copy when the context does.
type withContext struct {
	ctx context.Context //nolint:containedctx // for one copy
	in  io.Reader
}

func (w withContext) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.in.Read(p)
}

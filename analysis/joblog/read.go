package joblog

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/mozci/mozci/job"
)

// Options change how logs are read; nil is zero options.
type Options struct {
	// Tests are the tests that matter to the caller. Their ends are kept even when the
	// log has more tests than a Report keeps.
	Tests []string
	// MaxUnpacked is the maximum number of bytes read of a compressed log, after it is
	// decompressed. A log with more gives a Partial report. Default 4 GiB.
	MaxUnpacked int64

	in blocks // how the log is cut; tests set it
}

// Read reads a log in the given format; an empty format means that the content decides. The log may
// be compressed by gzip, zstd, xz, bzip2 or zip, even twice, and it may be UTF-16. All logs of an
// archive are read: see Report.Notes.
//
// A log that is damaged, too large, or in another format than named gives a Partial Report. So does
// a plain log without any line of a known format; its Report.Formats is empty. Something that is
// certainly no log (nothing at all, binary data, HTML, or other JSON or XML) is job.ErrMalformed,
// and the error says what it looks like. The other errors are that of ctx, and job.ErrInvalid for
// an unknown format.
//
// A log larger than a block (256 KiB) is read on all cores. The result does not depend on their
// number.
func Read(ctx context.Context, in io.Reader, which Format, opts *Options) (*Report, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.MaxUnpacked <= 0 {
		o.MaxUnpacked = mostUnpacked
	}
	if err := which.check(); err != nil {
		return nil, err
	}
	return (&file{which, o, nil}).read(ctx, in, mostLayers)
}

// file is a file that is to be read as a log.
type file struct {
	which Format  // empty when the content decides
	opts  Options // MaxUnpacked is set
	// limits are those that the files of an archive share; nil outside one.
	limits *textLimits
}

// read decompresses at most this many layers, and reads the log inside. With two layers left, a zip of
// gzip files is read: the zip takes one and each file the other.
func (f *file) read(ctx context.Context, in io.Reader, layers int) (*Report, error) {
	b := bufio.NewReaderSize(in, sniffed)
	zip := isZip(b)
	p, ok := packed(b)
	switch {
	case (zip || ok) && layers == 0:
		return nil, &contentError{
			looks: fmt.Sprintf("it is packed more than %d times", mostLayers),
			next:  "unpack it first",
		}
	case zip:
		return f.archive(ctx, b, layers-1)
	case ok:
		z, err := p.open(b)
		if err != nil {
			return nil, &contentError{
				looks: fmt.Sprintf("it begins as %s does, and is not: %v", p.name, err),
				next:  "fetch it again",
			}
		}
		if c, ok := z.(io.Closer); ok {
			defer func() { _ = c.Close() }()
		}
		limits := f.limits
		if limits == nil {
			limits = newTextLimits(f.opts.MaxUnpacked)
		}
		return f.read(ctx, &sharing{z, limits}, layers-1)
	}
	return f.text(ctx, decoded(b))
}

// text reads what is unpacked, and UTF-8. What sniff says counts in this order:
//
//	certainly no log                  the error, whatever format was named
//	a format was named                that format
//	JSON of an unknown format         a plain log; the error, if no line of it is known
//	otherwise                         the format that sniff found
func (f *file) text(ctx context.Context, b *bufio.Reader) (*Report, error) {
	if err := ctx.Err(); err != nil {
		return newReport(f.which), err
	}
	head, bad := b.Peek(sniffed)
	which, unknown := sniff(head, bad != nil)
	var c *contentError
	switch {
	case len(head) == 0 && errors.Is(bad, syscall.EISDIR):
		return nil, &contentError{looks: "it is a folder, expected a file", next: "name a log inside it"}
	case len(head) == 0 && bad != nil && !errors.Is(bad, io.EOF):
		return nil, &contentError{looks: fmt.Sprintf("nothing of it can be read: %v", bad), next: "fetch it again"}
	case errors.As(unknown, &c) && which == "":
		return nil, unknown
	case f.which != "":
		which, unknown = f.which, nil
	}
	r, err := f.readAs(ctx, b, which)
	if r != nil && f.which == "" && unknown != nil && len(r.Formats) == 0 && err == nil {
		return nil, unknown
	}
	return r, err
}

// readAs reads one format. The readers of plain logs set Report.Formats themselves. For the other formats
// it stays empty when a format was named and nothing of it was found.
func (f *file) readAs(ctx context.Context, b *bufio.Reader, which Format) (*Report, error) {
	var r *Report
	var err error
	switch which {
	case ErrorSummary:
		r, err = readSummary(ctx, b, f.opts)
	case StructuredLog:
		r, err = readMozlog(ctx, b, f.opts)
	case WPTReport:
		r, err = readWPTReport(ctx, b, f.opts.Tests)
	case JUnit:
		r, err = readJUnit(ctx, b, f.opts.Tests)
	case PlainText:
		return readPlain(ctx, b, f.opts)
	default:
		return readLines(ctx, b, which, f.opts)
	}
	if f.which == "" || !r.empty() || !r.Partial {
		r.Formats = []Format{which}
	}
	return r, err
}

// Failures reads the best log of a job: its error summary, or else its structured log, or else its
// plain log, which may have lines of any format. Report.Source says which. A job without any log
// gives job.ErrNotFound. If the opener fails, its error is returned. A job whose logs are not logs
// gives job.ErrMalformed.
func Failures(ctx context.Context, opener job.LogOpener, j job.Job, opts *Options) (*Report, error) {
	const op = "joblog.failures"
	var none, bad error // why a log is not read: there is none, or it is not a log
	for _, which := range []job.LogKind{job.LogErrorSummary, job.LogStructured, job.LogText} {
		r, err := failures(ctx, opener, j, which, opts)
		switch {
		case errors.Is(err, job.ErrNotFound):
			none = err
			continue
		case errors.Is(err, errNotALog):
			bad = fmt.Errorf("the %s log: %w", which, err)
			continue
		case err == nil && which != job.LogText && r.empty():
			continue // an empty summary: the harness broke before it could write anything
		}
		return r, job.Wrap(op, j.ID(), err)
	}
	if bad != nil {
		return nil, job.Wrap(op, j.ID(), bad)
	}
	if none == nil {
		none = job.ErrNotFound
	}
	return nil, job.Wrap(op, j.ID(), none)
}

// empty reports whether a structured log says nothing at all.
func (r *Report) empty() bool { return len(r.Failures)+len(r.Groups)+len(r.tests) == 0 }

// failures opens and reads one of a job's logs.
func failures(ctx context.Context, opener job.LogOpener, j job.Job, which job.LogKind, opts *Options) (*Report, error) {
	log, err := opener.OpenLog(ctx, j, which)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	return Read(ctx, log, formatOf(which), opts)
}

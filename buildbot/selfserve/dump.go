package selfserve

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/internal/gunzip"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// DumpBuild is a build that has ended, as a status dump has it.
type DumpBuild struct {
	ID, Master int64
	Number     int // counts the builder's builds, from 0
	Builder    string
	// Requests are the build's requests, ascending. The last one ran; the earlier ones
	// were merged into it. A dump has two lists of them, which may differ; this is their
	// union.
	Requests []int64
	Result   int    // 0 to 6 as in Buildbot
	Reason   string // "scheduler", "Self-serve: Rebuilt by …"

	Requested, Started, Finished time.Time // to the second

	// Revision is that of the newest request, in 12 or 40 digits, or any text that a caller
	// gave self-serve. This and the following fields are empty when the dump has none.
	Revision, Branch, Scheduler           string
	PackageURL, TestsURL, TestPackagesURL string
	LogURL                                string
	BlobberFiles                          string // JSON of an object, from names to URLs; see Blobs
}

// Files returns the URLs of the two files of a build that tests need: the package, and the
// tests (TestPackagesURL, or TestsURL in older dumps). It is nil unless the build made both.
func (b *DumpBuild) Files() []string {
	tests := b.TestPackagesURL
	if tests == "" {
		tests = b.TestsURL
	}
	if b.PackageURL == "" || tests == "" {
		return nil
	}
	return []string{b.PackageURL, tests}
}

// Blobs returns the files that the run uploaded, as URLs by name; nil when there are none or
// BlobberFiles cannot be read.
func (b *DumpBuild) Blobs() map[string]string {
	var out map[string]string
	if json.Unmarshal([]byte(b.BlobberFiles), &out, jsontext.AllowDuplicateNames(true)) != nil {
		return nil
	}
	return out
}

func (d *wireDumped) build() DumpBuild {
	p := &d.Properties
	return DumpBuild{
		ID: d.ID, Master: d.Master, Number: d.Number, Builder: p.Builder, Result: d.Result, Reason: d.Reason,
		Requested: d.Requested.time(), Started: d.Started.time(), Finished: d.Finished.time(),
		Revision: cmp.Or(p.Revision, p.GotRevision, string(p.GeckoRevision)), Branch: p.Branch, Scheduler: p.Scheduler,
		PackageURL: p.PackageURL, TestsURL: p.TestsURL, TestPackagesURL: p.TestPackagesURL,
		LogURL: p.LogURL, BlobberFiles: p.BlobberFiles, Requests: d.requests(),
	}
}

// requests is the union of the two lists of requests, sorted. They are nearly always equal. For
// example [3, 5] and [5, 4] give 3, 4 and 5.
func (d *wireDumped) requests() []int64 {
	all := d.Requests
	if !slices.Equal(all, d.Properties.Requests) {
		all = append(all, d.Properties.Requests...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// mostDump is the largest size of a dump in bytes (4 GiB), counted after decompression.
const mostDump = 4 << 30

// ReadDump reads a status dump, that of the last hours (builds-4hr) or that of a day, and calls
// each with every build as it arrives. It finds out by the content whether the dump is gzipped,
// and also accepts a bare list of builds, as some people saved them.
//
// A file that is not a dump, is cut off, or has an impossible build gives an error that wraps
// [job.ErrMalformed] and says where; each has seen the builds before it. When each returns an
// error, ReadDump stops and returns that error as it is.
func ReadDump(in io.Reader, each func(DumpBuild) error) error {
	return readDump(in, contract.Asked{}, each)
}

// eachError marks an error of the caller's own function, to be returned as it is.
type eachError struct{ error }

// readDump reads the dump that answers a request, or any dump when asked is zero.
func readDump(in io.Reader, asked contract.Asked, each func(DumpBuild) error) error {
	var seen span
	err := proveDump(in, asked, &seen, func(_ string, d *wireDumped) error { return seen.take(d, each) })
	var own *eachError
	var known *contract.Error
	switch {
	case errors.As(err, &own):
		return own.error
	case errors.As(err, &known):
		known.Source = dumpContract.Title()
	case err != nil:
		return fmt.Errorf("%w: %s: after build %d: %w", job.ErrMalformed, dumpContract.Title(), seen.builds, err)
	}
	return err
}

// proveDump reads either form of a dump. The service never answers with a bare list, which does
// not say of what time it is, so that form is accepted only without a request.
func proveDump(in io.Reader, asked contract.Asked, seen *span, take func(string, *wireDumped) error) error {
	plain, err := gunzip.Reader(in)
	if err != nil {
		return err
	}
	text := bufio.NewReader(io.LimitReader(plain, mostDump))
	if asked.URL == "" && first(text) == '[' {
		_, err := dumpedBuilds.Read(asked, text, contract.Elements("", take))
		if err == nil && seen.builds == 0 {
			err = contract.Outside(".", "the list is empty")
		}
		return err
	}
	d, err := dumpContract.Read(asked, text, contract.Elements("builds", take))
	if err != nil {
		return err
	}
	return d.holds(*seen)
}

// first returns the first byte of a text that is not white space, without consuming it; 0 when
// there is none.
func first(text *bufio.Reader) byte {
	for {
		b, err := text.ReadByte()
		if err != nil {
			return 0
		}
		if b != ' ' && b != '\n' && b != '\r' && b != '\t' {
			_ = text.UnreadByte() // cannot fail after ReadByte
			return b
		}
	}
}

// span counts the builds that were read, and has the earliest and the latest end of any.
type span struct {
	builds      int    // also the index of the build that comes next
	first, last ending // zero while builds is 0
}

// ending is when a build ended, and its index in the dump.
type ending struct {
	at    epoch
	place int
}

// take checks a build and passes it to each.
func (s *span) take(d *wireDumped, each func(DumpBuild) error) error {
	if err := s.add(d); err != nil {
		return err
	}
	if err := each(d.build()); err != nil {
		return &eachError{err}
	}
	return nil
}

// add checks a build and counts it.
func (s *span) add(d *wireDumped) error {
	if err := d.proven(s.builds); err != nil {
		return err
	}
	e := ending{d.Finished, s.builds}
	if s.builds == 0 || e.at < s.first.at {
		s.first = e
	}
	if s.builds == 0 || e.at > s.last.at {
		s.last = e
	}
	s.builds++
	return nil
}

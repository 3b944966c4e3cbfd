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

// DumpBuild is what a status dump says of a build that has ended.
type DumpBuild struct {
	ID, Master int64
	Number     int // of the builder's builds, from 0
	Builder    string
	// Requests are those that the build answered, ascending: the last ran, the
	// earlier ones were merged into it. The dump has two lists, which can
	// differ; this is both.
	Requests []int64
	Result   int    // 0 to 6 as in Buildbot
	Reason   string // "scheduler", "Self-serve: Rebuilt by …"

	Requested, Started, Finished time.Time // to the second

	// Revision is that of the newest request, in 12 or 40 digits, or whatever
	// somebody asked self-serve for; empty where the dump has none. So are the
	// others.
	Revision, Branch, Scheduler           string
	PackageURL, TestsURL, TestPackagesURL string
	LogURL                                string
	BlobberFiles                          string // an object of names and URLs, as text
}

// Files are the URLs of what tests need of a build: the package, and the tests
// as the newer of two ways has them. Empty where the build made none.
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

// Blobs are the files that the run uploaded, URLs by name; none where the dump's
// text is torn.
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

// requests are the ids of both lists, which are the same one nearly always.
func (d *wireDumped) requests() []int64 {
	all := d.Requests
	if !slices.Equal(all, d.Properties.Requests) {
		all = append(all, d.Properties.Requests...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// mostDump bounds what a dump may unpack to.
const mostDump = 4 << 30

// ReadDump reads a status dump, builds-4hr or that of a day, packed or not,
// whatever its name says, and calls each with every build as it comes. A list of
// builds alone, as some saved them, is read too. What is no dump, or is cut, or has a
// build that no dump has, gives an error that wraps [job.ErrMalformed] and says
// where; the builds before it were seen. An error of each ends it.
func ReadDump(in io.Reader, each func(DumpBuild) error) error {
	return readDump(in, contract.Asked{}, each)
}

// eachError is an error of the caller's own function.
type eachError struct{ error }

// readDump reads a dump that was asked for, or any where nothing was.
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

// proveDump reads either form of a dump. What was asked for is never a list alone,
// which does not say of when it is.
func proveDump(in io.Reader, asked contract.Asked, seen *span, take func(string, *wireDumped) error) error {
	plain, err := gunzip.Reader(in)
	if err != nil {
		return err
	}
	text := bufio.NewReader(io.LimitReader(plain, mostDump))
	if asked.URL == "" && first(text) == '[' {
		_, err := dumpedBuilds.Read(asked, text, contract.Elements("", take))
		if err == nil && seen.builds == 0 {
			err = contract.Outside(".", "a list of no builds")
		}
		return err
	}
	d, err := dumpContract.Read(asked, text, contract.Elements("builds", take))
	if err != nil {
		return err
	}
	return d.holds(*seen)
}

// first is the byte with which a text begins.
func first(text *bufio.Reader) byte {
	for {
		b, err := text.ReadByte()
		if err != nil {
			return 0
		}
		if b != ' ' && b != '\n' && b != '\r' && b != '\t' {
			_ = text.UnreadByte() // it was read just now
			return b
		}
	}
}

// span is how many builds were read, and when the first and the last of them ended.
type span struct {
	builds      int
	first, last ending
}

// ending is when the build at a place ended.
type ending struct {
	at    epoch
	place int
}

// take proves a build and gives it away.
func (s *span) take(d *wireDumped, each func(DumpBuild) error) error {
	if err := s.add(d); err != nil {
		return err
	}
	if err := each(d.build()); err != nil {
		return &eachError{err}
	}
	return nil
}

// add proves a build.
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

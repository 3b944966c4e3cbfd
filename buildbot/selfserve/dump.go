package selfserve

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/mozci/mozci/internal/gunzip"
	"github.com/mozci/mozci/internal/lax"
	"github.com/mozci/mozci/job"
)

// DumpBuild is what a status dump says of a build that has ended.
type DumpBuild struct {
	ID, Master int64
	Number     int // of the builder's builds
	Builder    string
	// Requests are those that the build answered, ascending: the last ran, the
	// earlier ones were merged into it. The dump has two lists, which can
	// differ; this is both.
	Requests []int64
	Result   int    // 0 to 6 as in Buildbot; NoResult where the dump has none
	Reason   string // "scheduler", "Self-serve: Rebuilt by …"

	Requested, Started, Finished time.Time // to the second; zero where the dump has none

	// Revision is that of the newest request, in 12 or 40 digits; empty where
	// the dump has none. So are the others.
	Revision, Branch, Scheduler           string
	PackageURL, TestsURL, TestPackagesURL string
	LogURL                                string
	BlobberFiles                          string // an object of names and URLs, as text
}

// NoResult is the result of a build that has none.
const NoResult = -1

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
	if json.Unmarshal([]byte(b.BlobberFiles), &out) != nil {
		return nil
	}
	return out
}

// ids is a list of numbers; anything else is none.
type ids []int64

func (l *ids) UnmarshalJSON(text []byte) error {
	*l = nil
	var some []int64
	if json.Unmarshal(text, &some) == nil {
		*l = some
	}
	return nil
}

type seconds float64

func (s seconds) time() time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(int64(s), 0).UTC()
}

// dumped is a build as the dump has it.
type dumped struct {
	ID         int64      `json:"id"`
	Master     int64      `json:"master_id"`
	Number     int        `json:"buildnumber"`
	Requested  seconds    `json:"requesttime"`
	Started    seconds    `json:"starttime"`
	Finished   seconds    `json:"endtime"`
	Result     *int       `json:"result"`
	Reason     lax.Word   `json:"reason"`
	Requests   ids        `json:"request_ids"`
	Properties properties `json:"properties"`
}

type properties struct {
	Builder         lax.Word `json:"buildername"`
	Revision        lax.Word `json:"revision"`
	GotRevision     lax.Word `json:"got_revision"`
	GeckoRevision   lax.Word `json:"gecko_revision"` // B2G's
	Branch          lax.Word `json:"branch"`
	Scheduler       lax.Word `json:"scheduler"`
	PackageURL      lax.Word `json:"packageUrl"`
	TestsURL        lax.Word `json:"testsUrl"`
	TestPackagesURL lax.Word `json:"testPackagesUrl"`
	LogURL          lax.Word `json:"log_url"`
	BlobberFiles    lax.Word `json:"blobber_files"`
	Requests        ids      `json:"request_ids"`
}

func (d *dumped) build() DumpBuild {
	p := &d.Properties
	out := DumpBuild{
		ID: d.ID, Master: d.Master, Number: d.Number, Builder: string(p.Builder),
		Result: NoResult, Reason: string(d.Reason),
		Requested: d.Requested.time(), Started: d.Started.time(), Finished: d.Finished.time(),
		Revision: string(p.Revision), Branch: string(p.Branch), Scheduler: string(p.Scheduler),
		PackageURL: string(p.PackageURL), TestsURL: string(p.TestsURL), TestPackagesURL: string(p.TestPackagesURL),
		LogURL: string(p.LogURL), BlobberFiles: string(p.BlobberFiles),
	}
	out.Revision = cmp.Or(out.Revision, string(p.GotRevision), string(p.GeckoRevision))
	if d.Result != nil {
		out.Result = *d.Result
	}
	out.Requests = append(slices.Clone([]int64(d.Requests)), p.Requests...)
	slices.Sort(out.Requests)
	out.Requests = slices.Compact(out.Requests)
	return out
}

// skip is a value that is not wanted.
type skip struct{}

func (*skip) UnmarshalJSON([]byte) error { return nil }

// mostDump bounds what a dump may unpack to.
const mostDump = 4 << 30

// ReadDump reads a status dump, builds-4hr or that of a day, packed or not,
// whatever its name says, and calls each with every build as it comes. What is
// no dump, or is cut, gives an error that wraps [job.ErrMalformed] and says
// where; the builds before it were seen. An error of each ends it.
func ReadDump(in io.Reader, each func(DumpBuild) error) error {
	n, err := readDump(in, each)
	var own *eachError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return own.error
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: the dump is cut after build %d: %w", job.ErrMalformed, n, err)
	}
	return fmt.Errorf("%w: no status dump after build %d: %w", job.ErrMalformed, n, err)
}

// eachError is an error of the caller's own function.
type eachError struct{ error }

func readDump(in io.Reader, each func(DumpBuild) error) (n int, err error) {
	plain, err := gunzip.Reader(in)
	if err != nil {
		return 0, err
	}
	dec := json.NewDecoder(io.LimitReader(plain, mostDump))
	open, err := dec.Token()
	if err != nil {
		return 0, err
	}
	if open == json.Delim('[') { // only the builds, as some saved them
		return builds(dec, each)
	}
	if open != json.Delim('{') {
		return 0, fmt.Errorf("expected an object, got %v", open)
	}
	found := false
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return n, err
		}
		if key != "builds" {
			if err := dec.Decode(&skip{}); err != nil {
				return n, err
			}
			continue
		}
		found = true
		if list, err := dec.Token(); err != nil || list != json.Delim('[') {
			return n, errors.Join(fmt.Errorf("builds: expected a list, got %v", list), err)
		}
		if n, err = builds(dec, each); err != nil {
			return n, err
		}
	}
	if _, err := dec.Token(); err != nil {
		return n, err
	}
	if !found {
		return n, errors.New("it has no builds")
	}
	return n, nil
}

// builds reads a list whose beginning was read.
func builds(dec *json.Decoder, each func(DumpBuild) error) (n int, err error) {
	for ; dec.More(); n++ {
		var d dumped
		if err := dec.Decode(&d); err != nil {
			var kind *json.UnmarshalTypeError
			if errors.As(err, &kind) {
				err = fmt.Errorf("build %s: %w", strconv.FormatInt(d.ID, 10), err)
			}
			return n, err
		}
		if err := each(d.build()); err != nil {
			return n, &eachError{err}
		}
	}
	_, err = dec.Token()
	return n, err
}

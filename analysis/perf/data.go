package perf

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/job"
)

// Measurement is one value that a run measured.
type Measurement struct {
	Framework string   // "talos"
	Suite     string   // "tp5o"
	Test      string   // of the suite; empty for the summary value of the suite
	Options   []string // sorted
	Value     float64
	// Replicates are the single measurements that the value sums up, where the run lists
	// them.
	Replicates    []float64
	Unit          string // "ms"; empty where the run does not say
	LowerIsBetter bool
}

// Name returns the name by which people call it: the suite, a slash and the test, then
// the options, sorted and separated by spaces: "tp5o/163.com e10s stylo".
func (m Measurement) Name() string {
	return strings.Join(append([]string{m.plainName()}, m.Options...), " ")
}

// plainName is the name without options: "tp5o/163.com".
func (m Measurement) plainName() string {
	if m.Test == "" {
		return m.Suite
	}
	return m.Suite + "/" + m.Test
}

// The limits of what is read from a run, whose data can come from anyone's push.
// Perfherder itself takes files of at most 5 MiB, and values up to 1e12.
const (
	mostData         = 5 << 20 // bytes of one piece of data
	mostMeasurements = 20_000  // of one run
	mostReplicates   = 10_000  // of one measurement
	mostOptions      = 100     // of one suite
	longestName      = 500     // bytes; also of an option and a unit
)

// The layout of the data: testing/performance/common/performance-artifact-schema.json of
// Firefox. Fields that are not listed here are ignored. Pointers tell a missing field
// from a zero.
type dataWire struct {
	Framework struct {
		Name string `json:"name"`
	} `json:"framework"`
	Suites []suiteWire `json:"suites"`
}

// suiteWire is a suite. Its value sums up those of its tests; a suite may have none.
type suiteWire struct {
	Name          string     `json:"name"`
	Value         *float64   `json:"value"`
	Replicates    []float64  `json:"replicates"`
	Unit          string     `json:"unit"`
	LowerIsBetter *bool      `json:"lowerIsBetter"`
	ExtraOptions  []string   `json:"extraOptions"`
	Subtests      []testWire `json:"subtests"`
}

// testWire is a test of a suite, called a subtest in Perfherder. It must have a value.
type testWire struct {
	Name          string    `json:"name"`
	Value         *float64  `json:"value"`
	Replicates    []float64 `json:"replicates"`
	Unit          string    `json:"unit"`
	LowerIsBetter *bool     `json:"lowerIsBetter"`
}

// parse reads one piece of data: an object, or a list of objects. A missing field that is
// needed is job.ErrMalformed; it never becomes a default.
func parse(data []byte) ([]Measurement, error) {
	if len(data) > mostData {
		return nil, malformed("%d bytes, more than %d", len(data), mostData)
	}
	var all []dataWire
	var err error
	if jsontext.Value(data).Kind() == '[' {
		err = json.Unmarshal(data, &all)
	} else {
		all = make([]dataWire, 1)
		err = json.Unmarshal(data, &all[0])
	}
	if err != nil {
		return nil, malformed("%s", clip.Text(err.Error(), 200))
	}
	var out []Measurement
	for _, d := range all {
		if d.Framework.Name == "" || len(d.Framework.Name) > longestName {
			return nil, malformed("no framework, or its name is longer than %d bytes", longestName)
		}
		if d.Suites == nil {
			return nil, malformed("%s: no suites", d.Framework.Name)
		}
		for _, s := range d.Suites {
			if out, err = s.add(out, d.Framework.Name); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// malformed is the error of data that does not have the layout.
func malformed(format string, args ...any) error {
	return fmt.Errorf("perf: %w: data for Perfherder: %s", job.ErrMalformed, fmt.Sprintf(format, args...))
}

// add appends the values of a suite and its tests. Tests have the options of the suite;
// its direction and unit too, unless they state their own. A suite that states no direction
// is better when lower, as in Perfherder. So a suite tp5o of 594.81 ms with the test 163.com
// of 588.25 gives two measurements, "tp5o" and "tp5o/163.com", both in ms.
func (s suiteWire) add(out []Measurement, framework string) ([]Measurement, error) {
	if s.Name == "" || len(s.Name) > longestName {
		return nil, malformed("a suite without a name, or its name is longer than %d bytes", longestName)
	}
	if len(s.ExtraOptions) > mostOptions {
		return nil, malformed("suite %s: %d options, more than %d", s.Name, len(s.ExtraOptions), mostOptions)
	}
	for _, o := range s.ExtraOptions {
		if len(o) > longestName {
			return nil, malformed("suite %s: an option of %d bytes, more than %d", s.Name, len(o), longestName)
		}
	}
	suite := Measurement{
		Framework: framework, Suite: s.Name, Options: slices.Sorted(slices.Values(s.ExtraOptions)), Unit: s.Unit,
		LowerIsBetter: s.LowerIsBetter == nil || *s.LowerIsBetter,
	}
	var err error
	if s.Value != nil { // a suite may have tests only
		if out, err = suite.with(out, *s.Value, s.Replicates); err != nil {
			return nil, err
		}
	}
	for _, t := range s.Subtests {
		if t.Name == "" || len(t.Name) > longestName || t.Value == nil {
			return nil, malformed("suite %s: a test without a name or a value", s.Name)
		}
		m := suite
		m.Test, m.Unit = t.Name, cmp.Or(t.Unit, suite.Unit)
		if t.LowerIsBetter != nil {
			m.LowerIsBetter = *t.LowerIsBetter
		}
		if out, err = m.with(out, *t.Value, t.Replicates); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// with appends the measurement with its value, and checks the limits.
func (m Measurement) with(out []Measurement, value float64, replicates []float64) ([]Measurement, error) {
	m.Value, m.Replicates = value, replicates
	switch {
	case len(out) >= mostMeasurements:
		return nil, malformed("more than %d values", mostMeasurements)
	case len(m.Unit) > longestName:
		return nil, malformed("%s: a unit of %d bytes, more than %d", m.Name(), len(m.Unit), longestName)
	case len(replicates) > mostReplicates:
		return nil, malformed("%s: %d replicates, more than %d", m.Name(), len(replicates), mostReplicates)
	}
	// NaN and infinities fail the same check; see sane.
	for _, v := range append([]float64{value}, replicates...) {
		if !sane(v) {
			return nil, malformed("%s: value %v is beyond 1e12", m.Name(), v)
		}
	}
	return append(out, m), nil
}

// ReadArtifact reads a file that a run uploaded for Perfherder, perfherder-data-*.json,
// or several of them one after the other. The file may be compressed. Anything else in it
// is job.ErrMalformed; the values before it are returned along with the error.
func ReadArtifact(in io.Reader) ([]Measurement, error) {
	text, done, err := unpacked(in)
	defer done()
	if err != nil {
		return nil, err
	}
	d := jsontext.NewDecoder(io.LimitReader(text, mostFile))
	var out []Measurement
	for {
		v, err := d.ReadValue()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, readError(err)
		}
		ms, err := parse(v)
		if err != nil {
			return out, err
		}
		if out = append(out, ms...); len(out) > mostMeasurements {
			return out[:mostMeasurements], malformed("more than %d values", mostMeasurements)
		}
	}
}

// mostFile is the maximum size in bytes of the files of one run together, once
// decompressed.
const mostFile = 16 * mostData

// readError turns broken JSON into job.ErrMalformed, and leaves errors of reading as they
// are: those may go away.
func readError(err error) error {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) || errors.Is(err, io.ErrUnexpectedEOF) {
		return malformed("%s", clip.Text(err.Error(), 200))
	}
	return err
}

// everyJobs are the frameworks whose data jobs of any kind leave in their logs: how long
// cloning took, and what the machine did. They count only when they are named.
var everyJobs = []string{"vcs", "job_resource_usage"}

// ofTests reports whether a measurement comes from a performance test, and not from the
// machinery around it.
func (m Measurement) ofTests() bool { return !slices.Contains(everyJobs, m.Framework) }

// Choose returns the measurement with the given name. A name is a suite, or suite/test,
// with the options or, where that is unambiguous, without; a test alone is enough too. An
// empty name means the only value there is: the only summary value of a suite or, without
// any, the only value of a test.
//
// When the same name occurs several times the first one counts, as in Perfherder. A name
// that does not occur is job.ErrNotFound; one that means several values is
// job.ErrInvalid, and the error lists them. For "tp5o e10s", "tp5o/163.com e10s" and
// "tp5o/bing.com e10s":
//
//	"tp5o e10s", "tp5o"    the summary
//	"163.com"              tp5o/163.com
//	""                     the summary, the only one
//	"tp6"                  job.ErrNotFound
func Choose(all []Measurement, name string) (Measurement, error) {
	ways := []func(Measurement) bool{
		func(m Measurement) bool { return m.Name() == name },
		func(m Measurement) bool { return m.plainName() == name },
		func(m Measurement) bool { return m.Test == name },
	}
	if name == "" {
		ways = []func(Measurement) bool{
			func(m Measurement) bool { return m.Test == "" && m.ofTests() },
			Measurement.ofTests,
		}
	}
	// The ways are tried from the strictest to the loosest; the first that finds anything
	// decides.
	for _, is := range ways {
		var found []Measurement
		for _, m := range all {
			// Frameworks can share a name: then both are found, and the name is ambiguous.
			same := func(f Measurement) bool { return f.Name() == m.Name() && f.Framework == m.Framework }
			if is(m) && !slices.ContainsFunc(found, same) {
				found = append(found, m)
			}
		}
		switch {
		case len(found) == 1:
			return found[0], nil
		case len(found) > 1:
			return Measurement{}, fmt.Errorf("%w: the run has %d values: name one of %s", job.ErrInvalid,
				len(found), names(found))
		}
	}
	if name == "" {
		return Measurement{}, fmt.Errorf("%w: the run has no values", job.ErrNotFound)
	}
	return Measurement{}, fmt.Errorf("%w: the run has no value %q: it has %s", job.ErrNotFound, name,
		cmp.Or(names(all), "no values"))
}

// names lists the names of measurements, at most 20, and how many more there are.
func names(all []Measurement) string {
	const most = 20
	var out []string
	for _, m := range all {
		if n := clip.Text(m.Name(), 100); !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	if more := len(out) - most; more > 0 {
		out = append(out[:most], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, ", ")
}

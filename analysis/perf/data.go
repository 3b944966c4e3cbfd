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
	Framework string // "talos"
	Suite     string // "tp5o"
	Test      string // of the suite; empty for the suite's own value
	Options   []string
	Value     float64
	// Replicates are what the value was made of, where the run says so.
	Replicates    []float64
	Unit          string // "ms"; empty where the run does not say
	LowerIsBetter bool
}

// Name is what one calls it: the suite, a slash and the test, and the options after
// spaces, in their order.
func (m Measurement) Name() string {
	return strings.Join(append([]string{m.plainName()}, m.Options...), " ")
}

// plainName is the name without options.
func (m Measurement) plainName() string {
	if m.Test == "" {
		return m.Suite
	}
	return m.Suite + "/" + m.Test
}

// The bounds of what a run says: its data is anybody's. Perfherder itself takes at most
// 5 MiB of a file, and values up to 1e12.
const (
	mostData         = 5 << 20 // bytes of one piece of data
	mostMeasurements = 20_000
	mostReplicates   = 10_000 // of one measurement
	mostOptions      = 100
	longestName      = 500 // bytes
)

// The form of the data: testing/performance/common/performance-artifact-schema.json of
// Firefox. What is not here is not read.
type dataWire struct {
	Framework struct {
		Name string `json:"name"`
	} `json:"framework"`
	Suites []suiteWire `json:"suites"`
}

type suiteWire struct {
	Name          string     `json:"name"`
	Value         *float64   `json:"value"`
	Replicates    []float64  `json:"replicates"`
	Unit          string     `json:"unit"`
	LowerIsBetter *bool      `json:"lowerIsBetter"`
	ExtraOptions  []string   `json:"extraOptions"`
	Subtests      []testWire `json:"subtests"`
}

type testWire struct {
	Name          string    `json:"name"`
	Value         *float64  `json:"value"`
	Replicates    []float64 `json:"replicates"`
	Unit          string    `json:"unit"`
	LowerIsBetter *bool     `json:"lowerIsBetter"`
}

// parse reads one piece of data: an object, or a list of them. What it lacks is
// job.ErrMalformed, and never a default.
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
			return nil, malformed("no framework, or one with a name of more than %d bytes", longestName)
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

func malformed(format string, args ...any) error {
	return fmt.Errorf("perf: %w: data for Perfherder: %s", job.ErrMalformed, fmt.Sprintf(format, args...))
}

// add adds the values of a suite and its tests, which have its options, and its
// direction and unit where they do not say their own.
func (s suiteWire) add(out []Measurement, framework string) ([]Measurement, error) {
	if s.Name == "" || len(s.Name) > longestName {
		return nil, malformed("a suite without a name, or with one of more than %d bytes", longestName)
	}
	if len(s.ExtraOptions) > mostOptions {
		return nil, malformed("suite %s: %d options", s.Name, len(s.ExtraOptions))
	}
	for _, o := range s.ExtraOptions {
		if len(o) > longestName {
			return nil, malformed("suite %s: an option of %d bytes", s.Name, len(o))
		}
	}
	suite := Measurement{
		Framework: framework, Suite: s.Name, Options: slices.Sorted(slices.Values(s.ExtraOptions)), Unit: s.Unit,
		LowerIsBetter: s.LowerIsBetter == nil || *s.LowerIsBetter,
	}
	var err error
	if s.Value != nil { // a suite of tests alone has none
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

// with adds the measurement with its value.
func (m Measurement) with(out []Measurement, value float64, replicates []float64) ([]Measurement, error) {
	m.Value, m.Replicates = value, replicates
	switch {
	case len(out) >= mostMeasurements:
		return nil, malformed("more than %d values", mostMeasurements)
	case len(m.Unit) > longestName:
		return nil, malformed("%s: a unit of %d bytes", m.Name(), len(m.Unit))
	case len(replicates) > mostReplicates:
		return nil, malformed("%s: %d replicates", m.Name(), len(replicates))
	}
	for _, v := range append([]float64{value}, replicates...) {
		if !sane(v) {
			return nil, malformed("%s: value %v is beyond 1e12", m.Name(), v)
		}
	}
	return append(out, m), nil
}

// ReadArtifact reads a file that a run left for Perfherder, perfherder-data-*.json, or
// several one after the other, packed or not. What is no such data is job.ErrMalformed;
// the values before it are returned.
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

// mostFile bounds the files of one run together, once unpacked.
const mostFile = 16 * mostData

// readError tells data that is broken from what could not be read.
func readError(err error) error {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) || errors.Is(err, io.ErrUnexpectedEOF) {
		return malformed("%s", clip.Text(err.Error(), 200))
	}
	return err
}

// everyJobs are the frameworks of data that jobs of any sort leave in their logs: what
// cloning took, and what the machine did. They are meant only where they are named.
var everyJobs = []string{"vcs", "job_resource_usage"}

// ofTests reports whether a measurement is what a performance job is there for.
func (m Measurement) ofTests() bool { return !slices.Contains(everyJobs, m.Framework) }

// Choose returns the measurement of that name: a suite, or a suite/test, with its options
// or, where that is enough, without; a test alone is enough too. An empty name means the
// only value that there is: the only one of a suite, if there are any. Of several of the
// same name the first counts, as in Perfherder. One that is not there is
// job.ErrNotFound; a name that means several is job.ErrInvalid, and the error lists them.
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
	for _, is := range ways {
		var found []Measurement
		for _, m := range all {
			same := func(f Measurement) bool { return f.Name() == m.Name() && f.Framework == m.Framework }
			if is(m) && !slices.ContainsFunc(found, same) {
				found = append(found, m)
			}
		}
		switch {
		case len(found) == 1:
			return found[0], nil
		case len(found) > 1:
			return Measurement{}, fmt.Errorf("%w: the run measured %d values: name one of %s", job.ErrInvalid,
				len(found), names(found))
		}
	}
	if name == "" {
		return Measurement{}, fmt.Errorf("%w: the run measured nothing", job.ErrNotFound)
	}
	return Measurement{}, fmt.Errorf("%w: the run did not measure %q: it has %s", job.ErrNotFound, name,
		cmp.Or(names(all), "no values"))
}

// names are those of measurements, as far as they can be shown.
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

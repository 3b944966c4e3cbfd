package perf_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/analysis/perf"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// talos is what a log of Talos has among other lines: what cloning took, its values, and a
// line that only speaks of them.
const talos = `[taskcluster 2026-01-05 17:41:43.544Z] Worker Group: us-west-2b
[vcs 2026-01-05T17:42:38.469Z] PERFHERDER_DATA: {"framework": {"name": "vcs"}, "suites": [` +
	`{"extraOptions": ["m3.xlarge"], "lowerIsBetter": true, "name": "clone", "subtests": [], "value": 156.62}, ` +
	`{"name": "overall", "subtests": [], "value": 270.8}]}
[task 2026-01-05T17:50:01.000Z] 17:50:01     INFO -  the harness writes PERFHERDER_DATA: and JSON
[task 2026-01-05T17:50:02.000Z] 17:50:02     INFO -  PERFHERDER_DATA: {"framework": {"name": "talos"}, "suites": [` +
	`{"extraOptions": ["e10s", "stylo"], "name": "tp5o", "lowerIsBetter": true, "unit": "ms", "value": 594.81, ` +
	`"alertThreshold": 5.0, "subtests": [{"name": "163.com", "replicates": [586.5, 590], "value": 588.25}, ` +
	`{"name": "score", "lowerIsBetter": false, "unit": "runs", "value": 7}]}, ` +
	`{"name": "speed", "lowerIsBetter": false, "value": null, "subtests": [{"name": "a", "value": 1}]}]}` +
	"\x1b[0m\r\n" +
	`[task 2026-01-05T17:50:03.000Z] PERFHERDER_DATA: {"framework": {"name": "talos"}, "suites": [{"name"
`

var talosValues = []perf.Measurement{
	{Framework: "vcs", Suite: "clone", Options: []string{"m3.xlarge"}, Value: 156.62, LowerIsBetter: true},
	{Framework: "vcs", Suite: "overall", Value: 270.8, LowerIsBetter: true},
	{
		Framework: "talos", Suite: "tp5o", Options: []string{"e10s", "stylo"}, Value: 594.81, Unit: "ms",
		LowerIsBetter: true,
	},
	{
		Framework: "talos", Suite: "tp5o", Test: "163.com", Options: []string{"e10s", "stylo"}, Value: 588.25,
		Replicates: []float64{586.5, 590}, Unit: "ms", LowerIsBetter: true,
	},
	{Framework: "talos", Suite: "tp5o", Test: "score", Options: []string{"e10s", "stylo"}, Value: 7, Unit: "runs"},
	{Framework: "talos", Suite: "speed", Test: "a", Value: 1},
}

func TestReadLog(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, talos)
	_ = z.Close()
	for _, in := range []io.Reader{strings.NewReader(talos), &packed} {
		got, err := perf.ReadLog(t.Context(), in)
		if !errors.Is(err, job.ErrMalformed) {
			t.Errorf("of the torn line: %v", err)
		}
		if d := cmp.Diff(talosValues, got); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := perf.ReadLog(ctx, strings.NewReader(talos)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := perf.ReadLog(t.Context(), iotestError{}); err == nil || errors.Is(err, job.ErrMalformed) {
		t.Errorf("a log that cannot be read: %v", err)
	}
}

type iotestError struct{}

func (iotestError) Read([]byte) (int, error) { return 0, errors.New("connection lost") }

// A long line without an end costs no more than the data may have.
func TestLongLine(t *testing.T) {
	long := strings.Repeat("x", 9<<20)
	good := `PERFHERDER_DATA: {"framework":{"name":"f"},"suites":[{"name":"s","value":3}]}` + "\n"
	got, err := perf.ReadLog(t.Context(), strings.NewReader(long+"\n"+good))
	if err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
	got, err = perf.ReadLog(t.Context(), strings.NewReader("PERFHERDER_DATA: {"+long+"}\n"+good))
	if !errors.Is(err, job.ErrMalformed) || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestReadArtifact(t *testing.T) {
	one := `{"framework":{"name":"f"},"suites":[{"name":"s","value":3}]}`
	got, err := perf.ReadArtifact(strings.NewReader(one + "\n[" + one + "," + one + "]\n"))
	if err != nil || len(got) != 3 || got[2].Name() != "s" || got[2].Value != 3 || !got[2].LowerIsBetter {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := perf.ReadArtifact(strings.NewReader("")); err != nil || len(got) != 0 {
		t.Errorf("nothing: %v, %v", got, err)
	}
	got, err = perf.ReadArtifact(strings.NewReader(one + `{"framework"`))
	if !errors.Is(err, job.ErrMalformed) || len(got) != 1 {
		t.Errorf("torn: %v, %v", got, err)
	}
	if _, err := perf.ReadArtifact(iotestError{}); err == nil || errors.Is(err, job.ErrMalformed) {
		t.Errorf("a file that cannot be read: %v", err)
	}
}

// What data lacks is an error, and never a default.
func TestBrokenData(t *testing.T) {
	name := strings.Repeat("n", 501)
	for _, data := range []string{
		`{}`, `null`, `1`, `"a"`, `[1]`, `{"framework":{"name":"f"}}`, `{"framework":{"name":"f"},"suites":null}`,
		`{"suites":[]}`, `{"framework":{"name":""},"suites":[]}`, `{"framework":"f","suites":[]}`,
		`{"framework":{"name":"` + name + `"},"suites":[]}`,
		suites(`{"value":1}`), suites(`{"name":"","value":1}`), suites(`{"name":"` + name + `"}`),
		suites(`{"name":"s","value":"1"}`), suites(`{"name":"s","value":1e13}`), suites(`{"name":"s","value":1e999}`),
		suites(`{"name":"s","value":1,"lowerIsBetter":"yes"}`), suites(`{"name":"s","value":1,"value":2}`),
		suites(`{"name":"s","value":1,"unit":"` + name + `"}`), suites(`{"name":"s","value":1,"extraOptions":[1]}`),
		suites(`{"name":"s","value":1,"extraOptions":["` + name + `"]}`),
		suites(`{"name":"s","value":1,"extraOptions":[` + strings.Repeat(`"o",`, 100) + `"o"]}`),
		suites(`{"name":"s","value":1,"replicates":[1e13]}`), suites(`{"name":"s","value":1,"replicates":[null,"a"]}`),
		suites(`{"name":"s","value":1,"replicates":[` + strings.Repeat("1,", 10_000) + `1]}`),
		suites(`{"name":"s","subtests":[{"name":"t"}]}`), suites(`{"name":"s","subtests":[{"value":1}]}`),
		suites(`{"name":"s","subtests":[{"name":"t","value":null}]}`),
		suites(`{"name":"s","subtests":[` + strings.Repeat(`{"name":"t","value":1},`, 20_000) +
			`{"name":"t","value":1}]}`),
		suites("{\"name\":\"\xff\",\"value\":1}"),
	} {
		if got, err := perf.ReadArtifact(strings.NewReader(data)); !errors.Is(err, job.ErrMalformed) {
			t.Errorf("%.100s: %v, %v", data, got, err)
		}
	}
}

func suites(s string) string { return `{"framework":{"name":"f"},"suites":[` + s + `]}` }

func TestChoose(t *testing.T) {
	for _, c := range []struct{ name, want, err string }{
		{"tp5o", "tp5o e10s stylo", ""},
		{"tp5o e10s stylo", "tp5o e10s stylo", ""},
		{"tp5o/163.com", "tp5o/163.com e10s stylo", ""},
		{"163.com", "tp5o/163.com e10s stylo", ""},
		{"clone", "clone m3.xlarge", ""},
		{"", "tp5o e10s stylo", ""}, // the only suite with a value, besides what each job has
		{"tp6", "", `not found: the run has no value "tp6": it has clone m3.xlarge, overall, tp5o e10s stylo,`},
	} {
		got, err := perf.Choose(talosValues, c.name)
		switch {
		case c.err != "" && (!errors.Is(err, job.ErrNotFound) || !strings.HasPrefix(err.Error(), c.err)):
			t.Errorf("%q: %v, want %s", c.name, err, c.err)
		case c.err == "" && (err != nil || got.Name() != c.want):
			t.Errorf("%q: %s, %v, want %s", c.name, got.Name(), err, c.want)
		}
	}
	two := []perf.Measurement{{Suite: "a", Value: 1}, {Suite: "a", Value: 2}, {Suite: "b", Value: 3}}
	_, err := perf.Choose(two, "")
	if want := "invalid: the run has 2 values: name one of a, b"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if got, err := perf.Choose(two, "a"); err != nil || got.Value != 1 {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := perf.Choose(talosValues[:2], ""); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("only what each job has: %v", err)
	}
	var many []perf.Measurement
	for i := range 50 {
		many = append(many, perf.Measurement{Suite: fmt.Sprint("s", i)})
	}
	_, err = perf.Choose(many, "")
	if !errors.Is(err, job.ErrInvalid) || !strings.Contains(err.Error(), "and 30 more") {
		t.Errorf("many: %v", err)
	}
}

// files is a CI whose runs left files.
type files map[job.LogKind]string

func (files) Jobs(context.Context, job.Push, ...string) ([]job.Job, error) { return nil, nil }

func (files) Trigger(context.Context, job.Request) (job.Receipt, error) {
	return job.Receipt{}, errors.ErrUnsupported
}

func (f files) OpenLog(_ context.Context, _ job.Job, which job.LogKind) (io.ReadCloser, error) {
	text, ok := f[which]
	switch {
	case text == "down":
		return nil, job.ErrUnavailable
	case !ok:
		return nil, job.ErrNotFound
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

func TestReadRun(t *testing.T) {
	ci := jobtest.NewCI(jobtest.MustParse("push a/tp5o\n1 a1c0 pass:v=431.2,fail\n"), nil)
	repo, err := ci.Repository("autoland")
	if err != nil {
		t.Fatal(err)
	}
	p, err := repo.Push(t.Context(), "tip")
	if err != nil {
		t.Fatal(err)
	}
	jobs, err := ci.Jobs(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := perf.ReadRun(t.Context(), ci, jobs[0])
	if err != nil || len(got) != 1 || got[0].Value != 431.2 || got[0].Name() != "tp5o" {
		t.Errorf("of a world: %v, %v", got, err)
	}
	if _, err := perf.ReadRun(t.Context(), ci, jobs[1]); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("a run that measured nothing: %v", err)
	}
	file := suites(`{"name":"file","value":1}`)
	resources := strings.Replace(suites(`{"name":"cpu","value":1}`), `"f"`, `"job_resource_usage"`, 1)
	for _, c := range []struct {
		ci   files
		want []string
		err  error
	}{
		{files{job.LogPerf: file, job.LogText: talos}, []string{"file"}, nil},
		{files{job.LogPerf: resources, job.LogText: "PERFHERDER_DATA: " + file}, []string{"cpu", "file"}, nil},
		{files{job.LogPerf: "<html>", job.LogText: "PERFHERDER_DATA: " + file}, []string{"file"}, nil},
		{files{job.LogPerf: "<html>", job.LogText: "nothing"}, nil, job.ErrMalformed},
		{files{job.LogText: "nothing"}, nil, job.ErrNotFound},
		{files{job.LogText: "PERFHERDER_DATA: {"}, nil, job.ErrMalformed},
		{files{job.LogPerf: "down"}, nil, job.ErrUnavailable},
		{files{job.LogText: "down"}, nil, job.ErrUnavailable},
	} {
		got, err := perf.ReadRun(t.Context(), c.ci, jobs[0])
		var names []string
		for _, m := range got {
			names = append(names, m.Name())
		}
		if !errors.Is(err, c.err) || !slices.Equal(names, c.want) {
			t.Errorf("%v: %v, %v", c.ci, names, err)
		}
	}
}

// Whatever a log has, no value is beyond the bounds, and reading it ends.
func FuzzReadLog(f *testing.F) {
	f.Add([]byte(talos))
	f.Add([]byte("PERFHERDER_DATA: " + suites(`{"name":"s","value":1,"replicates":[1]}`)))
	f.Fuzz(func(t *testing.T, log []byte) {
		got, err := perf.ReadLog(t.Context(), bytes.NewReader(log))
		if err != nil && !errors.Is(err, job.ErrMalformed) && len(got) > 0 {
			t.Errorf("%v", err)
		}
		check(t, got)
	})
}

func FuzzReadArtifact(f *testing.F) {
	samples, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range samples {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(suites(`{"name":"s","subtests":[{"name":"t","value":1,"lowerIsBetter":false}]}`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, _ := perf.ReadArtifact(bytes.NewReader(data))
		check(t, got)
	})
}

func check(t *testing.T, got []perf.Measurement) {
	t.Helper()
	for _, m := range got {
		if m.Suite == "" || m.Framework == "" || !(m.Value >= -1e12 && m.Value <= 1e12) {
			t.Errorf("%+v", m)
		}
		if _, err := perf.Choose(got, m.Name()); err != nil && !errors.Is(err, job.ErrInvalid) {
			t.Errorf("%q is not found: %v", m.Name(), err)
		}
	}
}

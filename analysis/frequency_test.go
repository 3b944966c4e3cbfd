package analysis_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
)

func rate(t *testing.T, f, n int, m analysis.Method) analysis.Rate {
	t.Helper()
	r, err := analysis.Frequency(f, n, 0.95, m)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Intervals as the literature has them.
func TestIntervals(t *testing.T) {
	for _, c := range []struct {
		f, n      int
		method    analysis.Method
		low, high float64
	}{
		{6, 6, analysis.Wilson, 0.610, 1},
		{3, 6, analysis.Wilson, 0.188, 0.812},
		{1, 6, analysis.Wilson, 0.030, 0.564},
		{0, 5, analysis.Wilson, 0, 0.434},
		{3, 6, analysis.ClopperPearson, 0.118, 0.882},
		{0, 5, analysis.ClopperPearson, 0, 0.522},
		{5, 5, analysis.ClopperPearson, 0.478, 1},
		{81, 263, analysis.Wilson, 0.255, 0.366}, // Newcombe 1998, table I
		{15, 148, analysis.Wilson, 0.062, 0.161},
		{15, 148, analysis.ClopperPearson, 0.058, 0.162},
		{0, 20, analysis.ClopperPearson, 0, 0.168},
		{1, 29, analysis.Wilson, 0.006, 0.172},
		{0, 10, analysis.Jeffreys, 0, 0.217}, // Brown, Cai and DasGupta 2001
		{5, 10, analysis.Jeffreys, 0.224, 0.776},
	} {
		r := rate(t, c.f, c.n, c.method)
		if math.Abs(r.Low-c.low) > 0.0006 || math.Abs(r.High-c.high) > 0.0006 || r.Rate != float64(c.f)/float64(c.n) {
			t.Errorf("%d of %d, %s: %.4f to %.4f, expected %.3f to %.3f", c.f, c.n, c.method, r.Low, r.High, c.low,
				c.high)
		}
	}
}

// An exact interval covers at least what it says, whatever the rate is.
func TestCoverage(t *testing.T) {
	const n = 20
	for _, p := range []float64{0.01, 0.1, 0.3, 0.5, 0.77} {
		covered := 0.0
		for f := 0; f <= n; f++ {
			if r := rate(t, f, n, analysis.ClopperPearson); r.Low <= p && p <= r.High {
				lg := func(x int) float64 { v, _ := math.Lgamma(float64(x + 1)); return v }
				covered += math.Exp(lg(n) - lg(f) - lg(n-f) + float64(f)*math.Log(p) + float64(n-f)*math.Log1p(-p))
			}
		}
		if covered < 0.95 {
			t.Errorf("rate %v is covered with probability %.4f", p, covered)
		}
	}
}

func TestRunsToSee(t *testing.T) {
	ps := []float64{0.9, 0.5, 1.0 / 3, 0.25, 0.2, 0.1, 0.05, 0.02, 0.01}
	for confidence, want := range map[float64][]int{
		0.95: {2, 5, 8, 11, 14, 29, 59, 149, 299},
		0.90: {1, 4, 6, 9, 11, 22, 45, 114, 230},
		0.99: {2, 7, 12, 17, 21, 44, 90, 228, 459},
	} {
		for i, p := range ps {
			if got, ok := analysis.RunsToSee(p, confidence); got != want[i] || !ok {
				t.Errorf("rate %.3f at %v: %d, expected %d", p, confidence, got, want[i])
			}
		}
	}
	if got, ok := analysis.RunsToSee(1, 0.95); got != 1 || !ok {
		t.Errorf("always: %d", got)
	}
	for _, p := range []float64{0, -1, math.NaN(), 1e-9} {
		if n, ok := analysis.RunsToSee(p, 0.95); ok {
			t.Errorf("rate %v needs %d", p, n)
		}
	}
}

func TestToReproduce(t *testing.T) {
	for _, c := range []struct {
		f, n                                    int
		runs, optimistic, pessimistic, ruledOut int
	}{
		{3, 6, 7, 5, 15, 15},
		{6, 6, 2, 2, 4, 4},
		{1, 6, 37, 13, 99, 99},
	} {
		r := rate(t, c.f, c.n, analysis.Wilson).ToReproduce()
		if r.Runs != c.runs || r.Optimistic != c.optimistic || r.Pessimistic != c.pessimistic ||
			r.RuleOut != c.ruledOut || r.None || r.Capped {
			t.Errorf("%d of %d: %+v", c.f, c.n, r)
		}
	}
	if r := rate(t, 0, 5, analysis.Wilson).ToReproduce(); !r.None {
		t.Errorf("what was never seen: %+v", r)
	}
	// The honest figure, by summing over the rate.
	r := rate(t, 3, 6, analysis.Wilson).ToReproduce()
	unseen := func(m int) float64 {
		sum, mass := 0.0, 0.0
		for i := range 100000 {
			p := (float64(i) + 0.5) / 100000
			w := math.Pow(p, 2.5) * math.Pow(1-p, 2.5)
			mass += w
			sum += w * math.Pow(1-p, float64(m))
		}
		return sum / mass
	}
	if unseen(r.Runs) > 0.05 || unseen(r.Runs-1) <= 0.05 {
		t.Errorf("%d runs leave it unseen with probability %v", r.Runs, unseen(r.Runs))
	}
}

func TestBadFrequencies(t *testing.T) {
	for _, c := range []struct {
		f, n       int
		confidence float64
		method     analysis.Method
	}{
		{-1, 2, 0.95, analysis.Wilson},
		{3, 2, 0.95, analysis.Wilson},
		{1, 2, 0, analysis.Wilson},
		{1, 2, 1, analysis.Wilson},
		{1, 2, math.NaN(), analysis.Wilson},
		{1, 2, 0.95, "guess"},
	} {
		if _, err := analysis.Frequency(c.f, c.n, c.confidence, c.method); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for want, c := range map[string][2]int{
		"7 failures are more than 6 runs": {7, 6}, "1 failure is more than 0 runs": {1, 0},
		"expected 0 or more": {0, -1},
	} {
		if _, err := analysis.Frequency(c[0], c[1], 0.95, analysis.Wilson); !strings.HasSuffix(fmt.Sprint(err), want) {
			t.Errorf("%v: %v, expected %q", c, err, want)
		}
	}
	for runs, want := range map[int]string{
		1:    "no failure was seen: it may still fail in up to 79% of runs; 1 run says little",
		3:    "no failure was seen: it may still fail in up to 56% of runs; 3 runs say little",
		20:   "no failure was seen: it may still fail in up to 16% of runs",
		1000: "no failure was seen: it may still fail in less than 1% of runs",
	} {
		if got := strings.Join(rate(t, 0, runs, analysis.Wilson).Warnings, "; "); got != want {
			t.Errorf("%d runs: %s", runs, got)
		}
	}
	r := rate(t, 0, 0, analysis.Wilson)
	if r.Low != 0 || r.High != 1 || len(r.Warnings) != 1 {
		t.Errorf("no runs: %+v", r)
	}
}

// A change in the rate is found where it is, and none where there is none.
func TestChange(t *testing.T) {
	series := func(parts ...int) []bool { // so many runs of which each so-many-th fails
		var out []bool
		for i := 0; i < len(parts); i += 2 {
			for j := range parts[i] {
				out = append(out, parts[i+1] > 0 && j%parts[i+1] == 0)
			}
		}
		return out
	}
	s := analysis.NewScanner(2000)
	c := s.Scan(series(300, 50, 100, 2))
	if c.At < 295 || c.At > 302 || c.Probability < 0.999 || c.Before > 0.03 || c.After < 0.45 {
		t.Errorf("%+v", c)
	}
	if c := s.Scan(series(400, 10)); c.Probability > 0.3 {
		t.Errorf("an even rate: %+v", c)
	}
	if c := s.Scan(series(50, 0)); c.Probability > 0.3 {
		t.Errorf("never failed: %+v", c)
	}
	if c := s.Scan(nil); c.Probability != 0 {
		t.Errorf("nothing: %+v", c)
	}
	if c := s.Scan(series(3000, 0, 20, 1)); c.At != 1980 || c.Probability < 0.999 {
		t.Errorf("longer than the scanner: %+v", c)
	}
	long := series(1000, 30, 1000, 5)
	if n := testing.AllocsPerRun(10, func() { _ = s.Scan(long) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The odds of a change, by summing over the places in the plainest way.
func TestChangeByHand(t *testing.T) {
	failed := []bool{false, false, true, false, true, true, true}
	marginal := func(part []bool) float64 {
		f := 0
		for _, x := range part {
			if x {
				f++
			}
		}
		g := func(x float64) float64 { v, _ := math.Lgamma(x); return v }
		n := float64(len(part))
		return math.Exp(g(float64(f)+0.5)+g(n-float64(f)+0.5)-g(n+1)) / math.Pi
	}
	sum := 0.0
	for k := 1; k < len(failed); k++ {
		sum += marginal(failed[:k]) * marginal(failed[k:])
	}
	odds := sum / float64(len(failed)-1) / marginal(failed)
	if c := analysis.NewScanner(10).Scan(failed); math.Abs(c.Probability-odds/(1+odds)) > 1e-9 {
		t.Errorf("%+v, expected probability %v", c, odds/(1+odds))
	}
}

func TestOverview(t *testing.T) {
	var even, bursts, changed []analysis.Sample
	for i := range 40 {
		p := job.Push{ID: int64(i)}
		even = append(even, analysis.Sample{Push: p, Label: fmt.Sprint("l", i%2), Failures: i % 2, Passes: 4 - i%2})
		burst := 0
		if i%8 == 3 {
			burst = 4
		}
		bursts = append(bursts, analysis.Sample{Push: p, Label: "l", Failures: burst, Passes: 4 - burst})
		c := 0
		if i > 30 {
			c = 3
		}
		changed = append(changed, analysis.Sample{Push: p, Label: "l", Failures: c, Passes: 4 - c})
	}
	for name, c := range map[string]struct {
		samples []analysis.Sample
		warns   string
	}{
		"even": {even, ""}, "bursts": {bursts, "not independent"},
		"changed": {changed, "the rate changed about push 31, after 124 of 160 runs, from <1% to 7"},
	} {
		o, err := analysis.OverviewOf(c.samples, 0.95, analysis.Wilson)
		text := strings.Join(o.Overall.Warnings, "; ")
		if err != nil || len(o.ByPush) != 40 || o.Overall.Runs != 160 || c.warns == "" && text != "" ||
			!strings.Contains(text, c.warns) {
			t.Errorf("%s: %v, %+v", name, err, o.Overall)
		}
	}
	// Pushes without runs stand between: the change is at the first push with runs after it.
	gaps := append(slices.Clone(changed[:31]), analysis.Sample{Push: job.Push{ID: 100}})
	gaps = append(append(gaps, changed[31:]...), analysis.Sample{Push: job.Push{ID: 101}})
	for name, c := range map[string]struct {
		samples []analysis.Sample
		want    int64
	}{"no gap": {changed, 31}, "gaps": {gaps, 31}, "even": {even, -1}} {
		o, err := analysis.OverviewOf(c.samples, 0.95, analysis.Wilson)
		if got := o.ChangedOn; err != nil || (o.Change == nil) != (got == nil) ||
			c.want < 0 && got != nil || c.want >= 0 && (got == nil || got.ID != c.want) {
			t.Errorf("%s: %v, changed on %v, expected push %d", name, err, got, c.want)
		}
	}
	o, _ := analysis.OverviewOf(even, 0.95, analysis.Wilson)
	if len(o.ByLabel) != 2 || o.ByLabel[0].Failures != 0 || o.ByLabel[1].Failures != 20 || o.Overall.Failures != 20 {
		t.Errorf("%+v", o.ByLabel)
	}
}

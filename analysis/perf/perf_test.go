package perf_test

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/analysis/perf"
	"github.com/mozci/mozci/job"
)

var update = flag.Bool("update", false, "rewrite the golden traces")

// story is a performance job whose culprit is known.
type story struct {
	name          string
	n, at         int // at is n+1 where nothing changed it
	before, after float64
	noise         func(*rand.Rand) float64
	older, newer  int
	k             int
	opts          perf.Options
	missing       float64 // the share of runs without a value
	dead          int     // a push on which no run has a value
	want          culprit.Outcome
}

func gaussian(r *rand.Rand) float64 { return r.NormFloat64() }

// twoModes have the same chance, and are 10 times as far apart as they are wide.
func twoModes(r *rand.Rand) float64 {
	return float64(2*r.IntN(2)-1) + 0.2*r.NormFloat64()
}

// outliers are one value in twenty, far away.
func outliers(r *rand.Rand) float64 {
	if r.IntN(20) == 0 {
		return 12
	}
	return r.NormFloat64()
}

func exact(*rand.Rand) float64 { return 0 }

var stories = []story{
	{
		name: "slower", n: 30, at: 11, before: 400, after: 404, noise: gaussian, older: 15, newer: 3, k: 4,
		want: culprit.Found,
	},
	{
		name: "faster", n: 30, at: 24, before: 400, after: 395, noise: gaussian, older: 15, k: 4,
		want: perf.Improvement,
	},
	{
		name: "one-at-a-time", n: 20, at: 3, before: 50, after: 53, noise: gaussian, older: 20, newer: 4, k: 1,
		want: culprit.Found,
	},
	{
		name: "score", n: 16, at: 9, before: 50, after: 46, noise: gaussian, older: 20, k: 4,
		opts: perf.Options{HigherIsBetter: true}, want: culprit.Found,
	},
	{
		name: "nothing", n: 30, at: 31, before: 400, after: 400, noise: gaussian, older: 20, newer: 3, k: 4,
		want: culprit.NotARegression,
	},
	{
		name: "modes-nothing", n: 30, at: 31, before: 400, noise: twoModes, older: 20, newer: 3, k: 4,
		want: culprit.NotARegression,
	},
	{
		name: "modes", n: 30, at: 14, before: 400, after: 405, noise: twoModes, older: 20, newer: 3, k: 4,
		want: culprit.Found,
	},
	{
		name: "outliers", n: 30, at: 14, before: 400, after: 405, noise: outliers, older: 20, newer: 3, k: 4,
		want: culprit.Found,
	},
	{
		name: "size", n: 64, at: 40, before: 65_000_000, after: 65_004_096, noise: exact, older: 6, k: 4,
		want: culprit.Found,
	},
	{name: "no-history", n: 20, at: 12, before: 400, after: 408, noise: gaussian, k: 4, want: culprit.Found},
	{
		name: "older", n: 12, at: 0, before: 400, after: 406, noise: gaussian, older: 15, newer: 3, k: 4,
		want: culprit.Older,
	},
	{
		name: "older-or-nothing", n: 12, at: 0, before: 400, after: 406, noise: gaussian, k: 4,
		want: culprit.OlderOrNothing,
	},
	{
		name: "values-missing", n: 20, at: 12, before: 400, after: 408, noise: gaussian, older: 10, k: 4, missing: 0.3,
		want: culprit.Found,
	},
	{
		name: "dead-push", n: 16, at: 9, before: 400, after: 410, noise: gaussian, older: 10, k: 4, dead: 8,
		want: culprit.Found,
	},
}

// lab draws what the runs of a story measure.
type lab struct {
	y story
	r *rand.Rand
}

func (l *lab) value(x int) float64 {
	if x >= l.y.at && l.y.at <= l.y.n {
		return l.y.after + l.y.noise(l.r)
	}
	return l.y.before + l.y.noise(l.r)
}

func (l *lab) run(x int) (float64, bool) {
	if l.y.dead != 0 && x == l.y.dead || l.y.missing > 0 && l.r.Float64() < l.y.missing {
		return 0, false
	}
	return l.value(x), true
}

func (y story) search(t *testing.T, seed uint64) (*perf.Search, *lab) {
	t.Helper()
	l := &lab{y, rand.New(rand.NewPCG(seed, 7))}
	o := y.opts
	for range y.older {
		v := y.before + y.noise(l.r)
		o.Older = append(o.Older, v)
	}
	for range y.newer {
		o.Newer = append(o.Newer, l.value(y.n))
	}
	if o.MaxRuns == 0 {
		o.MaxRuns = 200
	}
	s, err := perf.New(y.n, &o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Observe(y.n, l.value(y.n), false); err != nil {
		t.Fatal(err)
	}
	return s, l
}

// The whole decision, for each story: the same observations give the same next step.
func TestTraces(t *testing.T) {
	for _, y := range stories {
		t.Run(y.name, func(t *testing.T) {
			got := y.trace(t)
			file := filepath.Join("testdata", y.name+".txt")
			if *update {
				if err := os.MkdirAll("testdata", 0o750); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func (y story) trace(t *testing.T) string {
	t.Helper()
	s, l := y.search(t, 1)
	var out strings.Builder
	f := s.Forecast(y.k)
	fmt.Fprintf(&out, "about %.0f runs in %.0f rounds\n", f.Runs, f.Rounds)
	d, err := perf.Rehearse(s, y.k, func(x int) (float64, bool) {
		v, ok := l.run(x)
		if ok {
			fmt.Fprintf(&out, "  push %d: %.4g\n", x, v)
		} else {
			fmt.Fprintf(&out, "  push %d: no value\n", x)
		}
		return v, ok
	}, func(d culprit.Decision) {
		fmt.Fprintf(&out, "%.3f that it is %d, older %.3f, nothing %.3f; next %v: %s\n", d.Probability, d.Culprit,
			d.Older, d.Nothing, d.Next, d.Why)
	})
	if err != nil {
		t.Fatal(err)
	}
	c, ok := s.Change()
	fmt.Fprintf(&out, "%s %v, %d runs in %d rounds; %v: %.4g to %.4g, %.2f %%\n", d.Outcome, d.Class, s.Runs(),
		s.Rounds(), ok, c.Before, c.After, c.Percent)
	for _, w := range d.Warnings {
		fmt.Fprintf(&out, "warning: %s\n", w)
	}
	return out.String()
}

// What is found is what is there: over many seeds, within what chance allows.
func TestRight(t *testing.T) {
	const trials = 50
	for _, y := range stories {
		right := 0
		for seed := range uint64(trials) {
			s, l := y.search(t, 100+seed)
			d, err := perf.Rehearse(s, y.k, l.run, nil)
			if err != nil {
				t.Fatal(err)
			}
			found := d.Outcome == culprit.Found || d.Outcome == perf.Improvement
			if d.Outcome == y.want && (!found || slices.Contains(d.Class, y.at)) {
				right++
			}
			if y.want == culprit.OlderOrNothing && d.Older+d.Nothing >= 0.8 && d.Outcome == culprit.Undecided {
				right++ // without history it takes long
			}
		}
		if right < trials*88/100 {
			t.Errorf("%s: %d of %d", y.name, right, trials)
		}
	}
}

// A culprit is named only when both it and the push before it have values.
func TestGap(t *testing.T) {
	for seed := range uint64(40) {
		y := stories[seed%3]
		s, l := y.search(t, seed)
		seen := map[int]int{y.n: 1}
		d, err := perf.Rehearse(s, y.k, func(x int) (float64, bool) {
			seen[x]++
			return l.run(x)
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if d.Culprit > 0 && d.Done && (seen[d.Culprit] == 0 || seen[d.Culprit-1] == 0 || !d.Confirmed) {
			t.Errorf("%s, seed %d: culprit %d named with %v", y.name, seed, d.Culprit, seen)
		}
	}
}

// Neither the order in which runs end, nor the unit, nor where zero is changes what
// is decided.
func TestInvariance(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	type run struct {
		x int
		v float64
	}
	var runs []run
	for range 24 {
		x := r.IntN(13)
		v := 10 + r.NormFloat64()
		if x >= 7 {
			v += 3
		}
		runs = append(runs, run{x, v})
	}
	decide := func(scale, shift float64, runs []run) culprit.Decision {
		s, err := perf.New(12, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range runs {
			if err := s.Observe(r.x, shift+scale*r.v, false); err != nil {
				t.Fatal(err)
			}
		}
		return s.Decide(4)
	}
	want := decide(1, 0, runs)
	for _, c := range []struct{ scale, shift float64 }{{1024, 0}, {-1, 0}, {1, 500}, {0.001, 0}} {
		r.Shuffle(len(runs), func(i, j int) { runs[i], runs[j] = runs[j], runs[i] })
		got := decide(c.scale, c.shift, runs)
		if got.Culprit != want.Culprit || math.Abs(got.Probability-want.Probability) > 1e-3 ||
			!slices.Equal(got.Next, want.Next) {
			t.Errorf("times %v plus %v: %+v, want %+v", c.scale, c.shift, got, want)
		}
	}
}

// One value that is far away is no change, and neither are two modes.
func TestOneValueProvesNothing(t *testing.T) {
	older := []float64{100, 101, 99, 100, 100.5, 99.5, 101, 100, 99, 100}
	s, err := perf.New(10, &perf.Options{Older: older})
	if err != nil {
		t.Fatal(err)
	}
	for x := range 10 {
		if err := s.Observe(x, 100+0.5*float64(x%3-1), false); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Observe(10, 160, false); err != nil {
		t.Fatal(err)
	}
	if d := s.Decide(4); d.Done || d.Confirmed || len(d.Next) == 0 {
		t.Errorf("one value of 160 among those of 100: %+v", d)
	}
}

// A push that cannot be tested makes a class with the next one; one that is closed is
// evidence, and never run.
func TestClasses(t *testing.T) {
	marks, closed := make([]bool, 9), make([]bool, 9)
	marks[4], closed[3] = true, true
	s, err := perf.New(8, &perf.Options{Untestable: marks, Closed: closed, Older: []float64{10, 11, 10, 10.5, 10, 9.5}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Observe(4, 1, true); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("a value of a push that cannot be tested: %v", err)
	}
	for _, v := range []float64{10, 10.2, 9.9} {
		if err := s.Observe(3, v, false); err != nil {
			t.Fatal(err)
		}
	}
	d, err := perf.Rehearse(s, 2, func(x int) (float64, bool) {
		if x == 3 || x == 4 {
			t.Errorf("push %d was run", x)
		}
		if x >= 4 {
			return 15 + 0.1*float64(x%2), true
		}
		return 10 + 0.1*float64(x%2), true
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(d.Class, []int{4, 5}) || d.Culprit != 5 || d.Outcome != culprit.Found {
		t.Errorf("%+v", d)
	}
	sum := 0.0
	for _, p := range s.Posterior() {
		sum += p
	}
	if sum < 0.95 || sum > 1 || s.Posterior()[4] != s.Posterior()[5] {
		t.Errorf("posterior %v", s.Posterior())
	}
}

// Runs without a value end a search that has nothing else.
func TestInfra(t *testing.T) {
	s, err := perf.New(6, nil)
	if err != nil {
		t.Fatal(err)
	}
	runs := 0
	d, err := perf.Rehearse(s, 4, func(int) (float64, bool) { runs++; return 0, false }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d.Outcome != culprit.Infra || runs > 40 {
		t.Errorf("%d runs: %+v", runs, d)
	}
}

func TestBudget(t *testing.T) {
	y := stories[0]
	y.opts.MaxRuns = 3
	s, l := y.search(t, 1)
	d, err := perf.Rehearse(s, 2, l.run, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d.Outcome != culprit.Undecided || s.Runs() != 3 {
		t.Errorf("%d runs: %+v", s.Runs(), d)
	}
}

// A drift is said, and accuses nobody.
func TestDrift(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	var o perf.Options
	for i := range 20 {
		o.Older = append(o.Older, 100+float64(i)*0.5+r.NormFloat64())
	}
	s, err := perf.New(20, &o)
	if err != nil {
		t.Fatal(err)
	}
	for x := range 21 {
		if err := s.Observe(x, 110+float64(x)*0.5+r.NormFloat64(), false); err != nil {
			t.Fatal(err)
		}
	}
	d := s.Decide(4)
	c, _ := s.Change()
	if !c.Drift || d.Outcome == culprit.Found || len(d.Warnings) == 0 || !strings.Contains(d.Warnings[0], "drift") {
		t.Errorf("%+v, %+v", d, c)
	}
}

func TestInvalid(t *testing.T) {
	for _, o := range []perf.Options{
		{Confidence: 0.3},
		{Confidence: 1},
		{PriorOlder: 0.5, PriorNothing: 0.5},
		{Weights: []float64{1}},
		{Weights: []float64{1, 1, math.NaN()}},
		{Weights: []float64{1, 1, -1}},
		{Untestable: []bool{true}},
		{Closed: []bool{true}},
		{Older: []float64{math.NaN()}},
		{Newer: []float64{math.Inf(1)}},
		{Newer: []float64{1e13}},
	} {
		if _, err := perf.New(2, &o); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := perf.New(-1, nil); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("no pushes: %v", err)
	}
	s, err := perf.New(2, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		s.Observe(3, 1, false), s.Observe(-1, 1, false), s.Observe(1, math.NaN(), false), s.ObserveInfra(3),
	} {
		if !errors.Is(err, job.ErrInvalid) {
			t.Errorf("got %v", err)
		}
	}
	one, err := perf.New(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := one.Decide(1); !d.Done || d.Outcome != culprit.Undecided {
		t.Errorf("one push: %+v", d)
	}
	if _, ok := one.Change(); ok || one.Forecast(1) != (culprit.Forecast{}) {
		t.Error("one push: a change or a forecast")
	}
}

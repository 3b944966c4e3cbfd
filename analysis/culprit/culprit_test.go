package culprit_test

import (
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/job"
)

var update = flag.Bool("update", false, "rewrite the golden traces")

// The whole decision, for each story: the same observations give the same next
// step.
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

// What is found is what is there: over many seeds, within what chance allows.
func TestRight(t *testing.T) {
	for _, y := range stories {
		if y.infra == 1 || y.opts.MaxRuns > 0 {
			continue
		}
		const trials = 100
		right := 0
		for seed := range uint64(trials) {
			y.free = nil // those are of one seed
			d, err := culprit.Rehearse(y.search(t), y.oracle(seed+100), nil)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case y.culprit == 0:
				right += count(d.Outcome == culprit.Older || d.Outcome == culprit.OlderOrNothing)
			case y.culprit > y.n:
				right += count(d.Outcome == culprit.NotARegression)
			default:
				right += count(d.Outcome == culprit.Found && slices.Contains(d.Class, y.culprit) && d.Confirmed)
			}
		}
		if right < trials*93/100 {
			t.Errorf("%s: right in %d of %d", y.name, right, trials)
		}
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// The posterior, by summing over the hypotheses and the rates in the plainest
// way, on the search's own grid of two rates that are known.
func TestPosteriorByHand(t *testing.T) {
	const p, q = 0.7, 0.1
	s, err := culprit.New(4, &culprit.Options{
		Known: &culprit.Rates{After: p, Before: q}, PriorOlder: 0.1,
		PriorNothing: -1, Weights: []float64{0, 1, 2, 3, 4},
	})
	if err != nil {
		t.Fatal(err)
	}
	seen := []struct {
		x      int
		failed bool
	}{{3, true}, {1, false}, {2, false}, {2, true}, {4, true}}
	for _, o := range seen {
		if err := s.Observe(o.x, o.failed, true); err != nil {
			t.Fatal(err)
		}
	}
	want, sum := make([]float64, 5), 0.0
	for h := range 5 {
		l := []float64{0.1, 0.09, 0.18, 0.27, 0.36}[h]
		for _, o := range seen {
			r := q
			if o.x >= h {
				r = p
			}
			if !o.failed {
				r = 1 - r
			}
			l *= r
		}
		want[h] = l
		sum += l
	}
	older := want[0] / sum
	want[0] = 0
	got := s.Posterior()
	for h := range want {
		if math.Abs(got[h]-want[h]/sum) > 1e-12 {
			t.Errorf("push %d: %v, expected %v", h, got[h], want[h]/sum)
		}
	}
	if d := s.Decide(1); math.Abs(d.Older-older) > 1e-12 {
		t.Errorf("older: %v, expected %v", d.Older, older)
	}
}

// With nothing known but two rates that never lie, each run halves the range.
func TestHalves(t *testing.T) {
	for _, n := range []int{2, 16, 64, 1024} {
		worst := 0
		for _, h := range []int{1, n / 3, n / 2, n} {
			h = max(1, h)
			s, err := culprit.New(n, &culprit.Options{
				Known: &culprit.Rates{After: 1}, PriorOlder: -1,
				PriorNothing: -1,
			})
			if err != nil {
				t.Fatal(err)
			}
			d, err := culprit.Rehearse(s, story{culprit: h, rates: culprit.Rates{After: 1}}.oracle(1), nil)
			if err != nil || d.Culprit != h || d.Outcome != culprit.Found {
				t.Fatalf("%d of %d: %+v, %v", h, n, d, err)
			}
			worst = max(worst, s.Runs())
		}
		if limit := int(math.Ceil(math.Log2(float64(n)))) + 1; worst > limit {
			t.Errorf("%d pushes took %d runs, expected %d", n, worst, limit)
		}
	}
}

// Options that make no sense are an error.
func TestBadOptions(t *testing.T) {
	for name, c := range map[string]struct {
		n int
		o culprit.Options
	}{
		"no pushes":        {-1, culprit.Options{}},
		"confidence":       {4, culprit.Options{Confidence: 1}},
		"confidence NaN":   {4, culprit.Options{Confidence: math.NaN()}},
		"low confidence":   {4, culprit.Options{Confidence: 0.2}},
		"masses":           {4, culprit.Options{PriorOlder: 0.5, PriorNothing: 0.5}},
		"weights":          {4, culprit.Options{Weights: []float64{1}}},
		"negative weights": {1, culprit.Options{Weights: []float64{1, -1}}},
		"counts":           {4, culprit.Options{Older: culprit.Counts{Failed: -1}}},
		"effect":           {4, culprit.Options{MinEffect: 2}},
		"rates":            {4, culprit.Options{Known: &culprit.Rates{After: 0.1, Before: 0.2}}},
		"rates above 1":    {4, culprit.Options{Known: &culprit.Rates{After: 1.1, Before: 0.2}}},
		"cost":             {1, culprit.Options{RunCost: []float64{0, 1}}},
		"marks":            {4, culprit.Options{Untestable: []bool{true}}},
		"trust":            {4, culprit.Options{Trust: 2}},
	} {
		if _, err := culprit.New(c.n, &c.o); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What cannot be decided ends with a reason, and names no culprit.
func TestUndecidable(t *testing.T) {
	for name, c := range map[string]struct {
		n    int
		o    culprit.Options
		runs string // push and f or p
	}{
		"one push":       {0, culprit.Options{}, ""},
		"all untestable": {2, culprit.Options{Untestable: []bool{true, true, true}}, ""},
		"one testable":   {2, culprit.Options{Untestable: []bool{true, true, false}}, ""},
		"green after always red": {2, culprit.Options{
			Permanent: true, PriorNothing: -1,
			Older: culprit.Counts{Failed: 3}, PriorOlder: -1,
		}, "0f 1f 2p 0f 1p 2p"},
		"every weight is nothing": {2, culprit.Options{
			Weights: []float64{0, 0, 0}, PriorOlder: -1,
			PriorNothing: -1,
		}, ""},
		"contradicts what is known": {2, culprit.Options{
			Known: &culprit.Rates{After: 1}, PriorOlder: -1,
			PriorNothing: -1,
		}, "0f 2p"},
	} {
		s, err := culprit.New(c.n, &c.o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, r := range strings.Fields(c.runs) {
			if err := s.Observe(int(r[0]-'0'), r[1] == 'f', true); err != nil {
				t.Fatal(err)
			}
		}
		if d := s.Decide(1); !d.Done || d.Outcome == culprit.Found || d.Why == "" {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// Runs on pushes that there are not, or that cannot run, are errors.
func TestBadRuns(t *testing.T) {
	s, err := culprit.New(3, &culprit.Options{Untestable: []bool{false, true, false, false}})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []int{-1, 4, 1} {
		if err := s.Observe(x, true, true); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("a run on push %d: %v", x, err)
		}
		if err := s.ObserveInfra(x, true); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("infra on push %d: %v", x, err)
		}
	}
}

// What runs already is not asked for again, and is reckoned with.
func TestRunning(t *testing.T) {
	y := stories[0]
	s := y.search(t)
	first := s.Decide(1).Next
	second := s.Decide(2, first...).Next
	if slices.Contains(second, first[0]) || len(second) != 2 {
		t.Errorf("%v runs, and %v is asked for", first, second)
	}
	// A confirmation that is under way is waited for.
	s, err := culprit.New(2, &culprit.Options{Known: &culprit.Rates{After: 1}, PriorOlder: -1, PriorNothing: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Observe(1, false, true); err != nil {
		t.Fatal(err)
	}
	if d := s.Decide(3, 2); d.Done || len(d.Next) != 0 {
		t.Errorf("%+v", d)
	}
	if d := s.Decide(3); !slices.Equal(d.Next, []int{2}) {
		t.Errorf("%+v", d)
	}
}

func FuzzSearch(f *testing.F) {
	f.Add(uint8(10), []byte("abcdefgh"), uint8(1))
	f.Add(uint8(0), []byte{}, uint8(0))
	f.Add(uint8(200), []byte{0, 255, 17, 9, 0, 0, 0}, uint8(9))
	f.Fuzz(func(t *testing.T, n uint8, runs []byte, k uint8) {
		s, err := culprit.New(int(n), nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(runs) && i < 200; i += 2 {
			x := int(runs[i]) % (int(n) + 1)
			if runs[i+1]%3 == 2 {
				_ = s.ObserveInfra(x, i%4 == 0)
				continue
			}
			if err := s.Observe(x, runs[i+1]%3 == 1, i%4 == 0); err != nil {
				t.Fatal(err)
			}
		}
		d := s.Decide(int(k % 12))
		sum := d.Older + d.Nothing
		for _, p := range s.Posterior() {
			if !(p >= 0 && p <= 1) {
				t.Fatalf("probability %v", p)
			}
			sum += p
		}
		if n > 0 && math.Abs(sum-1) > 1e-9 {
			t.Errorf("probabilities sum to %v", sum)
		}
		for _, x := range d.Next {
			if x < 0 || x > int(n) {
				t.Errorf("run push %d of %d", x, n)
			}
		}
		if !d.Done && len(d.Next) == 0 && k%12 > 0 {
			t.Errorf("nothing to do: %+v", d)
		}
		if d.Outcome == culprit.Found && !d.Confirmed {
			t.Errorf("accused without confirmation: %+v", d)
		}
	})
}

// However sure it is, a culprit is named only after a failure on it and a pass on
// its parent; until then the missing run is what comes next.
func TestConfirmedByBoth(t *testing.T) {
	for name, c := range map[string]struct {
		failed, passed map[int]int
		next           int // the run that is missing
	}{
		"no pass on the parent":     {map[int]int{5: 9, 6: 9, 8: 9}, map[int]int{0: 9, 1: 9, 3: 9}, 4},
		"no failure on the culprit": {map[int]int{6: 9, 7: 9, 8: 9}, map[int]int{0: 9, 2: 9, 4: 9}, 5},
	} {
		weights := make([]float64, 9)
		weights[5] = 1 // it can be no other
		s, err := culprit.New(8, &culprit.Options{
			Weights: weights, Newer: culprit.Counts{Failed: 30},
			Older: culprit.Counts{Passed: 30},
		})
		if err != nil {
			t.Fatal(err)
		}
		for push, n := range c.failed {
			observe(t, s, push, n, true)
		}
		for push, n := range c.passed {
			observe(t, s, push, n, false)
		}
		d := s.Decide(1)
		if d.Done || d.Confirmed || d.Culprit != 5 || !slices.Equal(d.Next, []int{c.next}) {
			t.Errorf("%s: done %t, confirmed %t, culprit %d with %v, next %v: %s", name, d.Done, d.Confirmed, d.Culprit,
				d.Probability, d.Next, d.Why)
		}
		observe(t, s, c.next, 1, c.next == 5)
		if d := s.Decide(1); !d.Done || !d.Confirmed || d.Outcome != culprit.Found {
			t.Errorf("%s, after that run: %+v", name, d)
		}
	}
}

func observe(t *testing.T, s *culprit.Search, push, n int, failed bool) {
	t.Helper()
	for range n {
		if err := s.Observe(push, failed, false); err != nil {
			t.Fatal(err)
		}
	}
}

// A push that can be run no more is believed, and never one of what to run next;
// where it is needed to confirm, the search ends without a culprit.
func TestClosedPushes(t *testing.T) {
	closed, weights := make([]bool, 9), make([]float64, 9)
	closed[4], closed[7] = true, true
	weights[5] = 1 // it can be no other
	s, err := culprit.New(8, &culprit.Options{
		Closed: closed, Weights: weights, Newer: culprit.Counts{Failed: 30}, Older: culprit.Counts{Passed: 30},
	})
	if err != nil {
		t.Fatal(err)
	}
	observe(t, s, 7, 1, true)
	if p := s.Posterior(); p[5] < 0.9 {
		t.Errorf("a failure on a closed push is not believed: %v", p)
	}
	for range 60 {
		d := s.Decide(1)
		if d.Done {
			if d.Outcome == culprit.Found || !strings.Contains(d.Why, "its parent never ran") {
				t.Errorf("%s: %s", d.Outcome, d.Why)
			}
			return
		}
		for _, x := range d.Next {
			if closed[x] {
				t.Fatalf("push %d can be run no more, and is to be run: %s", x, d.Why)
			}
			observe(t, s, x, 1, x >= 5)
		}
	}
	t.Error("it does not end")
}

// Runs that others have under way do not stand in the way of every run of one's own.
func TestManyUnderWay(t *testing.T) {
	s, err := culprit.New(40, nil)
	if err != nil {
		t.Fatal(err)
	}
	others := slices.Repeat([]int{10}, 30)
	if d := s.Decide(4, others...); d.Done || len(d.Next) != 4 {
		t.Errorf("done %t, next %v: %s", d.Done, d.Next, d.Why)
	}
}

// A push on which infrastructure ends every run is one class with the next: the
// search ends, and says so.
func TestInfraOnTheParent(t *testing.T) {
	s, err := culprit.New(8, nil)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	d, err := culprit.Rehearse(s, func(push int) culprit.RunEnd {
		switch n++; {
		case n > 200:
			t.Fatal("it does not end")
		case push == 4:
			return culprit.RunInfra
		case push >= 5:
			return culprit.RunFailed
		}
		return culprit.RunPassed
	}, nil)
	if err != nil || d.Outcome != culprit.Found || !d.Confirmed || !slices.Equal(d.Class, []int{4, 5}) || n > 30 {
		t.Errorf("%v after %d runs: %s, class %v with %v: %s", err, n, d.Outcome, d.Class, d.Probability, d.Why)
	}
	if err := s.Observe(4, false, true); err != nil { // a run of it has a result after all
		t.Fatal(err)
	}
	if d := s.Decide(1); d.Culprit != 5 || !slices.Equal(d.Class, []int{5}) {
		t.Errorf("%s, class %v: %s; 4 has passed by now", d.Outcome, d.Class, d.Why)
	}
}

// A rehearsal ends where the parent of the culprit only gives infrastructure failures: the
// two cannot be told apart, and nobody is accused alone.
func TestRehearseWithASilentParent(t *testing.T) {
	for _, batch := range []int{1, 4} {
		s, err := culprit.New(8, &culprit.Options{
			Older: culprit.Counts{Passed: 50}, Newer: culprit.Counts{Failed: 20}, Batch: batch,
		})
		if err != nil {
			t.Fatal(err)
		}
		runs := 0
		d, err := culprit.Rehearse(s, func(x int) culprit.RunEnd {
			switch runs++; {
			case x == 4:
				return culprit.RunInfra
			case x >= 5:
				return culprit.RunFailed
			}
			return culprit.RunPassed
		}, nil)
		if err != nil || d.Outcome != culprit.Found || !slices.Equal(d.Class, []int{4, 5}) || runs > 16 {
			t.Errorf("%d at a time: %v, %s %v after %d runs: %s", batch, err, d.Outcome, d.Class, runs, d.Why)
		}
		sum := 0.0
		for _, c := range d.Credible {
			sum += c.Probability
		}
		if sum < 0.95 || len(d.Credible) < 2 {
			t.Errorf("%d at a time: credible are %v", batch, d.Credible)
		}
	}
}

// A push that had results, and on which infrastructure ends every run since, is asked for
// nothing more; its results stay evidence.
func TestSilentSinceItsResults(t *testing.T) {
	s, err := culprit.New(8, &culprit.Options{Older: culprit.Counts{Passed: 50}, Newer: culprit.Counts{Failed: 20}})
	if err != nil {
		t.Fatal(err)
	}
	observe(t, s, 4, 1, true)
	for i := range 10 {
		if err := s.ObserveInfra(4, i > 0); err != nil {
			t.Fatal(err)
		}
	}
	for range 40 {
		d := s.Decide(1)
		if d.Done {
			if d.Outcome != culprit.Found || d.Culprit != 3 {
				t.Errorf("%s: push %d, %s", d.Outcome, d.Culprit, d.Why)
			}
			return
		}
		for _, x := range d.Next {
			if x == 4 {
				t.Fatal("a silent push is asked for another run")
			}
			if err := s.Observe(x, x >= 3, true); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Error("it does not end")
}

// What infrastructure ended before the search began does not keep it from trying.
func TestInfraOfOthers(t *testing.T) {
	s, err := culprit.New(8, &culprit.Options{Older: culprit.Counts{Passed: 50}, Newer: culprit.Counts{Failed: 20}})
	if err != nil {
		t.Fatal(err)
	}
	for x := range 9 {
		for range 12 {
			if err := s.ObserveInfra(x, false); err != nil {
				t.Fatal(err)
			}
		}
	}
	d, err := culprit.Rehearse(s, story{culprit: 6, rates: culprit.Rates{After: 1}}.oracle(1), nil)
	if err != nil || d.Outcome != culprit.Found || d.Culprit != 6 {
		t.Errorf("%v, %s: push %d, %s", err, d.Outcome, d.Culprit, d.Why)
	}
}

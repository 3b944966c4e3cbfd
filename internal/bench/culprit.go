package main

import (
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The seeds. The method was tuned on other seeds than those that are reported. Each part adds its
// own small number, at most seedLast.
const (
	seedTuning    = 5
	seedReporting = 20261125
	seedLast      = 13 // the largest number that a part adds
)

// sim is the simulation of the search for the culprit.
type sim struct {
	t       *testing.T
	seed    uint64
	quick   bool
	figures []figure
}

// part is a part of this section. The flag -only chooses parts by the beginning of their name.
type part struct {
	name string
	run  func()
}

func (b *sim) parts() []part {
	out := []part{{"mix", b.mix}, {"peers", b.peers}, {"calibration", b.calibration}}
	for _, n := range []int{16, 64, 256, 1024} {
		for _, p := range []float64{1, 0.5, 0.2} {
			out = append(out, part{fmt.Sprintf("cells%d-%v", n, p), func() { b.cells(n, p) }})
		}
	}
	return append(out, []part{
		{"told64", func() { b.told(64) }},
		{"told256", func() { b.told(256) }},
		{"soft", b.soft},
		{"parallel", b.parallel},
		{"infra", b.infra},
		{"dead", b.dead},
		{"fresh", b.fresh},
		{"signature", b.signature},
		{"permanent", b.permanent},
		{"untestable", b.untestable},
		{"forecast", b.forecasts},
		{"replay", b.replay},
		{"speed", b.speed},
	}...)
}

// search measures the search for the culprit by simulation.
func search(t *testing.T) {
	b := &sim{t: t, seed: seedReporting, quick: flagged("quick")}
	if flagged("tuning") {
		b.seed = seedTuning
	}
	if seed := flag.Lookup("seed").Value.String(); seed != "0" {
		b.seed, _ = strconv.ParseUint(seed, 10, 64) // the flag package has checked that it is a number
	}
	parts, err := chosen(b.parts(), flag.Lookup("only").Value.String())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("culprit: simulated searches, seeds %d to %d, confidence 0.95; ± is the 95 %% interval of the trials\n",
		b.seed, b.seed+seedLast)
	if b.quick {
		fmt.Println("quick: fewer trials, so that a figure fails only where it misses its must by 4 standard errors")
	}
	for _, p := range parts {
		p.run()
	}
	b.numbers()
}

func flagged(name string) bool { return flag.Lookup(name).Value.String() == "true" }

// chosen returns the parts whose names begin with one of the names in only, which are separated by
// commas; all parts when only is empty.
func chosen(all []part, only string) ([]part, error) {
	if only == "" {
		return all, nil
	}
	var out []part
	want := strings.Split(only, ",")
	used := make([]bool, len(want))
	for _, p := range all {
		for i, name := range want {
			if name != "" && strings.HasPrefix(p.name, name) {
				used[i] = true
				if len(out) == 0 || out[len(out)-1].name != p.name {
					out = append(out, p)
				}
			}
		}
	}
	if i := slices.Index(used, false); i >= 0 {
		var names []string
		for _, p := range all {
			names = append(names, p.name)
		}
		return nil, fmt.Errorf("-only: no part %q; the parts are %s", want[i], strings.Join(names, ", "))
	}
	return out, nil
}

// trials is the number of trials; a quick run has fewer.
func (b *sim) trials(n int) int {
	if b.quick {
		return max(40, n/16)
	}
	return n
}

// must records a failure when ok is false.
func (b *sim) must(ok bool, format string, args ...any) {
	if !ok {
		b.t.Errorf(format, args...)
	}
}

// effective is the failure rate of a broken push whose test also flakes: with p = 0.5 and q = 0.1
// it is 1 - 0.5·0.9 = 0.55.
func effective(p, q float64) float64 { return 1 - (1-p)*(1-q) }

// measured is an estimate and its standard error.
type measured struct{ value, deviation float64 }

// figure is a measured value with the bound that it must reach, and a goal that is only printed.
type figure struct {
	name       string
	got        measured
	must, goal float64 // goal equals must when there is no other
	least      bool    // whether must is a lower bound; else it is an upper one
}

func (b *sim) atLeast(got measured, must, goal float64, format string, args ...any) {
	b.note(figure{fmt.Sprintf(format, args...), got, must, goal, true})
}

func (b *sim) atMost(got measured, must, goal float64, format string, args ...any) {
	b.note(figure{fmt.Sprintf(format, args...), got, must, goal, false})
}

// note records a figure and fails if it misses its must. A quick run allows 4 standard errors.
func (b *sim) note(f figure) {
	b.figures = append(b.figures, f)
	slack := 0.0
	if b.quick {
		slack = 4 * f.got.deviation
	}
	b.must(f.reaches(f.must, slack), "%s: %s, must be %s %.4g", f.name, f.text(), f.word(), f.must)
}

// reaches is false for NaN.
func (f figure) reaches(bound, slack float64) bool {
	const rounding = 1e-9
	if f.least {
		return f.got.value+slack >= bound-rounding
	}
	return f.got.value-slack <= bound+rounding
}

func (f figure) word() string {
	if f.least {
		return "at least"
	}
	return "at most"
}

func (f figure) text() string {
	return fmt.Sprintf("%.4g ±%.2g", f.got.value, 1.96*f.got.deviation)
}

// numbers prints the table of all figures that have a must.
func (b *sim) numbers() {
	if len(b.figures) == 0 {
		return
	}
	fmt.Printf("\n%-68s %18s %9s %8s %8s\n", "figure", "measured", "", "must", "goal")
	for _, f := range b.figures {
		state := ""
		switch {
		case !f.reaches(f.must, 0):
			state = "MISSED"
		case f.goal != f.must && f.reaches(f.goal, 0):
			state = "goal"
		}
		goal := ""
		if f.goal != f.must {
			goal = fmt.Sprintf("%.4g", f.goal)
		}
		fmt.Printf("%-68s %18s %9s %8.4g %8s  %s\n", f.name, f.text(), f.word(), f.must, goal, state)
	}
}

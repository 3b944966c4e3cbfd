package autopilot

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/mozci/mozci/job"
)

// spotsOf are pushes from 1 on: g was good, b bad, m both, - did not run, r runs, x cannot run, u ended twice
// without saying
// anything.
func spotsOf(text string) line {
	l := line{bad: len(text)}
	for i, c := range text {
		s := spot{push: job.Push{ID: int64(i + 1), Revision: fmt.Sprintf("a%03d", i+1)}, label: "t"}
		switch c {
		case 'g':
			s.good = 1
		case 'b':
			s.bad = 1
		case 'm':
			s.bad, s.good = 1, 1
		case 'r':
			s.running = 1
		case 'x':
			s.untestable = true
		case 'u':
			s.unclear = 2
		}
		if s.bad > 0 && l.bad == len(text) {
			l.bad = i
		}
		l.spots = append(l.spots, s)
	}
	return l
}

func viewOf(text string) view {
	v := view{line: spotsOf(text), left: 10, maxAge: 6 * time.Hour, pushed: 3}
	for i := v.line.bad; i < len(v.line.spots); i++ {
		v.count(v.line.spots[i])
	}
	if v.line.bad < len(text) {
		v.redRuns = v.line.spots[v.line.bad].bad
	}
	return v
}

var decisions = []struct {
	name, line string
	set        func(*view)
	want       string // "run 2 3", "wait", or an outcome
}{
	{"a gap of one", "g-b", nil, "run 2"},
	{"a gap of two", "g--b", nil, "run 2 3"},
	{"a gap of seven: thirds", "g-------b", nil, "run 4 6"},
	{"what cannot run is left out", "gxu-b", nil, "run 4"},
	{"a run in the gap", "g-r-b", nil, "wait"},
	{"a second run of the red push", "g-b", func(v *view) { v.line.spots[2].running = 1 }, "wait"},
	{"no test is named", "g-b", func(v *view) { v.nameless = true }, "run 3"},
	{"no test is named, and it failed twice", "g-b", func(v *view) { v.nameless, v.redRuns = true, 2 }, "run 2"},
	{"no test is named, and it cannot be run", "g-b", func(v *view) {
		v.nameless, v.line.spots[2].untestable = true, true
	}, "run 2"},
	{"red once, nothing newer yet", "gb", nil, "wait"},
	{"red once, newer runs", "gb", func(v *view) { v.newerRunning = []job.Push{{ID: 3}} }, "wait"},
	{"red once for two hours", "gb", func(v *view) { v.age = 2 * time.Hour }, "run 2"},
	{
		"red once for two hours, nothing was pushed", "gb", func(v *view) { v.age, v.pushed = 2*time.Hour, 0 },
		"culprit",
	},
	{"the same, flaky", "gb", func(v *view) { v.age, v.pushed, v.flaky = 2*time.Hour, 0, true }, "run 2"},
	{"the same, of a class", "gxb", func(v *view) { v.age, v.pushed, v.flaky = 2*time.Hour, 0, true }, "culprit"},
	{"red on two pushes", "gbb", nil, "run 2"},
	{"red on two pushes, newer runs", "gbb", func(v *view) { v.newerRunning = []job.Push{{ID: 4}} }, "wait"},
	{"red on two pushes, nothing was pushed", "gbb", func(v *view) { v.pushed = 0 }, "culprit"},
	{"red on three pushes", "gbbb", nil, "culprit"},
	{"red on two pushes, once run again", "gbb", func(v *view) { v.line.spots[1].ours = 2 }, "culprit"},
	{"red, then green", "gbg", nil, "wait"},
	{"red, then green for long", "gbg", func(v *view) { v.age = 6 * time.Hour }, "undecided"},
	{"red, then green, nothing was pushed", "gbg", func(v *view) { v.pushed = 0 }, "undecided"},
	{"red, then green twice for long", "gbgg", func(v *view) { v.age = 6 * time.Hour }, "not_a_regression"},
	{"red, then green three times", "gbggg", nil, "not_a_regression"},
	{"the same, with a gap: nothing is bought", "g-bggg", nil, "not_a_regression"},
	{"red twice, then green", "gbbg", nil, "undecided"},
	{"red and green on one push", "gm", func(v *view) { v.pushed = 0 }, "undecided"},
	{"the case's runs are spent", "g-b", func(v *view) { v.left = 0 }, "undecided"},
	{"one is left of two", "g--b", func(v *view) { v.left = 1 }, "run 2"},
	{"a dry run", "g--b", func(v *view) { v.dry = true }, "proposed"},
	{"a merge, to be tested", "g--", nil, "run 2 3"},
	{"a merge, all good", "g", func(v *view) { v.reds, v.failed = 2, 2 }, "culprit"},
	{"a merge, one bad", "gb", func(v *view) { v.reds, v.failed = 3, 3 }, "culprit"},
	{"a merge, untestable", "gxx", func(v *view) { v.reds, v.failed = 2, 2 }, "culprit"},
}

func TestDecide(t *testing.T) {
	for _, c := range decisions {
		t.Run(c.name, func(t *testing.T) {
			v := viewOf(c.line)
			if c.set != nil {
				c.set(&v)
			}
			m := decide(v)
			got := string(m.end)
			switch {
			case m.end != "":
			case m.wait != "":
				got = "wait"
			default:
				got = "run"
				for _, i := range m.run {
					got += fmt.Sprintf(" %d", v.line.spots[i].push.ID)
				}
			}
			if got != c.want || m.wait == "" && m.why == "" {
				t.Errorf("%s: %q, want %q; why: %s%s", c.line, got, c.want, m.why, m.wait)
			}
		})
	}
}

// A search of any gap ends, with the first bad push of a break that stays, after few runs.
func TestDecideSearches(t *testing.T) {
	for n := 2; n < 60; n++ {
		for culprit := 1; culprit < n; culprit++ {
			l := spotsOf("g")
			for i := 1; i < n; i++ {
				l.spots = append(l.spots, spot{push: job.Push{ID: int64(i + 1), Revision: "a"}})
			}
			l.spots[n-1].bad = 1
			runs, most := 0, 2
			for k := 1; k < n; k *= 2 {
				most += 2
			}
			for {
				good, bad := 0, n-1
				for i, s := range l.spots {
					if s.good > 0 {
						good = max(good, i)
					}
					if s.bad > 0 {
						bad = min(bad, i)
					}
				}
				v := view{
					line: line{spots: slices.Clone(l.spots[good:]), bad: bad - good}, left: 100,
					maxAge: time.Hour,
				}
				for i := v.line.bad; i < len(v.line.spots); i++ {
					v.count(v.line.spots[i])
				}
				v.age = longWait
				m := decide(v)
				if m.end != "" {
					if m.end != Culprit || bad != culprit || runs > most {
						t.Fatalf("%d pushes, culprit %d: %s of %d after %d runs, at most %d: %s", n, culprit, m.end,
							bad, runs, most,
							m.why)
					}
					break
				}
				for _, i := range m.run {
					runs++
					s := &l.spots[good+i]
					if good+i >= culprit {
						s.bad++
					} else {
						s.good++
					}
				}
				if runs > 100 {
					t.Fatalf("%d pushes, culprit %d: it does not end", n, culprit)
				}
			}
		}
	}
}

package main

import (
	"math"
	"strings"
	"testing"

	"github.com/mozci/mozci/analysis/culprit"
)

// Parts are chosen by the beginning of their names, each once and in order.
func TestChosenParts(t *testing.T) {
	all := []part{{name: "mix"}, {name: "cells16"}, {name: "cells64"}, {name: "dead"}}
	names := func(only string) string {
		parts, err := chosen(all, only)
		if err != nil {
			return err.Error()
		}
		out := ""
		for _, p := range parts {
			out += p.name + " "
		}
		return out
	}
	for only, want := range map[string]string{
		"":                   "mix cells16 cells64 dead ",
		"dead,cells,cells64": "cells16 cells64 dead ",
		"mix":                "mix ",
		"mix,soft":           `-only: no part "soft"; the parts are mix, cells16, cells64, dead`,
		"mix,":               `-only: no part ""; the parts are mix, cells16, cells64, dead`,
	} {
		if got := names(only); got != want {
			t.Errorf("%q: %q, want %q", only, got, want)
		}
	}
}

// A figure fails on the estimate as it is; in a quick run with four standard errors
// more.
func TestFigures(t *testing.T) {
	near, nan := measured{0.97, 0.002}, measured{math.NaN(), math.NaN()}
	for _, c := range []struct {
		f     figure
		slack float64
		want  bool
	}{
		{figure{got: near, least: true}, 0, false},
		{figure{got: near, least: true}, 0.008, true},
		{figure{got: measured{0.975, 0.002}, least: true}, 0, true},
		{figure{got: near}, 0, true},
		{figure{got: measured{0.98, 0.002}}, 0, false},
		{figure{got: measured{0.98, 0.002}}, 0.008, true},
		{figure{got: nan, least: true}, 0, false},
		{figure{got: nan}, 0, false},
	} {
		if got := c.f.reaches(0.975, c.slack); got != c.want {
			t.Errorf("%+v with %v: %v", c.f, c.slack, got)
		}
	}
}

// The methods find what is there where nothing is left to chance, and the others say
// what they are known to say.
func TestMethodsPlainly(t *testing.T) {
	plain := func(h int) *lab {
		l := newLab(1, 2, 20, 1, 0, 50, 0)
		l.h = h
		return l
	}
	for name, m := range map[string]method{
		"bisect": bisect, "repeated": repeated(4), "linear": linear, "decoded": decoded(6), "retriggers": retriggers,
		"facf": facf, "bayesect": bayesect(true, 400, nil), "ours": ours(4, culprit.Options{}),
		"oracle": oracle(1, culprit.Options{}), "informed": informed(inBand(0, 0.2)),
	} {
		for _, h := range []int{1, 7, 20} {
			if got := m(plain(h)); got.push != h {
				t.Errorf("%s: push %d broke it, found %d", name, h, got.push)
			}
		}
	}
	if got := repeated(4)(plain(21)); got.push != 0 {
		t.Errorf("nothing broke it, but found %d", got.push)
	}
	if got := retriggers(plain(21)); got.push != -1 {
		t.Errorf("nothing fails again, but found %d", got.push)
	}
	always := plain(0)
	if got := repeated(4)(always); got.push != 0 || always.runs != 8 {
		t.Errorf("all is broken: %d after %d runs", got.push, always.runs)
	}
}

// A dead push never has a result, and is in the answer if it is the culprit.
func TestDeadPushes(t *testing.T) {
	dead, found := 0, 0
	for i := range uint64(40) {
		l := newLab(3, i, 16, 1, 0, 50, 0)
		l.dead = 0.5
		if l.isDead(0) || l.isDead(l.n) {
			t.Fatal("an end of the range is dead")
		}
		s := score{trials: 1}
		s.add(l, play(engine(1, culprit.Options{}, l), l))
		found += s.right
		if l.isDead(l.h) {
			dead++
		}
		if s.infra >= s.runs {
			t.Errorf("trial %d: infra ended %v of %v runs", i, s.infra, s.runs)
		}
	}
	if dead < 5 || found < 36 {
		t.Errorf("%d of 40 culprits are dead, %d of 40 are in the answer", dead, found)
	}
}

// Other failures count only where nobody can tell them apart.
func TestOtherFailures(t *testing.T) {
	rate := func(blind bool) float64 {
		l := newLab(4, 1, 16, 0.5, 0.01, 0, 0)
		l.others, l.blind = 0.2, blind
		l.outside(4000, 0)
		return float64(l.older.Failed) / 4000
	}
	if all, own := rate(true), rate(false); math.Abs(all-0.208) > 0.03 || math.Abs(own-0.01) > 0.01 {
		t.Errorf("good pushes fail at %v, with the signature at %v", all, own)
	}
}

// The parts of the section stand under different names.
func TestPartNames(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range (&sim{}).parts() {
		if seen[p.name] || strings.ContainsAny(p.name, ", ") {
			t.Errorf("the name %q cannot be chosen", p.name)
		}
		seen[p.name] = true
	}
}

package main

import (
	"github.com/mozci/mozci/backfill"
)

// progress shows on a terminal how far a walk is, on one line that it writes
// again and again; elsewhere it shows nothing.
type progress struct {
	a    *app
	show bool
	n    int
}

func (a *app) progress() *progress { return &progress{a: a, show: !a.json && terminal(a.err)} }

func (p *progress) saw(s backfill.Sighting) {
	if !p.show {
		return
	}
	p.n++
	p.a.warnf("\r\x1b[Klooked at %d, push %s: %s", p.n, pushName(s.Push), s.Verdict)
}

func (p *progress) done() {
	if p.show && p.n > 0 {
		p.a.warnf("\r\x1b[K")
	}
}

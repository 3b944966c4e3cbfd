package jobtest

import (
	"slices"
	"strconv"
	"strings"
)

// How later runs end: what a line "truth" says, and which tests the labels have because of it.

// truth reads how later runs of a label end: "truth LABEL culprit=19 after=0.9 until=23".
func (p *parser) truth(ws []word) error {
	r, label, err := p.ofLabel(ws)
	if err != nil {
		return err
	}
	t := truth{after: 1} // a break is certain unless the line says how often it shows
	seen := map[string]bool{}
	for i, at := range ws[2:] {
		name, value, _ := strings.Cut(at.text, "=")
		if at.text == "values" {
			if !seen["after"] {
				t.after = 0 // no run is red
			}
			if t.values, err = p.values(at, ws[2+i+1:]); err != nil {
				return err
			}
			break
		}
		if seen[name] {
			return p.fail(at, "%s is given twice", name)
		}
		seen[name] = true
		if err := p.truthOf(at, name, value, &t); err != nil {
			return err
		}
	}
	switch {
	case t.culprit == 0:
		return p.fail(ws[0], "a truth needs culprit=ID")
	case t.until != 0 && t.until <= t.culprit:
		return p.fail(ws[0], "until=%d: the break of push %d ends with a newer push", t.until, t.culprit)
	}
	p.truths = append(p.truths, pendingTruth{ws[1], p.line, r, label, t})
	return nil
}

// truthOf reads one word of a truth. Names have no comma and no colon because the cells of the grid
// could not have them either.
func (p *parser) truthOf(at word, name, value string, t *truth) (err error) {
	switch name {
	case "culprit", "until":
		into := map[string]*int64{"culprit": &t.culprit, "until": &t.until}[name]
		if *into, err = strconv.ParseInt(value, 10, 64); err != nil || *into <= 0 {
			return p.fail(at, "%q: expected %s=ID, a push id", at.text, name)
		}
		return nil
	case "sig", "flake":
		if strings.ContainsAny(value, ",:") {
			return p.fail(at, "%q: a name has no comma and no colon", at.text)
		}
		return p.named(at, name, value, map[string]*string{"sig": &t.sig, "flake": &t.flake}[name])
	}
	into := map[string]*float64{"before": &t.before, "after": &t.after, "infra": &t.infra, "other": &t.other}[name]
	if into == nil {
		return p.fail(at, "%q: expected culprit=ID, until=ID, before=P, after=P, infra=P, other=P, sig=NAME, "+
			"flake=NAME or values", at.text)
	}
	v, err := strconv.ParseFloat(value, 64)
	if err != nil || !(v >= 0 && v <= 1) {
		return p.fail(at, "%q: expected a probability from 0 to 1", at.text)
	}
	*into = v
	return nil
}

// finishTruths checks that the pushes of the truths are there.
func (p *parser) finishTruths() error {
	for _, t := range p.truths {
		p.line = t.line
		for _, id := range []int64{t.t.culprit, t.t.until} {
			if id != 0 && t.repo.push(id) == nil {
				return p.fail(t.at, "the truth of %s: repository %s has no push %d", t.label, t.repo.name, id)
			}
		}
		t.repo.truths[t.label] = t.t
	}
	return nil
}

// usualTest is the test of a label whose failures have no names.
const usualTest = "test"

// otherTest is the test that fails at the rate other= of a truth.
const otherTest = "other"

// findTests collects the names of the tests that fail in each label, by the truth or in a cell,
// sorted and each once. A label without any has the one test "test".
func (r *repo) findTests() {
	for _, label := range append(slices.Clone(r.labels), r.can...) {
		var names []string
		if t, ok := r.truths[label]; ok {
			names = append(names, t.sig, t.flake)
			if t.other > 0 {
				names = append(names, otherTest)
			}
		}
		for _, p := range r.pushes {
			for _, run := range p.cells[label] {
				names = append(names, run.sig)
			}
		}
		slices.Sort(names)
		if names = slices.Compact(names); len(names) > 0 && names[0] == "" {
			names = names[1:]
		}
		if len(names) == 0 {
			names = []string{usualTest}
		}
		r.tests[label] = names
	}
}

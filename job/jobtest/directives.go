package jobtest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

// The lines of a world that are no pushes. Each method reads the words of one line, of which the
// first is the directive, and puts what they say into the world or its current repository.

// current is the repository of the lines being read; the first directive that
// needs one makes the default.
func (p *parser) current() *repo {
	if p.r == nil {
		p.r = newRepo(defaultRepo)
		p.w.repos = append(p.w.repos, p.r)
	}
	return p.r
}

// args checks that a directive has n words after its name.
func (p *parser) args(ws []word, n int, usage string) error {
	if len(ws) != n+1 {
		return p.fail(ws[0], "expected: %s", usage)
	}
	return nil
}

// once refuses a directive that was given before for the same thing. The keys are the directive,
// with the repository and the label where it is about one: "start", "autoland takes linux/test".
func (p *parser) once(at word, key string) error {
	if p.said[key] {
		return p.fail(at, "%s is given twice", key)
	}
	p.said[key] = true
	return nil
}

// ofLabel checks a directive about a label of the current repository. It returns the repository and
// the label.
func (p *parser) ofLabel(ws []word) (*repo, string, error) {
	r := p.current()
	if len(ws) < 3 {
		return nil, "", p.fail(ws[0], "expected: %s LABEL …", ws[0].text)
	}
	if p.grid {
		return nil, "", p.fail(ws[0], "%s comes before the line \"push …\" of its repository", ws[0].text)
	}
	return r, ws[1].text, p.once(ws[0], r.name+" "+ws[0].text+" "+ws[1].text)
}

// repo reads "repo mozilla-central": the lines that follow are about that one, until the next such
// line.
func (p *parser) repo(ws []word) error {
	if err := p.args(ws, 1, "repo NAME"); err != nil {
		return err
	}
	if p.w.repo(ws[1].text) != nil {
		return p.fail(ws[1], "repository %s is described twice", ws[1].text)
	}
	p.r, p.grid = newRepo(ws[1].text), false
	p.w.repos = append(p.w.repos, p.r)
	return nil
}

// ofWorld checks a directive that speaks of the whole world, and so comes before the first push.
func (p *parser) ofWorld(ws []word, usage string) error {
	if err := p.args(ws, 1, usage); err != nil {
		return err
	}
	for _, r := range p.w.repos {
		if len(r.pushes) > 0 {
			return p.fail(ws[0], "%s comes before the first push", ws[0].text)
		}
	}
	return p.once(ws[0], ws[0].text)
}

// start reads "start 2026-01-05T00:00:00Z".
func (p *parser) start(ws []word) error {
	if err := p.ofWorld(ws, "start TIME"); err != nil {
		return err
	}
	t, err := time.Parse(time.RFC3339, ws[1].text)
	if err != nil || t.Year() < 1970 || t.Year() > 9000 {
		return p.fail(ws[1], "%q: expected a time such as 2026-01-05T00:00:00Z", ws[1].text)
	}
	p.w.start = t.UTC()
	return nil
}

// duration reads a duration: more than 0, so that time moves, and at most 1000 hours.
func (p *parser) duration(at word) (time.Duration, error) {
	const longest = 1000 * time.Hour
	d, err := time.ParseDuration(at.text)
	if err != nil || d <= 0 || d > longest {
		return 0, p.fail(at, "%q: expected a duration such as 10m, more than 0 and at most 1000h", at.text)
	}
	return d, nil
}

// every reads "every 10m".
func (p *parser) every(ws []word) (err error) {
	if err := p.ofWorld(ws, "every DURATION"); err != nil {
		return err
	}
	p.w.every, err = p.duration(ws[1])
	return err
}

// seed reads "seed 7".
func (p *parser) seed(ws []word) error {
	if err := p.ofWorld(ws, "seed NUMBER"); err != nil {
		return err
	}
	n, err := strconv.ParseUint(ws[1].text, 10, 64)
	if err != nil {
		return p.fail(ws[1], "%q: expected a number of 0 or more", ws[1].text)
	}
	p.w.seed = n
	return nil
}

// kind reads "kind linux64/opt/smoke build".
func (p *parser) kind(ws []word) error {
	r, label, err := p.ofLabel(ws)
	if err != nil {
		return err
	}
	k, err := job.ParseKind(ws[2].text)
	if err != nil || len(ws) > 3 {
		return p.fail(ws[2], "expected: kind LABEL build|test|perf|other")
	}
	r.kinds[label] = k
	return nil
}

// needs reads "needs linux64/opt/xpcshell-1 linux64/opt/build": the first label needs all others.
// What these need in turn is refused by finishRepo.
func (p *parser) needs(ws []word) error {
	r, label, err := p.ofLabel(ws)
	if err != nil {
		return err
	}
	for _, b := range ws[2:] {
		if b.text == label {
			return p.fail(b, "%s cannot need itself", label)
		}
		r.needs[label] = append(r.needs[label], b.text)
	}
	return nil
}

// takes reads "takes linux64/opt/build 40m".
func (p *parser) takes(ws []word) error {
	r, label, err := p.ofLabel(ws)
	if err != nil {
		return err
	}
	if err := p.args(ws, 2, "takes LABEL DURATION"); err != nil {
		return err
	}
	r.takes[label], err = p.duration(ws[2])
	return err
}

// runs reads "runs linux64/opt-m-1 from=19 dom/a.toml b.toml": it may be given again for the same
// label with another from=.
func (p *parser) runs(ws []word) error {
	r := p.current()
	n := running{}
	if len(ws) < 3 || p.grid {
		return p.fail(ws[0], "expected, before the line \"push …\": runs LABEL [from=ID] MANIFEST …")
	}
	rest := ws[2:]
	if id, ok := strings.CutPrefix(rest[0].text, "from="); ok {
		var err error
		if n.from, err = strconv.ParseInt(id, 10, 64); err != nil || n.from <= 0 {
			return p.fail(rest[0], "%q: expected from=ID, a push id", rest[0].text)
		}
		rest = rest[1:]
	}
	for _, m := range rest {
		n.manifests = append(n.manifests, m.text)
	}
	if len(n.manifests) == 0 {
		return p.fail(ws[0], "no manifests are given")
	}
	label := ws[1].text
	r.runs[label] = append(r.runs[label], n)
	return p.once(ws[0], fmt.Sprint(r.name, " runs ", label, " ", n.from))
}

// lists reads "lists dom/a.toml dom/test_a.html dom/test_b.html".
func (p *parser) lists(ws []word) error {
	r := p.current()
	if len(ws) < 3 || p.grid {
		return p.fail(ws[0], "expected, before the line \"push …\": lists MANIFEST TEST …")
	}
	for _, test := range ws[2:] {
		r.lists[ws[1].text] = append(r.lists[ws[1].text], test.text)
	}
	return p.once(ws[0], fmt.Sprint(r.name, " lists ", ws[1].text))
}

// manifests are what a label runs on a push: of the lines "runs" that begin at or before it the
// newest. With one without from= and one from=19, push 18 has the first and push 19 the second. nil
// when no line applies.
func (r *repo) manifests(label string, id int64) []string {
	var best running
	for _, n := range r.runs[label] {
		if n.from <= id && (best.manifests == nil || n.from >= best.from) {
			best = n
		}
	}
	return slices.Clone(best.manifests)
}

// can reads "can linux64/opt/marionette linux64/opt/reftest-4". It may be given several times.
func (p *parser) can(ws []word) error {
	r := p.current()
	if len(ws) < 2 || p.grid {
		return p.fail(ws[0], "expected, before the line \"push …\": can LABEL …")
	}
	for _, l := range ws[1:] {
		if err := p.label(l); err != nil {
			return err
		}
		r.can = append(r.can, l.text)
	}
	return nil
}

// label checks a label that the repository is to offer from here on.
func (p *parser) label(l word) error {
	if strings.Contains(l.text, "=") {
		return p.fail(l, "label %q holds a =, which attributes use", l.text)
	}
	if p.r.has(l.text) {
		return p.fail(l, "label %s is given twice", l.text)
	}
	return nil
}

// header reads "push linux/build linux/test", after which only rows and the next repository may
// follow.
func (p *parser) header(ws []word) error {
	r := p.current()
	if p.grid {
		return p.fail(ws[0], "repository %s has a line \"push …\" already", r.name)
	}
	if len(ws) < 2 {
		return p.fail(ws[0], "expected: push LABEL …")
	}
	for _, l := range ws[1:] {
		if err := p.label(l); err != nil {
			return err
		}
		r.labels = append(r.labels, l.text)
	}
	p.grid = true
	return nil
}

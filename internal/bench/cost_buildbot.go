package main

import (
	"fmt"
	"testing"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/bbtest"
)

// costBuildbot is a master with a history of changes. All builders built each change, except the
// label's builder; see costCell.
type costBuildbot struct {
	double *bbtest.Double
	meters []*meter
}

// newCostBuildbot makes five times as many changes as are read.
func newCostBuildbot(s costScale, good int) *costBuildbot {
	d := bbtest.Offline()
	names := []string{costLabel}
	for len(names) < s.builds {
		names = append(names, costFiller(len(names)))
	}
	for _, n := range names {
		d.Builder(n, "tests", "linux64")
	}
	d.Form("force", names, bbtest.Sources("", nil))
	n := 5 * s.pushes
	for i := range n {
		rev, distance := costRevision(i), n-1-i
		d.Change(rev, bbtest.Row{"comments": costChange(rev, i)["comments"]})
		for b := range names {
			results := []int{0}
			if b == 0 {
				results = costResults(distance, good)
			}
			if results != nil {
				d.Ask(bbtest.BuildRequest{
					Builder: b + 1, Results: results, Stamps: []bbtest.Row{bbtest.Stamp(rev, nil)},
					Build: bbtest.Row{"properties": costProperties(i, b)},
				})
			}
		}
	}
	return &costBuildbot{d, []*meter{{name: "buildbot", next: d}}}
}

// costResults are the results of the label's builds, as Buildbot numbers them; nil when the label
// was not requested.
func costResults(distance, good int) []int {
	switch cell := costCell(distance); {
	case cell == "-" && distance%2 == 0:
		return []int{} // collapsed
	case cell == "-":
		return nil
	case cell == "exception":
		return []int{4}
	case distance >= good:
		return []int{0}
	}
	return []int{2}
}

// costProperties are the properties that a build has at its end, each with its source.
func costProperties(i, b int) bbtest.Row {
	out := bbtest.Row{"got_revision": []any{costRevision(i), "Git"}}
	for k := range 20 {
		out[fmt.Sprintf("property_%d", k)] = []any{fmt.Sprintf("/home/buildbot/worker/%d/build/%d", b, i), "Build"}
	}
	return out
}

// place is the CI with all its abilities, for a client that starts without any cache.
func (c *costBuildbot) place(t *testing.T) costPlace {
	p := c.project(t)
	return costPlace{p, p, c.meters}
}

// narrow is place, limited to reading push by push.
func (c *costBuildbot) narrow(t *testing.T) costPlace {
	p := c.project(t)
	return costPlace{p, narrowBuildbot(p), c.meters}
}

func (c *costBuildbot) project(t *testing.T) *buildbot.Project {
	t.Helper()
	b, err := buildbot.New("http://buildbot.example", &buildbot.Options{HTTP: c.meters[0].client()})
	if err != nil {
		t.Fatal(err)
	}
	return b.Project("main", nil)
}

// buildbotCosts are the questions to Buildbot.
func buildbotCosts(t *testing.T, s costScale) []costRow {
	far, near, middle := newCostBuildbot(s, s.pushes-1), newCostBuildbot(s, 3), newCostBuildbot(s, s.pushes/4)
	row := func(question string, c *costBuildbot, most costMost, ask costQuestion) costRow {
		return costRow{
			question: question, before: c.narrow(t).took(t, ask), now: c.place(t).took(t, ask),
			most: most,
		}
	}
	return []costRow{
		row(fmt.Sprintf("last good over %d pushes, Buildbot", s.pushes), far, costMost{requests: 12},
			costFind(s.pushes, s.pushes-1)),
		row("last good 3 pushes ago, Buildbot", near, costMost{requests: 12}, costFind(s.pushes, 3)),
		row(fmt.Sprintf("culprit, %d pushes of history, Buildbot", s.pushes+10), middle, costMost{twice: 2},
			costSearch(s.pushes, 5*s.pushes)),
		row(fmt.Sprintf("trigger.Make of a label over %d pushes, Buildbot", s.pushes/2), near, costMost{},
			costMake(s.pushes/2)),
	}
}

package server

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mozci/mozci/internal/phrase"
	"github.com/mozci/mozci/job"
)

// The table of pushes and runs. Rows are newest first, so "after" the break is above it. gridOf
// decides which rows are folded, rowOf writes one row, cells one run after the other.

// The bounds of the grid. With more than mostCells runs on a push, the page shows counts instead of
// cells. With more than mostRows pushes, it folds neighbouring pushes that show nothing of interest
// into one row.
const (
	mostCells = 8
	mostRows  = 40
	leastFold = 3  // fewer neighbouring pushes are not folded
	barWidth  = 72 // width of a probability of 1, in pixels
)

// gridView is the table of pushes and runs, the newest push first.
type gridView struct {
	Caption string
	Sum     string
	Rows    []rowView
	All     bool // a person wants to see every push
	Folds   bool // some pushes are folded
	Chances bool // the table has a column of probabilities
}

// rowView is one push, or several that are folded. Bar is the width of Chance in pixels, 2 to
// barWidth; 0 when Chance is empty. A row with Fold has only ID and Class besides.
type rowView struct {
	ID     string // the id of its HTML element
	Number string
	Rev    string
	Link   string
	Time   string
	Change string
	Author string
	Label  string // the chunk that runs the test on this push, if it is another one than the backfill's

	Class  string // "after", "before" or "gap": its side of the break
	Hit    bool   // it is the culprit
	Good   bool   // it is the last good push
	Line   bool   // the line between bad and good is above it
	Tag    string
	Cells  []cellView
	Counts []countView // shown first when there are too many cells
	Note   string      // shown where cells would be
	Failed string      // failed runs: "4 of 5"
	Bar    int
	Chance string

	Fold string // the text of folded pushes
}

// cellView is one run.
type cellView struct {
	Class, Symbol string
	Name          string // for screen readers, and on hover
	Link          string
	Ours          bool
}

// countView is how many cells of a kind a row has.
type countView struct {
	Class, Symbol, Word string
	N                   int
}

// looks are the class, the symbol and the words for a result. Word is for the legend, Name for a
// single run.
type looks struct{ Class, Symbol, Word, Name string }

var resultLooks = map[Result]looks{
	Passed:    {"pass", "pass", "passed", "passed"},
	Failure:   {"fail", "fail", "failed", "failed"},
	Elsewhere: {"other", "other", "failed elsewhere, not counted", "failed in another test, not counted"},
	Machine:   {"infra", "infra", "machine problem, not counted", "machine problem, not counted"},
	UnderWay:  {"run", "run", "running", "running"},
	Queued:    {"queue", "queue", "queued", "queued"},
	Coalesced: {"coal", "coal", "coalesced", "coalesced, did not run"},
	Stopped:   {"stop", "stop", "cancelled by a person", "cancelled by a person"},
	Skipped:   {"skip", "skip", "never ran", "skipped, did not run"},
	Unclear:   {"unclear", "clock", "no clear result, not counted", "no clear result, not counted"},
}

var plannedLooks = looks{"plan", "plan", "planned", "planned, not triggered yet"}

// legend lists the symbols in the order of Results, and then planned.
func legend() []looks {
	var out []looks
	for _, r := range Results() {
		out = append(out, resultLooks[r])
	}
	return append(out, plannedLooks)
}

func looksOf(r Result) looks {
	l, ok := resultLooks[r]
	if !ok {
		return looks{"infra", "infra", "unknown", "unknown result"}
	}
	return l
}

// marks are the indices of the rows that matter, counted from the newest; -1 when there is none.
type marks struct{ culprit, bad, good, start int }

// marksOf finds the rows. The culprit is usually the first bad push too; it is never the last good.
func marksOf(b Backfill) marks {
	m := marks{-1, -1, -1, -1}
	for i, r := range b.Rows {
		same := func(p *job.PushRef) bool { return p != nil && p.Repo == r.Push.Repo && p.ID == r.Push.ID }
		switch {
		case b.Culprit != nil && same(&b.Culprit.Push):
			m.culprit = i
		case same(b.LastGood):
			m.good = i
		}
		if same(b.FirstBad) {
			m.bad = i
		}
		if same(b.Start) {
			m.start = i
		}
	}
	return m
}

// line reports whether the line between bad and good is above row i. It is below the culprit or,
// while that is unknown, above the last good push. Rows are newest first, so with the culprit in
// row 2 the line is above row 3.
func (m marks) line(i int) bool {
	if m.culprit >= 0 {
		return i == m.culprit+1
	}
	return i > 0 && i == m.good
}

// With 60 pushes, of which rows 5 to 9 are quiet, these become one row, and i goes on at 10. A run
// of 2 quiet rows is shown as it is. Up to mostRows pushes nothing is folded.
func gridOf(b Backfill, all bool) gridView {
	m := marksOf(b)
	g := gridView{All: all, Caption: count(len(b.Rows), "push") + ", newest first", Sum: runsOf(b)}
	quiet := make([]bool, len(b.Rows))
	if len(b.Rows) > mostRows && !all {
		quiet = quietRows(b.Rows, m)
	}
	for i := 0; i < len(b.Rows); i++ {
		n := 0
		for i+n < len(b.Rows) && quiet[i+n] {
			n++
		}
		if n < leastFold {
			r := rowOf(b, i, m)
			g.Chances = g.Chances || r.Chance != ""
			g.Rows = append(g.Rows, r)
			continue
		}
		g.Folds = true
		g.Rows = append(g.Rows, foldOf(b.Rows[i:i+n], side(i, m)))
		i += n - 1
	}
	return g
}

// quietRows says which rows may be folded: no failure, nothing under way or planned, a probability
// below 1%, no run of mozci's, and no row that matters next to it. With the culprit in row 20, rows
// 19 to 21 stay.
func quietRows(rows []Row, m marks) []bool {
	out := make([]bool, len(rows))
	for i, r := range rows {
		out[i] = r.Failed == 0 && r.UnderWay == 0 && r.Planned == 0 && r.Probability < 0.01 && r.Untestable == ""
		for _, at := range []int{m.culprit, m.bad, m.good, m.start} {
			if at >= 0 && i >= at-1 && i <= at+1 {
				out[i] = false
			}
		}
		for _, run := range r.Runs {
			if run.Result == Elsewhere || run.Result == Stopped || run.Ours {
				out[i] = false
			}
		}
	}
	return out
}

// side is on which side of the break a row is: after it, before it, or in the gap in which it must
// be; "open" while neither end is known.
//
//	bad 1, good 4             rows 0-1 after, 2-3 gap, 4 and older before
//	bad 1, good 4, culprit 2  rows 0-2 after, 3 and older before
//	bad 1, good not found     rows 0-1 after, 2 and older gap
func side(i int, m marks) string {
	switch {
	case m.culprit >= 0 && i <= m.culprit, m.culprit < 0 && m.bad >= 0 && i <= m.bad:
		return "after"
	case m.culprit >= 0, m.good >= 0 && i >= m.good:
		return "before"
	case m.bad < 0 && m.good < 0:
		return "open"
	}
	return "gap"
}

// foldOf is the row for neighbouring quiet pushes, which are on the same side. Its id stays the
// same while the same pushes are folded.
func foldOf(rows []Row, side string) rowView {
	ran := false
	for _, r := range rows {
		ran = ran || slices.ContainsFunc(r.Runs, func(run Run) bool {
			return run.Result != Coalesced && run.Result != Skipped
		})
	}
	where := map[string]string{"after": "newer ", "before": "older "}[side]
	v := rowView{
		ID:    "fold-" + strconv.FormatInt(rows[0].Push.ID, 10) + "-" + strconv.Itoa(len(rows)),
		Class: side,
	}
	v.Fold = fmt.Sprintf("%d %spushes, none bad", len(rows), where)
	if !ran {
		v.Fold = fmt.Sprintf("%d %spushes, nothing ran", len(rows), where)
	}
	return v
}

// rowOf is the row of push i. When one push is both, the tag "culprit" comes before "first bad".
func rowOf(b Backfill, i int, m marks) rowView {
	r := b.Rows[i]
	v := rowView{
		ID: elementOf(r.Push), Number: name(r.Push), Rev: eight(r.Push.Revision), Link: outside(r.Link),
		Change: brief(r.Subject, 300), Author: person(r.Author),
		Class: side(i, m), Hit: i == m.culprit, Good: i == m.good, Line: m.line(i),
	}
	if !r.Time.IsZero() {
		v.Time = "pushed " + stamp(r.Time) + " UTC"
	}
	if r.Label != "" && r.Label != b.Ask.Label {
		v.Label = brief(r.Label, 200)
	}
	switch i {
	case m.culprit:
		v.Tag = "culprit"
	case m.bad:
		v.Tag = "first bad"
	case m.good:
		v.Tag = "last good"
	}
	v.cells(r)
	if n := r.Passed + r.Failed; n > 0 {
		v.Failed = fmt.Sprintf("%d of %d", r.Failed, n)
	}
	if r.Probability >= 0.01 {
		v.Chance, v.Bar = phrase.Percent(r.Probability), max(2, int(min(r.Probability, 1)*barWidth+0.5))
	}
	return v
}

// elementOf is the id of a push's row in the HTML.
func elementOf(p job.PushRef) string {
	return "push-" + wordsOnly(p.Repo) + "-" + strconv.FormatInt(p.ID, 10)
}

// wordsOnly makes a name usable as an HTML id: every character that is not a letter or digit
// becomes a dash.
func wordsOnly(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, brief(s, 60))
}

// cells makes a cell for each run and then one for each planned run, numbered together from 1.
func (v *rowView) cells(r Row) {
	for i, run := range r.Runs {
		l := looksOf(run.Result)
		c := cellView{
			Class: l.Class, Symbol: l.Symbol, Link: outside(run.Link), Ours: run.Ours,
			Name: fmt.Sprintf("Run %d: %s", i+1, l.Name),
		}
		if run.Seconds > 0 {
			c.Name += " after " + span(run.Seconds)
		}
		if run.Ours {
			c.Name += ", triggered by mozci"
		}
		v.Cells = append(v.Cells, c)
	}
	for i := range min(r.Planned, 500) {
		v.Cells = append(v.Cells, cellView{
			Class: plannedLooks.Class, Symbol: plannedLooks.Symbol,
			Name: fmt.Sprintf("Run %d: %s", len(r.Runs)+i+1, plannedLooks.Name),
		})
	}
	if len(v.Cells) > mostCells {
		v.Counts = countsOf(v.Cells)
	}
	if len(v.Cells) == 0 && r.Untestable != "" {
		v.Note = "not testable: " + strings.TrimPrefix(brief(r.Untestable, 120), "not testable: ")
	}
}

// countsOf counts the cells of each kind, in the legend's order.
func countsOf(cells []cellView) []countView {
	n := map[string]int{}
	for _, c := range cells {
		n[c.Class]++
	}
	var out []countView
	for _, l := range legend() {
		if n[l.Class] > 0 {
			out = append(out, countView{l.Class, l.Symbol, l.Word, n[l.Class]})
		}
	}
	return out
}

// runsOf sums up the runs: "14 runs by the CI, 21 by mozci, 3 to come".
func runsOf(b Backfill) string {
	var ci, ours, open, planned int
	for _, r := range b.Rows {
		planned += r.Planned
		for _, run := range r.Runs {
			settled := run.Result != UnderWay && run.Result != Queued
			switch {
			case !settled:
				open++
			case run.Result == Coalesced, run.Result == Skipped: // it never ran
			case run.Ours:
				ours++
			default:
				ci++
			}
		}
	}
	parts := []string{count(ci, "run") + " by the CI"}
	if ours > 0 || !b.DryRun {
		parts = append(parts, number(ours)+" by mozci")
	}
	if open > 0 {
		parts = append(parts, number(open)+" to come")
	}
	if planned > 0 {
		parts = append(parts, number(planned)+" planned")
	}
	return strings.Join(parts, ", ")
}

// suspects are the pushes that can have broken the job, the most probable first.
func suspects(b Backfill) []Suspect {
	out := slices.Clone(b.Credible)
	slices.SortStableFunc(out, func(x, y Suspect) int { return cmp.Compare(y.Probability, x.Probability) })
	return out
}

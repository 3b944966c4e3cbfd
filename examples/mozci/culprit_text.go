package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/analysis/perf"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
)

// percent is a probability as people read it: whole, and never 0 or 100 %, which would
// be certain.
func percent(p float64) string {
	switch {
	case p < 0.01:
		return "<1%"
	case p > 0.99:
		return ">99%"
	}
	return fmt.Sprintf("%.0f%%", math.Round(100*p))
}

// sure is a probability within a sentence.
func sure(p float64) string {
	if p > 0.99 {
		return "more than 99% sure"
	}
	return percent(p) + " sure"
}

// subject is what a search is about: the label, and the test or the value in it.
func (c culpritFlags) subject(r backfill.SearchResult) string {
	name := c.test
	if r.Value != nil {
		name = r.Value.Name()
	}
	return subject(c.label, name)
}

// subject is a label, or what is meant in it: a test, or a value.
func subject(label, name string) string {
	if name == "" {
		return label
	}
	return name + " in " + label
}

// looking is the first line of a search.
func (c culpritFlags) looking(what, repo string) string {
	verb := "broke"
	switch {
	case c.findFix:
		verb = "fixed"
	case c.perf:
		verb = "changed"
	}
	return fmt.Sprintf("Looking for the push that %s %s on %s.", verb, what, repo)
}

// expects says how large a search is: "18 pushes are possible. Expect about 24 runs in
// 7 rounds, 2 to 4 hours. Budget: 60 runs."
func (c culpritFlags) expects(pushes []backfill.Tested, o backfill.Outlook) string {
	n := 0
	for _, t := range pushes {
		if t.Probability >= 0.0005 && t.Untestable == "" {
			n++
		}
	}
	out := plural(n, "push") + " are possible."
	if n == 1 {
		out = "1 push is possible."
	}
	if o.Runs >= 0.5 {
		out += " Expect " + outlook(o) + "."
	}
	if c.maxRuns > 0 {
		out += " Budget: " + runs(c.maxRuns) + "."
	}
	return out
}

// The table of a search shows this many pushes at most, the most probable ones, so that
// it fits a terminal of 24 rows; the others are one row.
const (
	mostSuspects = 12
	barWidth     = 20 // columns of a chance of 100 %
)

// belief is what a search believes: of each push, and that none of them did it.
type belief struct {
	pushes         []backfill.Tested // oldest first
	older, nothing float64           // the chances that it was an older push, and that it was none
	findFix        bool              // it is about the push that fixed the job
	perf           bool              // of values, not of failures
}

func beliefOf(r backfill.SearchResult) belief {
	return belief{r.Pushes, r.Older, r.Nothing, r.FindFix, r.Value != nil}
}

// unaccused is a chance that belongs to no push of a search.
type unaccused struct {
	what   own
	chance float64
}

// unaccused are the chances that, with those of the pushes, make 100%; where they are 1%
// or more.
func (b belief) unaccused() []unaccused {
	older, none := own("an older push"), own("no push broke it")
	switch {
	case b.findFix:
		older, none = "not fixed yet", "no push fixed it"
	case b.perf:
		none = "no push changed it"
	}
	out := []unaccused{{older, b.older}, {none, b.nothing}}
	return slices.DeleteFunc(out, func(u unaccused) bool { return u.chance < 0.01 })
}

// suspectsTable is what is known of the pushes of a search, newest first.
func (a *app) suspectsTable(b belief) grid {
	pushes, perf := b.pushes, b.perf
	g := grid{head: []string{"push", "failed", "chance"}, right: map[int]bool{3: true}}
	if perf {
		g.head = []string{"push", "values", "chance"}
	}
	shown := worthShowing(pushes)
	best := mostProbable(pushes)
	others, rest := 0, 0.0
	for i, t := range slices.Backward(pushes) {
		if !shown[i] {
			others, rest = others+1, rest+t.Probability
			continue
		}
		row := []cell{{}, {text: pushName(t.Push), url: a.pushPage(t.Push)}, {text: counted(t, perf)}, {}, {}}
		if t.Untestable != "" {
			row[2].text = "cannot run"
		}
		if t.Probability >= 0.01 {
			row[3].text, row[4] = percent(t.Probability), cell{text: bar(t.Probability)}
		}
		switch {
		case i == best && t.Probability >= 0.5:
			row[0], row[1].style, row[3].style, row[4].style = mark(failed), strong, strong, bad
		case i == best-1 && t.Failed == 0 && t.Passed > 0 && pushes[best].Probability >= 0.5:
			row[0] = mark(passed)
		}
		g.add(row...)
	}
	if others > 0 {
		what := plural(others, "other push")
		g.add(cell{}, cell{text: what, style: soft}, cell{}, cell{text: percent(rest), style: soft})
	}
	for _, u := range b.unaccused() {
		g.add(cell{}, cell{text: string(u.what), style: soft}, cell{}, cell{text: percent(u.chance), style: soft},
			cell{text: bar(u.chance), style: soft})
	}
	return g
}

// counted is what ran on a push: "3 of 7" failed, or the values that were measured.
func counted(t backfill.Tested, perf bool) string {
	if perf {
		if len(t.Values) == 0 {
			return "none"
		}
		return fmt.Sprintf("%d, median %s", len(t.Values), number(median(t.Values)))
	}
	if t.Failed+t.Passed == 0 {
		return "none"
	}
	return fmt.Sprintf("%d of %d", t.Failed, t.Failed+t.Passed)
}

// worthShowing are the pushes with a row of their own, by their index: the most
// probable ones, and the push just before the best, which confirms it.
func worthShowing(pushes []backfill.Tested) map[int]bool {
	var order []int
	for i, t := range pushes {
		if t.Probability >= 0.01 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(x, y int) int {
		return cmp.Compare(pushes[y].Probability, pushes[x].Probability)
	})
	out := map[int]bool{}
	for _, i := range order[:min(len(order), mostSuspects)] {
		out[i] = true
	}
	if best := mostProbable(pushes); best > 0 && pushes[best].Probability >= 0.5 {
		out[best-1] = true
	}
	if len(out) == 0 {
		for i := max(0, len(pushes)-mostSuspects); i < len(pushes); i++ {
			out[i] = true
		}
	}
	return out
}

// mostProbable is the index of the most probable push; -1 of none.
func mostProbable(pushes []backfill.Tested) int {
	best := -1
	for i, t := range pushes {
		if best < 0 || t.Probability > pushes[best].Probability {
			best = i
		}
	}
	return best
}

// bar draws a probability. The last character is a part of a column, by eighths.
func bar(p float64) string {
	eighths := int(math.Round(p * barWidth * 8))
	if !utf8Locale() {
		return strings.Repeat("#", (eighths+4)/8)
	}
	out := strings.Repeat("█", eighths/8)
	if part := eighths % 8; part > 0 {
		out += string([]rune("▏▎▍▌▋▊▉")[part-1])
	}
	return out
}

// searchView shows a search while it runs: a block that is drawn again and again on a
// terminal, and a line for each round elsewhere. It is progress, so that it goes to
// standard error.
type searchView struct {
	a      *app
	c      culpritFlags
	redraw bool
	rows   int // of the block that stands there
	rounds int // the last one that was told
	repo   string
	last   time.Time
}

func (a *app) searching(c culpritFlags) *searchView {
	v := &searchView{a: a, c: c, redraw: !a.json && a.look(a.err).redraws, rounds: -1}
	if v.redraw {
		a.busy.stop() // the block stands in its place
	}
	return v
}

// saw shows how far a search is.
func (v *searchView) saw(p backfill.Progress) {
	if len(p.Pushes) == 0 {
		return
	}
	a := v.a
	if repo := p.Pushes[0].Push.Repo; repo != v.repo {
		v.end()
		switch {
		case v.repo != "":
			a.printf("The culprit is a merge: the search goes on among what it brought from %s.\n", repo)
		case v.c.yes: // else the answer to the question has said it
			a.line(cell{text: v.c.looking(v.c.label, repo), style: strong})
			a.paragraph("", plain, v.c.expects(p.Pushes, p.Forecast))
		}
		v.repo = repo
	}
	if v.redraw {
		v.draw(p)
		return
	}
	if p.Rounds == v.rounds && !p.Decision.Done {
		return
	}
	v.rounds = p.Rounds
	best := p.Pushes[mostProbable(p.Pushes)]
	a.warnf("%s, %s: most probable push %s, %s\n", rounds(p.Rounds), runs(p.Runs), pushName(best.Push),
		percent(best.Probability))
	if v.c.explain {
		v.why(p)
	}
}

// why says why the next runs were chosen.
func (v *searchView) why(p backfill.Progress) {
	times := map[int]int{}
	for _, x := range p.Decision.Next {
		times[x]++
	}
	for _, x := range slices.Sorted(maps.Keys(times)) {
		t := p.Pushes[x]
		v.a.paragraphOn(v.a.err, "  ", "    ", plain, fmt.Sprintf("next: %s on push %s (%s so far): %s", runs(times[x]),
			pushName(t.Push), counted(t, v.c.perf), p.Decision.Why))
	}
}

// draw replaces the block, at most once a second.
func (v *searchView) draw(p backfill.Progress) {
	now := time.Now()
	if !p.Decision.Done && now.Sub(v.last) < progressAfter {
		return
	}
	v.last = now
	v.end()
	g := v.a.suspectsTable(belief{p.Pushes, p.Decision.Older, p.Decision.Nothing, v.c.findFix, v.c.perf})
	l := v.a.look(v.a.err)
	lines := append([]string{""}, g.lines(l)...)
	lines = append(lines, "", l.show(mark(running))+" "+state(p))
	for i, text := range lines { // a line that wraps would be two rows, and one would stay
		lines[i] = ansi.Truncate(strings.TrimSuffix(text, "\n"), l.width-1, "") + "\n"
	}
	put(v.a.err, strings.Join(lines, ""))
	v.rows = len(lines)
}

// end removes the block.
func (v *searchView) end() {
	if v.rows > 0 {
		put(v.a.err, fmt.Sprintf("\x1b[%dA\r\x1b[J", v.rows))
		v.rows = 0
	}
}

// state is the last line of the block: "round 6 of about 7: 2 runs running or queued,
// 1 to 2 hours left".
func state(p backfill.Progress) string {
	n := 0
	for _, t := range p.Pushes {
		n += t.Running
	}
	out := fmt.Sprintf("round %d of about %d", p.Rounds, max(p.Rounds, p.Rounds+int(math.Ceil(p.Forecast.Rounds))))
	if n > 0 {
		out += fmt.Sprintf(": %s running or queued", runs(n))
	}
	if p.Forecast.Longest > 0 {
		out += ", " + spanOf(p.Forecast.Shortest, p.Forecast.Longest) + " left"
	}
	return out
}

// printSearchText shows what a search found, or what it would do.
func (a *app) printSearchText(ctx context.Context, r backfill.SearchResult, c culpritFlags, planned bool) {
	undecided := planned && !settled(r)
	if undecided {
		a.printOutlook(r, c)
	} else {
		a.printAnswer(ctx, r, c)
	}
	a.printCounting(r)
	a.printBehind(ctx, r, c, planned)
	if undecided {
		a.waysOn(c)
		return
	}
	a.nextOf(r, c)
}

// printCounting says which failures count, and what to know besides.
func (a *app) printCounting(r backfill.SearchResult) {
	if len(r.Signatures)+len(r.Warnings) > 0 {
		a.printf("\n")
	}
	only := "Only this failure counts: "
	if len(r.Signatures) > 1 {
		only = "This failure counts: "
	}
	for _, s := range r.Signatures {
		a.paragraph("    ", plain, only+oneLine(job.Visible(s.Print)))
	}
	for _, w := range r.Warnings {
		a.note("%s", w)
	}
}

// printOutlook is the text of a search that has not begun. What it is about and what
// it takes may stand there already.
func (a *app) printOutlook(r backfill.SearchResult, c culpritFlags) {
	if !c.told {
		a.paragraph("", strong, c.looking(c.subject(r), r.Start.Repo))
		a.paragraph("", plain, c.expects(r.Pushes, r.Forecast))
	}
	a.printf("\n")
	g := a.suspectsTable(beliefOf(r))
	g.write(a, a.out)
	if r.Plan.Total() > 0 || len(r.Plan.LeftOut) > 0 {
		a.printf("\nThe first round:\n")
		a.printPlan(r.Plan, c.label, c.explain)
	}
}

// waysOn says how to begin a search that was only looked at.
func (a *app) waysOn(c culpritFlags) {
	switch {
	case c.told: // it was refused; the error says what to change
		a.printf("\nNothing was triggered.\n")
	case c.dryRun:
		a.printf("\n")
		a.paragraph("", plain, "Nothing was triggered. To search, add --yes instead of --dry-run.")
	case !a.canAsk():
		a.printf("\n")
		a.paragraph("", plain, "Nothing was triggered. To search, add --yes.")
	}
}

// printAnswer is the text of a search that has ended.
func (a *app) printAnswer(ctx context.Context, r backfill.SearchResult, c culpritFlags) {
	symbol, answer := answerOf(r, c)
	if c.told {
		a.printf("\n")
	}
	a.answer(symbol, answer)
	for _, p := range r.Class {
		a.change(ctx, p, len(r.Class) > 1)
	}
	if c.explain || len(r.Class) != 1 && r.Outcome != culprit.NotARegression {
		a.printf("\n")
		g := a.suspectsTable(beliefOf(r))
		g.write(a, a.out)
	}
	a.printf("\n")
	a.facts(factsOf(r, c))
	if c.plot != "" {
		a.printf("\nThe picture is in %s.\n", c.plot)
	}
}

// answer is the bold first line of a result, with its symbol.
func (a *app) answer(s, text string) {
	m := mark(s)
	if a.look(a.out).width >= len(text)+2 {
		a.line(m, cell{text: " "}, cell{text: text, style: strong})
		return
	}
	a.paragraph("  ", strong, m.text+" "+text)
}

// change is the change that a push made, for people: who, and what.
func (a *app) change(ctx context.Context, p job.Push, named bool) {
	full := a.whole(ctx, p)
	text := revisions(p)
	if named {
		text = pushName(p)
	}
	switch {
	case strings.Contains(full.User, "@"):
		text += " " + full.User
	case full.User != "":
		text += " @" + full.User
	}
	if line := firstLine(full); line != "" {
		text += "  " + line
	}
	a.line(cell{text: "  "}, cell{
		text: ansi.Truncate(job.Visible(text), a.look(a.out).width-2, symbol(ellipsis)),
		url:  a.pushPage(p),
	})
}

// facts writes names and what is known of each, which is wrapped beside its name.
func (a *app) facts(list [][2]string) {
	width := 0
	for _, f := range list {
		width = max(width, ansi.StringWidth(f[0]))
	}
	for _, f := range list {
		a.paragraphOn(a.out, "  "+padded(f[0], width)+"  ", strings.Repeat(" ", width+4), plain, f[1])
	}
}

// factsOf are the lines below the answer: how often it failed, and what it cost.
func factsOf(r backfill.SearchResult, c culpritFlags) [][2]string {
	var out [][2]string
	add := func(name, format string, args ...any) {
		out = append(out, [2]string{name, fmt.Sprintf(format, args...)})
	}
	switch {
	case r.Change != nil:
		unit, better := "", "higher"
		if r.Value.Unit != "" {
			unit = " " + r.Value.Unit
		}
		if r.Change.LowerIsBetter {
			better = "lower"
		}
		add("before it", "%s%s", number(r.Change.Before), unit)
		add("since this push", "%s%s, %+.1f%%; %s is better", number(r.Change.After), unit, r.Change.Percent, better)
	case r.Value != nil:
	case r.Outcome == culprit.NotARegression:
		add("in all", "failed %s", ofRuns(r.Before.Failures+r.After.Failures, r.Before.Runs+r.After.Runs))
	case r.Before.Runs+r.After.Runs > 0:
		since, parent := "since this push", ""
		if len(r.Class) == 0 {
			since = "since the most probable push"
		} else {
			parent = string(parentOf(r))
		}
		if r.After.Runs > 0 {
			add(since, "failed %s", ofRuns(r.After.Failures, r.After.Runs))
		}
		add("before it", "failed %s%s", ofRuns(r.Before.Failures, r.Before.Runs), parent)
	}
	add("cost", "%s in %s", runs(r.Runs), rounds(r.Rounds))
	if r.Why != "" && (c.explain || len(r.Class) != 1) {
		add("why", "%s", r.Why)
	}
	return out
}

// ofRuns is "2 of 21 runs".
func ofRuns(n, of int) string { return fmt.Sprintf("%d of %s", n, runs(of)) }

// answerOf is the answer of a search in a sentence, with its symbol.
func answerOf(r backfill.SearchResult, c culpritFlags) (symbol, answer string) {
	what := c.subject(r)
	did, done := "broke", "broken"
	switch {
	case r.FindFix:
		did, done = "fixed", "fixed"
	case r.Outcome == perf.Improvement:
		did = "improved"
	case r.Value != nil:
		did, done = "regressed", "changed"
	}
	it := "it"
	if r.Value != nil {
		it = what
	}
	symbol = failed
	if r.FindFix || r.Outcome == perf.Improvement {
		symbol = passed
	}
	switch {
	case len(r.Class) == 1:
		return symbol, fmt.Sprintf("Push %d %s %s: %s.", r.Class[0].ID, did, it, sure(r.Probability))
	case len(r.Class) > 1:
		return symbol, fmt.Sprintf("One of %d pushes %s %s: %s. They cannot be told apart.", len(r.Class), did, it,
			sure(r.Probability))
	case r.Outcome == culprit.NotARegression && r.Value != nil:
		return passed, fmt.Sprintf("No push changed %s: %s.", what, sure(r.Probability))
	case r.Outcome == culprit.NotARegression:
		return passed, fmt.Sprintf("No push %s it: %s. It fails as often before as since.", did, sure(r.Probability))
	case r.Outcome == culprit.Older && r.FindFix:
		return machine, fmt.Sprintf("It is not fixed on any of these pushes: %s.", sure(r.Probability))
	case r.Outcome == culprit.Older:
		return machine, fmt.Sprintf("It was %s before these pushes: %s.", done, sure(r.Probability))
	case r.Outcome == culprit.OlderOrNothing && r.FindFix:
		return machine, "It is not fixed yet, or no push fixed it: these pushes cannot tell which."
	case r.Outcome == culprit.OlderOrNothing:
		return machine, "None of these pushes " + did + " it: it is older than them, or no push did."
	case r.Outcome == culprit.Infra:
		return machine, "Not known: machines failed instead of the job."
	}
	return machine, "Not sure yet: " + strings.TrimSuffix(r.Why, ".") + "."
}

// nextOf says what to type next.
func (a *app) nextOf(r backfill.SearchResult, c culpritFlags) {
	of := "mozci culprit" + a.again("yes", "dry-run", "output", "json", "color", "explain", "plot", "max-runs",
		"max-revisions")
	switch {
	case len(r.Class) > 0 && a.world == "":
		a.printf("\n")
		a.typed("To paste this into a bug:", of+" --output bugzilla")
	case r.Outcome == culprit.Older, r.Outcome == culprit.OlderOrNothing:
		a.printf("\n")
		words := "To look further back:"
		if r.FindFix {
			words = "To look at more of the newer pushes:"
		}
		a.typed(words, fmt.Sprintf("%s --max-revisions %d", of, 2*max(c.maxRevisions, 1)))
	case r.Outcome == culprit.Undecided && c.maxRuns > 0 && r.Runs >= c.maxRuns && c.yes:
		a.printf("\n")
		a.typed("To go on where it stopped:", fmt.Sprintf("%s --yes --max-runs %d", of, c.maxRuns+20))
	}
}

// printBehind prints what was found behind merges.
func (a *app) printBehind(ctx context.Context, r backfill.SearchResult, c culpritFlags, planned bool) {
	for _, b := range r.Merges {
		if b.Result == nil {
			continue // a warning says why
		}
		a.printf("\nPush %s is a merge. Among what it brought from %s:\n", pushName(b.Through), b.Repo)
		a.printSearchText(ctx, *b.Result, c, planned && b.Result.Outcome == culprit.Undecided)
	}
}

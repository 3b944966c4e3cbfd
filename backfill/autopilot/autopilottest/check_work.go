package autopilottest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/mozci/mozci/backfill/autopilot"
	"github.com/mozci/mozci/job"
)

// The rules about failures and cases. Where a rule needs a lease that ends, or something that is
// due later, inTime and pass do the waiting.

// empty checks a store in which nothing was stored yet, so it is the first rule.
func (c *check) empty(ctx context.Context) {
	_, some, err := c.s.Next(ctx)
	if c.wants("Next", err, nil) {
		same(c, "Next", some, false)
	}
	same(c, "Claim", len(c.claim(ctx, "a", long)), 0)
	cases, err := c.s.Cases(ctx, autopilot.CaseQuery{})
	c.wants("Cases", err, nil)
	same(c, "Cases", len(cases), 0)
}

// clock checks that times are the store's own, whatever the caller has set.
func (c *check) clock(ctx context.Context) {
	before, err := c.s.Now(ctx)
	c.wants("Now", err, nil)
	f := c.failure()
	f.Heard = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	c.hears(ctx, f, true)
	cs, spans := c.newCase()
	cs.Opened = f.Heard
	c.gives(ctx, cs, spans, true)
	// So that the clock moves also where it counts milliseconds.
	time.Sleep(2 * time.Millisecond)
	after, err := c.s.Now(ctx)
	c.wants("Now", err, nil)
	if !after.After(before) {
		c.wrong("Now", after.String(), "later than %s", before)
	}
	// A millisecond is allowed for clocks that round.
	within := func(did string, t time.Time) {
		if t.Before(before.Add(-time.Millisecond)) || t.After(after) {
			c.wrong(did, t.String(), "between %s and %s", before, after)
		}
	}
	for _, cl := range c.claim(ctx, "a", long) {
		if cl.Case != nil {
			within("Claim after Open: Opened", cl.Case.Opened)
		} else {
			within("Claim after Hear: Heard", cl.Failure.Heard)
		}
		if err := c.s.Save(ctx, finished(cl), 0); err != nil {
			c.wants("Save", err, nil)
		}
	}
	cases, err := c.s.Cases(ctx, autopilot.CaseQuery{Key: cs.Key})
	if c.wants("Cases", err, nil) && len(cases) == 1 && cases[0].Ended.Before(before.Add(-time.Millisecond)) {
		c.wrong("Save of a case that ends: Ended", cases[0].Ended.String(), "the store's time")
	}
	if after, err = c.s.Now(ctx); err != nil {
		c.wants("Now", err, nil)
	}
	failures, err := c.s.Failures(ctx, autopilot.FailureQuery{Repo: f.Push.Repo})
	if c.wants("Failures", err, nil) && len(failures) == 1 {
		within("Save of a decision: At", failures[0].At)
	}
}

// hear checks that a failure is stored once, and that what is decided or due later cannot be
// claimed.
func (c *check) hear(ctx context.Context) {
	f := c.failure()
	c.hears(ctx, f, true)
	again := f
	again.Run = "another"
	c.hears(ctx, again, false)
	decided := c.failure()
	decided.Decided, decided.Rule, decided.Why = true, autopilot.RuleUnnamed, "not named"
	c.hears(ctx, decided, true)
	later := c.failure()
	if _, err := c.s.Hear(ctx, later, long); err != nil {
		c.wants("Hear", err, nil)
	}
	cl, ok := c.one(ctx, "a", long) // neither decided failures nor those that are not due
	if !ok || cl.Failure == nil {
		return
	}
	got := *cl.Failure
	got.Heard = time.Time{}
	if got.Key != f.Key || got.Run != f.Run || got.Push.Revision != f.Push.Revision || got.Push.Git != f.Push.Git ||
		!got.Finished.Equal(f.Finished) || got.Kind != f.Kind {
		c.wrong("Claim after Hear", fmt.Sprintf("%+v", got), "%+v", f)
	}
}

// opens checks that overlapping spans give one case, and others several. The first case has the
// pushes 2 to 4. A row that joins adds its own span, so after 3 to 9 the range 9 to 12 only touches
// the first case.
func (c *check) opens(ctx context.Context) {
	first, spans := c.newCase()
	c.gives(ctx, first, spans, true)
	c.gives(ctx, first, spans, false)
	for _, o := range []struct {
		name      string
		signs     []string
		low, high int64
		repo      string
		fresh     bool
	}{
		{"the same range", []string{"sign"}, 1, 4, first.Repo, false},
		{"a range within", []string{"other", "more"}, 2, 3, first.Repo, false},
		{"a range that overlaps", []string{"sign"}, 3, 9, first.Repo, false},
		{"the range after it", []string{"sign"}, 9, 12, first.Repo, true},
		{"the range before it", []string{"sign"}, 0, 1, first.Repo, true},
		{"another signature", []string{"new"}, 1, 4, first.Repo, true},
		{"another repository", []string{"sign"}, 1, 4, first.Repo + "-2", true},
		{"a signature that joined", []string{"more"}, 2, 3, first.Repo, false},
	} {
		n, _ := c.newCase()
		n.Repo, n.Signatures = o.repo, o.signs
		made, fresh, err := c.s.Open(ctx, n, []autopilot.Span{{Repo: o.repo, Low: o.low, High: o.high}}, many)
		c.wants("Open of "+o.name, err, nil)
		same(c, "Open of "+o.name, fresh, o.fresh)
		want := n.Key
		if !o.fresh {
			want = first.Key
		}
		same(c, "Open of "+o.name, made.Key, want)
	}
	got, err := c.s.Cases(ctx, autopilot.CaseQuery{Key: first.Key})
	if !c.wants("Cases", err, nil) || len(got) != 1 {
		c.wrong("Cases", strconv.Itoa(len(got)), "1")
		return
	}
	// Its own label and those of the 4 rows that joined. The signatures are sign, other and more.
	if len(got[0].Labels) != 5 || !slices.Contains(got[0].Signatures, "more") || len(got[0].Signatures) != 3 {
		c.wrong("Open of what joins", fmt.Sprintf("labels %q, signatures %q", got[0].Labels, got[0].Signatures),
			"those of all that joined")
	}
}

// full checks the maximum number of open cases. The cases of earlier rules have ended, so 2 are
// open.
func (c *check) full(ctx context.Context) {
	for range 2 {
		n, spans := c.newCase()
		c.gives(ctx, n, spans, true)
	}
	n, spans := c.newCase()
	_, fresh, err := c.s.Open(ctx, n, spans, 2)
	c.wants("Open of a third of 2 cases", err, autopilot.ErrFull)
	same(c, "Open of a third of 2 cases", fresh, false)
	n.State = autopilot.Ended
	made, fresh, err := c.s.Open(ctx, n, spans, 2)
	c.wants("Open of a case that has ended", err, nil)
	same(c, "Open of a case that has ended", fresh, true)
	if made.Ended.IsZero() {
		c.wrong("Open of a case that has ended", "no time at which it ended", "the store's time")
	}
	w, err := c.s.Window(ctx, 4)
	c.wants("Window", err, nil)
	same(c, "Window: open", w.Open, 2)
}

// openAtOnce checks that of several callers who open overlapping cases exactly one gets true, and
// that the labels of all are in the one case. The spans begin at 0 to 7 and all contain push 9.
func (c *check) openAtOnce(ctx context.Context) {
	const n = 8
	base, _ := c.newCase()
	var mu sync.Mutex
	var all sync.WaitGroup
	fresh, keys := 0, map[string]bool{}
	for i := range n {
		s, err := c.open()
		if !c.wants("open", err, nil) {
			return
		}
		all.Go(func() {
			mine := base
			mine.Key, mine.Label, mine.Labels = fmt.Sprintf("%s-%d", base.Key,
				i), strconv.Itoa(i), []string{strconv.Itoa(i)}
			made, first, err := s.Open(ctx, mine, []autopilot.Span{{Repo: base.Repo, Low: int64(i), High: n + 1}}, many)
			c.wants("Open", err, nil)
			mu.Lock()
			defer mu.Unlock()
			keys[made.Key] = true
			if first {
				fresh++
			}
		})
	}
	all.Wait()
	same(c, "8 Opens at once: new", fresh, 1)
	same(c, "8 Opens at once: cases", len(keys), 1)
	got, err := c.s.Cases(ctx, autopilot.CaseQuery{Repo: base.Repo})
	if c.wants("Cases", err, nil) && len(got) == 1 {
		same(c, "8 Opens at once: labels", len(got[0].Labels), n)
	}
}

// extend checks that a case opened in an added span joins the case that was extended, and that
// extending into the span of an earlier case adds nothing and returns that one.
func (c *check) extend(ctx context.Context) {
	outer, spans := c.newCase()
	c.gives(ctx, outer, spans, true)
	inner := outer.Repo + "-inner"
	earlier, err := c.s.Extend(ctx, outer.Key, []autopilot.Span{{Repo: inner, Low: 5, High: 7}})
	c.wants("Extend", err, nil)
	same(c, "Extend", earlier.Key, "")
	n, _ := c.newCase()
	n.Repo = inner
	made, _, err := c.s.Open(ctx, n, []autopilot.Span{{Repo: inner, Low: 6, High: 7}}, many)
	c.wants("Open in an extended span", err, nil)
	same(c, "Open in an extended span", made.Key, outer.Key)

	first, _ := c.newCase()
	first.Signatures = []string{"apart"}
	c.gives(ctx, first, []autopilot.Span{{Repo: inner, Low: 20, High: 25}}, true)
	late, spans := c.newCase()
	late.Signatures = []string{"apart"}
	c.gives(ctx, late, spans, true)
	earlier, err = c.s.Extend(ctx, late.Key, []autopilot.Span{{Repo: inner, Low: 24, High: 30}})
	c.wants("Extend into an earlier case", err, nil)
	same(c, "Extend into an earlier case", earlier.Key, first.Key)
	_, err = c.s.Extend(ctx, "c-nothing", spans)
	c.wants("Extend of no case", err, job.ErrNotFound)
}

// claims checks the order, that no more than n are claimed, and that what is held is not claimed
// again, not even by its holder.
func (c *check) claims(ctx context.Context) {
	f := c.failure()
	c.hears(ctx, f, true)
	time.Sleep(2 * time.Millisecond)
	second := c.failure()
	c.hears(ctx, second, true)
	cs, spans := c.newCase()
	c.gives(ctx, cs, spans, true)
	first, err := c.s.Claim(ctx, "a", long, 2)
	c.wants("Claim of 2", err, nil)
	if len(first) != 2 || first[0].Case == nil || first[1].Failure == nil || first[1].Failure.Key != f.Key {
		c.wrong("Claim of 2 among a case and 2 failures", strconv.Itoa(len(first)),
			"the case, and the first failure")
	}
	rest := c.claim(ctx, "a", long)
	if len(rest) != 1 || rest[0].Failure == nil || rest[0].Failure.Key != second.Key {
		c.wrong("Claim of the rest by the same holder", strconv.Itoa(len(rest)), "the second failure alone")
	}
	for _, cl := range append(first, rest...) {
		same(c, "Claim: holder", cl.Holder, "a")
		c.wants("Save", c.s.Save(ctx, finished(cl), 0), nil)
	}
	same(c, "Claim of what is done", len(c.claim(ctx, "b", long)), 0)
}

// lease checks that a renewed lease lasts, that another holder gets what is free again, and that
// the first one can no longer write.
func (c *check) lease(ctx context.Context) {
	var cs autopilot.Case
	var mine autopilot.Claimed
	var ok bool
	// A lease of d/4 is renewed to d: after d/4 it must still hold. Only within d can that be told.
	renewed := c.inTime(ctx, func(d time.Duration) {
		var spans []autopilot.Span
		cs, spans = c.newCase()
		c.gives(ctx, cs, spans, true)
		if mine, ok = c.one(ctx, "a", d/4); !ok {
			return
		}
		c.wants("Renew", c.s.Renew(ctx, mine, d), nil)
		c.pass(ctx, d/4)
		same(c, "Claim of what was renewed", len(c.claim(ctx, "b", long)), 0)
	})
	if !ok {
		return
	}
	c.pass(ctx, renewed)
	theirs, ok := c.one(ctx, "b", long)
	if !ok {
		return
	}
	lost := mine
	changed := *mine.Case
	changed.Why = "changed by who lost it"
	lost.Case = &changed
	c.wants("Save after the lease was lost", c.s.Save(ctx, lost, 0), autopilot.ErrLost)
	c.wants("Renew after the lease was lost", c.s.Renew(ctx, mine, long), autopilot.ErrLost)
	got, err := c.s.Cases(ctx, autopilot.CaseQuery{Key: cs.Key})
	if c.wants("Cases", err, nil) && len(got) == 1 {
		same(c, "Save after the lease was lost", got[0].Why, cs.Why)
	}
	c.wants("Save", c.s.Save(ctx, finished(theirs), 0), nil)
	c.wants("Save of what was given back", c.s.Save(ctx, finished(theirs), 0), autopilot.ErrLost)
}

// saves checks that a save is stored, and that what others added stays.
func (c *check) saves(ctx context.Context) {
	var joins, n autopilot.Case
	var ok bool
	again := c.inTime(ctx, func(d time.Duration) {
		cs, spans := c.newCase()
		c.gives(ctx, cs, spans, true)
		var mine autopilot.Claimed
		if mine, ok = c.one(ctx, "a", long); !ok {
			return
		}
		joins, _ = c.newCase()
		joins.Signatures = []string{"sign", "third"}
		c.gives(ctx, joins, spans, false)
		n = *mine.Case
		n.State, n.Doing, n.Cost = autopilot.Searching, "testing", autopilot.Cost{Runs: 3, RedRuns: 1, Minutes: 90}
		n.Blocked = map[string]string{"r 2": "no build"}
		mine.Case = &n
		c.wants("Save", c.s.Save(ctx, mine, d), nil)
		same(c, "Claim before it is due again", len(c.claim(ctx, "b", long)), 0)
	})
	if !ok {
		return
	}
	c.pass(ctx, again)
	got, ok := c.one(ctx, "b", long)
	if !ok || got.Case == nil {
		return
	}
	if got.Case.Doing != "testing" || got.Case.Cost != n.Cost || got.Case.Blocked["r 2"] != "no build" ||
		got.Case.LastGood == nil || got.Case.LastGood.ID != 1 {
		c.wrong("Claim after Save", fmt.Sprintf("%+v", *got.Case), "what was saved")
	}
	if !slices.Contains(got.Case.Labels, joins.Label) || !slices.Contains(got.Case.Signatures, "third") {
		c.wrong("Save over what had joined meanwhile", fmt.Sprintf("%q", got.Case.Labels),
			"its labels and signatures too")
	}
	ended := *got.Case
	ended.State = autopilot.Ended
	ended.Report = &autopilot.Report{Outcome: autopilot.Culprit, Credible: []autopilot.Chance{{Probability: 0.5}}}
	got.Case = &ended
	c.wants("Save of an end", c.s.Save(ctx, got, 0), nil)
	untold, ok := c.one(ctx, "c", long) // its report is not delivered yet
	if ok && (untold.Case == nil || untold.Case.Report == nil || untold.Case.Report.Outcome != autopilot.Culprit ||
		untold.Case.Ended.IsZero()) {
		c.wrong("Claim of what is not told", fmt.Sprintf("%+v", untold.Case), "the case with its report")
	}
	if ok {
		c.wants("Save", c.s.Save(ctx, finished(untold), 0), nil)
	}
}

// woken checks which failures Wake meets, and that what is woken while it is held is due when it is
// given back.
func (c *check) woken(ctx context.Context) {
	f := c.failure()
	if _, err := c.s.Hear(ctx, f, long); err != nil {
		c.wants("Hear", err, nil)
	}
	other := c.failure()
	if _, err := c.s.Hear(ctx, other, long); err != nil {
		c.wants("Hear", err, nil)
	}
	for _, w := range []struct {
		repo, label string
		n           int
	}{
		{f.Push.Repo, other.Label, 0},
		{other.Push.Repo, f.Label, 0},
		{f.Push.Repo, "test", 0}, // a part of the label
		{f.Push.Repo, f.Label, 1},
		{"", other.Label, 1},
		{f.Push.Repo, "", 1},
		{"", "", 2},
	} {
		n, err := c.s.Wake(ctx, w.repo, w.label)
		c.wants("Wake", err, nil)
		same(c, fmt.Sprintf("Wake(%q, %q)", w.repo, w.label), n, w.n)
	}
	held := c.claim(ctx, "a", long)
	same(c, "Claim of what was woken", len(held), 2)
	if _, err := c.s.Wake(ctx, "", f.Label); err != nil {
		c.wants("Wake", err, nil)
	}
	for _, cl := range held {
		c.wants("Save", c.s.Save(ctx, cl, long), nil)
	}
	cl, ok := c.one(ctx, "a", long)
	if ok && (cl.Failure == nil || cl.Failure.Key != f.Key) {
		c.wrong("Claim after Save of what was woken while it was held", fmt.Sprintf("%+v", cl.Failure), "failure %s",
			f.Key)
	}
	if ok {
		c.wants("Save", c.s.Save(ctx, finished(cl), 0), nil)
	}
	n, err := c.s.Wake(ctx, "", f.Label)
	c.wants("Wake", err, nil)
	same(c, "Wake of what is done", n, 0)
}

// next checks the time until something can be claimed: not due yet, due, and held. The bounds are
// wide enough for a slow machine.
func (c *check) next(ctx context.Context) {
	f := c.failure()
	if _, err := c.s.Hear(ctx, f, time.Minute); err != nil {
		c.wants("Hear", err, nil)
	}
	after, some, err := c.s.Next(ctx)
	c.wants("Next", err, nil)
	if !some || after > time.Minute || after < time.Second {
		c.wrong("Next", after.String(), "about a minute")
	}
	if _, err := c.s.Wake(ctx, "", f.Label); err != nil {
		c.wants("Wake", err, nil)
	}
	after, some, err = c.s.Next(ctx)
	c.wants("Next", err, nil)
	if !some || after != 0 {
		c.wrong("Next of what is due", after.String(), "0")
	}
	if _, ok := c.one(ctx, "a", long); !ok {
		return
	}
	after, some, err = c.s.Next(ctx)
	c.wants("Next", err, nil)
	if !some || after < long-10*time.Minute || after > long {
		c.wrong("Next of what another holds", after.String(), "the end of its lease")
	}
}

// joinAtOnce checks that a Save and an Open that adds to the same case both last, in whatever
// order the store takes them.
func (c *check) joinAtOnce(ctx context.Context) {
	for range 20 {
		cs, spans := c.newCase()
		c.gives(ctx, cs, spans, true)
		got, ok := c.one(ctx, "a", long)
		if !ok {
			return
		}
		joins := cs
		joins.Key, joins.Labels = cs.Key+"-joins", []string{"another"}
		var all sync.WaitGroup
		all.Go(func() { c.wants("Save beside Open", c.s.Save(ctx, finished(got), 0), nil) })
		all.Go(func() {
			_, _, err := c.s.Open(ctx, joins, spans, many)
			c.wants("Open beside Save", err, nil)
		})
		all.Wait()
		saved, err := c.s.Cases(ctx, autopilot.CaseQuery{Key: cs.Key})
		if !c.wants("Cases", err, nil) || len(saved) != 1 {
			return
		}
		same(c, "the state after a Save beside an Open", saved[0].State, autopilot.Ended)
		there := slices.Contains(saved[0].Labels, "another")
		same(c, "whether the label of an Open beside a Save is there", there, true)
	}
}

package autopilottest

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/mozci/mozci/backfill/autopilot"
	"github.com/mozci/mozci/job"
)

// The rules about queries, signatures, spends and what people set.

// queries checks each field of the queries alone, with two cases and two failures of one repository
// each.
func (c *check) queries(ctx context.Context) {
	before, err := c.s.Now(ctx)
	c.wants("Now", err, nil)
	first, spans := c.newCase()
	c.gives(ctx, first, spans, true)
	second, spans := c.newCase()
	second.Repo = first.Repo
	c.gives(ctx, second, spans, true)
	f := c.failure()
	c.hears(ctx, f, true)
	decided := c.failure()
	decided.Decided, decided.Rule, decided.Push.Repo = true, autopilot.RuleKnown, f.Push.Repo
	decided.Push.ID = 9
	c.hears(ctx, decided, true)
	future := before.Add(long)
	for name, q := range map[string]struct {
		q    autopilot.CaseQuery
		want []string
	}{
		"all, the newest first": {autopilot.CaseQuery{Repo: first.Repo}, []string{second.Key, first.Key}},
		"a key":                 {autopilot.CaseQuery{Key: first.Key}, []string{first.Key}},
		"a label":               {autopilot.CaseQuery{Label: second.Label}, []string{second.Key}},
		"no label":              {autopilot.CaseQuery{Repo: first.Repo, Label: "test"}, nil},
		"open ones":             {autopilot.CaseQuery{Repo: first.Repo, Open: true}, []string{second.Key, first.Key}},
		"since":                 {autopilot.CaseQuery{Repo: first.Repo, Since: future}, nil},
		"until":                 {autopilot.CaseQuery{Repo: first.Repo, Until: before.Add(-time.Second)}, nil},
		"within": {autopilot.CaseQuery{
			Repo: first.Repo, Since: before.Add(-time.Second),
			Until: future,
		}, []string{second.Key, first.Key}},
		"a limit": {autopilot.CaseQuery{Repo: first.Repo, Limit: 1}, []string{second.Key}},
	} {
		got, err := c.s.Cases(ctx, q.q)
		c.wants("Cases", err, nil)
		var keys []string
		for _, g := range got {
			keys = append(keys, g.Key)
		}
		same(c, "Cases of "+name, fmt.Sprint(keys), fmt.Sprint(q.want))
	}
	c.failures(ctx, f, decided, before)
}

// failures checks the queries for a waiting failure and for a decided one.
func (c *check) failures(ctx context.Context, f, decided autopilot.Failure, before time.Time) {
	future := before.Add(long)
	for name, q := range map[string]struct {
		q    autopilot.FailureQuery
		want []string
	}{
		"all, the newest first": {autopilot.FailureQuery{Repo: f.Push.Repo}, []string{decided.Key, f.Key}},
		"a push":                {autopilot.FailureQuery{Push: &f.Push}, []string{f.Key}},
		"a label":               {autopilot.FailureQuery{Label: f.Label}, []string{f.Key}},
		"waiting ones":          {autopilot.FailureQuery{Repo: f.Push.Repo, Waiting: true}, []string{f.Key}},
		"a rule": {
			autopilot.FailureQuery{Repo: f.Push.Repo, Rule: autopilot.RuleKnown},
			[]string{decided.Key},
		},
		"since":   {autopilot.FailureQuery{Repo: f.Push.Repo, Since: future}, nil},
		"until":   {autopilot.FailureQuery{Repo: f.Push.Repo, Until: before.Add(-time.Second)}, nil},
		"a limit": {autopilot.FailureQuery{Repo: f.Push.Repo, Limit: 1}, []string{decided.Key}},
	} {
		got, err := c.s.Failures(ctx, q.q)
		c.wants("Failures", err, nil)
		var keys []string
		for _, g := range got {
			keys = append(keys, g.Key)
		}
		same(c, "Failures of "+name, fmt.Sprint(keys), fmt.Sprint(q.want))
	}
}

// seen records a and b on the pushes 3, 5, 5 and 9, so push 5 twice, and c in another variant.
// Times are 3, 6, 7 and 12 days after at; of push 5 the first time must stay.
func (c *check) seen(ctx context.Context) {
	c.n++
	repo := c.push(1).Repo
	at := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	for i, id := range []int64{3, 5, 5, 9} {
		p := c.push(id)
		c.wants("See", c.s.See(ctx, autopilot.Seen{
			Repo: repo, Variant: "v", Signatures: []string{"a", "b"}, Push: p,
			At: at.AddDate(0, 0, int(id)+i),
		}), nil)
	}
	c.wants("See", c.s.See(ctx, autopilot.Seen{
		Repo: repo, Variant: "w", Signatures: []string{"c"}, Push: c.push(3),
		At: at.AddDate(0, 0, 3),
	}), nil)
	for name, q := range map[string]struct {
		repo, variant string
		before        int64
		since         time.Time
		want          int64 // id of the push where "a" was seen last; 0 for none
		seen          int   // number of signatures seen
	}{
		"the last of several":     {repo, "v", 7, at, 5, 2},
		"older than all":          {repo, "v", 3, at, 0, 0},
		"the push itself":         {repo, "v", 9, at, 5, 2},
		"long ago":                {repo, "v", 7, at.AddDate(0, 0, 20), 0, 0},
		"one of two in the days":  {repo, "v", 7, at.AddDate(0, 0, 5), 5, 2},
		"another variant":         {repo, "w", 7, at, 0, 1},
		"another repository":      {repo + "-2", "v", 7, at, 0, 0},
		"twice on one push: once": {repo, "v", 7, at.AddDate(0, 0, 7), 0, 0},
	} {
		got, err := c.s.LastSeen(ctx, q.repo, q.variant, []string{"a", "b", "c"}, c.push(q.before), q.since)
		c.wants("LastSeen", err, nil)
		same(c, "LastSeen of "+name, got["a"].Push.ID, q.want)
		same(c, "LastSeen of "+name+": signatures", len(got), q.seen)
		if q.want == 5 && (got["a"].Push.Revision != c.push(5).Revision || !got["a"].At.Equal(at.AddDate(0, 0, 6))) {
			c.wrong("LastSeen of "+name, fmt.Sprintf("%+v", got["a"]), "the push and the time that were seen first")
		}
	}
}

// aSpend returns a spend of runs of 30 minutes each. One of its pools has the wildcards of SQL in
// its name.
func (c *check) aSpend(runs int) autopilot.Spend {
	c.n++
	return autopilot.Spend{
		Key: fmt.Sprintf("s-%d", c.n), Case: fmt.Sprintf("case-%d", c.n), Repo: "r", Label: fmt.Sprintf("test-%d", c.n),
		Pools: []string{"pool a", "b%_*"}, Kind: "test", Runs: runs, Minutes: 30 * float64(runs),
	}
}

// spends checks one Spend within limits; want is the limit that must be named, or empty when it
// must fit.
func (c *check) spends(ctx context.Context, s autopilot.Spend, want string, limits ...autopilot.Limit) {
	over, err := c.s.Spend(ctx, s, limits)
	c.wants("Spend", err, nil)
	same(c, fmt.Sprintf("Spend of %d runs within %v", s.Runs, limits), over, want)
}

// spend checks that a key counts once, that a limit of 4 lets 3 and 1 runs through but not 3 and 2,
// and that what is given back is free again.
func (c *check) spend(ctx context.Context) {
	s := c.aSpend(3)
	label := autopilot.Limit{Meter: autopilot.MeterLabel, Repo: "r", Name: s.Label, Most: 4}
	c.spends(ctx, s, "", label)
	c.spends(ctx, s, "", label) // the same key counts only once
	more := s
	more.Key += "-more"
	more.Runs = 2
	c.spends(ctx, more, label.String(), label)
	more.Runs = 1
	c.spends(ctx, more, "", label)
	c.wants("GiveBack", c.s.GiveBack(ctx, more.Key), nil)
	c.wants("GiveBack of nothing", c.s.GiveBack(ctx, more.Key), nil)
	more.Key += "-again"
	c.spends(ctx, more, "", label)
	c.wants("Account", c.s.Account(ctx, s.Key, 2, 1, 75), nil)
	c.wants("Account of nothing", c.s.Account(ctx, "s-nothing", 2, 1, 75), nil)
	got, err := c.s.Spends(ctx, s.Case, time.Time{})
	c.wants("Spends", err, nil)
	if len(got) != 2 || got[0].Key != s.Key || got[0].Red != 2 || got[0].Open != 1 || got[0].Minutes != 75 ||
		got[0].Runs != 3 || len(got[0].Pools) != 2 || got[0].At.IsZero() || got[1].Open != 1 {
		c.wrong("Spends", fmt.Sprintf("%+v", got), "what was spent, with what came of it")
	}
	now, err := c.s.Now(ctx)
	c.wants("Now", err, nil)
	all, err := c.s.Spends(ctx, "", now.Add(-long))
	c.wants("Spends", err, nil)
	if len(all) < 2 {
		c.wrong("Spends since an hour ago", strconv.Itoa(len(all)), "2 or more")
	}
	none, err := c.s.Spends(ctx, "", now.Add(long))
	c.wants("Spends", err, nil)
	same(c, "Spends since later", len(none), 0)
}

// limits checks that each meter counts what its comment says. What earlier rules spent counts too,
// so the totals are read first. For each meter, a limit that fits exactly must pass, and one less
// must not.
func (c *check) limits(ctx context.Context) {
	now, err := c.s.Now(ctx)
	c.wants("Now", err, nil)
	before, err := c.s.Spends(ctx, "", now.Add(-long))
	c.wants("Spends", err, nil)
	runs, red, minutes := 0, 0, 0.0
	for _, s := range before {
		runs, red, minutes = runs+s.Runs, red+s.Red+s.Open, minutes+s.Minutes
	}
	first := c.aSpend(2)
	first.Kind, first.Pools = "perf", []string{"own"}
	c.spends(ctx, first, "")
	c.wants("Account", c.s.Account(ctx, first.Key, 1, 0, 50), nil)
	runs, red, minutes = runs+2, red+1, minutes+50
	// The spend of 2 runs was accounted: 1 ended red, none is open, and it took 50 minutes.
	for _, l := range []autopilot.Limit{
		{Meter: autopilot.MeterRuns, Most: runs + 1},
		{Meter: autopilot.MeterRed, Most: red + 1},
		{Meter: autopilot.MeterMinutes, Most: int(minutes) + 30},
		{Meter: autopilot.MeterLabel, Repo: "r", Name: first.Label, Most: 3},
		{Meter: autopilot.MeterPool, Name: "own", Most: 3},
		{Meter: autopilot.MeterKind, Name: "perf", Most: 3},
	} {
		n := first
		n.Key, n.Runs, n.Minutes = fmt.Sprintf("%s-%s", first.Key, l.Meter), 1, 30
		tight := l
		tight.Most--
		c.spends(ctx, n, l.String(), tight)
		c.spends(ctx, n, "", l)
		c.wants("GiveBack", c.s.GiveBack(ctx, n.Key), nil)
		none := l
		none.Most = -1
		c.spends(ctx, n, "", none)
		c.wants("GiveBack", c.s.GiveBack(ctx, n.Key), nil)
	}
	for _, other := range []autopilot.Limit{ // what these limits must not count
		{Meter: autopilot.MeterLabel, Repo: "r-2", Name: first.Label, Most: 1},
		{Meter: autopilot.MeterPool, Name: "ow", Most: 0},
		{Meter: autopilot.MeterKind, Name: "build", Most: 0},
	} {
		n := first
		n.Key, n.Runs, n.Kind = fmt.Sprintf("%s-not-%s", first.Key, other.Meter), 1, "perf"
		c.spends(ctx, n, "", other)
		c.wants("GiveBack", c.s.GiveBack(ctx, n.Key), nil)
	}
}

// spendAtOnce checks that several callers who spend the same remainder at the same time get only
// what is left.
func (c *check) spendAtOnce(ctx context.Context) {
	const n, most = 10, 3
	base := c.aSpend(1)
	l := autopilot.Limit{Meter: autopilot.MeterLabel, Repo: "r", Name: base.Label, Most: most}
	var all sync.WaitGroup
	var mu sync.Mutex
	got := 0
	for i := range n {
		s, err := c.open()
		if !c.wants("open", err, nil) {
			return
		}
		all.Go(func() {
			mine := base
			mine.Key = fmt.Sprintf("%s-%d", base.Key, i)
			over, err := s.Spend(ctx, mine, []autopilot.Limit{l})
			c.wants("Spend", err, nil)
			mu.Lock()
			defer mu.Unlock()
			if over == "" {
				got++
			}
		})
	}
	all.Wait()
	same(c, "10 Spends at once of 3", got, most)
}

// switches checks that the switch is Act at first, and then what was set last.
func (c *check) switches(ctx context.Context) {
	sw, err := c.s.Switch(ctx)
	c.wants("Switch", err, nil)
	same(c, "Switch at first", sw.Mode, autopilot.Act)
	c.wants("SetSwitch", c.s.SetSwitch(ctx, autopilot.Switch{Mode: autopilot.Off, By: "me", Why: "enough"}), nil)
	sw, err = c.s.Switch(ctx)
	c.wants("Switch", err, nil)
	if sw.Mode != autopilot.Off || sw.By != "me" || sw.Why != "enough" || sw.At.IsZero() {
		c.wrong("Switch", fmt.Sprintf("%+v", sw), "what was set, with the time")
	}
	c.wants("SetSwitch", c.s.SetSwitch(ctx, autopilot.Switch{Mode: autopilot.Act, By: "me"}), nil)
	sw, err = c.s.Switch(ctx)
	c.wants("Switch", err, nil)
	same(c, "Switch after it was set again", sw.Mode, autopilot.Act)
	c.fallBack(ctx)
}

// fallBack checks that of several robots that fall back at once one does, and that none weakens what a
// person set.
func (c *check) fallBack(ctx context.Context) {
	var all sync.WaitGroup
	said := make([]string, 5)
	for i := range said {
		all.Go(func() {
			key := fmt.Sprintf("case %d", i)
			to := autopilot.Switch{Mode: autopilot.DryRun, By: "autopilot", Why: "why", Case: key}
			sw, err := c.s.FallBack(ctx, to)
			c.wants("FallBack", err, nil)
			said[i] = sw.Case
		})
	}
	all.Wait()
	sw, err := c.s.Switch(ctx)
	c.wants("Switch", err, nil)
	if sw.Mode != autopilot.DryRun || sw.By != "autopilot" || sw.Why != "why" || sw.At.IsZero() {
		c.wrong("Switch after FallBack", fmt.Sprintf("%+v", sw), "what FallBack set, with the time")
	}
	for _, key := range said {
		same(c, "the case that 5 FallBacks at once return", key, sw.Case)
	}
	c.wants("SetSwitch", c.s.SetSwitch(ctx, autopilot.Switch{Mode: autopilot.Off, By: "me"}), nil)
	sw, err = c.s.FallBack(ctx, autopilot.Switch{Mode: autopilot.DryRun, By: "autopilot", Case: "late"})
	c.wants("FallBack", err, nil)
	same(c, "FallBack while a person has stopped the robot", sw.Mode, autopilot.Off)
	sw, err = c.s.Switch(ctx)
	c.wants("Switch", err, nil)
	same(c, "Switch after that", sw.Mode, autopilot.Off)
	c.wants("SetSwitch", c.s.SetSwitch(ctx, autopilot.Switch{Mode: autopilot.Act, By: "me"}), nil)
}

// optOut checks that a push is opted out by either of its hashes, in its own repository only.
func (c *check) optOut(ctx context.Context) {
	c.n++
	p := c.push(3)
	is := func(did, want string) {
		who, err := c.s.OptedOut(ctx, p)
		c.wants("OptedOut", err, nil)
		same(c, "OptedOut "+did, who, want)
	}
	is("at first", "")
	c.wants("OptOut", c.s.OptOut(ctx, p.Repo, p.Git, "me", true), nil)
	is("by its other hash", "me")
	c.wants("OptOut", c.s.OptOut(ctx, p.Repo, p.Git, "you", true), nil)
	is("by another", "you")
	c.wants("OptOut", c.s.OptOut(ctx, p.Repo, p.Git, "you", false), nil)
	is("after it was let back", "")
	c.wants("OptOut", c.s.OptOut(ctx, "elsewhere", p.Revision, "me", true), nil)
	is("in another repository", "")
}

// tell checks that what people did survives a Save by who claimed the case before they did it.
func (c *check) tell(ctx context.Context) {
	cs, spans := c.newCase()
	c.gives(ctx, cs, spans, true)
	mine, ok := c.one(ctx, "a", long)
	if !ok {
		return
	}
	ref := c.push(9).Ref()
	c.wants("Tell", c.s.Tell(ctx, cs.Key, autopilot.People{
		Answer: autopilot.Wrong, By: "me", Note: "no",
		Backout: &ref,
	}), nil)
	c.wants("Save", c.s.Save(ctx, finished(mine), 0), nil)
	got, err := c.s.Cases(ctx, autopilot.CaseQuery{Key: cs.Key})
	c.wants("Cases", err, nil)
	if len(got) != 1 || got[0].People.Answer != autopilot.Wrong || got[0].People.By != "me" ||
		got[0].People.At.IsZero() ||
		got[0].People.Backout == nil || got[0].People.Backout.ID != 9 {
		c.wrong("Cases after Tell, and Save of a case that was claimed before", fmt.Sprintf("%+v", got),
			"what people did")
	}
	c.wants("Tell of no case", c.s.Tell(ctx, "c-nothing", autopilot.People{}), job.ErrNotFound)
}

// learn checks the window after each lesson: size and undecided in a row.
func (c *check) learn(ctx context.Context) {
	w, err := c.s.Window(ctx, 4)
	c.wants("Window", err, nil)
	same(c, "Window at first", w.Size, 4)
	for i, l := range []struct {
		key     string
		lesson  autopilot.Lesson
		size, n int
	}{
		{"1", autopilot.LessonRight, 5, 0},
		{"1", autopilot.LessonRight, 5, 0}, // the same key counts only once
		{"2", autopilot.LessonUndecided, 2, 1},
		{"3", autopilot.LessonUndecided, 1, 2},
		{"4", autopilot.LessonUndecided, 1, 3},
		{"5", autopilot.LessonRight, 2, 0},
		{"6", autopilot.LessonUndecided, 1, 1},
		{"7", autopilot.LessonDecided, 1, 0},
		{"8", autopilot.LessonRight, 2, 0},
		{"9", autopilot.LessonWrong, 1, 0},
		{"10", autopilot.LessonUndecided, 1, 1},
		{"11", autopilot.LessonReset, 1, 0},
	} {
		w, err := c.s.Learn(ctx, l.key, l.lesson, 4)
		c.wants("Learn", err, nil)
		same(c, fmt.Sprintf("Learn %d, %s: size and undecided", i, l.lesson), fmt.Sprint(w.Size, w.Undecided),
			fmt.Sprint(l.size, l.n))
	}
	w, err = c.s.Window(ctx, 4)
	c.wants("Window", err, nil)
	same(c, "Window afterwards", w.Size, 1)
}

// prune checks that only what is old enough goes. All but a signature that was seen in 1970 is
// young, since the store's clock dates it.
func (c *check) prune(ctx context.Context) {
	f := c.failure()
	f.Decided, f.Rule = true, autopilot.RuleKnown
	c.hears(ctx, f, true)
	s := c.aSpend(1)
	c.spends(ctx, s, "")
	old := autopilot.Seen{
		Repo: f.Push.Repo, Variant: "v", Signatures: []string{"old"}, Push: c.push(1),
		At: time.Unix(1, 0),
	}
	c.wants("See", c.s.See(ctx, old), nil)
	now, err := c.s.Now(ctx)
	c.wants("Now", err, nil)
	old.Signatures, old.At = []string{"young"}, now
	c.wants("See", c.s.See(ctx, old), nil)
	time.Sleep(2 * time.Millisecond)
	n, err := c.s.Prune(ctx, autopilot.LeastKept, 24*time.Hour)
	c.wants("Prune", err, nil)
	same(c, "Prune of what is young", n, 0)
	got, err := c.s.Failures(ctx, autopilot.FailureQuery{Repo: f.Push.Repo})
	c.wants("Failures", err, nil)
	same(c, "Failures after Prune", len(got), 1)
	spends, err := c.s.Spends(ctx, s.Case, time.Time{})
	c.wants("Spends", err, nil)
	same(c, "Spends after Prune", len(spends), 1)
	seen, err := c.s.LastSeen(ctx, f.Push.Repo, "v", []string{"old", "young"}, c.push(9), time.Time{})
	c.wants("LastSeen", err, nil)
	_, kept := seen["young"]
	same(c, "LastSeen after Prune: signatures", len(seen), 1)
	same(c, "LastSeen after Prune: the young one", kept, true)
	_, err = c.s.Prune(ctx, time.Hour, time.Hour)
	c.wants("Prune of the last day", err, job.ErrInvalid)
}

// unknown checks the errors for a failure that was never stored.
func (c *check) unknown(ctx context.Context) {
	f := c.failure()
	cl := autopilot.Claimed{Failure: &f, Holder: "a"}
	c.wants("Save of nothing", c.s.Save(ctx, cl, 0), job.ErrNotFound)
	c.wants("Renew of nothing", c.s.Renew(ctx, cl, long), job.ErrNotFound)
	got, err := c.s.Cases(ctx, autopilot.CaseQuery{Key: "c-nothing"})
	c.wants("Cases of nothing", err, nil)
	same(c, "Cases of nothing", len(got), 0)
}

// doneContext checks that a call with a done context returns its error and writes nothing. It is the
// last rule, so what a broken store writes here disturbs no other one.
func (c *check) doneContext(ctx context.Context) {
	done, stop := context.WithCancel(ctx)
	stop()
	f := c.failure()
	_, err := c.s.Hear(done, f, 0)
	c.wants("Hear", err, context.Canceled)
	cs, spans := c.newCase()
	_, _, err = c.s.Open(done, cs, spans, many)
	c.wants("Open", err, context.Canceled)
	s := c.aSpend(1)
	_, err = c.s.Spend(done, s, nil)
	c.wants("Spend", err, context.Canceled)
	c.wants("SetSwitch", c.s.SetSwitch(done, autopilot.Switch{Mode: autopilot.Off}), context.Canceled)
	_, err = c.s.FallBack(done, autopilot.Switch{Mode: autopilot.Off})
	c.wants("FallBack", err, context.Canceled)
	_, err = c.s.Switch(done)
	c.wants("Switch", err, context.Canceled)
	_, err = c.s.Claim(done, "a", long, 1)
	c.wants("Claim", err, context.Canceled)
	sw, err := c.s.Switch(ctx)
	c.wants("Switch", err, nil)
	same(c, "Switch after SetSwitch and FallBack with a done context", sw.Mode, autopilot.Act)
	spends, err := c.s.Spends(ctx, s.Case, time.Time{})
	c.wants("Spends", err, nil)
	same(c, "Spends after Spend with a done context", len(spends), 0)
	same(c, "Claim after Hear and Open with a done context", len(c.claim(ctx, "a", long)), 0)
}

package autopilot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/internal/phrase"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// One look at a case: work reads (account, read, people), decides (step, and decide.go), and acts
// (buy, through a guard). What it finds goes into the Case, which its caller saves.

// patience is how long a case may take, and how long a failure may wait for its turn.
const patience = day

// searching is one look at a case. r, c and now are set from the start, mode once the switch was
// read, and the rest by read.
type searching struct {
	r     *Robot
	c     *Case
	now   time.Time
	mode  Mode           // never Off: work pauses then
	repo  job.Repository // of the case, also when the search goes on in another one
	judge analysis.Judge
	find  backfill.FindResult
	view  view
	inner *backfill.Followed // the merge in which the search goes on; nil for none
	red   []job.Job          // the failed runs on the start
	// newest is the newest red push, and last the newest push with a result.
	newest, last job.Push
	asked        []spot // spots on which this look has triggered runs
}

// work takes one step in a case: it reads what is known, decides, and acts. It returns after how
// long to look again when no event comes. It is 0 when the case has ended: then it is due at once,
// so that its report is delivered.
func (r *Robot) work(ctx context.Context, c *Case) (again time.Duration, err error) {
	if c.State == Ended {
		return r.tell(ctx, c)
	}
	s := &searching{r: r, c: c}
	if s.now, err = r.store.Now(ctx); err != nil {
		return 0, err
	}
	var why string
	if s.mode, why = r.mode(ctx); s.mode == Off {
		return s.pause(ctx, why)
	}
	err = r.account(ctx, c)
	if err == nil {
		err = s.read(ctx)
	}
	var stopped *stop
	if err == nil {
		stopped, err = s.people(ctx, job.Request{})
	}
	var joined *joinedError
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case errors.As(err, &joined):
		return 0, s.end(ctx, Joined, joined.Error(), nil)
	case errors.Is(err, backfill.ErrNotBad):
		return 0, s.end(ctx, Undecided, err.Error(), nil)
	case err != nil:
		return s.blind(ctx, err)
	case stopped != nil:
		return s.stop(ctx, stopped)
	}
	c.Blind, c.BlindAt = 0, time.Time{}
	return s.step(ctx)
}

// pause leaves a case as it is while the robot is stopped. A case that is older than patience ends.
func (s *searching) pause(ctx context.Context, why string) (time.Duration, error) {
	s.c.State, s.c.Doing = Waiting, why
	if s.now.Sub(s.c.Opened) > patience {
		return 0, s.end(ctx, Cancelled, why, nil)
	}
	return s.r.opts.Poll, nil
}

// blind waits for a source that does not answer. At the ninth time in a row, after about an hour,
// it ends the case.
func (s *searching) blind(ctx context.Context, err error) (time.Duration, error) {
	c := s.c
	c.Blind, c.BlindAt = again(true, c.Blind, c.BlindAt, s.now)
	c.State, c.Doing = Waiting, fmt.Sprintf("for a source that does not answer: %v", err)
	s.r.log.WarnContext(ctx, "a case could not be looked at", "key", c.Key, "times", c.Blind, "err", err)
	if c.Blind > blindMost {
		return 0, s.end(ctx, CouldNotSee, fmt.Sprintf("could not see what is needed, %s in a row: %v",
			phrase.Count(c.Blind, "time"), err),
			nil)
	}
	return blindWait(c.Blind - 1), nil
}

// stop does what a guard said: it ends the case, or lets it wait.
func (s *searching) stop(ctx context.Context, why *stop) (time.Duration, error) {
	if why.end == "" {
		return s.pause(ctx, why.why)
	}
	s.c.Rule = why.rule
	return 0, s.end(ctx, why.end, why.why, nil)
}

// read reads the history and the newer pushes. It finds again what the case was opened for, because
// runs have ended since then.
func (s *searching) read(ctx context.Context) (err error) {
	c := s.c
	if s.repo, err = s.r.places.Repository(c.Repo); err != nil {
		return err
	}
	if s.judge, err = s.r.judgeOf(ctx, c.Signatures, c.Test); err != nil {
		return err
	}
	s.find, err = backfill.Find(ctx, s.repo, s.r.ci, c.Label, c.Start.Revision, &backfill.FindOptions{
		MaxRevisions: s.r.cfg.MaxRevisions, Judge: s.judge, FollowMerges: true, Repositories: s.r.places.Repository,
		Logger: s.r.log,
	})
	if errors.Is(err, errors.ErrUnsupported) { // the repository cannot tell merges
		s.find, err = backfill.Find(ctx, s.repo, s.r.ci, c.Label, c.Start.Revision, &backfill.FindOptions{
			MaxRevisions: s.r.cfg.MaxRevisions, Judge: s.judge, Logger: s.r.log,
		})
	}
	if err != nil {
		return err
	}
	for _, j := range s.find.History[0].Jobs { // runs on the start
		if j.Status().Failed() {
			s.red = append(s.red, j)
		}
	}
	return s.see(ctx)
}

// people checks whether a person has said or done something that ends the case. It runs when the
// case is looked at, and again before every request. nil means that nobody has. req is zero when no
// request is about to be made; its push may be another one than the start. A backout of one of
// several suspects ends the case only when it is settled, or after MaxAge; until then the case
// waits.
func (s *searching) people(ctx context.Context, req job.Request) (*stop, error) {
	for _, p := range []job.Push{s.c.Start, req.Push} {
		if p.Revision == "" {
			continue
		}
		who, err := s.r.store.OptedOut(ctx, p)
		if err != nil {
			return nil, err
		}
		if who != "" {
			return &stop{Cancelled, RuleOptOut, fmt.Sprintf("%s opted push %d out", who, p.ID)}, nil
		}
	}
	for _, j := range s.red {
		class, err := job.Classified(ctx, s.r.ci, j)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
		case err != nil:
			return nil, err
		case class.Classified():
			no := classified(Facts{Class: class})
			return &stop{Classified, RuleClassified, no.Why}, nil
		}
	}
	undone, by, err := backouts(ctx, s.repo, s.find.Suspects(), s.newest)
	if err != nil || undone == nil {
		return nil, err
	}
	f := Facts{BackedOut: undone, Backout: by, Settled: s.last.Compare(*by) >= 0, Suspects: len(s.view.line.suspects())}
	if f.doubted() && s.now.Sub(s.c.Opened) < s.r.cfg.MaxAge {
		return &stop{
			"", RuleBackout,
			fmt.Sprintf("push %d, which can have caused it, was backed out by push %d: waits for a run "+
				"since then", undone.ID, by.ID),
		}, nil
	}
	// It has waited long enough, so the backout counts.
	f.Settled = true
	return &stop{BackedOut, RuleBackout, backedOut(f).Why}, nil
}

// before checks what a guard needs to know before a request: the switch, the runs that a person
// cancelled, and what people said and did. nil means that the request may go out.
func (s *searching) before(ctx context.Context, req job.Request) (*stop, error) {
	mode, why := s.r.mode(ctx)
	if mode != Act {
		return &stop{"", RuleSwitch, why}, nil
	}
	s.asked = append(s.asked, spot{push: req.Push, label: req.Label})
	for _, sp := range s.asked { // including what this look has triggered
		jobs, err := s.r.ci.Jobs(ctx, sp.push, sp.label)
		if err != nil {
			return nil, err
		}
		for _, j := range analysis.OfLabel(jobs, sp.label) {
			if j.Status() == job.StatusCancelled {
				return &stop{Cancelled, RuleCancelled, fmt.Sprintf("a person cancelled a run on push %d",
					sp.push.ID)}, nil
			}
		}
	}
	return s.people(ctx, req)
}

// step decides what to do, and does it. A run of this case that a person cancelled ends it before
// anything is decided.
func (s *searching) step(ctx context.Context) (time.Duration, error) {
	c := s.c
	for _, sp := range s.view.line.spots {
		if sp.ours > 0 && sp.cancelled {
			c.Rule = RuleCancelled
			return 0, s.end(ctx, Cancelled, fmt.Sprintf("a person cancelled the run on push %d", sp.push.ID), nil)
		}
	}
	m := decide(s.view)
	s.r.log.DebugContext(ctx, "decided", "key", c.Key, "wait", m.wait, "run", len(m.run), "end", string(m.end), "why",
		m.why)
	switch {
	case m.end != "":
		return 0, s.end(ctx, m.end, m.why, m.run)
	case s.now.Sub(c.Opened) > patience:
		return 0, s.end(ctx, Undecided, fmt.Sprintf("not done within %s: it waits %s", span(patience), m.wait), nil)
	case len(m.run) == 0:
		c.State, c.Doing = Waiting, m.wait
		return s.r.opts.Poll, nil
	}
	c.State, c.Doing = Searching, m.why
	return s.buy(ctx, m)
}

// purpose is the case's name in the ledger. Only requests with it are the case's own; see spot.
func (c Case) purpose() string { return "autopilot " + c.Key }

// buy triggers one more run on each of the spots of a move. trigger.Make takes a total, so one more
// than counted; it plans the builds that the run needs too. A push on which the label cannot run is
// noted in Blocked, and the next look leaves it out.
func (s *searching) buy(ctx context.Context, m move) (time.Duration, error) {
	g := &guard{Scheduler: s.r.ci, r: s.r, c: s.c, look: s.before, with: map[string]int{}}
	var plan trigger.Plan
	for _, i := range m.run {
		sp := s.view.line.spots[i]
		// The robot has budgets of its own, which the guard checks.
		unlimited := -1
		made, err := trigger.Make(ctx, g, []job.Push{sp.push}, []string{sp.label}, sp.counted+1, &trigger.Options{
			Ledger: s.r.places.Ledger, Judge: s.judge, Why: func(job.Push) string { return m.why }, Logger: s.r.log,
			Budgets: trigger.Budgets{LabelDay: &unlimited, Queue: &s.r.cfg.Queue},
		})
		var unknown *job.UnknownLabelError
		if err != nil && !errors.As(err, &unknown) {
			return s.blind(ctx, err)
		}
		plan.Steps = append(plan.Steps, made.Steps...)
		for _, l := range made.LeftOut {
			if l.Budget {
				s.c.State, s.c.Doing = Waiting, l.Why
				continue
			}
			s.block(sp.push, l.Why)
		}
	}
	// The CI makes a step that has With along with the step that With names, so the request of that
	// one pays for both.
	for _, st := range plan.Steps {
		if st.With == "" {
			continue
		}
		for _, o := range plan.Steps {
			if o.Label == st.With && o.Push.Key() == st.Push.Key() {
				g.with[o.Key] += st.Count
			}
		}
	}
	if plan.Total() == 0 {
		return s.r.opts.Poll, nil
	}
	done, err := trigger.Run(ctx, g, plan, &trigger.RunOptions{
		Ledger: s.r.places.Ledger, Who: s.r.opts.Who, Purpose: s.c.purpose(), Logger: s.r.log,
	})
	return s.bought(ctx, g, done, err)
}

// block records that no run can be triggered on a push, and why.
func (s *searching) block(p job.Push, why string) {
	if s.c.Blocked == nil {
		s.c.Blocked = map[string]string{}
	}
	const longest = 300 // bytes
	s.c.Blocked[blockKey(p)] = clip.Text(why, longest)
}

// blockKey names a push in Case.Blocked: "autoland 42".
func blockKey(p job.Push) string { return fmt.Sprintf("%s %d", p.Repo, p.ID) }

// bought handles the result of carrying out a plan. A stop of the guard goes before everything
// else. An answer that may have been lost is waited for, and the ledger keeps the request from
// being repeated; a push on which the CI refused is blocked.
func (s *searching) bought(ctx context.Context, g *guard, done trigger.Plan, err error) (time.Duration, error) {
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if why := g.why(); why != nil {
		if err := s.r.account(ctx, s.c); err != nil {
			return 0, err
		}
		return s.stop(ctx, why)
	}
	again := s.r.opts.Poll
	for _, st := range done.Steps {
		switch {
		case st.Err == nil, errors.Is(st.Err, errStopped): // the guard could not see, so nothing was sent
		case errors.Is(st.Err, job.ErrUnavailable), !trigger.Refused(st.Err):
			s.c.Doing = fmt.Sprintf("for the CI, which did not answer: %v", st.Err)
		default:
			s.block(st.Push, st.Err.Error())
		}
	}
	if err != nil {
		s.r.log.WarnContext(ctx, "not all runs could be triggered", "key", s.c.Key, "err", err)
		again = min(again, time.Minute)
		if errors.Is(err, errStopped) {
			return s.blind(ctx, err)
		}
	}
	return again, s.r.account(ctx, s.c)
}

// settle records how a spend's runs ended. A spend that the ledger does not know stays as it is:
// its request may be on the way. A refused request gives the whole spend back, and the zero Spend
// is returned. Of 3 runs of which 2 have ended, one of them red, after 20 and 25 minutes, with a
// label that takes 30: Red is 1, Open 1, Minutes 75.
func (r *Robot) settle(ctx context.Context, c *Case, s Spend) (Spend, error) {
	entries, err := r.places.Ledger.Entries(ctx, ledger.Query{Key: s.Key})
	if err != nil || len(entries) == 0 {
		return s, err
	}
	e := entries[len(entries)-1]
	if e.State == ledger.Refused {
		return Spend{}, r.store.GiveBack(ctx, s.Key)
	}
	jobs, err := r.ci.Jobs(ctx, e.Push, e.Label)
	if err != nil {
		return s, err
	}
	if entries, err = ledger.Follow(ctx, r.places.Ledger, r.ci, entries, jobs); err != nil {
		return s, err
	}
	e = entries[len(entries)-1]
	red, ended, minutes := 0, 0, 0.0
	for _, j := range made(ctx, r.ci, e, jobs) {
		if j.Status().Waiting() {
			continue
		}
		ended++
		if j.Status().Failed() {
			red++
		}
		if t := j.Times(); !t.Started.IsZero() && t.Finished.After(t.Started) {
			minutes += t.Finished.Sub(t.Started).Minutes()
		}
	}
	s.Red, s.Open = red, max(0, e.Count-ended)
	if !e.State.Made() && !e.State.Open() { // the request made no run and never will
		s.Open = 0
	}
	s.Minutes = minutes + float64(s.Open)*c.Takes
	return s, r.store.Account(ctx, s.Key, s.Red, s.Open, s.Minutes)
}

// made returns the runs that a request made: those that the CI named or, when it named none, those
// newer than the runs that existed before. Of these at most e.Count.
func made(ctx context.Context, ci job.Scheduler, e ledger.Entry, jobs []job.Job) []job.Job {
	ids := e.Receipt.IDs
	if len(ids) == 0 {
		ids, _ = job.Carried(ctx, ci, job.Request{Key: e.Key, Label: e.Label, Push: e.Push, Count: e.Count})
	}
	return byIDs(jobs, ids, e.Seen, e.Count)
}

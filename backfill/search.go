package backfill

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/culprit"
	"github.com/mozci/mozci/internal/pause"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// ErrOverBudget says that a search is expected to need more runs than it may
// have; nothing was asked for.
var ErrOverBudget = errors.New("the search is expected to need more runs than it may have")

// SearchOptions change how Search looks; nil is zero options.
type SearchOptions struct {
	// MaxRevisions is how many pushes before the start can hold the culprit,
	// at first: the range grows when the answer is older. Default 50.
	MaxRevisions int
	// History is how many pushes before those are read as evidence of how often
	// the label fails without the culprit, and Newer how many after the start
	// as evidence of how often it fails with it. Defaults 50 and 10, negative
	// for none.
	History, Newer int
	// Extend is how often the range may be doubled. Default 2, negative never.
	Extend int
	// Confidence is culprit.Options'. Default 0.95.
	Confidence float64
	// MaxRuns is how many runs may be asked for in all, those of earlier calls
	// of the same search among them. Default 100, negative for no limit.
	MaxRuns int
	// Batch is how many runs are asked for at a time, in a round that is waited
	// for. Default 1.
	Batch int
	// Nothing, Permanent, MinEffect and MinOdds are culprit.Options'. Defaults
	// of the last two are 0.1 and 2.5: less is not worth a search in a CI.
	PriorNothing, MinEffect, MinOdds float64
	Permanent                        bool
	// Weight says how likely a push is to have broken it, relative to others.
	// Default all the same.
	Weight func(job.Push) float64
	// Judge, Test and Manifests are Options'.
	Judge     analysis.Judge
	Test      string
	Manifests []string
	// Ledger remembers what was asked for: with the same one, a search that was
	// stopped goes on with what ran. Default: one that forgets.
	Ledger trigger.Ledger
	// Budgets are trigger.Options'; Who is trigger.RunOptions'.
	Budgets trigger.Budgets
	Who     string
	// DryRun stops before anything is asked for; the result's plan has what
	// would be.
	DryRun bool
	// Approve is asked when the forecast is above MaxRuns, with both. Default:
	// ErrOverBudget.
	Approve func(forecast float64, most int) bool
	// Poll is how often results are looked for when the CI has no events.
	// Default one minute. Patience is how long a round may take. Default 12 hours.
	Poll, Patience time.Duration
	// Width is how many pushes are read at a time. Default analysis.DefaultWidth.
	Width int
	// Observe sees the search after each change. Optional.
	Observe func(Progress)
	// Logger gets what was read and asked for. Nil discards.
	Logger *slog.Logger
}

// Progress is a search under way.
type Progress struct {
	Pushes   []Tested // of the range, oldest first
	Decision culprit.Decision
	Runs     int // asked for
	Rounds   int
	Forecast float64 // how many more
}

// Tested is what is known of a push in a search.
type Tested struct {
	Push           job.Push
	Label          string // the chunk that was looked at
	Failed, Passed int
	Running        int // under way, or asked for and not visible
	Infra          int // ended without saying anything
	// Chosen is how many of the runs that ended the search asked for.
	Chosen int
	// Probability is that of this push being the culprit.
	Probability float64
	// Untestable says why it cannot be tested; empty when it can.
	Untestable string
}

// SearchResult is what Search found.
type SearchResult struct {
	Label   string
	Start   job.Push
	Outcome culprit.Outcome
	// Culprit is the push that broke the label, when the outcome is
	// culprit.Found; Class are the pushes that cannot be told apart from it.
	Culprit *job.Push
	Class   []job.Push
	// Probability is that of the outcome; of one that is undecided, that of the
	// most probable hypothesis.
	Probability float64
	// Credible is the smallest set of pushes that has the culprit with the
	// confidence, the most probable first.
	Credible []Tested
	// Before and After are how often it failed on the pushes before the most
	// probable culprit, and on the others.
	Before, After analysis.Rate
	Runs, Rounds  int
	// Forecast is how many runs the search was expected to need when it began.
	Forecast float64
	Pushes   []Tested // of the range, oldest first
	Why      string
	Warnings []string
	// Plan is what would be asked for next; of a dry run, and of a search that
	// was refused.
	Plan trigger.Plan
	// Cancelled are the runs that were stopped since nobody needs them any more.
	Cancelled []string
}

// Search looks for the push that broke a label, also when it is flaky: it takes
// what ran already as evidence, asks for the runs that tell most, waits for
// them, and goes on until one push is the culprit with the confidence, which a
// failure on it and a pass on its parent confirm. rev is a revision on which it
// failed; that one failure, for which one looks, is no evidence.
//
// It can be stopped at any point, by ctx: what was asked for stays asked for,
// and another call with the same ledger goes on with it.
//
// Errors are those of Find, and ErrOverBudget. The result has what is known.
func Search(ctx context.Context, repo job.Repository, ci job.Scheduler, label, rev string, opts *SearchOptions) (SearchResult, error) {
	s := &searcher{repo: repo, ci: ci, label: label, rev: rev, blocked: map[job.PushKey]string{}, others: map[job.PushKey]int{}}
	if opts != nil {
		s.o = *opts
	}
	if err := s.defaults(); err != nil {
		return SearchResult{Label: label}, err
	}
	err := s.run(ctx)
	return s.result(), job.Wrap("backfill.search", label, err)
}

type searcher struct {
	repo  job.Repository
	ci    job.Scheduler
	label string
	rev   string
	o     SearchOptions

	f        *finder
	pushes   []job.Push // ascending: history, range, newer
	from, to int        // the range
	seen     map[job.PushKey]looked
	asked    map[job.PushKey]int    // runs that the search asked for and nobody sees yet
	others   map[job.PushKey]int    // runs that were under way on a push before the search asked for any there
	bought   map[job.PushKey]int    // runs that the search asked for
	blocked  map[job.PushKey]string // why a push cannot be tested

	engine   *culprit.Search
	decision culprit.Decision
	forecast float64 // of the beginning
	rounds   int
	plan     trigger.Plan
	stopped  []string
	warnings []string
}

func (s *searcher) defaults() error {
	o := &s.o
	for _, d := range []struct {
		v *int
		d int
	}{{&o.MaxRevisions, 50}, {&o.History, 50}, {&o.Newer, 10}, {&o.Extend, 2}, {&o.MaxRuns, 100}, {&o.Batch, 1}} {
		if *d.v == 0 {
			*d.v = d.d
		}
	}
	if o.MaxRevisions < 1 || o.Batch < 1 {
		return job.Wrap("backfill.search", s.label, fmt.Errorf("%w: %d revisions and %d runs at a time, expected 1 or more", job.ErrInvalid, o.MaxRevisions, o.Batch))
	}
	o.History, o.Newer, o.Extend = max(0, o.History), max(0, o.Newer), max(0, o.Extend)
	if o.MinEffect == 0 {
		o.MinEffect = 0.1
	}
	if o.MinOdds == 0 {
		o.MinOdds = 2.5
	}
	if o.Poll <= 0 {
		o.Poll = time.Minute
	}
	if o.Patience <= 0 {
		o.Patience = 12 * time.Hour
	}
	if o.Ledger == nil {
		o.Ledger = trigger.NewMemory()
	}
	if _, err := culprit.New(1, s.engineOptions(nil)); err != nil {
		return job.Wrap("backfill.search", s.label, err)
	}
	s.f = &finder{ci: s.ci, label: s.label, opts: FindOptions{
		MaxRevisions: o.MaxRevisions, Judge: o.Judge, Test: o.Test, Manifests: o.Manifests, Width: o.Width, Logger: o.Logger,
	}}
	return s.f.defaults()
}

func (s *searcher) run(ctx context.Context) error {
	if err := job.Line(ctx, s.repo); err != nil {
		return err
	}
	if err := trigger.Ready(ctx, s.o.Ledger); err != nil {
		return err
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	for {
		if err := s.weigh(ctx); err != nil {
			return err
		}
		switch {
		case s.decision.Outcome == culprit.Older && s.decision.Done && s.o.Extend > 0:
			s.o.Extend--
			s.o.MaxRevisions *= 2
			before := s.to - s.from
			if err := s.open(ctx); err != nil {
				return err
			}
			if s.to-s.from == before { // the history has no more
				s.o.Extend = 0
			}
			continue
		case s.decision.Done:
			s.cancel(ctx)
			s.merged(ctx)
			return nil
		}
		if s.rounds == 0 {
			if err := s.afford(); err != nil {
				return errors.Join(err, s.propose(ctx))
			}
			if s.o.DryRun {
				return s.propose(ctx)
			}
		}
		step := s.round
		if len(s.decision.Next) == 0 && len(s.underWay()) > 0 {
			step = s.await // all places are taken; what ended may have been enough
		}
		if err := step(ctx); err != nil {
			return err
		}
	}
}

// open reads the range, what is older and what is newer.
func (s *searcher) open(ctx context.Context) error {
	pushes, err := s.repo.Pushes(ctx, job.Around(s.rev, s.o.MaxRevisions+s.o.History, s.o.Newer))
	if err != nil {
		return err
	}
	start, err := s.repo.Push(ctx, s.rev)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(pushes, func(p job.Push) bool { return p.ID == start.ID })
	if at < 0 {
		return fmt.Errorf("%w: push %s is not among the pushes around it", job.ErrNotFound, start)
	}
	s.pushes, s.from, s.to = pushes, max(0, at-s.o.MaxRevisions), at
	s.engine = nil // it is of the range before
	s.f.pushes = []job.Push{start}
	if s.f.names == nil {
		if err := s.f.catalog(ctx); err != nil {
			return err
		}
	}
	if s.seen == nil {
		s.seen = map[job.PushKey]looked{}
	}
	var unread []job.Push
	for _, p := range pushes {
		if _, ok := s.seen[p.Key()]; !ok {
			unread = append(unread, p)
		}
	}
	if err := s.read(ctx, unread); err != nil {
		return err
	}
	if s.seen[start.Key()].runs.Seen == 0 {
		return s.f.unknownLabel(ctx)
	}
	return nil
}

// read reads what ran on pushes.
func (s *searcher) read(ctx context.Context, pushes []job.Push) error {
	for r := range analysis.Ordered(ctx, pushes, s.f.look, &analysis.OrderedOptions{Width: s.o.Width, Logger: s.o.Logger}) {
		if r.Err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if _, known := s.seen[r.Push.Key()]; known {
				continue // what was known of it stands
			}
			s.warn("push %s could not be read: %v", r.Push, r.Err)
		}
		s.seen[r.Push.Key()] = r.Value
		if r.Value.verdict == analysis.Untestable {
			s.blocked[r.Push.Key()] = "nothing can run on it"
		}
	}
	return ctx.Err()
}

func (s *searcher) warn(format string, args ...any) {
	if w := fmt.Sprintf(format, args...); !slices.Contains(s.warnings, w) {
		s.warnings = append(s.warnings, w)
	}
}

func (s *searcher) engineOptions(inRange []job.Push) *culprit.Options {
	o := &culprit.Options{
		Confidence: s.o.Confidence, PriorNothing: s.o.PriorNothing, MinEffect: s.o.MinEffect, MinOdds: s.o.MinOdds, Permanent: s.o.Permanent,
		MaxRuns: max(0, s.o.MaxRuns),
	}
	for _, p := range inRange {
		o.Untestable = append(o.Untestable, s.blocked[p.Key()] != "")
		if s.o.Weight != nil {
			o.Weights = append(o.Weights, s.o.Weight(p))
		}
	}
	return o
}

// weigh makes what is known anew, of everything that was read: results that
// change under our feet then change what is believed, and nothing else.
func (s *searcher) weigh(ctx context.Context) error {
	if err := s.bookkeeping(ctx); err != nil {
		return err
	}
	o := s.engineOptions(s.pushes[s.from : s.to+1])
	for i, p := range s.pushes {
		r := s.seen[p.Key()].runs
		switch {
		case i < s.from:
			o.Older.Failed, o.Older.Passed = o.Older.Failed+r.Bad, o.Older.Passed+r.Good
		case i > s.to:
			o.Newer.Failed, o.Newer.Passed = o.Newer.Failed+r.Bad, o.Newer.Passed+r.Good
		}
	}
	engine, err := culprit.New(s.to-s.from, o)
	if err != nil {
		return err
	}
	var running []int
	for x, t := range s.tested() {
		if t.Untestable != "" {
			continue
		}
		failed := t.Failed
		if x == s.to-s.from && failed > 0 {
			failed-- // the one for which one looks
		}
		if err := observe(engine, x, failed, t); err != nil {
			return err
		}
		for range t.Running {
			running = append(running, x)
		}
	}
	s.engine = engine
	left := s.o.Batch - s.ours()
	if s.o.MaxRuns > 0 {
		left = min(left, s.o.MaxRuns-s.spent())
	}
	s.decision = engine.Decide(max(0, left), running...)
	if s.o.MaxRuns > 0 && left <= 0 && len(running) == 0 && !s.decision.Done {
		s.decision.Done, s.decision.Why = true, fmt.Sprintf("the budget of %d runs is spent", s.o.MaxRuns)
	}
	if s.forecast == 0 {
		s.forecast = engine.Forecast()
	}
	if s.o.Observe != nil {
		s.o.Observe(Progress{s.probable(), s.decision, s.spent(), s.rounds, engine.Forecast()})
	}
	return nil
}

// observe tells of the runs on a push: first those that nobody chose.
func observe(engine *culprit.Search, x, failed int, t Tested) error {
	for range t.Infra {
		if err := engine.ObserveInfra(x); err != nil {
			return err
		}
	}
	free := max(0, failed+t.Passed-t.Chosen)
	for i := range failed + t.Passed {
		// In what order runs ended is not known of all: the failures come
		// first, which says of no run that it was free when it was not.
		if err := engine.Observe(x, i < failed, i >= free); err != nil {
			return err
		}
	}
	return nil
}

// bookkeeping reads what the search asked for from the ledger.
func (s *searcher) bookkeeping(ctx context.Context) error {
	s.asked, s.bought = map[job.PushKey]int{}, map[job.PushKey]int{}
	labels := map[string]bool{}
	for _, p := range s.pushes[s.from : s.to+1] {
		labels[s.labelOn(p)] = true
	}
	for l := range labels {
		entries, err := s.o.Ledger.Entries(ctx, trigger.Query{Label: l, Repo: s.repo.Name()})
		if err != nil {
			return err
		}
		byPush := map[job.PushKey][]trigger.Entry{}
		for _, e := range entries {
			if e.State != trigger.Refused && e.State != trigger.Fruitless {
				byPush[e.Push.Key()] = append(byPush[e.Push.Key()], e)
				s.bought[e.Push.Key()] += e.Count
			}
		}
		for id, es := range byPush {
			visible := s.seen[id].runs.Seen
			if trigger.Outstanding(es, visible, time.Now()) > 0 { // what came of them?
				left, _, _ := trigger.StillComing(ctx, s.ci, es, visible)
				s.heed(ctx, id, es, left)
				es = left
			}
			s.asked[id] = trigger.Outstanding(es, visible, time.Now())
		}
	}
	return nil
}

// heed leaves a push alone on which somebody stopped what was to make its runs,
// while it had made none: asking again would be a quarrel.
func (s *searcher) heed(ctx context.Context, id job.PushKey, es, left []trigger.Entry) {
	for _, e := range es {
		if e.State != trigger.Done || slices.ContainsFunc(left, func(l trigger.Entry) bool { return l.Key == e.Key }) {
			continue
		}
		out, err := job.OutcomeOf(ctx, s.ci, e.Push, e.Label, e.Receipt)
		if err == nil && out.Done && out.Cancelled && len(out.IDs) == 0 {
			s.blocked[id] = out.Why + ", so it is left alone"
		}
	}
}

// ours is how many of the runs under way the search asked for. Those of others
// take none of its places.
func (s *searcher) ours() int {
	n := 0
	for _, t := range s.tested() {
		n += min(s.bought[t.Push.Key()], max(0, t.Running-s.others[t.Push.Key()]))
	}
	return n
}

// spent is how many runs in the range were asked for.
func (s *searcher) spent() int {
	n := 0
	for _, p := range s.pushes[s.from : s.to+1] {
		n += s.bought[p.Key()]
	}
	return n
}

// labelOn is the chunk that was looked at on a push.
func (s *searcher) labelOn(p job.Push) string {
	if l := s.seen[p.Key()].label; l != "" {
		return l
	}
	return s.label
}

// tested is what is known of the pushes of the range.
func (s *searcher) tested() []Tested {
	out := make([]Tested, 0, s.to-s.from+1)
	for _, p := range s.pushes[s.from : s.to+1] {
		r := s.seen[p.Key()].runs
		out = append(out, Tested{
			Push: p, Label: s.labelOn(p), Failed: r.Bad, Passed: r.Good, Running: r.Running + s.asked[p.Key()], Infra: r.Unclear,
			Chosen: min(s.bought[p.Key()], r.Bad+r.Good), Untestable: s.blocked[p.Key()],
		})
	}
	return out
}

// probable is tested, with the probabilities.
func (s *searcher) probable() []Tested {
	out := s.tested()
	for x, p := range s.engine.Posterior() {
		out[x].Probability = p
	}
	return out
}

// afford refuses a search that is expected to need more than it may have.
func (s *searcher) afford() error {
	if s.o.MaxRuns < 0 || s.spent() > 0 || s.forecast <= float64(s.o.MaxRuns) {
		return nil
	}
	if s.o.Approve != nil && s.o.Approve(s.forecast, s.o.MaxRuns) {
		return nil
	}
	return fmt.Errorf("%w: about %.0f, and it may have %d", ErrOverBudget, s.forecast, s.o.MaxRuns)
}

// propose plans what would be asked for next.
func (s *searcher) propose(ctx context.Context) error {
	plan, err := s.steps(ctx)
	s.plan = plan
	return err
}

// steps are those that ask for the runs of the decision. A push on which the
// label turns out not to run is blocked.
func (s *searcher) steps(ctx context.Context) (trigger.Plan, error) {
	want := map[int]int{}
	for _, x := range s.decision.Next {
		want[x]++
	}
	var plan trigger.Plan
	for x := range s.to - s.from + 1 {
		if want[x] == 0 {
			continue
		}
		p := s.pushes[s.from+x]
		r := s.seen[p.Key()].runs
		opts := s.f.planOptions(s.decision.Why)
		opts.Times, opts.Ledger, opts.Budgets = r.Counted+s.asked[p.Key()]+want[x], s.o.Ledger, s.o.Budgets
		opts.Known = nil
		made, err := trigger.Make(ctx, s.ci, []job.Push{p}, []string{s.label}, opts)
		var unknown *job.UnknownLabelError
		if err != nil && !errors.As(err, &unknown) {
			return plan, err
		}
		plan.Steps = append(plan.Steps, made.Steps...)
		plan.LeftOut = append(plan.LeftOut, made.LeftOut...)
		for _, l := range made.LeftOut {
			s.blocked[p.Key()] = strings.TrimPrefix(l.Why, s.decision.Why+"; ")
		}
	}
	return plan, nil
}

// round asks for the runs of the decision, and waits until something ended.
func (s *searcher) round(ctx context.Context) error {
	before := len(s.blocked)
	plan, err := s.steps(ctx)
	if err != nil {
		return err
	}
	if plan.Total() > 0 {
		s.rounds++
		for _, st := range plan.Steps {
			if id := st.Push.Key(); s.bought[id] == 0 {
				s.others[id] = s.seen[id].runs.Running
			}
		}
		done, err := trigger.Run(ctx, s.ci, plan, &trigger.RunOptions{Ledger: s.o.Ledger, Who: s.o.Who, Poll: s.o.Poll, Logger: s.o.Logger})
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := s.refusals(done); err != nil {
				return err
			}
		}
	} else if len(s.blocked) > before {
		return nil // decide again, without what cannot run
	}
	return s.await(ctx)
}

// refusals blocks the pushes on which the CI refused the label. An error that
// says nothing about the push ends the search.
func (s *searcher) refusals(done trigger.Plan) error {
	var errs []error
	for _, st := range done.Steps {
		switch {
		case st.Err == nil, st.With != "", errors.Is(st.Err, trigger.ErrNotTried): // said of another step
		case errors.Is(st.Err, job.ErrNoBuild), errors.Is(st.Err, job.ErrNotScheduled), errors.Is(st.Err, job.ErrNotFound), errors.Is(st.Err, job.ErrInvalid), errors.Is(st.Err, job.ErrRefused):
			s.blocked[st.Push.Key()] = st.Err.Error()
		case errors.Is(st.Err, job.ErrUnavailable): // looked at again
			s.warn("%v", st.Err)
		default:
			errs = append(errs, st.Err)
		}
	}
	return errors.Join(errs...)
}

// firstPoll is after how long results are looked for at first, where the CI has
// no events; the pause doubles up to SearchOptions.Poll. A request that comes to
// nothing mostly does so at once.
const firstPoll = 5 * time.Second

// await waits until a run of the range ended that was under way, and reads what
// is new. Others of the round that end within a poll are waited for as well; a
// slow one is not, so that it never holds the places of the others. A round that
// takes longer than the patience ends the search.
func (s *searcher) await(ctx context.Context) error {
	patience, stop := context.WithTimeout(ctx, s.o.Patience)
	defer stop()
	began := s.ended()
	last, some := began, false
	wait := min(firstPoll, s.o.Poll)
	for {
		if err := s.look(ctx); err != nil {
			return err
		}
		now := s.ended()
		switch {
		case len(s.underWay()) == 0, now != began && s.ours() == 0:
			return nil
		case now != last:
			last, some, wait = now, true, s.o.Poll
		case some:
			return nil
		}
		more, err := s.listen(patience, wait)
		wait = min(2*wait, s.o.Poll)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case patience.Err() != nil:
			return fmt.Errorf("%w: no run ended in %s", job.ErrUnavailable, s.o.Patience)
		case err != nil:
			return err
		case !more: // nothing can happen any more
			if err := s.look(ctx); err != nil {
				return err
			}
			if s.ended() == began {
				return fmt.Errorf("%w: nothing happens any more, and the runs that were triggered did not end", job.ErrUnavailable)
			}
			return nil
		}
	}
}

// look reads the pushes on which something is under way.
func (s *searcher) look(ctx context.Context) error {
	if err := s.read(ctx, s.underWay()); err != nil {
		return err
	}
	return s.bookkeeping(ctx)
}

// underWay are the pushes of the range on which something is under way.
func (s *searcher) underWay() []job.Push {
	var out []job.Push
	for _, t := range s.tested() {
		if t.Running > 0 {
			out = append(out, t.Push)
		}
	}
	return out
}

// ended is how many runs of the range have ended.
func (s *searcher) ended() int {
	n := 0
	for _, t := range s.tested() {
		n += t.Failed + t.Passed + t.Infra
	}
	return n
}

// listen waits for the end of a run of the label, as the CI tells it, or for
// the next look, after wait where the CI has no events. It returns false when
// nothing can happen any more.
func (s *searcher) listen(ctx context.Context, wait time.Duration) (more bool, err error) {
	if _, ok := s.ci.(job.Watcher); !ok {
		return true, pause.For(ctx, wait)
	}
	look, stop := context.WithTimeout(ctx, s.o.Poll)
	defer stop()
	for e, err := range job.Watch(look, s.ci) {
		switch {
		case look.Err() != nil:
			return true, ctx.Err()
		case err != nil:
			s.warn("no events: %v", err)
			return true, pause.For(ctx, wait)
		case !e.Job.Status().Waiting() && e.Job.Name() == s.labelOn(e.Job.Push()) && e.Job.Push().Repo == s.repo.Name():
			return true, nil
		}
	}
	return look.Err() != nil, ctx.Err()
}

// cancel stops the runs that the search asked for and that nobody needs any
// more, where the CI can, and what is to make them.
func (s *searcher) cancel(ctx context.Context) {
	for _, t := range s.tested() {
		if s.bought[t.Push.Key()] == 0 || t.Running == 0 {
			continue
		}
		entries, err := s.o.Ledger.Entries(ctx, trigger.ForPush(t.Push, t.Label))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if e.Who == s.o.Who && !e.Receipt.Others() {
				s.withdraw(ctx, t, e)
			}
		}
	}
}

// withdraw stops what waits of one request. Where nothing was made of it yet, the
// ledger says so: a later search may ask again for what this one has stopped.
func (s *searcher) withdraw(ctx context.Context, t Tested, e trigger.Entry) {
	r := e.Receipt
	ids := r.IDs
	if r.By != "" {
		made, err := job.OutcomeOf(ctx, s.ci, t.Push, t.Label, r)
		if err == nil && !made.Done && job.Cancel(ctx, s.ci, r.By) == nil {
			s.stopped = append(s.stopped, r.By)
			made, err = job.OutcomeOf(ctx, s.ci, t.Push, t.Label, r)
			if err == nil && len(made.IDs) == 0 {
				r.Note = "the search stopped it, since nobody needs it any more"
				if err := s.o.Ledger.Settle(context.WithoutCancel(ctx), e.Key, trigger.Fruitless, r); err != nil {
					s.warn("the ledger could not be told what was stopped: %v", err)
				}
			}
		}
		if err == nil {
			ids = made.IDs
		}
	}
	for _, id := range ids {
		ended := slices.ContainsFunc(s.seen[t.Push.Key()].jobs, func(j job.Job) bool { return j.ID() == id && !j.Status().Waiting() })
		if !ended && job.Cancel(ctx, s.ci, id) == nil {
			s.stopped = append(s.stopped, id)
		}
	}
}

// merged says of a culprit that is a merge where it leads.
func (s *searcher) merged(ctx context.Context) {
	if s.decision.Outcome != culprit.Found {
		return
	}
	p := s.pushes[s.from+s.decision.Culprit]
	origins, err := job.Origins(ctx, s.repo, p)
	if err != nil {
		return
	}
	for _, o := range origins {
		if n := len(o.Pushes); n > 0 {
			s.warn("the culprit is a merge: it brought %d pushes of %s, to search there from %.12s", n, o.Repo, o.Pushes[n-1].Revision)
		}
	}
}

// result is what is known by now.
func (s *searcher) result() SearchResult {
	r := SearchResult{Label: s.label, Outcome: culprit.Undecided, Rounds: s.rounds, Forecast: s.forecast, Plan: s.plan, Cancelled: s.stopped, Warnings: s.warnings}
	if s.pushes == nil {
		return r
	}
	r.Start = s.pushes[s.to]
	if s.engine == nil {
		return r
	}
	d := s.decision
	r.Outcome, r.Probability, r.Why, r.Runs = d.Outcome, d.Probability, d.Why, s.spent()
	r.Warnings = append(r.Warnings, d.Warnings...)
	r.Pushes = s.probable()
	for _, c := range d.Credible {
		r.Credible = append(r.Credible, r.Pushes[c.Push])
	}
	if d.Outcome == culprit.Found {
		r.Culprit = &r.Pushes[d.Culprit].Push
		for _, x := range d.Class {
			r.Class = append(r.Class, r.Pushes[x].Push)
		}
	}
	r.rates(s, d)
	return r
}

// rates counts the runs before and after the most probable culprit.
func (r *SearchResult) rates(s *searcher, d culprit.Decision) {
	at := s.to + 1 // nothing broke it: all runs are before
	switch {
	case d.Culprit >= 0:
		at = s.from + d.Culprit
	case d.Outcome == culprit.Older:
		at = s.from
	}
	var before, after culprit.Counts
	for i, p := range s.pushes {
		n := s.seen[p.Key()].runs
		c := &before
		if i >= at {
			c = &after
		}
		c.Failed, c.Passed = c.Failed+n.Bad, c.Passed+n.Good
	}
	const confidence = 0.95
	r.Before, _ = analysis.Frequency(before.Failed, before.Failed+before.Passed, confidence, analysis.Wilson)
	r.After, _ = analysis.Frequency(after.Failed, after.Failed+after.Passed, confidence, analysis.Wilson)
}

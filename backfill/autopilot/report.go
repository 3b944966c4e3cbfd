package autopilot

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/internal/phrase"
	"github.com/mozci/mozci/internal/redact"
	"github.com/mozci/mozci/job"
)

// The end of a case: its report, what it teaches, and the delivery. A report is stored with the
// case before it is delivered, and the case stays due until it is.

// report is how the case ended, and what it cost. A zero bad push means that no bad one is known.
func (c Case) report(o Outcome, bad job.Push, credible []Chance, why string) *Report {
	r := &Report{
		Repo: c.Repo, Label: c.Label, Signature: c.Signature, Outcome: o, Credible: credible, Runs: c.Cost.Runs,
		RedRuns: c.Cost.RedRuns, Why: why,
	}
	if bad.ID != 0 || bad.Revision != "" {
		ref := bad.Ref()
		r.FirstBad = &ref
	}
	if r.Credible == nil {
		r.Credible = []Chance{}
	}
	return r
}

// Reported reports whether people are told of an outcome. An intermittent failure needs no action.
func (o Outcome) Reported() bool { return o != Intermittent && o != Joined }

// end ends a case with a report. run are the indices of the pushes on which a dry run would have
// triggered a run. The caller stores the case. For an outcome that says who is suspected, it
// computes the probabilities; a culprit is named only when one suspect is left.
func (s *searching) end(ctx context.Context, o Outcome, why string, run []int) error {
	c := s.c
	if err := s.r.account(ctx, c); err != nil {
		return err
	}
	bad := c.Push
	if s.find.FirstBad != nil {
		bad = *s.find.FirstBad
	}
	suspects := s.find.Suspects()
	// The search has gone on in the repository that a merge came from: its pushes are suspected
	// and, when none of them is known to be bad, the merge itself too.
	if s.inner != nil {
		suspects = s.view.line.suspects()
		if i := s.view.line.bad; i < len(s.view.line.spots) {
			bad = s.view.line.spots[i].push
		} else {
			suspects = append(suspects, s.inner.Through)
		}
	}
	suspects = slices.DeleteFunc(suspects, func(p job.Push) bool { return !p.Testable() })
	if o == Proposed {
		why = s.proposal(why, run)
	}
	var credible []Chance
	if o == Culprit || o == Undecided || o == Proposed || o == Intermittent {
		credible = s.chances(ctx, bad, suspects)
	}
	c.Report = c.report(o, bad, credible, why)
	if o == Culprit && len(suspects) == 1 {
		ref := suspects[0].Ref()
		c.Report.Culprit = &ref
	}
	c.State, c.Doing, c.Why = Ended, "", why
	c.Told = !o.Reported()
	return s.learn(ctx, o)
}

// proposal says what a dry run would have triggered. "dry run: would trigger 2 runs of
// linux64/opt/t on push 4 and 6: …".
func (s *searching) proposal(why string, run []int) string {
	var on []string
	for _, i := range run {
		on = append(on, strconv.FormatInt(s.view.line.spots[i].push.ID, 10))
	}
	return fmt.Sprintf("dry run: would trigger %s of %s on push %s: %s", phrase.Count(len(run), "run"), s.c.Label,
		strings.Join(on, " and "), why)
}

// chances returns the probabilities of the suspects, computed from all known runs. When they cannot
// be computed, every suspect gets the same. The most probable comes first. Search runs dry: it
// reads the history and triggers nothing.
func (s *searching) chances(ctx context.Context, bad job.Push, suspects []job.Push) []Chance {
	known := map[job.PushKey]float64{}
	repo, rev := s.repo, s.c.Start.Revision
	if s.inner != nil && bad.Repo == s.inner.Repo {
		rev = bad.Revision
		var err error
		if repo, err = s.r.places.Repository(s.inner.Repo); err != nil {
			repo = nil
		}
	}
	// around is how many pushes beyond the range are read on either side, to tell how often the
	// label fails.
	const around = 10
	if repo != nil && s.c.Test+s.c.Label != "" {
		res, err := backfill.Search(ctx, repo, s.r.ci, s.c.Label, rev, &backfill.SearchOptions{
			MaxRevisions: max(1, len(s.find.History)), History: around, Newer: around, Extend: -1, Judge: s.judge,
			DryRun: true, Approve: func(float64, int) bool { return true }, Logger: s.r.log,
		})
		if err != nil {
			s.r.log.InfoContext(ctx, "the probabilities could not be computed", "key", s.c.Key, "err", err)
		}
		for _, t := range res.Pushes {
			known[t.Push.Key()] = t.Probability
		}
	}
	out := []Chance{}
	for _, p := range suspects {
		chance, ok := known[p.Key()]
		if !ok {
			chance = 1 / float64(len(suspects))
		}
		out = append(out, Chance{p.Ref(), chance})
	}
	slices.SortStableFunc(out, func(a, b Chance) int { return cmp.Compare(b.Probability, a.Probability) })
	const most = 50 // a merge can bring hundreds of pushes
	return out[:min(len(out), most)]
}

// learn changes how many cases may be open. After too many undecided ones in a row it falls back to
// a dry run. Outcomes that say nothing about the robot's judgement, such as Classified, teach
// nothing, and neither does a dry run. With Config.Undecided 5, the fifth undecided case in a row
// falls back.
func (s *searching) learn(ctx context.Context, o Outcome) error {
	lesson, ok := map[Outcome]Lesson{
		Culprit: LessonRight, Undecided: LessonUndecided, Infra: LessonUndecided, Intermittent: LessonDecided,
	}[o]
	if !ok || s.mode != Act {
		return nil
	}
	w, err := s.r.store.Learn(ctx, s.c.Key, lesson, s.r.cfg.Cases)
	if err != nil || lesson != LessonUndecided || w.Undecided < s.r.cfg.Undecided {
		return err
	}
	why := fmt.Sprintf("%s in a row were undecided", phrase.Count(w.Undecided, "case"))
	sw, err := s.r.store.FallBack(ctx, Switch{Mode: DryRun, By: "autopilot", Why: why, Case: s.c.Key})
	if err != nil || sw.Case != s.c.Key { // another case said so, or a person stopped the robot
		return err
	}
	s.r.log.WarnContext(ctx, "the autopilot falls back to a dry run", "why", sw.Why)
	s.c.Report.Why += "; the autopilot fell back to a dry run: " + sw.Why
	return nil
}

// tell delivers the report of a case that has ended. It returns after how long to try again: 2, 4, 8
// seconds and so on up to an hour. c.Blind counts the failed tries.
func (r *Robot) tell(ctx context.Context, c *Case) (time.Duration, error) {
	var err error
	if r.opts.OnReport != nil {
		err = r.opts.OnReport(ctx, *c)
	}
	if err == nil && r.cfg.Webhook != "" {
		err = r.post(ctx, c)
	}
	if err == nil {
		c.Told, c.Blind = true, 0
		return 0, nil
	}
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	c.Blind++
	r.log.WarnContext(ctx, "a report could not be delivered, trying again", "key", c.Key, "times", c.Blind, "err", err)
	if c.Blind >= mostTold { // the page still shows the report
		c.Told = true
	}
	return min(time.Second<<min(c.Blind, 20), time.Hour), nil
}

const (
	// mostTold is how often the delivery of a report is tried, which takes about a day and a half.
	mostTold = 46
	// webhookTime is the maximum time for one request to the webhook.
	webhookTime = 30 * time.Second
)

// post sends a report to the webhook. Its path or query often is a secret, so no error contains the
// URL. The case's key is the request's Idempotency-Key: after a crash the same report may be sent
// twice.
func (r *Robot) post(ctx context.Context, c *Case) error {
	const op = "autopilot.webhook"
	ctx, stop := context.WithTimeout(ctx, webhookTime)
	defer stop()
	body, err := json.Marshal(c.Report)
	if err != nil {
		return job.Wrap(op, c.Key, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.cfg.Webhook, bytes.NewReader(body))
	if err != nil {
		return job.Wrap(op, c.Key, redact.Error(err))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", c.Key)
	client := http.Client{}
	if r.opts.Client != nil {
		client = *r.opts.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) { // its text contains the URL
			err = failed.Err
		}
		return job.Wrap(op, req.URL.Host, fmt.Errorf("%w: %w", job.ErrUnavailable, err))
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can be used again
	if res.StatusCode/100 != 2 {
		return job.Wrap(op, req.URL.Host, fmt.Errorf("%w: HTTP %d", job.ErrUnavailable, res.StatusCode))
	}
	return nil
}

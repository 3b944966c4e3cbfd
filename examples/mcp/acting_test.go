package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger/ledger"
)

// gap has a hole of three pushes before a failure.
const gap = "truth l culprit=19\npush l\n17 a1c0 pass\n18 b2d1 -\n19 c3e2 -\n20 d4f3 -\n21 e5a4 fail\n"

// ran is how many runs of the label there are on all pushes.
func ran(t *testing.T, ci *jobtest.CI, label string) (n int) {
	t.Helper()
	repo, err := ci.Repository("autoland")
	if err != nil {
		t.Fatal(err)
	}
	pushes, err := repo.Pushes(t.Context(), job.IDs(1, 1000))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pushes {
		jobs, err := ci.Jobs(t.Context(), p, label)
		if err != nil {
			t.Fatal(err)
		}
		n += len(jobs)
	}
	return n
}

// Tools that find and plan trigger nothing, whatever is asked.
func TestPlanningTriggersNothing(t *testing.T) {
	c, ci := ofWorld(t, gap)
	client := connected(t, c)
	for _, tool := range []string{
		"find_last_good", "find_culprit", "estimate_frequency", "plan_runs", "list_failures",
	} {
		asked[any](t, client, tool, args{"revision": "tip", "label": "l"})
	}
	entries, err := c.ledger.Entries(t.Context(), ledger.Query{})
	if n := ran(t, ci, "l"); n != 2 || err != nil || len(entries) != 0 {
		t.Errorf("%d runs, %d entries, %v", n, len(entries), err)
	}
}

// A plan is triggered once, by its id or as it was returned; the results are then there for
// the next question.
func TestTriggerTwice(t *testing.T) {
	c, ci := ofWorld(t, gap)
	client := connected(t, c)
	found := asked[lastGoodOut](t, client, "find_last_good", args{"revision": "tip", "label": "l"})
	if found.LastGood.ID != 17 || found.FirstBad.ID != 21 || found.Several.Count != 4 || found.Plan.Total != 3 {
		t.Fatalf("%+v", found)
	}
	once := asked[actedOut](t, client, "trigger_plan", args{"plan_id": found.Plan.ID})
	if once.Triggered != 3 || once.Before+once.Failed+once.Waiting != 0 || once.Left != 97 || once.Count != 3 ||
		once.Steps[0].State != "created" || len(once.Steps[0].IDs) != 1 {
		t.Errorf("%+v", once)
	}
	for _, again := range []args{{"plan_id": found.Plan.ID}, {"plan": found.Plan}} {
		twice := asked[actedOut](t, client, "trigger_plan", again)
		if twice.Triggered != 0 || twice.Before != 3 || twice.Left != 97 || twice.Steps[0].State != "already_asked" {
			t.Errorf("%+v", twice)
		}
	}
	if n := ran(t, ci, "l"); n != 5 {
		t.Errorf("%d runs", n)
	}
	now := asked[lastGoodOut](t, client, "find_last_good", args{"revision": "tip", "label": "l"})
	if now.LastGood.ID != 18 || now.FirstBad.ID != 19 || now.Plan.Total != 0 || now.Plan.ID != "" {
		t.Errorf("%+v", now)
	}
}

// A plan that waits for a build has the build triggered, and says what waits.
func TestTriggerWaiting(t *testing.T) {
	client := flagged(t, "--world", permanent, "--act")
	question := args{"revision": "tip", "label": xpcshell}
	plan := asked[lastGoodOut](t, client, "find_last_good", question).Plan
	first := asked[actedOut](t, client, "trigger_plan", args{"plan_id": plan.ID})
	if plan.Total != 4 || first.Triggered != 3 || first.Waiting != 1 {
		t.Fatalf("%d planned, %+v", plan.Total, first)
	}
	after := asked[lastGoodOut](t, client, "find_last_good", question)
	if after.LastGood.ID != 24 || after.FirstBad.ID != 25 || after.Plan.Total != 0 {
		t.Errorf("%+v", after)
	}
}

// A plan that was passed must fit: an edited one, one of another repository and one of a
// label that is not there trigger nothing. What it gives as reasons goes nowhere.
func TestPassedPlan(t *testing.T) {
	c, ci := ofWorld(t, gap+"\nrepo other\npush l\n1 aaaa pass\n")
	reasons := &noted{Scheduler: ci}
	c.open = func(name string) (*place, error) {
		p, err := inWorld(ci, name)
		if err == nil {
			p.ci = reasons
		}
		return p, err
	}
	client := connected(t, c)
	plan := func() planShape {
		return asked[planShape](t, client, "plan_runs", args{"revision": "d4f3", "label": "l", "before": 1})
	}
	for name, edit := range map[string]func(*planShape){
		"more runs":          func(p *planShape) { p.Steps[0].Count = 9 },
		"another label":      func(p *planShape) { p.Steps[0].Label = "m" },
		"another push":       func(p *planShape) { p.Steps[0].Push.ID = 17 },
		"another revision":   func(p *planShape) { p.Steps[0].Push.Revision = p.Steps[1].Push.Revision },
		"another repository": func(p *planShape) { p.Steps[0].Push.Repo, p.Steps[1].Push.Repo = "other", "other" },
		"no such repository": func(p *planShape) { p.Steps[0].Push.Repo, p.Steps[1].Push.Repo = "none", "none" },
		"two repositories":   func(p *planShape) { p.Steps[0].Push.Repo = "other" },
		"an unknown action":  func(p *planShape) { p.Steps[0].Action = "delete" },
		"less than nothing":  func(p *planShape) { p.Steps[0].Count = -1; p.Steps[1].Count = 2 },
		"no key":             func(p *planShape) { p.Steps[0].Key = "" },
		"nothing":            func(p *planShape) { p.Steps = p.Steps[:0] },
	} {
		p := plan()
		edit(&p)
		if text := refused(t, client, "trigger_plan", args{"plan": p}); text == "" {
			t.Errorf("%s: nothing is text", name)
		}
	}
	if n := ran(t, ci, "l"); n != 2 || len(reasons.why) != 0 {
		t.Fatalf("%d runs, %q", n, reasons.why)
	}
	p := plan()
	p.Steps[0].Why = &untrusted{marker}
	got := asked[actedOut](t, client, "trigger_plan", args{"plan": p})
	if got.Triggered != 2 || len(reasons.why) != 2 || strings.Contains(strings.Join(reasons.why, ""), marker) {
		t.Errorf("%+v, %q", got, reasons.why)
	}
}

// noted keeps the reasons of requests.
type noted struct {
	job.Scheduler
	mu  sync.Mutex
	why []string
}

func (n *noted) Unwrap() job.Scheduler { return n.Scheduler }

func (n *noted) Trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	n.mu.Lock()
	n.why = append(n.why, req.Why)
	n.mu.Unlock()
	return n.Scheduler.Trigger(ctx, req)
}

// counting is a CI that takes every request and runs nothing.
type counting struct {
	job.Scheduler
	mu   sync.Mutex
	asks []int
}

func (c *counting) Trigger(_ context.Context, req job.Request) (job.Receipt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asks = append(c.asks, req.Count)
	return job.Receipt{}, job.ErrRefused
}

// Counts whose sum is more than a number can hold are over the budget too.
func TestEnormousPlan(t *testing.T) {
	const half = 4_611_686_018_427_388_000 // a little over 2^62, and exact in JSON's numbers
	for name, counts := range map[string][]int{
		"the sum is negative": {half, half}, "one alone": {half}, "beside a small one": {1, half},
		"a million":         {1_000_000},
		"less than nothing": {2, -1},
	} {
		c, ci := ofWorld(t, gap)
		n := &counting{Scheduler: ci}
		c.open = func(name string) (*place, error) {
			p, err := inWorld(ci, name)
			if err == nil {
				p.ci = n
			}
			return p, err
		}
		client := connected(t, c)
		plan := asked[planShape](t, client, "plan_runs", args{"revision": "d4f3", "label": "l", "before": 2})
		plan.Steps = plan.Steps[:len(counts)]
		for i, count := range counts {
			s := &plan.Steps[i]
			s.Key = strings.TrimSuffix(s.Key, "1") + fmt.Sprint(count)
			s.Count = tally(count)
		}
		text := refused(t, client, "trigger_plan", args{"plan": plan})
		if len(n.asks) > 0 || strings.Contains(text, "unmarshal") || text == "" {
			t.Errorf("%s: asked for %v, %s", name, n.asks, text)
		}
	}
}

// Budgets bound the plan and the call; those of a day outlive the server, with the ledger's
// file, and count what anybody triggered.
func TestBudgets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.db")
	serve := func(runs, day int) (*mcp.ClientSession, *jobtest.CI) {
		c, ci := ofWorld(t, gap)
		l, closing, err := openLedger(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = closing() })
		c.ledger, c.runs, c.day = l, runs, day
		return connected(t, c), ci
	}
	client, ci := serve(2, 100)
	question := args{"revision": "tip", "label": "l"}
	bounded := asked[lastGoodOut](t, client, "find_last_good", question).Plan
	if bounded.Total != 2 || bounded.LeftRest.Count != 1 || !strings.Contains(bounded.Left[0].Why.Text, "budget") {
		t.Errorf("%+v", bounded)
	}
	large, _ := serve(20, 100)
	whole := asked[planShape](t, large, "plan_runs", args{"revision": "d4f3", "label": "l", "before": 2})
	if text := refused(t, client, "trigger_plan", args{"plan": whole}); whole.Total != 3 || !strings.Contains(text,
		"would trigger 3 runs, and one call may trigger 2 (--budget-runs): nothing was triggered") {
		t.Errorf("%d: %s", whole.Total, text)
	}
	if n := ran(t, ci, "l"); n != 2 {
		t.Errorf("%d runs", n)
	}
	got := asked[actedOut](t, client, "trigger_plan", args{"plan_id": bounded.ID})
	if got.Triggered != 2 {
		t.Errorf("%+v", got)
	}

	client, ci = serve(20, 4) // the next server, with the same ledger
	more := asked[planShape](t, client, "plan_runs", args{"revision": "e5a4", "label": "l", "times": 3})
	if more.Total != 2 {
		t.Fatalf("%+v", more)
	}
	other := asked[planShape](t, large, "plan_runs", args{"revision": "a1c0", "label": "l", "times": 4})
	if text := refused(t, client, "trigger_plan", args{"plan": other}); other.Total != 3 || !strings.Contains(text,
		"would trigger 3 runs, and of the 4 within 24 hours (--budget-day) 2 are left: nothing was triggered") {
		t.Errorf("%d: %s", other.Total, text)
	}
	if n := ran(t, ci, "l"); n != 2 {
		t.Errorf("%d runs", n)
	}
	got = asked[actedOut](t, client, "trigger_plan", args{"plan_id": more.ID})
	if got.Triggered != 2 || got.Left != 0 {
		t.Errorf("%+v", got)
	}
	if got := asked[actedOut](t, client, "trigger_plan", args{"plan": bounded}); got.Triggered != 0 || got.Before != 2 {
		t.Errorf("what was triggered costs nothing: %+v", got)
	}
	none, _ := serve(0, 100)
	if plan := asked[lastGoodOut](t, none, "find_last_good", question).Plan; plan.Total != 0 || plan.ID != "" {
		t.Errorf("%+v", plan)
	}
}

// Of many calls at once with plans that overlap, each run is triggered once, and the budget
// of the day holds.
func TestAtOnce(t *testing.T) {
	c, ci := ofWorld(t, gap)
	c.day = 2
	client := connected(t, c)
	var plans []string
	for _, rev := range []string{"b2d1", "c3e2", "d4f3"} {
		plan := asked[planShape](t, client, "plan_runs", args{"revision": rev, "label": "l"})
		plans = append(plans, plan.ID, plan.ID, plan.ID)
	}
	var wait sync.WaitGroup
	results := make([]*mcp.CallToolResult, 2*len(plans))
	for i := range results {
		wait.Go(func() {
			with := &mcp.CallToolParams{Name: "trigger_plan", Arguments: args{"plan_id": plans[i%len(plans)]}}
			if i >= len(plans) {
				with = &mcp.CallToolParams{Name: "find_culprit", Arguments: args{"revision": "tip", "label": "l"}}
			}
			r, err := client.CallTool(t.Context(), with)
			if err != nil {
				t.Error(err)
				return
			}
			results[i] = r
		})
	}
	wait.Wait()
	for i, r := range results {
		if r != nil && r.IsError && (i >= len(plans) || !strings.Contains(textOf(r), "--budget-day")) {
			t.Errorf("call %d: %s", i, textOf(r))
		}
	}
	if n := ran(t, ci, "l"); n != 4 {
		t.Errorf("%d runs, want the 2 that were there and 2", n)
	}
}

// slow is a ledger that takes a second to answer.
type slow struct{ ledger.Ledger }

func (s slow) Entries(ctx context.Context, q ledger.Query) ([]ledger.Entry, error) {
	known, err := s.Ledger.Entries(ctx, q)
	time.Sleep(time.Second)
	return known, err
}

// Two calls at the same moment do not both spend what is left of the day.
func TestLastOfTheDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, ci := ofWorld(t, gap)
		c.day, c.ledger = 1, slow{c.ledger}
		client := connected(t, c)
		var wait sync.WaitGroup
		var plans []string
		for _, rev := range []string{"b2d1", "c3e2"} {
			plans = append(plans, asked[planShape](t, client, "plan_runs", args{"revision": rev, "label": "l"}).ID)
		}
		for _, id := range plans {
			wait.Go(func() {
				with := &mcp.CallToolParams{Name: "trigger_plan", Arguments: args{"plan_id": id}}
				if _, err := client.CallTool(t.Context(), with); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if n := ran(t, ci, "l"); n != 3 {
			t.Errorf("%d runs, want the 2 that were there and 1", n)
		}
	})
}

// What this server triggered is stopped; what somebody else triggered with the same ledger
// is left alone, also by a plan that names it.
func TestCancelPlan(t *testing.T) {
	c, ci := ofWorld(t, gap)
	c.open = func(name string) (*place, error) {
		p, err := inWorld(ci, name)
		if err == nil {
			p.settle = nil // the runs wait
		}
		return p, err
	}
	person := c
	person.who = "somebody"
	mine, theirs := connected(t, c), connected(t, person)
	own := asked[planShape](t, mine, "plan_runs", args{"revision": "b2d1", "label": "l"})
	other := asked[planShape](t, theirs, "plan_runs", args{"revision": "c3e2", "label": "l"})
	never := asked[planShape](t, mine, "plan_runs", args{"revision": "d4f3", "label": "l"})
	asked[actedOut](t, mine, "trigger_plan", args{"plan_id": own.ID})
	asked[actedOut](t, theirs, "trigger_plan", args{"plan_id": other.ID})
	for name, p := range map[string]planShape{"another's": other, "what was not triggered": never} {
		got := asked[cancelledOut](t, mine, "cancel_plan", args{"plan": p})
		if len(got.Cancelled) != 0 || len(got.Left) != 1 || got.Left[0].Push.ID != p.Steps[0].Push.ID {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := asked[cancelledOut](t, mine, "cancel_plan", args{"plan": own}); got.Count != 1 || len(got.Left) != 0 {
		t.Errorf("%+v", got)
	}
	for rev, want := range map[string]string{"b2d1": "cancelled", "c3e2": "pending"} {
		jobs := asked[jobsOut](t, mine, "list_jobs", args{"revision": rev})
		if jobs.Statuses[want] != 1 {
			t.Errorf("%s: %v", rev, jobs.Statuses)
		}
	}
	if got := asked[actedOut](t, mine, "trigger_plan", args{"plan_id": own.ID}); got.Triggered != 0 {
		t.Errorf("what was cancelled is triggered again: %+v", got)
	}
}

// partly takes one run of each request and loses the rest.
type partly struct{ job.Scheduler }

func (p partly) Unwrap() job.Scheduler { return p.Scheduler }

func (p partly) Trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	if req.Label == "m" {
		return job.Receipt{}, job.Wrap("world.trigger", req.Label, fmt.Errorf("%w: no", job.ErrRefused))
	}
	return p.Scheduler.Trigger(ctx, req)
}

// A call of which a part failed says what was triggered and what was not.
func TestPartlyTriggered(t *testing.T) {
	c, ci := ofWorld(t, "push l m\n17 a1c0 - -\n")
	c.open = func(name string) (*place, error) {
		p, err := inWorld(ci, name)
		if err == nil {
			p.ci = partly{ci}
		}
		return p, err
	}
	client := connected(t, c)
	one := asked[planShape](t, client, "plan_runs", args{"revision": "tip", "label": "l"})
	two := asked[planShape](t, client, "plan_runs", args{"revision": "tip", "label": "m"})
	both := one
	both.Steps = append(both.Steps, two.Steps...)
	got := asked[actedOut](t, client, "trigger_plan", args{"plan": both})
	if got.Triggered != 1 || got.Failed != 1 || got.Steps[1].State != "failed" || got.Steps[1].Error == nil {
		t.Errorf("%+v", got)
	}
	if text := refused(t, client, "trigger_plan", args{"plan": two}); !strings.HasPrefix(text,
		"The service refused it.") {
		t.Error(text)
	}
}

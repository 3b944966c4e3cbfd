package server

import (
	"context"
	"crypto/sha1" //nolint:gosec // made-up revisions
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// A story, made up, whose numbers agree with each other because they are counted: newest
// push first, with the result of each run; a plus says that mozci triggered it.
const story = `
190431 marlow   Print: keep the margins of the page              F P
190430 ibis     Sync the word lists
190429 tansy    Shelf: slide removed items away                  F
190428 marlow   Print: one spooler for each printer              ~
190427 quill    Workers: name every thread                       !
190426 sedge    Layout: remember intrinsic sizes                 F
190425 wren     Wallpaper: decode once                           
190424 ibis     Reader: larger targets                           P+ P
190423 lark     Drop a build flag that nothing reads             [
190422 tansy    Media: say which codec was tried                 P+ F+ F+
190421 ibis     New bindings for the date picker                 
190420 heron    Places: expire visits in one transaction         F F+ P+ F+ F+ .+
190419 alder    Shelf: keep the focus after a drag               P+ P+ P+ P+ *+ *+
190418 marlow   Rename an enum of the print preview              P+ P+ P+
190417 quill    Workers: another default for the pool            x
190416 sedge    Reflow: leave clean subtrees out                 [
190415 wren     Fold two observers of the wallpaper              F P+ P+ P+
190414 ibis     Reader: count what is read                       P+
190413 lark     Media: tidy the checks of abilities              #
190412 quill    Ask for a newer clang
190411 heron    Places: an index for the origin                  P P+
190410 alder    Backed out 2 changesets (lint)                   [
190409 marlow   Print: a leak in its dialog                      P
190408 sedge    Tabs: hover code in its own module               -
190407 wren     Wallpaper: try a load once more                  F P+
190406 alder    Shelf: keep its pictures                         [
`

// more pushes, for what happens to a long range.
func longStory() string {
	var out strings.Builder
	for i := range 24 {
		fmt.Fprintf(&out, "%d lark     Localise batch %d   %s\n", 190405-i, 24-i, []string{"P", "", "["}[i%3])
	}
	return strings.TrimRight(story, "\n") + "\n" + out.String()
}

var marksOfStory = map[byte]Result{
	'P': Passed, 'F': Failure, '~': Elsewhere, '!': Machine, '*': UnderWay, '.': Queued, '[': Coalesced, '#': Stopped,
	'-': Skipped, '?': Unclear,
}

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func storyRows(text string) []Row {
	var out []Row
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		line = strings.TrimRight(line, "\n") + strings.Repeat(" ", 70)
		id, _ := strconv.ParseInt(line[:6], 10, 64)
		r := Row{
			Push: ref(id), Label: storyLabel, Author: strings.TrimSpace(line[7:16]),
			Subject: strings.TrimSpace(line[16:65]),
			Time:    noon.Add(time.Duration(id-190420) * 11 * time.Minute),
			Link:    Text("https://treeherder.example.org/jobs?repo=autoland&revision=" + ref(id).Revision),
			Runs:    []Run{},
		}
		subject, runs, _ := strings.Cut(line[16:], "   ")
		r.Subject = strings.TrimSpace(subject)
		for _, word := range strings.Fields(runs) {
			r.add(word)
		}
		out = append(out, r)
	}
	return out
}

func (r *Row) add(word string) {
	if word == "x" {
		r.Untestable = "its build failed"
		return
	}
	run := Run{Result: marksOfStory[word[0]], Ours: strings.HasSuffix(word, "+")}
	run.ID = Text(fmt.Sprintf("T%d-%d/0", r.Push.ID, len(r.Runs)))
	run.Link = "https://ci.example.org/tasks/" + run.ID
	switch run.Result {
	case Passed:
		r.Passed++
		run.Seconds = 2140
	case Failure:
		r.Failed++
		run.Seconds = 2210
	case UnderWay, Queued:
		r.UnderWay++
	case Elsewhere, Machine, Coalesced, Stopped, Skipped, Unclear:
	}
	r.Runs = append(r.Runs, run)
}

const storyLabel = "test-linux2404-64/opt-xpcshell-4"

func ref(id int64) job.PushRef {
	sum := sha1.Sum(fmt.Append(nil, "autoland:", id)) //nolint:gosec // made up
	return job.PushRef{Repo: "autoland", ID: id, Revision: hex.EncodeToString(sum[:])}
}

func at(minute int) time.Time { return noon.Add(time.Duration(minute) * time.Minute) }

func pointer[T any](v T) *T { return &v }

// running is the story while mozci confirms its culprit.
func running() Backfill {
	b := Backfill{
		ID: "b7Q2run", Version: 40, State: Running,
		Ask: Ask{
			Project: "autoland", Label: storyLabel, Revision: ref(190426).Revision, Mode: Search, Times: 2, Most: 40,
			Batch: 4,
			Test:  "toolkit/components/places/tests/expiration/test_expire.js",
		},
		Answer: "Push 190420 probably broke it: 97%",
		By:     "hazel", Via: "token", Created: at(0), Updated: at(211),
		Start: pointer(ref(190426)), LastGood: pointer(ref(190419)), FirstBad: pointer(ref(190420)),
		Culprit:  &Culprit{ref(190420), 0.97},
		Credible: []Suspect{{ref(190420), 0.97}, {ref(190419), 0.02}, {ref(190421), 0.004}},
		FailRate: Rates{Before: pointer(0.125), After: pointer(0.7)}, Flaky: true,
		Rows:     storyRows(story),
		Warnings: []string{},
		Links: Links{
			Self: "/v1/backfills/b7Q2run", Page: "/backfills/b7Q2run", Events: "/v1/backfills/b7Q2run/events",
			Job: "https://ci.example.org/tasks/T190426-0/0", Range: "https://treeherder.example.org/jobs?repo=autoland",
		},
	}
	for i, r := range b.Rows {
		for _, s := range b.Credible {
			if s.Push == r.Push {
				b.Rows[i].Probability = s.Probability
			}
		}
	}
	b.count()
	b.Cost.Most, b.Cost.Rounds, b.Cost.Forecast, b.Cost.Usual = 60, 6, 4, 2160
	b.Cost.Left = pointer(2700.0)
	pass, fail := b.rates()
	b.Why = Text(fmt.Sprintf("The job failed in %s since this push and in %s before it. mozci is confirming this with "+
		"3 more runs; if they agree, it will be more than 99%% sure.", fail, pass))
	b.Steps = []Step{
		{
			Key: "k1", Label: storyLabel, Push: ref(190419), Action: trigger.ActionTrigger, Count: 2, Round: 6,
			Time:    at(210),
			Why:     "to confirm that the push before it passes",
			Receipt: &Receipt{IDs: []string{"T190419-4/0"}, State: "created"},
		},
		{
			Key: "k2", Label: storyLabel, Push: ref(190420), Action: trigger.ActionTrigger, Count: 1, Round: 6,
			Time:    at(210),
			Why:     "to confirm that the failure repeats",
			Receipt: &Receipt{IDs: []string{"T190420-5/0"}, State: "created"},
		},
	}
	b.Log = storyLog()
	return b
}

// count counts what mozci triggered.
func (b *Backfill) count() {
	b.Cost = Cost{}
	for _, r := range b.Rows {
		for _, run := range r.Runs {
			if !run.Ours {
				continue
			}
			b.Cost.Runs++
			b.Cost.Machine += run.Seconds
			if run.Result != UnderWay && run.Result != Queued {
				b.Cost.Ended++
			}
			if run.Result == Failure {
				b.Cost.Red++
			}
		}
	}
}

// rates are the failures before the culprit and since.
func (b *Backfill) rates() (before, since string) {
	var failed, runs [2]int
	for _, r := range b.Rows {
		side := 0
		if r.Push.ID >= 190420 {
			side = 1
		}
		failed[side] += r.Failed
		runs[side] += r.Passed + r.Failed
	}
	return fmt.Sprintf("%d of %d runs", failed[0], runs[0]), fmt.Sprintf("%d of %d runs", failed[1], runs[1])
}

func storyLog() []Entry {
	task := Text("https://ci.example.org/tasks/T190420-3/0")
	return []Entry{
		{at(210), "triggered", "Triggered 2 runs on 190419 and 1 run on 190420", "To confirm the answer", task},
		{at(209), "passed", "190419 passed in 35 min", "190420 is now at 97%", task},
		{at(171), "failed", "190420 failed in 36 min", "Same test, same message", task},
		{at(168), "failed", "190422 failed in 36 min", "Same test, same message", task},
		{at(140), "left_alone", "Did not count the failure on 190428", "It is in another test", task},
		{at(131), "triggered", "Triggered 4 runs on 190418 to 190422", "Round 5", task},
		{
			at(98), "trouble", "The CI did not answer one request",
			"mozci looked for the run, found it, and did not repeat it", "",
		},
		{at(56), "left_alone", "Left 190413 alone", "A person cancelled the run there", ""},
		{at(3), "machine", "190417 is not testable", "Its build failed", ""},
		{at(1), "triggered", "Triggered 6 runs on 6 pushes", "Round 1: spread over the range", ""},
		{at(0), "state", "hazel started this from a failing job, after a dry run", "", ""},
	}
}

// settled is the story's rows with everything ended: what was under way passed below the
// culprit and failed on it.
func settled(rows []Row) []Row {
	for i := range rows {
		r := &rows[i]
		for k := range r.Runs {
			if run := &r.Runs[k]; run.Result == UnderWay || run.Result == Queued {
				run.Result, run.Seconds = Passed, 2140
				r.UnderWay--
				if r.Push.ID >= 190420 {
					run.Result = Failure
					r.Failed++
				} else {
					r.Passed++
				}
			}
		}
	}
	return rows
}

func done() Backfill {
	b := running()
	b.ID, b.State, b.Confirmed, b.Outcome = "b7Q2done", Done, true, "culprit"
	b.Answer = "Push 190420 broke it: more than 99% sure"
	b.Culprit = &Culprit{ref(190420), 0.996}
	b.Credible = []Suspect{Suspect(*b.Culprit)}
	b.Rows = settled(b.Rows)
	for i := range b.Rows {
		b.Rows[i].Probability = 0
		if b.Rows[i].Push == b.Culprit.Push {
			b.Rows[i].Probability = 0.996
		}
	}
	b.count()
	b.Cost.Most, b.Cost.Rounds, b.Cost.Usual = 60, 6, 2160
	b.Ended, b.Updated = pointer(at(250)), at(250)
	before, since := b.rates()
	b.Why = Text("The job failed in " + since + " since this push and in " + before + " before it.")
	b.Log = append([]Entry{{
		at(250), "state", "Push 190420 broke it", "It failed again and the push before it passed",
		"",
	}},
		b.Log...)
	return b
}

// dry is a dry run before anything was triggered: a fill of four pushes.
func dry() Backfill {
	b := running()
	b.ID, b.State, b.DryRun = "b7Q2dry", Planned, true
	b.Ask.Mode, b.Ask.Batch = Linear, 0
	b.Answer, b.Why = "mozci would trigger 8 runs on 4 pushes",
		"It passed last on 190418 and failed first on 190426, and "+
			"nothing between them has a result. Nothing was triggered yet."
	b.Culprit, b.Credible, b.FailRate = nil, nil, Rates{}
	b.LastGood, b.FirstBad = pointer(ref(190418)), pointer(ref(190426))
	b.Rows = storyRows(`
190428 marlow   Print: one spooler for each printer              F
190427 quill    Workers: name every thread                       !
190426 sedge    Layout: remember intrinsic sizes                 F
190425 wren     Wallpaper: decode once                           
190424 ibis     Reader: larger targets                           
190423 lark     Drop a build flag that nothing reads             x
190422 tansy    Media: say which codec was tried                 
190421 ibis     New bindings for the date picker                 [
190418 marlow   Rename an enum of the print preview              P
190417 quill    Workers: another default for the pool            P
`)
	b.Steps, b.Cost = nil, Cost{Forecast: 8, Usual: 2160}
	for i := range b.Rows {
		r := &b.Rows[i]
		if r.Push.ID < 190419 || r.Push.ID > 190425 {
			continue
		}
		if r.Untestable != "" {
			b.Plan.LeftOut = append(b.Plan.LeftOut, trigger.LeftOut{
				Label: storyLabel, Push: r.Push.Push(), Count: 2, Why: "its build failed", Untestable: true,
			})
			continue
		}
		r.Planned = 2
		b.Plan.Steps = append(b.Plan.Steps, trigger.Step{
			Key: fmt.Sprint("s", i), Label: storyLabel, Push: r.Push.Push(), Action: trigger.ActionTrigger, Count: 2,
			Why: "between the last good push and the first bad one; 0 of 2 runs",
		})
	}
	b.Log = []Entry{{at(0), "state", "hazel asked for a dry run", "", ""}}
	b.Updated, b.Ended = at(0), pointer(at(0))
	return b
}

func waiting() Backfill {
	b := dry()
	b.ID, b.State, b.DryRun, b.Ended = "b7Q2wait", Waiting, false, nil
	b.Answer, b.Why = "8 runs are queued; none has started", "The usual wait on this machine pool is 12 min."
	for i := range b.Rows {
		for range b.Rows[i].Planned {
			b.Rows[i].add(".+")
		}
		if b.Rows[i].Planned > 0 {
			b.Steps = append(b.Steps, Step{
				Key: fmt.Sprint("s", i), Push: b.Rows[i].Push, Count: 2,
				Why:  "between the last good push and the first bad one",
				Time: at(1), Receipt: &Receipt{State: "created"},
			})
		}
		b.Rows[i].Planned = 0
	}
	b.count()
	b.Cost.Usual, b.Cost.Left = 2160, pointer(3100.0)
	b.Log = append([]Entry{{at(1), "triggered", "Triggered 8 runs on 4 pushes", "", ""}}, b.Log...)
	return b
}

// inState is the story in a state that ended without its answer.
func inState(id string, s State, answer, why string, change func(*Backfill)) Backfill {
	b := running()
	b.ID, b.State, b.Answer, b.Why = id, s, answer, Text(why)
	b.Rows = settled(b.Rows)
	b.count()
	b.Cost.Most, b.Cost.Rounds, b.Cost.Usual = 60, 6, 2160
	b.Ended, b.Updated = pointer(at(230)), at(230)
	if change != nil {
		change(&b)
	}
	return b
}

// nothing takes away all that was learned.
func nothing(b *Backfill) {
	b.Culprit, b.Credible, b.LastGood, b.FirstBad, b.Rows, b.Steps = nil, nil, nil, nil, []Row{}, nil
	b.Cost = Cost{}
	b.Log = b.Log[len(b.Log)-1:]
}

// everyState is a backfill in each state that a person can meet.
func everyState() []Backfill {
	long := done()
	long.ID = "b7Q2long"
	long.Rows = settled(storyRows(longStory()))
	long.Rows[11].Probability = 0.996
	many := running()
	many.ID = "b7Q2many"
	for range 5 {
		many.Rows[11].add("F+")
		many.Rows[12].add("P+")
	}
	refused := func(id string, r Reason, answer, why string) Backfill {
		return inState(id, Refused, answer, why, func(b *Backfill) {
			nothing(b)
			b.Reason, b.Ask.Label, b.Ask.Test = r, "build-linux64/opt", ""
		})
	}
	out := []Backfill{
		running(), done(), dry(), waiting(), long, many,
		inState("b7Q2unsure", Undecided, "Two pushes remain: 190420 (61%) and 190421 (34%)",
			"The budget of 24 runs is spent.", func(b *Backfill) {
				b.Cost.Most, b.Ask.MaxRuns = b.Cost.Runs, b.Cost.Runs
				b.Culprit, b.Credible = nil, []Suspect{{ref(190420), 0.61}, {ref(190421), 0.34}, {ref(190419), 0.03}}
				b.FirstBad = pointer(ref(190422))
				b.Outcome = "undecided"
				for i := range b.Rows {
					b.Rows[i].Probability = 0
					for _, s := range b.Credible {
						if s.Push == b.Rows[i].Push {
							b.Rows[i].Probability = s.Probability
						}
					}
				}
				b.Warnings = []string{"push 190417 cannot be tested: its build failed"}
			}),
		inState("b7Q2flake", Done, "No push broke it: the test was as flaky before (11% and 12%)", "",
			func(b *Backfill) {
				b.Culprit, b.Credible, b.Outcome, b.FirstBad = nil, nil, "not_a_regression", nil
				b.Ask.Label, b.Via, b.By = "test-windows11-64/opt-web-platform-tests-7", "autopilot", "autopilot"
				for i := range b.Rows {
					b.Rows[i].Probability = 0
				}
			}),
		inState("b7Q2gone", Cancelled, "@hazel cancelled this; 21 results are kept", "3 runs were stopped.",
			func(b *Backfill) {
				b.CancelledBy, b.By, b.Ask.Test, b.Ask.Label = "hazel", "tansy", "",
					"test-macosx1500-aarch64/debug-reftest-2"
			}),
		refused("b7Q2try", NoLine, "Nothing was triggered: this is a try push",
			"There is no earlier push of the same line to compare with."),
		refused("b7Q2never", NeverGreen, "Nothing was triggered: it was never green",
			"It failed on each of the 40 pushes that were looked at."),
		refused("b7Q2own", Offspring, "Nothing was triggered: mozci triggered this run itself", ""),
		inState("b7Q2err", Failed, "The CI refused: your credentials lack hooks:trigger-hook:project-gecko/backfill",
			"",
			func(b *Backfill) { nothing(b); b.Reason = CIRefused }),
	}
	return out
}

// fake is a backend over values.
type fake struct {
	mu      sync.Mutex
	have    []Backfill // newest first
	changed chan struct{}
	started []Input
	err     error // of everything
}

func newFake(list ...Backfill) *fake { return &fake{have: list, changed: make(chan struct{})} }

func (f *fake) Get(_ context.Context, id string) (Backfill, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return Backfill{}, f.err
	}
	for _, b := range f.have {
		if b.ID == id {
			return b, nil
		}
	}
	return Backfill{}, job.Wrap("backfill.get", id, job.ErrNotFound)
}

func (f *fake) List(_ context.Context, q Query) ([]Backfill, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	var out []Backfill
	skip := q.Before != ""
	for _, b := range f.have {
		if skip {
			skip = b.ID != q.Before
			continue
		}
		if (q.Project == "" || q.Project == b.Ask.Project) && (q.Label == "" || q.Label == b.Ask.Label) &&
			(q.By == "" || q.By == b.By) && (len(q.States) == 0 || slices.Contains(q.States, b.State)) {
			out = append(out, b)
		}
	}
	if q.Limit > 0 && len(out) > q.Limit {
		out = out[:q.Limit]
	}
	return out, nil
}

func (f *fake) Follow(ctx context.Context, id string, after int64) iter.Seq2[Backfill, error] {
	return func(yield func(Backfill, error) bool) {
		for {
			f.mu.Lock()
			changed := f.changed
			f.mu.Unlock()
			b, err := f.Get(ctx, id)
			if err != nil {
				yield(b, err)
				return
			}
			if b.Version > after {
				after = b.Version
				if !yield(b, nil) {
					return
				}
			}
			if !b.State.Open() {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-changed:
			}
		}
	}
}

func (f *fake) Start(_ context.Context, by Caller, in Input) (Backfill, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.started = append(f.started, in)
	switch {
	case f.err != nil:
		return Backfill{}, f.err
	case in.Link == "" && in.TaskID == "" && in.JobID == nil && (in.Label == "" || in.Revision == ""):
		return Backfill{}, job.Wrap("backfill.start", "link", fmt.Errorf("%w: link: name a job", job.ErrInvalid))
	case strings.Contains(in.Link, "nowhere"):
		return Backfill{}, job.Wrap("link.parse", in.Link,
			fmt.Errorf("%w: link: no deployment %q", job.ErrInvalid, in.Link))
	}
	b := dry()
	if !in.DryRun {
		b = waiting()
	}
	b.By = by.Name
	for i, old := range f.have {
		if old.ID == b.ID {
			f.have = slices.Delete(f.have, i, i+1)
			break
		}
	}
	f.have = append([]Backfill{b}, f.have...)
	return b, nil
}

func (f *fake) Cancel(_ context.Context, by Caller, id string) (Backfill, error) {
	f.change(id, func(b *Backfill) {
		b.State, b.CancelledBy = Cancelled, Text(by.Name)
		b.Answer = "@" + by.Name + " cancelled this; all results are kept"
	})
	return f.Get(context.Background(), id)
}

// change makes a new version of a backfill, and tells whoever follows it.
func (f *fake) change(id string, how func(*Backfill)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.have {
		if f.have[i].ID == id {
			b := f.have[i]
			b.Rows = slices.Clone(b.Rows)
			for k := range b.Rows {
				b.Rows[k].Runs = slices.Clone(b.Rows[k].Runs)
			}
			how(&b)
			b.Version++
			f.have[i] = b
		}
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

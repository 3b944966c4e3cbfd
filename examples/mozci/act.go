package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/user"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

// actFlags are the flags of commands that act.
type actFlags struct {
	dryRun, yes, explain        bool
	call, push, labelDay, queue int // budgets
}

func (f *actFlags) add(cmd *cobra.Command) {
	f.addAs(cmd, "print the plan and trigger nothing", "trigger the plan without a question")
}

// addAs adds the flags of a command that triggers no plan, with their texts.
func (f *actFlags) addAs(cmd *cobra.Command, dryRun, yes string) {
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, dryRun)
	cmd.Flags().BoolVar(&f.yes, "yes", false, yes)
}

// addBudgets adds the flags of commands that plan.
func (f *actFlags) addBudgets(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.IntVar(&f.call, "budget", trigger.DefaultCall, "maximum `number` of runs in all; 0 is nothing, -1 no limit")
	fl.IntVar(&f.push, "budget-push", trigger.DefaultPush, "maximum `number` of runs on one push")
	fl.IntVar(&f.labelDay, "budget-day", trigger.DefaultLabelDay,
		"maximum `number` of runs of one label in 24 hours, by the ledger")
	fl.IntVar(&f.queue, "budget-queue", trigger.DefaultQueue,
		"trigger nothing more when more than this `number` of runs are waiting in the job's queue")
}

// budgets are those that were given; the library knows the defaults.
func (f actFlags) budgets(flags *pflag.FlagSet) trigger.Budgets {
	given := func(name string, v int) *int {
		if flags.Lookup(name) == nil || !flags.Changed(name) {
			return nil
		}
		return &v
	}
	return trigger.Budgets{
		Call: given("budget", f.call), Push: given("budget-push", f.push), LabelDay: given("budget-day", f.labelDay),
		Queue: given("budget-queue", f.queue),
	}
}

func (f actFlags) check() error {
	if f.dryRun && f.yes {
		return usage("--dry-run and --yes exclude each other")
	}
	return nil
}

// toAct says whether to carry the plan out: with --yes, or when somebody at a terminal
// says so. Elsewhere nothing happens, and the last line says what would make it happen.
// Read says that everything the plan is about could be read; a plan of half the facts is
// not carried out.
func (a *app) toAct(ctx context.Context, f actFlags, plan trigger.Plan, read bool) bool {
	total := sumOf(plan)
	switch {
	case plan.Total() == 0:
		return false
	case !read:
		a.foot("%s Nothing was triggered, since not everything could be read.", total)
		return false
	case f.dryRun:
		a.foot("%s Nothing was triggered. To trigger %s, add --yes instead of --dry-run.", total, them(plan))
		return false
	case f.yes:
		return true
	case !a.canAsk():
		a.foot("%s Nothing was triggered. To trigger %s, add --yes.", total, them(plan))
		return false
	}
	a.foot("%s Nothing was triggered yet.", total)
	if a.wantedTo(ctx, f, fmt.Sprintf("Trigger %s now?", them(plan))) {
		return true
	}
	a.foot("Nothing was triggered.")
	return false
}

// them are the runs of a plan, in a sentence.
func them(plan trigger.Plan) string {
	if plan.Total() == 1 {
		return "it"
	}
	return "them"
}

// foot is the last line of a plan.
func (a *app) foot(format string, args ...any) {
	if !a.json {
		a.paragraph("", plain, fmt.Sprintf(format, args...))
	}
}

// sumOf is what a plan triggers in all: "7 runs: 1 build and 6 tests."
func sumOf(plan trigger.Plan) string {
	builds, total := 0, plan.Total()
	for _, s := range plan.Steps {
		if s.Action == trigger.ActionBuild {
			builds += s.Count
		}
	}
	if builds == 0 || builds == total {
		return runs(total) + "."
	}
	return fmt.Sprintf("%s: %s and %s.", runs(total), plural(builds, "build"), plural(total-builds, "test"))
}

// canAsk reports whether a question reaches a person: both streams are a terminal.
func (a *app) canAsk() bool { return !a.json && terminal(a.in) && terminal(a.err) }

// wantedTo says whether to do what the question asks about. When the program is told to
// end at the question, by Ctrl+C or a signal, the answer is no and the exit status 1.
func (a *app) wantedTo(ctx context.Context, f actFlags, question string) bool {
	if f.dryRun {
		return false
	}
	if f.yes {
		return true
	}
	if !a.canAsk() {
		return false
	}
	a.busy.stop() // or its line would be drawn over the question
	a.warnf("%s [y/N] ", question)
	answers := make(chan string, 1)
	go func() { // it ends with the program at the latest: a read of a terminal cannot be given up
		line, _ := bufio.NewReader(a.in).ReadString('\n')
		answers <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case answer := <-answers:
		return (answer == "y" || answer == "yes") && ctx.Err() == nil
	case <-ctx.Done():
		a.warnf("\n")
		a.interrupted = true
		return false
	}
}

// terminal reports whether the stream is a terminal.
func terminal(stream any) bool {
	f, ok := beneath(stream).(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// carryOut runs the plan and prints each step as it is done.
func (a *app) carryOut(
	ctx context.Context, ci job.Scheduler, plan trigger.Plan, book ledger.Ledger,
) (trigger.Plan, error) {
	a.warnMerging(ctx, ci, plan)
	var waits []string
	for _, s := range plan.Steps {
		if s.Action == trigger.ActionWait {
			waits = append(waits, s.Push.Revision)
		}
	}
	if len(waits) > 0 {
		heard, stop, err := a.listening(ctx, ci, waits...)
		if err != nil {
			return plan, err
		}
		defer stop()
		ci = heard
	}
	shown := &stepping{a: a, plan: plan}
	done, err := trigger.Run(ctx, ci, plan, &trigger.RunOptions{
		Ledger: book, Who: who(), Logger: a.log, OnStep: shown.step,
	})
	if a.json {
		return done, err
	}
	failed, steps := shown.end(done)
	if failed > 0 && err != nil {
		err = &toldError{err, failed, steps}
	}
	return done, err
}

// warnMerging says which labels' runs a CI can merge into one another.
func (a *app) warnMerging(ctx context.Context, ci job.Scheduler, plan trigger.Plan) {
	seen := map[string]bool{}
	for _, s := range plan.Steps {
		if s.Count < 2 || s.Action == trigger.ActionNothing || seen[s.Label] {
			continue
		}
		seen[s.Label] = true
		if merges, err := job.Coalesces(ctx, ci, s.Label); err == nil && merges {
			a.warnf("note: %s merges requests that wait at the same time, so that some of %s triggered at once "+
				"may be coalesced; trigger again later to make up for them\n", s.Label, runs(s.Count))
		}
	}
}

// noted is what people should know of a receipt: where to look, and that another
// way was taken.
func noted(r *job.Receipt) string {
	out := ""
	if r.Link != "" {
		out += ": " + r.Link
	}
	if r.Note != "" {
		out += " (" + r.Note + ")"
	}
	return out
}

// toldError is an error whose parts were printed when they happened.
type toldError struct {
	error
	failed, steps int
}

func (e *toldError) Error() string {
	return fmt.Sprintf("%d of %s not carried out, see above", e.failed, plural(e.steps, "step"))
}

func (e *toldError) Unwrap() error { return e.error }

func who() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

func runs(n int) string { return plural(n, "run") }

// pushName is a push in a table: its id and revision.
func pushName(p job.Push) string { return fmt.Sprintf("%d %s", p.ID, revisions(p)) }

// revisions are the short revision of a push, and that of the other system where
// the repository is kept in hg and in git.
func revisions(p job.Push) string {
	system, hash := p.Twin()
	if hash == "" {
		return p.Short()
	}
	return fmt.Sprintf("%s (%s %.12s)", p.Short(), system, hash)
}

// where is pushName, with the repository when it is not the one that the
// command is about.
func (a *app) where(p job.Push) string {
	if a.opened == nil || a.opened.repo == nil || p.Repo == a.opened.repo.Name() {
		return pushName(p)
	}
	return p.Repo + " " + pushName(p)
}

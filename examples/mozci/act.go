package main

import (
	"bufio"
	"context"
	"errors"
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
	dryRun, yes                 bool
	call, push, labelDay, queue int // budgets
}

func (f *actFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only print the plan")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "carry the plan out without asking")
}

// addBudgets adds the flags of commands that plan.
func (f *actFlags) addBudgets(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.IntVar(&f.call, "budget", trigger.DefaultCall, "at most so many runs in all; 0 is nothing, -1 no limit")
	fl.IntVar(&f.push, "budget-push", trigger.DefaultPush, "at most so many runs on one push")
	fl.IntVar(&f.labelDay, "budget-day", trigger.DefaultLabelDay,
		"at most so many runs of one label within 24 hours, as the ledger knows them")
	fl.IntVar(&f.queue, "budget-queue", trigger.DefaultQueue,
		"nothing more while so many runs wait in the label's queue")
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

// wanted says whether to carry the plan out: with --yes, or when somebody at a
// terminal says so. Elsewhere a plan is only printed.
func (a *app) wanted(f actFlags, plan trigger.Plan) bool {
	return plan.Total() > 0 && a.wantedTo(f, fmt.Sprintf("Trigger %s?", runs(plan.Total())))
}

// wantedTo says whether to do what the question asks about.
func (a *app) wantedTo(f actFlags, question string) bool {
	if f.dryRun {
		return false
	}
	if f.yes {
		return true
	}
	if a.json || !a.converses() {
		return false
	}
	a.warnf("%s [y/N] ", question)
	line, _ := bufio.NewReader(a.in).ReadString('\n')
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}

// terminal reports whether the stream is a terminal.
func terminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// carryOut runs the plan and prints each step as it is done.
func (a *app) carryOut(
	ctx context.Context, ci job.Scheduler, plan trigger.Plan, book ledger.Ledger,
) (trigger.Plan, error) {
	asked := 0
	a.warnMerging(ctx, ci, plan)
	if !a.json {
		a.printf("\n")
	}
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
	done, err := trigger.Run(ctx, ci, plan, &trigger.RunOptions{
		Ledger: book, Who: who(), Logger: a.log,
		OnStep: func(s trigger.Step) {
			if s.Err == nil && s.Receipt.State != job.ReceiptAlreadyAsked {
				asked += s.Count
			}
			if !a.json {
				a.printStep(s)
			}
		},
	})
	if a.json {
		return done, err
	}
	failed, steps := 0, 0
	for _, s := range done.Steps {
		switch {
		case s.Action == trigger.ActionNothing:
			continue
		case s.With != "": // it comes with another step
			if s.Err == nil && s.Receipt != nil && s.Receipt.State != job.ReceiptAlreadyAsked {
				asked += s.Count
			}
			continue
		case s.Err != nil:
			failed++
		}
		steps++
	}
	a.printf("%s triggered\n", runs(asked))
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
			a.warnf("mozci: %s merges requests that wait at the same time: of %s triggered at once "+
				"some may be coalesced; trigger again later to make up for them\n", s.Label, runs(s.Count))
		}
	}
}

func (a *app) printStep(s trigger.Step) {
	what := fmt.Sprintf("%s of %s on %s", runs(s.Count), s.Label, a.where(s.Push))
	switch {
	case errors.Is(s.Err, trigger.ErrNotTried):
		a.printf("not triggered, for the same reason: %s\n", what)
	case errors.Is(s.Err, job.ErrUnavailable):
		a.printf("unclear: %s: %v\n", what, s.Err)
	case s.Err != nil:
		a.printf("not triggered: %s: %v\n", what, s.Err)
	case s.Receipt.State == job.ReceiptAlreadyAsked:
		if len(s.Receipt.IDs) > 0 {
			what += ", as " + strings.Join(s.Receipt.IDs, ", ")
		}
		a.printf("triggered before: %s%s\n", what, noted(s.Receipt))
	default:
		a.printf("triggered %s%s\n", what, noted(s.Receipt))
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
	return fmt.Sprintf("%d of %d not carried out, see above", e.failed, e.steps)
}

func (e *toldError) Unwrap() error { return e.error }

func who() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

func runs(n int) string {
	if n == 1 {
		return "1 run"
	}
	return fmt.Sprintf("%d runs", n)
}

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

// printPlan lists the steps with their reasons. The label that everything is
// about, if there is one, is not said again on each line.
func (a *app) printPlan(plan trigger.Plan, about string) {
	table := a.table()
	line := func(action, label string, count int, p job.Push, why string) {
		what := ""
		if action != string(trigger.ActionNothing) {
			what = runs(count)
		}
		if label != about {
			what = strings.TrimPrefix(what+" of "+label, " of ")
		}
		say(table, "%s\t%s\t%s\t%s\n", a.where(p), action, what, why)
	}
	for _, s := range plan.Steps {
		line(string(s.Action), s.Label, s.Count, s.Push, s.Why)
	}
	for _, l := range plan.LeftOut {
		line("left out", l.Label, l.Count, l.Push, l.Why)
	}
	_ = table.Flush()
}

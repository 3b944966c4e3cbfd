package main

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/buildbot"
)

type backfillFlags struct {
	actFlags
	label, rev       string
	maxRevisions     int
	times            int
	automatic, holes bool
	newer            bool
	existing, follow bool
	manifests        []string
	test             string
	planOnly         bool // JSON is the plan alone: for trigger --backfill
}

func (a *app) backfillCommand() *cobra.Command {
	var b backfillFlags
	cmd := &cobra.Command{
		Use:   "backfill [LINK]",
		Short: "The last good push of a broken label, and what to run since",
		Long: `The last good push of a broken label, and what to run since. It walks from --rev,
where the label must be bad, to older pushes, and stops at the last one on which
the label was good: not the last on which it ran. What is filled is the gap
between that push and the first bad one; without a good push it is everything up
to --max-revisions, or with --automatic nothing.`,
		Example: `  mozci backfill --label linux64/opt/xpcshell-1 --rev a062f26a3ad8 --max-revisions 30 --times 2`,
		Args:    oneLink,
		RunE:    a.linked(func(cmd *cobra.Command) error { return a.backfill(cmd, b) }),
	}
	f := cmd.Flags()
	f.StringVar(&b.label, "label", "", "the `label` that is broken")
	f.StringVar(&b.rev, "rev", "", "a `revision` on which it is bad: 12 to 40 digits, of hg or of git, or tip")
	f.IntVar(&b.maxRevisions, "max-revisions", 20,
		"how many pushes before it to look at, at most; with --allthethings half as many again as SETA passes over")
	f.IntVar(&b.times, "times", 1, "how many runs each missing push is to have in all")
	f.BoolVar(&b.automatic, "automatic", false, "no person asked: do nothing when the label was never good")
	f.BoolVar(&b.holes, "holes", false, "fill every push of the range, whatever the results: for performance jobs")
	f.BoolVar(&b.newer, "fill-newer", false, "fill the pushes newer than the first bad one as well, which cannot "+
		"hold the culprit")
	f.BoolVar(&b.existing, "existing-only", false, "only where the builds exist: ask for no build")
	f.BoolVar(&b.follow, "follow-merges", false, "look at what merges brought from other repositories, too")
	f.StringVar(&b.test, "test", "", "good and bad are about this `test` and not about the job: its logs tell")
	f.StringArrayVar(&b.manifests, "manifest", nil,
		"the test `manifest` that the failure is in: on each push the chunk that runs it is looked at; may be given "+
			"several times")
	b.add(cmd)
	b.addBudgets(cmd)
	return cmd
}

func (a *app) backfill(cmd *cobra.Command, b backfillFlags) error {
	switch {
	case b.rev == "" || b.label == "":
		return usage("backfill needs --label and --rev")
	case b.times < 1:
		return usage("--times %d: expected 1 or more", b.times)
	case b.maxRevisions < 1:
		return usage("--max-revisions %d: expected 1 or more", b.maxRevisions)
	}
	if err := b.check(); err != nil {
		return err
	}
	p, ledger, err := a.acting(cmd.Context())
	if err != nil {
		return err
	}
	if a.things != nil && !cmd.Flags().Changed("max-revisions") {
		b.maxRevisions = a.things.MaxRevisions(b.label)
	}
	ctx := cmd.Context()
	progress := a.progress()
	found, err := backfill.Find(ctx, p.repo, p.read, b.label, b.rev, &backfill.FindOptions{
		MaxRevisions: b.maxRevisions, Times: b.times, Automatic: b.automatic, Holes: b.holes, FillNewer: b.newer,
		Judge: a.judge(p, b.test), Test: b.test, Width: a.parallel, Ledger: ledger, Observe: progress.saw,
		Logger:       a.log,
		FollowMerges: b.follow, Manifests: b.manifests, Repositories: p.repositories, ExistingOnly: b.existing,
		Budgets: b.budgets(cmd.Flags()),
	})
	progress.done()
	if err != nil && (errors.Is(err, backfill.ErrNotBad) || len(found.History) < 2) {
		return err
	}
	if !a.json {
		a.printFound(ctx, found, b)
	}
	if err == nil && a.wanted(b.actFlags, found.Plan) {
		found.Plan, err = a.carryOut(ctx, p.act, found.Plan, ledger)
	}
	if a.json {
		var out any = found
		if b.planOnly {
			out = found.Plan
		}
		if printErr := a.printJSON(out); err == nil {
			err = printErr
		}
	}
	if err == nil && found.NeverGood {
		return errNotEnough
	}
	return err
}

// printFound is the table of the walk, and what to make of it.
func (a *app) printFound(ctx context.Context, r backfill.FindResult, b backfillFlags) {
	table := a.table()
	say(table, "push\tverdict\truns\n")
	for _, s := range r.History {
		what := s.Runs.String()
		if s.Err != nil {
			what = "could not be read"
		}
		if s.Label != r.Label {
			what += ", as " + s.Label
		}
		say(table, "%s\t%s\t%s\n", pushName(s.Push), s.Verdict, what)
	}
	_ = table.Flush()
	a.printf("\n")
	switch {
	case r.LastGood != nil:
		a.printf("last good  %s\n", pushName(*r.LastGood))
	default:
		a.printf("last good  none in the %d pushes before %s\n", len(r.History)-1, pushName(r.Start))
	}
	if r.FirstBad != nil {
		a.printf("first bad  %s\n", pushName(*r.FirstBad))
	}
	for _, m := range r.Merges {
		a.printFollowed(m)
	}
	for _, w := range r.Warnings {
		a.printf("warning    %s\n", w)
	}
	if link := a.link(ctx, r); link != "" {
		a.printf("look       %s\n", link)
	}
	a.printf("\n")
	a.printPlan(r.Plan, r.Label)
	if b.yes && r.Plan.Total() > 0 {
		return // what is asked for is said when it is
	}
	a.printf("%s to trigger\n", runs(r.Plan.Total()))
}

// printFollowed says where what a merge brought was good last.
func (a *app) printFollowed(m backfill.Followed) {
	where := "none that is known"
	if m.LastGood != nil {
		where = a.where(*m.LastGood)
	}
	a.printf("merge      push %s brought pushes of %s: last good there %s", a.where(m.Through), m.Repo, where)
	if m.FirstBad != nil {
		a.printf(", first bad %s", a.where(*m.FirstBad))
	}
	a.printf("\n")
}

// link is the page of the CI that was asked: Treeherder's of the range, or a Buildbot
// master's of the builder.
func (a *app) link(ctx context.Context, r backfill.FindResult) string {
	if a.opened != nil {
		if p, ok := a.opened.read.(*buildbot.Project); ok {
			return p.LabelPage(ctx, r.Label)
		}
	}
	if a.world != "" || !strings.Contains(a.thURL, "://") {
		return ""
	}
	oldest := r.History[len(r.History)-1].Push
	q := url.Values{
		"repo": {r.Start.Repo}, "fromchange": {oldest.Revision}, "tochange": {r.Start.Revision}, "searchStr": {r.Label},
	}
	at, err := url.Parse(strings.TrimSuffix(a.thURL, "/"))
	if err != nil {
		return ""
	}
	at.User = nil // a page is passed on
	return at.String() + "/jobs?" + q.Encode()
}

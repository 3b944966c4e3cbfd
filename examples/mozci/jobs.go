package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mozci/mozci/job"
)

func (a *app) jobsCommand() *cobra.Command {
	var rev string
	var labels []string
	cmd := &cobra.Command{
		Use:   "jobs [LINK]",
		Short: "Show every run on a push and how it ended",
		Long: `Show every run on a push and how it ended, by the CI itself: also runs that were
coalesced, retried, or lost with their machine.`,
		Example: `  mozci jobs --world testdata/worlds/permanent.txt --rev d4f3de2cd033
  mozci jobs --rev a062f26a3ad8 --label test-linux2404-64/opt-xpcshell-1`,
		Args: oneLink,
		RunE: a.linked(func(cmd *cobra.Command) error { return a.jobs(cmd, rev, labels) }),
	}
	cmd.Flags().StringVar(&rev, "rev", "", "the push, by a `revision`: 12 to 40 digits of hg or git, or tip")
	cmd.Flags().StringArrayVar(&labels, "label", nil, "show only runs of this `label`; can be repeated")
	return cmd
}

func (a *app) jobs(cmd *cobra.Command, rev string, labels []string) error {
	if rev == "" {
		return usage("jobs needs --rev")
	}
	p, err := a.places()
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	push, err := p.repo.Push(ctx, rev)
	if err != nil {
		return err
	}
	jobs, err := p.read.Jobs(ctx, push, labels...)
	slices.SortStableFunc(jobs, func(x, y job.Job) int {
		return cmp.Or(cmp.Compare(x.Name(), y.Name()), x.Times().Requested.Compare(y.Times().Requested))
	})
	if printErr := a.printJobs(p.read, push, jobs, err == nil); err == nil {
		err = printErr
	}
	if err != nil || len(jobs) > 0 {
		return err
	}
	if _, err := job.Catalog(ctx, p.read, push, labels...); errors.Is(err, job.ErrNotScheduled) {
		return err // it says where it was looked for
	}
	for _, l := range labels {
		ran, err := p.read.Jobs(ctx, push)
		if err != nil {
			break
		}
		if err := job.LookupRan(ran, l); err != nil {
			return job.Wrap("jobs", l, err)
		}
	}
	return job.Wrap("jobs", push.String(), fmt.Errorf("%w: nothing ran on it; to see what can run: mozci labels%s "+
		"--rev %s", job.ErrNotFound, a.placeFlags(), quoted(rev)))
}

// printJobs shows the runs on a push as a table after their sum, or each as JSON. With all
// false the CI had more, which could not be read.
func (a *app) printJobs(ci job.Scheduler, push job.Push, jobs []job.Job, all bool) error {
	if !a.json {
		a.printJobsText(ci, push, jobs, all)
		return nil
	}
	for _, j := range jobs {
		t := j.Times()
		err := a.printJSON(struct {
			ID        string     `json:"id"`
			Label     string     `json:"label"`
			Kind      job.Kind   `json:"kind"`
			Status    job.Status `json:"status"`
			Revision  *string    `json:"revision"`
			Git       *string    `json:"git_revision"`
			Hg        *string    `json:"hg_revision"`
			PushID    int64      `json:"push_id"`
			Requested *time.Time `json:"requested"`
			Started   *time.Time `json:"started"`
			Finished  *time.Time `json:"finished"`
			URL       *string    `json:"url"`
		}{
			j.ID(), j.Name(), j.Kind(), j.Status(), orNull(j.Push().Revision), orNull(j.Push().Git),
			orNull(j.Push().Hg), j.Push().ID,
			timeOrNull(t.Requested), timeOrNull(t.Started), timeOrNull(t.Finished), orNull(job.PageOf(ci, j)),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *app) printJobsText(ci job.Scheduler, push job.Push, jobs []job.Job, all bool) {
	if len(jobs) == 0 {
		return
	}
	// A terminal has the addresses as links, if at all: in a column they would not fit.
	pages := !a.look(a.out).terminal
	counts := map[job.Status]int{}
	g := grid{
		head: []string{"result", "job", "run", "took"}, cut: map[int]bool{2: true}, right: map[int]bool{4: true},
		list: true,
	}
	for _, j := range jobs {
		counts[j.Status()]++
		page, symbol := job.PageOf(ci, j), statusSymbol(j.Status())
		row := []cell{
			mark(symbol),
			{text: j.Status().String(), style: colourOf(symbol)},
			{text: j.Name(), url: page},
			{text: j.ID()},
			{text: took(j.Times())},
		}
		if pages && page != "" {
			row = append(row, cell{text: page})
		}
		g.add(row...)
	}
	var parts []string
	for _, s := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[s], s))
	}
	has := "has"
	if !all {
		has = "has at least"
	}
	a.paragraph("", strong, fmt.Sprintf("Push %s %s %s: %s.", pushName(push), has, runs(len(jobs)),
		strings.Join(parts, ", ")))
	a.printf("\n")
	g.write(a, a.out)
}

// took is how long a run took; empty while that is not known.
func took(t job.Times) string {
	if t.Started.IsZero() || t.Finished.IsZero() {
		return ""
	}
	return aboutTime(t.Finished.Sub(t.Started))
}

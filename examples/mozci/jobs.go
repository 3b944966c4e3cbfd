package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
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
	if printErr := a.printJobs(p.read, jobs); err == nil {
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
	return job.Wrap("jobs", push.String(), fmt.Errorf("%w: no jobs", job.ErrNotFound))
}

func (a *app) printJobs(ci job.Scheduler, jobs []job.Job) error {
	table := a.table()
	for _, j := range jobs {
		if !a.json {
			say(table, "%s\t%s\t%s", j.Status(), j.Name(), j.ID())
			cells(table, duration(j.Times()), job.PageOf(ci, j))
			continue
		}
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
	return table.Flush()
}

// cells ends a line of a table with cells that may be empty: at the end they are left
// out.
func cells(table io.Writer, more ...string) {
	for len(more) > 0 && more[len(more)-1] == "" {
		more = more[:len(more)-1]
	}
	for _, cell := range more {
		say(table, "\t%s", cell)
	}
	say(table, "\n")
}

// duration is empty while it is not known.
func duration(t job.Times) string {
	if t.Started.IsZero() || t.Finished.IsZero() {
		return ""
	}
	d := t.Finished.Sub(t.Started).Round(time.Second).String()
	if strings.HasSuffix(d, "m0s") {
		d = strings.TrimSuffix(d, "0s")
	}
	return d
}

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
	"github.com/mozci/mozci/job/contract/recorded"
	"github.com/mozci/mozci/job/treeherder"
	"github.com/mozci/mozci/pushlog"
	"github.com/mozci/mozci/taskcluster"
)

// contracts are those of all sources.
func contracts() []contract.Any {
	return slices.Concat(buildbot.Contracts(), selfserve.Contracts(), pushlog.Contracts(), taskcluster.Contracts(),
		treeherder.Contracts())
}

type sourceFlags struct {
	as   string
	live bool
}

func (a *app) checkSourcesCommand() *cobra.Command {
	var f sourceFlags
	c := &cobra.Command{
		Use:   "check-sources [PATH]...",
		Short: "Check that the services' answers still have the shape mozci reads",
		Long: `Check that recorded or live answers still have the shape that mozci reads.

A PATH is a file or a folder: cassettes (such as those of --record), HAR files, recorded
exchanges, Pulse messages, saved answers. An exchange is recognised by its URL and a message by
its exchange. A plain file is recognised by --as, by its name, or by what the folder's INDEX.md
says of it. mozci skips what it does not recognise, and names it on standard error.

With --live, mozci reads the newest pushes of --repo and their jobs from --ci, and checks every
answer. Nothing is triggered.

Findings: missing (a required field), type (another JSON type), word (an unknown word),
identity (an answer about something else), bound (a value or page out of bounds), and
new (a field that mozci does not know). All but new break mozci: exit status 1.`,
		Example: `  mozci check-sources taskcluster/testdata/cassettes
  mozci check-sources --live`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.checkSources(cmd.Context(), f, args) },
	}
	c.Flags().StringVar(&f.as, "as", "", "the `endpoint` that plain files are answers of, such as treeherder/jobs")
	c.Flags().BoolVar(&f.live, "live", false, "check what the services answer now")
	return c
}

func (a *app) checkSources(ctx context.Context, f sourceFlags, paths []string) error {
	c := &recorded.Checker{Endpoints: contracts(), As: f.as}
	switch {
	case len(paths) == 0 && !f.live:
		return usage("check-sources needs a file or a folder, or --live")
	case a.world != "":
		return usage("--world: a world has no services to check")
	case f.as != "":
		if _, err := c.Lookup(f.as); err != nil {
			return usage("--as: %v", err)
		}
	}
	var bad []error
	for _, path := range paths {
		bad = append(bad, recorded.Walk(path, c.Check))
	}
	if f.live {
		bad = append(bad, a.checkLive(ctx, c))
	}
	return errors.Join(append(bad, a.printFindings(c))...)
}

// checkLive reads what a question reads, and checks every answer, whether or not
// mozci could do anything with it.
func (a *app) checkLive(ctx context.Context, c *recorded.Checker) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	w := &recorded.Witness{}
	if client != nil {
		w.Next = client.Transport
	}
	a.witness = &http.Client{Transport: w}
	p, err := a.places()
	if err != nil {
		return err
	}
	err = tour(ctx, p)
	for _, i := range w.Items() {
		err = errors.Join(err, c.Check(i))
	}
	return err
}

// toured is how many of the newest pushes are read.
const toured = 10

// tour reads the newest pushes and the jobs of those that have some, and what can
// run on the newest of these.
func tour(ctx context.Context, p *places) error {
	pushes, err := p.repo.Pushes(ctx, job.Around("tip", toured-1, 0))
	if err != nil {
		return err
	}
	var bad []error
	read := 0
	for _, push := range slices.Backward(pushes) {
		jobs, err := p.read.Jobs(ctx, push)
		if err != nil && !errors.Is(err, job.ErrNotScheduled) && !errors.Is(err, job.ErrNotFound) {
			bad = append(bad, err)
		}
		if len(jobs) == 0 {
			continue
		}
		if catalog, ok := p.read.(job.Cataloger); ok && read == 0 {
			if _, err := catalog.Catalog(ctx, push); err != nil && !errors.Is(err, errors.ErrUnsupported) {
				bad = append(bad, err)
			}
		}
		if read++; read == 3 {
			break
		}
	}
	if read == 0 && len(bad) == 0 {
		bad = append(bad, fmt.Errorf("none of the %d newest pushes has a job to check", len(pushes)))
	}
	return errors.Join(bad...)
}

// finding is the JSON of a finding. Beside what cli.md fixes it says where it was
// found first, and how often.
type finding struct {
	Source string `json:"source"`
	Path   string `json:"path"`
	Kind   string `json:"finding"`
	Detail string `json:"detail"`
	File   string `json:"file"`
	At     string `json:"at"`
	Count  int    `json:"count"`
}

func (a *app) printFindings(c *recorded.Checker) error {
	g := grid{
		head: []string{"source", "path", "finding", "detail", "times", "first in"},
		cut:  map[int]bool{2: true, 4: true, 6: true}, right: map[int]bool{5: true}, list: true,
	}
	breaks := 0
	for _, f := range c.Found() {
		if f.Breaks() {
			breaks++
		}
		if a.json {
			err := a.printJSON(finding{
				f.Source, f.Field(), string(f.Kind), f.Detail, f.Item.String(), f.Path, f.Count,
			})
			if err != nil {
				return err
			}
			continue
		}
		symbol := machine
		if f.Breaks() {
			symbol = failed
		}
		g.add(mark(symbol), cell{text: f.Source}, cell{text: f.Field()}, cell{text: string(f.Kind)},
			cell{text: oneLine(f.Detail)}, cell{text: strconv.Itoa(f.Count)}, cell{text: oneLine(f.Item.String())})
	}
	if len(g.rows) > 0 {
		g.write(a, a.out)
	}
	a.sayChecked(c, breaks)
	switch {
	case breaks > 0:
		return errTold
	case len(c.Checked) == 0:
		return errors.New("nothing was recognised; say with --as what a plain file holds")
	}
	return nil
}

// sayChecked says on standard error what was checked, and what was not.
func (a *app) sayChecked(c *recorded.Checker, breaks int) {
	skipped := 0
	for _, s := range c.Skipped {
		a.warnf("note: skipped %s of %s: %s\n", plural(s.Items, "item"), s.File, s.Why)
		skipped += s.Items
	}
	n := 0
	for _, count := range c.Checked {
		n += count
	}
	of := ""
	if n > 0 {
		of = ": " + strings.Join(slices.Sorted(maps.Keys(c.Checked)), ", ")
	}
	a.warnf("note: checked %s of %s%s\n", plural(n, "item"), plural(len(c.Checked), "endpoint"), of)
	a.warnf("note: skipped %s that mozci does not recognise, and %s that refuse or redirect\n", plural(skipped, "item"),
		plural(c.Refused, "answer"))
	if breaks > 0 {
		a.warnf("note: %s what mozci reads\n", breaking(breaks))
	}
}

func breaking(n int) string {
	if n == 1 {
		return "1 finding breaks"
	}
	return fmt.Sprintf("%d findings break", n)
}

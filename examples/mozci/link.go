package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/link"
	"github.com/mozci/mozci/pushlog"
	"github.com/mozci/mozci/taskcluster"
)

func (a *app) linkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "link LINK",
		Short: "Show what a copied link names: which job, push or log",
		Long: `Show what a copied link names: which job, push or log. mozci asks no service.

LINK is an address as copied from the browser: a page of Treeherder, Taskcluster, hg or
Buildbot, a commit of Firefox on GitHub, or the id of a task, alone or with a run (ID/0).
Its host must be one that --treeherder-url, --root-url, --hg-url or --buildbot-url names,
or their default.`,
		Example: `  mozci link 'https://treeherder.mozilla.org/jobs?repo=autoland&revision=52f516546de7'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("link needs one LINK, in quotes, because a shell reads & and # itself")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			l, err := a.parseLink(args[0])
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(asJSON(l))
			}
			return a.printLink(l)
		},
	}
}

// parseLink takes a link apart that is of one of the deployments in use.
func (a *app) parseLink(text string) (link.Link, error) {
	l, err := link.Parse(text, a.deployments())
	var e *job.Error
	if errors.Is(err, link.ErrHost) && errors.As(err, &e) {
		err = &job.Error{Op: e.Op, Key: e.Key, Err: fmt.Errorf(
			"%w, with --treeherder-url, --root-url, --hg-url or --buildbot-url", e.Err)}
	}
	return l, err
}

// deployments are those that flags, the environment or defaults name.
func (a *app) deployments() link.Deployments {
	d := link.Deployments{
		Taskcluster: []string{cmp.Or(a.taskclusterRoot(os.Getenv("TASKCLUSTER_ROOT_URL")), taskcluster.FirefoxCI)},
		Hg:          []string{a.hgURL},
		Repository:  pushlog.ShortName,
	}
	if strings.Contains(a.thURL, "://") { // and no file
		d.Treeherder = []string{a.thURL}
	}
	if a.hgURL == pushlog.DefaultURL { // the mirror of that repository
		d.Git = []string{link.FirefoxGit}
	}
	if a.buildbotURL != "" {
		d.Buildbot = []string{a.buildbotURL}
	}
	return d
}

type linkJSON struct {
	CI           *string `json:"ci"`
	Root         *string `json:"root"`
	Repo         *string `json:"repo"`
	Revision     *string `json:"revision"`
	Task         *string `json:"task"`
	Run          *int64  `json:"run"`
	Group        *string `json:"group"`
	JobID        *int64  `json:"job_id"`
	Builder      *string `json:"builder"`
	Build        *int64  `json:"build"`
	BuildRequest *int64  `json:"buildrequest"`
	Line         *int64  `json:"line"`
	// What few links have is left out where there is none.
	From      string `json:"from_revision,omitempty"`
	AfterFrom bool   `json:"after_from,omitempty"`
	Landing   string `json:"landing,omitempty"`
	Search    string `json:"search,omitempty"`
}

func asJSON(l link.Link) linkJSON {
	return linkJSON{
		CI: orNull(l.CI()), Root: orNull(l.Root), Repo: orNull(l.Repo), Revision: orNull(l.Revision),
		Task: orNull(l.Task), Run: l.Run, Group: orNull(l.Group), JobID: l.JobID, Builder: orNull(l.Builder),
		Build: l.Build, BuildRequest: l.BuildRequest, Line: l.Line,
		From: l.From, AfterFrom: l.AfterFrom, Landing: l.Landing, Search: l.Search,
	}
}

// printLink shows a line for each thing that the link says.
func (a *app) printLink(l link.Link) error {
	table := &grid{}
	from := "first revision"
	if l.AfterFrom {
		from = "last revision before"
	}
	row(table, "service", strings.TrimSpace(string(l.Source)+" "+l.Root))
	row(table, "repository", l.Repo)
	row(table, from, l.From)
	row(table, "revision", l.Revision)
	row(table, "Lando landing", l.Landing)
	row(table, "task", l.Task)
	numberRow(table, "run", l.Run)
	row(table, "task group", l.Group)
	numberRow(table, "Treeherder job", l.JobID)
	row(table, "builder", l.Builder)
	numberRow(table, "build", l.Build)
	numberRow(table, "build request", l.BuildRequest)
	numberRow(table, "line of the log", l.Line)
	row(table, "search", l.Search)
	table.write(a, a.out)
	return nil
}

func row(table *grid, name, value string) {
	if value != "" {
		table.add(cell{}, cell{text: name}, cell{text: value})
	}
}

func numberRow(table *grid, name string, n *int64) {
	if n != nil {
		row(table, name, strconv.FormatInt(*n, 10))
	}
}

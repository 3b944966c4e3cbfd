package main

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

func (a *app) labelsCommand() *cobra.Command {
	var rev string
	var c choosing
	cmd := &cobra.Command{
		Use:   "labels [LINK]",
		Short: "List what can run on a push, and the builds each job needs",
		Example: `  mozci labels --world testdata/worlds/permanent.txt --rev tip
  mozci labels --rev tip --query 'xpcshell !debug linux'`,
		Args: oneLink,
		RunE: a.linked(func(cmd *cobra.Command) error { return a.labels(cmd, rev, &c) }),
	}
	cmd.Flags().StringVar(&rev, "rev", "tip", "the push, by a `revision`: 12 to 40 digits of hg or git, or tip")
	c.byName(cmd.Flags())
	return cmd
}

func (a *app) labels(cmd *cobra.Command, rev string, c *choosing) error {
	choice, err := c.choice()
	if err != nil {
		return err
	}
	p, err := a.places()
	if err != nil {
		return err
	}
	push, err := p.repo.Push(cmd.Context(), rev)
	if err != nil {
		return err
	}
	entries, err := job.Catalog(cmd.Context(), p.act, push)
	if err != nil {
		return err
	}
	byLabel := map[string]job.Runnable{}
	for _, e := range entries {
		byLabel[e.Label] = e
	}
	found := choice.Choose(entries).Labels
	g := grid{head: []string{"label", "kind", "needs"}, cut: map[int]bool{1: true, 3: true}, list: true}
	for _, l := range found {
		e := byLabel[l]
		if !a.json {
			g.add(cell{}, cell{text: e.Label}, cell{text: e.Kind.String()}, cell{text: strings.Join(e.Upstreams, ", ")})
			continue
		}
		err := a.printJSON(struct {
			Label     string   `json:"label"`
			Kind      job.Kind `json:"kind"`
			Upstreams []string `json:"upstreams"`
		}{e.Label, e.Kind, append([]string{}, e.Upstreams...)})
		if err != nil {
			return err
		}
	}
	if len(found) == 0 {
		return job.Wrap("labels", push.String(), fmt.Errorf("%w: no labels", job.ErrNotFound))
	}
	if !a.json {
		a.paragraph("", strong, fmt.Sprintf("%s can run on push %s.", plural(len(found), "label"), pushName(push)))
		a.printf("\n")
		g.write(a, a.out)
	}
	return nil
}

func (a *app) cancelCommand() *cobra.Command {
	var plan string
	var f actFlags
	cmd := &cobra.Command{
		Use:     "cancel",
		Short:   "Stop the runs that a plan triggered",
		Long:    `Stop the runs that a plan triggered, by the ledger. Runs that have ended stay.`,
		Example: `  mozci cancel --plan plan.json --yes`,
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.cancel(cmd, plan, f) },
	}
	cmd.Flags().StringVar(&plan, "plan", "", "the `file` with the plan, which --json printed")
	f.addAs(cmd, "print what would be stopped, and stop nothing", "stop the runs without a question")
	return cmd
}

func (a *app) cancel(cmd *cobra.Command, file string, f actFlags) error {
	if file == "" {
		return usage("cancel needs --plan")
	}
	if err := f.check(); err != nil {
		return err
	}
	plan, p, ledger, err := a.openPlan(cmd.Context(), file)
	if err != nil {
		return err
	}
	if !a.wantedTo(cmd.Context(), f, fmt.Sprintf("Cancel the %s of this plan?", runs(plan.Total()))) {
		a.printf("Nothing was cancelled. To cancel the %s of this plan, add --yes.\n", runs(plan.Total()))
		return nil
	}
	ids, left, err := trigger.Cancel(cmd.Context(), p.act, ledger, plan)
	if printErr := a.printCancelled(ids, left); err == nil {
		err = printErr
	}
	if err == nil && len(ids) == 0 && len(left) == 0 && !a.json {
		a.printf("There is nothing to cancel: every run of this plan has ended.\n")
	}
	if err == nil && len(ids) == 0 && len(left) > 0 {
		return job.Wrap("cancel", file, fmt.Errorf("%w: the ledger does not know that anything of this plan was "+
			"triggered",
			job.ErrNotFound))
	}
	return err
}

func (a *app) printCancelled(ids []string, left []trigger.LeftOut) error {
	if !a.json {
		for _, id := range ids {
			a.printf("cancelled %s\n", id)
		}
		a.printPlan(trigger.Plan{LeftOut: left}, "", true)
		return nil
	}
	type leftJSON struct {
		Label string      `json:"label"`
		Push  job.PushRef `json:"push"`
		Why   string      `json:"why"`
	}
	out := struct {
		Cancelled []string   `json:"cancelled"`
		LeftOut   []leftJSON `json:"left_out"`
	}{append([]string{}, ids...), []leftJSON{}}
	for _, l := range left {
		out.LeftOut = append(out.LeftOut, leftJSON{l.Label, l.Push.Ref(), l.Why})
	}
	return a.printJSON(out)
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show which version this is",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			v := version()
			if a.json {
				return a.printJSON(v)
			}
			a.printf("mozci %s, %s\n", v["version"], v["go"])
			return nil
		},
	}
}

func version() map[string]string {
	out := map[string]string{"version": "unknown", "go": "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return out
	}
	out["version"], out["go"] = info.Main.Version, info.GoVersion
	if i := slices.IndexFunc(info.Settings, func(s debug.BuildSetting) bool {
		return s.Key == "vcs.revision"
	}); i >= 0 {
		out["revision"] = info.Settings[i].Value
	}
	return out
}

// credentialsHelp is a page of help, without a command.
func credentialsHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "credentials",
		Short: "Which actions need credentials, and where mozci finds them",
		Long: `Reading needs no credentials: hg.mozilla.org's pushlog, Treeherder and Firefox's
Taskcluster are public. To see what yours may do: mozci doctor

Taskcluster: to trigger runs, mozci needs a client with the scope to fire the
hooks of in-tree actions, hooks:trigger-hook:project-gecko/in-tree-action-*. It
reads TASKCLUSTER_CLIENT_ID, TASKCLUSTER_ACCESS_TOKEN and, for temporary
credentials, TASKCLUSTER_CERTIFICATE; "taskcluster signin" prints them. They are
for the deployment of TASKCLUSTER_ROOT_URL or --root-url. Inside a task, mozci
uses TASKCLUSTER_PROXY_URL and signs nothing. If a scope is missing, the error
names it.

Buildbot: to force builds, most masters want a user: set BUILDBOT_USER and
BUILDBOT_PASSWORD. mozci signs in at --buildbot-url with them, be it the master
itself or a server in front of it. For a master that signs in through GitHub,
Google or the like, sign in with a browser and set BUILDBOT_COOKIE to the Cookie
header of its requests. mozci sends BUILDBOT_TOKEN as a bearer token.

BuildAPI's self-serve wanted an LDAP account: SELFSERVE_USER and
SELFSERVE_PASSWORD.

Pulse tells mozci of changes at once. It needs an account of
https://pulseguardian.mozilla.org: PULSE_USER and PULSE_PASSWORD. Without one
mozci asks the CI every minute.

Treeherder is read only. A world in memory needs no credentials.

A ledger in PostgreSQL takes its user and password from the URL, as in
--ledger postgres://user@host/database, or from the variables that PostgreSQL's
own tools read: PGUSER, PGPASSWORD, PGPASSFILE. Prefer the variables: other users
of the machine can see a URL with a password.

Secrets never reach a log, an error, or a recording of --record.`,
	}
}

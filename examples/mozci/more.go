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
		Use:     "labels [LINK]",
		Short:   "What can run on a push, and the builds that it needs",
		Example: `  mozci labels --rev tip --query 'xpcshell !debug linux'`,
		Args:    oneLink,
		RunE:    a.linked(func(cmd *cobra.Command) error { return a.labels(cmd, rev, &c) }),
	}
	cmd.Flags().StringVar(&rev, "rev", "tip", "a `revision` of 12 to 40 digits, or tip")
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
	table := a.table()
	for _, l := range found {
		e := byLabel[l]
		if !a.json {
			needs := ""
			if len(e.Upstreams) > 0 {
				needs = "needs " + strings.Join(e.Upstreams, ", ")
			}
			say(table, "%s\t%s", e.Label, e.Kind)
			cells(table, needs)
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
	return table.Flush()
}

func (a *app) cancelCommand() *cobra.Command {
	var plan string
	var f actFlags
	cmd := &cobra.Command{
		Use:     "cancel",
		Short:   "Stop the runs that a plan asked for",
		Long:    `Stop the runs that a plan asked for, as the ledger knows them. What has ended stays.`,
		Example: `  mozci cancel --plan plan.json --yes`,
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.cancel(cmd, plan, f) },
	}
	cmd.Flags().StringVar(&plan, "plan", "", "the `file` with the plan, which --json printed")
	f.add(cmd)
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
	if !a.wantedTo(f, fmt.Sprintf("Cancel what the plan of %s asked for?", runs(plan.Total()))) {
		a.printf("%s to cancel, if they were asked for\n", runs(plan.Total()))
		return nil
	}
	ids, left, err := trigger.Cancel(cmd.Context(), p.act, ledger, plan)
	if printErr := a.printCancelled(ids, left); err == nil {
		err = printErr
	}
	if err == nil && len(ids) == 0 && len(left) == 0 && !a.json {
		a.printf("nothing to cancel: what it triggered has ended\n")
	}
	if err == nil && len(ids) == 0 && len(left) > 0 {
		return job.Wrap("cancel", file, fmt.Errorf("%w: nothing of this plan is known to be asked for",
			job.ErrNotFound))
	}
	return err
}

func (a *app) printCancelled(ids []string, left []trigger.LeftOut) error {
	if !a.json {
		for _, id := range ids {
			a.printf("cancelled %s\n", id)
		}
		a.printPlan(trigger.Plan{LeftOut: left}, "")
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
		Short: "Which mozci this is",
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
		Short: "What needs credentials, and where they come from",
		Long: `Reading needs no credentials: hg.mozilla.org's pushlog and Treeherder are public.

So are the reads of Firefox's Taskcluster.

Asking Taskcluster for runs needs a client with the scope to fire the hooks of
in-tree actions, hooks:trigger-hook:project-gecko/in-tree-action-*. It is found
where Taskcluster's own tools look: TASKCLUSTER_CLIENT_ID, TASKCLUSTER_ACCESS_TOKEN
and, for temporary credentials, TASKCLUSTER_CERTIFICATE, for the deployment of
TASKCLUSTER_ROOT_URL or --root-url; "taskcluster signin" prints them. Inside a
task TASKCLUSTER_PROXY_URL is used, and nothing is signed here. What is missing
is named when the service refuses.

Forcing builds on a Buildbot master mostly needs a user who may: BUILDBOT_USER and
BUILDBOT_PASSWORD, with which a session is begun at --buildbot-url, be it the master
that signs in or a server in front of it. For a master that signs in through GitHub,
Google or the like, sign in with a browser and set BUILDBOT_COOKIE to the Cookie
header of its requests; BUILDBOT_TOKEN is sent as a bearer token.

BuildAPI's self-serve wanted an LDAP account of everybody: SELFSERVE_USER and
SELFSERVE_PASSWORD.

Pulse, by which mozci hears of changes at once, needs an account of
https://pulseguardian.mozilla.org: PULSE_USER and PULSE_PASSWORD. Without one the CI
is asked every minute.

Treeherder is read only, and a world in memory needs no credentials.

A ledger in PostgreSQL takes a user and a password from its URL, as in
--ledger postgres://user@host/database, or from the variables that PostgreSQL's
own tools read: PGUSER, PGPASSWORD, PGPASSFILE. Prefer the variables: a URL with a
password can be seen by others on the same machine.

Secrets never reach a log, an error, or a recording of --record.`,
	}
}

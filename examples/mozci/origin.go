package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mozci/mozci/job"
)

func (a *app) originCommand() *cobra.Command {
	var rev string
	cmd := &cobra.Command{
		Use:   "origin [LINK]",
		Short: "Show which pushes a merge brought in, and from which repository",
		Long: `Show which pushes a merge brought in, and from which repository. For each merge on
the push, mozci lists the pushes of the other repository that brought something
new, and no others.`,
		Example: `  mozci origin --world testdata/worlds/merges.txt --repo mozilla-central --rev 3b00
  mozci origin --repo mozilla-central --rev 645d1a02d1b6`,
		Args: oneLink,
		RunE: a.linked(func(cmd *cobra.Command) error { return a.origin(cmd, rev) }),
	}
	cmd.Flags().StringVar(&rev, "rev", "", "the push, by a `revision`: 12 to 40 digits of hg or git, or tip")
	return cmd
}

type originJSON struct {
	Repo    *string      `json:"repo"`
	FirstID *int64       `json:"first_id"`
	LastID  *int64       `json:"last_id"`
	Pushes  []originPush `json:"pushes"`
	Before  *job.PushRef `json:"before"`
	Gone    bool         `json:"gone"`
}

type originPush struct {
	ID       int64  `json:"id"`
	Revision string `json:"revision"`
	Git      string `json:"git_revision,omitempty"`
}

func (a *app) origin(cmd *cobra.Command, rev string) error {
	if rev == "" {
		return usage("origin needs --rev")
	}
	repo, err := a.pushRepository()
	if err != nil {
		return err
	}
	push, err := repo.Push(cmd.Context(), rev)
	if err != nil {
		return err
	}
	origins, err := job.Origins(cmd.Context(), repo, push)
	if err != nil {
		return err
	}
	if a.json {
		return a.printOrigins(push, origins)
	}
	a.printf("%s\n", push)
	for _, o := range origins {
		if o.Gone {
			a.printf("  %.12s came from %s, which is gone or was not asked\n", o.Head, o.Repo)
			continue
		}
		a.printf("  %.12s came from %s with %d pushes:\n", o.Head, o.Repo, len(o.Pushes))
		for _, p := range o.Pushes {
			a.printf("    %s\n", strings.TrimSpace(fmt.Sprintf("%s  %s", pushName(p), firstLine(p))))
		}
	}
	if len(origins) == 0 {
		a.printf("  it brought nothing from another repository\n")
	}
	return nil
}

func (a *app) printOrigins(push job.Push, origins []job.Origin) error {
	out := struct {
		Push   job.PushRef  `json:"push"`
		Merges []originJSON `json:"merges"`
	}{push.Ref(), []originJSON{}}
	for _, o := range origins {
		j := originJSON{Repo: orNull(o.Repo), Pushes: []originPush{}, Gone: o.Gone}
		for _, p := range o.Pushes {
			j.Pushes = append(j.Pushes, originPush{p.ID, p.Revision, p.Git})
		}
		if n := len(j.Pushes); n > 0 {
			j.FirstID, j.LastID = &j.Pushes[0].ID, &j.Pushes[n-1].ID
		}
		if o.Before != nil {
			ref := o.Before.Ref()
			j.Before = &ref
		}
		out.Merges = append(out.Merges, j)
	}
	return a.printJSON(out)
}

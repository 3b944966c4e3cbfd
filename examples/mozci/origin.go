package main

import (
	"fmt"

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
	a.printOriginsText(push, origins)
	return nil
}

func (a *app) printOriginsText(push job.Push, origins []job.Origin) {
	name := fmt.Sprintf("Push %s of %s", pushName(push), push.Repo)
	if len(origins) == 0 {
		a.paragraph("", strong, name+" brought nothing from another repository.")
	}
	for i, o := range origins {
		if i > 0 {
			a.printf("\n")
		}
		if o.Gone {
			from := "a repository that mozci cannot find"
			if o.Repo != "" {
				from = o.Repo + ", which is gone or which mozci was not told about"
			}
			a.paragraph("", strong, fmt.Sprintf("%s brought %.12s from %s.", name, o.Head, from))
			continue
		}
		a.paragraph("", strong, fmt.Sprintf("%s brought %s of %s, up to %.12s:", name, plural(len(o.Pushes), "push"),
			o.Repo, o.Head))
		a.printf("\n")
		g := grid{head: []string{"push", "what"}, cut: map[int]bool{2: true}, list: true}
		for _, p := range o.Pushes {
			g.add(cell{}, cell{text: pushName(p), url: a.pushPage(p)}, cell{text: firstLine(p)})
		}
		g.write(a, a.out)
	}
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

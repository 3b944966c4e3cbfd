package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/trychooser"
)

// runsTests prints which jobs of a push run the tests of a path. Of them those count that
// the other flags choose.
func (a *app) runsTests(ctx context.Context, s chooserSource, catalog []job.Runnable, push job.Push,
	choice trychooser.Choice, c chooserFlags,
) error {
	lists, err := job.TestsByManifest(ctx, s.p.act, push)
	switch {
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, job.ErrNotFound):
		// The manifests' own places tell, too, though not as exactly.
	case err != nil:
		return err
	}
	chosen := choice.Choose(catalog)
	if !a.json {
		a.misunderstood(choice, chosen)
	}
	wanted := map[string]bool{}
	for _, l := range chosen.Labels {
		wanted[l] = true
	}
	var found []trychooser.Ran
	var labels []string
	for _, r := range trychooser.Runs(catalog, lists, c.tests) {
		if wanted[r.Label] {
			found, labels = append(found, r), append(labels, r.Label)
		}
	}
	switch {
	case len(found) == 0:
		return job.Wrap("trychooser", push.String(), fmt.Errorf("%w: no job is known to run %s", job.ErrNotFound,
			c.tests))
	case c.config:
		return a.printConfig(labels, c)
	}
	return a.printRan(found)
}

func (a *app) printRan(found []trychooser.Ran) error {
	g := grid{head: []string{"label", "platform", "by"}, cut: map[int]bool{1: true, 3: true}, list: true}
	for _, r := range found {
		if !a.json {
			g.add(cell{}, cell{text: r.Label}, cell{text: r.Platform}, cell{text: few(r.Manifests)})
			continue
		}
		if err := a.printJSON(r); err != nil {
			return err
		}
	}
	if !a.json {
		g.write(a, a.out)
	}
	return nil
}

// few are the first of some names, and how many more there are.
func few(names []string) string {
	const most = 3
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), more)
	}
	return strings.Join(names, ", ")
}

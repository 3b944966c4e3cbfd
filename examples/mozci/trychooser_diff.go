package main

import (
	"context"

	"github.com/mozci/mozci/trigger/trychooser"
)

// compare prints what can run now and could not before, and the reverse. The exit status
// is 1 where there is anything to print.
func (a *app) compare(ctx context.Context, source chooserSource, c chooserFlags) error {
	before, err := a.graph(ctx, source, c.diff)
	if err != nil {
		return err
	}
	catalog, _, err := source.catalog(ctx, c.rev)
	if err != nil {
		return err
	}
	diff := trychooser.Compare(before, trychooser.NewGraph(catalog))
	if err := a.printDiff(diff); err != nil {
		return err
	}
	if !diff.Empty() {
		return errTold // the difference is what was to be said
	}
	return nil
}

func (a *app) printDiff(diff trychooser.Diff) error {
	if a.json {
		return a.printJSON(diff)
	}
	g := grid{cut: map[int]bool{4: true, 5: true}, list: true}
	line := func(what string, e trychooser.Entry) {
		g.add(cell{}, cell{text: what}, cell{text: e.Type}, cell{text: e.Platform}, cell{text: e.Label},
			cell{text: needs(e)})
	}
	for _, e := range diff.New {
		line("new", e)
	}
	for _, e := range diff.Gone {
		line("gone", e)
	}
	for _, r := range diff.Renamed {
		line("renamed", r.From)
		line("to", r.To)
	}
	g.write(a, a.out)
	if diff.Empty() {
		a.printf("no difference\n")
		return nil
	}
	a.printf("%s new, %s gone, %s renamed\n", thousands(len(diff.New)), thousands(len(diff.Gone)),
		thousands(len(diff.Renamed)))
	return nil
}

// needs is which build a test needs, where that is known.
func needs(e trychooser.Entry) string {
	if e.Build == nil || *e.Build == e.Label {
		return ""
	}
	return "needs " + *e.Build
}

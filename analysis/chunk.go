package analysis

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/mozci/mozci/job"
)

// Counterpart is the label that, on one push, runs the manifests that another label runs
// on other pushes.
type Counterpart struct {
	Label string
	Has   []string // the wanted manifests that it runs
	Lacks []string // the wanted manifests that it does not run
}

// String says how many of the manifests it runs: "runs dom/a.toml", "runs 2 of the 3
// manifests".
func (c Counterpart) String() string {
	switch {
	case len(c.Has) == 1 && len(c.Lacks) == 0:
		return "runs " + c.Has[0]
	case len(c.Lacks) == 0:
		return fmt.Sprintf("runs the %d manifests", len(c.Has))
	}
	return fmt.Sprintf("runs %d of the %d manifests", len(c.Has), len(c.Has)+len(c.Lacks))
}

// Counterparts finds the labels in a push's catalog that run the given manifests. Tests
// move between the chunks of a suite from push to push, so a label such as xpcshell-3 may
// run other tests there.
//
// Only chunks with the same base name are considered. Those that run most of the
// manifests come first; on a tie the label itself comes first, then the lower chunk. An
// empty result with known true means that no chunk runs any of them on this push. known
// is false when this cannot be told: no manifests were given, or the catalog does not say
// what the chunks run.
func Counterparts(catalog []job.Runnable, label string, manifests []string) (found []Counterpart, known bool) {
	base, _ := job.SplitChunk(label)
	for _, e := range catalog {
		if b, _ := job.SplitChunk(e.Label); b != base || len(e.Manifests) == 0 {
			continue
		}
		known = len(manifests) > 0
		c := Counterpart{Label: e.Label}
		for _, m := range manifests {
			if slices.Contains(e.Manifests, m) {
				c.Has = append(c.Has, m)
			} else {
				c.Lacks = append(c.Lacks, m)
			}
		}
		if len(c.Has) > 0 {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b Counterpart) int {
		_, na := job.SplitChunk(a.Label)
		_, nb := job.SplitChunk(b.Label)
		return cmp.Or(cmp.Compare(len(b.Has), len(a.Has)), cmp.Compare(other(a, label), other(b, label)),
			cmp.Compare(na, nb))
	})
	return found, known
}

// other sorts the label itself, 0, before all others, 1.
func other(c Counterpart, label string) int {
	if c.Label == label {
		return 0
	}
	return 1
}

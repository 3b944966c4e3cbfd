package backfill_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job/jobtest"
)

// The test moved from chunk 1 to chunk 2 with push 12, and did not exist before
// push 10: chunk 1 passing on 12 says nothing of it.
func TestFindAcrossChunks(t *testing.T) {
	world := jobtest.MustParse(`
needs m-1 build
needs m-2 build
kind build build
runs m-1 dom/b.toml
runs m-1 from=10 dom/a.toml dom/b.toml
runs m-1 from=12 dom/b.toml
runs m-2 from=12 dom/a.toml
push    build m-1       m-2
9  a0c0 pass  fail      pass
10 a1c0 pass  pass      fail
11 a2c0 pass  coalesced fail
12 a3c0 pass  pass      -
13 a4c0 pass  pass      fail`)
	ci := jobtest.NewCI(world, nil)
	repo, err := ci.Repository("autoland")
	if err != nil {
		t.Fatal(err)
	}
	r, err := backfill.Find(t.Context(), repo, ci, "m-2", "tip",
		&backfill.FindOptions{Times: 2, Manifests: []string{"dom/a.toml"}})
	if err != nil {
		t.Fatal(err)
	}
	want := `last good 10, first bad 13
missing: 12 11
  12 trigger m-2 2: between last good 10 and first bad 13; 0 of 2 runs
  11 trigger m-1 2: between last good 10 and first bad 13; 0 of 2 runs (1 coalesced); runs dom/a.toml, as m-2 does elsewhere: tests move between chunks
`
	if d := cmp.Diff(want, trace(r)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	// Before push 10 no chunk has the test: there is nothing to run.
	r, err = backfill.Find(t.Context(), repo, ci, "m-2", "tip",
		&backfill.FindOptions{Holes: true, Manifests: []string{"dom/a.toml"}})
	if err != nil {
		t.Fatal(err)
	}
	last := r.Plan.LeftOut[len(r.Plan.LeftOut)-1]
	if !last.Untestable || last.Push.ID != 9 ||
		last.Why != "not testable: the test did not exist yet" {
		t.Errorf("%+v", r.Plan.LeftOut)
	}
}

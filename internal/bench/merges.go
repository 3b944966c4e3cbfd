package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/pushlog"
)

// The number of pushes of mozilla-central, the number of merges among them, and the number of
// pushes that each merge brought.
const (
	own        = 400
	mergesMade = 10
	brought    = 60
)

func nodeName(kind byte, i int) string { return fmt.Sprintf("%02x%038x", kind, i) }

// mergeHistory is a mozilla-central with merges from autoland. merge is the last of them.
func mergeHistory() (hg *hgtest.Server, merge int) {
	hg = hgtest.New()
	add := func(repo string, id int64, changesets ...hgtest.Changeset) {
		hg.Add(pushlog.Path(repo), id, hgtest.Push{Date: 1000 * id, User: "dev", Changesets: changesets})
	}
	var waiting []hgtest.Changeset
	auto := 0
	for i := 1; i <= own; i++ {
		tip := hgtest.Changeset{
			Node: nodeName(0xc, i), Desc: "Bug", Author: "dev",
			Parents: []string{nodeName(0xc, i-1)},
		}
		if i%(own/mergesMade) != 0 {
			add("mozilla-central", int64(i), tip)
			continue
		}
		waiting = nil
		for range brought {
			auto++
			c := hgtest.Changeset{
				Node: nodeName(0xa, auto), Desc: "Bug", Author: "dev",
				Parents: []string{nodeName(0xa, auto-1)},
			}
			hg.Add(pushlog.Path("autoland"), int64(auto),
				hgtest.Push{Date: int64(1000*i - 100 + auto%brought), User: "dev", Changesets: []hgtest.Changeset{c}})
			waiting = append(waiting, c)
		}
		merge = i
		tip.Desc = "Merge autoland to mozilla-central. a=merge"
		tip.Parents = append(tip.Parents, nodeName(0xa, auto))
		add("mozilla-central", int64(i), append(waiting, tip)...)
	}
	return hg, merge
}

// merges counts the requests for resolving one merge of 60 pushes, and for a walk over a thousand
// pushes and ten merges.
func merges(t *testing.T) {
	hg, merge := mergeHistory()
	server, err := pushlog.New("https://hg.example", &pushlog.Options{HTTP: hgtest.Client(hg)})
	if err != nil {
		t.Fatal(err)
	}
	central := server.Repository("mozilla-central")
	candidates := len(pushlog.DefaultCandidates) - 1
	fmt.Printf("merges: requests, with %d candidate repositories\n\n", candidates)

	before := len(hg.Requests())
	origins, err := central.Origins(t.Context(),
		job.Push{Repo: "mozilla-central", ID: int64(merge), Revision: nodeName(0xc, merge)})
	if err != nil || len(origins) != 1 || len(origins[0].Pushes) != brought {
		t.Fatalf("%d origins, %v", len(origins), err)
	}
	row(t, fmt.Sprintf("a merge of %d pushes", brought), len(hg.Requests())-before, 2+candidates, brought)

	before = len(hg.Requests())
	visits := 0
	for v, err := range pushlog.Walk(t.Context(), central, "tip", nil) {
		if err != nil || v.Err != nil {
			t.Fatal(err, v.Err)
		}
		visits++
	}
	if visits != own+mergesMade*brought {
		t.Errorf("%d pushes were walked, expected %d", visits, own+mergesMade*brought)
	}
	row(t, fmt.Sprintf("a walk over %d pushes and %d merges", visits, mergesMade), len(hg.Requests())-before,
		(visits+199)/200+2*mergesMade+mergesMade*candidates, visits)
}

func row(t *testing.T, what string, requests, most, pushes int) {
	fmt.Printf("%s %s %4d requests, at most %4d; one for each push would be %4d: %.2f\n",
		what, strings.Repeat(".", 45-len(what)), requests, most, pushes, float64(requests)/float64(pushes))
	if requests > most {
		t.Errorf("%s: %d requests, at most %d", what, requests, most)
	}
}

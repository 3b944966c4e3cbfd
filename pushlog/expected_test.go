package pushlog_test

import (
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/pushlog"
)

// expected is the shape of the expected files of 1-hg.
type expected struct {
	Pushes     []expectedPush    `json:"pushes_in_order"`
	Changesets map[string]int64  `json:"changeset_to_push"`
	Merges     []expectedMerge   `json:"merges"`
	Backouts   []expectedBackout `json:"backouts"`
}

type expectedPush struct {
	Push       int64  `json:"push"`
	Head       string `json:"head"`
	Changesets int    `json:"n_changesets"`
	Date       int64  `json:"date"`
	User       string `json:"user"`
}

type expectedMerge struct {
	Push    int64    `json:"push"`
	Node    string   `json:"node"`
	P1      string   `json:"p1"`
	P2      string   `json:"p2"`
	Desc    string   `json:"desc_first_line"`
	P1Known bool     `json:"p1_known"`
	P2Known bool     `json:"p2_known"`
	Head    bool     `json:"is_push_head"`
	N       int      `json:"n_brought_in_window"`
	Brought []string `json:"brought_in_window"`
}

type expectedBackout struct {
	Backout  string   `json:"backout"`
	Push     int64    `json:"push"`
	BacksOut []string `json:"backs_out"`
	Resolved []string `json:"resolved"`
}

// tabulate works the expected file out of the pushes: a plain graph walk.
func tabulate(pushes []job.Push) expected {
	out := expected{Changesets: map[string]int64{}, Merges: []expectedMerge{}, Backouts: []expectedBackout{}}
	known := map[string]job.Changeset{}
	for _, p := range pushes {
		out.Pushes = append(out.Pushes, expectedPush{p.ID, p.Revision, len(p.Changesets), p.Time.Unix(), p.User})
		for _, c := range p.Changesets {
			out.Changesets[c.Node] = p.ID
			known[c.Node] = c
		}
	}
	g := pushlog.NewGraph(pushes)
	for _, m := range g.Merges() {
		desc, _, _ := strings.Cut(known[m.Node].Description, "\n")
		slices.Sort(m.Brought) // the file has the set by hash
		out.Merges = append(out.Merges, expectedMerge{
			Push: m.Push, Node: m.Node, P1: m.P1, P2: m.P2, Desc: desc, P1Known: g.Knows(m.P1), P2Known: g.Knows(m.P2),
			Head: m.Head, N: len(m.Brought), Brought: m.Brought,
		})
	}
	for _, b := range g.Backouts() {
		out.Backouts = append(out.Backouts, expectedBackout{
			Backout: b.Node, Push: b.Push, BacksOut: b.BacksOut,
			Resolved: b.Resolved,
		})
	}
	return out
}

package pushlog_test

import (
	"regexp"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
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
	var order []string
	for _, p := range pushes {
		out.Pushes = append(out.Pushes, expectedPush{p.ID, p.Revision, len(p.Changesets), p.Time.Unix(), p.User})
		for _, c := range p.Changesets {
			out.Changesets[c.Node] = p.ID
			known[c.Node] = c
			order = append(order, c.Node)
		}
	}
	ancestors := func(node string) map[string]bool {
		seen := map[string]bool{}
		todo := []string{node}
		for len(todo) > 0 {
			n := todo[0]
			todo = todo[1:]
			if c, ok := known[n]; ok && !seen[n] {
				seen[n] = true
				todo = append(todo, c.Parents...)
			}
		}
		return seen
	}
	for _, p := range pushes {
		for _, c := range p.Changesets {
			if len(c.Parents) == 2 {
				m := expectedMerge{
					Push: p.ID, Node: c.Node, P1: c.Parents[0], P2: c.Parents[1], Head: c.Node == p.Revision,
					Desc: strings.SplitN(c.Description, "\n", 2)[0], Brought: []string{},
				}
				_, m.P1Known = known[m.P1]
				_, m.P2Known = known[m.P2]
				mine, theirs := ancestors(m.P1), ancestors(m.P2)
				for _, n := range order {
					if theirs[n] && !mine[n] {
						m.Brought = append(m.Brought, n)
					}
				}
				slices.Sort(m.Brought) // the file has the set by hash
				m.N = len(m.Brought)
				out.Merges = append(out.Merges, m)
			}
			if b := backout(c.Description); len(b) > 0 {
				e := expectedBackout{Backout: c.Node, Push: p.ID, BacksOut: b, Resolved: []string{}}
				for _, short := range b {
					for _, n := range order {
						if strings.HasPrefix(n, short) {
							e.Resolved = append(e.Resolved, n)
						}
					}
				}
				out.Backouts = append(out.Backouts, e)
			}
		}
	}
	return out
}

var backedOut = regexp.MustCompile(`(?i)backed out changesets? ([0-9a-f]{12,40})`)

func backout(desc string) []string {
	var out []string
	for _, m := range backedOut.FindAllStringSubmatch(desc, -1) {
		if !slices.Contains(out, m[1]) {
			out = append(out, m[1])
		}
	}
	return out
}

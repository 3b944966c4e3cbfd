package pushlog

import (
	"slices"

	"github.com/mozci/mozci/job"
)

// Graph is the graph of the changesets of some pushes: a window of a repository's history.
// Parents outside the window are known by their hashes alone. NewGraph makes one from
// pushes that were read with job.Range.Full.
type Graph struct {
	order []string // the hashes of the changesets, oldest first
	known map[string]job.Changeset
	push  map[string]int64 // by changeset: the id of its push
	head  map[int64]string // by push id: the hash of its tip
}

// Merge is a changeset with two parents, and what it brought.
type Merge struct {
	Push   int64  // the id of its push
	Node   string // its hash
	P1, P2 string // its parents: P1 is what the repository had, P2 what was merged into it
	Head   bool   // it is its push's tip
	// Brought are the changesets that P2 has and P1 does not, oldest first:
	// ancestors(P2) - ancestors(P1), within the window. For example, with
	//
	//	A --- B ------ M    (P1 = B, P2 = D)
	//	 \            /
	//	  C -------- D
	//
	// M brought C and D. A is an ancestor of both.
	Brought []string
}

// NewGraph returns the graph of the pushes.
func NewGraph(pushes []job.Push) *Graph {
	g := &Graph{known: map[string]job.Changeset{}, push: map[string]int64{}, head: map[int64]string{}}
	for _, p := range pushes {
		for _, c := range p.Changesets {
			if _, twice := g.known[c.Node]; !twice {
				g.order = append(g.order, c.Node)
			}
			g.known[c.Node], g.push[c.Node] = c, p.ID
		}
		g.head[p.ID] = p.Revision
	}
	return g
}

// Push returns the id of the push that brought a changeset, or 0 for one outside the
// window.
func (g *Graph) Push(node string) int64 { return g.push[node] }

// ancestors are the changesets of the window that node descends from, and node itself;
// none when node is outside the window.
func (g *Graph) ancestors(node string) map[string]bool {
	seen := map[string]bool{}
	todo := []string{node}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if c, ok := g.known[n]; ok && !seen[n] {
			seen[n] = true
			todo = append(todo, c.Parents...)
		}
	}
	return seen
}

// without are the changesets that are in have and not in lack, oldest first.
func (g *Graph) without(have, lack map[string]bool) []string {
	out := []string{}
	for _, n := range g.order {
		if have[n] && !lack[n] {
			out = append(out, n)
		}
	}
	return out
}

// Merges returns the merges of the window, oldest first.
func (g *Graph) Merges() []Merge {
	var out []Merge
	for _, n := range g.order {
		c := g.known[n]
		if len(c.Parents) != 2 {
			continue
		}
		id := g.push[n]
		out = append(out, Merge{
			Push: id, Node: n, P1: c.Parents[0], P2: c.Parents[1], Head: g.head[id] == n,
			Brought: g.without(g.ancestors(c.Parents[1]), g.ancestors(c.Parents[0])),
		})
	}
	return out
}

// Backout is a changeset whose message says that it undoes others.
type Backout struct {
	Push     int64
	Node     string
	BacksOut []string // as its message names them: hashes of hg or of git, of 12 to 40 digits
	Resolved []string // the changesets of the window that these name: hashes of hg, in full
}

// Backouts returns the changesets of the window whose messages say that they undo others,
// oldest first; see Undoes for the messages.
func (g *Graph) Backouts() []Backout {
	var out []Backout
	for _, n := range g.order {
		u, ok := Undoes(g.known[n].Description)
		if !ok || len(u.Nodes) == 0 {
			continue
		}
		b := Backout{Push: g.push[n], Node: n, BacksOut: u.Nodes, Resolved: []string{}}
		for _, named := range u.Nodes {
			for _, known := range g.order {
				if job.SameRevision(named, known) || job.SameRevision(named, g.known[known].Git) {
					b.Resolved = append(b.Resolved, known)
				}
			}
		}
		out = append(out, b)
	}
	return out
}

// arrival is what one merge of a push brought into the repository: the head
// that was merged, and the changesets that came with it.
type arrival struct {
	head    string
	brought []string // oldest first
	desc    string   // what the merge says of itself
}

// arrivals are the merges among a push's changesets that brought something, oldest first.
// It leaves out a merge that is part of what another merge brought. For example, autoland
// merges central, and later central merges autoland: central then gets its own changesets
// back inside autoland's merge. Only the outer merge counts.
//
// It goes from the newest merge to the oldest, so an outer merge is seen before those
// inside it.
func (g *Graph) arrivals(in map[string]bool) []arrival {
	inside := map[string]bool{}
	var out []arrival
	for i := len(g.order) - 1; i >= 0; i-- {
		c := g.known[g.order[i]]
		if !in[c.Node] || inside[c.Node] || len(c.Parents) != 2 {
			continue
		}
		p1, p2 := c.Parents[0], c.Parents[1]
		a := arrival{p2, g.brought(p2, p1, in), c.Description}
		if len(a.brought) == 0 && !in[p2] {
			// The parents may be the other way round, with the repository's own head as
			// the second one. What came is then what the first parent has.
			a = arrival{p1, g.brought(p1, p2, in), ""}
		}
		if len(a.brought) == 0 || slices.Contains(a.brought, c.Node) { // a damaged answer: the graph has a cycle
			continue
		}
		for _, n := range a.brought {
			inside[n] = true
		}
		out = append([]arrival{a}, out...)
	}
	return out
}

// brought are the changesets of the set in that head has and other does not.
func (g *Graph) brought(head, other string, in map[string]bool) []string {
	return slices.DeleteFunc(g.without(g.ancestors(head), g.ancestors(other)), func(n string) bool { return !in[n] })
}

package pushlog

import (
	"slices"

	"github.com/mozci/mozci/job"
)

// Graph is the changesets of some pushes, as far as their parents are known: a
// window of a repository's history. NewGraph makes one of pushes that were read
// with job.Range.Full.
type Graph struct {
	order []string // oldest first
	known map[string]job.Changeset
	push  map[string]int64
	head  map[int64]string
}

// Merge is a changeset with two parents, and what it brought.
type Merge struct {
	Push   int64
	Node   string
	P1, P2 string
	Head   bool // it is its push's tip
	// Brought are the changesets that P2 has and P1 has not, oldest first, as
	// far as the window knows both: ancestors(P2) - ancestors(P1).
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

// Push is the id of the push that brought a changeset of the window, or 0.
func (g *Graph) Push(node string) int64 { return g.push[node] }

// ancestors are the changesets of the window that node descends from, itself
// included; none when the window does not know it.
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

// without are the changesets of the window that have does and lacks does not,
// oldest first.
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

// Backout is a changeset that says that it undoes others.
type Backout struct {
	Push     int64
	Node     string
	BacksOut []string // as its message names them, by hashes of hg or of git
	Resolved []string // those of the window that they name, in full, by hashes of hg
}

// Backouts returns the changesets of the window that undo others, by what their
// messages say, oldest first.
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

// arrivals are the merges among some changesets of the graph of a push that
// brought something, oldest first, without those that came inside of another's
// arrival: a merge of central to autoland that central gets back with the next
// merge of autoland is no work of its own.
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
			// The repository's own head may be the second parent: what the first
			// one has is then what came, if another repository had it before.
			a = arrival{p1, g.brought(p1, p2, in), ""}
		}
		if len(a.brought) == 0 || slices.Contains(a.brought, c.Node) { // of a graph that goes in a circle
			continue
		}
		for _, n := range a.brought {
			inside[n] = true
		}
		out = append([]arrival{a}, out...)
	}
	return out
}

// brought are the changesets of a set that a head has and another has not.
func (g *Graph) brought(head, other string, in map[string]bool) []string {
	return slices.DeleteFunc(g.without(g.ancestors(head), g.ancestors(other)), func(n string) bool { return !in[n] })
}

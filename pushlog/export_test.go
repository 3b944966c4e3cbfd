package pushlog

// What the tests outside the package look at besides what is exported.
var (
	ParseBackout = parseBackout
	ParseRevert  = parseRevert
	ParseBugs    = parseBugs
)

// Knows reports whether the changeset is in the window.
func (g *Graph) Knows(node string) bool {
	_, ok := g.known[node]
	return ok
}

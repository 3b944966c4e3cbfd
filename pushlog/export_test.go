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

// The bounds of what a Server keeps.
const (
	MostGits  = mostGits
	MostPaths = mostPaths
)

// Kept is how many hashes of git and repositories the server knows.
func (s *Server) Kept() (gits, paths int) { return s.gits.Len(), s.last.Len() }

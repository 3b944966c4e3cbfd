package treeherder

// MostIDs is how many ids a Server keeps.
const MostIDs = mostIDs

// CapPages changes how many pages of pushes a range takes.
func (p *Project) CapPages(n int) { p.server.pages = n }

// Kept is how many ids, tables and searches that are over the server keeps.
func (s *Server) Kept() (ids, tables, searches int) {
	return s.ids.Len(), s.tables.Len(), s.searches.Len()
}

// What the words of a record mean.
var (
	StatusOf = Record.status
	KindOf   = Record.kind
)

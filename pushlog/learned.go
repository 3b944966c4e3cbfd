package pushlog

import "fmt"

// The bounds of what a Server keeps besides answers (Options.CacheDir). What is over
// is forgotten, longest unused first: a hash of git is then looked for again, and a
// repository's ids are taken for new.
const (
	mostGits  = 2000 // hashes of git
	mostPaths = 1000 // repositories
)

// known is the last push id of a repository as far as it was seen, or 0.
func (s *Server) known(path string) int64 {
	last, _ := s.last.Get(path)
	return last
}

// learn keeps the last push id of an answer. It is compared with what was
// known when the question was asked: answers may overtake each other.
func (s *Server) learn(path string, known, last int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case last < known:
		s.last.Put(path, last)
		return fmt.Errorf("%w from %d to %d", ErrReset, known, last)
	}
	s.last.Put(path, max(s.known(path), last))
	return nil
}

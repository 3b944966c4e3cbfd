package pushlog

import "fmt"

// The maximum numbers of what a Server keeps besides answers (for those see
// Options.CacheDir). Beyond them it forgets what was unused the longest. It then searches
// for a hash of git again, and does not notice a reset of a repository whose last id it
// has forgotten.
const (
	mostGits  = 2000 // hashes of git
	mostPaths = 1000 // repositories
)

// known is the highest push id seen of the repository at a path, or 0.
func (s *Server) known(path string) int64 {
	last, _ := s.last.Get(path)
	return last
}

// learn keeps the last push id of an answer, and reports a reset when it went back. The
// id is compared with the one that was known when the request was sent. A request that
// was sent before another one may be answered after it, with a smaller id, and that is no
// reset.
//
//	known   answer   highest seen by now   result
//	100     103      100                   103 is kept
//	100     101      103                   103 stays: another answer was faster
//	103     7        103                   ErrReset, and 7 is kept
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

package perf

import "github.com/mozci/mozci/analysis/culprit"

// Rehearse plays a search to its end. It calls run for each run that the search chooses,
// in order, up to k in a round; run returns the value, and ok is false when the run has
// none. Rehearse returns the last decision. each, if not nil, gets every decision. All runs
// of a round have ended when the next round is chosen, so none is ever under way.
func Rehearse(
	s *Search, k int, run func(push int) (value float64, ok bool), each func(culprit.Decision),
) (culprit.Decision, error) {
	for {
		d := s.Decide(k)
		if each != nil {
			each(d)
		}
		if d.Done {
			return d, nil
		}
		for _, push := range d.Next {
			v, ok := run(push)
			var err error
			if ok {
				err = s.Observe(push, v, true)
			} else {
				err = s.ObserveInfra(push)
			}
			if err != nil {
				return d, err
			}
		}
	}
}

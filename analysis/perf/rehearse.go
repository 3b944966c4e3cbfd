package perf

import "github.com/mozci/mozci/analysis/culprit"

// Rehearse plays a search to its end: run is called for each run that it asks for, in
// order, up to k in a round, and returns its value; ok is false where it has none. It
// returns the last decision. each, if not nil, sees every decision.
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

package culprit

// RunEnd is how a run ended in a rehearsal.
type RunEnd int

// The ways in which a run ends.
const (
	RunPassed RunEnd = iota // a sign that the push is good; weak when the job fails only sometimes
	RunFailed               // a sign that the push is broken; weak when the job also fails on good ones
	RunInfra                // infrastructure ended it, so it says nothing
)

// Rehearse plays a search to its end. It calls run for each run that the search chooses,
// in order, up to Options.Batch in a round, and returns the last decision. each, if not
// nil, gets every decision.
func Rehearse(s *Search, run func(push int) RunEnd, each func(Decision)) (Decision, error) {
	for {
		d := s.Decide(s.o.Batch)
		if each != nil {
			each(d)
		}
		if d.Done {
			return d, nil
		}
		for _, push := range d.Next {
			var err error
			switch run(push) {
			case RunInfra:
				err = s.ObserveInfra(push, true)
			case RunFailed:
				err = s.Observe(push, true, true)
			default:
				err = s.Observe(push, false, true)
			}
			if err != nil {
				return d, err
			}
		}
	}
}

package culprit

// TrustAt is how much of the allowed error the stop may use for a push.
func (s *Search) TrustAt(push int) float64 { return s.trust(s.in.Of(push)) }

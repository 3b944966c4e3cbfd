package selfserve_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/job"
)

// A run is found by its request.
func TestFindRun(t *testing.T) {
	s := newService()
	s.build(theBuild, 0, 71)
	s.build(theTest, 2, 72, 73)
	s.dumps[today] = dumpOf(t, dumped(theBuild, push.Revision, 71, nil))
	p := s.inbound(t, selfserve.Options{})
	for id, want := range map[string]string{
		"71": "71/1 " + theBuild + " success", "71/1": "71/1 " + theBuild + " success",
		"72": "72/1 " + theTest + " coalesced", "73/1": "73/1 " + theTest + " busted",
		"71/2": "has no run 71/2", "99": "has forgotten request 99 or never had it", "": "is not a run",
		"x/1": "is not a run", "-71": "is not a run", "0/1": "is not a run",
		"7": "has forgotten request 7 or never had it",
	} {
		j, err := job.FindRun(t.Context(), p, id)
		got := fmt.Sprint(err)
		if err == nil {
			got = fmt.Sprint(j.ID(), " ", j.Name(), " ", j.Status())
			if j.Push().Repo != "mozilla-inbound" || j.Push().Revision != push.Revision {
				t.Errorf("%q: of %+v", id, j.Push())
			}
		}
		var e *job.Error
		if !strings.Contains(got, want) || err != nil && (!errors.Is(err, job.ErrNotFound) || !errors.As(err, &e)) {
			t.Errorf("%q: %s\nexpected %s", id, got, want)
		}
	}
}

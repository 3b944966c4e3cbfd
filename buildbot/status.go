package buildbot

import (
	"strconv"

	"github.com/mozci/mozci/job"
)

// The results of builds and requests.
const (
	resultSuccess = iota
	resultWarnings
	resultFailure
	resultSkipped
	resultException
	resultRetry
	resultCancelled
)

// status is what a build's result means. Whether a build that is to be retried
// was, its request tells.
func status(results int) (job.Status, error) {
	switch results {
	case resultSuccess:
		return job.StatusSuccess, nil
	case resultWarnings: // "a successful run, with some warnings"
		return job.StatusSuccess, nil
	case resultFailure:
		return job.StatusBusted, nil
	case resultSkipped:
		return job.StatusSkipped, nil
	case resultException:
		return job.StatusException, nil
	case resultRetry:
		return job.StatusRetry, nil
	case resultCancelled:
		return job.StatusCancelled, nil
	}
	return 0, job.UnknownWord("Buildbot", "result", strconv.Itoa(results))
}

// run is a Run with its number among the runs of its request, from 1, and state.
type run struct {
	Record
	number int
	state  job.Status
}

// warned reports whether a run ended with warnings.
func (r run) warned() bool {
	if r.Build != nil {
		return r.Build.Results != nil && *r.Build.Results == resultWarnings
	}
	return r.Request.Results == resultWarnings
}

// runs are the runs of a request. A result that is not known is an error, and
// the other runs come with it.
func runs(f finished) ([]run, error) {
	var out []run
	var unknown error
	r, builds := f.request, f.builds
	add := func(number int, b *Build, s job.Status) {
		out = append(out, run{Record{Buildset: f.set, Request: r, Build: b}, number, s})
	}
	for i := range builds {
		b := &builds[i]
		if !b.Complete {
			add(i+1, b, job.StatusRunning)
			continue
		}
		s, err := status(*b.Results)
		if err != nil {
			unknown = err
			continue
		}
		if s == job.StatusRetry && i == len(builds)-1 && r.Complete {
			s = job.StatusException // nothing came after it
		}
		add(i+1, b, s)
	}
	n := len(builds)
	switch {
	case n > 0 && (r.Complete || builds[n-1].Results == nil || *builds[n-1].Results != resultRetry):
		// Its last build says all.
	case !r.Complete && r.Claimed && n == 0:
		add(1, nil, job.StatusRunning)
	case !r.Complete:
		add(n+1, nil, job.StatusPending) // perhaps again, after a build that is retried
	case r.Results == resultSkipped:
		add(1, nil, job.StatusCoalesced)
	default:
		s, err := status(r.Results)
		if err != nil {
			return out, err
		}
		add(1, nil, s)
	}
	return out, unknown
}

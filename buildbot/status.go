package buildbot

import (
	"strconv"

	"github.com/mozci/mozci/job"
)

// The results of builds and requests, as numbers in the API: 0 to 6.
const (
	resultSuccess   = iota
	resultWarnings  // 1
	resultFailure   // 2
	resultSkipped   // 3; of a request without a build: it was collapsed
	resultException // 4
	resultRetry     // 5; never of a complete request
	resultCancelled // 6
)

// status maps a build's result to a status; see the table in the package comment. A result that
// is not documented is job.ErrUnknownWord. Whether a build with the result "retry" was in fact
// retried, only its request tells; see runs.
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

// run is one run of a request.
type run struct {
	Record
	number int // among the runs of its request, counted from 1
	state  job.Status
}

// warned reports whether a run ended with warnings.
func (r run) warned() bool {
	if r.Build != nil {
		return r.Build.Results != nil && *r.Build.Results == resultWarnings
	}
	return r.Request.Results == resultWarnings
}

// runs returns the runs of a request. Each build is a run, number i+1 for builds[i]. There is
// one more run, without a build, when the request waits, was collapsed, or ended before a
// build began. A request with two builds, both to be retried, that waits again has the runs 1
// (retry), 2 (retry) and 3 (pending). An undocumented result is an error; the other runs come
// with it.
//
//	builds           request              runs
//	none             unclaimed            1 pending
//	none             claimed              1 running
//	none             complete, 3          1 coalesced
//	none             complete, 6          1 cancelled
//	running          claimed              1 running
//	5, 0             complete, 0          1 retry, 2 success
//	5                unclaimed            1 retry, 2 pending
//	5                complete, 6          1 exception: nothing followed it
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
			s = job.StatusException // it was never retried: the request is complete
		}
		add(i+1, b, s)
	}
	n := len(builds)
	switch {
	case n > 0 && (r.Complete || builds[n-1].Results == nil || *builds[n-1].Results != resultRetry):
		// The last build is the last run.
	case !r.Complete && r.Claimed && n == 0:
		add(1, nil, job.StatusRunning)
	case !r.Complete:
		add(n+1, nil, job.StatusPending) // for the first time, or again after a build to be retried
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

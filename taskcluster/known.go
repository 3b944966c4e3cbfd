package taskcluster

import (
	"sync"
	"sync/atomic"

	"github.com/mozci/mozci/internal/flight"
)

// A Project of a service that runs for months is asked about a hundred thousand
// pushes, so that it keeps what was wanted last, and asks again for the rest.
const (
	// mostDecisions is of how many decision tasks what is large is kept. Of one
	// push of Firefox that is about 1 MB: actions, and expanded scopes.
	mostDecisions = 32
	// mostPlans is of how many decision and action tasks it is kept what they made, 72 kB
	// for a push of 3,000 tasks: of the range that somebody looks at again and again.
	mostPlans = 8 * mostDecisions
	// mostPushes is of how many pushes small facts are kept, a kilobyte each: the
	// decision task, its run, its own scopes and revisions.
	mostPushes = 4096
	// mostLabels is of how many labels small facts are kept: the queue, and the
	// builds that the label needs. A push of Firefox has 30,000 labels.
	mostLabels = 50_000
	// mostTasks is of how many tasks the definition is kept, 4 kB each: what is told
	// of them on Pulse comes several times within minutes or hours.
	mostTasks = 8192
)

// known is what a project and those of what merges brought to it have learned
// and does not change, a bounded number of each. What several callers want at
// the same time is fetched once, and each waits with its own context. What does
// change, runs and their states, is in listings, for a few seconds.
type known struct {
	decisions *flight.Cache[string, string]      // a push in its place of the index, to its decision task
	runs      *flight.Cache[string, int]         // a decision task, to the run that completed
	defined   *flight.Cache[string, *definition] // a decision task, to what its definition says
	offers    *flight.Cache[string, *actions]    // a decision task, to its actions
	scopes    *flight.Cache[string, []string]    // a decision task, to its scopes with what roles contain
	planned   *flight.Cache[string, *plan]       // a decision or action task, to the tasks that it made itself
	proven    *flight.Cache[string, bool]        // a task whose plan is known to be its own
	notes     *flight.Cache[string, *note]       // a push, to what no artifact tells of it
	queues    *flight.Cache[labelOf, string]     // to the task queue
	needs     *flight.Cache[labelOf, []string]   // to the labels of the builds that it needs
	samples   *flight.Cache[labelOf, string]     // to a task of it, whose builds were not looked for
	tasks     *flight.Cache[string, *Definition] // of which Pulse told
	defs      *flight.Cache[string, *Task]       // of tasks whose labels were asked for by name
	waited    *flight.Cache[string, bool]        // tasks that waited for others when they were asked about
	listings  *listings

	noting  sync.Mutex  // of what notes say
	noBatch atomic.Bool // the deployment does not tell of many tasks in one request
}

// labelOf is a label of a repository: another one may run it elsewhere.
type labelOf struct{ repo, label string }

func newKnown(decisions, pushes, labels int) *known {
	return &known{
		decisions: flight.New[string, string](pushes),
		runs:      flight.New[string, int](pushes),
		defined:   flight.New[string, *definition](pushes),
		offers:    flight.New[string, *actions](decisions),
		scopes:    flight.New[string, []string](decisions),
		planned:   flight.New[string, *plan](decisions * mostPlans / mostDecisions),
		proven:    flight.New[string, bool](pushes),
		notes:     flight.New[string, *note](pushes),
		queues:    flight.New[labelOf, string](labels),
		needs:     flight.New[labelOf, []string](labels),
		samples:   flight.New[labelOf, string](labels),
		tasks:     flight.New[string, *Definition](mostTasks),
		defs:      flight.New[string, *Task](mostTasks),
		waited:    flight.New[string, bool](mostTasks),
		listings:  &listings{kept: map[string]*graphs{}},
	}
}

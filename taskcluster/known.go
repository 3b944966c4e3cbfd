package taskcluster

import (
	"sync"
	"sync/atomic"

	"github.com/mozci/mozci/internal/flight"
)

// A service that runs for months asks its Project about a hundred thousand pushes. So the
// project keeps a bounded number of facts, those used last, and fetches the rest again.
const (
	// mostDecisions bounds the decision tasks of which large facts are kept: actions and
	// expanded scopes. That is about 1 MB for a push of Firefox, so 32 MB in all.
	mostDecisions = 32
	// mostPlans bounds the plans that are kept, one for each decision or action task. Each
	// is 72 kB for a push of 3,000 tasks, so 18 MB in all, which covers the range of pushes
	// that a caller comes back to.
	mostPlans = 8 * mostDecisions
	// mostPushes bounds the pushes of which small facts are kept, about 1 kB each: the
	// decision task, its run, its own scopes and revisions.
	mostPushes = 4096
	// mostLabels bounds the labels of which small facts are kept: the queue, and the
	// builds that the label needs. A push of Firefox has 30,000 labels.
	mostLabels = 50_000
	// mostTasks bounds the tasks of which the definition is kept, 4 kB each. Pulse sends
	// several messages about a task within minutes or hours.
	mostTasks = 8192
)

// known is what a project has learned that never changes. It shares this with the projects
// whose pushes merges brought to it. When several callers want the same fact at once it is
// fetched once, and each waits with its own context. What does change, runs and their
// states, is in listings, and for seconds only.
type known struct {
	decisions *flight.Cache[string, string]      // by Project.key of a push: its decision task
	runs      *flight.Cache[string, int]         // by decision task: the run that completed
	defined   *flight.Cache[string, *definition] // by decision task: its scopes and revisions
	offers    *flight.Cache[string, *actions]    // by decision task: its actions
	scopes    *flight.Cache[string, []string]    // by decision task: its scopes with roles expanded
	planned   *flight.Cache[string, *plan]       // by decision or action task: the tasks that it made
	proven    *flight.Cache[string, bool]        // by decision or action task: its plan is known to be its own
	notes     *flight.Cache[string, *note]       // by Project.key of a push: what no artifact tells about it
	queues    *flight.Cache[labelOf, string]     // the task queue
	needs     *flight.Cache[labelOf, []string]   // the labels of the builds that it needs
	samples   *flight.Cache[labelOf, string]     // one task of the label, when its builds are not known yet
	tasks     *flight.Cache[string, *Definition] // by task: for messages of Pulse
	defs      *flight.Cache[string, *Task]       // by task: for labels that callers named
	waited    *flight.Cache[string, bool]        // by task: it waited for others when it was last read
	listings  *listings

	noting  sync.Mutex  // one change to notes at a time
	noBatch atomic.Bool // the deployment cannot tell of many tasks in one request
}

// labelOf is a label of one repository. Another repository may run the same label in another
// queue.
type labelOf struct{ repo, label string }

// newKnown makes empty caches. The arguments are the bounds mostDecisions, mostPushes and
// mostLabels, or smaller ones.
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

package taskcluster

import (
	"encoding/base64"
	"slices"

	"github.com/mozci/mozci/internal/flight"
)

// A Project of a service that runs for months is asked about a hundred thousand
// pushes, so that it keeps what was wanted last, and asks again for the rest.
const (
	// mostDecisions is of how many decision tasks what is large is kept. Of one
	// push of Firefox that is about 1.5 MB: actions, expanded scopes, and the ids
	// of 30,000 tasks.
	mostDecisions = 32
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
	planned   *flight.Cache[string, taskIDs]     // a decision task, to the tasks that it made itself
	queues    *flight.Cache[labelOf, string]     // to the task queue
	needs     *flight.Cache[labelOf, []string]   // to the labels of the builds that it needs
	tasks     *flight.Cache[string, *Definition] // of which Pulse told
	listings  *listings
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
		planned:   flight.New[string, taskIDs](decisions),
		queues:    flight.New[labelOf, string](labels),
		needs:     flight.New[labelOf, []string](labels),
		tasks:     flight.New[string, *Definition](mostTasks),
		listings:  &listings{kept: map[string]*graphs{}},
	}
}

// taskIDs is a set of task ids, sorted, as the 16 bytes that each is written for:
// a fifth of what a map of strings takes.
type taskIDs [][16]byte

// newTaskIDs is the set of ids.
func newTaskIDs(ids []taskID) taskIDs {
	out := make(taskIDs, 0, len(ids))
	for _, id := range ids {
		if raw, ok := taskBytes(string(id)); ok {
			out = append(out, raw)
		}
	}
	slices.SortFunc(out, compareIDs)
	return slices.Clip(slices.Compact(out))
}

func (s taskIDs) has(id string) bool {
	raw, ok := taskBytes(id)
	if !ok {
		return false
	}
	_, found := slices.BinarySearchFunc(s, raw, compareIDs)
	return found
}

func compareIDs(a, b [16]byte) int { return slices.Compare(a[:], b[:]) }

// taskBytes are what a slugid is the base64 of.
func taskBytes(id string) (raw [16]byte, ok bool) {
	if len(id) != base64.RawURLEncoding.EncodedLen(len(raw)) {
		return raw, false
	}
	n, err := base64.RawURLEncoding.Strict().Decode(raw[:], []byte(id))
	return raw, err == nil && n == len(raw)
}

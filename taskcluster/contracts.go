package taskcluster

import (
	"cmp"
	"slices"

	"github.com/mozci/mozci/job/contract"
)

// source is the name of this package in contracts, and in errors about unknown words.
const source = "taskcluster"

// Contracts are the rules that this package relies on, sorted by title: one for each kind of
// answer of the deployment's services, artifact of decision and action tasks, and message of
// the queue on Pulse.
func Contracts() []contract.Any {
	all := []contract.Any{
		definitions, definedTasks, statusOf, taskStatuses, groupTasks, created, cancelled, counts, artifacts, contents,
		downloads, indexed, indexedTasks, namespaceTasks, namespaces, lastFires, fired, expanded, currently,
		authenticated,
		actionsFile, offeredAction, fullGraph, taskGraph, labelToTask, runnableJobs, manifestsByTask,
		testsByManifest,
	}
	for _, m := range messages {
		all = append(all, m.Any)
	}
	slices.SortFunc(all, func(a, b contract.Any) int { return cmp.Compare(a.Title(), b.Title()) })
	return all
}

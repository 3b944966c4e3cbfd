package taskcluster

import (
	"cmp"
	"slices"

	"github.com/mozci/mozci/job/contract"
)

// source is the name of this room in contracts, and in errors of unknown words.
const source = "taskcluster"

// Contracts are what is relied on in the answers of a deployment's services, in the
// artifacts of decision and action tasks, and in the queue's messages on Pulse, by
// title.
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

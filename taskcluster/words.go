package taskcluster

import (
	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/job"
)

// unknownWord says that a service used a word that it does not document.
func unknownWord(what, word string) error {
	return job.UnknownWord(source, what, clip.Marked(word, shown))
}

// status maps a run's words; see the package comment. later says that another
// run came after it.
func (r *TaskRun) status(kind job.Kind, later bool) (job.Status, error) {
	switch r.State {
	case "pending":
		return job.StatusPending, nil
	case "running":
		return job.StatusRunning, nil
	case "completed":
		return job.StatusSuccess, nil
	case "failed":
		if kind == job.KindTest || kind == job.KindPerf {
			return job.StatusTestFailed, nil
		}
		return job.StatusBusted, nil
	case "exception":
		return r.exception(later)
	}
	return 0, unknownWord("run state", r.State)
}

func (r *TaskRun) exception(later bool) (job.Status, error) {
	switch r.ReasonResolved {
	case "malformed-payload", "resource-unavailable", "internal-error":
		return job.StatusException, nil
	case "claim-expired", "worker-shutdown", "intermittent-task":
		if later {
			return job.StatusRetry, nil
		}
		return job.StatusException, nil
	case "deadline-exceeded":
		if r.Started.IsZero() {
			return job.StatusSkipped, nil // what it waits for did not come
		}
		return job.StatusException, nil
	case "canceled":
		return job.StatusCancelled, nil
	case "superseded":
		return job.StatusCoalesced, nil
	}
	return 0, unknownWord("reasonResolved", r.ReasonResolved)
}

func (t *listedTask) kind() job.Kind {
	return kindOf(t.label(), t.Task.Extra.Treeherder.JobKind, t.Task.Tags["kind"])
}

// kindOf is what sort of work a task does: by its kind in the task graph where that says
// it, by what taskgraph notes of it for Treeherder, and by its label.
func kindOf(label, jobKind, tagKind string) job.Kind {
	for _, word := range []string{tagKind, jobKind} {
		switch {
		case word == "build":
			return job.KindBuild
		case word == "test" && !job.NamesPerf(label):
			return job.KindTest
		case word == "test", job.NamesPerf(word):
			return job.KindPerf
		}
	}
	if jobKind == "other" {
		return job.KindOther
	}
	return job.KindOfLabel(label)
}

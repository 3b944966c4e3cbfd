package taskcluster

import (
	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/job"
)

// unknownWord is the error of a word that the service does not document.
func unknownWord(what, word string) error {
	return job.UnknownWord(source, what, clip.Marked(word, shown))
}

// status maps the state and reason of a run to a job.Status; the table is in the package
// comment. later says that another run of the task came after this one.
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

// exception maps the reasons of the state "exception". No reason has a default: a new word
// must not turn into a status by accident.
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
			return job.StatusSkipped, nil // no worker took it in time
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

// kindOf is the kind of work that a task does. Its kind in the task graph decides, then
// taskgraph's note for Treeherder (jobKind), then its label. A "test" whose label names a
// performance suite is a measurement.
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

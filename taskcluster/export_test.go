package taskcluster

import (
	"github.com/mozci/mozci/job"
)

// StatusOf is how a run's words are read.
func StatusOf(r *Run, kind job.Kind, later bool) (job.Status, error) { return r.status(kind, later) }

package taskcluster

import (
	"time"

	"github.com/mozci/mozci/job"
)

// StatusOf is how a run's words are read.
func StatusOf(r *Run, kind job.Kind, later bool) (job.Status, error) { return r.status(kind, later) }

// TemporaryWith makes temporary credentials with a seed that is known.
func (c Credentials) TemporaryWith(name string, scopes []string, start, expiry time.Time, seed string) (Credentials, error) {
	return c.temporary(name, scopes, start, expiry, seed)
}

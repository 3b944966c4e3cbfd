package taskcluster

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"regexp"

	"github.com/mozci/mozci/job"
)

var slug = regexp.MustCompile(`^[A-Za-z0-9_-]{8}[Q-T][A-Za-z0-9_-][CGKOSWaeimquy26-][A-Za-z0-9_-]{10}[AQgw]$`)

// SlugOf is the task id that a key stands for: always the same, and one that the
// services accept (a slugid: a version 4 UUID in base64url).
func SlugOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	id := sum[:16]
	id[0] &= 0x7f // begins with a letter or a digit, so that it is no flag
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return base64.RawURLEncoding.EncodeToString(id)
}

// checkTask refuses what is no task id before a service is asked.
func checkTask(id string) error {
	if !slug.MatchString(id) {
		return fmt.Errorf("%w: task id %q is not a slugid of 22 characters", job.ErrInvalid, clip(id))
	}
	return nil
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

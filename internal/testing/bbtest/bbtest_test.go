package bbtest_test

import (
	"testing"

	"github.com/mozci/mozci/internal/testing/bbtest"
)

// The master answers, and does so again after a restart.
func TestRestart(t *testing.T) {
	m := bbtest.Start(t, nil)
	m.Push("1111111111111111111111111111111111111111", "dev", "Bug 1")
	m.Restart()
	m.Push("2222222222222222222222222222222222222222", "dev", "Bug 2")
}

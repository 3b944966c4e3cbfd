package testenv

import (
	"runtime"
	"testing"
	"time"
)

// NoMoreRoutines fails t when more goroutines run than before. Those of other
// tests and of net/http count too and may be about to end, so that it waits for
// them, up to two minutes.
func NoMoreRoutines(t testing.TB, before int) {
	t.Helper()
	until := time.Now().Add(2 * time.Minute)
	for runtime.NumGoroutine() > before && time.Now().Before(until) {
		time.Sleep(time.Millisecond)
	}
	if after := runtime.NumGoroutine(); after > before {
		all := make([]byte, 64<<10)
		t.Errorf("%d goroutines became %d:\n%s", before, after, all[:runtime.Stack(all, true)])
	}
}

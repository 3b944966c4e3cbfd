package job_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mozci/mozci/job"
)

func TestNearest(t *testing.T) {
	names := []string{
		"linux64/opt/xpcshell-1", "linux64/opt/xpcshell-2", "linux64/debug/xpcshell-1",
		"android/opt/build",
	}
	got := job.Nearest(names, "linux64/opt/XPCshell1", 2)
	if want := names[:2]; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := job.Nearest(nil, strings.Repeat("x", 1<<20), 3); len(got) != 0 {
		t.Errorf("of no names: %q", got)
	}
}

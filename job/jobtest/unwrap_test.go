package jobtest_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// logged is a wrapper as a user writes one, which keeps the abilities.
type logged struct{ job.Scheduler }

func (l logged) Unwrap() job.Scheduler { return l.Scheduler }

// A good wrapper keeps the contracts, also around another; the kit looks through it
// for abilities, such as telling what is in flight.
func TestWrappersKeepTheContracts(t *testing.T) {
	w := jobtest.MustParse(kitWorld)
	ci := jobtest.NewCI(w, &jobtest.CIOptions{Visible: time.Hour})
	c := schedulerCase(w, ci)
	c.Hang = ci.Hang
	if err := jobtest.CheckScheduler(t.Context(), logged{logged{ci}}, c); err != nil {
		t.Error(err)
	}
}

// The wrappers that make a good CI misbehave hide its abilities, as they say: the
// faults would otherwise have a way around them.
func TestWrappersHideAbilities(t *testing.T) {
	ci := jobtest.NewCI(jobtest.MustParse(kitWorld), nil)
	for name, s := range map[string]job.Scheduler{
		"Slow":       jobtest.Slow(ci, 0),
		"Failing":    jobtest.Failing(ci, func(job.Push) bool { return false }),
		"Truncated":  jobtest.Truncated(ci, 1),
		"Duplicated": jobtest.Duplicated(ci),
	} {
		if _, ok := s.(interface{ Unwrap() job.Scheduler }); ok {
			t.Errorf("%s says what it wraps", name)
		}
		if got := jobtest.AbilitiesOf(s); len(got) > 0 {
			t.Errorf("%s has the abilities %q", name, got)
		}
	}
}

// The kit knows every ability that package job looks for.
func TestKitKnowsAllAbilities(t *testing.T) {
	text, err := os.ReadFile("../optional.go")
	if err != nil {
		t.Fatal(err)
	}
	known := " " + strings.Join(jobtest.Abilities(), " ") + " "
	found := regexp.MustCompile(`As\[(\w+)\]\(s\)`).FindAllStringSubmatch(string(text), -1)
	for _, m := range found {
		if !strings.Contains(known, " "+m[1]+" ") {
			t.Errorf("the kit does not know %s", m[1])
		}
	}
	if len(found) != len(jobtest.Abilities()) {
		t.Errorf("package job looks for %d abilities, the kit knows %d", len(found), len(jobtest.Abilities()))
	}
}

package trychooser_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/trychooser"
)

// large is a catalog of as many labels as a push of Firefox has.
func large() []job.Runnable {
	labels := many()
	out := make([]job.Runnable, len(labels))
	for i, l := range labels {
		out[i] = job.Runnable{Label: l, Kind: job.KindOfLabel(l), Parts: job.PartsOfLabel(l)}
	}
	return out
}

// The longest line over the largest catalog does not keep a service busy.
func TestTryCostIsBounded(t *testing.T) {
	catalog := large()
	for name, line := range map[string]string{
		"suites":    "-b do -u " + strings.Repeat("x,", 2000) + "all",
		"brackets":  "-b do -u all[" + strings.Repeat("x,", 2000) + "x]",
		"platforms": "-b do -p " + strings.Repeat("x,", 2000),
		"options":   "-b do " + strings.Repeat("-z ", 1300),
		"jobs":      "-b do " + strings.Repeat("-j x ", 800),
		"aliases":   "-b do -u " + strings.Repeat("reftest,", 500),
	} {
		try, begun := parse(t, line), time.Now()
		labels, _ := try.Choose(catalog)
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("%s: %s for %d labels", name, took, len(labels))
		} else {
			t.Logf("%s: %s", name, took)
		}
	}
}

func BenchmarkTryChoose(b *testing.B) {
	catalog, try := large(), parse(b, "try: -b do -p linux64,macosx64 -u mochitest-1,xpcshell[x64] -t none")
	for b.Loop() {
		if labels, _ := try.Choose(catalog); len(labels) == 0 {
			b.Fatal("nothing is chosen")
		}
	}
}

func BenchmarkChoice(b *testing.B) {
	catalog, q := large(), query(b, "'xpcshell !debug linux")
	choice := trychooser.Choice{Types: []string{"opt"}, Queries: []trychooser.Query{q}}
	for b.Loop() {
		if len(choice.Choose(catalog).Labels) == 0 {
			b.Fatal("nothing is chosen")
		}
	}
}

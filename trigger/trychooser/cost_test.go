package trychooser_test

import (
	"testing"

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

// Command bench measures what mozci promises, each against a baseline in the same run, and prints
// the ratios:
//
//	go run ./internal/bench SUBJECT [-quick]
//
// A subject fails when a figure misses its bound. Time is virtual or the processor's where that is
// possible, and requests are counted on doubles, so that most figures do not depend on what else
// the machine does. The README quotes the output.
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
)

// subjects are the things to measure. Each prints its figures and fails those that miss a bound.
var subjects = map[string]func(*testing.T){
	"acting":      acting,
	"buildbot":    func(t *testing.T) { dump(t); questions(t) },
	"cost":        costs,
	"culprit":     search,
	"damage":      harm,
	"find":        find,
	"growth":      growth,
	"joblog":      logs,
	"ledger":      ledgers,
	"live":        pulsing,
	"merges":      merges,
	"perf":        perfs,
	"server":      serving,
	"taskcluster": tc,
	"trychooser":  chooser,
}

func main() {
	if len(os.Args) == 6 && os.Args[1] == "ledger-child" { // started by subject ledger
		os.Exit(ledgerChild(os.Args[2:]))
	}
	if len(os.Args) == 4 && os.Args[1] == "buildbot-child" { // started by subject buildbot
		os.Exit(questionChild(os.Args[2], os.Args[3]))
	}
	if len(os.Args) > 2 && os.Args[1] == "live-child" { // started by subject live
		os.Exit(liveChild(os.Args[2], os.Args[3:]))
	}
	if len(os.Args) == 3 && os.Args[1] == "server-child" { // started by subject server
		os.Exit(serverChild(os.Args[2:]))
	}
	testing.Init() // testing/synctest, which provides virtual time, needs a test
	flag.Usage = func() {
		_, _ = fmt.Fprintf(os.Stderr, "usage: go run ./internal/bench SUBJECT, one of %v\n",
			slices.Sorted(maps.Keys(subjects)))
	}
	_ = flag.Bool("quick", false,
		"run fewer trials (subjects acting, cost, culprit, damage, growth, ledger, live, perf, server and "+
			"trychooser)")
	_ = flag.Bool("tuning", false, "use the seeds that the method was tuned on (subjects culprit and perf)")
	_ = flag.Uint64("seed", 0, "use this seed instead (subjects culprit and perf)")
	_ = flag.String("only", "", "measure only these parts, separated by commas (subject culprit)")
	subject := ""
	if len(os.Args) > 1 { // flags may come after the subject
		subject, os.Args = os.Args[1], append(os.Args[:1:1], os.Args[2:]...)
	}
	flag.Parse()
	run, ok := subjects[subject]
	if !ok || flag.NArg() != 0 {
		flag.Usage()
		os.Exit(2)
	}
	all := func(string, string) (bool, error) { return true, nil }
	testing.Main(all, []testing.InternalTest{{Name: subject, F: run}}, nil, nil)
}

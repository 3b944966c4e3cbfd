// Command bench measures what mozci promises, each against a baseline of the
// same run, and prints the ratios: go run ./internal/bench SUBJECT.
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
)

// subjects are the sections; each prints its figures and fails what it must
// not miss.
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
	testing.Init() // virtual time is testing/synctest's, which needs a test
	flag.Usage = func() {
		_, _ = fmt.Fprintf(os.Stderr, "usage: go run ./internal/bench SUBJECT, one of %v\n",
			slices.Sorted(maps.Keys(subjects)))
	}
	_ = flag.Bool("quick", false,
		"fewer trials, for the subjects acting, cost, culprit, damage, growth, ledger, live, perf, server and "+
			"trychooser")
	_ = flag.Bool("tuning", false, "the seeds that the method was tuned on, for subjects culprit and perf")
	_ = flag.Uint64("seed", 0, "other seeds than those, for subjects culprit and perf")
	_ = flag.String("only", "", "only these parts, separated by commas, for subject culprit")
	subject := ""
	if len(os.Args) > 1 { // flags may follow the subject
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

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
	"find":        find,
	"joblog":      logs,
	"ledger":      ledger,
	"merges":      merges,
	"taskcluster": tc,
}

func main() {
	if len(os.Args) == 6 && os.Args[1] == "ledger-child" { // started by subject ledger
		os.Exit(ledgerChild(os.Args[2:]))
	}
	testing.Init() // virtual time is testing/synctest's, which needs a test
	flag.Usage = func() {
		_, _ = fmt.Fprintf(os.Stderr, "usage: go run ./internal/bench SUBJECT, one of %v\n", slices.Sorted(maps.Keys(subjects)))
	}
	flag.Parse()
	run, ok := subjects[flag.Arg(0)]
	if !ok || flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	all := func(string, string) (bool, error) { return true, nil }
	testing.Main(all, []testing.InternalTest{{Name: flag.Arg(0), F: run}}, nil, nil)
}

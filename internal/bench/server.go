package main

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"
)

var serverOnly = flag.String("server-only", "", "server: one section, such as kills")

// serverSections are what subject server measures, in this order. A file with a section adds its
// line here.
var serverSections = []struct {
	name string
	run  func(*yard)
}{
	{"get", answersFast},
	{"many", manyAtOnce},
	{"kills", killedServers},
	{"autopilot", func(y *yard) { autopilotWeek(y.T, y.quick) }},
}

// serving measures the backfill service: how fast it answers beside a bare handler, how much memory
// hundreds of backfills and streams need, and what is left of backfills when the service is killed
// again and again.
func serving(t *testing.T) {
	y := &yard{T: t, quick: flag.Lookup("quick").Value.String() == "true"}
	took := ""
	for _, section := range serverSections {
		if *serverOnly == "" || *serverOnly == section.name {
			began := time.Now()
			section.run(y)
			took += fmt.Sprintf(" %s %.0f,", section.name, time.Since(began).Seconds())
		}
	}
	fmt.Printf("\nseconds:%s\n", strings.TrimSuffix(took, ","))
}

// yard is the environment of a section.
type yard struct {
	*testing.T
	quick bool
}

func (y *yard) must(err error) {
	y.Helper()
	if err != nil {
		y.Fatal(err)
	}
}

// sized chooses between the usual number of something and that of a quick run.
func (y *yard) sized(usual, quick int) int {
	if y.quick {
		return quick
	}
	return usual
}

// serverLimit is the maximum time to wait for anything.
const serverLimit = 20 * time.Minute

// until waits for a condition that no event announces.
func (y *yard) until(what string, ok func() bool) {
	y.Helper()
	end := time.Now().Add(serverLimit)
	for !ok() {
		if time.Now().After(end) {
			y.Fatalf("%s: not within %s", what, serverLimit)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

package main

import (
	"flag"
	"testing"
)

var serverOnly = flag.String("server-only", "", "server: one section, such as autopilot")

// serving measures the backfill service.
func serving(t *testing.T) {
	quick := flag.Lookup("quick").Value.String() == "true"
	for _, section := range []struct {
		name string
		run  func(t *testing.T, quick bool)
	}{
		{"autopilot", autopilotWeek},
	} {
		if *serverOnly == "" || *serverOnly == section.name {
			section.run(t, quick)
		}
	}
}

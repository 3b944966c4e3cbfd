package main

import (
	"math"
	"slices"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/mozci/mozci/backfill"
)

// addPerf adds the flag of searches over values.
func (c *culpritFlags) addPerf(f *pflag.FlagSet) {
	f.BoolVar(&c.perf, "perf", false, "find the push that changed what a performance job measures; --test names the "+
		"value: a suite, or suite/test")
}

// checkPerf refuses flags that mean nothing for values, and leaves defaults to the search.
func (c *culpritFlags) checkPerf(f *pflag.FlagSet) error {
	if !c.perf {
		return nil
	}
	for _, name := range []string{"permanent", "plot", "signature", "any-failure", "find-fix", "follow-merges"} {
		if f.Changed(name) {
			return usage("--%s goes with failures, and not with --perf", name)
		}
	}
	if !f.Changed("flakes") {
		c.nothing = 0
	}
	if !f.Changed("history") {
		c.history = 0
	}
	if !f.Changed("newer") {
		c.newer = 0
	}
	return nil
}

// perfChangeJSON is what happened to a value.
type perfChangeJSON struct {
	Percent       float64 `json:"percent"`
	Before        float64 `json:"before"`
	After         float64 `json:"after"`
	LowerIsBetter bool    `json:"lower_is_better"`
}

// valueJSON is the value that was looked at.
type valueJSON struct {
	Name string  `json:"name"`
	Unit *string `json:"unit"`
}

// measuredJSON adds what a search over values says more.
func (out *culpritJSON) measuredJSON(r backfill.SearchResult) {
	if r.Value == nil {
		return
	}
	out.Value = &valueJSON{Name: r.Value.Name()}
	if r.Value.Unit != "" {
		out.Value.Unit = &r.Value.Unit
	}
	if c := r.Change; c != nil {
		out.Change = &perfChangeJSON{c.Percent, c.Before, c.After, c.LowerIsBetter}
	}
}

func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// number is a value as one reads it.
func number(v float64) string {
	if math.Abs(v) >= 1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

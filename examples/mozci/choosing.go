package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/pflag"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/trychooser"
)

// choosing are the flags that choose labels by what they are.
type choosing struct {
	includes, excludes, queries []string
	try                         string
	types, platforms, suites    []string
	chunks                      []int
	matches                     []string

	flags *pflag.FlagSet
}

// byName adds the flags that go by what labels are called.
func (c *choosing) byName(f *pflag.FlagSet) {
	c.flags = f
	f.StringSliceVar(&c.includes, "includes", nil,
		"jobs with all of these `words`, separated by commas, in their names")
	f.StringSliceVar(&c.excludes, "excludes", nil, "jobs with none of these `words` in their names")
	f.StringArrayVar(&c.queries, "query", nil, "jobs that match this `query` in fzf's syntax, such as "+
		"\"xpcshell !debug linux\"; repeat it for jobs that match either")
}

// bySyntax adds the flag of Mozilla's old way to choose.
func (c *choosing) bySyntax(f *pflag.FlagSet) {
	f.StringVar(&c.try, "try-syntax", "", "jobs that this try `syntax` chooses, such as "+
		"\"try: -b do -p linux64 -u xpcshell -t none\"")
}

// byParts adds the flags that go by what labels are made of.
func (c *choosing) byParts(f *pflag.FlagSet) {
	f.StringSliceVar(&c.types, "build-type", nil, "jobs of these build `types`, such as opt or debug")
	f.StringSliceVar(&c.platforms, "platform", nil, "jobs that build or run on these `platforms`")
	f.StringSliceVar(&c.suites, "suite", nil, "jobs of these `suites`, such as mochitest-browser-chrome")
	f.IntSliceVar(&c.chunks, "chunk", nil, "jobs of these chunks, each a `number`")
	f.StringArrayVar(&c.matches, "match", nil, "jobs whose name matches this `regexp`; repeat it for jobs that "+
		"match either")
}

// chooses reports whether any of the flags was given.
func (c *choosing) chooses() bool {
	return slices.ContainsFunc([]string{
		"includes", "excludes", "query", "try-syntax", "build-type", "platform", "suite", "chunk", "match",
	}, func(name string) bool { return c.flags.Lookup(name) != nil && c.flags.Changed(name) })
}

// sayWhich refuses words that say nothing, such as those of a variable that is empty: they
// would choose every label.
func (c *choosing) sayWhich(choice trychooser.Choice) error {
	for name, list := range map[string][]string{"includes": c.includes, "excludes": c.excludes} {
		empty := slices.ContainsFunc(list, func(w string) bool { return strings.TrimSpace(w) == "" })
		if empty || len(list) == 0 && c.flags.Changed(name) {
			return usage("--%s: a word is empty, which would mean every label", name)
		}
	}
	for _, q := range choice.Queries {
		if q.Empty() {
			return usage("--query %q has no word, which would mean every label", q)
		}
	}
	return nil
}

// choice is what the flags say.
func (c *choosing) choice() (trychooser.Choice, error) {
	out := trychooser.Choice{
		Includes: c.includes, Excludes: c.excludes, Types: c.types, Platforms: c.platforms, Suites: c.suites,
		Chunks: c.chunks,
	}
	for _, text := range c.queries {
		q, err := trychooser.ParseQuery(text)
		if err != nil {
			return out, usage("--query: %v", err)
		}
		out.Queries = append(out.Queries, q)
	}
	for _, text := range c.matches {
		m, err := regexp.Compile(text)
		if err != nil {
			return out, usage("--match: %v", err)
		}
		out.Matches = append(out.Matches, m)
	}
	if c.flags.Lookup("try-syntax") != nil && c.flags.Changed("try-syntax") {
		try, err := trychooser.ParseTry(c.try)
		if err != nil {
			return out, usage("--try-syntax: %v", err)
		}
		out.Try = &try
	}
	return out, nil
}

// rebuilds warns about runs that a try syntax asks for: mozci takes labels from it alone.
func (a *app) rebuilds(c trychooser.Choice) {
	if c.Try == nil {
		return
	}
	for _, option := range []struct {
		name string
		runs int
	}{
		{"--rebuild", c.Try.Rebuild},
		{"--rebuild-talos", c.Try.RebuildTalos},
		{"--rebuild-raptor", c.Try.RebuildRaptor},
	} {
		if option.runs > 1 {
			a.warnf("note: %s %d is not applied: only labels are taken from try syntax, and mozci trigger has "+
				"--times\n",
				option.name, option.runs)
		}
	}
}

// hearing is a choice that is made on several pushes, which remembers what was not
// understood there. Its filter is safe for concurrent use.
type hearing struct {
	choice trychooser.Choice
	among  []string // the labels that were named besides; none for all

	mu     sync.Mutex
	pushes int            // on which it was made
	chosen int            // labels, on all of them
	missed map[string]int // what was not understood, and on how many pushes
}

// hearing makes the choice of the flags ready for several pushes, among the labels that were
// named besides; nil where none was given.
func (c *choosing) hearing(among ...string) (*hearing, error) {
	choice, err := c.choice()
	if err != nil || !c.chooses() {
		return nil, err
	}
	if err := c.sayWhich(choice); err != nil {
		return nil, err
	}
	return &hearing{choice: choice, among: among}, nil
}

// filter is what trigger.Choice takes.
func (h *hearing) filter(catalog []job.Runnable) []string {
	c := h.choice.Choose(catalog)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pushes++
	for _, l := range c.Labels {
		if len(h.among) == 0 || slices.Contains(h.among, l) {
			h.chosen++
		}
	}
	if h.missed == nil {
		h.missed = map[string]int{}
	}
	for _, what := range c.NotUnderstood {
		h.missed[what]++
	}
	return c.Labels
}

// told says what was not understood, and gives an error where nothing was chosen on any
// push. A nil hearing has nothing to tell.
func (h *hearing) told(a *app, op, key string) error {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, what := range slices.Sorted(maps.Keys(h.missed)) {
		where := ""
		if n := h.missed[what]; n < h.pushes {
			where = fmt.Sprintf(" on %d of %d pushes", n, h.pushes)
		}
		a.warnf("note: not understood%s: %s\n", where, what)
	}
	switch {
	case h.pushes == 0:
		return job.Wrap(op, key, job.ErrNotScheduled)
	case h.chosen == 0:
		return job.Wrap(op, key, fmt.Errorf("%w: no label is chosen; to see what can run: mozci labels",
			job.ErrNotFound))
	}
	return nil
}

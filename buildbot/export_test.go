package buildbot

import (
	"context"
	"strconv"
)

// Calls of the API by which tests do to a real master, or see of it, what the
// library itself has no call for.

// Builds returns the builds of a request, oldest first.
func (c *Client) Builds(ctx context.Context, request int64) ([]Build, error) {
	return c.builds(ctx, request)
}

// Build returns one build with its properties.
func (c *Client) Build(ctx context.Context, id int64) (Build, error) { return c.build(ctx, id) }

// Builders returns the builders.
func (c *Client) Builders(ctx context.Context) ([]Builder, error) { return c.allBuilders(ctx) }

// Buildsets returns the newest buildsets, newest first.
func (c *Client) Buildsets(ctx context.Context) ([]Buildset, error) {
	all, _, err := older(ctx, c, "buildbot.buildsets", setsSource(), 0, largePage)
	return all, err
}

// Force asks a force scheduler for a build on one builder.
func (c *Client) Force(ctx context.Context, scheduler string, builder int, params map[string]any) error {
	_, err := c.force(ctx, scheduler, builder, params)
	return err
}

// Rebuild asks for a copy of a build.
func (c *Client) Rebuild(ctx context.Context, build int64) error {
	_, err := c.rebuild(ctx, build)
	return err
}

// Kept is how much a project remembers, by what it is, with its bound.
func (p *Project) Kept() map[string][2]int {
	m := p.memory.Load()
	known := p.known.Load()
	out := map[string][2]int{
		"lines": {m.lines.Len(), mostLines}, "other pushes": {m.others.Len(), mostOthers},
		"nodes": {m.nodes.Len(), mostNodes}, "pushes": {len(m.now().pushes), mostPushes},
		"sights": {len(m.sights()), mostSights}, "flights": {m.reads.Len() + m.finds.Len() + p.looks.Len(), 0},
		"single buildsets": {known.sets.Len(), mostBuildsets}, "bases": {known.bases.Len(), mostBases},
		"histories": {p.histories.Len(), mostHistories}, "logs": {p.leaves.Len(), mostLogs},
		"opened": {p.opened.Len(), mostLogs},
	}
	p.turns.mu.Lock()
	out["turns"] = [2]int{len(p.turns.taken), 0}
	p.turns.mu.Unlock()
	p.list.mu.Lock()
	out["buildsets"], out["done"] = [2]int{len(p.list.sets), mostBuildsets}, [2]int{len(p.list.done), mostBuildsets}
	p.list.mu.Unlock()
	longest := 0
	for b := range 1000 {
		if h, ok := p.histories.Get(b); ok {
			longest = max(longest, len(h.all))
		}
	}
	out["requests of a builder"] = [2]int{longest, mostRequests}
	return out
}

// Sights is how many of n branches are remembered as seen.
func Sights(n int) int {
	m := newMemory()
	for i := range n {
		m.see([]sight{{branch: strconv.Itoa(i)}, {branch: strconv.Itoa(i)}})
	}
	return len(m.sights())
}

// StatusOf is what a result means.
var StatusOf = status

// LimitPages bounds how many pages a question may take.
func LimitPages(p *Project, n int) { p.c.pages = n }

package buildbot

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
)

// How Buildbot marks a virtual builder, and a request for one.
const (
	virtualTag  = "_virtual_"
	virtualName = "virtual_builder_name"
)

func virtual(b Builder) bool { return slices.Contains(b.Tags, virtualTag) }

func (p *Project) hasVirtual(ctx context.Context) (bool, error) {
	all, err := p.c.builders.get(ctx, keptFor)
	return slices.ContainsFunc(all, virtual), err
}

// virtualProperty asks with requests for the property that tells virtual builders
// apart, on masters that have some: each costs the master a look.
func (p *Project) virtualProperty(ctx context.Context) ([]string, error) {
	has, err := p.hasVirtual(ctx)
	if !has || err != nil {
		return nil, err
	}
	return []string{"property", virtualName}, nil
}

// known is what was found out at some time.
type known struct {
	at  time.Time
	ids []int
}

// basesOf are the builders that requests of a builder are filed under: itself, and
// for a virtual one those whose requests it built lately.
func (p *Project) basesOf(ctx context.Context, b Builder) ([]int, error) {
	if !virtual(b) {
		return []int{b.ID}, nil
	}
	p.mu.Lock()
	k, ok := p.bases[b.ID]
	p.mu.Unlock()
	if ok && time.Since(k.at) < keptFor {
		return k.ids, nil
	}
	const op, some = "buildbot.builds", 20
	builds, _, err := older(ctx, p.c, op, buildsSource(fmt.Sprintf("builders/%d/builds", b.ID)), 0, some)
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, one := range builds {
		ids = append(ids, one.Request)
	}
	requests, err := p.c.requests(ctx, op, ids)
	if err != nil {
		return nil, err
	}
	k = known{at: time.Now(), ids: []int{b.ID}}
	for _, r := range requests {
		k.ids = append(k.ids, r.Builder)
	}
	slices.Sort(k.ids)
	k.ids = slices.Compact(k.ids)
	p.mu.Lock()
	p.bases[b.ID] = k
	p.mu.Unlock()
	return k.ids, nil
}

// builderOf is the builder that a run is filed under: the one that built it, or
// will. A virtual builder's request is its base's until it is built.
func (p *Project) builderOf(ctx context.Context, r run) (Builder, error) {
	id := r.Request.Builder
	if r.Build != nil {
		id = r.Build.Builder
	} else if name, ok := r.Request.Properties[virtualName].Value.(string); ok && name != "" {
		b, ok, err := p.c.builderNamed(ctx, name)
		if err != nil || ok {
			return b, err
		}
		return Builder{ID: id, Name: name, Tags: []string{virtualTag}}, nil // it has not built anything yet
	}
	b, ok, err := p.c.builder(ctx, id)
	if err == nil && !ok {
		err = fmt.Errorf("%w: request %d is of builder %d, which is not there", job.ErrMalformed, r.Request.ID, id)
	}
	return b, err
}

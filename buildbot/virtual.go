package buildbot

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mozci/mozci/job/contract"
)

// A virtual builder exists only as a name: its builds run on another builder, its base. Buildbot
// marks a virtual builder with a tag, and a request for one with a property. A request has it as
// {"virtual_builder_name": ["py3", "Scheduler"]}, the name of the virtual builder.
const (
	virtualTag  = "_virtual_"
	virtualName = "virtual_builder_name"
)

func virtual(b Builder) bool { return slices.Contains(b.Tags, virtualTag) }

func (p *Project) hasVirtual(ctx context.Context) (bool, error) {
	all, err := p.c.builders.get(ctx, keptFor)
	return slices.ContainsFunc(all, virtual), err
}

// virtualProperty returns the parameters that make the master add the property of virtual
// builders to requests. It returns none on masters without such builders, since the master has
// to look up the property for each request.
func (p *Project) virtualProperty(ctx context.Context) ([]string, error) {
	has, err := p.hasVirtual(ctx)
	if !has || err != nil {
		return nil, err
	}
	return []string{"property", virtualName}, nil
}

// bases are the builders on which a virtual builder's builds run, as found at a time.
type bases struct {
	at  time.Time
	ids []int
}

// basesOf returns the builders under which the requests of a builder are filed: the builder
// itself and, for a virtual one, the bases of its latest builds. For a virtual builder 9 whose
// latest builds were requested from the builders 3 and 4, they are 3, 4 and 9.
func (p *Project) basesOf(ctx context.Context, b Builder) ([]int, error) {
	if !virtual(b) {
		return []int{b.ID}, nil
	}
	all := p.known.Load().bases
	if k, ok := all.Get(b.ID); ok && time.Since(k.at) >= keptFor {
		all.Forget(b.ID)
	}
	k, err := all.Do(ctx, b.ID, func(ctx context.Context) (bases, bool, error) {
		ids, err := p.readBases(ctx, b)
		return bases{time.Now(), ids}, true, err
	})
	return k.ids, err
}

// readBases finds the bases of a virtual builder through its latest 20 builds.
func (p *Project) readBases(ctx context.Context, b Builder) ([]int, error) {
	const op, some = "buildbot.builds", 20
	builds, _, err := older(ctx, p.c, op, buildsSource(fmt.Sprintf("builders/%d/builds", b.ID)), 0, some)
	if err != nil {
		return nil, err
	}
	var requests []int64
	for _, one := range builds {
		requests = append(requests, one.Request)
	}
	found, err := p.c.requests(ctx, op, requests)
	if err != nil {
		return nil, err
	}
	ids := []int{b.ID}
	for _, r := range found {
		ids = append(ids, r.Builder)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// builderOf is the builder of a run: the one that built it or will build it. A request for a
// virtual builder is filed under its base until the build begins; the property tells.
//
//	request of builder 3, no property, no build    3
//	request of builder 3, property py3, no build   py3, although the master may not list it yet
//	request of builder 3, build of py3             the same
//	request of builder 3, build of 4, not virtual  an error: they do not fit
func (p *Project) builderOf(ctx context.Context, r run) (Builder, error) {
	id := r.Request.Builder
	if r.Build != nil {
		id = r.Build.Builder
	} else if name, ok := r.Request.Properties[virtualName].Value.(string); ok && name != "" {
		b, ok, err := p.c.builderNamed(ctx, name)
		if err != nil || ok {
			return b, err
		}
		return Builder{ID: id, Name: name, Tags: []string{virtualTag}}, nil // the master lists it after its first build
	}
	b, ok, err := p.c.builder(ctx, id)
	place := fmt.Sprintf("of request %d", r.Request.ID)
	switch {
	case err != nil:
		return b, err
	case !ok:
		return b, broken("builders", place, contract.Outside("", "builder %d is missing", id))
	case id != r.Request.Builder && !virtual(b):
		return b, broken("builds", place, contract.Differs("", id, r.Request.Builder))
	}
	return b, nil
}

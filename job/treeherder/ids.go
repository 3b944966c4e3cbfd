package treeherder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/mozci/mozci/job"
)

// Jobs are listed by Treeherder's own push ids, and callers name pushes by revision.

// mostIDs is how many ids are kept: of 10,000 pushes, each by its whole revision and
// by the first twelve digits.
const mostIDs = 20_000

// shortest is how many digits of a revision name a push; see job.SameRevision.
const shortest = 12

// idKey names a push of a project by its whole revision, or by twelve digits.
type idKey struct{ project, revision string }

// knownPush is the push of a key. Twelve digits that several pushes have mean none of
// them: it is then empty.
type knownPush struct {
	revision string
	id       int64
}

// learn keeps the id of a push.
func (p *Project) learn(revision string, id int64) {
	ids, revision := p.server.ids, strings.ToLower(revision)
	ids.Put(idKey{p.name, revision}, knownPush{revision, id})
	if len(revision) <= shortest {
		return
	}
	short := idKey{p.name, revision[:shortest]}
	if old, ok := ids.Get(short); ok && old.id != id {
		ids.Put(short, knownPush{})
		return
	}
	ids.Put(short, knownPush{revision, id})
}

// knownID is the id of a push by any of its hashes, whole or in part.
func (p *Project) knownID(push job.Push) (int64, bool) {
	for _, h := range push.Hashes() {
		h = strings.ToLower(h)
		for _, key := range []string{h, h[:min(len(h), shortest)]} {
			k, ok := p.server.ids.Get(idKey{p.name, key})
			if ok && k.id != 0 && strings.HasPrefix(k.revision, h) {
				return k.id, true
			}
		}
	}
	return 0, false
}

// searched is what a search found, for the push that it was for.
type searched struct {
	revision string
	id       int64
	err      error
}

// id is Treeherder's push id of a push, found by revision, with those of the pushes
// before it, which are most often asked for next. One search of a project runs at a
// time, so that ten parallel callers do not ask the same; each waits with its own
// context, and looks again when what was found is another one's.
func (p *Project) id(ctx context.Context, push job.Push) (int64, error) {
	for {
		if id, ok := p.knownID(push); ok {
			return id, nil
		}
		s, err := p.server.searches.Do(ctx, p.name, func(ctx context.Context) (searched, bool, error) {
			id, err := p.search(ctx, push)
			return searched{push.Revision, id, err}, false, nil
		})
		if err != nil {
			return 0, err
		}
		if s.revision == push.Revision {
			return s.id, s.err
		}
	}
}

func (p *Project) search(ctx context.Context, push job.Push) (int64, error) {
	found, err := p.find(ctx, push)
	if err != nil {
		return 0, err
	}
	if !job.SameRevision(push.Revision, found.Revision) { // it was found by another hash
		p.learn(push.Revision, found.ID)
	}
	before := window{until: found.Order, enough: 100, keep: func(q job.Push) bool { return q.Compare(found) < 0 }}
	if _, err := p.read(ctx, before); err != nil {
		return 0, err
	}
	return found.ID, nil
}

// find looks for a push by each of its hashes, on whatever branch it is:
// Treeherder lists a repository that is kept in hg and in git by one of the two.
func (p *Project) find(ctx context.Context, push job.Push) (job.Push, error) {
	var err error
	for _, h := range push.Hashes() {
		var found job.Push
		if found, err = p.byRevision(ctx, h); !errors.Is(err, job.ErrNotFound) {
			return found, err
		}
	}
	return p.byTwin(ctx, push.Revision, err)
}

// Of many pushes one request finds the ids: they are among the pushes of their time.
const (
	// before is how many older pushes are listed too: they are most often asked for next.
	before = 100
	// slack is how much a source's time of a push may differ from Treeherder's, in seconds.
	slack = 3600
)

// foundID is the id of a push, or why there is none.
type foundID struct {
	id  int64
	err error
}

// idsOf are the ids of pushes, in their order.
func (p *Project) idsOf(ctx context.Context, pushes []job.Push) []foundID {
	out := make([]foundID, len(pushes))
	unknown := p.unknown(pushes)
	var err error
	if len(unknown) > 1 {
		err = p.list(ctx, pushes, unknown)
		unknown = p.unknown(pushes)
	}
	var absent []int
	switch {
	case err != nil && !errors.Is(err, job.ErrMalformed): // that can be of one push that nobody asks about
		for _, i := range unknown {
			out[i].err = err
		}
		unknown = nil
	case len(unknown) > sampled && p.lacks(ctx, pushes, unknown):
		absent, unknown = unknown, nil
	}
	for _, i := range absent {
		out[i].err = fmt.Errorf("%w: %s is not among the pushes of its time in %s", job.ErrNotFound,
			pushes[i].Short(), p.name)
	}
	var wg sync.WaitGroup
	for _, i := range unknown {
		wg.Go(func() { out[i].id, out[i].err = p.id(ctx, pushes[i]) })
	}
	wg.Wait()
	for i, push := range pushes {
		if out[i] != (foundID{}) {
			continue
		}
		var ok bool
		if out[i].id, ok = p.knownID(push); !ok { // others had so many that it is forgotten
			out[i].id, out[i].err = p.id(ctx, push)
		}
	}
	return out
}

// unknown are the places of the pushes whose ids are not known.
func (p *Project) unknown(pushes []job.Push) []int {
	var out []int
	for i, push := range pushes {
		if _, ok := p.knownID(push); !ok {
			out = append(out, i)
		}
	}
	return out
}

// sampled is how many pushes that are not among those of their time are looked for by
// their revisions, before the others are taken not to be there either.
const sampled = 3

// lacks reports whether Treeherder has neither the first, nor the one in the middle, nor
// the last of the pushes that were not among those of their time. Where it does not
// answer nothing is known.
func (p *Project) lacks(ctx context.Context, pushes []job.Push, unknown []int) bool {
	var errs [sampled]error
	var wg sync.WaitGroup
	for n, i := range []int{unknown[0], unknown[len(unknown)/2], unknown[len(unknown)-1]} {
		wg.Go(func() { _, errs[n] = p.id(ctx, pushes[i]) })
	}
	wg.Wait()
	return !slices.ContainsFunc(errs[:], func(err error) bool { return !errors.Is(err, job.ErrNotFound) })
}

// list reads the pushes of the time of those at some places, and what is a little older,
// and learns their ids.
func (p *Project) list(ctx context.Context, pushes []job.Push, places []int) error {
	var oldest, newest int64
	for _, i := range places {
		if at := pushes[i].Time; !at.IsZero() && at.Unix() > 0 {
			if oldest == 0 || at.Unix() < oldest {
				oldest = at.Unix()
			}
			newest = max(newest, at.Unix())
		}
	}
	if newest == 0 {
		return nil
	}
	all := func(job.Push) bool { return true }
	recent := window{until: newest + slack, enough: len(places) + before, keep: all}
	got, err := p.read(ctx, recent)
	if err == nil && len(got) >= recent.enough && got[0].Order > oldest-slack { // only some of a long time are wanted
		var older []job.Push
		older, err = p.read(ctx, window{since: max(1, oldest-slack), until: got[0].Order, keep: all})
		got = append(older, got...)
	}
	if err != nil {
		return err
	}
	for _, i := range places {
		p.learnInside(pushes[i], got)
	}
	return nil
}

// learnInside keeps the id of a push that is a part of one on a list, ascending: what is
// one push elsewhere can be several here, or the reverse.
func (p *Project) learnInside(push job.Push, list []job.Push) {
	if _, ok := p.knownID(push); ok {
		return
	}
	for _, q := range slices.Backward(list) {
		for _, h := range push.Hashes() {
			if q.Contains(h) {
				p.learn(push.Revision, q.ID)
				return
			}
		}
	}
}

package treeherder

import (
	"context"
	"errors"
	"strings"

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

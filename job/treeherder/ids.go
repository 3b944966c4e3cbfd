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

// Treeherder lists jobs by its own push ids, while callers name pushes by revision. This file
// finds the ids.

// mostIDs is how many entries are kept: 2 for each of 10,000 pushes, one by the whole revision
// and one by its first 12 digits.
const mostIDs = 20_000

// shortest is how many digits of a revision name a push; see job.SameRevision.
const shortest = 12

// idKey names a push of a project, by its whole revision or by 12 digits of it.
type idKey struct{ project, revision string }

// knownPush is the push of a key. When several pushes begin with the same 12 digits, those name
// none of them, and the entry is empty.
type knownPush struct {
	revision string
	id       int64
}

// learn remembers the id of a push.
//
//	learn a1c0ffee1234…01, 7      a1c0ffee1234…01 → 7, and a1c0ffee1234 → 7
//	learn a1c0ffee1234…02, 8      a1c0ffee1234…02 → 8, and a1c0ffee1234 → none
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

// knownID returns the remembered id of a push, by any of its hashes, whole or in part. A part of
// 20 digits is looked up by its first 12; then the whole revision of the entry must begin with
// all 20. An id of 0 is that of the empty entry.
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

// searched is the result of a search, with the revision that it was for.
type searched struct {
	revision string
	id       int64
	err      error
}

// id returns Treeherder's push id of a push. It searches by revision, and also learns the ids of
// the pushes before it, which callers mostly need next. Only one search of a project runs at a
// time, so that ten parallel callers do not make the same requests. The others wait, each with
// its own context, and look again when the search was for another push.
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

// search finds a push, and reads the 100 pushes before it to learn their ids.
func (p *Project) search(ctx context.Context, push job.Push) (int64, error) {
	found, err := p.find(ctx, push)
	if err != nil {
		return 0, err
	}
	if !job.SameRevision(push.Revision, found.Revision) { // found by another of its hashes
		p.learn(push.Revision, found.ID)
	}
	before := window{until: found.Order, enough: 100, keep: func(q job.Push) bool { return q.Compare(found) < 0 }}
	if _, err := p.read(ctx, before); err != nil {
		return 0, err
	}
	return found.ID, nil
}

// find looks for a push by each of its hashes, on any branch. Of a repository that exists in hg
// and in git, Treeherder lists only one of the two hashes.
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

// The ids of many pushes are found with one request, which lists all pushes of the time in which
// they were made.
const (
	// before is how many older pushes are listed as well: callers mostly need them next.
	before = 100
	// slack is how many seconds a source's time of a push may differ from Treeherder's.
	slack = 3600
)

// foundID is the id of a push, or the reason why there is none.
type foundID struct {
	id  int64
	err error
}

// idsOf returns the ids of pushes, in the same order. It lists the pushes of their time first,
// and searches one by one for those that are not among them. When there are more than sampled
// of those, it searches for a sample, and takes all of them to be missing if the sample is.
//
//	1 unknown push                       searched for
//	50 unknown, all in the list          1 request, or 2 for a long time
//	50 unknown, 2 of them not listed     and a search for each of the 2
//	50 unknown, none of them listed      and 3 searches; if they find none, all 50 are missing
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
	case err != nil && !errors.Is(err, job.ErrMalformed): // a malformed list may be the fault of some other push in it
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
		if out[i].id, ok = p.knownID(push); !ok { // dropped again, for the ids of other pushes
			out[i].id, out[i].err = p.id(ctx, push)
		}
	}
	return out
}

// unknown returns the indexes of the pushes whose ids are not known.
func (p *Project) unknown(pushes []job.Push) []int {
	var out []int
	for i, push := range pushes {
		if _, ok := p.knownID(push); !ok {
			out = append(out, i)
		}
	}
	return out
}

// sampled is how many of the pushes that a list lacks are searched for before the others are
// taken to be missing, too.
const sampled = 3

// lacks reports whether Treeherder has none of the first, the middle and the last of the unknown
// pushes. When it fails to answer for one of them, the result is false: then nothing is known.
func (p *Project) lacks(ctx context.Context, pushes []job.Push, unknown []int) bool {
	var errs [sampled]error
	var wg sync.WaitGroup
	for n, i := range []int{unknown[0], unknown[len(unknown)/2], unknown[len(unknown)-1]} {
		wg.Go(func() { _, errs[n] = p.id(ctx, pushes[i]) })
	}
	wg.Wait()
	return !slices.ContainsFunc(errs[:], func(err error) bool { return !errors.Is(err, job.ErrNotFound) })
}

// list reads the pushes from the time in which the pushes at some places were made, and a few
// older ones, and learns their ids. When few pushes of a long time are wanted it makes a second
// request, for the rest of that time.
//
// For 5 pushes from 08:00 to 10:00 the first request is for at least 105 pushes until 11:00.
// If the oldest of those is of 07:30, pushes from 07:00 to 07:30 may still be wanted, as clocks
// may differ by an hour, so a second request is for these.
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
	if err == nil && len(got) >= recent.enough && got[0].Order > oldest-slack { // oldest is further back
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

// learnInside remembers the id of a push whose revision is inside a push on a list. Sources may
// divide the same changesets into pushes differently.
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

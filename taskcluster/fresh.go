package taskcluster

import (
	"context"
	"sync"
	"time"

	"github.com/mozci/mozci/job"
)

// fresh is how long a listing of a push's groups is used again. It is long enough for a plan
// that reads a push's jobs, its catalog and its actions under way to list the groups once.
const fresh = 5 * time.Second

// mostListings is how many listings are kept at most; the oldest goes first. One of a large
// push takes tens of megabytes of memory.
const mostListings = 16

// listings remember the groups of pushes as they were listed a moment ago. Two callers that
// list a push at the same time each list it: a caller that has just triggered something must
// see it, and another's listing that began earlier would not show it. No request is made
// while mu is held.
type listings struct {
	mu   sync.Mutex
	kept map[string]*graphs // by Project.key of the push; while any are kept, a timer for drop runs
}

// get returns a fresh listing, or nil.
func (l *listings) get(key string) *graphs {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fresh(key)
}

// fresh is get for callers that hold mu.
func (l *listings) fresh(key string) *graphs {
	if g := l.kept[key]; g != nil && !g.forgotten && time.Since(g.at) < fresh {
		return g
	}
	return nil
}

// mark notes that a listing was read for a catalog, so that take may hand it out once.
func (l *listings) mark(key string, g *graphs) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g.catalog = l.kept[key] == g
}

// take returns a fresh listing that was read for a catalog and not yet for jobs, or nil.
// Each is handed out once: the second question about jobs gets a new listing.
func (l *listings) take(key string) *graphs {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.fresh(key)
	if g == nil || !g.catalog {
		return nil
	}
	g.catalog = false
	return g
}

// keep remembers a listing for as long as it is fresh. It does nothing when a later listing
// is there, or when the push was changed after this listing began; see forget.
func (l *listings) keep(key string, g *graphs) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(g.at) >= fresh {
		return
	}
	if old := l.kept[key]; old != nil && old.at.After(g.at) {
		return
	}
	if len(l.kept) == 0 {
		time.AfterFunc(fresh, l.drop)
	}
	l.kept[key] = g
	for len(l.kept) > mostListings {
		delete(l.kept, l.oldest())
	}
}

func (l *listings) oldest() string {
	first := ""
	for key, g := range l.kept {
		if old := l.kept[first]; old == nil || g.at.Before(old.at) {
			first = key
		}
	}
	return first
}

// drop frees listings that are no longer fresh, and comes back as long as any are left: the
// memory is freed even when no further question comes.
func (l *listings) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, g := range l.kept {
		if time.Since(g.at) >= fresh {
			delete(l.kept, key)
		}
	}
	if len(l.kept) > 0 {
		time.AfterFunc(fresh, l.drop)
	}
}

// forget makes the next question about a push list its groups again. It keeps an empty entry
// with the present time, which keep does not replace by a listing that began before.
//
//	12:00:00   A begins to list
//	12:00:01   B triggers a run, and forgets with the time 12:00:01
//	12:00:02   A has its listing of 12:00:00: keep drops it, as the entry of 12:00:01 is newer
//	12:00:03   get finds the empty entry, and the caller lists anew
func (l *listings) forget(key string) { l.keep(key, &graphs{at: time.Now(), forgotten: true}) }

// compare takes the present states of a push's actions, by task id, and forgets the listing
// when it lacks one of them or shows another state. Otherwise a run could be reported as still
// to come when it is there already.
func (l *listings) compare(key string, actions map[string]string) {
	g := l.get(key)
	if g == nil {
		return
	}
	for id, state := range actions {
		if t := g.byID[id]; t == nil || t.Status.State != state {
			l.forget(key)
			return
		}
	}
}

// forgetTask is forget for each push whose listing has the task.
func (l *listings) forgetTask(id string) {
	l.mu.Lock()
	var keys []string
	for key, g := range l.kept {
		if g.byID[id] != nil {
			keys = append(keys, key)
		}
	}
	l.mu.Unlock()
	for _, key := range keys {
		l.forget(key)
	}
}

// groups returns the task groups of a push, from a fresh listing when there is one.
func (p *Project) groups(ctx context.Context, push job.Push) (*graphs, error) {
	if g := p.known.listings.get(p.key(push)); g != nil {
		return g, nil
	}
	return p.list(ctx, push)
}

// forCatalog is groups, and lets one forJobs that follows use the same listing.
func (p *Project) forCatalog(ctx context.Context, push job.Push) (*graphs, error) {
	g, err := p.groups(ctx, push)
	if err == nil {
		p.known.listings.mark(p.key(push), g)
	}
	return g, err
}

// forJobs lists the groups again, unless a catalog of the push has just been read: planning
// reads both, one after the other.
func (p *Project) forJobs(ctx context.Context, push job.Push) (*graphs, error) {
	if g := p.known.listings.take(p.key(push)); g != nil {
		return g, nil
	}
	return p.list(ctx, push)
}

// forget makes the next question about a push list its groups again.
func (p *Project) forget(push job.Push) { p.known.listings.forget(p.key(push)) }

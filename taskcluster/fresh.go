package taskcluster

import (
	"context"
	"sync"
	"time"

	"github.com/mozci/mozci/job"
)

// fresh is how long a listing of a push's groups is used again, so that reading
// its jobs, its catalog and what is under way lists them once.
const fresh = 5 * time.Second

// mostListings is how many listings are kept at a time. One of a large push takes
// tens of megabytes.
const mostListings = 16

// listings are the groups of pushes as they were listed a moment ago. Two callers
// that list one push at a time list it twice: who has just triggered something
// must see it, and a listing that began before would not show it. Nothing is
// asked while mu is held.
type listings struct {
	mu   sync.Mutex
	kept map[string]*graphs // by push
}

// get is a listing that is fresh; nil for none.
func (l *listings) get(key string) *graphs {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fresh(key)
}

func (l *listings) fresh(key string) *graphs {
	if g := l.kept[key]; g != nil && !g.forgotten && time.Since(g.at) < fresh {
		return g
	}
	return nil
}

// mark says that a listing was read for a catalog.
func (l *listings) mark(key string, g *graphs) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g.catalog = l.kept[key] == g
}

// take is a listing that was read for a catalog, and not for jobs yet.
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

// keep keeps a listing for as long as it is fresh, unless a later one is there,
// or something was done on the push since it began.
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

// drop lets go of what is not fresh any more, also where nobody asks again.
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

// forget makes the next question about a push list its groups anew.
func (l *listings) forget(key string) { l.keep(key, &graphs{at: time.Now(), forgotten: true}) }

// compare forgets a listing that shows other actions of a push than there are now, or
// another state of one: who asks which runs are to come must not be told of those that are
// there already.
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

// forgetTask is forget for the pushes that have a task.
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

// groups lists the task groups of a push, or returns a listing that is fresh.
func (p *Project) groups(ctx context.Context, push job.Push) (*graphs, error) {
	if g := p.known.listings.get(p.key(push)); g != nil {
		return g, nil
	}
	return p.list(ctx, push)
}

// forCatalog is groups; the jobs of the push may be read from it right after.
func (p *Project) forCatalog(ctx context.Context, push job.Push) (*graphs, error) {
	g, err := p.groups(ctx, push)
	if err == nil {
		p.known.listings.mark(p.key(push), g)
	}
	return g, err
}

// forJobs lists the groups anew, unless a catalog of the push has just been
// read: whoever plans asks for both, one after the other.
func (p *Project) forJobs(ctx context.Context, push job.Push) (*graphs, error) {
	if g := p.known.listings.take(p.key(push)); g != nil {
		return g, nil
	}
	return p.list(ctx, push)
}

// forget makes the next question about a push list its groups anew.
func (p *Project) forget(push job.Push) { p.known.listings.forget(p.key(push)) }

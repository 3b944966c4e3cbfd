package servertest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job"
)

// Each mutant is a correct store with one method changed, and makes a mistake that a real
// implementation could make. When a rule is added to CheckStore, add the mutant that only this rule
// catches.

// Mutant is a store that breaks one rule. Rule is the name under which CheckStore must report it.
type Mutant struct {
	Name string
	Rule string
	Wrap func(server.Store) server.Store
}

// Mutants returns stores that each break the contract in one way. They are made from one that keeps
// it.
func Mutants() []Mutant {
	with := func(set func(*wrapped)) func(server.Store) server.Store {
		return func(s server.Store) server.Store {
			w := &wrapped{Store: s}
			set(w)
			return w
		}
	}
	add := func(f addFunc) func(server.Store) server.Store { return with(func(w *wrapped) { w.add = f }) }
	list := func(f listFunc) func(server.Store) server.Store { return with(func(w *wrapped) { w.list = f }) }
	claim := func(f claimFunc) func(server.Store) server.Store { return with(func(w *wrapped) { w.claim = f }) }
	renew := func(f renewFunc) func(server.Store) server.Store { return with(func(w *wrapped) { w.renew = f }) }
	save := func(f saveFunc) func(server.Store) server.Store { return with(func(w *wrapped) { w.save = f }) }
	cancel := func(f cancelFunc) func(server.Store) server.Store { return with(func(w *wrapped) { w.cancel = f }) }
	// Other rules may find a mutant too; the one named here must.
	return []Mutant{
		{"a local clock", "clock", func(s server.Store) server.Store { return local{s} }},
		{"the caller's version", "add", add(callersVersion)},
		{"born cancelled", "add", add(bornCancelled)},
		{"the wrong end", "add", add(endless)},
		{"warnings are forgotten", "kept", add(noWarnings)},
		{"scopes are forgotten", "kept", add(noScopes)},
		{"what is given is kept as it is", "kept", func(s server.Store) server.Store { return &sharing{Store: s} }},
		{"each is new", "key", add(alwaysNew)},
		{"an empty key is a key", "key", add(emptyKey)},
		{"the refused live on", "key", add(refusedLive)},
		{"no lifetime", "lifetime", add(forEver)},
		{"nothing lives", "key", func(s server.Store) server.Store { return nothingLives{s} }},
		{"the oldest first", "list", list(oldestFirst)},
		{"one state", "list", list(oneState)},
		{"before and itself", "list", list(beforeToo)},
		{"projects are not told apart", "list", list(anyProject)},
		{"bodies are left out of lists", "list", list(noBodies)},
		{"no end of a page", "page", list(noEnd)},
		{"versions of all", "versions", func(s server.Store) server.Store { return allVersions{s} }},
		{"any number", "claim", claim(anyNumber)},
		{"the last first", "claim", claim(lastFirst)},
		{"no leases", "claim", claim(noLeases)},
		{"held by two", "at once", func(s server.Store) server.Store { return &heldByTwo{Store: s} }},
		{"leases never end", "lease", claim(endlessLeases)},
		{"the lost say that they saved", "lease", save(lostSaves)},
		{"leases are not renewed", "renew", renew(notRenewed)},
		{"versions do not grow", "save", save(sameVersion)},
		{"any holder", "save", save(anyHolder)},
		{"saves without a log", "save", save(noLog)},
		{"a save is the end", "save", save(endsAll)},
		{"an end is not written", "end", save(noEndTime)},
		{"the failed keep their key", "freed", save(failedAsDone)},
		{"others release", "release", func(s server.Store) server.Store { return &anyRelease{Store: s} }},
		{"nobody is released", "release", func(s server.Store) server.Store { return noRelease{s} }},
		{"the last cancels", "cancel", cancel(lastCancels)},
		{"holders do not hear of it", "cancel", renew(deaf)},
		{"a cancellation is the end", "cancel", cancel(cancelEnds)},
		{"the young are forgotten", "prune", func(s server.Store) server.Store { return hasty{s} }},
		{"nothing is forgotten", "prune", func(s server.Store) server.Store { return hoarder{s} }},
		{"what is unknown is saved", "unknown", save(unknownSaves)},
		{"bare errors", "unknown", cancel(bareErrors)},
		{"a done context is not looked at", "done context", save(anyContext)},
		{"all that add at once have", "at once", func(s server.Store) server.Store { return &racing{Store: s} }},
		{"a save is lost now and then", "at once", func(s server.Store) server.Store { return &leaky{Store: s} }},
	}
}

type (
	// Each has the arguments of the method, and before them the correct store.
	addFunc = func(ctx context.Context, s server.Store, r server.Record, d time.Duration) (server.Record, bool,
		error)
	listFunc  = func(ctx context.Context, s server.Store, q server.Query) ([]server.Backfill, error)
	claimFunc = func(ctx context.Context, s server.Store, holder string, d time.Duration, n int) ([]server.Record,
		error)
	renewFunc  = func(ctx context.Context, s server.Store, id, holder string, d time.Duration) (string, error)
	saveFunc   = func(ctx context.Context, s server.Store, r server.Record, holder string) (server.Record, error)
	cancelFunc = func(ctx context.Context, s server.Store, id, by string) (server.Record, error)
)

// wrapped is a store with some of its methods replaced. A nil function leaves the method as it is.
type wrapped struct {
	server.Store
	add    addFunc
	list   listFunc
	claim  claimFunc
	renew  renewFunc
	save   saveFunc
	cancel cancelFunc
}

// Each method is the mutant's own where it has one, and otherwise the correct store's.

func (w *wrapped) Add(ctx context.Context, r server.Record, d time.Duration) (server.Record, bool, error) {
	if w.add != nil {
		return w.add(ctx, w.Store, r, d)
	}
	return w.Store.Add(ctx, r, d)
}

func (w *wrapped) List(ctx context.Context, q server.Query) ([]server.Backfill, error) {
	if w.list != nil {
		return w.list(ctx, w.Store, q)
	}
	return w.Store.List(ctx, q)
}

func (w *wrapped) Claim(ctx context.Context, holder string, d time.Duration, n int) ([]server.Record, error) {
	if w.claim != nil {
		return w.claim(ctx, w.Store, holder, d, n)
	}
	return w.Store.Claim(ctx, holder, d, n)
}

func (w *wrapped) Renew(ctx context.Context, id, holder string, d time.Duration) (string, error) {
	if w.renew != nil {
		return w.renew(ctx, w.Store, id, holder, d)
	}
	return w.Store.Renew(ctx, id, holder, d)
}

func (w *wrapped) Save(ctx context.Context, r server.Record, holder string) (server.Record, error) {
	if w.save != nil {
		return w.save(ctx, w.Store, r, holder)
	}
	return w.Store.Save(ctx, r, holder)
}

func (w *wrapped) Cancel(ctx context.Context, id, by string) (server.Record, error) {
	if w.cancel != nil {
		return w.cancel(ctx, w.Store, id, by)
	}
	return w.Store.Cancel(ctx, id, by)
}

// local has the right time in another time zone.
type local struct{ server.Store }

func (l local) Now(ctx context.Context) (time.Time, error) {
	now, err := l.Store.Now(ctx)
	return now.In(time.FixedZone("here", 3600)), err
}

// callersVersion returns the version that the caller gave instead of 1.
func callersVersion(ctx context.Context, s server.Store, r server.Record, d time.Duration) (server.Record, bool,
	error,
) {
	out, added, err := s.Add(ctx, r, d)
	if added {
		out.Version = max(r.Version, 1)
	}
	return out, added, err
}

// bornCancelled believes the caller's CancelledBy.
func bornCancelled(ctx context.Context, s server.Store, r server.Record, d time.Duration) (server.Record, bool, error) {
	out, added, err := s.Add(ctx, r, d)
	out.CancelledBy = r.CancelledBy
	return out, added, err
}

// endless leaves out the end of records that are added closed, such as dry runs.
func endless(ctx context.Context, s server.Store, r server.Record, d time.Duration) (server.Record, bool, error) {
	out, added, err := s.Add(ctx, r, d)
	out.Ended = nil
	return out, added, err
}

// noWarnings has forgotten a field of the backfill, noScopes one of the caller.
func noWarnings(ctx context.Context, s server.Store, r server.Record, d time.Duration) (server.Record, bool, error) {
	r.Warnings = nil
	return s.Add(ctx, r, d)
}

func noScopes(ctx context.Context, s server.Store, r server.Record, d time.Duration) (server.Record, bool, error) {
	r.Caller.Scopes = nil
	return s.Add(ctx, r, d)
}

// sharing returns the same value to all callers.
type sharing struct {
	server.Store
	mu   sync.Mutex
	last server.Record
}

func (s *sharing) Get(ctx context.Context, id string) (server.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.Store.Get(ctx, id)
	if err == nil && r.ID == s.last.ID && r.Version == s.last.Version {
		return s.last, nil
	}
	s.last = r
	return r, err
}

// alwaysNew ignores keys, emptyKey takes the empty one for a key like others.
func alwaysNew(ctx context.Context, s server.Store, r server.Record, d time.Duration) (server.Record, bool, error) {
	r.Key = ""
	return s.Add(ctx, r, d)
}

func emptyKey(ctx context.Context, s server.Store, r server.Record, d time.Duration) (server.Record, bool, error) {
	if r.Key == "" {
		r.Key = "empty"
	}
	return s.Add(ctx, r, d)
}

// refusedLive treats a refused record as living.
func refusedLive(ctx context.Context, s server.Store, r server.Record, d time.Duration) (server.Record, bool, error) {
	const all = 500
	list, err := s.List(ctx, server.Query{Limit: all, States: []server.State{server.Refused}})
	if err != nil {
		return server.Record{}, false, err
	}
	for _, b := range list {
		if old, err := s.Get(ctx, b.ID); err == nil && old.Key == r.Key && r.Key != "" {
			return old, false, nil
		}
	}
	return s.Add(ctx, r, d)
}

// forEver ignores the lifetime.
func forEver(ctx context.Context, s server.Store, r server.Record, _ time.Duration) (server.Record, bool, error) {
	return s.Add(ctx, r, 1000*time.Hour)
}

// nothingLives never finds what Add would find.
type nothingLives struct{ server.Store }

func (n nothingLives) Living(ctx context.Context, _ string) (server.Record, error) {
	return n.Store.Living(ctx, "")
}

// oldestFirst lists in the wrong order.
func oldestFirst(ctx context.Context, s server.Store, q server.Query) ([]server.Backfill, error) {
	out, err := s.List(ctx, q)
	slices.Reverse(out)
	return out, err
}

// oneState looks only at the first of several states.
func oneState(ctx context.Context, s server.Store, q server.Query) ([]server.Backfill, error) {
	q.States = q.States[:min(len(q.States), 1)]
	return s.List(ctx, q)
}

// beforeToo takes Before as inclusive.
func beforeToo(ctx context.Context, s server.Store, q server.Query) ([]server.Backfill, error) {
	out, err := s.List(ctx, q)
	if r, getErr := s.Get(ctx, q.Before); getErr == nil {
		out = append([]server.Backfill{r.Backfill}, out...)
	}
	return out, err
}

// anyProject ignores a filter.
func anyProject(ctx context.Context, s server.Store, q server.Query) ([]server.Backfill, error) {
	q.Project = ""
	return s.List(ctx, q)
}

// noBodies lists what is in the columns, without the rest.
func noBodies(ctx context.Context, s server.Store, q server.Query) ([]server.Backfill, error) {
	out, err := s.List(ctx, q)
	for i := range out {
		out[i].Answer = ""
	}
	return out, err
}

// noEnd has no default limit.
func noEnd(ctx context.Context, s server.Store, q server.Query) ([]server.Backfill, error) {
	if q.Limit <= 0 {
		q.Limit = 500
	}
	return s.List(ctx, q)
}

// allVersions gives version 0 for ids that do not exist, instead of leaving them out.
type allVersions struct{ server.Store }

func (a allVersions) Versions(ctx context.Context, ids ...string) (map[string]int64, error) {
	out, err := a.Store.Versions(ctx, ids...)
	for _, id := range ids {
		if err == nil && out[id] == 0 {
			out[id] = 0
		}
	}
	return out, err
}

// anyNumber claims more than it was asked for.
func anyNumber(ctx context.Context, s server.Store, holder string, d time.Duration, n int) ([]server.Record, error) {
	return s.Claim(ctx, holder, d, 10*n)
}

// lastFirst returns claimed records in the wrong order.
func lastFirst(ctx context.Context, s server.Store, holder string, d time.Duration, n int) ([]server.Record, error) {
	out, err := s.Claim(ctx, holder, d, n)
	slices.Reverse(out)
	return out, err
}

// noLeases gives leases that end at once.
func noLeases(ctx context.Context, s server.Store, holder string, _ time.Duration, n int) ([]server.Record, error) {
	return s.Claim(ctx, holder, 0, n)
}

// endlessLeases gives each lease an hour: what a dead instance had is never free.
func endlessLeases(ctx context.Context, s server.Store, holder string, _ time.Duration, n int) ([]server.Record,
	error,
) {
	return s.Claim(ctx, holder, long, n)
}

// heldByTwo sometimes gives a record out that another caller has just claimed.
type heldByTwo struct {
	server.Store
	mu   sync.Mutex
	last []server.Record
	n    int
}

func (h *heldByTwo) Claim(ctx context.Context, holder string, d time.Duration, n int) ([]server.Record, error) {
	out, err := h.Store.Claim(ctx, holder, d, n)
	h.mu.Lock()
	defer h.mu.Unlock()
	// Only now and then, as a race does.
	if h.n++; h.n%7 == 0 && len(out) > 0 && len(h.last) > 0 {
		out = append(out, h.last[0])
	}
	h.last = out
	return out, err
}

// notRenewed answers without an error, but the lease ends too early.
func notRenewed(ctx context.Context, s server.Store, id, holder string, _ time.Duration) (string, error) {
	return s.Renew(ctx, id, holder, short/2)
}

// deaf never tells the holder of a cancellation.
func deaf(ctx context.Context, s server.Store, id, holder string, d time.Duration) (string, error) {
	_, err := s.Renew(ctx, id, holder, d)
	return "", err
}

// lostSaves writes nothing after a lease was lost, and says that it did.
func lostSaves(ctx context.Context, s server.Store, r server.Record, holder string) (server.Record, error) {
	out, err := s.Save(ctx, r, holder)
	if errors.Is(err, server.ErrLost) {
		return r, nil
	}
	return out, err
}

// sameVersion returns the old version, as if nothing had changed.
func sameVersion(ctx context.Context, s server.Store, r server.Record, holder string) (server.Record, error) {
	out, err := s.Save(ctx, r, holder)
	out.Version = r.Version
	return out, err
}

// anyHolder lets any holder save.
func anyHolder(ctx context.Context, s server.Store, r server.Record, holder string) (server.Record, error) {
	out, err := s.Save(ctx, r, holder)
	if !errors.Is(err, server.ErrLost) {
		return out, err
	}
	for _, h := range []string{"holder", "other", "third"} {
		if out, err := s.Save(ctx, r, h); err == nil {
			return out, nil
		}
	}
	return out, err
}

// noLog loses a field in Save, though not in Add.
func noLog(ctx context.Context, s server.Store, r server.Record, holder string) (server.Record, error) {
	r.Log = nil
	return s.Save(ctx, r, holder)
}

// endsAll gives up the lease with every save, not only with the last.
func endsAll(ctx context.Context, s server.Store, r server.Record, holder string) (server.Record, error) {
	out, err := s.Save(ctx, r, holder)
	if err == nil {
		err = s.Release(ctx, r.ID, holder)
	}
	return out, err
}

// noEndTime ends a record without writing when.
func noEndTime(ctx context.Context, s server.Store, r server.Record, holder string) (server.Record, error) {
	out, err := s.Save(ctx, r, holder)
	out.Ended = nil
	return out, err
}

// failedAsDone stores a record that failed or was cancelled as Undecided, so that it keeps its key.
func failedAsDone(ctx context.Context, s server.Store, r server.Record, holder string) (server.Record, error) {
	if r.State == server.Failed || r.State == server.Cancelled {
		r.State = server.Undecided
	}
	return s.Save(ctx, r, holder)
}

// anyRelease lets any holder release.
type anyRelease struct{ server.Store }

func (a *anyRelease) Release(ctx context.Context, id, _ string) error {
	var errs []error
	for _, h := range []string{"holder", "other", "third"} {
		errs = append(errs, a.Store.Release(ctx, id, h))
	}
	return errors.Join(errs...)
}

// noRelease says that it released, and keeps the lease.
type noRelease struct{ server.Store }

func (n noRelease) Release(ctx context.Context, id, _ string) error {
	return n.Store.Release(ctx, id, "somebody else")
}

// lastCancels names whoever cancelled last.
func lastCancels(ctx context.Context, s server.Store, id, by string) (server.Record, error) {
	out, err := s.Cancel(ctx, id, by)
	if err == nil && out.State.Open() {
		out.CancelledBy = server.Text(by)
	}
	return out, err
}

// cancelEnds closes the record at once, while its holder still works on it.
func cancelEnds(ctx context.Context, s server.Store, id, by string) (server.Record, error) {
	out, err := s.Cancel(ctx, id, by)
	if err == nil && out.State.Open() {
		out.State = server.Cancelled
	}
	return out, err
}

// bareErrors returns errors without operation and key.
func bareErrors(ctx context.Context, s server.Store, id, by string) (server.Record, error) {
	out, err := s.Cancel(ctx, id, by)
	var e *job.Error
	if errors.As(err, &e) {
		return out, e.Err
	}
	return out, err
}

// hasty deletes everything that has ended, hoarder nothing.
type hasty struct{ server.Store }

func (h hasty) Prune(ctx context.Context, _ time.Duration) (int, error) { return h.Store.Prune(ctx, 0) }

type hoarder struct{ server.Store }

func (h hoarder) Prune(ctx context.Context, _ time.Duration) (int, error) {
	return h.Store.Prune(ctx, 10_000*time.Hour)
}

// unknownSaves takes a record that does not exist for saved.
func unknownSaves(ctx context.Context, s server.Store, r server.Record, holder string) (server.Record, error) {
	out, err := s.Save(ctx, r, holder)
	if errors.Is(err, job.ErrNotFound) {
		return r, nil
	}
	return out, err
}

// anyContext writes although the context is done.
func anyContext(ctx context.Context, s server.Store, r server.Record, holder string) (server.Record, error) {
	return s.Save(context.WithoutCancel(ctx), r, holder)
}

// racing checks first and writes then, in two steps. The pause lets the others look before this one
// writes.
type racing struct{ server.Store }

func (g *racing) Add(ctx context.Context, r server.Record, d time.Duration) (server.Record, bool, error) {
	if old, err := g.Living(ctx, r.Key); err == nil {
		return old, false, nil
	}
	time.Sleep(time.Millisecond)
	out, added, err := g.Store.Add(ctx, r, d)
	// What it met while adding counts as its own.
	return out, added || err == nil, err
}

// leaky loses every ninth save of an open record, and returns success. It spares the records of
// rich, which have steps, so that only the rule about calls at the same time can catch it.
type leaky struct {
	server.Store
	mu sync.Mutex
	n  int
}

func (l *leaky) Save(ctx context.Context, r server.Record, holder string) (server.Record, error) {
	l.mu.Lock()
	l.n++
	lose := l.n%9 == 0 && r.State == server.Running && len(r.Warnings) > 0 && len(r.Steps) == 0
	l.mu.Unlock()
	if lose {
		return r, nil
	}
	return l.Store.Save(ctx, r, holder)
}

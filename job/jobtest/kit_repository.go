package jobtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mozci/mozci/job"
)

// RepositoryCase is what a kit knows about the repository that it checks.
type RepositoryCase struct {
	// Pushes are consecutive pushes of the repository, ascending by
	// job.Push.Compare, five or more, as the source should give them; the last
	// is its newest. One of them should have several changesets. Their ids need
	// not grow, but no other push may have an id between theirs.
	Pushes []job.Push
	// Absent is a well-formed revision that the repository does not have.
	Absent string
	// Bare says that the source has no changesets to give, as old snapshots.
	Bare bool
	// Hang makes the source's server answer nothing until release is called. The
	// kit then checks, in less than a second of real time, that callers who wait
	// each have their own context. Nil for a source that asks nobody.
	Hang func() (release func())
}

// CheckRepository tells whether r keeps the contract of job.Repository. It
// returns every misbehaviour it finds, joined, each beginning with the name of
// the broken rule, and nil when there is none.
func CheckRepository(ctx context.Context, r job.Repository, c RepositoryCase) error {
	if len(c.Pushes) < 5 {
		return fmt.Errorf("%w: the kit needs five pushes or more, got %d", job.ErrInvalid, len(c.Pushes))
	}
	k := &repositoryKit{r: r, c: c, want: c.Pushes}
	k.hanging(ctx) // before anything is known that need not be asked for again
	k.lookup(ctx)
	k.ranges(ctx)
	k.order(ctx)
	k.dates(ctx)
	if !c.Bare {
		k.full(ctx)
	}
	k.refusals(ctx)
	k.ownership(ctx)
	k.concurrency(ctx)
	return errors.Join(k.errs...)
}

type repositoryKit struct {
	report
	r    job.Repository
	c    RepositoryCase
	want []job.Push
}

// testable are the known pushes that have a revision.
func (k *repositoryKit) testable() []job.Push {
	var out []job.Push
	for _, p := range k.want {
		if p.Testable() {
			out = append(out, p)
		}
	}
	return out
}

func (k *repositoryKit) lookup(ctx context.Context) {
	for _, p := range k.testable() {
		revs := map[string]string{"push-by-revision": p.Revision, "push-by-prefix": p.Revision[:12]}
		for _, cs := range p.Changesets {
			revs["push-by-changeset"] = cs.Node // any of them; the last one is the tip
			if cs.Node != p.Revision {
				break
			}
		}
		for rule, rev := range revs {
			got, err := k.r.Push(ctx, rev)
			if err != nil || !samePush(got, p) {
				k.broken(rule, "Push(%s) = %v, %v; expected %v", rev, got, err, p)
			}
		}
		if p.Repo != k.r.Name() {
			k.broken("repo-name", "push %v is of %q, expected Name() = %q", p, p.Repo, k.r.Name())
		}
	}
	known := k.testable()
	newest := known[len(known)-1]
	if got, err := k.r.Push(ctx, "tip"); err != nil || got.ID != newest.ID {
		k.broken("tip-is-newest", "Push(tip) = %v, %v; expected %v", got, err, newest)
	}
}

func (k *repositoryKit) pushes(ctx context.Context, rule string, r job.Range, want []job.Push) {
	got, err := k.r.Pushes(ctx, r)
	if err != nil {
		k.broken(rule, "error %v", err)
		return
	}
	if !samePushes(got, want) {
		k.broken(rule, "got %q, expected %q", shorts(got), shorts(want))
	}
}

func (k *repositoryKit) ranges(ctx context.Context) {
	w, n := k.want, len(k.want)
	ids := k.ids()
	first, last := ids[0], ids[n-1]
	for _, r := range []struct {
		rule   string
		lo, hi int64
	}{
		{"ids-inclusive", ids[1], ids[n-2]},
		{"ids-all", first, last},
		{"ids-one", w[2].ID, w[2].ID},
		{"ids-beyond-end", last, last + 1000},
		{"ids-nothing", last + 1000, last + 1010},
	} {
		k.pushes(ctx, r.rule, job.IDs(r.lo, r.hi), k.withIDs(r.lo, r.hi))
	}
	i, j := 1, n-2
	for !w[i].Testable() {
		i++
	}
	for !w[j].Testable() {
		j--
	}
	k.pushes(ctx, "revisions-inclusive", job.Between(w[i].Revision, w[j].Revision), w[i:j+1])
	k.pushes(ctx, "revisions-prefix", job.Between(w[i].Revision[:12], w[j].Revision[:12]), w[i:j+1])
	k.pushes(ctx, "revisions-one", job.Between(w[i].Revision, w[i].Revision), w[i:i+1])
	k.pushes(ctx, "around-alone", job.Around(w[j].Revision, 0, 0), w[j:j+1])
	k.pushes(ctx, "around-before", job.Around(w[j].Revision, j-i, 0), w[i:j+1])
	k.pushes(ctx, "around-after", job.Around(w[i].Revision, 0, j-i), w[i:j+1])
	k.pushes(ctx, "around-both", job.Around(w[j].Revision, 1, 1), w[j-1:j+2])
	k.pushes(ctx, "around-end", job.Around(w[j].Revision, 0, 50), w[j:])
}

// ids are those of the known pushes, ascending, which their order need not be.
func (k *repositoryKit) ids() []int64 {
	var out []int64
	for _, p := range k.want {
		out = append(out, p.ID)
	}
	slices.Sort(out)
	return out
}

func (k *repositoryKit) withIDs(lo, hi int64) []job.Push {
	return slices.DeleteFunc(slices.Clone(k.want), func(p job.Push) bool { return p.ID < lo || p.ID > hi })
}

// all is the range that has the known pushes and no others.
func (k *repositoryKit) all() job.Range {
	ids := k.ids()
	return job.IDs(ids[0], ids[len(ids)-1])
}

// order checks that what comes is in the order that Compare says: a caller that
// sorts again must get the same.
func (k *repositoryKit) order(ctx context.Context) {
	got, err := k.r.Pushes(ctx, k.all())
	if err != nil {
		return // said by ids-all
	}
	for i := range len(got) - 1 {
		if got[i].Compare(got[i+1]) >= 0 {
			k.broken("order-is-compare", "%v comes before %v, and Compare says otherwise", got[i], got[i+1])
			return
		}
	}
}

func (k *repositoryKit) dates(ctx context.Context) {
	w, n := k.want, len(k.want)
	since, until := w[1].Time, w[n-2].Time
	var want []job.Push
	for _, p := range w {
		if !p.Time.Before(since) && !p.Time.After(until) {
			want = append(want, p)
		}
	}
	k.pushes(ctx, "dates-inclusive", job.Dates(since, until), want)
	late := w[n-1].Time.Add(1000 * time.Hour)
	k.pushes(ctx, "dates-nothing", job.Dates(late, late.Add(time.Hour)), nil)
}

// full checks that Full adds what it promises and takes nothing away.
func (k *repositoryKit) full(ctx context.Context) {
	r := k.all()
	r.Full = true
	got, err := k.r.Pushes(ctx, r)
	if err != nil || !samePushes(got, k.want) {
		k.broken("full-same-pushes", "got %q, %v; expected %q", shorts(got), err, shorts(k.want))
		return
	}
	for i, p := range got {
		if !p.Testable() {
			continue
		}
		n := len(p.Changesets)
		if n == 0 || p.Changesets[n-1].Node != p.Revision {
			k.broken("full-tip-last", "push %v: the last changeset is not its tip", p)
			continue
		}
		if p.Changesets[n-1].Author == "" || p.Changesets[n-1].Description == "" {
			k.broken("full-description", "push %v: its tip has no author or no description", p)
		}
		if n != len(k.want[i].Changesets) {
			k.broken("full-changesets", "push %v has %d changesets, expected %d", p, n, len(k.want[i].Changesets))
		}
	}
}

func (k *repositoryKit) refusals(ctx context.Context) {
	known := k.testable()
	first, last := known[0], known[len(known)-1]
	push := func(rev string) error { _, err := k.r.Push(ctx, rev); return err }
	pushes := func(r job.Range) error { _, err := k.r.Pushes(ctx, r); return err }
	k.sentinel("unknown-revision", push(k.c.Absent), job.ErrNotFound)
	k.sentinel("unknown-revision-range", pushes(job.Between(k.c.Absent, last.Revision)), job.ErrNotFound)
	k.sentinel("malformed-revision", push("not-a-revision"), job.ErrInvalid)
	k.sentinel("malformed-revision", push("abc"), job.ErrInvalid)
	k.sentinel("empty-revision", push(""), job.ErrInvalid)
	k.sentinel("empty-range", pushes(job.Range{}), job.ErrInvalid)
	ids := k.ids()
	k.sentinel("two-ways", pushes(job.Range{
		FirstID: ids[0], LastID: ids[len(ids)-1], From: first.Revision, To: last.Revision,
	}), job.ErrInvalid)
	k.sentinel("ids-reversed", pushes(job.IDs(ids[len(ids)-1], ids[0])), job.ErrInvalid)
	k.sentinel("revisions-reversed", pushes(job.Between(last.Revision, first.Revision)), job.ErrInvalid)
	k.sentinel("dates-reversed", pushes(job.Dates(last.Time.Add(time.Hour), first.Time)), job.ErrInvalid)
	k.sentinel("negative-around", pushes(job.Around(first.Revision, -1, 0)), job.ErrInvalid)
	k.cancelled("cancelled-push", func(ctx context.Context) error {
		_, err := k.r.Push(ctx, first.Revision)
		return err
	})
	k.cancelled("cancelled-pushes", func(ctx context.Context) error {
		_, err := k.r.Pushes(ctx, k.all())
		return err
	})
}

// ownership checks that the caller may write into what it got.
func (k *repositoryKit) ownership(ctx context.Context) {
	r := k.all()
	got, err := k.r.Pushes(ctx, r)
	if err != nil || len(got) == 0 {
		return // said by ids-all
	}
	for i := range got {
		got[i].Revision = "overwritten"
		for j := range got[i].Changesets {
			got[i].Changesets[j].Node = "overwritten"
		}
	}
	again, err := k.r.Pushes(ctx, r)
	if err != nil || !samePushes(again, k.want) {
		k.broken("caller-owns-slices", "after writing into the first answer the second is %q, %v", shorts(again), err)
	}
	for _, p := range again {
		for _, cs := range p.Changesets {
			if cs.Node == "overwritten" {
				k.broken("caller-owns-slices", "a write into the changesets of push %d is still there", p.ID)
				return
			}
		}
	}
}

func (k *repositoryKit) concurrency(ctx context.Context) {
	const callers = 8
	var wg sync.WaitGroup
	bad := make([]error, callers)
	for i := range callers {
		wg.Go(func() {
			p := k.testable()[i%len(k.testable())]
			got, err := k.r.Push(ctx, p.Revision)
			if err == nil && got.ID != p.ID {
				err = fmt.Errorf("Push(%s) = %v", p.Revision, got)
			}
			bad[i] = err
		})
	}
	wg.Wait()
	k.concurrent(bad)
}

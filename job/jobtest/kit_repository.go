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
	// Bare says that the source has no changesets, like old snapshots.
	Bare bool
	// Hang makes the source's server answer nothing until release is called. The kit then
	// checks, in less than a second of real time, that each waiting caller's own context
	// ends its call. Nil for a source without a server.
	Hang func() (release func())
}

// CheckRepository checks whether r keeps the contract of job.Repository. It
// returns every misbehaviour it finds, joined, one a line: the name of the broken rule,
// what was called with what, what came back and what is wanted; and nil when there is
// none. See the package comment for how to use it.
func CheckRepository(ctx context.Context, r job.Repository, c RepositoryCase) error {
	if len(c.Pushes) < 5 {
		return fmt.Errorf("%w: the case has %s, and the kit needs five or more", job.ErrInvalid,
			fmt.Sprintf("%d pushes", len(c.Pushes)))
	}
	k := &repositoryKit{r: r, c: c, want: c.Pushes}
	k.hanging(ctx) // first, before any answer is cached
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

// repositoryKit is one run of CheckRepository; want are the pushes of the case.
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

// lookup checks that a push is found by its revision, by the first 12 digits and by a changeset
// that is not its tip, if it has one, and that "tip" is the newest.
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
				k.wrong(rule, call("Push", rev), with(whole(got), err), "%s", whole(p))
			}
		}
		if p.Repo != k.r.Name() {
			k.wrong("repo-name", call("Name"), fmt.Sprintf("%q", k.r.Name()), "%q, which %s is of", p.Repo, p)
		}
	}
	known := k.testable()
	newest := known[len(known)-1]
	if got, err := k.r.Push(ctx, "tip"); err != nil || got.ID != newest.ID {
		k.wrong("tip-is-newest", call("Push", "tip"), with(pushText(got), err), "%s", pushText(newest))
	}
}

// pushes checks that a range has the pushes want, in their order. An empty want is no error.
func (k *repositoryKit) pushes(ctx context.Context, rule string, r job.Range, want []job.Push) {
	got, err := k.r.Pushes(ctx, r)
	if k.failed(rule, call("Pushes", r), err) {
		return
	}
	if !samePushes(got, want) {
		k.wrong(rule, call("Pushes", r), pushesText(got), "%s%s", pushesText(want), firstDifference(got, want))
	}
}

// ranges checks that both ends of each kind of range are included. Bounds by revision are the
// pushes at i and j, near the ends of the list, so that a range that ignores one of them is too
// long.
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
		{"ids-beyond-end", last, last + 1000}, // the newest push, and ids that are not there yet
		{"ids-nothing", last + 1000, last + 1010},
	} {
		k.pushes(ctx, r.rule, job.IDs(r.lo, r.hi), k.withIDs(r.lo, r.hi))
	}
	// The second push and the last but one, or the next ones towards the middle that have a
	// revision.
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
	// One before and one after: 3 pushes with the one in the middle.
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

// withIDs are the known pushes with ids from lo to hi, in their order.
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
			k.wrong("order-is-compare", call("Pushes", k.all()),
				fmt.Sprintf("%s before %s", pushText(got[i]), pushText(got[i+1])), "the order that Push.Compare says")
			return
		}
	}
}

// dates checks that pushes at exactly the bounds are included. Others at the same time belong to
// the answer too, so it is computed from the times.
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
		k.wrong("full-same-pushes", call("Pushes", r), with(pushesText(got), err), "%s%s", pushesText(k.want),
			firstDifference(got, k.want))
		return
	}
	for i, p := range got {
		if p.Testable() {
			k.changesets(call("Pushes", r), p, len(k.want[i].Changesets))
		}
	}
}

// changesets checks the changesets of a push that was read in full: the tip is the last one, and
// want is their number.
func (k *repositoryKit) changesets(called string, p job.Push, want int) {
	n := len(p.Changesets)
	if n == 0 || p.Changesets[n-1].Node != p.Revision {
		k.wrong("full-tip-last", called, fmt.Sprintf("%s with another last changeset", pushText(p)), "its tip, %s",
			p.Revision)
		return
	}
	if p.Changesets[n-1].Author == "" || p.Changesets[n-1].Description == "" {
		k.wrong("full-description", called, fmt.Sprintf("%s with a tip without author or description", pushText(p)),
			"both")
	}
	if n != want {
		k.wrong("full-changesets", called, fmt.Sprintf("%s with %s", pushText(p), count(n, "changeset")), "%d", want)
	}
}

// refusals checks the errors for revisions that are not there or malformed, for ranges that are
// empty, reversed or given in two ways, and for a cancelled context.
func (k *repositoryKit) refusals(ctx context.Context) {
	known := k.testable()
	first, last := known[0], known[len(known)-1]
	push := func(rule, rev string, want error) {
		_, err := k.r.Push(ctx, rev)
		k.sentinel(rule, call("Push", rev), err, want)
	}
	pushes := func(rule string, r job.Range, want error) {
		_, err := k.r.Pushes(ctx, r)
		k.sentinel(rule, call("Pushes", r), err, want)
	}
	push("unknown-revision", k.c.Absent, job.ErrNotFound)
	pushes("unknown-revision-range", job.Between(k.c.Absent, last.Revision), job.ErrNotFound)
	push("malformed-revision", "not-a-revision", job.ErrInvalid)
	push("malformed-revision", "abc", job.ErrInvalid)
	push("empty-revision", "", job.ErrInvalid)
	pushes("empty-range", job.Range{}, job.ErrInvalid)
	ids := k.ids()
	pushes("two-ways", job.Range{
		FirstID: ids[0], LastID: ids[len(ids)-1], From: first.Revision, To: last.Revision,
	}, job.ErrInvalid)
	pushes("ids-reversed", job.IDs(ids[len(ids)-1], ids[0]), job.ErrInvalid)
	pushes("revisions-reversed", job.Between(last.Revision, first.Revision), job.ErrInvalid)
	pushes("dates-reversed", job.Dates(last.Time.Add(time.Hour), first.Time), job.ErrInvalid)
	pushes("negative-around", job.Around(first.Revision, -1, 0), job.ErrInvalid)
	k.cancelled("cancelled-push", call("Push", first.Revision), func(ctx context.Context) error {
		_, err := k.r.Push(ctx, first.Revision)
		return err
	})
	k.cancelled("cancelled-pushes", call("Pushes", k.all()), func(ctx context.Context) error {
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
		k.wrong("caller-owns-slices", call("Pushes", r)+" after the caller wrote into its first answer",
			with(pushesText(again), err), "%s", pushesText(k.want))
	}
	for _, p := range again {
		for _, cs := range p.Changesets {
			if cs.Node == "overwritten" {
				k.wrong("caller-owns-slices", call("Pushes", r)+" after the caller wrote into its first answer",
					fmt.Sprintf("%s with a changeset as the caller wrote it", pushText(p)), "its own changesets")
				return
			}
		}
	}
}

// concurrency checks that callers who ask at once each get the push that they asked for.
func (k *repositoryKit) concurrency(ctx context.Context) {
	const callers = 8
	var wg sync.WaitGroup
	bad := make([]error, callers)
	for i := range callers {
		wg.Go(func() {
			p := k.testable()[i%len(k.testable())]
			got, err := k.r.Push(ctx, p.Revision)
			if err == nil && got.ID != p.ID {
				err = fmt.Errorf("%s returned %s", call("Push", p.Revision), pushText(got))
			}
			bad[i] = err
		})
	}
	wg.Wait()
	k.concurrent(call("Push", k.testable()[0].Revision)+", and of others,", bad)
}

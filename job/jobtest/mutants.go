package jobtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/mozci/mozci/job"
)

// The broken repositories, and how they are made. The names of the functions say what is broken:
// misbounded ones read bounds wrongly, misfound ones find other revisions. mutants_ci.go has the
// broken CIs.

// RepositoryMutant is a broken job.Repository that CheckRepository must catch.
type RepositoryMutant struct {
	Name  string // what is broken, as a predecessor or a hurried author broke it
	Rule  string // the rule that must be reported
	Break func(job.Repository) job.Repository
}

type pushFunc func(ctx context.Context, rev string) (job.Push, error)

type pushesFunc func(ctx context.Context, r job.Range) ([]job.Push, error)

// repoFuncs is a Repository with methods replaced.
type repoFuncs struct {
	job.Repository
	push   pushFunc
	pushes pushesFunc
}

func (f repoFuncs) Push(ctx context.Context, rev string) (job.Push, error) {
	if f.push == nil {
		return f.Repository.Push(ctx, rev)
	}
	return f.push(ctx, rev)
}

func (f repoFuncs) Pushes(ctx context.Context, r job.Range) ([]job.Push, error) {
	if f.pushes == nil {
		return f.Repository.Pushes(ctx, r)
	}
	return f.pushes(ctx, r)
}

// changed is a mutant whose answers to Pushes are changed by edit.
func changed(name, rule string, edit func(job.Range, []job.Push) []job.Push) RepositoryMutant {
	return RepositoryMutant{name, rule, func(r job.Repository) job.Repository {
		return repoFuncs{Repository: r, pushes: func(ctx context.Context, rg job.Range) ([]job.Push, error) {
			out, err := r.Pushes(ctx, rg)
			return edit(rg, out), err
		}}
	}}
}

// lookup is a mutant with another Push.
func lookup(name, rule string, otherwise func(job.Repository) pushFunc) RepositoryMutant {
	return RepositoryMutant{name, rule, func(r job.Repository) job.Repository {
		return repoFuncs{Repository: r, push: otherwise(r)}
	}}
}

// RepositoryMutants are the broken repositories.
func RepositoryMutants() []RepositoryMutant {
	return slices.Concat(disordered(), misbounded(), miswritten(), misfound(), misnamed(), miswaiting())
}

// disordered answer pushes in another order.
func disordered() []RepositoryMutant {
	return []RepositoryMutant{
		// 10 before 9.
		changed("ids sorted as strings", "ids-all", func(_ job.Range, p []job.Push) []job.Push {
			slices.SortFunc(p, func(a, b job.Push) int {
				return cmp.Compare(strconv.FormatInt(a.ID, 10), strconv.FormatInt(b.ID, 10))
			})
			return p
		}),
		changed("ordered by id where time says otherwise", "ids-all", func(_ job.Range, p []job.Push) []job.Push {
			slices.SortFunc(p, func(a, b job.Push) int { return cmp.Compare(a.ID, b.ID) })
			return p
		}),
		changed("an order that Compare does not know", "order-is-compare", func(_ job.Range, p []job.Push) []job.Push {
			for i := range p {
				p[i].Order = -p[i].ID
			}
			return p
		}),
		changed("newest first", "ids-inclusive",
			func(_ job.Range, p []job.Push) []job.Push { slices.Reverse(p); return p }),
	}
}

// misbounded read the bounds of a range in another way.
func misbounded() []RepositoryMutant {
	return []RepositoryMutant{
		changed("lower bound exclusive", "ids-inclusive", func(r job.Range, p []job.Push) []job.Push {
			return slices.DeleteFunc(p, func(q job.Push) bool { return q.ID == r.FirstID })
		}),
		changed("upper bound exclusive", "ids-one", func(r job.Range, p []job.Push) []job.Push {
			return slices.DeleteFunc(p, func(q job.Push) bool { return q.ID == r.LastID })
		}),
		// With 3 pushes on a page.
		changed("one page is all", "ids-all", func(_ job.Range, p []job.Push) []job.Push { return p[:min(len(p), 3)] }),
		// 17, 17, 18.
		changed("pages overlap", "ids-inclusive", func(_ job.Range, p []job.Push) []job.Push {
			if len(p) > 1 {
				p = slices.Insert(p, 1, p[0])
			}
			return p
		}),
		// "2 before" gives the push itself alone.
		changed("no end bound gives the last pushes", "around-before", func(r job.Range, p []job.Push) []job.Push {
			if r.Center != "" && len(p) > 0 {
				p = p[len(p)-1:]
			}
			return p
		}),
		changed("dates exclusive", "dates-inclusive", func(r job.Range, p []job.Push) []job.Push {
			return slices.DeleteFunc(p, func(q job.Push) bool { return q.Time.Equal(r.Until) })
		}),
	}
}

// miswritten answer the right pushes with something wrong in them, or share them.
func miswritten() []RepositoryMutant {
	return []RepositoryMutant{
		changed("tip first", "full-tip-last", func(_ job.Range, p []job.Push) []job.Push {
			for _, q := range p {
				slices.Reverse(q.Changesets)
			}
			return p
		}),
		changed("full without descriptions", "full-description", func(_ job.Range, p []job.Push) []job.Push {
			for _, q := range p {
				for i := range q.Changesets {
					q.Changesets[i].Description = ""
				}
			}
			return p
		}),
		{"reversed bounds are empty", "revisions-reversed", func(r job.Repository) job.Repository {
			return repoFuncs{Repository: r, pushes: func(ctx context.Context, rg job.Range) ([]job.Push, error) {
				out, err := r.Pushes(ctx, rg)
				if errors.Is(err, job.ErrInvalid) {
					return nil, nil
				}
				return out, err
			}}
		}},
		{"answers are shared", "caller-owns-slices", func(r job.Repository) job.Repository {
			// The second caller gets the slice into which the first one may have written.
			kept := map[string][]job.Push{}
			return repoFuncs{Repository: r, pushes: func(ctx context.Context, rg job.Range) ([]job.Push, error) {
				key := fmt.Sprint(rg)
				if out, ok := kept[key]; ok {
					return out, nil
				}
				out, err := r.Pushes(ctx, rg)
				kept[key] = out
				return out, err
			}}
		}},
	}
}

// misfound find other revisions than they should.
func misfound() []RepositoryMutant {
	return []RepositoryMutant{
		lookup("only tips are found", "push-by-changeset", func(r job.Repository) pushFunc {
			return func(ctx context.Context, rev string) (job.Push, error) {
				p, err := r.Push(ctx, rev)
				if err == nil && rev != "tip" && !job.SameRevision(p.Revision, rev) {
					return job.Push{}, &job.Error{Op: "push", Key: rev, Err: job.ErrNotFound}
				}
				return p, err
			}
		}),
		lookup("only full revisions are found", "push-by-prefix", func(r job.Repository) pushFunc {
			return func(ctx context.Context, rev string) (job.Push, error) {
				if len(rev) == 12 {
					return job.Push{}, &job.Error{Op: "push", Key: rev, Err: job.ErrNotFound}
				}
				return r.Push(ctx, rev)
			}
		}),
		lookup("an unknown revision is the tip", "unknown-revision", func(r job.Repository) pushFunc {
			return func(ctx context.Context, rev string) (job.Push, error) {
				p, err := r.Push(ctx, rev)
				if errors.Is(err, job.ErrNotFound) {
					return r.Push(ctx, "tip")
				}
				return p, err
			}
		}),
		lookup("an unknown revision is no error", "unknown-revision", func(r job.Repository) pushFunc {
			return func(ctx context.Context, rev string) (job.Push, error) {
				p, err := r.Push(ctx, rev)
				if errors.Is(err, job.ErrNotFound) {
					return job.Push{}, nil
				}
				return p, err
			}
		}),
	}
}

// misnamed answer a look-up with the wrong error or push.
func misnamed() []RepositoryMutant {
	return []RepositoryMutant{
		lookup("bare errors", "error-type", func(r job.Repository) pushFunc {
			return func(ctx context.Context, rev string) (job.Push, error) {
				p, err := r.Push(ctx, rev)
				if err != nil {
					err = errors.Unwrap(err)
				}
				return p, err
			}
		}),
		lookup("cancelling is ignored", "cancelled-push", func(r job.Repository) pushFunc {
			return func(ctx context.Context, rev string) (job.Push, error) {
				return r.Push(context.WithoutCancel(ctx), rev)
			}
		}),
		lookup("another repository's push", "push-by-revision", func(r job.Repository) pushFunc {
			return func(ctx context.Context, rev string) (job.Push, error) {
				p, err := r.Push(ctx, rev)
				p.Repo = "elsewhere" // two repositories with the same ids, and a cache by id alone
				return p, err
			}
		}),
		lookup("tip is the oldest", "tip-is-newest", func(r job.Repository) pushFunc {
			return func(ctx context.Context, rev string) (job.Push, error) {
				if rev == "tip" {
					all, err := r.Pushes(ctx, job.IDs(1, 1<<40))
					if err != nil {
						return job.Push{}, err
					}
					return all[0], nil
				}
				return r.Push(ctx, rev)
			}
		}),
	}
}

package autopilottest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/mozci/mozci/backfill/autopilot"
	"github.com/mozci/mozci/job"
)

// Mutant is a store that breaks one rule. Rule is the name under which CheckStore must report it.
// Wrap makes one from a store that keeps all rules; each call makes a new one, since some of them
// count.
type Mutant struct {
	Name string
	Rule string
	Wrap func(autopilot.Store) autopilot.Store
}

// wrapped is a store with some of its methods replaced: those whose function is not nil. The
// functions call the store below, w.Store, and so break one thing and leave the rest right.
type wrapped struct {
	autopilot.Store
	hear   func(context.Context, autopilot.Failure, time.Duration) (bool, error)
	open   func(context.Context, autopilot.Case, []autopilot.Span, int) (autopilot.Case, bool, error)
	claim  func(context.Context, string, time.Duration, int) ([]autopilot.Claimed, error)
	save   func(context.Context, autopilot.Claimed, time.Duration) error
	wake   func(context.Context, string, string) (int, error)
	spend  func(context.Context, autopilot.Spend, []autopilot.Limit) (string, error)
	seen   func(context.Context, string, string, []string, job.Push, time.Time) (map[string]autopilot.Seen, error)
	learn  func(context.Context, string, autopilot.Lesson, int) (autopilot.Window, error)
	optOut func(context.Context, job.Push) (string, error)
	tell   func(context.Context, string, autopilot.People) error
	sw     func(context.Context) (autopilot.Switch, error)
	next   func(context.Context) (time.Duration, bool, error)
	prune  func(context.Context, time.Duration, time.Duration) (int, error)
	renew  func(context.Context, autopilot.Claimed, time.Duration) error
	extend func(context.Context, string, []autopilot.Span) (autopilot.Case, error)
	back   func(context.Context, string) error
	cases  func(context.Context, autopilot.CaseQuery) ([]autopilot.Case, error)
}

func (w *wrapped) Hear(ctx context.Context, f autopilot.Failure, after time.Duration) (bool, error) {
	if w.hear != nil {
		return w.hear(ctx, f, after)
	}
	return w.Store.Hear(ctx, f, after)
}

func (w *wrapped) Open(
	ctx context.Context, c autopilot.Case, spans []autopilot.Span, most int,
) (autopilot.Case, bool, error) {
	if w.open != nil {
		return w.open(ctx, c, spans, most)
	}
	return w.Store.Open(ctx, c, spans, most)
}

func (w *wrapped) Extend(ctx context.Context, key string, spans []autopilot.Span) (autopilot.Case, error) {
	if w.extend != nil {
		return w.extend(ctx, key, spans)
	}
	return w.Store.Extend(ctx, key, spans)
}

func (w *wrapped) Claim(ctx context.Context, holder string, lease time.Duration, n int) ([]autopilot.Claimed, error) {
	if w.claim != nil {
		return w.claim(ctx, holder, lease, n)
	}
	return w.Store.Claim(ctx, holder, lease, n)
}

func (w *wrapped) Renew(ctx context.Context, c autopilot.Claimed, lease time.Duration) error {
	if w.renew != nil {
		return w.renew(ctx, c, lease)
	}
	return w.Store.Renew(ctx, c, lease)
}

func (w *wrapped) Save(ctx context.Context, c autopilot.Claimed, again time.Duration) error {
	if w.save != nil {
		return w.save(ctx, c, again)
	}
	return w.Store.Save(ctx, c, again)
}

func (w *wrapped) Wake(ctx context.Context, repo, label string) (int, error) {
	if w.wake != nil {
		return w.wake(ctx, repo, label)
	}
	return w.Store.Wake(ctx, repo, label)
}

func (w *wrapped) Next(ctx context.Context) (time.Duration, bool, error) {
	if w.next != nil {
		return w.next(ctx)
	}
	return w.Store.Next(ctx)
}

func (w *wrapped) Cases(ctx context.Context, q autopilot.CaseQuery) ([]autopilot.Case, error) {
	if w.cases != nil {
		return w.cases(ctx, q)
	}
	return w.Store.Cases(ctx, q)
}

func (w *wrapped) LastSeen(
	ctx context.Context, repo, variant string, signatures []string, before job.Push, since time.Time,
) (map[string]autopilot.Seen, error) {
	if w.seen != nil {
		return w.seen(ctx, repo, variant, signatures, before, since)
	}
	return w.Store.LastSeen(ctx, repo, variant, signatures, before, since)
}

func (w *wrapped) Spend(ctx context.Context, s autopilot.Spend, limits []autopilot.Limit) (string, error) {
	if w.spend != nil {
		return w.spend(ctx, s, limits)
	}
	return w.Store.Spend(ctx, s, limits)
}

func (w *wrapped) GiveBack(ctx context.Context, key string) error {
	if w.back != nil {
		return w.back(ctx, key)
	}
	return w.Store.GiveBack(ctx, key)
}

func (w *wrapped) Switch(ctx context.Context) (autopilot.Switch, error) {
	if w.sw != nil {
		return w.sw(ctx)
	}
	return w.Store.Switch(ctx)
}

func (w *wrapped) OptedOut(ctx context.Context, p job.Push) (string, error) {
	if w.optOut != nil {
		return w.optOut(ctx, p)
	}
	return w.Store.OptedOut(ctx, p)
}

func (w *wrapped) Tell(ctx context.Context, key string, p autopilot.People) error {
	if w.tell != nil {
		return w.tell(ctx, key, p)
	}
	return w.Store.Tell(ctx, key, p)
}

func (w *wrapped) Learn(ctx context.Context, key string, l autopilot.Lesson, start int) (autopilot.Window, error) {
	if w.learn != nil {
		return w.learn(ctx, key, l, start)
	}
	return w.Store.Learn(ctx, key, l, start)
}

func (w *wrapped) Prune(ctx context.Context, keep, signatures time.Duration) (int, error) {
	if w.prune != nil {
		return w.prune(ctx, keep, signatures)
	}
	return w.Store.Prune(ctx, keep, signatures)
}

// Mutants returns stores that each break the contract in one way. They are made from one that keeps
// it.
func Mutants() []Mutant {
	of := func(set func(*wrapped)) func(autopilot.Store) autopilot.Store {
		return func(s autopilot.Store) autopilot.Store {
			w := &wrapped{Store: s}
			set(w)
			return w
		}
	}
	return slices.Concat(workMutants(of), openMutants(of), saveMutants(of), wakeMutants(of), otherMutants(of),
		peopleMutants(of))
}

// wrapping makes the Wrap of a Mutant from a function that sets the functions to replace.
type wrapping = func(set func(*wrapped)) func(autopilot.Store) autopilot.Store

func workMutants(of wrapping) []Mutant {
	return []Mutant{
		{"every failure is new", "hear", of(func(w *wrapped) {
			w.hear = func(ctx context.Context, f autopilot.Failure, after time.Duration) (bool, error) {
				_, err := w.Store.Hear(ctx, f, after)
				return err == nil, err
			}
		})},
		{"due at once", "hear", of(func(w *wrapped) {
			w.hear = func(ctx context.Context, f autopilot.Failure, _ time.Duration) (bool, error) {
				return w.Store.Hear(ctx, f, 0)
			}
		})},
		{"every case is new", "open", of(func(w *wrapped) {
			w.open = func(ctx context.Context, c autopilot.Case, _ []autopilot.Span, most int) (autopilot.Case, bool,
				error,
			) {
				return w.Store.Open(ctx, c, nil, most)
			}
		})},
		{"signatures do not matter", "open", of(func(w *wrapped) {
			w.open = func(ctx context.Context, c autopilot.Case, s []autopilot.Span, most int) (autopilot.Case, bool,
				error,
			) {
				// All cases of a repository have this one in common, so their spans alone decide.
				c.Signatures = append(c.Signatures, "all")
				return w.Store.Open(ctx, c, s, most)
			}
		})},
		{"ranges that touch overlap", "open", of(func(w *wrapped) {
			w.open = func(ctx context.Context, c autopilot.Case, s []autopilot.Span, most int) (autopilot.Case, bool,
				error,
			) {
				var wide []autopilot.Span
				for _, sp := range s {
					// (1, 4] becomes (1, 5], which overlaps (4, 7].
					sp.High++
					wide = append(wide, sp)
				}
				return w.Store.Open(ctx, c, wide, most)
			}
		})},
	}
}

func openMutants(of wrapping) []Mutant {
	return []Mutant{
		{"any number is open", "full", of(func(w *wrapped) {
			w.open = func(ctx context.Context, c autopilot.Case, s []autopilot.Span, _ int) (autopilot.Case, bool,
				error,
			) {
				return w.Store.Open(ctx, c, s, many)
			}
		})},
		{"nothing is extended", "extend", of(func(w *wrapped) {
			w.extend = func(context.Context, string, []autopilot.Span) (autopilot.Case, error) {
				return autopilot.Case{}, nil
			}
		})},
		{"no leases", "claim", of(func(w *wrapped) {
			w.claim = func(ctx context.Context, h string, _ time.Duration, n int) ([]autopilot.Claimed, error) {
				return w.Store.Claim(ctx, h, 0, n)
			}
		})},
		{"any number is claimed", "claim", of(func(w *wrapped) {
			w.claim = func(ctx context.Context, h string, lease time.Duration, _ int) ([]autopilot.Claimed, error) {
				return w.Store.Claim(ctx, h, lease, many)
			}
		})},
	}
}

func saveMutants(of wrapping) []Mutant {
	return []Mutant{
		{"leases are not renewed", "lease", of(func(w *wrapped) {
			w.renew = func(context.Context, autopilot.Claimed, time.Duration) error { return nil }
		})},
		{"the lost say that they saved", "lease", of(func(w *wrapped) {
			w.save = func(ctx context.Context, c autopilot.Claimed, again time.Duration) error {
				if err := w.Store.Save(ctx, c, again); !errors.Is(err, autopilot.ErrLost) {
					return err
				}
				return nil
			}
		})},
		{"due again at once", "save", of(func(w *wrapped) {
			w.save = func(ctx context.Context, c autopilot.Claimed, _ time.Duration) error {
				return w.Store.Save(ctx,
					c, 0)
			}
		})},
		{"notes are forgotten", "save", of(func(w *wrapped) {
			w.save = func(ctx context.Context, c autopilot.Claimed, again time.Duration) error {
				if c.Case != nil {
					n := *c.Case
					n.Doing, c.Case = "", &n
				}
				return w.Store.Save(ctx, c, again)
			}
		})},
	}
}

func wakeMutants(of wrapping) []Mutant {
	return []Mutant{
		{"what is woken while it is held sleeps on", "woken", of(func(w *wrapped) {
			w.save = func(ctx context.Context, c autopilot.Claimed, again time.Duration) error {
				// One Wake while it is held makes the row's count one larger than at the claim.
				// This count says that it was known then.
				c.Woken++
				return w.Store.Save(ctx, c, again)
			}
		})},
		{"all are woken", "woken", of(func(w *wrapped) {
			w.wake = func(ctx context.Context, _, label string) (int, error) { return w.Store.Wake(ctx, "", label) }
		})},
		{"what others hold is due", "next", of(func(w *wrapped) {
			w.next = func(ctx context.Context) (time.Duration, bool, error) {
				_, some, err := w.Store.Next(ctx)
				return 0, some, err
			}
		})},
		{"labels are not looked at", "queries", of(func(w *wrapped) {
			w.cases = func(ctx context.Context, q autopilot.CaseQuery) ([]autopilot.Case, error) {
				q.Label = ""
				return w.Store.Cases(ctx, q)
			}
		})},
		{"bare errors", "unknown", of(func(w *wrapped) {
			w.save = func(ctx context.Context, c autopilot.Claimed, again time.Duration) error {
				// errors.Is still finds the right error, but its type is not *job.Error.
				err := w.Store.Save(ctx, c, again)
				if errors.Is(err, job.ErrNotFound) {
					return job.ErrNotFound
				}
				return err
			}
		})},
	}
}

func otherMutants(of wrapping) []Mutant {
	return []Mutant{
		{"the push itself counts", "seen", of(func(w *wrapped) {
			w.seen = func(ctx context.Context, repo, variant string, s []string, p job.Push, since time.Time) (
				map[string]autopilot.Seen, error,
			) {
				// Older than the push after it: the push itself counts.
				p.ID++
				return w.Store.LastSeen(ctx, repo, variant, s, p, since)
			}
		})},
		{"seen for ever", "seen", of(func(w *wrapped) {
			w.seen = func(ctx context.Context, repo, variant string, s []string, p job.Push, _ time.Time) (
				map[string]autopilot.Seen, error,
			) {
				return w.Store.LastSeen(ctx, repo, variant, s, p, time.Unix(0, 0))
			}
		})},
		{"spent twice", "spend", of(func(w *wrapped) {
			var n atomic.Int64
			w.spend = func(ctx context.Context, s autopilot.Spend, l []autopilot.Limit) (string, error) {
				// No key is the same twice.
				s.Key += strconv.FormatInt(n.Add(1), 10)
				return w.Store.Spend(ctx, s, l)
			}
		})},
		{"nothing is given back", "spend", of(func(w *wrapped) {
			w.back = func(context.Context, string) error { return nil }
		})},
		{"no limits", "limits", of(func(w *wrapped) {
			w.spend = func(ctx context.Context, s autopilot.Spend, _ []autopilot.Limit) (string, error) {
				return w.Store.Spend(ctx, s, nil)
			}
		})},
		{"red runs are not counted", "limits", of(func(w *wrapped) {
			w.spend = func(ctx context.Context, s autopilot.Spend, l []autopilot.Limit) (string, error) {
				var kept []autopilot.Limit
				for _, one := range l {
					if one.Meter != autopilot.MeterRed {
						kept = append(kept, one)
					}
				}
				return w.Store.Spend(ctx, s, kept)
			}
		})},
	}
}

func peopleMutants(of wrapping) []Mutant {
	return []Mutant{
		{"looked at, then spent", "spend at once", func(s autopilot.Store) autopilot.Store { return &racy{Store: s} }},
		{"a switch that cannot be thrown", "switch", of(func(w *wrapped) {
			w.sw = func(context.Context) (autopilot.Switch, error) { return autopilot.Switch{Mode: autopilot.Act}, nil }
		})},
		{"one hash", "opt out", of(func(w *wrapped) {
			w.optOut = func(ctx context.Context, p job.Push) (string, error) {
				// Only the Mercurial hash is left to look for.
				p.Git = ""
				return w.Store.OptedOut(ctx, p)
			}
		})},
		{"people are not heard", "tell", of(func(w *wrapped) {
			w.tell = func(context.Context, string, autopilot.People) error { return nil }
		})},
		{"a lesson is learnt twice", "learn", of(func(w *wrapped) {
			var n atomic.Int64
			w.learn = func(ctx context.Context, key string, l autopilot.Lesson, start int) (autopilot.Window, error) {
				return w.Store.Learn(ctx, key+strconv.FormatInt(n.Add(1), 10), l, start)
			}
		})},
		{"the young are forgotten", "prune", of(func(w *wrapped) {
			w.prune = func(ctx context.Context, keep, _ time.Duration) (int, error) {
				// Signatures older than 0 go: all of them.
				return w.Store.Prune(ctx, keep,
					0)
			}
		})},
		{"a done context is not looked at", "done context", of(func(w *wrapped) {
			w.hear = func(ctx context.Context, f autopilot.Failure, after time.Duration) (bool, error) {
				return w.Store.Hear(context.WithoutCancel(ctx), f, after)
			}
		})},
	}
}

// racy checks the limits first and spends then, in two steps. The probe has a key of its own, and is
// given back; the pause lets another caller come between.
type racy struct{ autopilot.Store }

func (r *racy) Spend(ctx context.Context, s autopilot.Spend, limits []autopilot.Limit) (string, error) {
	probe := s
	probe.Key += "-probe"
	over, err := r.Store.Spend(ctx, probe, limits)
	if err != nil || over != "" {
		return over, err
	}
	if err := r.GiveBack(ctx, probe.Key); err != nil {
		return "", err
	}
	time.Sleep(time.Millisecond)
	return r.Store.Spend(ctx, s, nil)
}

package autopilot

import (
	"context"
	"errors"
	"time"

	"github.com/mozci/mozci/job"
)

// What people did after a case named its culprit: whether they backed it out, or another push, or
// said that it was wrong. The answers are for the page, and a wrong one lets fewer cases be open.

// reviewed is how long the robot watches what people do about a culprit that it named.
const reviewed = 14 * day

// review compares the culprits that were named with what was backed out since. It runs with each
// sweep. A case whose answer is known is not asked about again. The key of a wrong answer's lesson
// is that of the case and " wrong", because the case has taught already when it ended, and so that
// Wrong and review teach it once.
func (r *Robot) review(ctx context.Context, now time.Time) error {
	cases, err := r.store.Cases(ctx, CaseQuery{Since: now.Add(-reviewed)})
	if err != nil {
		return err
	}
	for _, c := range cases {
		if c.Report == nil || c.Report.Outcome != Culprit || c.People.Answer != Unknown {
			continue
		}
		p, err := r.did(ctx, c)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.log.InfoContext(ctx, "could not see what people did about a case", "key", c.Key, "err", err)
			continue
		}
		if p.Answer == Unknown {
			continue
		}
		if err := r.store.Tell(ctx, c.Key, p); err != nil {
			return err
		}
		if p.Answer == Wrong {
			if _, err := r.store.Learn(ctx, c.Key+" wrong", LessonWrong, r.cfg.Cases); err != nil {
				return err
			}
		}
	}
	return nil
}

// did returns what people did about the culprits of a case. When one was backed out, the answer was
// right; when another suspect was, it was wrong. Of several culprits that could not be told apart,
// one backout is enough. The answer is Unknown while none of the suspects was backed out. With the
// suspects 4, 5 and 6, of which 5 was named: a backout of 5 is right, also when 4 was backed out
// too, and one of 4 alone is wrong.
func (r *Robot) did(ctx context.Context, c Case) (People, error) {
	named := map[job.PushKey]bool{}
	if c.Report.Culprit != nil {
		named[c.Report.Culprit.Push().Key()] = true
	} else {
		for _, ch := range c.Report.Credible {
			named[ch.Push.Push().Key()] = true
		}
	}
	var answer People
	for _, ch := range r.candidates(ctx, c) {
		undone, by, err := r.undone(ctx, ch, c)
		switch {
		case err != nil:
			return People{}, err
		case !undone:
		case named[ch.Key()]:
			ref := by.Ref()
			return People{Answer: Right, Backout: &ref}, nil
		case answer.Answer == Unknown:
			ref := by.Ref()
			answer = People{Answer: Wrong, Backout: &ref}
		}
	}
	return answer, nil
}

// candidates returns the pushes that could have caused a case's failure, each once: those of the
// report and, where they can be read, all after the last good push up to the first bad one. When
// these cannot be read, a backout of one of them is seen the next time.
func (r *Robot) candidates(ctx context.Context, c Case) (out []job.Push) {
	seen := map[job.PushKey]bool{}
	add := func(p job.Push) {
		if !seen[p.Key()] {
			seen[p.Key()] = true
			out = append(out, p)
		}
	}
	if c.Report.Culprit != nil {
		add(c.Report.Culprit.Push())
	}
	for _, ch := range c.Report.Credible {
		add(ch.Push.Push())
	}
	if c.LastGood == nil {
		return out
	}
	repo, err := r.places.Repository(c.Repo)
	if err != nil {
		return out
	}
	all, err := repo.Pushes(ctx, job.Between(c.LastGood.Revision, c.Push.Revision))
	if err != nil {
		return out
	}
	for _, p := range all {
		if p.Testable() && p.Compare(*c.LastGood) > 0 {
			add(p)
		}
	}
	return out
}

// undone reports whether a push was backed out after the failure, and by which push. In the case's
// own repository, a backout before the first bad push did not undo this failure. In another one the
// orders cannot be compared, and every backout counts. A repository that cannot tell backouts has
// none.
func (r *Robot) undone(ctx context.Context, p job.Push, c Case) (bool, job.Push, error) {
	repo, err := r.places.Repository(p.Repo)
	if err != nil {
		return false, job.Push{}, err
	}
	found, err := job.Backouts(ctx, repo, p)
	if errors.Is(err, errors.ErrUnsupported) {
		return false, job.Push{}, nil
	}
	for _, b := range found {
		if p.Repo != c.Repo || b.Compare(c.Push) > 0 {
			return true, b, nil
		}
	}
	return false, job.Push{}, err
}

// Wrong records that a person says that a case's answer was wrong. It halves the number of cases
// that may be open, once for each case. An unknown key gives job.ErrNotFound.
func (r *Robot) Wrong(ctx context.Context, key, who, note string) error {
	if err := r.store.Tell(ctx, key, People{Answer: Wrong, By: who, Note: note}); err != nil {
		return err
	}
	_, err := r.store.Learn(ctx, key+" wrong", LessonWrong, r.cfg.Cases)
	return err
}

// Case returns a case by its key; job.ErrNotFound when there is none.
func (r *Robot) Case(ctx context.Context, key string) (Case, error) {
	found, err := r.store.Cases(ctx, CaseQuery{Key: key})
	if err == nil && len(found) == 0 {
		err = job.Wrap("autopilot.case", key, job.ErrNotFound)
	}
	if err != nil {
		return Case{}, err
	}
	return found[0], nil
}

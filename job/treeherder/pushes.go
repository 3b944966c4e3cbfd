package treeherder

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/mozci/mozci/job"
)

// pageOfPushes is the most that the server gives at a time. Its default is 10.
const pageOfPushes = 1000

// pushWire is one push. Its revisions are newest first, and capped.
type pushWire struct {
	ID        int64  `json:"id"`
	Revision  string `json:"revision"`
	Author    string `json:"author"`
	Timestamp int64  `json:"push_timestamp"`
	Revisions []struct {
		Revision string `json:"revision"`
		Author   string `json:"author"`
		Comments string `json:"comments"`
	} `json:"revisions"`
}

func (w pushWire) push(repo string) (job.Push, error) {
	if w.ID < 1 || w.Timestamp < 1 {
		return job.Push{}, fmt.Errorf("%w: a push with id %d and push_timestamp %d", job.ErrMalformed, w.ID, w.Timestamp)
	}
	if _, err := job.ParseRevision(w.Revision); err != nil || w.Revision == "tip" {
		return job.Push{}, fmt.Errorf("%w: push %d has the revision %q", job.ErrMalformed, w.ID, w.Revision)
	}
	out := job.Push{Repo: repo, ID: w.ID, Revision: w.Revision, User: w.Author, Time: time.Unix(w.Timestamp, 0).UTC()}
	for _, r := range slices.Backward(w.Revisions) {
		out.Changesets = append(out.Changesets, job.Changeset{Node: r.Revision, Author: r.Author, Description: r.Comments})
	}
	return out, nil
}

// pushes asks for pushes and returns them ascending, each once. What it learns
// about ids is kept for Jobs.
func (p *Project) pushes(ctx context.Context, count int, params ...string) ([]job.Push, error) {
	var list struct {
		Results *[]pushWire `json:"results"`
	}
	params = append([]string{"full", "true", "count", strconv.Itoa(count)}, params...)
	if err := p.get(ctx, "push/", &list, params...); err != nil {
		return nil, err
	}
	if list.Results == nil {
		return nil, job.Wrap("treeherder.push", p.name, fmt.Errorf("%w: no results", job.ErrMalformed))
	}
	seen := map[int64]bool{}
	var out []job.Push
	for _, w := range *list.Results {
		q, err := w.push(p.name)
		if err != nil {
			return nil, job.Wrap("treeherder.push", p.name, err)
		}
		if !seen[q.ID] {
			seen[q.ID] = true
			out = append(out, q)
			p.ids.Store(q.Short(), q.ID)
		}
	}
	slices.SortFunc(out, func(a, b job.Push) int { return int(a.ID - b.ID) })
	return out, nil
}

// Push implements job.Repository. Treeherder's "revision" knows tips only, so
// that a changeset in the middle of a push takes a second request.
func (p *Project) Push(ctx context.Context, rev string) (job.Push, error) {
	q, err := p.push(ctx, rev)
	return q, job.Wrap("treeherder.push", p.name+" "+rev, err)
}

func (p *Project) push(ctx context.Context, rev string) (job.Push, error) {
	rev, err := job.ParseRevision(rev)
	if err != nil {
		return job.Push{}, err
	}
	queries := [][]string{{"revision", rev}, {"commit_revision", rev}}
	if rev == "tip" {
		queries = [][]string{{}}
	}
	for _, q := range queries {
		found, err := p.pushes(ctx, 10, q...)
		if err != nil {
			return job.Push{}, err
		}
		for _, f := range slices.Backward(found) {
			// commit_revision finds changesets that the capped list lacks.
			if rev == "tip" || f.Contains(rev) || q[0] == "commit_revision" && len(found) == 1 {
				return f, nil
			}
		}
		if len(found) > 0 {
			return job.Push{}, fmt.Errorf("%w: %d pushes, and none contains it", job.ErrMalformed, len(found))
		}
	}
	return job.Push{}, fmt.Errorf("%w: unknown revision %q in %s", job.ErrNotFound, rev, p.name)
}

// Pushes implements job.Repository.
func (p *Project) Pushes(ctx context.Context, r job.Range) ([]job.Push, error) {
	way, err := r.Check()
	if err != nil {
		return nil, job.Wrap("treeherder.pushes", p.name, err)
	}
	var out []job.Push
	switch way {
	case job.ByIDs:
		out, err = p.between(ctx, r.FirstID, r.LastID)
	case job.ByRevisions:
		var from, to job.Push
		if from, err = p.push(ctx, r.From); err == nil {
			to, err = p.push(ctx, r.To)
		}
		if err == nil {
			err = r.CheckOrder(from, to)
		}
		if err == nil {
			out, err = p.between(ctx, from.ID, to.ID)
		}
	case job.ByDates:
		// A push's time is in whole seconds: the first one that is in.
		first := r.Since.Add(time.Second - 1).Unix()
		out, err = p.all(ctx, 0, "push_timestamp__gte", strconv.FormatInt(first, 10), "push_timestamp__lte", strconv.FormatInt(r.Until.Unix(), 10))
	case job.ByCenter:
		out, err = p.around(ctx, r)
	}
	if err != nil {
		return nil, job.Wrap("treeherder.pushes", p.name, err)
	}
	return out, nil
}

func (p *Project) between(ctx context.Context, lo, hi int64) ([]job.Push, error) {
	return p.all(ctx, 0, "id__gte", strconv.FormatInt(lo, 10), "id__lte", strconv.FormatInt(hi, 10))
}

// all asks until there is no more, or until there are enough, newest first;
// 0 is no limit.
func (p *Project) all(ctx context.Context, enough int, params ...string) ([]job.Push, error) {
	var out []job.Push
	for {
		count := pageOfPushes
		if enough > 0 {
			count = min(count, enough-len(out))
		}
		q := params
		if len(out) > 0 {
			q = append(slices.Clone(params), "id__lt", strconv.FormatInt(out[0].ID, 10))
		}
		got, err := p.pushes(ctx, count, q...)
		if err != nil {
			return nil, err
		}
		if len(out) > 0 { // a server that does not know id__lt would go on for ever
			got = slices.DeleteFunc(got, func(g job.Push) bool { return g.ID >= out[0].ID })
		}
		out = append(got, out...)
		if len(got) < count || enough > 0 && len(out) >= enough {
			return out, nil
		}
	}
}

// around finds older pushes newest first. The newer ones come newest first too,
// however many there are, so all of them have to be asked for.
func (p *Project) around(ctx context.Context, r job.Range) ([]job.Push, error) {
	center, err := p.push(ctx, r.Center)
	if err != nil {
		return nil, err
	}
	id := strconv.FormatInt(center.ID, 10)
	out := []job.Push{center}
	if r.Before > 0 {
		older, err := p.all(ctx, r.Before, "id__lt", id)
		if err != nil {
			return nil, err
		}
		out = append(older, out...)
	}
	if r.After > 0 {
		newer, err := p.all(ctx, 0, "id__gt", id)
		if err != nil {
			return nil, err
		}
		out = append(out, newer[:min(r.After, len(newer))]...)
	}
	return out, nil
}

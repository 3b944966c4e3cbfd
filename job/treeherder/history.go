package treeherder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/mozci/mozci/job"
)

// pushesAtOnce is how many pushes one request for jobs names: their ids are 1.6 kB of
// its URL then, and servers take 4 kB and more.
const pushesAtOnce = 200

// History implements job.HistoryReader. A push that Treeherder does not have gives
// job.ErrNotFound for that push, as Jobs does.
//
// Requests: for each label one for each 200 pushes and each 2000 jobs, several at a time,
// and another where no job has the label, which may then be a builder of Buildbot. One
// more for ids that are not known, see [Project.Jobs], and six at most for pushes that
// Treeherder does not have. Where an answer is broken, or the server ignores a filter,
// its pushes are read one by one.
func (p *Project) History(ctx context.Context, pushes []job.Push, labels ...string) ([]job.PushRuns, error) {
	const op = "treeherder.history"
	key := fmt.Sprintf("%s, %d pushes, %s", p.name, len(pushes), strings.Join(labels, ", "))
	if len(labels) == 0 {
		return nil, job.Wrap(op, key, fmt.Errorf("%w: no label is named", job.ErrInvalid))
	}
	return within(ctx, p.server, op, key, func(ctx context.Context) ([]job.PushRuns, error) {
		out := make([]job.PushRuns, len(pushes))
		projects := map[string][]*job.PushRuns{}
		for i, push := range pushes {
			out[i].Push = push
			if !push.Testable() {
				continue
			}
			repo := push.Repo
			if repo == "" {
				repo = p.name
			}
			projects[repo] = append(projects[repo], &out[i])
		}
		for _, repo := range slices.Sorted(maps.Keys(projects)) { // what a merge brought is another project's
			p.server.Project(repo).fill(ctx, projects[repo], labels)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return out, nil
	})
}

// fill reads the runs of the labels on pushes of the project.
func (p *Project) fill(ctx context.Context, rows []*job.PushRuns, labels []string) {
	byID := map[int64][]*job.PushRuns{}
	pushes := make([]job.Push, len(rows))
	for i, row := range rows {
		pushes[i] = row.Push
	}
	for i, known := range p.idsOf(ctx, pushes) {
		if known.err != nil {
			rows[i].Err = job.Wrap("treeherder.jobs", rows[i].Push.String(), known.err)
			continue
		}
		byID[known.id] = append(byID[known.id], rows[i])
	}
	var wg sync.WaitGroup
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(byID)), pushesAtOnce) {
		wg.Go(func() {
			found, err := p.together(ctx, ids, labels)
			if errors.Is(err, job.ErrMalformed) {
				p.server.log.Warn("jobs of many pushes could not be read at once", "repo", p.name, "pushes", len(ids),
					"err", err)
				p.oneByOne(ctx, ids, byID, labels)
				return
			}
			for _, id := range ids {
				for _, row := range byID[id] {
					row.Jobs, row.Err = jobsOf(found[id], row.Push, labels, Record.label)
					row.Err = job.Wrap("treeherder.jobs", row.Push.String(), errors.Join(err, row.Err))
				}
			}
		})
	}
	wg.Wait()
}

// oneByOne reads pushes as Jobs does: what is broken is then known to be of one of them.
func (p *Project) oneByOne(ctx context.Context, ids []int64, byID map[int64][]*job.PushRuns, labels []string) {
	var wg sync.WaitGroup
	for _, id := range ids {
		for _, row := range byID[id] {
			wg.Go(func() { row.Jobs, row.Err = p.Jobs(ctx, row.Push, labels...) })
		}
	}
	wg.Wait()
}

// together are the jobs of pushes that can have one of the labels, by push.
func (p *Project) together(ctx context.Context, ids []int64, labels []string) (map[int64][]Record, error) {
	labels = slices.Compact(slices.Sorted(slices.Values(labels)))
	lists, errs := make([][]Record, len(labels)), make([]error, len(labels))
	var wg sync.WaitGroup
	for i, label := range labels {
		wg.Go(func() { lists[i], errs[i] = p.labelled(ctx, ids, label) })
	}
	wg.Wait()
	found := map[int64][]Record{}
	for _, list := range lists {
		for _, r := range list {
			found[r.PushID] = append(found[r.PushID], r)
		}
	}
	return found, errors.Join(errs...)
}

// labelled are the jobs of pushes that can have a label: a task's, or else a builder's,
// most of which have spaces in them.
func (p *Project) labelled(ctx context.Context, ids []int64, label string) ([]Record, error) {
	if !strings.Contains(label, " ") {
		found, err := p.ofPushes(ctx, ids, "job_type_name", label)
		if err != nil || slices.ContainsFunc(found, func(r Record) bool { return r.label() == label }) {
			return found, err
		}
	}
	builders, err := p.ofPushes(ctx, ids, "ref_data_name", label)
	if err != nil || slices.ContainsFunc(builders, func(r Record) bool { return r.label() == label }) ||
		!strings.Contains(label, " ") {
		return builders, err
	}
	return p.ofPushes(ctx, ids, "job_type_name", label) // such as Gecko Decision Task
}

// ofPushes reads all pages of the jobs of pushes.
func (p *Project) ofPushes(ctx context.Context, ids []int64, params ...string) ([]Record, error) {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = number(id)
	}
	return p.records(ctx, fmt.Sprintf("%d pushes", len(ids)), append([]string{"push_id__in", strings.Join(list, ",")},
		params...)...)
}

// isAmong reports whether a number is in a list with commas, such as push_id__in has.
func isAmong(list string) func(n int64) bool {
	in := map[int64]bool{}
	for text := range strings.SplitSeq(list, ",") {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			in[n] = true
		}
	}
	return func(n int64) bool { return in[n] }
}

// History implements job.HistoryReader.
func (s *Snapshot) History(ctx context.Context, pushes []job.Push, labels ...string) ([]job.PushRuns, error) {
	const op = "treeherder.snapshot"
	if len(labels) == 0 {
		return nil, job.Wrap(op, s.Name(), fmt.Errorf("%w: no label is named", job.ErrInvalid))
	}
	if err := ctx.Err(); err != nil {
		return nil, job.Wrap(op, s.Name(), err)
	}
	out := make([]job.PushRuns, len(pushes))
	for i, push := range pushes {
		out[i].Push = push
		out[i].Jobs, out[i].Err = s.Jobs(ctx, push, labels...)
	}
	return out, nil
}

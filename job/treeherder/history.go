package treeherder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/mozci/mozci/job"
)

// pushesAtOnce is how many pushes one request for jobs names. Ids of 7 digits, with their commas
// escaped, take 2 kB of its URL, and servers accept URLs of 4 kB and more.
const pushesAtOnce = 200

// History implements job.HistoryReader. A push that Treeherder does not have gives
// job.ErrNotFound for that push, as Jobs does.
//
// Each label costs 1 request for each 200 pushes and each 2000 jobs, several at the same time.
// When no job has the label, it costs another, since the label may be a builder of Buildbot. Push
// ids that are not known cost 1 more (see [Project.Jobs]), and pushes that Treeherder does not
// have, 6 at most. When an answer is malformed, or the server ignores a filter, the pushes of
// that request are read one by one.
func (p *Project) History(ctx context.Context, pushes []job.Push, labels ...string) ([]job.PushRuns, error) {
	const op = "treeherder.history"
	key := fmt.Sprintf("%s, %d pushes, %s", p.name, len(pushes), strings.Join(labels, ", "))
	if len(labels) == 0 {
		return nil, job.Wrap(op, key, fmt.Errorf("%w: no label was given", job.ErrInvalid))
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
		for _, repo := range slices.Sorted(maps.Keys(projects)) { // a merge brings pushes of others
			p.server.Project(repo).fill(ctx, projects[repo], labels)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return out, nil
	})
}

// fill reads the runs of the labels on pushes of this project into the rows. Several rows may be
// of one push, when the caller named it twice or by two hashes, so byID has a list for each id.
// Each id is in one chunk only, so no two goroutines write to the same row.
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
				p.server.log.Warn("cannot read the jobs of many pushes at once, reading them one by one",
					"repo", p.name, "pushes", len(ids), "err", err)
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

// oneByOne reads each push with Jobs, so that a malformed answer spoils only its own push.
func (p *Project) oneByOne(ctx context.Context, ids []int64, byID map[int64][]*job.PushRuns, labels []string) {
	var wg sync.WaitGroup
	for _, id := range ids {
		for _, row := range byID[id] {
			wg.Go(func() { row.Jobs, row.Err = p.Jobs(ctx, row.Push, labels...) })
		}
	}
	wg.Wait()
}

// together reads the jobs of several pushes that may have one of the labels, and returns them by
// push id.
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

// labelled reads the jobs of several pushes that may have a label: it looks for a task's label
// first, and for a builder if there is none.
func (p *Project) labelled(ctx context.Context, ids []int64, label string) ([]Record, error) {
	found, err := p.ofPushes(ctx, ids, "job_type_name", label)
	if err != nil || slices.ContainsFunc(found, func(r Record) bool { return r.label() == label }) {
		return found, err
	}
	return p.ofPushes(ctx, ids, "ref_data_name", label)
}

// ofPushes reads all pages of the jobs of several pushes.
func (p *Project) ofPushes(ctx context.Context, ids []int64, params ...string) ([]Record, error) {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = number(id)
	}
	found, err := p.records(ctx, fmt.Sprintf("%d pushes", len(ids)),
		append([]string{"push_id__in", strings.Join(list, ",")}, params...)...)
	if err != nil {
		err = &longError{err}
	}
	return found, err
}

// longError shortens the text of an error, in which a URL names all the pushes.
type longError struct{ error }

func (e *longError) Error() string {
	return manyIDs.ReplaceAllStringFunc(e.error.Error(), func(list string) string {
		first, _, _ := strings.Cut(list, "%2C")
		return first + "…"
	})
}

// Unwrap returns the error with its whole text.
func (e *longError) Unwrap() error { return e.error }

// manyIDs matches two or more ids in a URL; their commas are escaped as %2C:
// "push_id__in=7%2C8%2C9&count=2000" → "push_id__in=7…&count=2000" in the error.
var manyIDs = regexp.MustCompile(`push_id__in=\d+(%2C\d+)+`)

// isAmong returns a test for membership in a list of numbers with commas between them, as in the
// parameter push_id__in.
func isAmong(list string) func(n int64) bool {
	in := map[int64]bool{}
	for text := range strings.SplitSeq(list, ",") {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			in[n] = true
		}
	}
	return func(n int64) bool { return in[n] }
}

// History implements job.HistoryReader, in memory.
func (s *Snapshot) History(ctx context.Context, pushes []job.Push, labels ...string) ([]job.PushRuns, error) {
	const op = "treeherder.snapshot"
	if len(labels) == 0 {
		return nil, job.Wrap(op, s.Name(), fmt.Errorf("%w: no label was given", job.ErrInvalid))
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

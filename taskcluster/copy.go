package taskcluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	v2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/job"
)

// copiedAction is the value of the tag "action" on tasks that mozci copied itself.
const copiedAction = "retrigger-copy"

// copyInstead creates copies of the label's task, for a push whose action hook is gone: the
// deployment deletes a hook 60 days after it was last fired. gone is the service's answer.
//
// The ids of the copies follow from the request's key, so that a second call finds the copies
// of the first. When only some could be made, the error is job.ErrUnavailable: the caller
// repeats the request with the same key, and only the missing ones are created.
//
// For a count of 3, when the second copy exists: the first is created, the second is found, and
// the third is created. The receipt names all three in that order, with the state created.
func (s *shot) copyInstead(ctx context.Context, a *action, gone error) (job.Receipt, error) {
	old := func(format string, args ...any) error {
		why := fmt.Sprintf(format, args...)
		return fmt.Errorf("%w: the push is too old for actions (%w), and %s", job.ErrRefused, gone, why)
	}
	runs := slices.Contains([]string{"retrigger", "retrigger-multiple", "add-new-jobs", "backfill-task"}, a.Name)
	ran := s.ran()
	switch {
	case !runs:
		return job.Receipt{}, old("the action %s works only through its hook", a.Name)
	case len(ran) == 0:
		return job.Receipt{}, old("%s never ran here, so there is no task to copy", s.req.Label)
	case s.req.Key == "":
		return job.Receipt{}, old("without a key in the request mozci cannot tell whether it was copied already")
	}
	definition, err := s.copied(ctx, ran[0], time.Now().UTC())
	if err != nil {
		return job.Receipt{}, err
	}
	need, err := createNeeds(definition)
	if err == nil {
		err = allowed(ctx, need)
	}
	if err != nil {
		return job.Receipt{}, err
	}
	ids := make([]string, s.req.Count)
	for i := range ids {
		ids[i] = slug.Of(fmt.Sprintf("%s copy %d", s.req.Key, i))
	}
	there, err := s.p.c.statuses(ctx, ids...)
	if err != nil {
		return job.Receipt{}, err
	}
	receipt := job.Receipt{
		State: job.ReceiptAlreadyAsked, Link: s.p.c.page(ids[0]),
		Note: "the push is too old for actions, so mozci copied the task",
	}
	for _, id := range ids {
		receipt.IDs = append(receipt.IDs, id+"/0")
		if there[id] != nil {
			continue
		}
		if err := s.create(ctx, id, definition); err != nil {
			if receipt.State == job.ReceiptCreated {
				// Some exist. Under the same key the caller can trigger the rest later.
				err = fmt.Errorf("%w: %d of %d copies were made: %w",
					job.ErrUnavailable, len(receipt.IDs)-1, len(ids), err)
			}
			return job.Receipt{}, err
		}
		receipt.State = job.ReceiptCreated
	}
	s.p.log.Info("copied a task, since the push is too old for actions",
		"label", s.req.Label, "push", s.req.Push.ID, "tasks", ids)
	return receipt, nil
}

// create makes one copy. When another process has just made it, its definition has other
// times and the queue answers with RequestConflict; the copy exists, which is success.
func (s *shot) create(ctx context.Context, id string, definition any) error {
	_, err := s.p.c.createTask(ctx, id, definition)
	var answered *Error
	if errors.As(err, &answered) && answered.Code == "RequestConflict" {
		if _, there := s.p.c.Status(ctx, id); there == nil {
			return nil
		}
	}
	return err
}

// copied is the definition of a copy. It differs from the original in this: its times are
// moved to now, failed dependencies are replaced, it has no routes into the index (that
// place is the original's), and Treeherder shows it as a backfill.
func (s *shot) copied(ctx context.Context, t *listedTask, now time.Time) (map[string]jsontext.Value, error) {
	d, raw, err := s.definitionOf(ctx, t)
	if err != nil {
		return nil, err
	}
	replaced, err := s.dependencies(ctx, t)
	if err != nil {
		return nil, err
	}
	for old, id := range replaced { // in the payload, too: URLs of the build's files have the task id
		raw = bytes.ReplaceAll(raw, []byte(old), []byte(id))
	}
	var out map[string]jsontext.Value
	var payload any
	if err = v2.Unmarshal(raw, &out); err == nil {
		err = v2.Unmarshal(out["payload"], &payload)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the definition of %s: %w", job.ErrMalformed, t.Status.TaskID, err)
	}
	age := now.Sub(d.Created)
	routes := slices.DeleteFunc(d.Routes, func(r string) bool { return strings.HasPrefix(r, "index.") })
	tags := map[string]string{}
	maps.Copy(tags, d.Tags)
	tags["action"] = copiedAction // tells other tools that the task did not come with the push
	for name, v := range map[string]any{
		"created": stamp(now), "deadline": stamp(d.Deadline.Add(age)), "expires": stamp(d.Expires.Add(age)),
		"routes": append([]string{}, routes...), "tags": tags, "payload": refreshed(payload, age),
	} {
		text, err := plainJSON(v)
		if err != nil {
			return nil, err
		}
		out[name] = text
	}
	if extra, ok := out["extra"]; ok {
		out["extra"] = marked(extra)
	}
	for _, name := range []string{"provisionerId", "workerType"} { // the queue's old names for taskQueueId
		if out["taskQueueId"] != nil {
			delete(out, name)
		}
	}
	return out, nil
}

// stamp writes a time as the queue does: in UTC, with exactly 3 digits of milliseconds. For
// example 2026-01-05T08:00:00.120Z.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// refreshed moves every "expires" in a payload by age, at any depth: the queue refuses an
// artifact that expires before its task. It changes v in place. With an age of 24 h,
// {"artifacts": [{"name": "public", "expires": "2026-01-05T00:00:00Z"}]} gets the time
// "2026-01-06T00:00:00.000Z".
func refreshed(v any, age time.Duration) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = refreshed(v[i], age)
		}
	case map[string]any:
		for k, e := range v {
			if text, ok := e.(string); ok && k == "expires" {
				if t, err := time.Parse(time.RFC3339, text); err == nil {
					v[k] = stamp(t.Add(age))
				}
				continue
			}
			v[k] = refreshed(e, age)
		}
	}
	return v
}

// dependencies finds a replacement for each dependency that failed: another task of the same
// label on this push that completed, by the old task's id. It fails with job.ErrNoBuild when
// there is none, or when a dependency outside the push has expired, since the copy would
// then wait for ever or have nothing to test.
//
//	dependency of the original                    in the copy
//	completed, or still running                   the same
//	failed; another task of its label completed   that other task
//	failed, and no other completed                job.ErrNoBuild
//	outside the groups, known to the queue        the same
//	outside the groups, expired                   job.ErrNoBuild
func (s *shot) dependencies(ctx context.Context, t *listedTask) (map[string]string, error) {
	byID := map[string]*listedTask{}
	for _, x := range s.in.tasks {
		byID[x.Status.TaskID] = x
	}
	var outside []string
	out := map[string]string{}
	for _, id := range t.Task.Dependencies {
		has, ok := byID[id]
		if !ok {
			outside = append(outside, id)
			continue
		}
		if has.Status.State == "completed" || !has.Status.resolved() {
			continue
		}
		i := slices.IndexFunc(s.in.tasks, func(x *listedTask) bool {
			return x.label() == has.label() && x.Status.State == "completed"
		})
		if i < 0 {
			return nil, fmt.Errorf("%w: %s, which %s needs, is %s",
				job.ErrNoBuild, has.label(), t.label(), has.Status.State)
		}
		out[id] = s.in.tasks[i].Status.TaskID
	}
	if len(outside) == 0 {
		return out, nil
	}
	there, err := s.p.c.statuses(ctx, outside...)
	for _, id := range outside {
		if err == nil && there[id] == nil {
			err = fmt.Errorf("%w: the task %s, which %s needs, has expired", job.ErrNoBuild, id, t.label())
		}
	}
	return out, err
}

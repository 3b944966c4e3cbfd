package treeherder

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// kinds are Treeherder's classifications, by their ids. New failures (6) are so named by
// a program, and autoclassified ones (7) too: no person said anything of them yet.
var kinds = map[int]job.ClassificationKind{
	0: job.NotClassified, 1: job.NotClassified, 2: job.ClassifiedFixed, 3: job.ClassifiedExpected,
	4: job.ClassifiedIntermittent, 5: job.ClassifiedInfra, 6: job.NotClassified, 7: job.NotClassified,
	needsBug: job.ClassifiedNeedsBug,
}

// needsBug is the id of an intermittent without a bug: of a person, or of Treeherder,
// which gives it by itself where the same tests passed elsewhere.
const needsBug = 8

// autoclassifier is who Treeherder names where no person wrote a note.
const autoclassifier = "autoclassifier"

// classification is the kind of a record.
func (r Record) classification() (job.ClassificationKind, error) {
	kind, ok := kinds[r.Classification]
	if !ok {
		return "", job.UnknownWord(source, "failure_classification_id", strconv.Itoa(r.Classification))
	}
	return kind, nil
}

// Classification implements job.Classifier: Treeherder's classification of the job, when
// a person gave it. Intermittent without a bug is a person's where there is a person's
// note that says so; what Treeherder guesses by itself is job.NotClassified.
//
// The job is one of this package, or one of Taskcluster, whose ID is a task's and the
// number of its run; see [Project.FindRun]. One that Treeherder does not have, or does not have yet, gives
// job.ErrNotFound. Requests: one, and another where the job is classified.
func (p *Project) Classification(ctx context.Context, j job.Job) (job.Classification, error) {
	const op = "treeherder.classification"
	if repo := j.Push().Repo; repo != "" && repo != p.name {
		return p.server.Project(repo).Classification(ctx, j)
	}
	params, err := named(j.ID())
	if err != nil {
		return job.Classification{}, job.Wrap(op, j.ID(), err)
	}
	return within(ctx, p.server, op, j.ID(), func(ctx context.Context) (job.Classification, error) {
		page, err := get(ctx, p, "jobs/", jobsEndpoint, append(params, "count", strconv.Itoa(mostRuns), "return_type",
			"list")...)
		if err != nil {
			return job.Classification{}, err
		}
		if len(page.records) == 0 {
			return job.Classification{}, fmt.Errorf("%w: Treeherder has no such job in %s", job.ErrNotFound, p.name)
		}
		r, err := theOne(page.records, params[0])
		if err != nil {
			return job.Classification{}, err
		}
		kind, err := r.classification()
		if err != nil || kind == job.NotClassified {
			return job.Classification{Kind: kind}, err
		}
		notes, err := get(ctx, p, "note/", noteEndpoint, "job_id", number(r.ID))
		if err != nil {
			return job.Classification{}, err
		}
		return said(r, kind, *notes), nil
	})
}

// isSlug reports whether text is like a task's id.
func isSlug(text string) bool {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return len(text) == 22 && strings.Trim(text, digits) == ""
}

// said is who classified the job as it is now: the last person that wrote so.
func said(r Record, kind job.ClassificationKind, notes []noteWire) job.Classification {
	c := job.Classification{Kind: kind}
	for _, n := range notes {
		at := time.Time(n.Created)
		if n.Classification == r.Classification && n.Who != autoclassifier && !at.Before(c.At) {
			c.By, c.At = n.Who, at
		}
	}
	if c.At.IsZero() && r.Classification == needsBug {
		return job.Classification{Kind: job.NotClassified}
	}
	return c
}

// noteWire is what somebody wrote of a job.
type noteWire struct {
	ID             int64   `json:"id" is:"required" min:"1" max:"1e15"`
	JobID          int64   `json:"job_id" is:"required" min:"1" max:"1e15"`
	Classification int     `json:"failure_classification_id" is:"required" min:"0"`
	Created        utcTime `json:"created" is:"required"`
	Who            string  `json:"who" is:"required" min:"1"`

	_ contract.Also `names:"text"`
}

// sameNotes: the notes are of the job that was asked for.
func sameNotes(asked contract.Asked, list *[]noteWire) error {
	id, ok := numberOf(asked, "job_id")
	for i, n := range *list {
		if ok && n.JobID != id {
			return contract.Differs(fmt.Sprintf("[%d].job_id", i), n.JobID, id)
		}
	}
	return nil
}

// utcTime is a time as Treeherder writes it, in UTC without saying so:
// 2026-01-05T00:00:00.123456.
type utcTime time.Time

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *utcTime) UnmarshalText(text []byte) error {
	for _, layout := range []string{"2006-01-02T15:04:05", time.RFC3339} {
		if at, err := time.Parse(layout, string(text)); err == nil && at.Year() >= 1970 {
			*t = utcTime(at.UTC())
			return nil
		}
	}
	return fmt.Errorf("%.40q is not a time such as 2026-01-05T00:00:00", text)
}

// Classification implements job.Classifier: what the snapshot says of the job. By whom
// and when it does not say. A job that is not of a snapshot gives job.ErrInvalid.
func (s *Snapshot) Classification(ctx context.Context, j job.Job) (job.Classification, error) {
	const op = "treeherder.classification"
	r, ok := j.Raw().(Record)
	if !ok {
		return job.Classification{}, job.Wrap(op, j.ID(), fmt.Errorf("%w: not a job of a snapshot", job.ErrInvalid))
	}
	if err := ctx.Err(); err != nil {
		return job.Classification{}, job.Wrap(op, j.ID(), err)
	}
	kind, err := r.classification()
	return job.Classification{Kind: kind}, job.Wrap(op, j.ID(), err)
}

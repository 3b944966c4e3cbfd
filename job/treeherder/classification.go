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

// kinds maps the ids of Treeherder's classifications. Programs give 6 (new failure) and 7
// (autoclassified), so no person has classified those.
var kinds = map[int]job.ClassificationKind{
	0: job.NotClassified, 1: job.NotClassified, 2: job.ClassifiedFixed, 3: job.ClassifiedExpected,
	4: job.ClassifiedIntermittent, 5: job.ClassifiedInfra, 6: job.NotClassified, 7: job.NotClassified,
	needsBug: job.ClassifiedNeedsBug,
}

// needsBug is the id of an intermittent failure without a bug. A person may give it, and so may
// Treeherder itself when the same tests passed elsewhere.
const needsBug = 8

// autoclassifier is the author of notes that Treeherder writes itself.
const autoclassifier = "autoclassifier"

// classification maps a record's classification. An unknown id is job.ErrUnknownWord.
func (r Record) classification() (job.ClassificationKind, error) {
	kind, ok := kinds[r.Classification]
	if !ok {
		return "", job.UnknownWord(source, "failure_classification_id", strconv.Itoa(r.Classification))
	}
	return kind, nil
}

// Classification implements job.Classifier: it returns a person's classification of the job. What
// Treeherder guessed itself is job.NotClassified. "Intermittent, needs a bug" may come from
// either; it counts as a person's only when a person's note says the same.
//
// The job may be of this package, or of package taskcluster, whose IDs are <task id>/<run
// number>; see [Project.FindRun]. A job that Treeherder does not have, or not yet, gives
// job.ErrNotFound. It costs 1 request, and another when the job is classified.
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

// isSlug reports whether text has the form of a task id: 22 characters of URL-safe base64.
func isSlug(text string) bool {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return len(text) == 22 && strings.Trim(text, digits) == ""
}

// said adds to a classification who gave it and when: the latest note by a person with the same
// classification. Without such a note the author stays empty.
//
// For a job with classification 4 and the notes 4 by ann at 10:00, 4 by bob at 11:00, 2 by eve
// at 12:00 and 4 by autoclassifier at 13:00, it is bob's of 11:00.
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

// noteWire is a note about a job.
type noteWire struct {
	ID             int64   `json:"id" is:"required" min:"1" max:"1e15"`
	JobID          int64   `json:"job_id" is:"required" min:"1" max:"1e15"`
	Classification int     `json:"failure_classification_id" is:"required" min:"0"`
	Created        utcTime `json:"created" is:"required"`
	Who            string  `json:"who" is:"required" min:"1"`

	_ contract.Also `names:"text"`
}

// sameNotes checks that all notes are about the requested job.
func sameNotes(asked contract.Asked, list *[]noteWire) error {
	id, ok := numberOf(asked, "job_id")
	for i, n := range *list {
		if ok && n.JobID != id {
			return contract.Differs(fmt.Sprintf("[%d].job_id", i), n.JobID, id)
		}
	}
	return nil
}

// utcTime is a time as Treeherder writes it, in UTC but without a time zone:
// 2026-01-05T00:00:00.123456.
type utcTime time.Time

// UnmarshalText implements encoding.TextUnmarshaler. It also accepts RFC 3339; a year before
// 1970 is an error. A fraction of a second is accepted in both forms, as Go's parser takes one
// after any seconds.
func (t *utcTime) UnmarshalText(text []byte) error {
	for _, layout := range []string{"2006-01-02T15:04:05", time.RFC3339} {
		if at, err := time.Parse(layout, string(text)); err == nil && at.Year() >= 1970 {
			*t = utcTime(at.UTC())
			return nil
		}
	}
	return fmt.Errorf("%.40q is not a time such as 2026-01-05T00:00:00", text)
}

// Classification implements job.Classifier, from the snapshot, which does not say who classified
// a job and when. A job that is not from a snapshot gives job.ErrInvalid.
func (s *Snapshot) Classification(ctx context.Context, j job.Job) (job.Classification, error) {
	const op = "treeherder.classification"
	r, ok := j.Raw().(Record)
	if !ok {
		return job.Classification{}, job.Wrap(op, j.ID(),
			fmt.Errorf("%w: the job is not from a snapshot", job.ErrInvalid))
	}
	if err := ctx.Err(); err != nil {
		return job.Classification{}, job.Wrap(op, j.ID(), err)
	}
	kind, err := r.classification()
	return job.Classification{Kind: kind}, job.Wrap(op, j.ID(), err)
}

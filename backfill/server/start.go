package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/link"
)

// From a request to a stored backfill. Start goes from cheap to expensive: the input alone, the job
// that it names, the push, whether the same backfill lives already, and only then the plan, which
// reads the runs of many pushes. Scopes are checked last, because only the plan says what would be
// triggered. What cannot be done is either an error (nothing is stored) or a Refusal (stored, and
// shown as a page).

// Start implements backend. It finds out which job is meant, whether a backfill makes sense, and
// what there is to do. It triggers nothing; Run does that.
func (s *Server) Start(ctx context.Context, by Caller, in Input) (Backfill, error) {
	ctx, stop := context.WithTimeout(ctx, s.o.Planning)
	defer stop()
	if err := in.check(); err != nil {
		return Backfill{}, err
	}
	at, err := s.locate(ctx, in)
	if no := refusalOf(err); no != nil {
		return s.refuse(ctx, by, in, in.ask(at), no)
	}
	if err != nil {
		return Backfill{}, err
	}
	place, err := s.places.Open(ctx, at.Project)
	if err != nil {
		return Backfill{}, err
	}
	at.Project = place.Project
	a := in.ask(at)
	if err := job.Line(ctx, place.Repo); err != nil {
		return s.refuseOr(ctx, by, in, a, err)
	}
	push, err := place.Repo.Push(ctx, a.Revision)
	if err != nil {
		return Backfill{}, err
	}
	// The push's own revision: two changes of one push are the same request.
	a.Revision = push.Revision
	key := keyOf(a, in.DryRun)
	if r, err := s.store.Living(ctx, key); err == nil {
		return r.Backfill, nil
	} else if !errors.Is(err, job.ErrNotFound) {
		return Backfill{}, err
	}
	w := s.newWork(place, Record{Backfill: s.blank(by, in, a), Key: key, Caller: by})
	if err := w.plan(ctx); err != nil {
		return s.refuseOr(ctx, by, in, a, err)
	}
	if !in.DryRun {
		if err := s.o.Guard.CheckPlan(ctx, place.CI, by, w.r.Plan); err != nil {
			return Backfill{}, err
		}
	}
	return s.add(ctx, w.r, in.DryRun)
}

// add stores a new backfill, unless the same one lives already.
func (s *Server) add(ctx context.Context, r Record, dry bool) (Backfill, error) {
	lifetime := s.o.Lifetime
	if dry {
		lifetime = s.o.Fresh
	}
	r, added, err := s.store.Add(ctx, r, lifetime)
	if err != nil {
		return Backfill{}, err
	}
	if added {
		s.meter.started(r.Backfill)
		s.log.Info("accepted", "backfill", r.ID, "state", r.State, "by", r.By, "label", r.Ask.Label, "revision",
			r.Ask.Revision, "runs", r.Plan.Total())
		s.wake()
	}
	return r.Backfill, nil
}

// blank is a new backfill of which only the request is known. Lists are empty and not nil, or they
// would be null in JSON.
func (s *Server) blank(by Caller, in Input, a Ask) Backfill {
	id := newID()
	b := Backfill{
		ID: id, State: Waiting, DryRun: in.DryRun, Ask: a, By: by.Name, Via: by.Via,
		Credible: []Suspect{}, Steps: []Step{}, Rows: []Row{}, Log: []Entry{}, Warnings: []string{},
		Links: Links{
			Self: Text("/v1/backfills/" + id), Page: Text("/backfills/" + id),
			Events: Text("/v1/backfills/" + id + "/events"), Job: a.Job,
		},
	}
	if in.DryRun {
		b.State = Planned
	}
	return b
}

// keyOf returns what two requests have in common when they are the same backfill: a hash of the
// Ask, without the run and the page that the caller named, and of whether it is a dry run.
func keyOf(a Ask, dry bool) string {
	a.Job, a.Run = "", ""
	text, err := json.Marshal(struct {
		Ask Ask
		Dry bool
	}{a, dry})
	if err != nil { // an Ask has only strings, numbers and booleans
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// locate finds the job that is meant. A link or an id says which job it is. Label and revision may
// complete it, such as a link to a push without a job, but must not contradict it; of a revision
// the first digits are enough.
func (s *Server) locate(ctx context.Context, in Input) (Located, error) {
	n := Named{Project: in.Project, JobID: in.JobID, TaskID: in.TaskID}
	if in.Link != "" {
		l, err := link.Parse(in.Link, s.places.Deployments())
		if err != nil {
			return Located{}, &InputError{"link", job.Visible(reasonText(err))}
		}
		n.Link = &l
		if in.Project != "" && l.Repo != "" && in.Project != l.Repo {
			return Located{}, wrong("project", "%q, but the link is to %q", in.Project, l.Repo)
		}
	}
	if n.Link == nil && n.JobID == nil && n.TaskID == "" {
		return Located{Project: in.Project, Label: in.Label, Revision: strings.ToLower(in.Revision)}, nil
	}
	at, err := s.places.Locate(ctx, n)
	if err != nil {
		return Located{}, err
	}
	for _, f := range []struct {
		field, given string
		found        *string
	}{{"label", in.Label, &at.Label}, {"revision", strings.ToLower(in.Revision), &at.Revision}} {
		switch {
		case f.given == "":
		case *f.found == "":
			*f.found = f.given
		case *f.found != f.given && (f.field != "revision" || !job.SameRevision(f.given, *f.found)):
			return at, wrong(f.field, "%q, but the link is to %q", clipped(f.given), clipped(*f.found))
		}
	}
	switch {
	case at.Label == "":
		return at, wrong("label", "the link names no job; give its label too")
	case at.Revision == "":
		return at, wrong("revision", "the link names no push; give its revision too")
	}
	return at, nil
}

// reasonText is an error without its operation and key, which only repeat what the caller sent.
// "invalid: 12 is no label" is "12 is no label".
func reasonText(err error) string {
	var e *job.Error
	if errors.As(err, &e) && e.Err != nil {
		return strings.TrimPrefix(e.Err.Error(), job.ErrInvalid.Error()+": ")
	}
	return err.Error()
}

// refusalOf returns the refusal that an error amounts to; nil when it is none.
func refusalOf(err error) *Refusal {
	var r *Refusal
	switch {
	case err == nil:
	case errors.As(err, &r):
	case errors.Is(err, job.ErrNoLine):
		r = &Refusal{
			NoLine,
			"This push has no earlier push to compare with, as it is on no line of pushes (such as a push to " +
				"try): " + reasonText(err) + ".", err,
		}
	case errors.Is(err, backfill.ErrNotBad):
		r = &Refusal{NotFailure, reasonText(err) + ".", err}
	}
	return r
}

// refuseOr refuses the request when the error is a reason to, and otherwise returns the error.
func (s *Server) refuseOr(ctx context.Context, by Caller, in Input, a Ask, err error) (Backfill, error) {
	if no := refusalOf(err); no != nil {
		return s.refuse(ctx, by, in, a, no)
	}
	return Backfill{}, err
}

// refuse stores a backfill that says why nothing is done. It has no key, so the same request is
// looked at again the next time.
func (s *Server) refuse(ctx context.Context, by Caller, in Input, a Ask, no *Refusal) (Backfill, error) {
	b := s.blank(by, in, a)
	b.State, b.Reason = Refused, no.Reason
	b.Answer, b.Why = "Nothing was triggered", Text(job.Visible(no.Message))
	s.meter.refused(no.Reason)
	r, _, err := s.store.Add(ctx, Record{Backfill: b, Caller: by}, 0)
	if err != nil {
		return Backfill{}, err
	}
	s.log.Info("refused", "backfill", r.ID, "reason", no.Reason, "by", by.Name, "label", a.Label, "revision",
		a.Revision)
	return r.Backfill, nil
}

// plan finds out what is known and what to do, for the mode of the backfill.
func (w *work) plan(ctx context.Context) error {
	if w.r.Ask.Mode == Search {
		return w.planSearch(ctx)
	}
	return w.planFill(ctx)
}

// neverGreen is the refusal for a job that failed on every push that was checked.
func neverGreen(a Ask, looked int) error {
	return &Refusal{NeverGreen, fmt.Sprintf("The job failed on every push that mozci checked: %s back from %.12s. It "+
		"was broken before that, or never worked here.", pushes(looked), a.Revision), nil}
}

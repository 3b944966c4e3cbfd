package backfill

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/job"
)

// signed is what a search knows about the signatures of failures. Without signatures, as with a
// Judge or a Test, reader and told are nil.
type signed struct {
	reader *joblog.SignatureReader
	unsure bool               // the signatures must still be learnt from the start
	sought []joblog.Signature // nil: every failure counts

	mu   sync.Mutex               // guards told, which the judge fills from several goroutines
	told map[string]joblog.Judged // by the ID of the run
}

// sign makes the judge for the signatures of the options, if any.
func (s *searcher) sign() error {
	o := &s.o
	given := len(o.Signatures) > 0
	switch {
	case given && (o.Judge != nil || o.Test != "" || o.AnyFailure):
		return job.Wrap("backfill.search", s.label, fmt.Errorf(
			"%w: Signatures cannot be combined with Judge, Test or AnyFailure",
			job.ErrInvalid))
	case slices.Contains(o.Signatures, ""):
		return job.Wrap("backfill.search", s.label, fmt.Errorf("%w: an empty signature", job.ErrInvalid))
	case o.Judge != nil || o.Test != "":
		return nil
	}
	s.judge = o.Status
	if o.AnyFailure {
		return nil
	}
	s.told = map[string]joblog.Judged{}
	s.reader = joblog.NewSignatureReader(s.ci, &joblog.JudgeOptions{
		Status: o.Status, Loose: o.Loose || !given, OnRead: s.heard,
	})
	if s.unsure = !given; s.unsure {
		return nil
	}
	for _, text := range o.Signatures {
		s.sought = append(s.sought, joblog.ParseSignature(text))
	}
	s.judge = s.reader.Judge(s.sought)
	return nil
}

// heard remembers the verdict on a failed run. The judge calls it, from several
// goroutines.
func (s *searcher) heard(of joblog.Judged) {
	s.mu.Lock()
	s.told[of.Run.ID()] = of
	s.mu.Unlock()
	if s.o.OnRead != nil {
		s.o.OnRead(of)
	}
}

// mostLearnt is the maximum number of failed runs at the start whose logs are read.
const mostLearnt = 20

// learn takes the signatures from the runs that failed at the start, if none are given.
// When their logs do not tell, every failure counts, with a warning.
func (s *searcher) learn(ctx context.Context, start job.Push) error {
	if !s.unsure {
		return nil
	}
	s.unsure = false
	if s.merged != nil && len(s.merged.sought) > 0 { // learnt before the merge
		s.sought = s.merged.sought
		s.judge = s.reader.Judge(s.sought)
		return nil
	}
	log := s.log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	// The start is read before everything else, because the verdicts on all other pushes
	// depend on what failed here.
	at, err := s.look(ctx, start, log)
	if err != nil {
		return ctx.Err() // it is read again with the others
	}
	if at.runs.Bad > 0 {
		s.seen[start.Key()] = at
	}
	var failed []job.Job
	for _, run := range analysis.OfLabel(at.jobs, s.labelOf(at)) {
		if v, err := s.status(ctx, run); err == nil && v == analysis.Bad {
			failed = append(failed, run)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	failed = failed[max(0, len(failed)-mostLearnt):]
	why := "their logs name no failure of their own"
	seen := map[string]bool{}
	for _, run := range failed {
		signs, unread, err := s.reader.Of(ctx, run)
		if err != nil {
			return err
		}
		why = cmp.Or(unread, why)
		for _, sign := range signs {
			if !seen[sign.Print] {
				seen[sign.Print] = true
				s.sought = append(s.sought, sign)
			}
		}
	}
	switch n := len(s.sought); {
	case n == 0:
		s.warn("every failure of %s counts, because it is unclear what failed at the start: %s", s.label, why)
		return nil
	case n > 1:
		s.warn("%d different failures count, all those seen at the start: %s", n, names(s.sought))
	}
	s.judge = s.reader.Judge(s.sought)
	at.runs, err = analysis.OfRuns(ctx, analysis.OfLabel(at.jobs, s.labelOf(at)), s.judge)
	if err != nil {
		return err
	}
	// The start was judged by status above; now it is judged by the signatures.
	at.verdict = at.runs.Verdict()
	s.seen[start.Key()] = at
	return nil
}

// status returns what a run means by its status alone.
func (s *searcher) status(ctx context.Context, run job.Job) (analysis.Verdict, error) {
	if s.o.Status == nil {
		return analysis.ByStatus(ctx, run)
	}
	return s.o.Status(ctx, run)
}

// otherwise adds, to the error of a start that did not fail with the signatures, what it
// failed with.
func (s *searcher) otherwise(err error, at looked) error {
	if !errors.Is(err, ErrNotBad) || len(s.sought) == 0 {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var others []joblog.Signature
	for _, run := range at.jobs {
		others = append(others, s.told[run.ID()].Signatures...)
	}
	if len(others) == 0 {
		return err
	}
	return fmt.Errorf("%w: it failed with other signatures: %s", err, prints(others))
}

// asideOf reports which failures were set aside, and which ones count although it is
// unclear what failed.
func (r *SearchResult) asideOf(s *searcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// By the name of the failure: in how many set-aside runs it occurred. unread is by
	// reason.
	others, runs := map[string]int{}, 0
	unread := map[string]int{}
	for _, of := range s.told {
		switch {
		case of.Why != "":
			unread[of.Why]++
			r.Unread++
		case of.Verdict == analysis.Bad || len(of.Signatures) == 0:
		default:
			runs++
			seen := map[string]bool{}
			for _, sign := range of.Signatures {
				if name := sign.String(); !seen[name] {
					seen[name] = true
					others[name]++
				}
			}
		}
	}
	if r.Others = runs; runs == 1 {
		r.Warnings = append(r.Warnings, "1 other failure of the job does not count: "+listed(others))
	} else if runs > 1 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%d other failures of the job do not count: %s", runs,
			listed(others)))
	}
	for _, why := range slices.Sorted(maps.Keys(unread)) {
		counts := "failed runs count whatever failed in them"
		if unread[why] == 1 {
			counts = "failed run counts whatever failed in it"
		}
		r.Warnings = append(r.Warnings, fmt.Sprintf("%d %s: %s", unread[why], counts, job.Visible(why)))
	}
}

// mostNames is the maximum number of failures that a sentence names.
const mostNames = 5

// listed names failures, the most frequent first, with how often each occurred: "a (3),
// b, …".
func listed(times map[string]int) string {
	names := slices.SortedFunc(maps.Keys(times), func(a, b string) int {
		return cmp.Or(times[b]-times[a], strings.Compare(a, b))
	})
	var out []string
	for _, name := range names {
		out = append(out, job.Visible(name))
		if times[name] > 1 {
			out[len(out)-1] += fmt.Sprintf(" (%d)", times[name])
		}
	}
	return sentence(out)
}

// names lists signatures for people.
func names(of []joblog.Signature) string {
	var out []string
	for _, s := range of {
		out = append(out, job.Visible(s.String()))
	}
	return sentence(out)
}

// prints lists the fingerprints of signatures, quoted, as SearchOptions.Signatures takes
// them.
func prints(of []joblog.Signature) string {
	var out []string
	for _, s := range of {
		if p := fmt.Sprintf("%q", s.Print); !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return sentence(out)
}

// sentence joins words with commas, and cuts off after mostNames of them.
func sentence(words []string) string {
	if len(words) > mostNames {
		words = append(slices.Clone(words[:mostNames]), "…")
	}
	return strings.Join(words, ", ")
}

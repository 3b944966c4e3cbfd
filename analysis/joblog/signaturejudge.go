package joblog

import (
	"context"
	"errors"
	"slices"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
)

// Judged is what SignatureJudge found in a failed run.
type Judged struct {
	Run     job.Job
	Verdict analysis.Verdict
	// Signatures are the signatures of its failures.
	Signatures []Signature
	// Why says why the run is judged by its status; empty when its log was enough.
	Why string
}

// SignatureJudge returns an analysis.Judge for failures with one of the signatures,
// each given by its Print or fingerprint:
//
//	the run passed                                      good; its logs are not read
//	one of its failures has a sought signature          bad
//	others failed, or infrastructure alone, and its log,
//	    which is whole, shows that the tests of all
//	    sought ones passed                              good
//	    does not show it                                unclear: it says nothing
//	its log is gone, cut or not understood, or does
//	    not say what failed                             by its status, which JudgeOptions.OnRead is told
//
// Runs that have not ended are judged by their status. Each run's logs are read once, as by
// TestJudge. The judge is safe for concurrent use, and its errors are those of its callers'
// contexts.
func SignatureJudge(ci job.Scheduler, signatures []string, opts *JudgeOptions) analysis.Judge {
	var sought []Signature
	for _, s := range signatures {
		sought = append(sought, ParseSignature(s))
	}
	return NewSignatureReader(ci, opts).Judge(sought)
}

// SignatureReader reads the signatures of failed runs. NewSignatureReader makes one; it is safe for
// concurrent use.
type SignatureReader struct {
	ci       job.Scheduler
	opts     JudgeOptions
	readings readings[*told]
}

// told is what was read from the logs of a failed run.
type told struct {
	signatures []Signature
	report     *Report // while somebody judges by it
	why        string  // why the log does not say what failed
}

// NewSignatureReader returns a reader of the runs of a CI.
func NewSignatureReader(ci job.Scheduler, opts *JudgeOptions) *SignatureReader {
	o := opts.defaults()
	return &SignatureReader{ci, o, newReadings[*told](o.Most)}
}

// Of returns the signatures of a run's failures, as Report.Signatures does, and the reason why there
// are none, or not all of them; the reason is empty when the log is complete. The logs are read
// once, and not again by the judges of this reader. Errors are those of ctx.
func (s *SignatureReader) Of(ctx context.Context, run job.Job) (signatures []Signature, why string, err error) {
	t, err := s.readings.of(ctx, run, func(ctx context.Context) (*told, bool, error) {
		t, keep, err := s.read(ctx, run, nil)
		t.report = nil // which is large
		return &t, keep, err
	})
	if err != nil {
		return nil, "", err
	}
	return slices.Clone(t.signatures), t.why, nil
}

// Judge is SignatureJudge for signatures that come from this reader or from a Report.
func (s *SignatureReader) Judge(sought []Signature) analysis.Judge {
	j := &signatureJudge{
		SignatureReader: s, sought: slices.Clone(sought), bad: map[string]bool{}, like: map[string]bool{},
		verdicts: newReadings[analysis.Verdict](s.opts.Most),
	}
	for _, x := range sought {
		for _, key := range keys(x) {
			j.bad[key] = j.bad[key] || s.opts.Loose || key == x.Print
			j.like[key] = true
		}
		if x.Test != "" {
			j.names = append(j.names, x.Test)
		}
	}
	return j.judge
}

// signatureJudge judges runs by the failures that are sought. It shares the readings of its reader, which
// have signatures alone, and keeps verdicts of its own: a run can be bad for one judge and good for
// another.
type signatureJudge struct {
	*SignatureReader
	sought []Signature
	// bad and like have the keys of the sought signatures (see keys). A run whose failures have one that
	// is true in bad is bad; one in like may be what is sought, so the run is not good. All are true in
	// like; in bad the Prints are, and with opts.Loose all.
	bad, like map[string]bool
	names     []string // of the sought tests, whose ends are read however large the log is
	verdicts  readings[analysis.Verdict]
}

// judge is the analysis.Judge. Only a run whose status is bad needs its logs: one that passed is good, and
// of others nothing is known yet.
func (j *signatureJudge) judge(ctx context.Context, run job.Job) (analysis.Verdict, error) {
	v, err := j.opts.Status(ctx, run)
	if err != nil || v != analysis.Bad {
		return v, err
	}
	v, err = j.verdicts.of(ctx, run, func(ctx context.Context) (analysis.Verdict, bool, error) {
		return j.weigh(ctx, run)
	})
	if err != nil {
		return analysis.Unclear, err
	}
	return v, nil
}

// weigh judges a failed run by its logs. It uses what was read before if that is enough: the signatures
// suffice to call a run bad, while a good one needs the whole report, which is not kept. In that case
// the logs are read again.
func (j *signatureJudge) weigh(ctx context.Context, run job.Job) (v analysis.Verdict, keep bool, err error) {
	keep = true
	var t told
	r, known := j.readings.kept.Get(run.ID())
	if known && r.said != nil {
		t = *r.said
	}
	if !known || t.why == "" && !shares(j.bad, t.signatures) {
		if t, keep, err = j.read(ctx, run, j.names); err != nil {
			return analysis.Unclear, false, err
		}
	}
	said := Judged{Run: run, Signatures: t.signatures}
	switch {
	case shares(j.bad, t.signatures):
		said.Verdict = analysis.Bad
	case t.why != "":
		said.Verdict, said.Why = analysis.Bad, t.why
	case !shares(j.like, t.signatures) && t.report.escaped(j.sought, j.opts.Group):
		said.Verdict = analysis.Good
	default:
		said.Verdict = analysis.Unclear
	}
	if j.opts.OnRead != nil {
		j.opts.OnRead(said)
	}
	return said.Verdict, keep, nil
}

// shares reports whether one of the signatures has a key of a set.
func shares(set map[string]bool, signatures []Signature) bool {
	return slices.ContainsFunc(signatures, func(s Signature) bool {
		return slices.ContainsFunc(keys(s), func(key string) bool { return set[key] })
	})
}

// keys are texts of which two signatures share at least one when they mean the same failure. The first
// key demands the same Print; the others allow another message, or another test. The names that say
// nothing (noTerm) are no keys.
//
//	crash | dom/a.html | [@ f]    the Print, "\x00test dom/a.html", "\x00top f"
func keys(of Signature) []string {
	keys := []string{of.Print}
	if test := CanonicalTest(of.Test); of.Test != "" && !listed(noTerm, of.Test) {
		keys = append(keys, "\x00test "+test) // no Print begins with a zero byte
	}
	if top := of.top(); top != "" && !listed(noTerm, top) {
		keys = append(keys, "\x00top "+top)
	}
	return keys
}

// read reads the logs of a failed run. A result is not kept when a service did not answer.
func (s *SignatureReader) read(ctx context.Context, run job.Job, tests []string) (t told, keep bool, err error) {
	opener, ok := job.As[job.LogOpener](s.ci)
	if !ok {
		return told{why: "the CI has no logs"}, true, nil
	}
	r, err := Failures(ctx, opener, run, &Options{Tests: tests})
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return told{}, false, err
	case errors.Is(err, job.ErrNotFound):
		return told{why: "its log is gone"}, true, nil
	case errors.Is(err, errors.ErrUnsupported):
		return told{why: "the CI has no log of it"}, true, nil
	case errors.Is(err, errNotALog):
		return told{why: "what it left behind is no log"}, true, nil
	default:
		return told{why: "its log could not be read: " + err.Error()}, false, nil
	}
	t = told{signatures: r.Signatures(), report: r}
	switch {
	case len(r.Formats) == 0:
		t.why = "its log is not understood"
	case !r.whole():
		t.why = "its log is cut or damaged"
	case len(t.signatures) == 0 && !r.OnlyInfra():
		t.why = "its log does not say what failed"
	}
	return t, true, nil
}

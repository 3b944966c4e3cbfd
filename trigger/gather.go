package trigger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/ledger"
)

// barredLabel marks labels that the catalog of a push does not have.
const barredLabel = "the label cannot run on this push"

// noLabel reports whether the push does not offer the label.
func (f Facts) noLabel() bool { return f.Barred == barredLabel }

// Look reads the facts about one label on one push, by which Make plans. Of the options
// it uses Ledger, Judge, Manifests and ExistingOnly. A label that the push does not offer
// is Barred, and the error is an *job.UnknownLabelError.
func Look(ctx context.Context, ci job.Scheduler, p job.Push, label string, opts *Options) (Facts, error) {
	m := &maker{ci: ci, times: 1, history: analysis.NewHistory(ci, nil)}
	if opts != nil {
		m.opts = *opts
	}
	m.opts.Choose, m.opts.Automatic = nil, false
	all, err := m.gather(ctx, p, []string{label}, slog.New(slog.DiscardHandler))
	if len(all) != 1 {
		return Facts{Push: p, Label: label}, job.Wrap("trigger.look", label, err)
	}
	return all[0], job.Wrap("trigger.look", label, err)
}

// gather reads the facts about each label on one push. out and labels have the same
// indices. The catalog comes first, since it says which builds and which chunk to read;
// then one request reads all runs.
func (m *maker) gather(ctx context.Context, p job.Push, labels []string, log *slog.Logger) ([]Facts, error) {
	if !p.Testable() {
		return barred(p, labels, "no changesets are left in it"), nil
	}
	entries, err := m.catalog(ctx, p, labels)
	hasCatalog := err == nil
	switch {
	case errors.Is(err, job.ErrNotScheduled):
		return barred(p, labels, "nothing is scheduled on it"), nil
	case err != nil && !errors.Is(err, errors.ErrUnsupported):
		return nil, err
	case err != nil && m.opts.Choose != nil && m.opts.Choose.Missing:
		return nil, err // only a catalog tells which labels are missing
	}
	var all []job.Job
	if m.opts.Choose != nil {
		if all, err = m.ci.Jobs(ctx, p); err != nil {
			return nil, err
		}
		// A choice needs the runs of every label on the push, so they are read before the
		// labels are known.
		if labels, err = m.choose(ctx, labels, entries, all); err != nil {
			return nil, err
		}
	}
	out := barred(p, labels, "")
	names := slices.Clone(labels)
	var lacking error
	for i := range labels {
		if !hasCatalog {
			continue
		}
		if !m.move(&out[i], entries) {
			continue
		}
		names[i] = out[i].Label
		e, found := job.Lookup(entries, out[i].Label)
		if found != nil {
			out[i].Barred, lacking = barredLabel, found
			continue
		}
		out[i].Barred = e.Barred
		out[i].MakesBuilds = e.MakesUpstreams
		for _, b := range e.Upstreams {
			out[i].Builds = append(out[i].Builds, BuildFacts{Label: b})
			names = append(names, b)
		}
	}
	jobs := all
	if m.opts.Choose == nil {
		if jobs, err = m.jobs(ctx, p, names); err != nil {
			return nil, err
		}
	}
	log.Info("read push", "push", p.ID, "revision", p.Short(), "jobs", len(jobs))
	for i := range out {
		if err := m.fill(ctx, &out[i], jobs); err != nil {
			return nil, err
		}
	}
	return out, lacking
}

// catalog returns what a push offers of the labels, or all that it offers where the plan
// chooses labels or chunks from it.
func (m *maker) catalog(ctx context.Context, p job.Push, labels []string) ([]job.Runnable, error) {
	if m.opts.Choose != nil || len(m.opts.Manifests) > 0 {
		labels = nil
	}
	return job.Catalog(ctx, m.ci, p, labels...)
}

// choose returns the labels of a push that the caller's choice means. Where a judge says
// what failed, a label whose job failed for another reason is not meant.
func (m *maker) choose(ctx context.Context, labels []string, entries []job.Runnable, all []job.Job) ([]string, error) {
	chosen := Choose(labels, entries, all, *m.opts.Choose)
	if m.opts.Judge == nil || !m.opts.Choose.Failed {
		return chosen, nil
	}
	var out []string
	for _, l := range chosen {
		runs, err := analysis.OfRuns(ctx, analysis.OfLabel(all, l), m.opts.Judge)
		if err != nil {
			return nil, err
		}
		if runs.Bad > 0 {
			out = append(out, l)
		}
	}
	return out, nil
}

// move switches to the chunk that runs the wanted manifests on this push. It returns
// false where no chunk runs them.
func (m *maker) move(f *Facts, entries []job.Runnable) bool {
	chunks, known := analysis.Counterparts(entries, f.Label, m.opts.Manifests)
	switch {
	case !known:
	case len(chunks) == 0:
		f.Barred = fmt.Sprintf("no chunk of its suite runs %s on this push", strings.Join(m.opts.Manifests, ", "))
		return false
	case chunks[0].Label != f.Label:
		f.Instead, f.Label, f.Moved = f.Label, chunks[0].Label, chunks[0].String()
	}
	return true
}

// barred returns the facts of labels that cannot run on a push, with the reason; an empty
// reason means that nothing is known about them yet.
func barred(p job.Push, labels []string, why string) []Facts {
	out := make([]Facts, len(labels))
	for i, l := range labels {
		out[i] = Facts{Push: p, Label: l, Barred: why}
	}
	return out
}

// jobs returns the runs of the named labels on a push: those that the caller has read,
// else as the CI lists them.
func (m *maker) jobs(ctx context.Context, p job.Push, names []string) ([]job.Job, error) {
	if m.opts.Known != nil {
		if jobs, ok := m.opts.Known(p); ok {
			return jobs, nil
		}
	}
	// Sorted, and each once: a build may be needed by several labels.
	slices.Sort(names)
	return m.history.Jobs(ctx, p, slices.Compact(names)...)
}

// fill adds the runs of the label and of its builds, visible or triggered.
func (m *maker) fill(ctx context.Context, f *Facts, jobs []job.Job) (err error) {
	f.Jobs = analysis.OfLabel(jobs, f.Label)
	if f.Runs, err = analysis.OfRuns(ctx, f.Jobs, m.opts.Judge); err != nil {
		return err
	}
	coming, err := asked(ctx, m.ci, m.opts.Ledger, f.Push, f.Label, analysis.OfLabel(jobs, f.Label))
	if err != nil {
		return err
	}
	f.Asked, f.Unsure, f.UnsureUntil, f.CameToNothing, f.Withdrawn = coming.runs, coming.unsure, coming.until,
		coming.failed, coming.withdrawn
	if f.Offspring, err = m.offspring(ctx, f.Push, f.Label, jobs); err != nil {
		return err
	}
	f.ExistingOnly = m.opts.ExistingOnly
	for i, b := range f.Builds {
		if f.Builds[i], err = readBuild(ctx, m.ci, m.opts.Ledger, f.Push, b.Label, jobs); err != nil {
			return err
		}
	}
	return nil
}

// offspring reports whether an unattended call would act on runs that mozci itself
// triggered.
func (m *maker) offspring(ctx context.Context, p job.Push, label string, jobs []job.Job) (bool, error) {
	if !m.opts.Automatic {
		return false, nil
	}
	return Offspring(ctx, m.ci, m.opts.Ledger, p, analysis.OfLabel(jobs, label), label)
}

// Offspring reports whether the runs of the label on the push were triggered on request,
// and not by the push: some of them as the ledger remembers, or all of them as the CI
// knows, where it can tell. An unattended program that finds such runs may be looking at
// its own. The ledger may be nil.
func Offspring(
	ctx context.Context, ci job.Scheduler, l ledger.Ledger, p job.Push, runs []job.Job, label string,
) (bool, error) {
	if l != nil {
		entries, err := l.Entries(ctx, ledger.ForPush(p, label))
		if err != nil || slices.ContainsFunc(entries, func(e ledger.Entry) bool { return e.State.Made() }) {
			return err == nil, err
		}
	}
	for _, j := range runs {
		asked, err := job.WasAdded(ctx, ci, j)
		if errors.Is(err, errors.ErrUnsupported) {
			return false, nil
		}
		if !asked || err != nil {
			return false, err
		}
	}
	return len(runs) > 0, nil
}

// onTheWay is what was triggered and is not visible.
type onTheWay struct {
	runs   int
	unsure int       // those of runs that may never have reached the CI
	until  time.Time // when that is decided at the latest
	failed []string  // why other requests made no runs
	// withdrawn says that a person stopped the CI's own job that would have made their
	// runs.
	withdrawn bool
}

// asked returns what was triggered of the label on the push and is not among its visible
// runs: as the CI says, where it can, and as the ledger remembers. The ledger may be nil.
func asked(
	ctx context.Context, ci job.Scheduler, l ledger.Ledger, p job.Push, label string, runs []job.Job,
) (onTheWay, error) {
	accepted, err := job.Accepted(ctx, ci, p, label)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return onTheWay{}, err
	}
	out := onTheWay{}
	for _, r := range accepted {
		out.runs += r.Count
	}
	if l == nil {
		return out, nil
	}
	entries, err := l.Entries(ctx, ledger.ForPush(p, label))
	if err != nil {
		return out, err
	}
	if entries, err = ledger.Follow(ctx, l, ci, entries, runs); err != nil {
		return out, err
	}
	out.remember(entries, len(runs))
	return out, nil
}

// remember adds what the ledger knows to what the CI says. Both may know the same requests, so the
// larger number counts, not the sum. When the CI has accepted 2 and the ledger expects 3, 3 are on
// the way.
func (o *onTheWay) remember(entries []ledger.Entry, visible int) {
	says := o.runs
	o.runs = max(says, ledger.Outstanding(entries, visible))
	var sure []ledger.Entry
	for _, e := range entries {
		switch {
		case e.State == ledger.Withdrawn:
			o.failed, o.withdrawn = append(o.failed, e.Receipt.Note), true
		// An old failure is no longer worth a word.
		case e.State == ledger.Vanished, e.State == ledger.Failed && e.Age < ledger.AcceptedExpires:
			o.failed = append(o.failed, e.Receipt.Note)
		}
		if !e.State.Open() {
			sure = append(sure, e)
		}
	}
	// unsure is the part of runs that only open entries account for: with 5 expected in
	// all, and 3 by the CI or by settled entries, it is 2.
	if o.unsure = o.runs - max(says, ledger.Outstanding(sure, visible)); o.unsure == 0 {
		return
	}
	for _, e := range entries {
		if t := time.Now().Add(e.Left()); e.State.Open() && t.After(o.until) {
			o.until = t
		}
	}
}

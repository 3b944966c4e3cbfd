package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/link"
)

// setPlaces sets what is read and what acts, and the repository.
func (f *following) setPlaces(context.Context) error {
	if err := f.set("repo", f.at.repo); err != nil {
		return err
	}
	a := f.a
	switch f.link.Source {
	case link.Buildbot:
		return f.set("ci", "buildbot")
	case link.Treeherder:
	default:
		return nil
	}
	firefox := a.firefox() // as long as no flag is set
	switch {
	case a.world != "", f.changed("ci") && a.ci != "treeherder":
		return nil
	case firefox && a.history, f.command == "origin": // it reads Treeherder anyway, or only hg
		return nil
	}
	root := a.taskclusterRoot(os.Getenv("TASKCLUSTER_ROOT_URL"))
	if err := f.set("ci", "treeherder"); err != nil || f.link.Task == "" && !firefox && root == "" {
		return err // it cannot be told who ran it
	}
	return f.set("trigger-ci", "taskcluster")
}

// setPush sets the push, and the range where the link has one and no job.
func (f *following) setPush(ctx context.Context) error {
	if err := f.set("rev", f.at.revision); err != nil {
		return err
	}
	l := f.link
	if l.From == "" || f.at.run != nil || !f.has("from-rev") ||
		f.anyOf("from-rev", "delta", "back-revisions", "backfill") {
		return nil
	}
	if !l.AfterFrom {
		return f.set("from-rev", l.From)
	}
	p, err := f.a.places()
	if err != nil {
		return err
	}
	pushes, err := p.repo.Pushes(ctx, job.Between(l.From, f.at.revision))
	if err != nil {
		return err
	}
	if len(pushes) < 2 {
		return usage("LINK names the pushes after %.12s up to %.12s, and there are none", l.From, f.at.revision)
	}
	return f.set("from-rev", pushes[1].Revision)
}

// setLabel sets the label of the run, or the one that the page is filtered by. A filter that
// is no label says nothing, so that it goes with any label.
func (f *following) setLabel(ctx context.Context) error {
	if !f.has("label") || f.chosen {
		return nil
	}
	label, given := f.at.label(), f.labels()
	if label == "" && f.link.Search != "" && f.at.revision != "" && !slices.Contains(given, f.link.Search) {
		p, err := f.a.places()
		if err != nil {
			return err
		}
		label, err = p.searched(ctx, f.at.revision, f.link.Search)
		switch {
		case len(given) > 0 && f.command != "trigger" && err == nil && label != "":
			return f.contradicts("label", strings.Join(given, ", "), label)
		case len(given) == 0 && err != nil:
			return err
		}
	}
	return f.set("label", label)
}

// complete refuses a link that says too little for the command, and says what it says.
func (f *following) complete(context.Context) error {
	needs := slices.Contains([]string{"backfill", "culprit", "frequency", "trigger", "watch"}, f.command) &&
		!f.changed("label") && !f.chosen && !f.changed("action")
	rev := f.has("rev") && f.flags.Lookup("rev").Value.String() == ""
	switch {
	case rev && f.link.Landing != "":
		return usage("%s needs a push: LINK names a landing that waits for one; paste the link when Treeherder shows "+
			"the push", f.command)
	case rev && needs:
		return usage("%s needs a label and a push: LINK names %s; add --label and --rev, or paste the link of the "+
			"failing job, in quotes", f.command, f.names())
	case rev:
		return usage("%s needs a push: LINK names %s; add --rev, or paste the link of a push or a job, in quotes",
			f.command, f.names())
	case needs && f.at.revision == "":
		return usage("%s needs a label: LINK names %s; add --label, or paste the link of the failing job, in quotes",
			f.command, f.names())
	case needs && f.link.Search != "":
		return usage("%s needs a label: LINK names %s, filtered by %s, which is no label there; add --label, or paste "+
			"the link of the failing job", f.command, f.names(), oneLine(f.link.Search))
	case needs:
		return usage("%s needs a label: LINK names %s, not a job; add --label, or paste the link of the failing job",
			f.command, f.names())
	}
	return nil
}

// names says what a link names that names no job.
func (f *following) names() string {
	switch {
	case f.at.revision != "":
		return fmt.Sprintf("push %.12s", f.at.revision) + of(f.at.repo)
	case f.link.Builder != "":
		return "builder " + f.link.Builder + " and no build"
	case f.at.repo != "":
		return "repository " + f.at.repo + " alone"
	}
	return "no push"
}

func of(repo string) string {
	if repo == "" {
		return ""
	}
	return " of " + repo
}

// setTest sets the test of a log's line, where flags do not say otherwise which failures
// count. That no test can be told is said, and the command goes on without.
func (f *following) setTest(ctx context.Context) error {
	if f.link.Line == nil || f.at.run == nil || !f.has("test") || f.chosen ||
		f.anyOf("signature", "any-failure", "perf") {
		return nil
	}
	test, at, err := f.testAt(ctx, *f.link.Line)
	if ctx.Err() != nil {
		return err
	}
	if err != nil {
		f.a.warnf("note: no test can be told from line %d of the log, so the whole job counts: %s\n", *f.link.Line,
			oneLine(err.Error()))
		return nil
	}
	if given := f.flags.Lookup("test").Value.String(); f.changed("test") &&
		joblog.CanonicalTest(given) != joblog.CanonicalTest(test) {
		return f.contradicts("test", given, test)
	}
	if !f.changed("test") && int64(at) != *f.link.Line {
		f.a.warnf("note: line %d of the log names no failure; this is about %s, which failed at line %d\n",
			*f.link.Line, test, at)
	}
	return f.set("test", test)
}

// testAt is the test of the last failure up to a line, from 1, of the run's plain log,
// which is the one that Treeherder and Taskcluster show.
func (f *following) testAt(ctx context.Context, line int64) (test string, at int, err error) {
	p, err := f.a.places()
	if err != nil {
		return "", 0, err
	}
	in, err := job.OpenLog(ctx, p.read, job.New(job.Fields{ID: f.own}), job.LogText)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = in.Close() }()
	r, err := joblog.Read(ctx, in, "", nil)
	if err != nil {
		return "", 0, err
	}
	var tests []string
	for _, x := range r.Failures {
		switch {
		case int64(x.Line) > line || x.Line < at || x.Line < 1:
			continue
		case x.Line > at:
			at, tests = x.Line, nil
		}
		if !slices.Contains(tests, x.Test) {
			tests = append(tests, x.Test)
		}
	}
	switch {
	case at == 0:
		return "", 0, errors.New("no failure is there or before")
	case len(tests) != 1:
		return "", 0, fmt.Errorf("line %d is of %d tests", at, len(tests))
	case tests[0] == "":
		return "", 0, fmt.Errorf("the failure at line %d names no test", at)
	}
	return tests[0], at, nil
}

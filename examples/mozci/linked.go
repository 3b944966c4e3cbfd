package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/link"
	"github.com/mozci/mozci/pushlog"
)

// A LINK stands for flags: what it says is set as if the flag had been given, and the
// command never knows. Flags that say where to look and how win over it. A flag that says
// another repository, push, label, test or CI than the link is wrong usage, as nobody can
// tell which of the two was meant.
//
// On trigger a label, or a choice of labels, is what to run on the link's push, and a range
// that flags name is one around it.

// linked is a command that takes a LINK or none, and is run with the link's flags set.
func (a *app) linked(run func(cmd *cobra.Command) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			if _, err := a.follow(cmd, args[0]); err != nil {
				return err
			}
		}
		return run(cmd)
	}
}

func oneLink(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usage("%s takes one LINK, got %d: quote it, as a shell takes & and # for itself", cmd.Name(), len(args))
	}
	return nil
}

// isLink reports whether an argument that can be a file is a link.
func (a *app) isLink(text string) bool {
	if _, err := os.Stat(text); err == nil {
		return false
	}
	_, err := a.readLink(text)
	return err == nil || strings.Contains(text, "://")
}

// inMemoryRun is the id of a run of a world.
var inMemoryRun = regexp.MustCompile(`^run-([1-9][0-9]{0,8})$`)

// readLink takes a link apart, or in a world the id of a run, as jobs prints it.
func (a *app) readLink(text string) (link.Link, error) {
	if m := inMemoryRun.FindStringSubmatch(text); m != nil && a.world != "" {
		n, err := strconv.ParseInt(m[1], 10, 64)
		return link.Link{JobID: &n}, err
	}
	return a.parseLink(text)
}

// followRun is follow for a command about one run: it returns the run's id in its CI.
func (a *app) followRun(cmd *cobra.Command, text string) (string, error) {
	f, err := a.follow(cmd, text)
	switch {
	case err != nil:
		return "", err
	case f.at.run == nil:
		return "", usage("%s needs a job: LINK names %s, not a job; paste the link of the failing job, in quotes",
			f.command, f.names())
	case f.own == "":
		return "", job.Wrap(f.command, f.at.run.ID(), fmt.Errorf(
			"Treeherder does not say where the logs of this job are: %w", errors.ErrUnsupported))
	}
	return f.own, nil
}

// follow finds what a link says, and sets the flags that it stands for.
func (a *app) follow(cmd *cobra.Command, text string) (*following, error) {
	f := &following{a: a, ctx: cmd.Context(), command: cmd.Name(), flags: cmd.Flags()}
	for _, name := range []string{"plan", "job", "failures", "runs"} {
		if f.changed(name) {
			return nil, usage("--%s and LINK exclude each other: give one of them", name)
		}
	}
	var err error
	if f.link, err = a.readLink(text); err != nil {
		return nil, err
	}
	for _, step := range []func() error{
		f.agrees, f.find, f.fits, f.setPlaces, f.setPush, f.setLabel, f.complete, f.setTest,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// following is a link on its way into the flags of a command.
type following struct {
	a       *app
	ctx     context.Context //nolint:containedctx // it lives as long as one call
	command string
	flags   *pflag.FlagSet
	link    link.Link

	finder *finder
	at     found
	own    string // the run's id in the CI that ran it
	onTC   bool   // it is a task of Taskcluster
}

func (f *following) has(name string) bool     { return f.flags.Lookup(name) != nil }
func (f *following) changed(name string) bool { return f.has(name) && f.flags.Changed(name) }

// any reports whether one of the flags was given.
func (f *following) any(names ...string) bool { return slices.ContainsFunc(names, f.changed) }

// set sets a flag that the command has and that was not given.
func (f *following) set(name, value string) error {
	if value == "" || !f.has(name) || f.changed(name) {
		return nil
	}
	if err := f.flags.Set(name, value); err != nil {
		return usage("--%s: %v", name, err)
	}
	return nil
}

// contradicts is the error for a flag that says something else than the link.
func (f *following) contradicts(name, given, says string) error {
	return usage("--%s %s, and LINK is of %s: leave one of them out", name, given, says)
}

// agrees compares the flags with what the link itself says: nothing is asked.
func (f *following) agrees() error {
	a, l := f.a, f.link
	if a.world != "" && (l.Task != "" || l.Group != "") && l.JobID == nil {
		return usage("a world has no tasks: name a run of it by its id, such as run-5, or with selectedJob=5 in the link")
	}
	if ci := l.CI(); ci != "" && f.changed("ci") && a.ci != ci && (ci == "buildbot" || !onTreeherder(a.ci)) {
		return f.contradicts("ci", a.ci, ci)
	}
	return f.agreesRepo(l.Repo)
}

// onTreeherder: a run of Taskcluster and Treeherder's job of it are the same run, and
// people have links of both.
func onTreeherder(ci string) bool { return ci == "taskcluster" || ci == "treeherder" }

func (f *following) agreesRepo(repo string) error {
	if repo != "" && f.changed("repo") && pushlog.ShortName(f.a.repo) != repo {
		return f.contradicts("repo", f.a.repo, repo)
	}
	return nil
}

// find asks for the run that the link names.
func (f *following) find() error {
	var err error
	if f.finder, err = f.a.finder(f.link); err != nil {
		return err
	}
	repo := ""
	if f.changed("repo") {
		repo = f.a.repo
	}
	if f.at, err = f.finder.link(f.ctx, repo, f.link); err != nil {
		return err
	}
	if f.at.repo == "" {
		f.at.repo = repo
	}
	if f.at.revision == "" && f.link.From != "" { // all pushes since
		f.at.revision = "tip"
	}
	if f.at.run == nil {
		return nil
	}
	f.own = f.at.run.ID()
	if f.finder.asks == "treeherder" {
		var ci string
		ci, f.own = ownRun(f.at.run)
		f.onTC = ci == "taskcluster"
	}
	return nil
}

// finder asks the CI whose run a link names: where the link is from, or the CI that
// --ci says of the two that know each other's runs.
func (a *app) finder(l link.Link) (*finder, error) {
	if a.world != "" {
		return a.worldFinder()
	}
	f := &finder{asks: cmp.Or(l.CI(), a.ci)}
	if a.flags.Changed("ci") {
		f.asks = a.ci
	}
	var err error
	if f.http, err = a.client(); err != nil {
		return nil, err
	}
	if a.clients == nil { // the command goes on with what these know
		a.clients = &clients{}
	}
	f.open = func(repo string) (*app, error) {
		name := cmp.Or(repo, a.repo)
		b := a.forProject(name, name)
		b.ci, b.triggerCI, b.history = f.asks, "", false
		b.opened, err = b.servicesBy(f.http)
		return b, err
	}
	return f, nil
}

// worldFinder finds in a world, which has no other services.
func (a *app) worldFinder() (*finder, error) {
	w, err := a.inWorld()
	if err != nil {
		return nil, err
	}
	return &finder{asks: "a world", world: true, open: func(repo string) (*app, error) {
		b := a.forProject(cmp.Or(repo, a.repo), a.repo)
		if repo == "" {
			b.opened, err = b.inMemory()
		} else {
			b.opened, err = worldPlaces(w.ci, repo)
		}
		return b, err
	}}, nil
}

// fits compares the flags with what was found.
func (f *following) fits() error {
	if err := f.agreesRepo(f.at.repo); err != nil {
		return err
	}
	if f.changed("rev") && f.at.revision != "" {
		rev := f.flags.Lookup("rev").Value.String()
		same, err := f.finder.same(f.ctx, f.at, rev)
		if err != nil {
			return err
		}
		if !same {
			return f.contradicts("rev", rev, fmt.Sprintf("push %.12s", f.at.revision))
		}
	}
	label := f.at.label()
	if given := f.labels(); label != "" && f.command != "trigger" && len(given) > 0 && !slices.Contains(given, label) {
		return f.contradicts("label", strings.Join(given, ", "), label)
	}
	return nil
}

// labels are those that were given.
func (f *following) labels() []string {
	if !f.changed("label") {
		return nil
	}
	value := f.flags.Lookup("label").Value
	if several, ok := value.(pflag.SliceValue); ok {
		return several.GetSlice()
	}
	return []string{value.String()}
}

// setPlaces sets what is read and what acts, and the repository.
func (f *following) setPlaces() error {
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
	if err := f.set("ci", "treeherder"); err != nil || !f.onTC && !firefox && a.taskclusterRoot(os.Getenv("TASKCLUSTER_ROOT_URL")) == "" {
		return err
	}
	return f.set("trigger-ci", "taskcluster")
}

// setPush sets the push, and the range where the link has one and no job.
func (f *following) setPush() error {
	if err := f.set("rev", f.at.revision); err != nil {
		return err
	}
	l := f.link
	if l.From == "" || f.at.run != nil || !f.has("from-rev") || f.any("from-rev", "delta", "back-revisions", "backfill") {
		return nil
	}
	if !l.AfterFrom {
		return f.set("from-rev", l.From)
	}
	p, err := f.a.places()
	if err != nil {
		return err
	}
	pushes, err := p.repo.Pushes(f.ctx, job.Between(l.From, f.at.revision))
	if err != nil {
		return err
	}
	if len(pushes) < 2 {
		return usage("LINK names the pushes after %.12s up to %.12s, and there are none", l.From, f.at.revision)
	}
	return f.set("from-rev", pushes[1].Revision)
}

// chosen reports whether trigger was told what to run.
func (f *following) chosen() bool {
	return f.command == "trigger" && f.any("label", "includes", "excludes", "query", "try-syntax", "coalesced",
		"fill-revision", "failed-jobs")
}

// setLabel sets the label of the run, or the one that the page is filtered by.
func (f *following) setLabel() error {
	if !f.has("label") || f.chosen() {
		return nil
	}
	label := f.at.label()
	if label == "" && f.link.Search != "" && f.at.revision != "" && !f.changed("label") {
		p, err := f.a.places()
		if err != nil {
			return err
		}
		if label, err = p.searched(f.ctx, f.at.revision, f.link.Search); err != nil {
			return err
		}
	}
	return f.set("label", label)
}

// complete refuses a link that says too little for the command, and says what it says.
func (f *following) complete() error {
	needs := slices.Contains([]string{"backfill", "culprit", "frequency", "trigger", "watch"}, f.command) &&
		!f.changed("label") && !f.chosen() && !f.changed("action")
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
func (f *following) setTest() error {
	if f.link.Line == nil || f.at.run == nil || !f.has("test") || f.chosen() ||
		f.any("signature", "any-failure", "perf") {
		return nil
	}
	test, err := f.testAt(*f.link.Line)
	if f.ctx.Err() != nil {
		return err
	}
	if err != nil {
		f.a.warnf("mozci: no test can be told from line %d of the log, so the whole job counts: %s\n", *f.link.Line,
			oneLine(err.Error()))
		return nil
	}
	if given := f.flags.Lookup("test").Value.String(); f.changed("test") &&
		joblog.CanonicalTest(given) != joblog.CanonicalTest(test) {
		return f.contradicts("test", given, test)
	}
	return f.set("test", test)
}

// testAt is the test of the last failure up to a line, from 1, of the run's plain log,
// which is the one that Treeherder and Taskcluster show.
func (f *following) testAt(line int64) (string, error) {
	p, err := f.a.places()
	if err != nil {
		return "", err
	}
	in, err := job.OpenLog(f.ctx, p.read, job.New(job.Fields{ID: f.own}), job.LogText)
	if err != nil {
		return "", err
	}
	defer func() { _ = in.Close() }()
	r, err := joblog.Read(f.ctx, in, "", nil)
	if err != nil {
		return "", err
	}
	at, tests := 0, []string(nil)
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
		return "", errors.New("no failure is there or before")
	case len(tests) != 1:
		return "", fmt.Errorf("line %d is of %d tests", at, len(tests))
	case tests[0] == "":
		return "", fmt.Errorf("the failure at line %d names no test", at)
	}
	return tests[0], nil
}

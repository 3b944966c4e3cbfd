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
			a.pasted = args[0]
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
			"%w: Treeherder does not say where the logs of this job are", errors.ErrUnsupported))
	}
	return f.own, nil
}

// follow finds what a link says, and sets the flags that it stands for.
func (a *app) follow(cmd *cobra.Command, text string) (*following, error) {
	f := &following{a: a, command: cmd.Name(), flags: cmd.Flags()}
	for _, name := range []string{"plan", "job", "failures", "runs"} {
		if f.changed(name) {
			return nil, usage("--%s and LINK exclude each other: give one of them", name)
		}
	}
	f.chosen = f.command == "trigger" && f.anyOf("label", "includes", "excludes", "query", "try-syntax", "coalesced",
		"fill-revision", "failed-jobs")
	var err error
	if f.link, err = a.readLink(text); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{
		f.agrees, f.find, f.fits, f.setPlaces, f.setPush, f.setLabel, f.complete, f.setTest,
	} {
		if err := step(cmd.Context()); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// following is a link on its way into the flags of a command.
type following struct {
	a       *app
	command string
	flags   *pflag.FlagSet
	link    link.Link

	finder *finder
	at     found
	own    string // the run's id in the CI that ran it
	chosen bool   // trigger was told what to run
}

func (f *following) has(name string) bool     { return f.flags.Lookup(name) != nil }
func (f *following) changed(name string) bool { return f.has(name) && f.flags.Changed(name) }

// anyOf reports whether one of the flags was given.
func (f *following) anyOf(names ...string) bool { return slices.ContainsFunc(names, f.changed) }

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
func (f *following) agrees(context.Context) error {
	a, l := f.a, f.link
	if a.world != "" && (l.Task != "" || l.Group != "") && l.JobID == nil {
		return usage("a world has no tasks: name one of its runs by its id, such as run-5, or selectedJob=5 in the " +
			"link")
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
func (f *following) find(ctx context.Context) error {
	var err error
	if f.finder, err = f.a.finder(f.link); err != nil {
		return err
	}
	repo := ""
	if f.changed("repo") {
		repo = f.a.repo
	}
	if f.at, err = f.finder.link(ctx, repo, f.link); err != nil {
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
		_, f.own = ownRun(f.at.run)
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
func (f *following) fits(ctx context.Context) error {
	if err := f.agreesRepo(f.at.repo); err != nil {
		return err
	}
	if f.changed("rev") && f.at.revision != "" {
		rev := f.flags.Lookup("rev").Value.String()
		same, err := f.finder.same(ctx, f.at, rev)
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

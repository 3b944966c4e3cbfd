package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/cassette"
	"github.com/mozci/mozci/job/pulse"
	"github.com/mozci/mozci/job/treeherder"
	"github.com/mozci/mozci/pushlog"
	"github.com/mozci/mozci/taskcluster"
	"github.com/mozci/mozci/trigger/ledger"
)

// app is one run of the program: its streams and the flags that all commands
// share.
type app struct {
	in       io.Reader
	out, err io.Writer

	json          bool
	output        *outputChoice
	reportTo      io.Writer // standard output, where it has a report; out is standard error then
	world         string
	repo          string
	ci, triggerCI string
	hgURL, thURL  string
	rootURL       string
	trustDomain   string
	project       string
	landoURL      string
	branch        string
	buildbotURL   string
	codebase      string
	warnings      []string
	selfserveURL  string
	buildDataURL  string
	pulseURL      string
	allTheThings  string
	cacheDir      string
	parallel      int
	logLevel      string
	record        string
	replay        string
	ledgerName    string
	color         string

	interrupted bool // the program was told to end at a question

	log     *slog.Logger
	flags   *pflag.FlagSet // of the command that runs
	tape    *cassette.Tape
	witness *http.Client // of check-sources --live
	memory  *memory      // of --world
	opened  *places
	clients *clients                        // that several projects share; nil where there is one
	heard   func(*taskcluster.Message) bool // which messages of Pulse are decoded; nil for all
	things  *selfserve.AllTheThings
	db      *sql.DB // the ledger's
	dialect ledger.Dialect
	busy    *progress
	given   []givenFlag // before a link has set others
	pasted  string      // the link, if there is one
	called  string      // the command and a space, such as "backfill "
	started bool        // the flags were understood
	history bool        // the command reads many pushes, and acts on few
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "mozci",
		Short: "Find the push that broke a job, and trigger the runs needed to find it",
		Long: `mozci finds the push that broke a job, and triggers the runs needed to find it.
Paste the link of the failing job from your browser, or name the job
with --label and the push with --rev.

mozci triggers nothing without --yes or your answer on the terminal. Exit status:
0 done, 1 failed, 2 wrong usage, 3 not found or not enough data.`,
		Example: `  mozci backfill --world testdata/worlds/permanent.txt \
      --label linux64/opt/xpcshell-1 --rev d4f3de2cd033
  mozci culprit 'https://treeherder.mozilla.org/jobs?repo=autoland&selectedTaskRun=…'`,
		SilenceUsage: true, SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.start(cmd) },
	}
	root.SetFlagErrorFunc(a.wrongFlag)
	root.SetGlobalNormalizationFunc(oldSpelling)
	a.addFlags(root.PersistentFlags())
	groupOf := map[string]string{}
	for _, g := range []struct {
		id       string
		commands []*cobra.Command
	}{
		{groupFind, []*cobra.Command{
			a.backfillCommand(), a.culpritCommand(), a.frequencyCommand(), a.failuresCommand(), a.originCommand(),
		}},
		{groupAct, []*cobra.Command{a.triggerCommand(), a.watchCommand(), a.cancelCommand(), a.serveCommand()}},
		{groupRead, []*cobra.Command{
			a.pushesCommand(), a.jobsCommand(), a.labelsCommand(), a.trychooserCommand(), a.errorlinesCommand(),
			a.eventsCommand(), a.linkCommand(),
		}},
		{groupSetUp, []*cobra.Command{
			a.doctorCommand(), a.checkSourcesCommand(), a.versionCommand(), a.placesHelp(), credentialsHelp(),
		}},
	} {
		for _, c := range g.commands {
			groupOf[c.Name()] = g.id
			root.AddCommand(c)
		}
	}
	a.addHelp(root, groupOf)
	return root
}

// addFlags adds the flags that all commands share.
func (a *app) addFlags(f *pflag.FlagSet) {
	a.addOutput(f)
	f.StringVar(&a.world, "world", "", "use the history in this `file` instead of any service; nothing outlives "+
		"the program")
	f.StringVar(&a.repo, "repo", "autoland", "the repository's `name`, such as mozilla-central, or its path")
	f.StringVar(&a.ci, "ci", "taskcluster", ciHelp)
	f.StringVar(&a.triggerCI, "trigger-ci", "", triggerCIHelp)
	f.StringVar(&a.hgURL, "hg-url", pushlog.DefaultURL, "the `URL` of the hg server, whose pushlog has the pushes")
	f.StringVar(&a.landoURL, "lando-url", pushlog.DefaultLandoURL,
		"the `URL` of Lando, which knows the hg hash of a git hash; without it none is used for another --hg-url")
	f.StringVar(&a.branch, "branch", "", "the `name` of the branch (default: the branch of --rev, else the "+
		"repository's own)")
	f.StringVar(&a.thURL, "treeherder-url", treeherder.DefaultURL,
		"the `URL` of Treeherder, or a file with a resultset that was saved in 2013 or 2014")
	f.StringVar(&a.rootURL, "root-url", "", "the `URL` of the Taskcluster deployment (default: "+
		"TASKCLUSTER_ROOT_URL, or "+
		taskcluster.FirefoxCI+")")
	f.StringVar(&a.trustDomain, "trust-domain", "", "the `name` of the project's trust domain, the first part of its "+
		"routes in Taskcluster's index (default: what Firefox's CI is configured with)")
	f.StringVar(&a.project, "project", "", "the project's `name` in Taskcluster, if it is not the name of --repo")
	f.StringVar(&a.buildbotURL, "buildbot-url", "", "the `URL` of a Buildbot master as a browser shows it, for --ci "+
		"buildbot; the master's changes are the pushes, unless --hg-url is given")
	f.StringVar(&a.codebase, "codebase", "", "the `name` of the codebase whose changes are the pushes, on a Buildbot "+
		"master with several")
	f.StringArrayVar(&a.warnings, "fail-on-warnings", nil, "a `pattern` of builders (* and ? match) whose result "+
		"\"warnings\" means that tests failed; can be repeated")
	f.StringVar(&a.selfserveURL, "selfserve-url", selfserve.DefaultURL, "the `URL` of BuildAPI, for --ci selfserve")
	f.StringVar(&a.buildDataURL, "builddata-url", selfserve.DefaultBuildDataURL,
		"the `URL` of the folder with Buildbot's status dumps, for --ci selfserve")
	f.StringVar(&a.pulseURL, "pulse-url", pulse.DefaultURL, "the `URL` of Pulse's broker, without user and password")
	f.StringVar(&a.allTheThings, "allthethings", "", "a `file` with Buildbot's allthethings.json, for --ci "+
		"selfserve and "+
		"trychooser: which builder triggers which, and how many pushes SETA skips; - is standard input")
	f.StringVar(&a.cacheDir, "cache-dir", "", "a `folder` to keep answers in that can be used again")
	f.IntVar(&a.parallel, "parallel", 10, "maximum `number` of pushes to ask about at the same time")
	f.StringVar(&a.logLevel, "log-level", "warn", "the least important `level` to log: debug, info, warn or error")
	f.StringVar(&a.record, "record", "", "record every HTTP exchange into this `folder`, without secrets")
	f.StringVar(&a.replay, "replay", "", "play back the HTTP exchanges in this `folder`, without a network")
	f.StringVar(&a.ledgerName, "ledger", "", "the record of what was triggered, so that nothing is triggered "+
		"twice: a SQLite "+
		"`file`, or postgres://… (default: a file in your state folder; with --world, memory)")
	f.StringVar(&a.color, "color", colorAuto, "`when` to use colour: "+oneOf(whenColour))
}

// oldSpelling keeps the flags of Mozilla's old tools alive.
func oldSpelling(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	switch name {
	case "buildername":
		name = "label"
	case "exclude":
		name = "excludes"
	case "include":
		name = "includes"
	}
	return pflag.NormalizedName(name)
}

// start checks what all commands share. The root without a command has none.
func (a *app) start(cmd *cobra.Command) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(a.logLevel)); err != nil {
		return usage("--log-level %q: expected debug, info, warn or error", a.logLevel)
	}
	a.flags, a.history, a.given = cmd.Flags(), readsHistory(cmd), givenFlags(cmd.Flags())
	a.called = strings.TrimPrefix(cmd.CommandPath()+" ", "mozci ")
	switch {
	case !slices.Contains(whenColour, a.color):
		return usage("--color %q: expected %s", a.color, oneOf(whenColour))
	case a.parallel < 1:
		return usage("--parallel %d: expected 1 or more", a.parallel)
	case a.record != "" && a.replay != "":
		return usage("--record and --replay exclude each other")
	case !slices.Contains(cis, a.ci):
		return usage("--ci %q: expected %s", a.ci, oneOf(cis))
	case a.triggerCI != "" && !slices.Contains(cis, a.triggerCI):
		return usage("--trigger-ci %q: expected %s", a.triggerCI, oneOf(cis))
	case a.branch != "" && a.world != "":
		return usage("--branch %s: a world has no branches", a.branch)
	case a.world != "" && (a.record != "" || a.replay != ""):
		return usage("--world has no HTTP exchanges to record or replay")
	}
	if err := a.startOutput(cmd); err != nil {
		return err
	}
	a.started = true
	a.startProgress()
	a.log = slog.New(slog.NewTextHandler(visibleLines{a.err}, &slog.HandlerOptions{Level: level}))
	return nil
}

// usageError is a call that makes no sense: exit status 2.
type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }

func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// errNotEnough: the question has no answer from what is there: exit status 3.
// What there is to say has been printed.
var errNotEnough = errors.New("not enough data")

// errTold: something went wrong, and was said already: exit status 1.
var errTold = errors.New("incomplete")

// exit reports the error and says the exit status that cli.md gives it.
func (a *app) exit(err error) int {
	status := exitStatus(err, a.started)
	if err = unsaid(err); err == nil {
		if a.interrupted {
			return max(status, 1)
		}
		return status
	}
	if a.json {
		a.jsonError(err)
	} else {
		a.complain(err)
	}
	if status == 2 && !a.json {
		a.warnf("Try: mozci %s--help\n", a.called)
	}
	return status
}

// unsaid is what is left to say of an error: of several each that nobody has
// printed yet.
func unsaid(err error) error {
	var list interface{ Unwrap() []error }
	switch {
	case errors.Is(err, errNotEnough), errors.Is(err, errTold):
	default:
		return err
	}
	if !errors.As(err, &list) {
		return nil
	}
	var left []error
	for _, e := range list.Unwrap() {
		left = append(left, unsaid(e))
	}
	return errors.Join(left...)
}

func exitStatus(err error, started bool) int {
	var wrong *usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &wrong), !started:
		return 2
	case errors.Is(err, job.ErrUnavailable), errors.Is(err, job.ErrMalformed), errors.Is(err, job.ErrRefused),
		errors.Is(err, job.ErrDenied), errors.Is(err, errTold):
		return 1
	case errors.Is(err, job.ErrInvalid):
		return 2
	case errors.Is(err, job.ErrNotFound), errors.Is(err, job.ErrNotScheduled), errors.Is(err, job.ErrNoLine),
		errors.Is(err, backfill.ErrNotBad), errors.Is(err, backfill.ErrNotMeasured),
		errors.Is(err, backfill.ErrOverBudget), errors.Is(err, errNotEnough):
		return 3
	}
	return 1
}

func (a *app) jsonError(err error) {
	var out struct {
		Error struct {
			Op      string  `json:"op"`
			Key     *string `json:"key"`
			Message string  `json:"message"`
		} `json:"error"`
	}
	out.Error.Op, out.Error.Message = "mozci", err.Error()
	var e *job.Error
	if errors.As(err, &e) {
		out.Error.Op, out.Error.Key = e.Op, &e.Key
		out.Error.Message = fmt.Sprint(e.Err)
	}
	_ = encode(a.err, out)
}

// printJSON writes one object on one line.
func (a *app) printJSON(v any) error { return encode(a.out, v) }

func encode(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// oneOf joins words for a message: "a, b or c".
func oneOf(words []string) string { return joined(words, " or ") }

// oneAnd joins words for a message: "a, b and c".
func oneAnd(words []string) string { return joined(words, " and ") }

func joined(words []string, last string) string {
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + last + words[n-1]
	}
	return strings.Join(words, "")
}

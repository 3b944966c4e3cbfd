// Command mcp gives agents the questions of mozci as tools, over the Model Context
// Protocol: which push broke a job, what must still run to know it, and what a log says.
//
// An agent's host starts it, and speaks to it over standard input and output. Build it:
//
//	go build -o /usr/local/bin/mozci-mcp ./examples/mcp
//
// and add it to the host's configuration, for most hosts a JSON file such as:
//
//	{
//	  "mcpServers": {
//	    "mozci": {"command": "/usr/local/bin/mozci-mcp", "args": ["--repo", "autoland"]}
//	  }
//	}
//
// Without flags it asks about Firefox's CI: pushes from hg.mozilla.org, runs from
// Treeherder, the rest from Taskcluster. Reading needs no credentials. --root-url,
// --treeherder-url, --hg-url, --buildbot-url and --ci name other places. With --world FILE
// all happens in memory, on a history written as text: see package job/jobtest, and the
// examples in testdata/worlds.
//
// # Tools
//
//	parse_link          what a link names; asks no service
//	list_pushes         pushes around a revision or in a range, with their titles
//	list_jobs           the runs on a push and how they ended
//	list_labels         what can run on a push
//	find_origin         which pushes of other repositories a merge brought in
//	list_failures       which tests failed in a job, as its log tells
//	find_last_good      the last good push, the first bad one, and a plan of what to run between them
//	find_culprit        how probable it is that each push broke a label, and a plan of what to run next
//	estimate_frequency  how often a label or a test fails, and how many runs reproduce it
//	plan_runs           a plan of the runs that pushes lack
//	trigger_plan        with --act: make the CI run a plan, once
//	cancel_plan         with --act: stop what such a plan triggered
//
// A question is about a link, a job's id, or a repository and a revision, with a label. A
// list has at most 100 rows and says how many there are. Questions without an answer are
// results with isError and a sentence.
//
// # Acting
//
// Without --act the tools that act do not exist. With it an agent can trigger the plans
// that other tools made, with the credentials of the environment: those that Taskcluster's
// own tools take, TASKCLUSTER_CLIENT_ID and TASKCLUSTER_ACCESS_TOKEN, or BUILDBOT_USER and
// BUILDBOT_PASSWORD. --ledger FILE, which --act needs but in a world, remembers what was
// triggered, so that the same plan is triggered once, also by the next server or by mozci
// with the same file. At most --budget-runs runs are triggered by a call, and --budget-day
// within 24 hours, as the ledger knows them; whoever else triggers with the same ledger
// spends the same budget. Servers that share a ledger and act at the same moment each see
// what was spent before, so together they can pass it by what one of them triggers.
//
// # Text of others
//
// Logs, commit messages and answers of servers can say anything, also what looks like an
// instruction to an agent. Such text comes only in fields called untrusted_text, clipped
// and with everything escaped that does something else than be seen. The server tells the
// agent that it is data. That is a help and no wall: leave --act out where an agent reads
// what strangers can push, as on try, and nobody looks at what it does.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"os/user"
	"slices"
	"strings"
	"syscall"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mozci/mozci/job"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// flags are those of the command line.
type flags struct {
	world, repo, rootURL, treeherderURL, hgURL, buildbotURL, ci, ledger string

	act       bool
	runs, day int
}

// parse reads the command line, and refuses what makes no sense.
func parse(args []string, errOut io.Writer) (f flags, err error) {
	fs := flag.NewFlagSet("mozci-mcp", flag.ContinueOnError)
	fs.SetOutput(errOut)
	fs.StringVar(&f.world, "world", "", "answer from the history in this text `file`, without a network")
	fs.StringVar(&f.repo, "repo", "", "the `name` of the repository that is meant where a question names none "+
		"(default autoland, or the first one of the world)")
	fs.StringVar(&f.ci, "ci", "", "the CI by `name`: taskcluster, treeherder (read only) or buildbot (default: "+
		"Taskcluster, with the runs read from Treeherder)")
	fs.StringVar(&f.rootURL, "root-url", "", "the `URL` of the Taskcluster deployment (default: TASKCLUSTER_ROOT_URL, "+
		"or Firefox's)")
	fs.StringVar(&f.treeherderURL, "treeherder-url", "", "the `URL` of Treeherder (default: Mozilla's)")
	fs.StringVar(&f.hgURL, "hg-url", "", "the `URL` of the hg server with the pushlog (default: Mozilla's)")
	fs.StringVar(&f.buildbotURL, "buildbot-url", "", "the `URL` of a Buildbot master, for --ci buildbot")
	fs.BoolVar(&f.act, "act", false, "offer the tools that trigger and cancel runs")
	fs.StringVar(&f.ledger, "ledger", "", "the SQLite `file` that remembers what was triggered")
	fs.IntVar(&f.runs, "budget-runs", 20, "maximum number of runs that one call triggers")
	fs.IntVar(&f.day, "budget-day", 100, "maximum number of runs that are triggered within 24 hours, as the ledger "+
		"knows them")
	if err := fs.Parse(args); err != nil {
		return f, err
	}
	err = f.check(fs.Args())
	if err != nil {
		_, _ = fmt.Fprintf(errOut, "mozci-mcp: %s\n", job.Visible(err.Error()))
	}
	return f, err
}

func (f flags) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected %q: there are only flags", rest[0])
	case f.ci != "" && !slices.Contains(cis, f.ci):
		return fmt.Errorf("--ci %s: expected %s", f.ci, strings.Join(cis, ", "))
	case (f.ci == "buildbot") != (f.buildbotURL != ""):
		return errors.New("--ci buildbot and --buildbot-url go together")
	case f.world != "" && f.ci != "":
		return errors.New("--world answers instead of every CI: leave --ci out")
	case f.runs < 0 || f.day < 0:
		return errors.New("--budget-runs and --budget-day: expected 0 or more")
	case f.act && f.ci == "treeherder":
		return errors.New("--act: Treeherder only reads; leave --ci out to act on Taskcluster")
	case f.act && f.ledger == "" && f.world == "":
		return errors.New("--act needs --ledger FILE, which remembers what was triggered when this server has ended")
	}
	return nil
}

// run is the whole program, for main and for tests. Standard output has the protocol alone.
func run(ctx context.Context, args []string, in io.ReadCloser, out, errOut io.Writer) int {
	f, err := parse(args, errOut)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	log := slog.New(slog.NewTextHandler(visibleLines{errOut}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if err := serve(ctx, f, in, out, log); err != nil && ctx.Err() == nil {
		_, _ = fmt.Fprintf(errOut, "mozci-mcp: %s\n", job.Visible(err.Error()))
		return 1
	}
	return 0
}

// serve answers until the client goes, when what it asked last is still answered, or until
// the context ends; calls end with it.
func serve(ctx context.Context, f flags, in io.ReadCloser, out io.Writer, log *slog.Logger) (err error) {
	c, closing, err := configure(ctx, f, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closing()) }()
	e := exchangeOn(out)
	return serving(ctx, c, &mcp.IOTransport{Reader: messagesOf(in, e), Writer: open{e}, MaxLineLength: -1})
}

// serving answers on a transport.
func serving(ctx context.Context, c config, over mcp.Transport) error {
	s := newServer(c)
	s.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(asked context.Context, method string, r mcp.Request) (mcp.Result, error) {
			asked, cancel := context.WithCancel(asked)
			defer cancel()
			defer context.AfterFunc(ctx, cancel)()
			return next(asked, method, r)
		}
	})
	return s.Run(ctx, over)
}

// configure opens what the flags name. It asks no service.
func configure(ctx context.Context, f flags, log *slog.Logger) (c config, closing func() error, err error) {
	c = config{repo: f.repo, act: f.act, runs: f.runs, day: f.day, who: who(), log: log}
	if f.world != "" {
		var first string
		if c.open, first, err = inMemory(f.world); err != nil {
			return c, nil, fmt.Errorf("--world: %w", err)
		}
		c.repo, c.deployments = cmp.Or(f.repo, first), deployments(f, "")
	} else {
		s, err := newServices(f, nil, log)
		if err != nil {
			return c, nil, err
		}
		c.open, c.repo, c.deployments = s.place, cmp.Or(f.repo, "autoland"), deployments(f, s.root)
	}
	c.ledger, closing, err = openLedger(ctx, f.ledger)
	return c, closing, err
}

// who is the owner of what this server triggers, in the ledger.
func who() string {
	if u, err := user.Current(); err == nil {
		return u.Username + " (mcp)"
	}
	return "mcp"
}

// open is a writer that stays open when the session ends: it is the caller's.
type open struct{ io.Writer }

func (open) Close() error { return nil }

// visibleLines is a writer of lines, one each time, which it makes visible: what is logged
// can have words of servers in it.
type visibleLines struct{ w io.Writer }

func (v visibleLines) Write(p []byte) (int, error) {
	_, err := fmt.Fprintln(v.w, job.Visible(strings.TrimSuffix(string(p), "\n")))
	return len(p), err
}

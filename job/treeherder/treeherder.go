// Package treeherder reads pushes and jobs as Treeherder recorded them. It is
// read only: Trigger answers errors.ErrUnsupported.
//
// Start with [New], which makes a [Server], and [Server.Project], which makes a
// [Project]: both a job.Repository and a job.Scheduler. [ReadSnapshot] reads
// the resultset files of 2013 and 2014 as the same two contracts, in memory.
//
// # Pushes
//
// A push that Treeherder has carries Treeherder's push id, which is not the id
// of hg's pushlog. Jobs joins by revision, hg's or git's, so that pushes of
// either may be asked about. Treeherder hears of some pushes late: the order of
// pushes is that of their times, and ids only tell those of one second apart.
//
// A git project lists the pushes of all its branches. A range of pushes is of
// one of them; see [Project.Pushes] and [Project.OnBranch]. Try servers and
// pull requests have no line of pushes at all; see [Project.Line].
//
// # What is believed
//
// [Contracts] are what answers and files must have, and what is believed is about what
// was asked: pushes and jobs of another project, push, revision, time or name are
// job.ErrMalformed, with the place in the answer, and so is a page that is not the one
// that was asked for. A server that ignores a filter is noticed so. A revision of 12
// digits that two pushes begin with names none of them. Every call ends within
// Options.Deadline, and reads at most 1,000 pages of pushes and 100 of jobs.
//
// A [Server] keeps the ids of the 10,000 pushes that were of interest last, and the
// table of repositories; pushes and jobs are asked for each time.
//
// # Labels
//
// The label of a Taskcluster job is its job_type_name, which is the task's
// label; of a Buildbot job, its ref_data_name, the builder. The snapshots of
// 2013 and 2014 have neither: there a label is platform, option, group symbol,
// job type and symbol, with " | " between them, such as
// "osx-10-6 | debug | M | Mochitest | 1".
//
// # Statuses
//
// A state of pending, running or unscheduled is that status; coalesced when
// job_coalesced_to_guid says so, as it did until 2016. Completed (finished, in
// 2013) is its result: success, testfailed, busted, skipped, exception, retry,
// usercancel (cancelled), superseded (coalesced), unknown. Any other word is
// job.ErrUnknownWord.
//
// # Classifications
//
// [Project.Classification] says what a person said of a job: the job's
// failure_classification_id, where that is 2 (fixed by commit), 3 (expected fail), 4
// (intermittent), 5 (infra) or 8 (intermittent needs bugid), with who said it and when
// from the job's notes. 6 and 7 are what Treeherder guessed, and so is 8 without a
// person's note: they are not classified. An id above 8 is job.ErrUnknownWord.
//
// # Pulse
//
// [DecodeMessage] reads messages about jobs, and those about what people asked for on
// Treeherder's pages until 2017.
package treeherder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/deadline"
	"github.com/mozci/mozci/internal/flight"
	"github.com/mozci/mozci/internal/redact"
	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// DefaultURL is Mozilla's server.
const DefaultURL = "https://treeherder.mozilla.org"

// Options configure a Server; nil is zero options.
type Options struct {
	// HTTP is the caller's client. Default: a clean pooled one.
	HTTP *http.Client
	// Twins says the hash of hg and that of git of a revision of a repository,
	// which is one of the two, or gives job.ErrNotFound. It is asked where
	// Treeherder does not know a revision, as it lists a repository that is kept
	// in both by one of the two. Default: nobody knows.
	Twins func(ctx context.Context, repo, rev string) (hg, git string, err error)
	// Deadline bounds each call as a whole, with its pages and what is repeated of
	// it: a server that hangs gives job.ErrUnavailable then. Default ten minutes;
	// negative for no bound.
	Deadline time.Duration
	// Logger gets requests that failed and are repeated. Nil discards.
	Logger *slog.Logger
}

// Server is a Treeherder. It is safe for concurrent use.
type Server struct {
	base     string
	deadline time.Duration
	pages    int // of pushes that a range takes
	http     *rest.Client
	once     *rest.Client // for what is asked once and is no loss
	twins    func(ctx context.Context, repo, rev string) (hg, git string, err error)
	log      *slog.Logger
	ids      *flight.Cache[idKey, knownPush]
	searches *flight.Cache[string, searched]      // under way, by project
	tables   *flight.Cache[struct{}, []aboutWire] // the one table of repositories
}

// New returns a Server at baseURL, such as DefaultURL. It does no I/O; a
// malformed URL is job.ErrInvalid.
func New(baseURL string, opts *Options) (*Server, error) {
	base, err := rest.CheckURL(baseURL, DefaultURL)
	if err != nil {
		return nil, job.Wrap("treeherder.new", "", fmt.Errorf("%w: %w", job.ErrInvalid, err))
	}
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Server{
		base: base, deadline: o.Deadline, pages: mostPages, twins: o.Twins, log: o.Logger,
		http: rest.New(&rest.Options{HTTP: o.HTTP, Logger: o.Logger}),
		once: rest.New(&rest.Options{HTTP: o.HTTP, Retries: -1, Timeout: 20 * time.Second}),
		ids:  flight.New[idKey, knownPush](mostIDs), searches: flight.New[string, searched](0),
		tables: flight.New[struct{}, []aboutWire](1),
	}, nil
}

// Project returns one repository's pushes and jobs. It does no I/O.
func (s *Server) Project(name string) *Project {
	return &Project{server: s, name: name}
}

// OnBranch returns the project with its pushes of one branch alone: ranges and
// "tip" are of that, and a revision of another branch is not found. An empty
// name is the project as it was. Jobs makes no difference.
func (p *Project) OnBranch(name string) *Project {
	return &Project{server: p.server, name: p.name, branch: name}
}

// Project is one repository on Treeherder: a job.Repository and a read-only
// job.Scheduler. It is safe for concurrent use. What is known of push ids is its
// Server's, however many Projects of one name there are.
type Project struct {
	server *Server
	name   string
	branch string // see OnBranch; empty for none
}

var (
	_ job.Repository    = (*Project)(nil)
	_ job.Scheduler     = (*Project)(nil)
	_ job.LineChecker   = (*Project)(nil)
	_ job.Classifier    = (*Project)(nil)
	_ job.RunFinder     = (*Project)(nil)
	_ job.HistoryReader = (*Project)(nil)
)

// Name implements job.Repository.
func (p *Project) Name() string { return p.name }

// Trigger implements job.Scheduler: it is not supported.
func (p *Project) Trigger(_ context.Context, req job.Request) (job.Receipt, error) {
	return job.Receipt{}, readOnly(req)
}

func readOnly(req job.Request) error {
	return job.Wrap("treeherder.trigger", req.Label,
		fmt.Errorf("treeherder is read only, runs are asked for in the CI itself: %w", errors.ErrUnsupported))
}

// within runs an operation of a caller within the server's deadline.
func within[T any](
	ctx context.Context, s *Server, op, key string, f func(context.Context) (T, error),
) (T, error) {
	ctx, cancel := deadline.With(ctx, s.deadline, op)
	defer cancel()
	out, err := f(ctx)
	var late *deadline.Error
	if err = deadline.Of(ctx, err); errors.As(err, &late) {
		return out, job.OfHTTP(op, key, late)
	}
	return out, job.Wrap(op, key, err)
}

// get fetches and proves an answer of the project's API; params are names and values.
func get[T any](
	ctx context.Context, p *Project, what string, e *contract.Endpoint[T], params ...string,
) (*T, error) {
	var q strings.Builder
	for i := 0; i < len(params); i += 2 {
		sep := "&"
		if i == 0 {
			sep = "?"
		}
		q.WriteString(sep + params[i] + "=" + url.QueryEscape(params[i+1]))
	}
	where := p.server.base + "/api/project/" + url.PathEscape(p.name) + "/" + what + q.String()
	return fetch(ctx, p.server.http, "treeherder."+strings.Trim(what, "/"), where, e)
}

// fetch fetches and proves an answer.
func fetch[T any](
	ctx context.Context, c *rest.Client, op, where string, e *contract.Endpoint[T],
) (*T, error) {
	res, err := c.Do(ctx, rest.Call{URL: where, Header: http.Header{"Accept": {"application/json"}}})
	if err != nil {
		return nil, job.OfHTTP(op, redact.URL(where), err)
	}
	out, err := e.Decode(contract.Asked{URL: where}, res.Body)
	return out, job.Wrap(op, redact.URL(where), err)
}

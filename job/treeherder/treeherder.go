// Package treeherder reads pushes and jobs as Treeherder recorded them. It cannot trigger: Trigger
// fails with errors.ErrUnsupported.
//
// Start with [New], which makes a [Server], and [Server.Project], which makes a [Project]:
//
//	s, err := treeherder.New(treeherder.DefaultURL, nil)
//	p := s.Project("autoland")
//	push, err := p.Push(ctx, "tip")
//	jobs, err := p.Jobs(ctx, push, "test-linux2404-64/opt-xpcshell-1")
//
// A Project is both a job.Repository and a job.Scheduler. [Project.ActingOn] joins it with the CI
// that runs the jobs, so that runs are read here, where they are cheap, and triggered there.
// [ReadSnapshot] reads resultset files of 2013 and 2014 into memory, as the same two contracts.
// All types are safe for concurrent use; errors are *job.Error.
//
// # Pushes
//
// A push has Treeherder's push id, which is not the id of hg's pushlog. Jobs finds a push by its
// revision, of hg or of git, so pushes from other sources can be passed to it. Treeherder hears of
// some pushes late, so pushes are ordered by time; ids decide only between pushes of the same
// second.
//
// A git project lists the pushes of all its branches. A range of pushes is on one of them; see
// [Project.Pushes] and [Project.OnBranch]. Try servers and pull requests have no line of pushes at
// all; see [Project.Line].
//
// # Checks on what is read
//
// [Contracts] list what answers and files must have. They must also be about what the request was
// about: pushes and jobs of another project, push, revision, time or name are job.ErrMalformed, and
// so is another page than the requested one; the error names the place in the answer. This finds
// servers that ignore a filter. When two pushes begin with the same 12 digits, those digits name
// neither. Every call ends within Options.Deadline, and reads at most 1,000 pages of pushes and
// 100 of jobs.
//
// A [Server] remembers the ids of 10,000 pushes, those used last, and the table of repositories. It
// reads pushes and jobs each time.
//
// # Labels
//
// The label of a Taskcluster job is its job_type_name, which is the task's label. The label of a
// Buildbot job is its ref_data_name, which is the builder. The snapshots of 2013 and 2014 have
// neither: there a label is platform, option, group symbol, job type and symbol, with " | " between
// them, such as "osx-10-6 | debug | M | Mochitest | 1".
//
// # Statuses
//
// The states pending, running and unscheduled are the statuses of the same names, or coalesced if
// job_coalesced_to_guid says so, as it did until 2016. A completed job ("finished" in 2013) has the
// status of its result: success, testfailed, busted, skipped, exception, retry, usercancel
// (cancelled), superseded (coalesced), unknown. Any other word is job.ErrUnknownWord.
//
// # Classifications
//
// [Project.Classification] tells how a person classified a job, with who and when from the job's
// notes. The ids in failure_classification_id that count are 2 (fixed by commit), 3 (expected
// fail), 4 (intermittent), 5 (infra) and 8 (intermittent needs bugid). Treeherder gives 6 and 7
// itself, and also 8 when there is no person's note: those are not classified. An id above 8 is
// job.ErrUnknownWord.
//
// # Pulse
//
// [DecodeMessage] reads messages about jobs, and about actions of people on Treeherder's pages
// until 2017.
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

// Options configure a Server; nil means zero options.
type Options struct {
	// HTTP is the caller's HTTP client. Default: a clean pooled one.
	HTTP *http.Client
	// Twins returns both hashes, of hg and of git, of a revision that is one of the two, or
	// job.ErrNotFound. It is called for a revision that Treeherder does not know, since of
	// a repository that exists in hg and in git, Treeherder lists only one hash. Default:
	// none, such a revision is not found.
	Twins func(ctx context.Context, repo, rev string) (hg, git string, err error)
	// Deadline bounds each call as a whole, with its pages and retries. A call that takes
	// longer fails with job.ErrUnavailable. Default 10 minutes; negative means no bound.
	Deadline time.Duration
	// Logger gets a record of each request that failed and is tried again. Nil discards
	// them.
	Logger *slog.Logger
}

// Server is a Treeherder server; [New] makes one. It is safe for concurrent use.
type Server struct {
	base     string        // the address without a final slash
	deadline time.Duration // Options.Deadline; see package deadline for 0 and less
	pages    int           // how many pages of pushes a range may read: mostPages
	http     *rest.Client
	once     *rest.Client // without retries, for requests that mozci can do without
	twins    func(ctx context.Context, repo, rev string) (hg, git string, err error)
	log      *slog.Logger
	ids      *flight.Cache[idKey, knownPush]      // of the projects' pushes; see learn
	searches *flight.Cache[string, searched]      // under way, by project
	tables   *flight.Cache[struct{}, []aboutWire] // the one table of repositories
}

// New returns the Server at baseURL, such as DefaultURL. It makes no request. A malformed URL is
// job.ErrInvalid.
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

// Project returns the pushes and jobs of one repository, by Treeherder's name for it. It makes no
// request.
func (s *Server) Project(name string) *Project {
	return &Project{server: s, name: name}
}

// OnBranch returns the project restricted to the pushes of one branch: ranges and "tip" are on that
// branch, and a revision on another branch is not found. An empty name removes the restriction.
// Jobs is not restricted.
func (p *Project) OnBranch(name string) *Project {
	return &Project{server: p.server, name: p.name, branch: name}
}

// Project is one repository on Treeherder; [Server.Project] makes one. It is a job.Repository and a
// read-only job.Scheduler, and is safe for concurrent use. Projects are cheap: what is remembered
// belongs to the Server.
type Project struct {
	server *Server
	name   string
	branch string // see OnBranch; "" for no restriction
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

// Trigger implements job.Scheduler. It always fails with errors.ErrUnsupported.
func (p *Project) Trigger(_ context.Context, req job.Request) (job.Receipt, error) {
	return job.Receipt{}, readOnly(req)
}

func readOnly(req job.Request) error {
	return job.Wrap("treeherder.trigger", req.Label,
		fmt.Errorf("treeherder is read only, trigger runs in the CI itself: %w", errors.ErrUnsupported))
}

// within runs an operation within the server's deadline, and wraps its error. When the deadline
// ends it, the error is job.ErrUnavailable.
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

// get fetches an answer of the project's API and checks it against its contract. params are name,
// value, name, value. For example get(ctx, p, "jobs/", e, "push_id", "7", "count", "2000") reads
// BASE/api/project/autoland/jobs/?push_id=7&count=2000.
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

// fetch fetches an answer and checks it against its contract. Errors name the URL, without secrets.
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

// Package pushlog reads hg.mozilla.org's pushlog as a job.Repository.
//
// Start with [New], which makes a [Server], and [Server.Repository], which makes the
// [Log] of one repository on it:
//
//	server, err := pushlog.New(pushlog.DefaultURL, nil)
//	autoland := server.Repository("autoland")
//	push, err := autoland.Push(ctx, "2b3a9d5b0e51")                    // by 12 digits or more
//	pushes, err := autoland.Pushes(ctx, job.Around("2b3a9d5b0e51", 10, 0)) // and the 10 before it
//
// Servers and Logs are safe for concurrent use. Times are UTC. Errors are *job.Error
// values that wrap the sentinels of package job.
//
// The pushlog has habits of its own, which this package hides:
//
//   - Ids come as strings, sorted as strings ("10" before "9").
//   - Lower bounds of ids are exclusive and upper ones inclusive; dates are the other
//     way round, and in the server's time zone.
//   - An upper bound without a lower one is ignored.
//   - Ids have gaps where pushes were stripped, and a push can have lost all its
//     changesets. Such a push is returned with an empty Revision.
//   - Answers have no pages, so ranges are requested by ids, 200 at a time.
//
// # Merges
//
// [Log.Origins] says what a merge brought, and from which repository. It goes by the
// graph of changesets, not by the merge's message. [Walk] goes back from push to push,
// and into merges. [Graph] answers such questions for pushes that were read before.
// [Undoes] reads which changesets a message backs out or reverts, and [Log.Backouts]
// finds the pushes that undid one. [DecodeMessage] reads Pulse's messages about pushes.
//
// # Git
//
// Firefox has been developed in git since 2025, and hg.mozilla.org mirrors it. Its
// changesets have a hash of git beside their own, and people and reverts use that one. It
// is in Push.Git and Changeset.Git, and every method that takes a revision takes it too.
// See [Log.Push] and [Server.Twins].
//
// # Resets
//
// A [Server] remembers the highest push id that it has seen of each repository. When that
// goes back, the repository was deleted and made again, and every id means another push.
// The call then fails once with [ErrReset].
//
// # Checks
//
// [Contracts] say what answers and messages must have. An answer must also match its
// request. These are job.ErrMalformed, with the place in the answer: a push without its
// changesets, an answer to full=1 without their parents, and pushes outside the requested
// ids, dates or revision. Two faults cannot be detected: a push that is missing among
// others, since ids have gaps, and a server that ignores both bounds and answers its last
// ten pushes, where these happen to be in the range. Every call ends within
// Options.Deadline, and reads at most 5,000 pages of ids.
//
// # Caches
//
// A [Server] keeps answers (see [Options]), the last push ids of 1,000 repositories, and
// 2,000 hashes of git. Callers that look for the same hash of git at the same time share
// one search, which goes on as long as one of them waits.
package pushlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mozci/mozci/internal/deadline"
	"github.com/mozci/mozci/internal/flight"
	"github.com/mozci/mozci/internal/redact"
	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// DefaultURL is Mozilla's server.
const DefaultURL = "https://hg.mozilla.org"

// ErrReset says that the repository's highest push id went back: it was deleted and made
// again. Push ids that a caller has kept now mean other pushes. The next call works with
// the new ids.
var ErrReset = errors.New("the repository was reset: its last push id went back")

// Options configure a Server; nil is zero options.
type Options struct {
	// HTTP is the caller's client. Default: a clean pooled one.
	HTTP *http.Client
	// CacheDir is a folder for answers, up to 256 MiB. An answer is used again when the
	// server confirms that it is still valid. Default: the last 32 MiB, in memory.
	CacheDir string
	// LandoURL is the URL of Lando, such as DefaultLandoURL, which knows the pairs
	// of Firefox's hashes of hg and of git. Default: no Lando, so a hash of git is
	// found only among the newest 2,000 push ids.
	LandoURL string
	// Candidates are the repositories that merges may have come from, by name.
	// Default DefaultCandidates.
	Candidates []string
	// Deadline limits each call as a whole, with all its pages and repeated requests.
	// A call that takes longer gives job.ErrUnavailable. Default ten minutes; negative
	// for no limit.
	Deadline time.Duration
	// Logger gets a record for each request that failed and is repeated. Nil discards.
	Logger *slog.Logger
}

// Server is an hg server with Mozilla's pushlog. It is safe for concurrent use.
type Server struct {
	base string
	http *rest.Client

	candidates []string
	lando      string // empty for none
	deadline   time.Duration

	gits *flight.Cache[gitKey, string] // the hash of hg
	mu   sync.Mutex                    // for learn; never held during a request
	last *flight.Cache[string, int64]  // by path: the highest push id seen
}

// New returns a Server at baseURL, such as DefaultURL. It does no I/O; a
// malformed URL is job.ErrInvalid.
func New(baseURL string, opts *Options) (*Server, error) {
	base, err := rest.CheckURL(baseURL, DefaultURL)
	if err != nil {
		return nil, job.Wrap("pushlog.new", "", fmt.Errorf("%w: %w", job.ErrInvalid, err))
	}
	var o Options
	if opts != nil {
		o = *opts
	}
	var cache rest.Cache = rest.NewMemory(32 << 20)
	if o.CacheDir != "" {
		cache = rest.NewDisk(o.CacheDir, 256<<20)
	}
	if o.Candidates == nil {
		o.Candidates = DefaultCandidates
	}
	lando := o.LandoURL
	if lando != "" {
		if lando, err = rest.CheckURL(lando, DefaultLandoURL); err != nil {
			return nil, job.Wrap("pushlog.new", "lando", fmt.Errorf("%w: %w", job.ErrInvalid, err))
		}
	}
	return &Server{
		base: base, candidates: o.Candidates, lando: lando, deadline: o.Deadline,
		last: flight.New[string, int64](mostPaths), gits: flight.New[gitKey, string](mostGits),
		http: rest.New(&rest.Options{HTTP: o.HTTP, Cache: cache, Logger: o.Logger}),
	}, nil
}

// Repository returns the pushlog of a repository, by its short name such as
// "autoland", or by its path such as "integration/autoland". It does no I/O.
func (s *Server) Repository(name string) *Log {
	name = ShortName(strings.Trim(name, "/"))
	return &Log{server: s, name: name, path: Path(name)}
}

// OnBranch returns the pushlog of one named branch of hg. Its pushes have the changesets
// of that branch alone, and pushes without any are left out. An empty name means all
// branches.
func (l *Log) OnBranch(name string) *Log {
	return &Log{server: l.server, name: l.name, path: l.path, branch: name}
}

// Log is the pushlog of one repository, a job.Repository. It is safe for
// concurrent use.
type Log struct {
	server *Server
	name   string
	path   string
	branch string // see OnBranch; empty for all
}

var _ job.Repository = (*Log)(nil)

// Name implements job.Repository.
func (l *Log) Name() string { return l.name }

// Sibling returns the pushlog of another repository on the same server.
func (l *Log) Sibling(name string) *Log { return l.server.Repository(name) }

// Push implements job.Repository, with one request. Where the repository does not have rev
// as a hash of hg, Push looks for it as one of git: it asks Lando, when there is one and
// rev has 40 digits, and then reads the newest pushes. That takes a request for each 200
// ids, 2,000 at most, and ends where pushes have no hashes of git.
func (l *Log) Push(ctx context.Context, rev string) (job.Push, error) {
	return within(ctx, l.server, "pushlog.push", l.name+" "+rev, func(ctx context.Context) (job.Push, error) {
		return l.push(ctx, rev, false)
	})
}

// within runs one call of the API within the server's deadline, and wraps its error with
// op and key. A deadline that passed is job.ErrUnavailable; a context that the caller
// cancelled gives the context's error.
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

func (l *Log) push(ctx context.Context, rev string, full bool) (job.Push, error) {
	parsed, err := job.ParseRevision(rev)
	if err != nil {
		return job.Push{}, err
	}
	node := parsed
	if node == "tip" && l.branch != "" {
		node = l.branch // hg's name for the branch's tip
	}
	a, err := l.ask(ctx, full, "changeset", node)
	if errors.Is(err, job.ErrNotFound) && parsed != "tip" {
		return l.byGit(ctx, parsed, full, err)
	}
	if err != nil {
		return job.Push{}, err
	}
	// Newest first: where several pushes have the revision, the last one counts. An
	// empty repository answers every revision with no pushes.
	for i := len(a.pushes) - 1; i >= 0; i-- {
		p := a.pushes[i]
		if parsed == "tip" || p.Contains(parsed) || contains(a.hidden[p.ID], parsed) {
			return p, nil
		}
	}
	if len(a.pushes) > 0 {
		return job.Push{}, fmt.Errorf("%w: it is not on the branch %q", job.ErrNotFound, l.branch)
	}
	return job.Push{}, fmt.Errorf("%w: no push has it", job.ErrNotFound)
}

func contains(nodes []string, rev string) bool {
	for _, n := range nodes {
		if job.SameRevision(n, rev) {
			return true
		}
	}
	return false
}

// ask sends one json-pushes request; params are names and values in turn, such as
// "startID", "17", "endID", "20". An answer that breaks its contract is taken out of the
// cache, so that the next call sends a new request.
func (l *Log) ask(ctx context.Context, full bool, params ...string) (answer, error) {
	var q strings.Builder
	q.WriteString("version=2")
	if full {
		q.WriteString("&full=1")
	}
	if l.branch != "" {
		params = append(slices.Clip(params), "branch", l.branch)
	}
	for i := 0; i+1 < len(params); i += 2 {
		q.WriteString("&" + params[i] + "=" + url.QueryEscape(params[i+1]))
	}
	where := l.server.base + "/" + l.path + "/json-pushes?" + q.String()
	known := l.server.known(l.path)
	res, err := l.server.http.Do(ctx, rest.Call{URL: where, Header: http.Header{"Accept": {"application/json"}}})
	if err != nil {
		return answer{}, job.OfHTTP("pushlog.json-pushes", redact.URL(where), err)
	}
	a, err := decode(contract.Asked{URL: where}, res.Body, l.name, full)
	if err != nil {
		l.server.http.Forget(where)
		return answer{}, job.Wrap("pushlog.json-pushes", redact.URL(where), err)
	}
	return a, l.server.learn(l.path, known, a.last)
}

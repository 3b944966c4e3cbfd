// Package pushlog reads hg.mozilla.org's pushlog as a job.Repository.
//
// Start with [New], which makes a [Server], and [Server.Repository], which
// makes a [Log] of one repository of it.
//
// What the pushlog does in its own way, and this package hides: ids come as
// strings in the order of strings; lower bounds are exclusive and upper ones
// inclusive, but dates the other way round and in the server's time zone; an
// upper bound without a lower one is ignored; ids have holes where pushes were
// stripped; a push can have lost all its changesets (it is returned with an
// empty Revision); answers have no pages, so ranges are asked for by ids, a few
// hundred at a time.
//
// # Merges
//
// [Log.Origins] says what a merge brought, and from which repository: from the
// graph of changesets, not from what the message claims. [Walk] goes back from
// push to push and through merges. [Graph] is the same over pushes that were
// read before. [Undoes] reads which changesets a message backs out or reverts,
// and [Log.Backouts] which pushes undid one. [DecodeMessage] reads what Pulse
// says about pushes.
//
// # Git
//
// Firefox lives in git since 2025, and hg.mozilla.org mirrors it: its changesets
// have a hash of git beside their own, by which people and reverts name them. It
// is in Push.Git and Changeset.Git, and every revision may be given by it. See
// [Log.Push] and [Server.Twins].
//
// # Resets
//
// A [Log] remembers the highest push id that its repository ever had. When that
// goes back the repository was made anew, every id means something else, and
// the call fails once with [ErrReset].
//
// # What is believed
//
// [Contracts] are what answers and messages must have, and what is believed is about
// what was asked: an answer without a push's changesets, one of full=1 without their
// parents, and pushes outside of the ids, the dates or the revision that were asked
// about are job.ErrMalformed, with the place in the answer. Two things nobody can
// tell: that a push is missing among others, since ids have holes, and that a server
// which ignores both bounds answered its last ten, where these are in the range.
// Every call ends within Options.Deadline, and reads at most 5,000 pages of ids.
//
// # What is kept
//
// A [Server] keeps answers (see [Options]), the last push ids of 1,000 repositories,
// and 2,000 hashes of git. Callers who look for the same hash of git at the same time
// share one search, which goes on while one of them waits.
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

// ErrReset says that the repository's highest push id went back, so it was made anew.
// What a caller kept of it means nothing any more. The next call starts afresh.
var ErrReset = errors.New("the repository was reset: its last push id went back")

// Options configure a Server; nil is zero options.
type Options struct {
	// HTTP is the caller's client. Default: a clean pooled one.
	HTTP *http.Client
	// CacheDir is a folder for answers, used again when the server says that
	// they still hold. Default: the last 32 MiB are kept in memory.
	CacheDir string
	// LandoURL is the URL of Lando, such as DefaultLandoURL, which knows the pairs
	// of Firefox's hashes of hg and of git. Default: only the pushlog's own are
	// known, as far as git hashes are among its newest pushes.
	LandoURL string
	// Candidates are the repositories that merges may have come from, by name.
	// Default DefaultCandidates.
	Candidates []string
	// Deadline bounds each call as a whole, with its pages and what is repeated of
	// it: a server that hangs gives job.ErrUnavailable then. Default ten minutes;
	// negative for no bound.
	Deadline time.Duration
	// Logger gets requests that failed and are repeated. Nil discards.
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
	mu   sync.Mutex                    // of learning; never held while the server is asked
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

// OnBranch returns the pushlog of one named branch of hg: pushes have its
// changesets alone, and those without any are left out. An empty name is the
// pushlog as it was.
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

// Push implements job.Repository: one request. Where the repository does not
// have rev as a hash of hg, it is looked for as one of git: Lando is asked for 40
// digits, where there is one, and the newest pushes are read, 200 ids a request,
// at most 2000 and not beyond those that git knows.
func (l *Log) Push(ctx context.Context, rev string) (job.Push, error) {
	return within(ctx, l.server, "pushlog.push", l.name+" "+rev, func(ctx context.Context) (job.Push, error) {
		return l.push(ctx, rev, false)
	})
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
	// Newest first: where several pushes have it, the last one counts. An
	// empty repository answers no pushes to any revision.
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

// ask sends one json-pushes request; params are names and values, in order.
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

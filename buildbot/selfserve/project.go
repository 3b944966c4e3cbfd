package selfserve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
)

// Project is one branch: a [job.Scheduler] that can also say what can run,
// whether a run's files are still there, and what it was asked for and does not
// show yet; cancel; and open logs. Make one with [Client.Project].
type Project struct {
	c    *Client
	repo string

	mu    sync.Mutex
	asked []asked
}

// asked is a request that was accepted.
type asked struct {
	req    job.Request
	before int // runs of the label on the push that were visible then
}

// Project returns the branch with this name, such as mozilla-inbound.
func (c *Client) Project(repo string) *Project { return &Project{c: c, repo: repo} }

// Run is what a job's Raw holds: the entry, the request of it that the job is
// (zero where the entry has none), and what the dumps say became of it; nil
// where they were not asked or do not know.
type Run struct {
	Entry   Entry
	Request Request
	Build   *DumpBuild
}

// Jobs implements job.Scheduler. A job's Raw is a [Run].
func (p *Project) Jobs(ctx context.Context, push job.Push, names ...string) ([]job.Job, error) {
	if !push.Testable() {
		return nil, nil
	}
	entries, err := p.c.Revision(ctx, p.repo, push.Revision)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(entries, func(a, b Entry) int { return cmp.Compare(a.order(), b.order()) })
	runs := map[int64]int{} // of each request
	var out []job.Job
	var unknown []error
	for _, e := range entries {
		if len(names) > 0 && !slices.Contains(names, e.Builder) {
			continue
		}
		jobs, err := p.jobs(ctx, push, e, runs)
		if err != nil && !errors.Is(err, job.ErrUnknownWord) {
			return nil, err
		}
		out = append(out, jobs...)
		unknown = append(unknown, err)
	}
	return out, job.Wrap("selfserve.jobs", push.String(), errors.Join(unknown...))
}

// order is the place of an entry among others: what waits is newest.
func (e Entry) order() int64 {
	if e.BuildID == 0 {
		return math.MaxInt64
	}
	return e.BuildID
}

// jobs are the runs of an entry: one for each of its requests, of which the last
// ran and the others were merged into it.
func (p *Project) jobs(ctx context.Context, push job.Push, e Entry, runs map[int64]int) ([]job.Job, error) {
	kind := job.KindOther
	if n, err := ParseName(e.Builder); err == nil {
		kind = n.Kind
	}
	if len(e.Requests) == 0 { // a build that is listed without its requests
		e.Requests = []Request{{Builder: e.Builder, Revision: e.Revision, Finished: e.Finished}}
	}
	rs := slices.Clone(e.Requests)
	slices.SortFunc(rs, func(a, b Request) int { return int(a.ID - b.ID) })
	var out []job.Job
	for i, r := range rs {
		run := Run{Entry: e, Request: r}
		s, err := job.StatusCoalesced, error(nil)
		if i == len(rs)-1 {
			s, run.Build, err = p.status(ctx, e, r)
		}
		if err != nil {
			return out, err
		}
		runs[r.ID]++
		id := fmt.Sprintf("%d/%d", r.ID, runs[r.ID])
		if r.ID == 0 {
			id = fmt.Sprintf("build %d", e.BuildID)
		}
		t := job.Times{Requested: r.Submitted, Started: e.Started, Finished: e.Finished}
		if s.Waiting() && s != job.StatusUnknown {
			t.Finished = time.Time{} // it ended, and the dump does not say so yet
		}
		out = append(out, job.New(job.Fields{ID: id, Name: e.Builder, Push: push, Kind: kind, Status: s, Times: t, Raw: run}))
	}
	return out, nil
}

// words are the statuses of what has ended, but for 0.
var words = map[int]job.Status{
	1: job.StatusTestFailed, 2: job.StatusBusted, 3: job.StatusSkipped, 4: job.StatusException, 5: job.StatusRetry, 6: job.StatusCancelled,
}

// lagging is how long a run that has ended may be missing from the dumps and
// count as one that runs.
const lagging = 24 * time.Hour

// status is the true state of a request's run, for which self-serve's own status
// does not suffice: a 0 can be the build of a newer revision.
func (p *Project) status(ctx context.Context, e Entry, r Request) (job.Status, *DumpBuild, error) {
	switch {
	case !e.Scheduled && r.Complete: // a request that was cancelled before a build took it
		return job.StatusCancelled, nil, nil
	case !e.Scheduled:
		return job.StatusPending, nil, nil
	case e.Status == nil && e.Finished.IsZero():
		return job.StatusRunning, nil, nil
	case e.Status == nil:
		return job.StatusUnknown, nil, nil
	}
	if *e.Status != 0 {
		s, ok := words[*e.Status]
		if !ok {
			return 0, nil, fmt.Errorf("%s, request %d: %w", e.Builder, r.ID, job.UnknownWord("self-serve", "status", strconv.Itoa(*e.Status)))
		}
		return s, nil, nil
	}
	ended := endOf(e, r)
	if ended.IsZero() || r.ID == 0 {
		return job.StatusUnknown, nil, nil
	}
	b, err := p.c.dumps.find(ctx, r.ID, e.Number, ended)
	switch {
	case errors.Is(err, job.ErrNotFound):
		p.c.log.WarnContext(ctx, "there is no dump to say how a run ended", "builder", e.Builder, "request", r.ID, "error", err)
		return job.StatusUnknown, nil, nil
	case err != nil:
		return 0, nil, err
	case b == nil && p.c.now().Sub(ended) < lagging:
		return job.StatusRunning, nil, nil
	case b == nil, b.Revision == "":
		return job.StatusUnknown, b, nil
	case !sameTwelve(b.Revision, cmp.Or(r.Revision, e.Revision)):
		return job.StatusCoalesced, b, nil
	}
	return job.StatusSuccess, b, nil
}

// sameTwelve compares revisions of 12 or 40 digits.
func sameTwelve(a, b string) bool {
	return len(a) >= 12 && len(b) >= 12 && strings.EqualFold(a[:12], b[:12])
}

// endOf is when a request's run ended; zero while it has not.
func endOf(e Entry, r Request) time.Time {
	if r.Finished.IsZero() {
		return e.Finished
	}
	return r.Finished
}

// upstream are the builds that a builder needs.
func (p *Project) upstream(builder string) []string {
	if p.c.all != nil {
		return p.c.all.Upstream(builder)
	}
	up, err := Upstream(builder)
	if err != nil {
		// An unknown name is no build's test for sure; asking for it will tell.
		p.c.log.Warn("what this builder needs is not known", "error", err)
	}
	return up
}

// Catalog implements job.Cataloger. A test needs the builds that
// allthethings.json, or its name, says.
func (p *Project) Catalog(ctx context.Context, push job.Push, labels ...string) ([]job.Runnable, error) {
	const op = "selfserve.catalog"
	if !push.Testable() {
		return nil, job.Wrap(op, push.String(), job.ErrNotScheduled)
	}
	var names []string
	if p.c.all != nil {
		names = p.c.all.Builders(p.repo)
	} else {
		var err error
		if names, err = p.c.Builders(ctx, p.repo); err != nil {
			return nil, err
		}
	}
	known := map[string]bool{}
	for _, n := range names {
		known[n] = true
	}
	var out []job.Runnable
	for _, name := range slices.Sorted(maps.Keys(known)) {
		kind := job.KindOther
		if n, err := ParseName(name); err == nil {
			kind = n.Kind
			if p.c.all == nil && n.Repo != p.repo {
				continue // its name only has the branch's in it
			}
		}
		up := p.upstream(name)
		// Of two namings only one is in use.
		some := slices.DeleteFunc(slices.Clone(up), func(u string) bool { return !known[u] })
		if len(some) == 0 && len(up) > 0 {
			some = up[:1]
		}
		out = append(out, job.Runnable{Label: name, Kind: kind, Upstreams: some})
	}
	if len(out) == 0 {
		return nil, job.Wrap(op, push.String(), job.ErrNotScheduled)
	}
	return job.OfLabels(out, labels...), nil
}

// ArtifactsExist implements job.ArtifactChecker: whether the package of a build
// and its tests answer.
func (p *Project) ArtifactsExist(ctx context.Context, j job.Job) (bool, error) {
	files, err := p.files(ctx, j)
	return len(files) > 0, job.Wrap("selfserve.artifacts", j.ID(), err)
}

// files are the URLs of a build's files that are still there; none when one is
// missing.
func (p *Project) files(ctx context.Context, j job.Job) ([]string, error) {
	run, ok := j.Raw().(Run)
	if !ok {
		return nil, fmt.Errorf("%w: not a run of this CI", job.ErrInvalid)
	}
	b, err := p.build(ctx, run)
	if err != nil || b == nil {
		return nil, err
	}
	files := b.Files()
	for _, f := range files {
		_, err := p.c.rest.Do(ctx, rest.Call{Method: http.MethodHead, URL: f})
		var failed *rest.Error
		if errors.As(err, &failed) && failed.Status >= 400 && failed.Status < 500 {
			return nil, nil
		}
		if err != nil {
			return nil, job.OfHTTP("selfserve.files", f, err)
		}
	}
	return files, nil
}

// build is what the dumps say of a run; nil when they do not know it.
func (p *Project) build(ctx context.Context, run Run) (*DumpBuild, error) {
	ended := endOf(run.Entry, run.Request)
	if run.Build != nil || ended.IsZero() {
		return run.Build, nil
	}
	b, err := p.c.dumps.find(ctx, run.Request.ID, run.Entry.Number, ended)
	if errors.Is(err, job.ErrNotFound) {
		return nil, nil
	}
	return b, err
}

// Trigger implements job.Scheduler. A test is asked for with the files of a
// build on its push that has some, and without one gives [job.ErrNoBuild]; what
// ran on the push already and needs no files is rebuilt, by one call for all
// runs. The action "rebuild" does that for a test too. Self-serve makes the runs
// later and says no ids; of several calls, those before a failure stand, and the
// error says how many.
func (p *Project) Trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	err := p.trigger(ctx, req)
	if err != nil {
		return job.Receipt{}, job.Wrap("selfserve.trigger", req.Label+" on "+req.Push.String(), err)
	}
	return job.Receipt{State: job.ReceiptAccepted}, nil
}

func (p *Project) trigger(ctx context.Context, req job.Request) error {
	switch {
	case req.Count < 1:
		return fmt.Errorf("%w: count %d, expected at least 1", job.ErrInvalid, req.Count)
	case req.Action != "" && req.Action != "rebuild":
		return fmt.Errorf("%w: action %q, expected rebuild or none", job.ErrInvalid, req.Action)
	case strings.Contains(req.Label, "/"):
		return fmt.Errorf("%w: self-serve takes no builder with a slash in its name", job.ErrInvalid)
	case !req.Push.Testable():
		return job.ErrNotScheduled
	}
	if err := p.exists(req.Label); err != nil {
		return err
	}
	up := p.upstream(req.Label)
	jobs, err := p.Jobs(ctx, req.Push, append(slices.Clone(up), req.Label)...)
	if err != nil {
		return err
	}
	own := slices.DeleteFunc(slices.Clone(jobs), func(j job.Job) bool { return j.Name() != req.Label })
	if len(own) > 0 && (len(up) == 0 || req.Action == "rebuild") {
		id := own[len(own)-1].Raw().(Run).Request.ID
		if id != 0 {
			if _, err := p.c.Rebuild(ctx, p.repo, id, req.Count, 0); err != nil {
				return err
			}
			p.remember(req, len(own))
			return nil
		}
	}
	if req.Action == "rebuild" {
		return fmt.Errorf("%w: no run of it on this push to rebuild", job.ErrNotFound)
	}
	var files []string
	if len(up) > 0 {
		if files, err = p.buildFiles(ctx, jobs, up); err != nil {
			return err
		}
	}
	// Treeherder shows running jobs by these.
	properties := map[string]any{"branch": p.repo, "revision": req.Push.Revision}
	for i := range req.Count {
		if _, err := p.c.Build(ctx, p.repo, req.Label, req.Push.Revision, properties, files, 0); err != nil {
			if i > 0 {
				part := req
				part.Count = i
				p.remember(part, len(own))
				return fmt.Errorf("%w: %d of %d runs were accepted: %w", job.ErrUnavailable, i, req.Count, err)
			}
			return err
		}
	}
	p.remember(req, len(own))
	return nil
}

// exists refuses builders that allthethings.json, or a name's form, does not
// know: self-serve accepts any and runs none.
func (p *Project) exists(label string) error {
	if p.c.all != nil {
		if !slices.Contains(p.c.all.Builders(p.repo), label) {
			return fmt.Errorf("%w: allthethings.json has no such builder of %s", job.ErrNotFound, p.repo)
		}
		return nil
	}
	n, err := ParseName(label)
	if err != nil {
		return fmt.Errorf("%w: %w", job.ErrNotFound, err)
	}
	if n.Repo != p.repo {
		return fmt.Errorf("%w: the builder is of %s, not of %s", job.ErrNotFound, n.Repo, p.repo)
	}
	return nil
}

// buildFiles are the files of a build that a test can use.
func (p *Project) buildFiles(ctx context.Context, jobs []job.Job, up []string) ([]string, error) {
	running, ran := 0, 0
	for _, j := range jobs {
		if !slices.Contains(up, j.Name()) || j.Status() == job.StatusCoalesced {
			continue
		}
		if j.Status().Waiting() {
			running++
			continue
		}
		ran++
		files, err := p.files(ctx, j)
		if err != nil || len(files) > 0 {
			return files, err
		}
	}
	of := strings.Join(up, " or ")
	switch {
	case running > 0:
		return nil, fmt.Errorf("%w: %s has not ended", job.ErrNoBuild, of)
	case ran > 0:
		return nil, fmt.Errorf("%w: %s ran, and its files are not there", job.ErrNoBuild, of)
	}
	return nil, fmt.Errorf("%w: no run of %s on this push", job.ErrNoBuild, of)
}

func (p *Project) remember(req job.Request, before int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.asked { // what is invisible still counts as before
		if a.req.Label == req.Label && a.req.Push.Revision == req.Push.Revision {
			before = max(before, a.before+a.req.Count)
		}
	}
	p.asked = append(p.asked, asked{req, before})
}

// Accepted implements job.AcceptedLister: what this Project was asked for, until as
// many runs more are listed. It takes self-serve half a minute, and its answers
// are two minutes old.
func (p *Project) Accepted(ctx context.Context, push job.Push, label string) ([]job.Request, error) {
	jobs, err := p.Jobs(ctx, push, label)
	if err != nil && !errors.Is(err, job.ErrUnknownWord) {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []job.Request
	p.asked = slices.DeleteFunc(p.asked, func(a asked) bool {
		if a.req.Label != label || a.req.Push.Revision != push.Revision {
			return false
		}
		seen := max(0, len(jobs)-a.before)
		if seen >= a.req.Count {
			return true
		}
		r := a.req
		r.Count -= seen
		out = append(out, r)
		return false
	})
	return out, nil
}

// Cancel implements job.Canceler: self-serve is asked, and does it later.
func (p *Project) Cancel(ctx context.Context, id string) error {
	const op = "selfserve.cancel"
	n, err := requestOf(id)
	if err != nil {
		return job.Wrap(op, id, err)
	}
	_, err = p.c.CancelRequest(ctx, p.repo, n)
	return err
}

// requestOf is the request that a run's ID names.
func requestOf(id string) (int64, error) {
	r, _, ok := strings.Cut(id, "/")
	n, err := strconv.ParseInt(r, 10, 64)
	if !ok || err != nil {
		return 0, fmt.Errorf("%w: %q is no run here: expected a request and the number of its run, such as 71123549/1", job.ErrNotFound, id)
	}
	return n, nil
}

// OpenLog implements job.LogOpener: the log that the dump names, and files that
// the run uploaded.
func (p *Project) OpenLog(ctx context.Context, j job.Job, which job.LogKind) (io.ReadCloser, error) {
	const op = "selfserve.log"
	run, ok := j.Raw().(Run)
	if !ok { // only an ID, as a person gives it
		id, err := requestOf(j.ID())
		if err != nil {
			return nil, job.Wrap(op, j.ID(), err)
		}
		if run.Request, err = p.c.Request(ctx, p.repo, id); err != nil {
			return nil, err
		}
	}
	b, err := p.build(ctx, run)
	if err != nil {
		return nil, err
	}
	if b == nil {
		return nil, job.Wrap(op, j.ID(), fmt.Errorf("%w: the dumps do not have the run", job.ErrNotFound))
	}
	url := b.LogURL
	if end, ok := map[job.LogKind]string{job.LogErrorSummary: "_errorsummary.log", job.LogStructured: "_raw.log"}[which]; ok {
		url = ""
		blobs := b.Blobs()
		for _, name := range slices.Sorted(maps.Keys(blobs)) {
			if strings.HasSuffix(name, end) {
				url = blobs[name]
			}
		}
	}
	if url == "" {
		return nil, job.Wrap(op, j.ID(), fmt.Errorf("%w: the run has no %s log", job.ErrNotFound, which))
	}
	r, err := p.c.rest.Open(ctx, rest.Call{URL: url, Timeout: 10 * time.Minute, MaxBody: mostDump})
	if err != nil {
		return nil, job.OfHTTP(op, url, err)
	}
	return r, nil
}

// WasAdded implements job.AddedChecker.
func (p *Project) WasAdded(_ context.Context, j job.Job) (bool, error) {
	run, ok := j.Raw().(Run)
	if !ok {
		return false, job.Wrap("selfserve.offspring", j.ID(), fmt.Errorf("%w: not a run of this CI", job.ErrInvalid))
	}
	return strings.HasPrefix(run.Request.Reason, "Self-serve: "), nil
}

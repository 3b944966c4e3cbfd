package selfserve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/lax"
	"github.com/mozci/mozci/internal/pause"
	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
)

// Where Mozilla's services were until 2018.
const (
	DefaultURL          = "https://secure.pub.build.mozilla.org/buildapi"
	DefaultBuildDataURL = "http://builddata.pub.build.mozilla.org/builddata/buildjson"
)

// Options configure a Client; nil is zero options.
type Options struct {
	// HTTP is the caller's client. Default: one of the library's own.
	HTTP *http.Client
	// User and Password are for HTTP Basic, which production wanted of everybody.
	User, Password string
	// BuildDataURL is the folder of the status dumps. Default DefaultBuildDataURL.
	BuildDataURL string
	// CacheDir keeps the dumps of days that are over, CacheBytes of them at most
	// (1 GiB). Default: none are kept.
	CacheDir   string
	CacheBytes int64
	// Builders says what triggers what, for the catalog and for tests' builds.
	// Default: what the builders' names say.
	Builders *AllTheThings
	// Logger gets requests that are tried again. Nil discards.
	Logger *slog.Logger
	// Now is the time. Default time.Now.
	Now func() time.Time
}

// Client calls BuildAPI's self-serve and reads the status dumps. It is safe for
// concurrent use. Its errors are *job.Error.
type Client struct {
	base   string
	rest   *rest.Client
	dumps  *dumps
	user   string
	secret string
	all    *AllTheThings
	log    *slog.Logger
	now    func() time.Time
}

// New returns a client of BuildAPI at baseURL, which /self-serve follows; empty
// is DefaultURL. It asks nothing yet.
func New(baseURL string, opts *Options) (*Client, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if baseURL == "" {
		baseURL = DefaultURL
	}
	if o.BuildDataURL == "" {
		o.BuildDataURL = DefaultBuildDataURL
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 1 << 30
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Client{user: o.User, secret: o.Password, all: o.Builders, log: o.Logger, now: o.Now}
	data, err := rest.CheckURL(o.BuildDataURL, DefaultBuildDataURL)
	if err == nil {
		c.base, err = rest.CheckURL(baseURL, DefaultURL)
	}
	if err != nil {
		return nil, job.Wrap("selfserve.new", "", fmt.Errorf("%w: %w", job.ErrInvalid, err))
	}
	c.rest = rest.New(&rest.Options{HTTP: o.HTTP, Logger: o.Logger})
	c.dumps = &dumps{base: data, rest: c.rest, bytes: o.CacheBytes, now: o.Now, log: o.Logger, days: map[string]*day{}}
	if o.CacheDir != "" {
		c.dumps.dir = filepath.Join(o.CacheDir, "builddata")
	}
	return c, nil
}

// Entry is a job of a revision as self-serve lists it: a build with its
// requests, or a request that no build has taken.
type Entry struct {
	BuildID  int64  // 0 for a request
	Number   int    // of the builder's builds
	Builder  string // the builder's name
	Branch   string
	Revision string
	Started  time.Time
	Finished time.Time
	// Scheduled is how far it is: false while there is no status at all.
	Scheduled bool
	Status    *int // nil while it runs
	Requests  []Request
}

// Request is one request of an entry.
type Request struct {
	ID        int64
	Builder   string
	Revision  string
	Reason    string
	Priority  int
	Complete  bool
	Submitted time.Time
	Finished  time.Time
}

// UnmarshalJSON reads either form.
func (e *Entry) UnmarshalJSON(text []byte) error {
	var w struct {
		wireRequest
		BuildID  int64           `json:"build_id"`
		Number   int             `json:"buildnumber"`
		Started  *seconds        `json:"starttime"`
		Finished *seconds        `json:"endtime"`
		Status   json.RawMessage `json:"status"`
		Requests []wireRequest   `json:"requests"`
	}
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	*e = Entry{BuildID: w.BuildID, Number: w.Number, Builder: string(w.Builder), Branch: string(w.Branch), Revision: string(w.Revision), Scheduled: w.Status != nil}
	if w.Started != nil {
		e.Started = w.Started.time()
	}
	if w.Finished != nil {
		e.Finished = w.Finished.time()
	}
	if w.Status != nil {
		if err := json.Unmarshal(w.Status, &e.Status); err != nil {
			return fmt.Errorf("build %d: status: expected a number or null, got %s", w.BuildID, w.Status)
		}
	}
	for _, r := range w.Requests {
		e.Requests = append(e.Requests, r.request())
	}
	if w.ID != 0 && len(w.Requests) == 0 {
		e.Requests = []Request{w.request()}
	}
	if e.Builder == "" && len(e.Requests) > 0 {
		e.Builder = e.Requests[0].Builder
	}
	return nil
}

// wireRequest is a request as it is listed.
type wireRequest struct {
	ID        int64    `json:"request_id"`
	Builder   lax.Word `json:"buildername"`
	Branch    lax.Word `json:"branch"`
	Revision  lax.Word `json:"revision"`
	Reason    lax.Word `json:"reason"`
	Priority  int      `json:"priority"`
	Complete  int      `json:"complete"`
	Submitted seconds  `json:"submittime"`
	Finished  *seconds `json:"complete_at"`
}

func (w wireRequest) request() Request {
	r := Request{
		ID: w.ID, Builder: string(w.Builder), Revision: string(w.Revision), Reason: string(w.Reason), Priority: w.Priority,
		Complete: w.Complete != 0, Submitted: w.Submitted.time(),
	}
	if w.Finished != nil {
		r.Finished = w.Finished.time()
	}
	return r
}

func (c *Client) path(parts ...string) string {
	var u strings.Builder
	u.WriteString(c.base + "/self-serve")
	for _, p := range parts {
		u.WriteString("/" + url.PathEscape(p))
	}
	return u.String() + "?format=json"
}

func (c *Client) sign(r *http.Request) error {
	if c.user != "" {
		r.SetBasicAuth(c.user, c.secret)
	}
	return nil
}

// wrap tells what self-serve says of a request that failed.
func wrap(op, key string, err error) error {
	var r *rest.Error
	if errors.As(err, &r) && r.Status != 0 {
		var said struct {
			Msg string `json:"msg"`
		}
		if json.Unmarshal(r.Body, &said) == nil && said.Msg != "" {
			sentinel := job.SentinelOf(r.Status)
			return job.Wrap(op, key, fmt.Errorf("%w: %d %s", sentinel, r.Status, said.Msg))
		}
	}
	return job.OfHTTP(op, key, err)
}

func (c *Client) get(ctx context.Context, op, key, url string, into any) error {
	res, err := c.rest.Do(ctx, rest.Call{URL: url, Header: http.Header{"Accept": {"application/json"}}, Sign: c.sign})
	if err == nil {
		err = rest.Decode(res, into)
	}
	if err != nil {
		return wrap(op, key, err)
	}
	return nil
}

// Revision returns the jobs of a revision, which is sought by its first 12
// digits: none where there are none. BuildAPI keeps an answer for two minutes.
func (c *Client) Revision(ctx context.Context, branch, rev string) ([]Entry, error) {
	var out []Entry
	short := rev[:min(len(rev), 12)]
	err := c.get(ctx, "selfserve.revision", branch+" "+short, c.path(branch, "rev", short), &out)
	if errors.Is(err, job.ErrNotFound) && noJobs.MatchString(err.Error()) {
		return nil, nil
	}
	return out, err
}

// noJobs is how self-serve says that a revision has no jobs; another 404 is of a
// branch that it does not know, or of another service.
var noJobs = regexp.MustCompile(`Revision \S+ not found on branch`)

// Request returns one request.
func (c *Client) Request(ctx context.Context, branch string, id int64) (Request, error) {
	var w wireRequest
	key := strconv.FormatInt(id, 10)
	err := c.get(ctx, "selfserve.request", key, c.path(branch, "request", key), &w)
	return w.request(), err
}

// Builders returns the names of builders whose names have that of the branch,
// and which ran in the last 60 days.
func (c *Client) Builders(ctx context.Context, branch string) ([]string, error) {
	var out []string
	return out, c.get(ctx, "selfserve.builders", branch, c.path(branch, "builders"), &out)
}

// Build asks for a run of any builder on any revision, neither of which is
// checked. It returns the number of the job request, see JobRequest; no
// request for a build has it.
func (c *Client) Build(ctx context.Context, branch, builder, rev string, properties map[string]any, files []string, priority int) (int64, error) {
	if properties == nil {
		properties = map[string]any{}
	}
	if files == nil {
		files = []string{}
	}
	p, err := json.Marshal(properties)
	if err != nil {
		return 0, job.Wrap("selfserve.build", builder, fmt.Errorf("%w: properties: %w", job.ErrInvalid, err))
	}
	f, err := json.Marshal(files)
	if err != nil {
		return 0, job.Wrap("selfserve.build", builder, fmt.Errorf("%w: files: %w", job.ErrInvalid, err))
	}
	form := url.Values{"properties": {string(p)}, "files": {string(f)}}
	if priority != 0 {
		form.Set("priority", strconv.Itoa(priority))
	}
	return c.write(ctx, "selfserve.build", builder+" on "+rev, http.MethodPost, c.path(branch, "builders", builder, rev), form)
}

// Rebuild asks for count copies of a request.
func (c *Client) Rebuild(ctx context.Context, branch string, request int64, count, priority int) (int64, error) {
	form := url.Values{"request_id": {strconv.FormatInt(request, 10)}}
	if count != 1 {
		form.Set("count", strconv.Itoa(count))
	}
	if priority != 0 {
		form.Set("priority", strconv.Itoa(priority))
	}
	return c.write(ctx, "selfserve.rebuild", strconv.FormatInt(request, 10), http.MethodPost, c.path(branch, "request"), form)
}

// CancelRequest cancels a request that waits, and stops a build that runs.
func (c *Client) CancelRequest(ctx context.Context, branch string, request int64) (int64, error) {
	id := strconv.FormatInt(request, 10)
	return c.write(ctx, "selfserve.cancel", id, http.MethodDelete, c.path(branch, "request", id), nil)
}

// Reprioritise gives a request that waits another priority.
func (c *Client) Reprioritise(ctx context.Context, branch string, request int64, priority int) (int64, error) {
	id := strconv.FormatInt(request, 10)
	return c.write(ctx, "selfserve.reprioritise", id, http.MethodPut, c.path(branch, "request", id), url.Values{"priority": {strconv.Itoa(priority)}})
}

// JobRequest is what became of a write: self-serve takes it down at once, and an
// agent does it later.
type JobRequest struct {
	Action string `json:"action"`
	Who    string `json:"who"`
	Done   bool   // whether the agent has answered
	Failed bool   // and that it failed
	Msg    string // what it said
}

// UnmarshalJSON reads a job request.
func (j *JobRequest) UnmarshalJSON(text []byte) error {
	var w struct {
		Action   string `json:"action"`
		Who      string `json:"who"`
		Complete *struct {
			Body struct {
				Errors bool   `json:"errors"`
				Msg    string `json:"msg"`
			} `json:"body"`
		} `json:"complete_data"`
	}
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	*j = JobRequest{Action: w.Action, Who: w.Who}
	if w.Complete != nil {
		j.Done, j.Failed, j.Msg = true, w.Complete.Body.Errors, w.Complete.Body.Msg
	}
	return nil
}

// JobRequest returns what became of a write by its number.
func (c *Client) JobRequest(ctx context.Context, id int64) (JobRequest, error) {
	var out JobRequest
	key := strconv.FormatInt(id, 10)
	return out, c.get(ctx, "selfserve.job", key, c.path("jobs", key), &out)
}

// busyTries is how often a write is made that self-serve is too busy to take.
const busyTries = 4

// write makes a change. A 503 with self-serve's own words means that it took
// nothing, and is asked again; so does a 202 that says FAILED.
func (c *Client) write(ctx context.Context, op, key, method, url string, form url.Values) (int64, error) {
	h := http.Header{"Accept": {"application/json"}, "Content-Type": {"application/x-www-form-urlencoded"}}
	for try := 1; ; try++ {
		res, err := c.rest.Do(ctx, rest.Call{Method: method, URL: url, Header: h, Body: []byte(form.Encode()), Sign: c.sign})
		var answer struct {
			Status  string `json:"status"`
			Msg     string `json:"msg"`
			Request int64  `json:"request_id"`
		}
		var failed *rest.Error
		switch {
		case errors.As(err, &failed) && failed.Status == http.StatusServiceUnavailable && json.Unmarshal(failed.Body, &answer) == nil && answer.Status != "":
			err = fmt.Errorf("%w: 503 %s", job.ErrUnavailable, answer.Msg)
		case err != nil:
			return 0, wrap(op, key, err)
		default:
			if err := rest.Decode(res, &answer); err != nil {
				return 0, wrap(op, key, err)
			}
			if answer.Status == "OK" {
				return answer.Request, nil
			}
			err = fmt.Errorf("%w: %s: %s", job.ErrUnavailable, answer.Status, answer.Msg)
		}
		if try == busyTries || method != http.MethodPost { // the client itself has asked again for the others
			return 0, job.Wrap(op, key, err)
		}
		c.log.WarnContext(ctx, "self-serve is busy, asking again", "error", err)
		if err := pause.For(ctx, time.Duration(try)*time.Second); err != nil {
			return 0, job.Wrap(op, key, err)
		}
	}
}

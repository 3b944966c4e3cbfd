package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

// The way of a request through the door: Handler makes a visit, and enter takes it through arrive
// (host, method, origin), read (the body), recognise (the caller) and limit (the rates). Each of
// these returns false when it has answered the request itself. Then come signing in and out, or the
// handler behind the door. end runs last, whatever happened. The parts have files of their own:
// origin.go, session.go, signin.go, tokens.go, hawkdoor.go, limits.go, refuse.go, audit.go.

// DoorOptions configure a Door. Nil is zero options, with which reads are closed and acting
// is not possible.
type DoorOptions struct {
	// Who are the ways to find out who calls. The door tries them in turn until one recognises the
	// kind of the request's credentials. It adds Tokens at the end, so they need not be in the
	// list.
	Who []Authenticator
	// Tokens accept the tokens of a file, in the Authorization header and on the page's sign-in
	// form (POST /signin). Nil: no tokens.
	Tokens *Tokens
	// SessionKey signs the page's session cookies: 32 bytes or more. Every instance needs the same
	// key, and needs it again after a restart. Default: a random key, so that sessions end with the
	// process.
	SessionKey []byte
	// SessionLife is how long a session lasts. Default 12 hours.
	SessionLife time.Duration
	// Nonces remember which sessions were signed out. Default: in memory.
	Nonces Nonces

	// OpenReads lets everybody read. Acting always needs a caller.
	OpenReads bool
	// Public selects the reads that need no caller even when reads are closed. Default: /healthz,
	// /readyz, /signin and everything under /page/.
	Public func(*http.Request) bool

	// Origins are the sites whose scripts may call the API with credentials of their own, such as
	// https://treeherder.mozilla.org. "*" lets the scripts of every site read what is open to all,
	// and nothing more. Default: none.
	Origins []string
	// PublicURL is the address under which callers know this service. Default: what each request
	// says.
	PublicURL string
	// Hosts are the names, with or without a port, under which the service may be called, besides
	// the host of PublicURL; see LoopbackHosts. When both are empty, every name is accepted.
	Hosts []string
	// Proxies are the networks whose X-Forwarded-For header is believed. Default: none.
	Proxies []netip.Prefix

	// MaxBody is the maximum size of a request's body in bytes. Default 1 MiB.
	MaxBody int64
	// Timeout is how long a request may take, including its body. Default 30 seconds.
	Timeout time.Duration
	// Stream reports whether the answer to a request is a stream. A stream may last as long as it
	// likes, but each write of it must succeed within Timeout. Default: a GET of a path that ends
	// in /events.
	Stream func(*http.Request) bool

	// Reads and Acts limit how often one caller may read and act. A caller is a name or, without
	// one, an address. Defaults: 1,200 reads a minute, 300 at once; 30 acts a minute, 20 at once.
	// Attempts limits how often an address may send wrong credentials. Default: 60 a minute, 100 at
	// once.
	Reads, Acts, Attempts Rate

	// Fail writes the answer to a person whose request is refused; reason is a word and message a
	// sentence. Programs, and everything under /v1/, get JSON instead. Nil: people get JSON too.
	Fail func(w http.ResponseWriter, r *http.Request, status int, reason, message string)
	// Logger gets a line for each act, sign-in and panic. Nil discards.
	Logger *slog.Logger
}

// The default bounds of a request.
const (
	defaultBody    = 1 << 20
	defaultTimeout = 30 * time.Second
	defaultSession = 12 * time.Hour
)

// Door stands in front of the handlers. It finds out who calls and lets through only requests that
// the caller may send; DoorOptions describe the rules. It is safe for concurrent use. NewDoor makes
// one.
type Door struct {
	o        DoorOptions
	who      []Authenticator
	sessions *sessions // nil when there are no tokens
	origins  *origins
	public   *url.URL // nil when it is not known
	log      *slog.Logger

	// reads and acts have a bucket for each caller, attempts one for each address.
	reads, acts, attempts *limiter
}

// NewDoor returns a Door. Options that contradict each other or cannot be read give job.ErrInvalid.
func NewDoor(opts *DoorOptions) (*Door, error) {
	d := &Door{}
	if opts != nil {
		d.o = *opts
	}
	if err := d.prepare(); err != nil {
		return nil, job.Wrap("server.door", "", err)
	}
	return d, nil
}

// prepare sets the defaults. The sessions come after public, which decides whether their cookie is
// Secure.
func (d *Door) prepare() (err error) {
	o := &d.o
	if d.log = o.Logger; d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if o.PublicURL != "" {
		if d.public, err = publicURL(o.PublicURL); err != nil {
			return err
		}
	}
	if o.MaxBody < 1 {
		o.MaxBody = defaultBody
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.SessionLife <= 0 {
		o.SessionLife = defaultSession
	}
	if o.Public == nil {
		o.Public = publicly
	}
	if o.Stream == nil {
		o.Stream = func(r *http.Request) bool {
			return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/events")
		}
	}
	if o.Nonces == nil {
		o.Nonces = NewMemoryNonces(0)
	}
	d.reads = newLimiter(o.Reads.or(defaultReads), mostBuckets)
	d.acts = newLimiter(o.Acts.or(defaultActs), mostBuckets)
	d.attempts = newLimiter(o.Attempts.or(defaultAttempts), mostBuckets)
	// The append to an empty slice copies: the caller's slice is not changed.
	d.who = append(d.who, o.Who...)
	if o.Tokens != nil {
		d.who = append(d.who, o.Tokens)
		if d.sessions, err = newSessions(o.Tokens, o.SessionKey, o.SessionLife, o.Nonces, d.secure); err != nil {
			return err
		}
	}
	d.origins, err = newOrigins(o.Origins, o.Hosts, d.public)
	return err
}

// publicly is the default of Public: the health checks, and what the sign-in page needs.
func publicly(r *http.Request) bool {
	return health(r) || r.URL.Path == signInPath || strings.HasPrefix(r.URL.Path, "/page/")
}

// health reports whether a request is a health check.
func health(r *http.Request) bool {
	return safe(r.Method) && (r.URL.Path == "/healthz" || r.URL.Path == "/readyz")
}

// acting are the HTTP methods that change something. Other methods, such as PROPFIND, are refused.
var acting = []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// safe reports whether an HTTP method only reads.
func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// Handler puts next behind the door. Requests that reach next have their Caller in the context (see
// CallerOf) and their whole body in memory.
func (d *Door) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{d: d, began: time.Now(), stream: d.o.Stream(r), addr: remote(r, d.o.Proxies)}
		v.w = &watched{ResponseWriter: w, rc: http.NewResponseController(w)}
		ctx := context.WithValue(r.Context(), visitKey{}, v)
		ctx = context.WithValue(ctx, sourceKey{}, v.source())
		if !v.stream {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, d.o.Timeout)
			defer cancel()
		} else {
			v.w.each = d.o.Timeout
		}
		v.r = r.WithContext(ctx)
		defer v.end()
		v.enter(next)
	})
}

// visit is one request on its way through the door. One goroutine takes it through the door; only
// notes are safe for several. addr is the caller's address behind the proxies that are believed, or
// the zero Addr when it cannot be read. body is nil until read has read it.
type visit struct {
	d      *Door
	w      *watched
	r      *http.Request
	began  time.Time
	addr   netip.Addr
	stream bool
	body   []byte
	who    *Caller // nil without credentials

	notes  notes
	reason string // of the refusal; empty for none
}

// source is the caller's address as text; empty when unknown.
func (v *visit) source() string {
	if !v.addr.IsValid() {
		return ""
	}
	return v.addr.String()
}

// enter lets a request through to next, or answers it. The cheap checks come first: where the
// request comes from, then its body, then its credentials, then the rate limits.
func (v *visit) enter(next http.Handler) {
	headers(v.w.Header())
	_ = v.w.rc.SetReadDeadline(v.began.Add(v.d.o.Timeout)) // an error means that a test's recorder has no deadlines
	if !v.stream {
		// The write deadline is half a Timeout later than the context's, so that there is time to
		// answer that the request took too long.
		_ = v.w.rc.SetWriteDeadline(v.began.Add(v.d.o.Timeout + v.d.o.Timeout/2))
	}
	if health(v.r) { // monitors call by any name, and often
		next.ServeHTTP(v.w, v.r)
		return
	}
	if !v.arrive() || !v.read() || !v.recognise() || !v.limit() {
		return
	}
	_ = v.w.rc.SetReadDeadline(time.Time{}) // the deadline was for the body; the handler has its own
	switch {
	case v.r.Method == http.MethodPost && v.r.URL.Path == signInPath && v.d.sessions != nil:
		v.signIn()
		return
	case v.r.Method == http.MethodPost && v.r.URL.Path == signOutPath && v.d.sessions != nil:
		v.signOut()
		return
	case v.who == nil && !v.open():
		v.fail(http.StatusUnauthorized, "no_credentials", "Sign in, or send a token or a signed request.")
		return
	}
	if v.who != nil {
		v.r = v.r.WithContext(withCaller(v.r.Context(), *v.who))
		v.w.Header().Set("Cache-Control", "no-store") // a handler may set its own later
	}
	next.ServeHTTP(v.w, v.r)
	// The handler gave up because the time was over, and left the answer to the door.
	if ctx := v.r.Context(); !v.w.wrote() && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		v.fail(http.StatusServiceUnavailable, "timeout", fmt.Sprintf("The request took longer than %s.", v.d.o.Timeout))
	}
}

// open reports whether a request needs no caller.
func (v *visit) open() bool {
	return safe(v.r.Method) && (v.d.o.OpenReads || v.d.o.Public(v.r))
}

// signing reports whether a request signs in or out. Such a request has no credentials, or only
// those of a session.
func (v *visit) signing() bool {
	return v.d.sessions != nil && v.r.Method == http.MethodPost &&
		(v.r.URL.Path == signInPath || v.r.URL.Path == signOutPath)
}

// arrive checks where a request comes from and what it is addressed to, before anything else of it
// is read. A preflight ends here: it has no body and no credentials. So does a request that acts
// and carries no credentials at all, before a body of MaxBody bytes is read for nothing.
func (v *visit) arrive() bool {
	r := v.r
	if !v.d.origins.calledRight(r.Host) {
		return v.fail(http.StatusMisdirectedRequest, "wrong_host", "This service does not answer to that host name.")
	}
	asks, may := v.d.origins.answer(v.w.Header(), r)
	switch {
	case !safe(r.Method) && !slices.Contains(acting, r.Method):
		v.fail(http.StatusMethodNotAllowed, "method", "This method is not supported.")
	case len(r.Header.Values("Authorization")) > 1:
		v.fail(http.StatusBadRequest, "invalid", "The request has more than one Authorization header; send one.")
	case asks && may:
		v.w.WriteHeader(http.StatusNoContent)
	case asks:
		v.fail(http.StatusForbidden, "origin",
			"Pages of that origin may not call this service; its administrator can allow them.")
	case !v.d.origins.mayAct(r, v.signing()):
		v.fail(http.StatusForbidden, "cross_origin", "The request comes from a page of another site.")
	case !safe(r.Method) && !v.signing() && !v.shows():
		v.fail(http.StatusUnauthorized, "no_credentials", "Sign in, or send a token or a signed request.")
	default:
		return true
	}
	return false
}

// shows reports whether a request carries any credentials, valid or not.
func (v *visit) shows() bool {
	return v.r.Header.Get("Authorization") != "" || v.d.sessions != nil && len(v.d.sessions.cookies(v.r)) > 0
}

// read reads the body, within the bounds of its size and time.
func (v *visit) read() bool {
	// The rest of the body is still on the connection, where net/http would take it for the next
	// request: close it.
	tooLarge := func() bool {
		v.w.Header().Set("Connection", "close")
		return v.fail(http.StatusRequestEntityTooLarge, "too_large",
			fmt.Sprintf("The body is longer than %d bytes.", v.d.o.MaxBody))
	}
	if v.r.ContentLength > v.d.o.MaxBody {
		return tooLarge()
	}
	var err error
	v.body, err = io.ReadAll(http.MaxBytesReader(v.w.ResponseWriter, v.r.Body, v.d.o.MaxBody))
	var large *http.MaxBytesError
	switch {
	case err == nil:
	case errors.As(err, &large):
		return tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		v.w.Header().Set("Connection", "close")
		return v.fail(http.StatusRequestTimeout, "timeout", "The body did not arrive in time.")
	default: // the caller is gone, or sent a broken body
		v.w.Header().Set("Connection", "close")
		return v.fail(http.StatusBadRequest, "invalid", "The body could not be read.")
	}
	v.r.Body = io.NopCloser(bytes.NewReader(v.body))
	return true
}

// recognise finds out who calls. Wrong credentials are refused even where none are needed: a
// caller who sends some wants to be recognised. A session that has ended counts as no
// credentials, so that the page can offer to sign in.
func (v *visit) recognise() bool {
	if v.r.Header.Get("Authorization") == "" {
		if v.d.sessions == nil || len(v.d.sessions.cookies(v.r)) == 0 {
			return true
		}
		c, err := v.d.sessions.caller(v.r.Context(), v.r)
		switch {
		case err == nil:
			v.who = &c
		// The session cannot be checked: refuse, except what is open to everybody anyway.
		case !errors.Is(err, ErrNoCredentials) && !v.open():
			return v.refuse(err)
		}
		return true
	}
	key := addressKey(v.addr)
	// Every attempt takes a token and gives it back if the credentials were right, or could not be
	// checked. Taken afterwards, many attempts at the same time would all get through.
	if wait := v.d.attempts.take(key); wait > 0 {
		return v.later(wait)
	}
	c, err := v.d.authenticate(v.r, v.body)
	if err == nil {
		v.who = &c
	}
	if err == nil || errors.Is(err, ErrCannotCheck) {
		v.d.attempts.put(key)
	}
	return err == nil || v.refuse(err)
}

// authenticate tries the Authenticators in turn until one knows the kind of credentials.
func (d *Door) authenticate(r *http.Request, body []byte) (Caller, error) {
	for _, a := range d.who {
		c, err := a.Authenticate(r.Context(), r, body)
		if !errors.Is(err, ErrNoCredentials) {
			return c, err
		}
	}
	return Caller{}, fmt.Errorf("%w: this service accepts no credentials of this kind", ErrWrong)
}

// limit counts a request against its caller's rate. The key is "token ci-robot" for a caller and
// "addr 203.0.113.9" for an address, so that no name can use up the rate of an address.
func (v *visit) limit() bool {
	key := addressKey(v.addr)
	if v.who != nil {
		key = v.who.Via + " " + v.who.Name
	}
	of := v.d.reads
	if !safe(v.r.Method) {
		of = v.d.acts
	}
	if wait := of.take(key); wait > 0 {
		return v.later(wait)
	}
	return true
}

// secure reports whether a request came by https or counts as such. With a public URL its scheme
// decides; without one, any request that leaves this machine counts as https, so that its cookie is
// Secure.
//
//	public URL https://mozci.example → true
//	http://localhost:8787            → false
//	http://10.0.0.5:8787             → true
func (d *Door) secure(r *http.Request) bool {
	switch {
	case d.public != nil:
		return d.public.Scheme == "https"
	case r.TLS != nil:
		return true
	}
	return !loopbackName(hostname(r.Host))
}

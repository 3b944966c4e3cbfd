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

// DoorOptions configure a Door; nil is zero options, with which reads are closed and nobody
// may act.
type DoorOptions struct {
	// Who finds out who calls: each is asked in turn until one knows the kind of the
	// request's credentials. Tokens need not be among them.
	Who []Authenticator
	// Tokens let in who has a token of the file, also by the page: POST /signin. Nil: none.
	Tokens *Tokens
	// SessionKey signs the page's sessions: 32 bytes or more, the same in every instance
	// and after a restart. Default: a random one, so that sessions end with the process.
	SessionKey []byte
	// SessionLife is how long a session lasts. Default 12 hours.
	SessionLife time.Duration
	// Nonces remember the sessions that were signed out. Default: in memory.
	Nonces Nonces

	// OpenReads lets everybody read. Acting always needs a caller.
	OpenReads bool
	// Public are the reads that need no caller though reads are closed. Default: /healthz,
	// /readyz, /signin and what is under /page/.
	Public func(*http.Request) bool

	// Origins are those of the sites whose scripts may call the API with credentials of
	// their own, such as https://treeherder.mozilla.org. "*" lets every site read what is
	// open, and nothing more. Default: none.
	Origins []string
	// PublicURL is the address by which callers know this service. Default: what the
	// request says.
	PublicURL string
	// Hosts are the names, with or without a port, by which the service may be called,
	// besides that of PublicURL; see LoopbackHosts. Without any every name will do.
	Hosts []string
	// Proxies are the addresses whose X-Forwarded-For is believed. Default: none.
	Proxies []netip.Prefix

	// MaxBody is how many bytes a request's body may have. Default 1 MiB.
	MaxBody int64
	// Timeout is how long a request may take, its body included. Default 30 seconds.
	Timeout time.Duration
	// Stream reports whether a request is answered by a stream, which takes as long as it
	// takes, while each write of it has Timeout. Default: a GET of a path that ends in
	// /events.
	Stream func(*http.Request) bool

	// Reads and Acts are how often one caller may: by name, or by address where there is
	// no name. Defaults 1,200 a minute, 300 at once; 30 a minute, 20 at once. Attempts is
	// how often credentials of one address may be wrong. Default 60 a minute, 100 at once.
	Reads, Acts, Attempts Rate

	// Fail writes the answer to a person whose request is refused; reason is a word, and
	// message a sentence. Programs, and everything under /v1/, get JSON. Nil: so do people.
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

// Door stands before the handlers: it finds out who calls, and lets through who may. See
// DoorOptions for what it does. It is safe for concurrent use; NewDoor makes one.
type Door struct {
	o        DoorOptions
	who      []Authenticator
	sessions *sessions // nil without tokens
	origins  *origins
	public   *url.URL // nil where it is not known
	log      *slog.Logger

	reads, acts, attempts *limiter
}

// NewDoor returns a Door. Options that make no sense are job.ErrInvalid.
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

// prepare fills in what the options leave out.
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

// publicly are the reads that need no caller: whether the service lives, and what it
// takes to sign in.
func publicly(r *http.Request) bool {
	return health(r) || r.URL.Path == signInPath || strings.HasPrefix(r.URL.Path, "/page/")
}

// health reports whether a request asks whether the service lives.
func health(r *http.Request) bool {
	return safe(r.Method) && (r.URL.Path == "/healthz" || r.URL.Path == "/readyz")
}

// acting are the methods of requests that act.
var acting = []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// safe reports whether requests of a method only read.
func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// Handler is next behind the door. Requests have their Caller in the context, and their
// body in memory.
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

// visit is one request on its way through the door.
type visit struct {
	d      *Door
	w      *watched
	r      *http.Request
	began  time.Time
	addr   netip.Addr
	stream bool
	body   []byte
	who    *Caller // nil for nobody

	notes  notes
	reason string // of a refusal
}

// source is the caller's address in text; empty where it is not known.
func (v *visit) source() string {
	if !v.addr.IsValid() {
		return ""
	}
	return v.addr.String()
}

// enter lets a request through, or answers it.
func (v *visit) enter(next http.Handler) {
	headers(v.w.Header())
	_ = v.w.rc.SetReadDeadline(v.began.Add(v.d.o.Timeout)) // a recorder has none
	if !v.stream {
		// What takes its time is answered before the connection ends.
		_ = v.w.rc.SetWriteDeadline(v.began.Add(v.d.o.Timeout + v.d.o.Timeout/2))
	}
	if health(v.r) { // whoever looks after the service calls it by any name, and often
		next.ServeHTTP(v.w, v.r)
		return
	}
	if !v.arrive() || !v.read() || !v.recognise() || !v.limit() {
		return
	}
	_ = v.w.rc.SetReadDeadline(time.Time{}) // else the request ends with it
	switch {
	case v.r.Method == http.MethodPost && v.r.URL.Path == signInPath && v.d.sessions != nil:
		v.signIn()
		return
	case v.r.Method == http.MethodPost && v.r.URL.Path == signOutPath && v.d.sessions != nil:
		v.signOut()
		return
	case v.who == nil && !v.open():
		v.fail(http.StatusUnauthorized, "no_credentials", "Sign in, or send a token or signed request.")
		return
	}
	if v.who != nil {
		v.r = v.r.WithContext(withCaller(v.r.Context(), *v.who))
		v.w.Header().Set("Cache-Control", "no-store") // a handler may know better
	}
	next.ServeHTTP(v.w, v.r)
	if ctx := v.r.Context(); !v.w.wrote() && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		v.fail(http.StatusServiceUnavailable, "timeout", fmt.Sprintf("It took longer than %s.", v.d.o.Timeout))
	}
}

// open reports whether a request needs no caller.
func (v *visit) open() bool {
	return safe(v.r.Method) && (v.d.o.OpenReads || v.d.o.Public(v.r))
}

// signing reports whether a request signs in or out: these come without credentials, or
// with a session's.
func (v *visit) signing() bool {
	return v.d.sessions != nil && v.r.Method == http.MethodPost &&
		(v.r.URL.Path == signInPath || v.r.URL.Path == signOutPath)
}

// arrive checks where a request comes from and goes to, before anything is read of it.
func (v *visit) arrive() bool {
	r := v.r
	if !v.d.origins.calledRight(r.Host) {
		return v.fail(http.StatusMisdirectedRequest, "wrong_host", "This service is not known by that name.")
	}
	asks, may := v.d.origins.answer(v.w.Header(), r)
	switch {
	case !safe(r.Method) && !slices.Contains(acting, r.Method):
		v.fail(http.StatusMethodNotAllowed, "method", "No such method.")
	case len(r.Header.Values("Authorization")) > 1:
		v.fail(http.StatusBadRequest, "invalid", "There is more than one Authorization header.")
	case asks && may:
		v.w.WriteHeader(http.StatusNoContent)
	case asks:
		v.fail(http.StatusForbidden, "origin", "Pages of that origin may not call this service.")
	case !v.d.origins.mayAct(r, v.signing()):
		v.fail(http.StatusForbidden, "cross_origin", "The request comes from another site's page.")
	case !safe(r.Method) && !v.signing() && !v.shows():
		v.fail(http.StatusUnauthorized, "no_credentials", "Sign in, or send a token or a signed request.")
	default:
		return true
	}
	return false
}

// shows reports whether a request shows any credentials, before they are looked at.
func (v *visit) shows() bool {
	return v.r.Header.Get("Authorization") != "" || v.d.sessions != nil && len(v.d.sessions.cookies(v.r)) > 0
}

// read reads the body, within the bounds of its size and time.
func (v *visit) read() bool {
	tooLarge := func() bool {
		v.w.Header().Set("Connection", "close")
		return v.fail(http.StatusRequestEntityTooLarge, "too_large",
			fmt.Sprintf("The body has more than %d bytes.", v.d.o.MaxBody))
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
		return v.fail(http.StatusRequestTimeout, "timeout", "The body did not come in time.")
	default: // the caller is gone, or sent nonsense
		v.w.Header().Set("Connection", "close")
		return v.fail(http.StatusBadRequest, "invalid", "The body could not be read.")
	}
	v.r.Body = io.NopCloser(bytes.NewReader(v.body))
	return true
}

// recognise finds out who calls. Credentials that are shown and wrong are refused, also
// where none are needed; a session that is over is as none.
func (v *visit) recognise() bool {
	if v.r.Header.Get("Authorization") == "" {
		if v.d.sessions == nil || len(v.d.sessions.cookies(v.r)) == 0 {
			return true
		}
		c, err := v.d.sessions.caller(v.r.Context(), v.r)
		switch {
		case err == nil:
			v.who = &c
		case !errors.Is(err, ErrNoCredentials) && !v.open():
			return v.refuse(err)
		}
		return true
	}
	key := addressKey(v.addr)
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

// authenticate asks who knows the request's credentials.
func (d *Door) authenticate(r *http.Request, body []byte) (Caller, error) {
	for _, a := range d.who {
		c, err := a.Authenticate(r.Context(), r, body)
		if !errors.Is(err, ErrNoCredentials) {
			return c, err
		}
	}
	return Caller{}, fmt.Errorf("%w: nobody here knows credentials of this kind", ErrWrong)
}

// limit counts a request.
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

// secure reports whether a request came by https, or is to be treated so: with a public
// URL as that says, else any that does not stay on this machine.
func (d *Door) secure(r *http.Request) bool {
	switch {
	case d.public != nil:
		return d.public.Scheme == "https"
	case r.TLS != nil:
		return true
	}
	return !loopbackName(hostname(r.Host))
}

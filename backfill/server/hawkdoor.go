package server

import (
	"context"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/internal/hawk"
	"github.com/mozci/mozci/internal/redact"
	"github.com/mozci/mozci/job"
)

// HawkRequest is a signed request, as the deployment is asked about it.
type HawkRequest struct {
	Method        string // as it was sent, such as POST
	Resource      string // the path and the query, as they were sent
	Host          string // that it was signed for, without a port
	Port          int
	Authorization string // the header; a secret for as long as it is fresh
	SourceIP      string // of the caller, for the deployment's log; empty where it is not known
}

// HawkAnswer is what the deployment says of a request.
type HawkAnswer struct {
	// Failed says why the signature is not right, or what is wrong with the credentials;
	// empty where all is right, and then there is the rest.
	Failed   string
	ClientID string
	Scopes   []string // with what is in their roles
	Expires  time.Time
	Hash     string // of the body, as the signature covers it; empty where it covers none
}

// HawkChecker asks a Taskcluster deployment about a signed request, by its
// auth.authenticateHawk. An error says that the deployment could not be asked.
type HawkChecker func(ctx context.Context, r HawkRequest) (HawkAnswer, error)

// HawkOptions configure Hawk; nil is zero options.
type HawkOptions struct {
	// PublicURL is the address by which callers know this service, which their requests
	// are signed for: its scheme, host and port. Default: the request's Host, and https
	// where the connection is TLS. What a proxy says in X-Forwarded-* is never believed.
	PublicURL string
	// Nonces remember which requests were seen. Default: in memory, for one instance.
	Nonces Nonces
}

// Hawk returns an Authenticator of requests that are signed with Taskcluster's
// credentials, permanent or temporary: Authorization: Hawk …. The deployment checks the
// signature and says what the client may do. Here it is checked that the request was
// signed for this service, that it was not seen before, and that the signature covers
// the body: a request with a body whose signature has no hash is refused, as anybody on
// the way could have changed it.
func Hawk(check HawkChecker, opts *HawkOptions) (Authenticator, error) {
	var o HawkOptions
	if opts != nil {
		o = *opts
	}
	h := &hawkDoor{check: check, nonces: o.Nonces}
	if h.nonces == nil {
		h.nonces = NewMemoryNonces(0)
	}
	if o.PublicURL != "" {
		u, err := publicURL(o.PublicURL)
		if err != nil {
			return nil, job.Wrap("server.hawk", "", err)
		}
		h.public = u
	}
	return h, nil
}

// publicURL reads the address of a service.
func publicURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%w: public URL %q: expected http(s)://host[:port]", job.ErrInvalid,
			clip.Marked(redact.URL(text), 80))
	}
	return u, nil
}

type hawkDoor struct {
	check  HawkChecker
	public *url.URL
	nonces Nonces
}

// The bounds of what the header says: how old or new a signature may be, as the services
// have it, and how long its words may be.
const (
	hawkSkew     = 15 * time.Minute
	mostHawk     = 8 << 10
	mostHawkWord = 200
)

// Authenticate implements Authenticator.
func (h *hawkDoor) Authenticate(ctx context.Context, r *http.Request, body []byte) (Caller, error) {
	if _, ok := credentials(r, "Hawk"); !ok {
		return Caller{}, ErrNoCredentials
	}
	header := r.Header.Get("Authorization")
	says, err := hawk.Parse("Hawk " + strings.TrimSpace(header[len("Hawk"):]))
	if err != nil || len(header) > mostHawk || len(says.Nonce) > mostHawkWord || len(says.ID) > mostHawkWord {
		return Caller{}, fmt.Errorf("%w: the Authorization header is none of Hawk", ErrWrong)
	}
	if off := time.Since(says.Time); off.Abs() > hawkSkew { // before a service is asked
		return Caller{}, fmt.Errorf("%w: the signature's time is off by %s: is the clock right?",
			ErrExpired, off.Abs().Round(time.Second))
	}
	if !strings.HasPrefix(r.RequestURI, "/") {
		return Caller{}, fmt.Errorf("%w: a signed request names its path alone", ErrWrong)
	}
	if err := covered(r, says.Hash, body); err != nil {
		return Caller{}, err
	}
	host, port, err := h.signedFor(r)
	if err != nil {
		return Caller{}, err
	}
	answer, err := h.check(ctx, HawkRequest{
		Method: r.Method, Resource: r.RequestURI, Host: host, Port: port, Authorization: header,
		SourceIP: sourceOf(ctx),
	})
	switch {
	case err != nil:
		return Caller{}, fmt.Errorf("%w: the deployment does not say: %w", ErrCannotCheck, err)
	case answer.Failed != "":
		return Caller{}, failed(answer.Failed)
	case answer.Hash != says.Hash:
		return Caller{}, fmt.Errorf("%w: the deployment speaks of another body", ErrCannotCheck)
	}
	c := Caller{Name: answer.ClientID, Via: ViaTaskcluster, Scopes: answer.Scopes, Expires: answer.Expires}
	if c.Scopes == nil {
		c.Scopes = []string{}
	}
	if c.Ended(time.Now()) {
		return Caller{}, fmt.Errorf("%w: at %s", ErrExpired, c.Expires.UTC().Format(time.RFC3339))
	}
	return c, h.fresh(ctx, says)
}

// failed is the error for what a deployment says is wrong.
func failed(why string) error {
	text := clip.Marked(strings.Join(strings.Fields(redact.Text(why)), " "), 300)
	if strings.Contains(why, "expir") {
		return fmt.Errorf("%w: %s", ErrExpired, text)
	}
	return fmt.Errorf("%w: %s", ErrWrong, text)
}

// fresh remembers a request whose signature is right; one that was seen before is
// ErrReplayed. What is not signed never comes here: it cannot fill the store.
func (h *hawkDoor) fresh(ctx context.Context, s hawk.Signature) error {
	key := fmt.Sprintf("hawk %q %d %q", s.ID, s.Time.Unix(), s.Nonce)
	// It is of no use to anybody once its time is too old.
	first, err := h.nonces.Use(ctx, key, time.Until(s.Time.Add(hawkSkew))+time.Minute)
	switch {
	case err != nil:
		return fmt.Errorf("%w: whether the request was seen before is not known: %w", ErrCannotCheck, err)
	case !first:
		return fmt.Errorf("%w: each request needs a nonce of its own", ErrReplayed)
	}
	return nil
}

// covered reports a body that the signature's hash does not cover.
func covered(r *http.Request, hash string, body []byte) error {
	switch {
	case hash == "" && len(body) == 0:
		return nil
	case hash == "":
		return fmt.Errorf("%w: the signature does not cover the body: it needs a hash", ErrWrong)
	}
	want := hawk.PayloadHash(r.Header.Get("Content-Type"), body)
	if subtle.ConstantTimeCompare([]byte(hash), []byte(want)) != 1 {
		return fmt.Errorf("%w: the signature is of another body or Content-Type", ErrWrong)
	}
	return nil
}

// signedFor is the host and the port that a request must have been signed for.
func (h *hawkDoor) signedFor(r *http.Request) (host string, port int, err error) {
	u := &url.URL{Scheme: "http", Host: r.Host}
	if r.TLS != nil {
		u.Scheme = "https"
	}
	if h.public != nil {
		u = h.public
	}
	host, text := u.Hostname(), u.Port()
	switch {
	case text == "" && u.Scheme == "https":
		port = 443
	case text == "":
		port = 80
	default:
		port, err = strconv.Atoi(text)
	}
	if err != nil || port < 1 || port > 65535 || !signedHost.MatchString(host) {
		return "", 0, fmt.Errorf("%w: the request's Host is no name and no IPv4 address, as a signature needs one",
			ErrWrong)
	}
	return strings.ToLower(host), port, nil
}

// signedHost is what the deployment takes for a host.
var signedHost = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)

// sourceKey is the key of the caller's address in a request's context.
type sourceKey struct{}

// sourceOf is the address of the caller; empty where it is not known.
func sourceOf(ctx context.Context) string {
	text, _ := ctx.Value(sourceKey{}).(string)
	if net.ParseIP(text) == nil {
		return ""
	}
	return text
}

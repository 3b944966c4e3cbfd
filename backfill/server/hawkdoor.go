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

// HawkRequest is a signed request in the form in which the deployment checks it.
type HawkRequest struct {
	Method        string // as it was sent, in capitals: POST
	Resource      string // path and query, as they were sent
	Host          string // the host that it was signed for, without a port
	Port          int
	Authorization string // the whole header; a secret while it is fresh
	SourceIP      string // the caller's address, for the deployment's log; empty when unknown
}

// HawkAnswer is what the deployment says about a request.
type HawkAnswer struct {
	// Failed says what is wrong with the signature or the credentials. When it is empty all is
	// right, and the other fields are set.
	Failed   string
	ClientID string
	Scopes   []string // including those that the client's roles expand to
	Expires  time.Time
	Hash     string // hash of the body that the signature covers; empty when it covers none
}

// HawkChecker asks a Taskcluster deployment about a signed request, by its auth.authenticateHawk.
// An error means that the deployment did not answer.
type HawkChecker func(ctx context.Context, r HawkRequest) (HawkAnswer, error)

// HawkOptions configure Hawk. Nil is zero options.
type HawkOptions struct {
	// PublicURL is the address under which callers know this service. They sign its scheme, host
	// and port. Default: the request's Host, and https when the connection is TLS. X-Forwarded
	// headers are never believed here.
	PublicURL string
	// Nonces remember the signed requests that were seen. Default: in memory, which is enough for
	// one instance.
	Nonces Nonces
}

// Hawk returns an Authenticator of requests that are signed with Taskcluster's credentials,
// permanent or temporary: Authorization: Hawk …. The deployment checks the signature and says what
// the client may do. Hawk itself checks that the request was signed for this service, that it was
// not seen before, and that the signature covers the body. A body without a hash in the signature
// is refused, because anybody on the way could have changed it.
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

// publicURL parses the public address of a service: scheme, host and port, nothing else.
// "https://mozci.example:8787" and "https://mozci.example/" are accepted; a path, a query or a
// password is not.
func publicURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%w: public URL %q: expected http(s)://host[:port]", job.ErrInvalid,
			clip.Marked(redact.URL(text), 80))
	}
	return u, nil
}

// hawkDoor implements Hawk. public is nil when the requests' own Host counts.
type hawkDoor struct {
	check  HawkChecker
	public *url.URL
	nonces Nonces
}

// The bounds of the header. hawkSkew is how far a signature's time may be off, in either direction;
// Taskcluster's services use the same 15 minutes. The others are lengths in bytes.
const (
	hawkSkew     = 15 * time.Minute
	mostHawk     = 8 << 10
	mostHawkWord = 200
)

// Authenticate implements Authenticator. What costs nothing comes first: form, time, body. The
// deployment is asked once, and a nonce is only spent on a request that is right in every other
// way.
func (h *hawkDoor) Authenticate(ctx context.Context, r *http.Request, body []byte) (Caller, error) {
	if _, ok := credentials(r, "Hawk"); !ok {
		return Caller{}, ErrNoCredentials
	}
	header := r.Header.Get("Authorization")
	says, err := hawk.Parse("Hawk " + strings.TrimSpace(header[len("Hawk"):]))
	if err != nil || len(header) > mostHawk || len(says.Nonce) > mostHawkWord || len(says.ID) > mostHawkWord {
		return Caller{}, fmt.Errorf("%w: the Authorization header is not valid Hawk", ErrWrong)
	}
	if off := time.Since(says.Time); off.Abs() > hawkSkew { // before any service is called
		return Caller{}, fmt.Errorf("%w: the signature's time is off by %s; check your clock",
			ErrExpired, off.Abs().Round(time.Second))
	}
	if !strings.HasPrefix(r.RequestURI, "/") {
		return Caller{}, fmt.Errorf("%w: send a signed request with a path, not with a full address", ErrWrong)
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
		return Caller{}, fmt.Errorf("%w: the Taskcluster deployment did not answer: %w", ErrCannotCheck, err)
	case answer.Failed != "":
		return Caller{}, failed(answer.Failed)
	case answer.Hash != says.Hash:
		return Caller{}, fmt.Errorf("%w: the deployment's answer is about another body", ErrCannotCheck)
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

// failed turns the deployment's reason into an error.
func failed(why string) error {
	text := clip.Marked(strings.Join(strings.Fields(redact.Text(why)), " "), 300)
	if strings.Contains(why, "expir") {
		return fmt.Errorf("%w: %s", ErrExpired, text)
	}
	return fmt.Errorf("%w: %s", ErrWrong, text)
}

// fresh remembers a request whose signature is right; the second time it is ErrReplayed. Unsigned
// requests never get here, so they cannot fill the store.
func (h *hawkDoor) fresh(ctx context.Context, s hawk.Signature) error {
	key := fmt.Sprintf("hawk %q %d %q", s.ID, s.Time.Unix(), s.Nonce)
	// A signature is too old to be used again once its time is hawkSkew ago. One minute more allows
	// for clocks of instances that differ.
	first, err := h.nonces.Use(ctx, key, time.Until(s.Time.Add(hawkSkew))+time.Minute)
	switch {
	case err != nil:
		return fmt.Errorf("%w: cannot check whether the request was seen before: %w", ErrCannotCheck, err)
	case !first:
		return fmt.Errorf("%w: each request needs a new nonce", ErrReplayed)
	}
	return nil
}

// covered checks that the signature's hash covers the body.
func covered(r *http.Request, hash string, body []byte) error {
	switch {
	case hash == "" && len(body) == 0:
		return nil
	case hash == "":
		return fmt.Errorf("%w: the signature does not cover the body; sign it with a hash", ErrWrong)
	}
	want := hawk.PayloadHash(r.Header.Get("Content-Type"), body)
	if subtle.ConstantTimeCompare([]byte(hash), []byte(want)) != 1 {
		return fmt.Errorf("%w: the signature is for another body or Content-Type", ErrWrong)
	}
	return nil
}

// signedFor returns the host and port that a request must have been signed for. A port that an
// address leaves out is 443 with https and 80 without.
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
		return "", 0, fmt.Errorf("%w: the request's Host must be a name or an IPv4 address to be signed",
			ErrWrong)
	}
	return strings.ToLower(host), port, nil
}

// signedHost matches what the deployment accepts as a host: letters, digits, dots and dashes, at
// most 253 characters, the first and the last a letter or digit. IPv6 addresses do not match.
var signedHost = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)

// sourceKey is the key of the caller's address in a request's context.
type sourceKey struct{}

// sourceOf is the caller's address; empty when unknown, or when it is not an IP address.
func sourceOf(ctx context.Context) string {
	text, _ := ctx.Value(sourceKey{}).(string)
	if net.ParseIP(text) == nil {
		return ""
	}
	return text
}

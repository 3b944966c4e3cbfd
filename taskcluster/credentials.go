package taskcluster

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/hawk"
	"github.com/mozci/mozci/job"
)

// Credentials are what a client proves itself with. They are a value that no
// log and no error prints.
type Credentials struct {
	ClientID    string
	AccessToken string
	// Certificate is the JSON of temporary credentials; empty for permanent ones.
	Certificate string
	// AuthorizedScopes narrow what requests may do: nil for everything that the
	// client may, empty for nothing.
	AuthorizedScopes []string
}

// String shows who, and no secret.
func (c Credentials) String() string { return fmt.Sprintf("{%s REDACTED}", c.ClientID) }

// GoString shows who, and no secret.
func (c Credentials) GoString() string { return c.String() }

// LogValue shows who, and no secret.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalJSON refuses: credentials are not to be written down by accident.
func (c Credentials) MarshalJSON() ([]byte, error) {
	return nil, errors.New("taskcluster: credentials are not written as JSON")
}

// FromEnvironment reads what Taskcluster's own tools read from the environment,
// by a function such as os.Getenv: TASKCLUSTER_ROOT_URL, and
// TASKCLUSTER_CLIENT_ID with TASKCLUSTER_ACCESS_TOKEN and TASKCLUSTER_CERTIFICATE
// or, inside a task, TASKCLUSTER_PROXY_URL. What is not set is empty; half of a
// pair is an error that names the other half.
func FromEnvironment(getenv func(string) string) (rootURL string, opts Options, err error) {
	c := Credentials{
		ClientID: getenv("TASKCLUSTER_CLIENT_ID"), AccessToken: getenv("TASKCLUSTER_ACCESS_TOKEN"), Certificate: getenv("TASKCLUSTER_CERTIFICATE"),
	}
	invalid := func(format string, args ...any) error {
		return job.Wrap("taskcluster.credentials", c.ClientID, fmt.Errorf("%w: %s", job.ErrInvalid, fmt.Sprintf(format, args...)))
	}
	switch {
	case c.ClientID != "" && c.AccessToken == "":
		err = invalid("TASKCLUSTER_CLIENT_ID is set and TASKCLUSTER_ACCESS_TOKEN is not")
	case c.ClientID == "" && (c.AccessToken != "" || c.Certificate != ""):
		err = invalid("TASKCLUSTER_CLIENT_ID is not set, and its token or certificate is")
	case c.ClientID != "":
		if _, err = c.certificate(); err == nil {
			opts.Credentials = &c
		}
	}
	opts.ProxyURL = getenv("TASKCLUSTER_PROXY_URL")
	return getenv("TASKCLUSTER_ROOT_URL"), opts, err
}

// certificate is what makes credentials temporary. Times are milliseconds since
// 1970.
type certificate struct {
	Version   int      `json:"version"`
	Scopes    []string `json:"scopes"`
	Start     int64    `json:"start"`
	Expiry    int64    `json:"expiry"`
	Seed      string   `json:"seed"`
	Signature string   `json:"signature"`
	Issuer    string   `json:"issuer,omitempty"`
}

// certificate reads the certificate; nil when there is none.
func (c Credentials) certificate() (*certificate, error) {
	if c.Certificate == "" {
		return nil, nil //nolint:nilnil // permanent credentials have none
	}
	var out certificate
	if err := json.Unmarshal([]byte(c.Certificate), &out); err != nil || out.Version != 1 || out.Expiry == 0 || out.Signature == "" {
		return nil, job.Wrap("taskcluster.credentials", c.ClientID, fmt.Errorf("%w: the certificate is not the JSON of one of version 1", job.ErrInvalid))
	}
	return &out, nil
}

// longest is how long temporary credentials may last.
const longest = 31 * 24 * time.Hour

// Temporary makes temporary credentials from permanent ones, without asking a
// service. They may do what scopes say, from start until expiry, at most 31
// days. With a name they are another client's, whose ID it is: its issuer must
// have the scope auth:create-client:<name>.
func (c Credentials) Temporary(name string, scopes []string, start, expiry time.Time) (Credentials, error) {
	seed := make([]byte, 33) // 44 characters, as two slugids
	if _, err := rand.Read(seed); err != nil {
		return Credentials{}, err
	}
	return c.temporary(name, scopes, start, expiry, base64.RawURLEncoding.EncodeToString(seed))
}

func (c Credentials) temporary(name string, scopes []string, start, expiry time.Time, seed string) (Credentials, error) {
	var why string
	switch {
	case c.Certificate != "":
		why = "temporary credentials cannot make others"
	case !expiry.After(start):
		why = "they would end before they start"
	case expiry.Sub(start) > longest:
		why = "they would last longer than 31 days"
	case name == c.ClientID:
		why = "the name is the issuer's own"
	}
	if why != "" {
		return Credentials{}, job.Wrap("taskcluster.credentials", c.ClientID, fmt.Errorf("%w: %s", job.ErrInvalid, why))
	}
	cert := certificate{Version: 1, Scopes: append([]string{}, scopes...), Start: start.UnixMilli(), Expiry: expiry.UnixMilli(), Seed: seed}
	lines := []string{"version:1"}
	if name != "" {
		cert.Issuer = c.ClientID
		lines = append(lines, "clientId:"+name, "issuer:"+c.ClientID)
	}
	lines = append(lines, "seed:"+seed, fmt.Sprintf("start:%d", cert.Start), fmt.Sprintf("expiry:%d", cert.Expiry), "scopes:")
	lines = append(lines, scopes...)
	sum := func(text string) []byte {
		h := hmac.New(sha256.New, []byte(c.AccessToken))
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	cert.Signature = base64.StdEncoding.EncodeToString(sum(strings.Join(lines, "\n")))
	text, err := plainJSON(cert)
	return Credentials{
		ClientID: cmp.Or(name, c.ClientID), AccessToken: base64.RawURLEncoding.EncodeToString(sum(seed)),
		Certificate: string(text), AuthorizedScopes: c.AuthorizedScopes,
	}, err
}

// plainJSON is JSON without the escapes that are for HTML.
func plainJSON(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSpace(out.Bytes()), err
}

// ext is what a signature carries besides: the certificate and the narrowing.
func (c Credentials) ext() (string, error) {
	if c.Certificate == "" && c.AuthorizedScopes == nil {
		return "", nil
	}
	var out struct {
		Certificate      json.RawMessage `json:"certificate,omitempty"`
		AuthorizedScopes *[]string       `json:"authorizedScopes,omitempty"`
	}
	out.Certificate = json.RawMessage(c.Certificate)
	if c.AuthorizedScopes != nil {
		out.AuthorizedScopes = &c.AuthorizedScopes
	}
	text, err := plainJSON(out)
	return base64.StdEncoding.EncodeToString(text), err
}

// expired is credentials whose time has not come, or is over. Asking again does
// not help.
type expired struct{ error }

func (expired) Permanent() bool { return true }
func (e expired) Unwrap() error { return e.error }

// check looks at the certificate before a service does: its message would be
// about a signature.
func (c Credentials) check(now time.Time) error {
	cert, err := c.certificate()
	if err != nil {
		return expired{err}
	}
	if cert == nil {
		return nil
	}
	// Five minutes either way are what the service allows for clocks.
	if end := time.UnixMilli(cert.Expiry).UTC(); now.After(end) {
		return expired{fmt.Errorf("%w: the temporary credentials of %s expired at %s", job.ErrDenied, c.ClientID, end.Format(time.RFC3339))}
	}
	if start := time.UnixMilli(cert.Start).UTC(); now.Add(5 * time.Minute).Before(start) {
		return expired{fmt.Errorf("%w: the temporary credentials of %s begin at %s", job.ErrDenied, c.ClientID, start.Format(time.RFC3339))}
	}
	return nil
}

func (c Credentials) key() hawk.Key { return hawk.Key{ID: c.ClientID, Secret: c.AccessToken} }

// Sign sets the Authorization header of a request.
func (c Credentials) Sign(r *http.Request) error {
	now := time.Now()
	if err := c.check(now); err != nil {
		return err
	}
	ext, err := c.ext()
	if err != nil {
		return err
	}
	header, err := c.key().Header(hawk.Signed{Method: r.Method, URL: r.URL, Time: now, Nonce: hawk.NewNonce(), Ext: ext})
	if err != nil {
		return expired{fmt.Errorf("%w: %w", job.ErrInvalid, err)}
	}
	r.Header.Set("Authorization", header)
	return nil
}

// SignURL returns the URL with a bewit: whoever has it can GET it until it
// expires, with the scopes of these credentials. It is a secret.
func (c Credentials) SignURL(rawURL string, expires time.Time) (string, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" {
		return "", job.Wrap("taskcluster.credentials", c.ClientID, fmt.Errorf("%w: the URL to sign is not one", job.ErrInvalid))
	}
	if err := c.check(time.Now()); err != nil {
		return "", job.Wrap("taskcluster.credentials", c.ClientID, err)
	}
	ext, err := c.ext()
	if err != nil {
		return "", err
	}
	bewit := c.key().Bewit(u, expires, ext)
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += "bewit=" + bewit
	return u.String(), nil
}

package taskcluster

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	v2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/internal/hawk"
	"github.com/mozci/mozci/job"
)

// Credentials prove to a deployment who the client is. Printing, logging or encoding them
// never shows the secret. Leave AuthorizedScopes nil unless requests should be able to do
// less than the client may.
type Credentials struct {
	ClientID    string
	AccessToken string
	// Certificate is the JSON of temporary credentials; empty for permanent ones.
	Certificate string
	// AuthorizedScopes limit what requests may do. Nil means everything that the client
	// may; an empty list means nothing.
	AuthorizedScopes []string
}

// String shows the client's id and no secret.
func (c Credentials) String() string { return fmt.Sprintf("{%s REDACTED}", c.ClientID) }

// GoString shows the client's id and no secret.
func (c Credentials) GoString() string { return c.String() }

// LogValue shows the client's id and no secret.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalJSON always fails, so that credentials are never written down by accident.
func (c Credentials) MarshalJSON() ([]byte, error) {
	return nil, errors.New("taskcluster: credentials are not written as JSON")
}

// FromEnvironment reads the variables that Taskcluster's own tools read, with a function such
// as os.Getenv: TASKCLUSTER_ROOT_URL, and either TASKCLUSTER_CLIENT_ID with
// TASKCLUSTER_ACCESS_TOKEN and perhaps TASKCLUSTER_CERTIFICATE or, inside a task,
// TASKCLUSTER_PROXY_URL. What is not set stays empty. When only one of id and token is set,
// the error names the missing one.
func FromEnvironment(getenv func(string) string) (rootURL string, opts Options, err error) {
	c := Credentials{
		ClientID:    getenv("TASKCLUSTER_CLIENT_ID"),
		AccessToken: getenv("TASKCLUSTER_ACCESS_TOKEN"),
		Certificate: getenv("TASKCLUSTER_CERTIFICATE"),
	}
	invalid := func(format string, args ...any) error {
		err := fmt.Errorf("%w: %s", job.ErrInvalid, fmt.Sprintf(format, args...))
		return job.Wrap("taskcluster.credentials", c.ClientID, err)
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

// certificate is the part that mozci reads of the certificate that comes with temporary
// credentials. Start and Expiry are milliseconds since 1970.
//
//	{"version": 1, "start": 1767571200000, "expiry": 1767657600000, "seed": "…", "signature": "…", …}
type certificate struct {
	Version   int    `json:"version"`
	Start     int64  `json:"start"`
	Expiry    int64  `json:"expiry"`
	Signature string `json:"signature"`
}

// certificate reads the certificate; nil when the credentials are permanent.
func (c Credentials) certificate() (*certificate, error) {
	if c.Certificate == "" {
		return nil, nil //nolint:nilnil // permanent credentials have none
	}
	var out certificate
	err := v2.Unmarshal([]byte(c.Certificate), &out)
	if err != nil || out.Version != 1 || out.Expiry == 0 || out.Signature == "" {
		return nil, job.Wrap("taskcluster.credentials", c.ClientID,
			fmt.Errorf("%w: the certificate is not JSON of a certificate of version 1", job.ErrInvalid))
	}
	return &out, nil
}

// Expires is when temporary credentials expire; the zero time for permanent ones. A
// certificate that cannot be read is job.ErrInvalid.
func (c Credentials) Expires() (time.Time, error) {
	cert, err := c.certificate()
	if cert == nil {
		return time.Time{}, err
	}
	return time.UnixMilli(cert.Expiry).UTC(), nil
}

// ext is the "ext" part of a Hawk header: the certificate and AuthorizedScopes, as base64 of
// JSON; empty when there is neither. Taskcluster's auth service defines this form. For
// AuthorizedScopes of [] and no certificate it is "eyJhdXRob3JpemVkU2NvcGVzIjpbXX0=", which is
// {"authorizedScopes":[]}.
func (c Credentials) ext() (string, error) {
	if c.Certificate == "" && c.AuthorizedScopes == nil {
		return "", nil
	}
	var out struct {
		Certificate      jsontext.Value `json:"certificate,omitzero"`
		AuthorizedScopes []string       `json:"authorizedScopes,omitzero"` // [] is written: no scopes
	}
	if c.Certificate != "" {
		out.Certificate = jsontext.Value(c.Certificate)
	}
	out.AuthorizedScopes = c.AuthorizedScopes
	text, err := plainJSON(out)
	return base64.StdEncoding.EncodeToString(text), err
}

// expired is an error of credentials that cannot be used: not valid yet, not valid any more,
// or not readable. Permanent tells package rest not to try again.
type expired struct{ error }

func (expired) Permanent() bool { return true }
func (e expired) Unwrap() error { return e.error }

// check looks at the certificate before the service does, whose message would blame the
// signature instead of the dates. A certificate from 12:00 to 13:00 is used from 11:55 to 13:00,
// both included.
func (c Credentials) check(now time.Time) error {
	cert, err := c.certificate()
	if err != nil {
		return expired{err}
	}
	if cert == nil {
		return nil
	}
	if end := time.UnixMilli(cert.Expiry).UTC(); now.After(end) {
		return expired{fmt.Errorf("%w: the temporary credentials of %s expired at %s",
			job.ErrDenied, c.ClientID, end.Format(time.RFC3339))}
	}
	// The service allows for clocks that differ by 5 minutes: fresh credentials must not be
	// refused because this machine's clock is a little behind.
	if start := time.UnixMilli(cert.Start).UTC(); now.Add(5 * time.Minute).Before(start) {
		return expired{fmt.Errorf("%w: the temporary credentials of %s are not valid before %s",
			job.ErrDenied, c.ClientID, start.Format(time.RFC3339))}
	}
	return nil
}

// sign sets the Authorization header of a request. Each call makes a new nonce and time, so a
// request that is tried again must be signed again.
func (c Credentials) sign(r *http.Request) error {
	now := time.Now()
	if err := c.check(now); err != nil {
		return err
	}
	ext, err := c.ext()
	if err != nil {
		return err
	}
	key := hawk.Key{ID: c.ClientID, Secret: c.AccessToken}
	header, err := key.Header(hawk.Signed{Method: r.Method, URL: r.URL, Time: now, Nonce: hawk.NewNonce(), Ext: ext})
	if err != nil {
		return expired{fmt.Errorf("%w: %w", job.ErrInvalid, err)}
	}
	r.Header.Set("Authorization", header)
	return nil
}

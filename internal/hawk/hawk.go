// Package hawk signs HTTP requests and URLs with Hawk, as Taskcluster expects it, and checks
// such signatures. It implements version 1 of https://github.com/mozilla/hawk with SHA-256.
//
// Start with [Key.Header], the value of an Authorization header, or with [Key.Bewit], the
// parameter of a signed URL:
//
//	key := hawk.Key{ID: "me", Secret: secret}
//	auth, err := key.Header(hawk.Signed{
//		Method: req.Method, URL: req.URL, Time: time.Now(), Nonce: hawk.NewNonce(),
//	})
//	req.Header.Set("Authorization", auth) // Hawk id="me", ts="1353832234", nonce="…", mac="…"
//
// The caller passes the time and the nonce, so signatures are reproducible in tests. The
// package has no state.
package hawk

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Key is a secret, and the ID by which the server knows it.
type Key struct {
	ID     string
	Secret string
}

// String hides the secret.
func (k Key) String() string { return fmt.Sprintf("{%s REDACTED}", k.ID) }

// GoString hides the secret.
func (k Key) GoString() string { return k.String() }

// Signed is what a signature covers.
type Signed struct {
	Method string
	URL    *url.URL  // with the host; the path and the query are signed as they are sent
	Time   time.Time // in whole seconds; fractions are dropped
	Nonce  string    // from NewNonce
	Hash   string    // the body's PayloadHash; empty when the signature does not cover the body
	Ext    string    // the application's own data, which the signature covers; may be empty
}

// NewNonce returns 12 random characters, about 60 bits, to tell a request from all others.
func NewNonce() string { return rand.Text()[:12] }

// PayloadHash is the hash of a body and its content type: base64 of SHA-256. Parameters of
// the type, such as the charset, do not count. The hash covers these lines, each with a line
// break at its end:
//
//	hawk.1.payload
//	application/json
//	{"a":1}
func PayloadHash(contentType string, body []byte) string {
	kind, _, _ := strings.Cut(contentType, ";")
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "hawk.1.payload\n%s\n%s\n", strings.ToLower(strings.TrimSpace(kind)), body)
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// MAC is the signature of a request: base64 of HMAC-SHA-256.
func (k Key) MAC(r Signed) string {
	return k.mac("header", r.Time.Unix(), r.Nonce, strings.ToUpper(r.Method), r.URL, r.Hash, r.Ext)
}

// mac is base64 of the HMAC of these lines, each with a line break at its end; a line whose
// value is missing is empty:
//
//	hawk.1.header            the kind, "header" or "bewit"
//	1353832234               seconds since 1970
//	j4h3g2                   the nonce
//	GET
//	/resource/1?b=1&a=2      path and query as they are sent
//	example.com              in lower case
//	8000                     the port, 80 or 443 where the URL has none
//	                         the body's hash
//	some-app-data            ext, with backslashes and line breaks escaped
func (k Key) mac(kind string, unix int64, nonce, method string, u *url.URL, hash, ext string) string {
	host, port := hostPort(u)
	ext = strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(ext)
	h := hmac.New(sha256.New, []byte(k.Secret))
	_, _ = fmt.Fprintf(h, "hawk.1.%s\n%d\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n", kind, unix, nonce, method, u.RequestURI(),
		host, port, hash, ext)
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// hostPort is the host and the port as Hawk signs them: an IPv6 address in brackets, and the
// port of the scheme where the URL has none.
func hostPort(u *url.URL) (host, port string) {
	host, port = strings.ToLower(u.Hostname()), u.Port()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port == "" {
		port = "80"
		if u.Scheme == "https" {
			port = "443"
		}
	}
	return host, port
}

// Header is the value of the request's Authorization header. A value that cannot be written
// there, because it is empty or has a quote, a backslash or a line break, is an error.
func (k Key) Header(r Signed) (string, error) {
	var out strings.Builder
	out.WriteString("Hawk ")
	for i, a := range []struct{ name, value string }{
		{"id", k.ID},
		{"ts", strconv.FormatInt(r.Time.Unix(), 10)},
		{"nonce", r.Nonce},
		{"hash", r.Hash},
		{"ext", r.Ext},
		{"mac", k.MAC(r)},
	} {
		if a.value == "" && (a.name == "hash" || a.name == "ext") {
			continue
		}
		if a.value == "" || strings.ContainsAny(a.value, "\"\\\r\n") {
			return "", fmt.Errorf("hawk: %s is empty or holds a quote, a backslash or a line break", a.name)
		}
		if i > 0 {
			out.WriteString(", ")
		}
		out.WriteString(a.name + `="` + a.value + `"`)
	}
	return out.String(), nil
}

// The errors of Parse and Check.
var (
	// ErrMalformed: the header is not a valid one of Hawk.
	ErrMalformed = errors.New("hawk: not an Authorization header of Hawk")
	// ErrMAC: the signature is not that of this request and key.
	ErrMAC = errors.New("hawk: bad mac")
	// ErrStale: the signature is too old, or comes from the future.
	ErrStale = errors.New("hawk: stale timestamp")
)

// Signature is a parsed Authorization header. Nothing of it is verified before Check.
type Signature struct {
	ID, Nonce, Hash, Ext, MAC string
	Time                      time.Time
}

// attribute matches one name="value" at the beginning of a text, and the comma after it.
var attribute = regexp.MustCompile(`^\s*(id|ts|nonce|hash|ext|mac)="([^"\\]*)"\s*(?:,|$)`)

// Parse reads the value of an Authorization header. Another scheme, an unknown or repeated
// attribute, and a missing id, ts, nonce or mac give ErrMalformed.
func Parse(header string) (Signature, error) {
	rest, ok := strings.CutPrefix(header, "Hawk ")
	if !ok {
		return Signature{}, ErrMalformed
	}
	has := map[string]string{}
	for rest != "" {
		m := attribute.FindStringSubmatch(rest)
		if m == nil {
			return Signature{}, ErrMalformed
		}
		if _, twice := has[m[1]]; twice {
			return Signature{}, ErrMalformed
		}
		has[m[1]] = m[2]
		rest = rest[len(m[0]):]
	}
	ts, err := strconv.ParseInt(has["ts"], 10, 64)
	if err != nil || has["id"] == "" || has["nonce"] == "" || has["mac"] == "" {
		return Signature{}, ErrMalformed
	}
	return Signature{has["id"], has["nonce"], has["hash"], has["ext"], has["mac"], time.Unix(ts, 0)}, nil
}

// Check checks the signature of a request that a server received: its MAC, and that its time
// is at most skew before or after now. The caller must compare s.Hash with the PayloadHash of
// the body, and must refuse a nonce that it has seen before.
func (k Key) Check(s Signature, method string, u *url.URL, now time.Time, skew time.Duration) error {
	want := k.MAC(Signed{Method: method, URL: u, Time: s.Time, Nonce: s.Nonce, Hash: s.Hash, Ext: s.Ext})
	if s.ID != k.ID || subtle.ConstantTimeCompare([]byte(want), []byte(s.MAC)) != 1 {
		return ErrMAC
	}
	if d := now.Sub(s.Time); d > skew || d < -skew {
		return ErrStale
	}
	return nil
}

// Bewit is the value of the parameter "bewit". Everybody who has the URL with this parameter
// can GET it until it expires. u is the URL without a bewit. The value is base64, for URLs
// and without padding, of ID\EXPIRES\MAC\EXT.
func (k Key) Bewit(u *url.URL, expires time.Time, ext string) string {
	mac := k.mac("bewit", expires.Unix(), "", http.MethodGet, u, "", ext)
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `%s\%d\%s\%s`, k.ID, expires.Unix(), mac, ext))
}

// Package hawk signs HTTP requests and URLs with Hawk, as Taskcluster expects
// it (https://github.com/mozilla/hawk, its API of version 1, SHA-256 only), and
// checks such signatures.
//
// Start with [Key.Header], the value of an Authorization header, or with
// [Key.Bewit], the parameter of a signed URL. Time and nonce are parameters.
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

// Key is a secret and the name by which the server knows it.
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
	URL    *url.URL // with the host; the path and the query are signed as they are sent
	Time   time.Time
	Nonce  string // of NewNonce
	Hash   string // of the body, by PayloadHash; empty for one that is not covered
	Ext    string // the application's own; covered
}

// NewNonce returns a value that no other request has.
func NewNonce() string { return rand.Text()[:12] }

// PayloadHash is the hash of a body of this type: base64 of SHA-256. Parameters
// of the type, such as its charset, do not count.
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

func (k Key) mac(kind string, unix int64, nonce, method string, u *url.URL, hash, ext string) string {
	host, port := hostPort(u)
	ext = strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(ext)
	h := hmac.New(sha256.New, []byte(k.Secret))
	_, _ = fmt.Fprintf(h, "hawk.1.%s\n%d\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n", kind, unix, nonce, method, u.RequestURI(),
		host, port, hash, ext)
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

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

// Header is the value of the request's Authorization header. It is an error
// when a value cannot be written into a header.
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

// Errors of Check.
var (
	// ErrMalformed: the header is not one of Hawk.
	ErrMalformed = errors.New("hawk: not an Authorization header of Hawk")
	// ErrMAC: the signature is not that of this request and key.
	ErrMAC = errors.New("hawk: bad mac")
	// ErrStale: the signature is too old, or comes from the future.
	ErrStale = errors.New("hawk: stale timestamp")
)

// Signature is what an Authorization header says.
type Signature struct {
	ID, Nonce, Hash, Ext, MAC string
	Time                      time.Time
}

var attribute = regexp.MustCompile(`^\s*(id|ts|nonce|hash|ext|mac)="([^"\\]*)"\s*(?:,|$)`)

// Parse reads the value of an Authorization header; other values give
// ErrMalformed.
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

// Check checks a signature of a request that a server got: its MAC, and that
// its time is within skew of now. A hash in it must be compared with that of
// the body by the caller.
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

// Bewit is the value of the parameter "bewit" that lets whoever has the URL GET
// it until it expires. The URL is one without a bewit.
func (k Key) Bewit(u *url.URL, expires time.Time, ext string) string {
	mac := k.mac("bewit", expires.Unix(), "", http.MethodGet, u, "", ext)
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `%s\%d\%s\%s`, k.ID, expires.Unix(), mac, ext))
}

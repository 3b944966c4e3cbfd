package cassette

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	vcr "gopkg.in/dnaeon/go-vcr.v3/cassette"
)

// scrubber removes secrets, and remembers them to remove them everywhere. It is safe for
// concurrent use.
type scrubber struct {
	mu       sync.Mutex
	secrets  map[string]bool
	replacer *strings.Replacer // of all secrets; nil when one was added since it was made
}

func newScrubber() *scrubber { return &scrubber{secrets: map[string]bool{}} }

// redacted stands where a secret was.
const redacted = "REDACTED"

// keptHeaders are the headers that matter when a cassette is played back. All others are
// dropped, since any header can identify or authorise somebody.
var keptHeaders = []string{
	"Accept", "Content-Encoding", "Content-Type", "Etag", "If-None-Match", "If-Modified-Since", "Last-Modified", "Link",
	"Location", "Retry-After", "Set-Cookie", "Www-Authenticate", "X-Taskcluster-Artifact-Storage-Type",
}

// all are the exchanges without secrets. It goes through them twice: the first time it learns
// the secrets by their names, the second time it removes their values everywhere, since a
// secret of one exchange may come again in any other, before or after it.
func (s *scrubber) all(exchanges []*vcr.Interaction) []*vcr.Interaction {
	var out []*vcr.Interaction
	for _, i := range exchanges {
		out = append(out, s.exchange(i))
	}
	for _, i := range out {
		s.forgetIn(i)
	}
	return out
}

// exchange copies an exchange without the secrets that names show. go-vcr shares its maps with
// the live request, so they must not be changed.
func (s *scrubber) exchange(live *vcr.Interaction) *vcr.Interaction {
	i := *live
	req, res := &i.Request, &i.Response
	req.URL = s.url(req.URL)
	req.Headers = s.headers(req.Headers, keptHeaders)
	req.RequestURI, req.RemoteAddr, req.Form, req.Trailer = "", "", nil, nil
	req.Body = s.unpacked(req.Body)
	res.Headers = s.headers(res.Headers, keptHeaders)
	res.Trailer = nil
	res.Status = s.text(res.Status)
	res.Body = s.unpacked(res.Body)
	res.Duration = 0
	return &i
}

// forgetIn removes the values of all learned secrets from an exchange.
func (s *scrubber) forgetIn(i *vcr.Interaction) {
	for _, text := range []*string{&i.Request.URL, &i.Request.Host, &i.Response.Status} {
		*text = s.forget(*text)
	}
	for _, h := range []http.Header{i.Request.Headers, i.Response.Headers} {
		for _, values := range h {
			for n := range values {
				values[n] = s.forget(values[n])
			}
		}
	}
	i.Request.Body = repacked(i.Request.Body, s.forget)
	i.Response.Body = repacked(i.Response.Body, s.forget)
	i.Response.ContentLength = int64(len(i.Response.Body))
}

// headers returns the headers named in kept, without secrets. It learns the secrets of all
// headers.
func (s *scrubber) headers(h http.Header, kept []string) http.Header {
	out := http.Header{}
	for k, values := range h {
		name := http.CanonicalHeaderKey(k)
		for _, v := range values {
			clean := s.header(name, v)
			if slices.Contains(kept, name) {
				out[name] = append(out[name], clean)
			}
		}
	}
	return out
}

func (s *scrubber) header(name, value string) string {
	switch {
	case name == "Set-Cookie":
		return s.setCookie(value)
	case name == "Cookie":
		for pair := range strings.SplitSeq(value, ";") {
			_, v, _ := strings.Cut(pair, "=")
			s.redact(v)
		}
		return redacted
	case strings.HasSuffix(name, "Authorization"):
		return s.authorization(value)
	case name == "Location":
		return s.location(value)
	case secretName(name):
		return s.redact(value)
	}
	return s.text(value)
}

// unreadable replaces a Location that is not a valid URL. It is invalid too, so that playing
// back gives the same error.
const unreadable = "%zz(a URL that cannot be read)"

// location is the address that a redirect leads to, without secrets. When it is not a valid
// URL, its secrets cannot be told from the rest, so all of it is replaced.
func (s *scrubber) location(value string) string {
	if _, err := url.Parse(value); err == nil {
		return s.text(s.url(value))
	}
	s.text(value) // for the secrets that this learns
	if at := strings.LastIndex(value, "@"); at >= 0 {
		_, user, _ := strings.Cut(value[:at], "://")
		_, password, _ := strings.Cut(user, ":")
		s.redact(password)
	}
	return unreadable
}

// setCookie keeps the name and attributes of a cookie and removes its value. A client may
// depend on whether the cookie was set.
func (s *scrubber) setCookie(value string) string {
	pair, attributes, more := strings.Cut(value, ";")
	name, v, ok := strings.Cut(pair, "=")
	if !ok {
		return s.redact(value)
	}
	s.redact(v)
	if more {
		attributes = ";" + attributes
	}
	return name + "=" + redacted + attributes
}

// authorization learns the secrets in a header of credentials: the whole value, the password
// of Basic, the token of Bearer, and the values of Hawk and Digest that are not names.
func (s *scrubber) authorization(value string) string {
	s.redact(value)
	scheme, rest, _ := strings.Cut(strings.TrimSpace(value), " ")
	rest = strings.TrimSpace(rest)
	if !strings.EqualFold(scheme, "Hawk") && !strings.EqualFold(scheme, "Digest") {
		s.redact(rest)
	}
	r := &http.Request{Header: http.Header{"Authorization": {value}}}
	if user, password, ok := r.BasicAuth(); ok {
		s.redact(password)
		if password == "" {
			s.redact(user)
		}
	}
	for pair := range strings.SplitSeq(rest, ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(pair), "=")
		switch strings.ToLower(k) {
		case "mac", "hash", "ext", "nonce", "response", "cnonce", "signature":
			s.redact(strings.Trim(v, `"`))
		}
	}
	return redacted
}

// unpacked is a body without secrets, whether it is compressed by gzip or not.
func (s *scrubber) unpacked(body string) string { return repacked(body, s.body) }

// repacked applies a change to a body, or to the content of one that is compressed by gzip. A
// compressed body that breaks off still breaks off after the change, since that may be what
// the recording shows; whatever could not be decompressed is dropped, as it was not searched
// for secrets.
func repacked(body string, change func(string) string) string {
	if !strings.HasPrefix(body, "\x1f\x8b") {
		return change(body)
	}
	plain, err := gunzip(body)
	clean := change(plain)
	switch {
	case err == nil && clean == plain:
		return body
	case err != nil && plain == "":
		return change(body)
	}
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, werr := io.WriteString(z, clean)
	if werr = errors.Join(werr, z.Close()); werr != nil {
		return redacted // cannot happen: writing to a buffer does not fail
	}
	if err != nil { // cut off gzip's last 8 bytes, the checksum and the length
		out.Truncate(out.Len() - 8)
	}
	return out.String()
}

// mostUnpacked is the maximum size of the content of a compressed body, in bytes.
const mostUnpacked = 256 << 20

// gunzip decompresses a text. With an error it returns as much as could be decompressed.
func gunzip(packed string) (string, error) {
	z, err := gzip.NewReader(strings.NewReader(packed))
	if err != nil {
		return "", err
	}
	plain, err := io.ReadAll(io.LimitReader(z, mostUnpacked+1))
	if err == nil && len(plain) > mostUnpacked {
		return string(plain[:mostUnpacked]), errors.New("too large")
	}
	return string(plain), err
}

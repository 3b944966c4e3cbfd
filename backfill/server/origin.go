package server

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/job"
)

// What a browser may do here in the name of another site. Three rules, each in its own function:
// calledRight refuses host names that are not the service's, answer says which sites may read
// (CORS), and mayAct which may act. A program that is no browser passes all three, and needs
// credentials like everybody.

// origins says which sites' pages may call the service, and under which host names it answers.
// listed and hosts are in lower case. hosts has names with and without a port; empty, every name is
// accepted. cross finds out whether a page of another site sent a request.
type origins struct {
	listed []string
	any    bool // every site may read what is open
	hosts  []string
	cross  *http.CrossOriginProtection
}

// newOrigins checks the lists. An origin is a scheme and a host, without a path:
// "https://a.example" but not "https://a.example/". public is nil when it is not known.
func newOrigins(listed, hosts []string, public *url.URL) (*origins, error) {
	o := &origins{cross: http.NewCrossOriginProtection()}
	for _, l := range listed {
		if l == "*" {
			o.any = true
			continue
		}
		u, err := url.Parse(l)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" ||
			!strings.EqualFold(l, u.Scheme+"://"+u.Host) {
			return nil, fmt.Errorf("%w: %q is not an origin; expected http(s)://host[:port]", job.ErrInvalid,
				clip.Marked(l, 80))
		}
		o.listed = append(o.listed, strings.ToLower(l))
	}
	for _, h := range hosts {
		if hostname(h) == "" || strings.ContainsAny(h, "/@ ") {
			return nil, fmt.Errorf("%w: %q is not a host; expected name[:port]", job.ErrInvalid, clip.Marked(h, 80))
		}
		o.hosts = append(o.hosts, strings.ToLower(h))
	}
	if public != nil {
		o.hosts = append(o.hosts, strings.ToLower(public.Host), strings.ToLower(hostname(public.Host)))
		// A proxy may change the Host header, and then the service's own pages would look foreign.
		if err := o.cross.AddTrustedOrigin(strings.ToLower(public.Scheme + "://" + public.Host)); err != nil {
			return nil, fmt.Errorf("%w: public URL: %w", job.ErrInvalid, err)
		}
	}
	return o, nil
}

// hostname is a host name in lower case, without its port and without the final dot that a fully
// qualified name may have.
//
//	Mozci.Example.org.:8787 → mozci.example.org
//	[::1]:80                → ::1
func hostname(host string) string {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	return strings.TrimSuffix(strings.ToLower(name), ".")
}

// calledRight reports whether the request's Host is one of the service's names. This stops DNS
// rebinding: a foreign site can point its own name at this machine, but its pages then call the
// service by that name.
//
//	listed                     accepted                not accepted
//	mozci.example              mozci.example:8787      evil.example
//	127.0.0.1:8787             127.0.0.1:8787          127.0.0.1:80
func (o *origins) calledRight(host string) bool {
	if len(o.hosts) == 0 {
		return true
	}
	host = strings.ToLower(host)
	return slices.Contains(o.hosts, host) || slices.ContainsFunc(o.hosts, func(h string) bool {
		_, _, err := net.SplitHostPort(h)
		return err != nil && hostname(h) == hostname(host) // a name that is listed without a port stands for every port
	})
}

// answer sets the CORS headers that let another site's page read the answer. asks is true for a
// preflight (OPTIONS), in which a browser asks what the page may send; may says whether the page
// may. Cookies are never shared with another site, as nothing here sets
// Access-Control-Allow-Credentials.
//
// A listed site is named in the answer and may send POST with credentials of its own. With "*" any
// site may read, and what it may read is what everybody may. For the others the headers are
// missing, and the browser keeps the answer from the page.
func (o *origins) answer(h http.Header, r *http.Request) (asks, may bool) {
	if o.any || len(o.listed) > 0 {
		// A cache must not give one site the answer for another.
		h.Add("Vary", "Origin")
	}
	wants := r.Header.Get("Access-Control-Request-Method")
	if asks = r.Method == http.MethodOptions && wants != ""; asks {
		h.Add("Vary", "Access-Control-Request-Method")
		h.Add("Vary", "Access-Control-Request-Headers")
	} else {
		wants = r.Method
	}
	origin, methods := r.Header.Get("Origin"), "GET, HEAD"
	switch {
	case slices.Contains(o.listed, strings.ToLower(origin)):
		h.Set("Access-Control-Allow-Origin", origin)
		methods += ", POST"
	case o.any && origin != "" && safe(wants):
		h.Set("Access-Control-Allow-Origin", "*")
	default:
		return asks, false
	}
	if !asks {
		h.Set("Access-Control-Expose-Headers", "Location, Retry-After")
		return false, true
	}
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID")
	h.Set("Access-Control-Max-Age", "600")
	return true, true
}

// mayAct reports whether a request may act, judging by the page that sent it. Allowed are pages of
// this service, requests that no page sent, and pages of a listed site that send an Authorization
// header, which no browser adds by itself. Only pages of this service may sign in or out.
//
//	page of this service                           → may
//	curl, without Origin and Sec-Fetch-Site        → may
//	listed site, Authorization header              → may, but not sign in
//	listed site, only a cookie                     → may not
//	any other site                                 → may not
func (o *origins) mayAct(r *http.Request, signing bool) bool {
	if o.cross.Check(r) == nil {
		return true
	}
	return !signing && r.Header.Get("Authorization") != "" &&
		slices.Contains(o.listed, strings.ToLower(r.Header.Get("Origin")))
}

// LoopbackHosts returns the values of DoorOptions.Hosts for a service that listens on listen, which
// is host:port. For a loopback address these are the names of this machine, so that no site can
// reach the service through a name of its own that points here. For any other address it returns
// none, and every name is accepted.
//
//	127.0.0.1:8787 → localhost:8787, 127.0.0.1:8787, [::1]:8787
//	0.0.0.0:8787   → none
func LoopbackHosts(listen string) []string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || !loopbackName(host) {
		return nil
	}
	var out []string
	for _, name := range []string{"localhost", "127.0.0.1", "::1", host} {
		if h := net.JoinHostPort(name, port); !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	if port == "80" { // browsers leave the default port out
		out = append(out, "localhost", "127.0.0.1", "[::1]")
	}
	return out
}

// loopbackName reports whether a name or address always means this machine. 127.0.0.2, ::1 and
// app.localhost do; localhost.example does not.
func loopbackName(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// policy is the Content-Security-Policy of every answer: pages load and send only what belongs to
// this service, and no site can frame them.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// headers sets the headers that every answer has.
func headers(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	// Addresses of pages may contain a job's link and a test: other sites do not see them.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}

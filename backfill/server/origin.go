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

// origins are the sites whose pages may call, and the names by which the service may be
// called.
type origins struct {
	listed []string
	any    bool // every site may read
	hosts  []string
	cross  *http.CrossOriginProtection
}

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
			return nil, fmt.Errorf("%w: origin %q: expected http(s)://host[:port]", job.ErrInvalid, clip.Marked(l, 80))
		}
		o.listed = append(o.listed, strings.ToLower(l))
	}
	for _, h := range hosts {
		if hostname(h) == "" || strings.ContainsAny(h, "/@ ") {
			return nil, fmt.Errorf("%w: host %q: expected name[:port]", job.ErrInvalid, clip.Marked(h, 80))
		}
		o.hosts = append(o.hosts, strings.ToLower(h))
	}
	if public != nil {
		o.hosts = append(o.hosts, strings.ToLower(public.Host), strings.ToLower(hostname(public.Host)))
		// Behind a proxy that changes Host the service's own pages would look foreign.
		if err := o.cross.AddTrustedOrigin(strings.ToLower(public.Scheme + "://" + public.Host)); err != nil {
			return nil, fmt.Errorf("%w: public URL: %w", job.ErrInvalid, err)
		}
	}
	return o, nil
}

// hostname is a host without its port, in lower case and without the dot of the root.
func hostname(host string) string {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	return strings.TrimSuffix(strings.ToLower(name), ".")
}

// calledRight reports whether the service may be called by the name in Host. A page whose
// site's name was made to point here, at this machine, calls by its own.
func (o *origins) calledRight(host string) bool {
	if len(o.hosts) == 0 {
		return true
	}
	host = strings.ToLower(host)
	return slices.Contains(o.hosts, host) || slices.ContainsFunc(o.hosts, func(h string) bool {
		_, _, err := net.SplitHostPort(h)
		return err != nil && hostname(h) == hostname(host) // listed without a port
	})
}

// answer says in the header whether the page that a request comes from may read what is
// answered. Cookies are never shared with another site: nothing allows credentials. asks
// is true of a browser that asks what the page may send, and may of one that may.
func (o *origins) answer(h http.Header, r *http.Request) (asks, may bool) {
	if o.any || len(o.listed) > 0 {
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

// mayAct reports whether a request that acts may, as far as the page goes that it comes
// from: one of this service, none, or one of a listed site that shows credentials of its
// own, which no browser adds by itself. Signing in and out is for pages of this service.
func (o *origins) mayAct(r *http.Request, signing bool) bool {
	if o.cross.Check(r) == nil {
		return true
	}
	return !signing && r.Header.Get("Authorization") != "" &&
		slices.Contains(o.listed, strings.ToLower(r.Header.Get("Origin")))
}

// LoopbackHosts are the names by which a service may be called that listens on this
// address, host:port, for DoorOptions.Hosts: those of this machine where it listens on
// loopback alone, so that no site can have its pages call it by the site's own name; none
// elsewhere.
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
	if port == "80" { // then it is left out
		out = append(out, "localhost", "127.0.0.1", "[::1]")
	}
	return out
}

// loopbackName reports whether a name or an address means this machine alone.
func loopbackName(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// policy is what a page may load and do: what comes from this service, and no more.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// headers sets what every answer has.
func headers(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}

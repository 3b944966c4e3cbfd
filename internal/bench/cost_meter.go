package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// meter stands in front of a service. It counts the requests, and the bytes on the wire: first
// lines, headers and bodies, compressed if the service compresses them. It does not see the few
// headers that net/http adds by itself.
type meter struct {
	name string // the service
	next http.Handler

	mu  sync.Mutex
	log []exchange
}

// exchange is one request and its answer.
type exchange struct {
	question string // equal for equal requests
	shape    string // equal for requests of one kind; see shapeOf
	bytes    int
}

// ServeHTTP implements http.Handler.
func (m *meter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	first := r.Method + " " + r.URL.RequestURI()
	e := exchange{
		question: fmt.Sprintf("%s %s %x", m.name, first, sha256.Sum256(body)),
		shape:    fmt.Sprintf("%s %s %s", m.name, r.Method, shapeOf(r.URL)),
		bytes:    len(first+" HTTP/1.1\r\n\r\n") + len(body) + headed(r.Header),
	}
	c := &countedAnswer{ResponseWriter: w}
	m.next.ServeHTTP(c, r)
	e.bytes += len("HTTP/1.1 200 OK\r\n\r\n") + headed(w.Header()) + c.bytes
	m.mu.Lock()
	defer m.mu.Unlock()
	m.log = append(m.log, e)
}

// headed is the size of headers in bytes.
func headed(h http.Header) int {
	var b bytes.Buffer
	_ = h.Write(&b) // a bytes.Buffer takes everything
	return b.Len()
}

// countedAnswer counts the bytes of a body.
type countedAnswer struct {
	http.ResponseWriter
	bytes int
}

func (c *countedAnswer) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.bytes += n
	return n, err
}

// take returns the exchanges since the last call.
func (m *meter) take() []exchange {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := m.log
	m.log = nil
	return out
}

// These match the parts of a URL that differ from one request to the next: revisions, task ids,
// labels as in Taskcluster's index, numbers.
var (
	revisionsIn = regexp.MustCompile(`[0-9a-f]{12,40}`)
	tasksIn     = regexp.MustCompile(`(^|/)[A-Za-z0-9_-]{22}(/|$)`)
	numbersIn   = regexp.MustCompile(`\b[0-9]+\b`)
)

// shapeOf is a URL without what differs between requests of one kind. It keeps the names of
// parameters and, for more than one value, their number: a request for two ids and one for a
// hundred are not of one kind.
func shapeOf(u *url.URL) string {
	path := strings.ReplaceAll(u.Path, "/v1/", "/V/") // the version's number is no number of the request's
	path = revisionsIn.ReplaceAllString(path, "REV")
	path = tasksIn.ReplaceAllString(path, "${1}TASK${2}")
	path = strings.ReplaceAll(numbersIn.ReplaceAllString(path, "N"), "/V/", "/v1/")
	var params []string
	q := u.Query()
	for _, name := range slices.Sorted(maps.Keys(q)) {
		values := 0
		for _, v := range q[name] {
			values += 1 + strings.Count(v, ",")
		}
		if values > 1 {
			name = fmt.Sprintf("%s(%d)", name, values)
		}
		params = append(params, name)
	}
	if len(params) == 0 {
		return path
	}
	return path + "?" + strings.Join(params, "&")
}

// tally sums up what a question cost.
type tally struct {
	requests, bytes int
	twice           int // requests that had been made before in the same call
	other           int // requests to other services, counted nowhere else here
	log             []exchange
}

// taken returns what the services were asked since the last call. Only the first one's requests
// count, but a repeated request to any of them counts as made twice.
func taken(meters []*meter) tally {
	var out tally
	seen := map[string]bool{}
	for i, m := range meters {
		for _, e := range m.take() {
			if seen[e.question] {
				out.twice++
			}
			seen[e.question] = true
			out.log = append(out.log, e)
			if i > 0 {
				out.other++
				continue
			}
			out.requests++
			out.bytes += e.bytes
		}
	}
	return out
}

// kinds lists the kinds of requests, the most frequent first, and then those that were repeated, as
// far as they fit.
func (t tally) kinds() string {
	const most = 20
	type kind struct{ n, bytes, twice int }
	all, seen := map[string]kind{}, map[string]bool{}
	for _, e := range t.log {
		k := all[e.shape]
		k.n, k.bytes = k.n+1, k.bytes+e.bytes
		if seen[e.question] {
			k.twice++
		}
		seen[e.question] = true
		all[e.shape] = k
	}
	names := slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		return cmp.Or(cmp.Compare(all[b].n, all[a].n), cmp.Compare(a, b))
	})
	var out strings.Builder
	for i, name := range names {
		if i == most {
			fmt.Fprintf(&out, "      and %d kinds more\n", len(names)-most)
			break
		}
		k := all[name]
		fmt.Fprintf(&out, "    %5d  %9s  %.160s", k.n, size(k.bytes), name)
		if k.twice > 0 {
			fmt.Fprintf(&out, "  (%d of them again)", k.twice)
		}
		out.WriteString("\n")
	}
	return out.String()
}

// size is a number of bytes in words.
func size(n int) string {
	switch {
	case n >= 10_000_000:
		return fmt.Sprintf("%.0f MB", float64(n)/1e6)
	case n >= 1_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 10_000:
		return fmt.Sprintf("%.0f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f kB", float64(n)/1e3)
}

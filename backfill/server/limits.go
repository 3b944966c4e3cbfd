package server

import (
	"container/list"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Rate is how often something may be done: Burst times at once, and PerMinute in the long
// run. Zero values are the documented default; a negative PerMinute is no limit.
type Rate struct {
	PerMinute float64
	Burst     int
}

// or fills in what is not set.
func (r Rate) or(d Rate) Rate {
	if r.PerMinute == 0 {
		r.PerMinute = d.PerMinute
	}
	if r.Burst < 1 {
		r.Burst = d.Burst
	}
	return r
}

// The default limits of one caller.
var (
	defaultReads    = Rate{PerMinute: 1200, Burst: 300}
	defaultActs     = Rate{PerMinute: 30, Burst: 20}
	defaultAttempts = Rate{PerMinute: 60, Burst: 100}
)

// mostBuckets is how many callers are remembered, of each limit. Who was not seen for
// longest is forgotten first, and then is as new.
const mostBuckets = 20_000

// limiter is a token bucket for each of many keys.
type limiter struct {
	rate Rate
	most int

	mu    sync.Mutex
	of    map[string]*list.Element
	order *list.List // of *bucket, the one that was used last in front
}

type bucket struct {
	key  string
	left float64
	at   time.Time
}

func newLimiter(r Rate, most int) *limiter {
	return &limiter{rate: r, most: most, of: map[string]*list.Element{}, order: list.New()}
}

// take takes one from the key's bucket: 0, or how long to wait until there is one. A
// bucket is filled by the time that has passed, and never by a clock that went back.
func (l *limiter) take(key string) time.Duration {
	if l.rate.PerMinute < 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(key)
	if b.left < 1 {
		return time.Duration(math.Ceil((1 - b.left) * 60 / l.rate.PerMinute * float64(time.Second)))
	}
	b.left--
	return 0
}

// put gives one back.
func (l *limiter) put(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.of[key]; e != nil {
		b := e.Value.(*bucket)
		b.left = min(b.left+1, float64(l.rate.Burst))
	}
}

// bucket is the key's, filled up to now. The caller holds mu.
func (l *limiter) bucket(key string) *bucket {
	now := time.Now()
	e := l.of[key]
	if e == nil {
		for len(l.of) >= l.most {
			old := l.order.Back()
			delete(l.of, l.order.Remove(old).(*bucket).key)
		}
		e = l.order.PushFront(&bucket{key: key, left: float64(l.rate.Burst), at: now})
		l.of[key] = e
	}
	l.order.MoveToFront(e)
	b := e.Value.(*bucket)
	if passed := now.Sub(b.at); passed > 0 {
		b.left = min(b.left+passed.Minutes()*l.rate.PerMinute, float64(l.rate.Burst))
	}
	b.at = now
	return b
}

// seconds is a wait as Retry-After has it: whole seconds, at least one.
func seconds(d time.Duration) int { return max(1, int(math.Ceil(d.Seconds()))) }

// remote is the address that a request comes from: that of the connection, or, where that
// is one of the trusted proxies, the last of X-Forwarded-For that is none. It is the zero
// Addr where there is none that can be read.
func remote(r *http.Request, proxies []netip.Prefix) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	at := addr(host)
	if !within(at, proxies) {
		return at
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop := addr(strings.TrimSpace(hops[i]))
		if !hop.IsValid() {
			break // whoever wrote it is no proxy of ours
		}
		if at = hop; !within(at, proxies) {
			break
		}
	}
	return at
}

func addr(text string) netip.Addr {
	a, err := netip.ParseAddr(text)
	if err != nil {
		p, err := netip.ParseAddrPort(text)
		if err != nil {
			return netip.Addr{}
		}
		a = p.Addr()
	}
	return a.Unmap().WithZone("")
}

func within(a netip.Addr, of []netip.Prefix) bool {
	for _, p := range of {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// addressKey is the key of a caller without a name: of IPv6 the network of one customer.
func addressKey(a netip.Addr) string {
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return "addr " + p.String()
		}
	}
	return "addr " + a.String()
}

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

// Rate limits how often something may be done: Burst times at once, and PerMinute times a minute in
// the long run. Zero fields mean the documented default. A negative PerMinute means no limit.
type Rate struct {
	PerMinute float64
	Burst     int
}

// or fills in the fields that are zero.
func (r Rate) or(d Rate) Rate {
	if r.PerMinute == 0 {
		r.PerMinute = d.PerMinute
	}
	if r.Burst < 1 {
		r.Burst = d.Burst
	}
	return r
}

// The default rates of one caller; see DoorOptions.
var (
	defaultReads    = Rate{PerMinute: 1200, Burst: 300}
	defaultActs     = Rate{PerMinute: 30, Burst: 20}
	defaultAttempts = Rate{PerMinute: 60, Burst: 100}
)

// mostBuckets is how many callers each limit remembers. Beyond that it forgets the caller that was
// seen longest ago, who then starts with a full bucket again.
const mostBuckets = 20_000

// limiter is a token bucket for each key. A bucket holds at most Burst tokens, each request takes
// one, and PerMinute new ones drip in each minute.
type limiter struct {
	rate Rate
	most int

	mu    sync.Mutex
	of    map[string]*list.Element
	order *list.List // of *bucket, the most recently used first; the same buckets as in of
}

// bucket has the tokens of one key: left of them, 0 to Burst, at a moment. Between two requests
// nothing is computed; the next one adds what has dripped in: 2 tokens after 4 seconds at 30 a
// minute.
type bucket struct {
	key  string
	left float64
	at   time.Time
}

func newLimiter(r Rate, most int) *limiter {
	return &limiter{rate: r, most: most, of: map[string]*list.Element{}, order: list.New()}
}

// take takes one token from the key's bucket and returns 0, or returns how long to wait for the
// next token. With 0.25 tokens left at 30 a minute that is (1-0.25)·60/30 = 1.5 seconds.
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

// put gives a token back. A key that was forgotten meanwhile needs none.
func (l *limiter) put(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.of[key]; e != nil {
		b := e.Value.(*bucket)
		b.left = min(b.left+1, float64(l.rate.Burst))
	}
}

// bucket returns the key's bucket, filled up to now. A clock that was set back fills nothing. The
// caller holds mu.
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

// seconds is a wait in the form of Retry-After: whole seconds, rounded up, at least 1.
func seconds(d time.Duration) int { return max(1, int(math.Ceil(d.Seconds()))) }

// remote is the address that a request comes from. Each proxy adds the address of its own caller at
// the end of X-Forwarded-For, so remote goes through that header from the end, as long as the
// address at hand is a trusted proxy. From a trusted 10.0.0.1 with "6.6.6.6, 203.0.113.9,
// 10.0.0.2", where 10.0.0.2 is trusted too, it is 203.0.113.9; what stands before that the caller
// may have made up. It is the zero Addr when no address can be read.
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
			break // a trusted proxy writes addresses only: keep what it vouches for
		}
		if at = hop; !within(at, proxies) {
			break
		}
	}
	return at
}

// addr reads an address, with a port or without; the zero Addr when the text is none. The same host
// always gives the same address: "::ffff:203.0.113.9" is 203.0.113.9, and a zone is dropped.
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

// within reports whether an address is in one of the networks. The zero Addr is in none.
func within(a netip.Addr, of []netip.Prefix) bool {
	for _, p := range of {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// addressKey is the rate limit's key for a caller without a name. An IPv6 customer has a whole /64
// of addresses, so these share one key: that of 2001:db8:1:2:3::4 is "addr 2001:db8:1:2::/64". All
// callers whose address is unknown share one key too.
func addressKey(a netip.Addr) string {
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return "addr " + p.String()
		}
	}
	return "addr " + a.String()
}

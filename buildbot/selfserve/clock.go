package selfserve

import (
	"net/http"
	"sync/atomic"
	"time"
)

// clock tells the service's time, by which its runs end and its dumps are named: the
// machine's own may be days off. It is safe for concurrent use.
type clock struct {
	local func() time.Time
	ahead atomic.Int64 // by how much the service's is, in nanoseconds
}

// exact is by how much two clocks may differ without one being wrong: an answer takes
// a while to come, and says its second only.
const exact = time.Minute

// hear takes the time of an answer; nothing where it does not say one.
func (c *clock) hear(h http.Header) {
	at, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	ahead := at.Sub(c.local())
	if ahead.Abs() < exact {
		ahead = 0
	}
	c.ahead.Store(int64(ahead))
}

func (c *clock) now() time.Time { return c.local().Add(time.Duration(c.ahead.Load())) }

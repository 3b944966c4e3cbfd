package selfserve

import (
	"net/http"
	"sync/atomic"
	"time"
)

// clock tells the service's time. The times of runs and the names of dumps follow that time,
// while this machine's clock may be days off. It is safe for concurrent use.
type clock struct {
	local func() time.Time
	ahead atomic.Int64 // how far the service's clock is ahead of the local one, in nanoseconds
}

// exact is how far two clocks may differ and still count as equal: an answer is on its way for
// a while, and its Date header has whole seconds.
const exact = time.Minute

// hear notes the time in an answer's Date header, if it has one. With a local clock at 12:00:00
// the date 12:00:40 counts as the same time, and 14:30:00 means that the service is 2 h 30 min
// ahead.
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

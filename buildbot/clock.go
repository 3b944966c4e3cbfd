package buildbot

import "time"

// The local clock says nothing here: it may be days off. How late it is the records
// of the master say, by the master's own clock.

// heardAt notes the newest moment that records tell of.
func heardAt[T record](c *Client, all []T) {
	for _, r := range all {
		for now := int64(r.at()); ; {
			was := c.latest.Load()
			if now <= was || c.latest.CompareAndSwap(was, now) {
				break
			}
		}
	}
}

// clock is the newest moment that the master told of: it is that late, or later.
func (c *Client) clock() time.Time { return Epoch(c.latest.Load()).Time() }

func (c change) at() Epoch       { return c.SourceStamp.Created }
func (s Buildset) at() Epoch     { return max(s.Submitted, s.Finished) }
func (r BuildRequest) at() Epoch { return max(r.Submitted, r.ClaimedAt, r.Finished) }
func (b Build) at() Epoch        { return max(b.Started, b.Finished) }

func (Builder) at() Epoch        { return 0 }
func (forceScheduler) at() Epoch { return 0 }
func (step) at() Epoch           { return 0 }
func (stepLog) at() Epoch        { return 0 }

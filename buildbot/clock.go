package buildbot

import "time"

// This package never compares the master's times with the local clock, which may be days off.
// What time it is on the master, at least, follows from the times in its own records.

// heardAt notes the latest time in some records. The loop is needed because other goroutines
// may raise c.latest at the same time.
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

// clock is the latest time in any record so far: by the master's clock it is now that time or
// later. Before any record it is the zero time.
func (c *Client) clock() time.Time { return Epoch(c.latest.Load()).Time() }

// The at methods return the latest time of a record that the master's own clock gave, in
// seconds since 1970; 0 for records without one. A change's When is not used: it may be the
// commit's own date.

func (c change) at() Epoch       { return c.SourceStamp.Created }
func (s Buildset) at() Epoch     { return max(s.Submitted, s.Finished) }
func (r BuildRequest) at() Epoch { return max(r.Submitted, r.ClaimedAt, r.Finished) }
func (b Build) at() Epoch        { return max(b.Started, b.Finished) }

func (Builder) at() Epoch        { return 0 }
func (forceScheduler) at() Epoch { return 0 }
func (step) at() Epoch           { return 0 }
func (stepLog) at() Epoch        { return 0 }

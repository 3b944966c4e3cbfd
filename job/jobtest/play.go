package jobtest

import (
	"context"
	"fmt"
	"math/bits"
	"time"

	"github.com/mozci/mozci/job"
)

// How the time of a world that plays moves. Play goes in legs from one moment to the next. On a leg
// the CI's time is computed from the real time that has passed, whenever somebody asks (passes).
// When a call makes something due earlier, unlock wakes the player (look), which begins a new leg
// from where the time is by then.

// player moves the time of a world that plays.
type player struct {
	on   bool
	to   time.Time     // the moment that it is on its way to; zero while there is none
	leg  *leg          // the way; nil while it is not known
	wake chan struct{} // has a value when to is no longer the next moment
}

// leg is a way in time from one moment to the next, and how long it really takes.
type leg struct {
	from, to time.Time // by the CI's clock
	began    time.Time // really
	takes    time.Duration
}

// at is the CI's time on a leg after some real time has passed: from + (to-from)·passed/takes, in
// 128 bits, since the product can exceed 64. Of a leg from 10:00 to 11:00 that takes 2 seconds,
// after half a second it is 10:15.
func (l *leg) at(passed time.Duration) time.Time {
	whole := l.to.Sub(l.from)
	if passed <= 0 || whole <= 0 {
		return l.from
	}
	if passed >= l.takes {
		return l.to
	}
	hi, lo := bits.Mul64(uint64(whole), uint64(passed)) // #nosec G115 -- both are above 0
	part, _ := bits.Div64(hi, lo, uint64(l.takes))      // #nosec G115 -- above passed, so that part is below whole
	return l.from.Add(time.Duration(part))              // #nosec G115 -- below whole
}

// look wakes the player if the next moment is another one than it is heading for.
func (p *player) look(first time.Time) {
	if p.on && !p.to.Equal(first) {
		p.again()
	}
}

// again makes the player look for the next moment again. Without a leg the time stands still until
// then.
func (p *player) again() {
	p.leg = nil
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// passes moves the CI's time along the player's present leg. Nothing happens on a leg.
func (c *CI) passes() {
	if l := c.player.leg; l != nil {
		if at := l.at(time.Since(l.began)); at.After(c.now) {
			c.now = at
		}
	}
}

// Play moves the time of a world that plays until ctx is done, and returns the context's error. It
// goes from each moment at which something happens, or a Wait ends, to the next. pace(d) is how
// long the time d of the world really takes. The CI's clock moves evenly meanwhile. The ends of
// waits before a change share the time that the way to the change takes, so many short waits do not
// make it longer. When nothing more can happen the clock stands still until a run is triggered or
// a caller waits.
//
// For example, pace(d) = d plays in the time of a testing/synctest bubble, and
// pace(d) = min(d/1800, time.Second/4) shows a day in a minute, with no pause longer than a
// quarter of a second. A pace of 0 or less arrives at once; pace must not be nil. Only a CI with
// CIOptions.Play can play, and only once at a time; otherwise Play returns job.ErrInvalid.
func (c *CI) Play(ctx context.Context, pace func(d time.Duration) time.Duration) error {
	if err := c.begin(pace != nil); err != nil {
		return job.Wrap("world.play", "", err)
	}
	defer c.stop()
	for {
		to, change := c.next()
		arrived, stop := c.leave(to, change, pace)
		select {
		case <-arrived:
			c.arrive()
		case <-c.player.wake:
		case <-ctx.Done():
			stop()
			return ctx.Err()
		}
		stop()
	}
}

// begin checks that the world can be played, and says that it is.
func (c *CI) begin(paced bool) error {
	c.lock()
	defer c.unlock()
	switch {
	case !c.opts.Play:
		return fmt.Errorf("%w: the world does not play: set CIOptions.Play", job.ErrInvalid)
	case !paced:
		return fmt.Errorf("%w: no pace", job.ErrInvalid)
	case c.player.on:
		return fmt.Errorf("%w: the world is being played already", job.ErrInvalid)
	}
	c.player.on = true
	return nil
}

// stop leaves the time where it is.
func (c *CI) stop() {
	c.lock()
	defer c.unlock()
	c.player.on, c.player.leg = false, nil
}

// next is the time of the world to the next moment, for which the player now heads, and to the next
// change, which is not the end of a wait; each is negative if there is none.
func (c *CI) next() (moment, change time.Duration) {
	c.lock()
	defer c.mu.Unlock() // what the player finds needs not wake it
	select {
	case <-c.player.wake:
	default:
	}
	c.player.leg, c.player.to = nil, c.moments.first()
	if c.player.to.IsZero() {
		return -1, -1
	}
	change = -1
	if at := c.moments.change(); !at.IsZero() {
		change = max(at.Sub(c.now), 0)
	}
	return max(c.player.to.Sub(c.now), 0), change
}

// leave begins the leg to the moment that is d away; change is the time to the next change. Without
// a moment there is no arrival. A wait that ends after 10 minutes on the way to a change after 30,
// for which pace says 3 seconds, takes 1 second.
func (c *CI) leave(
	d, change time.Duration, pace func(time.Duration) time.Duration,
) (<-chan time.Time, func() bool) {
	if d < 0 {
		// A nil channel never has a value, so Play waits for wake or the end of ctx.
		return nil, func() bool { return false }
	}
	takes := max(pace(max(d, change)), 0)
	if change > d {
		takes = time.Duration(float64(takes) * (float64(d) / float64(change)))
	}
	c.lock()
	defer c.unlock()
	t := time.NewTimer(takes)
	if c.player.to.Equal(c.moments.first()) { // otherwise there is a word in wake
		c.player.leg = &leg{from: c.now, to: c.player.to, began: time.Now(), takes: takes}
	}
	return t.C, t.Stop
}

// arrive makes the moment happen that the player was heading for.
func (c *CI) arrive() {
	c.lock()
	defer c.unlock()
	if l := c.player.leg; l != nil {
		c.player.leg = nil
		c.to(l.to)
	}
}

// await waits until something changes, or d has passed by the CI's clock. A change since the last
// Wait returned is reported at once: it happened while the caller was at work. The end of the wait
// is a moment of its own, so that the player stops there.
func (c *CI) await(ctx context.Context, d time.Duration) (changed bool, err error) {
	c.lock()
	defer c.unlock()
	defer func() { c.waited = c.changes }()
	if known := c.waited; c.changes > known || d == 0 {
		return c.changes > known, nil
	}
	before, until := c.changes, c.now.Add(d)
	m := &moment{kind: waitEnds}
	c.moments.set(m, until)
	for c.changes == before && c.now.Before(until) && err == nil {
		bell := c.ringing()
		c.unlock()
		select {
		case <-bell:
		case <-ctx.Done():
			err = ctx.Err()
		}
		c.lock()
	}
	c.moments.set(m, time.Time{})
	return c.changes > before, err
}

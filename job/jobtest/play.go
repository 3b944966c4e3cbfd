package jobtest

import (
	"context"
	"fmt"
	"math/bits"
	"time"

	"github.com/mozci/mozci/job"
)

// player moves the time of a world that plays.
type player struct {
	on   bool
	to   time.Time     // the moment that it is on its way to; zero while there is none
	leg  *leg          // the way; nil while it is not known
	wake chan struct{} // there is a word in it when to is not the next moment any more
}

// leg is a way in time from one moment to the next, and how long it really takes.
type leg struct {
	from, to time.Time // by the CI's clock
	began    time.Time // really
	takes    time.Duration
}

// at is where on its way a leg is when so much time has really passed.
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

// look wakes the player where the next moment is not the one that it is on its way to.
func (p *player) look(first time.Time) {
	if p.on && !p.to.Equal(first) {
		p.again()
	}
}

// again makes the player look for the next moment again.
func (p *player) again() {
	p.leg = nil
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// passes moves the CI's time along the way that the player is on. Nothing happens on it.
func (c *CI) passes() {
	if l := c.player.leg; l != nil {
		if at := l.at(time.Since(l.began)); at.After(c.now) {
			c.now = at
		}
	}
}

// Play moves the time of a world that plays, until ctx is done, whose error it returns.
// It looks for the next moment at which something happens, or a Wait ends, and gets there
// in the time that pace says: pace is asked how long a time of the world, d, really
// takes. Up to a change the ends of waits share what the way to the change takes, so that
// who waits often makes no time longer. The CI's clock goes evenly meanwhile. Where nothing is to happen any more the
// clock stands still until somebody triggers a run or waits.
//
// With a pace that returns d the world's time is that of a testing/synctest bubble; one
// of min(d/1800, time.Second/4) shows a day in a minute, and no more than that of a wait.
// Pace must not be nil; one that returns 0 or less gets there at once. Only one Play of a
// CI runs at a time, of one with CIOptions.Play: others give job.ErrInvalid.
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

func (c *CI) stop() {
	c.lock()
	defer c.unlock()
	c.player.on, c.player.leg = false, nil
}

// next is how far it is to the next moment, which is the player's from here on, and to the
// next that is no end of a wait; each is negative where there is none.
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

// leave sets off to the moment that is d away, and change to the next change. Nobody arrives where there is none.
func (c *CI) leave(
	d, change time.Duration, pace func(time.Duration) time.Duration,
) (<-chan time.Time, func() bool) {
	if d < 0 {
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

// arrive makes happen what the player was on its way to.
func (c *CI) arrive() {
	c.lock()
	defer c.unlock()
	if l := c.player.leg; l != nil {
		c.player.leg = nil
		c.to(l.to)
	}
}

// await waits until something changes, or d has passed by the CI's clock.
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

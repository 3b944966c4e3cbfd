package autopilot

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mozci/mozci/job"
)

// What the store in memory knows beside its rows: signatures, spends, the switch, opt-outs, and
// what the outcomes of cases taught.

// See implements Store.
func (m *Memory) See(ctx context.Context, s Seen) error {
	unlock, err := m.lock(ctx, "autopilot.see", s.Variant)
	if err != nil {
		return err
	}
	defer unlock()
	for _, sig := range s.Signatures {
		one := Seen{s.Repo, s.Variant, []string{sig}, s.Push, s.At}
		known := slices.ContainsFunc(m.seen, func(o Seen) bool {
			return o.Repo == one.Repo && o.Variant == one.Variant && o.Signatures[0] == sig && o.Push.ID == one.Push.ID
		})
		if !known {
			m.seen = append(m.seen, one)
		}
	}
	return nil
}

// LastSeen implements Store.
func (m *Memory) LastSeen(
	ctx context.Context, repo, variant string, signatures []string, before job.Push, since time.Time,
) (map[string]Seen, error) {
	unlock, err := m.lock(ctx, "autopilot.last_seen", variant)
	if err != nil {
		return nil, err
	}
	defer unlock()
	out := map[string]Seen{}
	for _, s := range m.seen {
		sig := s.Signatures[0]
		if s.Repo != repo || s.Variant != variant || !slices.Contains(signatures, sig) || s.At.Before(since) ||
			place(s.Push) >= place(before) {
			continue
		}
		if last, ok := out[sig]; !ok || place(s.Push) > place(last.Push) {
			out[sig] = s
		}
	}
	return out, nil
}

// Spend implements Store.
func (m *Memory) Spend(ctx context.Context, s Spend, limits []Limit) (string, error) {
	unlock, err := m.lock(ctx, "autopilot.spend", s.Key)
	if err != nil {
		return "", err
	}
	defer unlock()
	if m.spend(s.Key) != nil {
		return "", nil
	}
	now := m.now()
	s.Red, s.Open = 0, s.Runs
	for _, l := range limits {
		if l.Most < 0 {
			continue
		}
		used := l.of(s) // with what is asked for: exactly Most still fits
		for _, o := range m.spends {
			if now.Sub(o.At) < day {
				used += l.of(*o)
			}
		}
		if used > float64(l.Most) {
			return l.String(), nil
		}
	}
	s.At = now.UTC()
	s.Pools = slices.Clone(s.Pools)
	m.spends = append(m.spends, &s)
	return "", nil
}

// of is how much of a spend counts towards the limit. A label in one repository does not count
// towards the limit of the same label in another. Of a spend of 3 runs, of which 1 ended red and 1
// has not ended, MeterRed counts 2 and MeterRuns 3.
func (l Limit) of(s Spend) float64 {
	switch {
	case l.Meter == MeterRed:
		return float64(s.Red + s.Open)
	case l.Meter == MeterMinutes:
		return s.Minutes
	case l.Meter == MeterLabel && (s.Repo != l.Repo || s.Label != l.Name),
		l.Meter == MeterPool && !slices.Contains(s.Pools, l.Name),
		l.Meter == MeterKind && s.Kind != l.Name:
		return 0
	}
	return float64(s.Runs)
}

// spend returns the spend with a key, to be changed in place; nil for none.
func (m *Memory) spend(key string) *Spend {
	for _, s := range m.spends {
		if s.Key == key {
			return s
		}
	}
	return nil
}

// GiveBack implements Store.
func (m *Memory) GiveBack(ctx context.Context, key string) error {
	unlock, err := m.lock(ctx, "autopilot.give_back", key)
	if err != nil {
		return err
	}
	defer unlock()
	m.spends = slices.DeleteFunc(m.spends, func(s *Spend) bool { return s.Key == key })
	return nil
}

// Account implements Store.
func (m *Memory) Account(ctx context.Context, key string, red, open int, minutes float64) error {
	unlock, err := m.lock(ctx, "autopilot.account", key)
	if err != nil {
		return err
	}
	defer unlock()
	if s := m.spend(key); s != nil {
		s.Red, s.Open, s.Minutes = red, open, minutes
	}
	return nil
}

// Spends implements Store.
func (m *Memory) Spends(ctx context.Context, caseKey string, since time.Time) ([]Spend, error) {
	unlock, err := m.lock(ctx, "autopilot.spends", caseKey)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var out []Spend
	for _, s := range m.spends {
		if caseKey != "" && s.Case == caseKey || caseKey == "" && !s.At.Before(since) {
			c := *s
			c.Pools = slices.Clone(s.Pools)
			out = append(out, c)
		}
	}
	return out, nil
}

// Switch implements Store.
func (m *Memory) Switch(ctx context.Context) (Switch, error) {
	unlock, err := m.lock(ctx, "autopilot.switch", "")
	if err != nil {
		return Switch{}, err
	}
	defer unlock()
	return m.sw, nil
}

// SetSwitch implements Store.
func (m *Memory) SetSwitch(ctx context.Context, s Switch) error {
	unlock, err := m.lock(ctx, "autopilot.set_switch", "")
	if err != nil {
		return err
	}
	defer unlock()
	s.At = m.now().UTC()
	m.sw = s
	return nil
}

// FallBack implements Store.
func (m *Memory) FallBack(ctx context.Context, s Switch) (Switch, error) {
	unlock, err := m.lock(ctx, "autopilot.fall_back", s.Case)
	if err != nil {
		return Switch{}, err
	}
	defer unlock()
	if m.sw.Mode == Act {
		s.At = m.now().UTC()
		m.sw = s
	}
	return m.sw, nil
}

// OptOut implements Store.
func (m *Memory) OptOut(ctx context.Context, repo, revision, who string, out bool) error {
	unlock, err := m.lock(ctx, "autopilot.opt_out", revision)
	if err != nil {
		return err
	}
	defer unlock()
	if !out {
		delete(m.optedOut, repo+" "+revision)
		return nil
	}
	m.optedOut[repo+" "+revision] = who
	return nil
}

// OptedOut implements Store.
func (m *Memory) OptedOut(ctx context.Context, p job.Push) (string, error) {
	unlock, err := m.lock(ctx, "autopilot.opted_out", p.Short())
	if err != nil {
		return "", err
	}
	defer unlock()
	for _, h := range p.Hashes() {
		if who, ok := m.optedOut[p.Repo+" "+h]; ok {
			return who, nil
		}
	}
	return "", nil
}

// Tell implements Store.
func (m *Memory) Tell(ctx context.Context, key string, p People) error {
	const op = "autopilot.tell"
	unlock, err := m.lock(ctx, op, key)
	if err != nil {
		return err
	}
	defer unlock()
	r := m.rows[key]
	if r == nil || !r.isCase {
		return job.Wrap(op, key, fmt.Errorf("%w: no such case", job.ErrNotFound))
	}
	p.At = m.now().UTC()
	r.people = p
	return nil
}

// Learn implements Store.
func (m *Memory) Learn(ctx context.Context, key string, l Lesson, start int) (Window, error) {
	unlock, err := m.lock(ctx, "autopilot.learn", key)
	if err != nil {
		return Window{}, err
	}
	defer unlock()
	if !m.learnt[key] {
		m.learnt[key] = true
		m.window = m.windowFrom(start).taught(l)
	}
	return m.counted(start), nil
}

// windowFrom is the window without the number of open cases. start is its size before the first
// lesson; Size is at least 1 after one.
func (m *Memory) windowFrom(start int) Window {
	w := m.window
	if w.Size == 0 {
		w.Size = start
	}
	return w
}

// counted is the window with the number of open cases.
func (m *Memory) counted(start int) Window {
	w := m.windowFrom(start)
	w.Open = 0
	for _, r := range m.rows {
		if r.isCase && r.open {
			w.Open++
		}
	}
	return w
}

// Window implements Store.
func (m *Memory) Window(ctx context.Context, start int) (Window, error) {
	unlock, err := m.lock(ctx, "autopilot.window", "")
	if err != nil {
		return Window{}, err
	}
	defer unlock()
	return m.counted(start), nil
}

// Prune implements Store.
func (m *Memory) Prune(ctx context.Context, keep, signatures time.Duration) (int, error) {
	const op = "autopilot.prune"
	unlock, err := m.lock(ctx, op, "")
	if err != nil {
		return 0, err
	}
	defer unlock()
	if keep < LeastKept {
		return 0, job.Wrap(op, "", fmt.Errorf("%w: %s, expected %s or more", job.ErrInvalid, keep, LeastKept))
	}
	now, n := m.now(), 0
	for key, r := range m.rows {
		c, err := r.get()
		if err != nil {
			return n, job.Wrap(op, key, err)
		}
		if r.done && now.Sub(c.ended()) > keep {
			delete(m.rows, key)
			n++
		}
	}
	// A span goes with its case, so that a case that is forgotten gathers nothing more.
	m.spans = slices.DeleteFunc(m.spans, func(h heldSpan) bool { return m.rows[h.key] == nil })
	m.spends = slices.DeleteFunc(m.spends, func(s *Spend) bool { return now.Sub(s.At) > keep })
	m.seen = slices.DeleteFunc(m.seen, func(s Seen) bool { return now.Sub(s.At) > signatures })
	return n, nil
}

// ended is when a case ended or a failure was decided; zero before that.
func (c Claimed) ended() time.Time {
	if c.Case != nil {
		return c.Case.Ended
	}
	return c.Failure.At
}

// LeastKept is the shortest time that a store may keep things: budgets count 24 hours, and a page
// shows the day before.
const LeastKept = 48 * time.Hour

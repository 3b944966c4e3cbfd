package autopilot

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mozci/mozci/job"
)

// What the robot has to do: failures and cases in one list of rows, leased one by one.
// memory_purse.go has the rest of the store: signatures, spends and what people set.

// Memory is a Store that lives as long as the process. NewMemory makes one.
type Memory struct {
	now func() time.Time

	mu       sync.Mutex        // guards what follows
	rows     map[string]*row   // by the key of the failure or case
	last     int               // the order of the row that was added last
	spans    []heldSpan        // one for each span and signature of a case, none twice
	seen     []Seen            // one signature each; none twice for a push
	spends   []*Spend          // in the order in which they were taken
	sw       Switch            // Act at first
	optedOut map[string]string // from repository and revision, with a space between, to who did it
	window   Window            // Size is 0 until the first lesson; Open is not kept here
	learnt   map[string]bool   // the keys of the lessons
}

// heldSpan is a span of a case, with one of its signatures.
type heldSpan struct {
	key, signature string
	Span
}

// row is a failure or a case, as it is stored. The body is the JSON of encoded, so a caller that
// changes what it got changes nothing here; the other fields are what the methods look for, and put
// keeps them in step with the body.
type row struct {
	order  int // counts from 1 and is never used again
	body   []byte
	isCase bool
	done   bool // nothing is left to do; see Claimed.done
	open   bool // for a case: it has not ended
	repo   string
	labels []string
	due    time.Time // when to look at it again, apart from leases
	woken  int64     // how often Wake has met it
	holder string    // who claimed it last; empty once it was given back
	leased time.Time // the end of the lease; zero once it was given back
	people People    // not in body: Tell writes it while somebody else holds the row
}

var _ Store = (*Memory)(nil)

// NewMemory returns a Store in memory. now is its clock, such as jobtest.CI's Now; nil means the
// real one.
func NewMemory(now func() time.Time) *Memory {
	if now == nil {
		now = time.Now
	}
	return &Memory{
		now: now, rows: map[string]*row{}, sw: Switch{Mode: Act}, optedOut: map[string]string{},
		learnt: map[string]bool{},
	}
}

// lock locks the store, unless the caller's context is done. On an error nothing is locked and
// unlock is nil.
func (m *Memory) lock(ctx context.Context, op, key string) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, job.Wrap(op, key, err)
	}
	m.mu.Lock()
	return m.mu.Unlock, nil
}

// Now implements Store.
func (m *Memory) Now(ctx context.Context) (time.Time, error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, job.Wrap("autopilot.now", "", err)
	}
	return m.now().UTC(), nil
}

// Hear implements Store.
func (m *Memory) Hear(ctx context.Context, f Failure, after time.Duration) (bool, error) {
	const op = "autopilot.hear"
	unlock, err := m.lock(ctx, op, f.Key)
	if err != nil {
		return false, err
	}
	defer unlock()
	if m.rows[f.Key] != nil {
		return false, nil
	}
	f.Heard = m.now().UTC()
	if f.Decided {
		f.At = f.Heard
	}
	r := &row{due: f.Heard.Add(after)}
	if err := r.put(Claimed{Failure: &f}); err != nil {
		return false, job.Wrap(op, f.Key, err)
	}
	m.insert(f.Key, r)
	return true, nil
}

// insert gives a new row its place in the order of the store.
func (m *Memory) insert(key string, r *row) {
	m.last++
	r.order = m.last
	m.rows[key] = r
}

// put stores a failure or case in its row; on an error it changes nothing.
func (r *row) put(c Claimed) error {
	body, err := encoded(c)
	if err != nil {
		return err
	}
	r.body, r.done = []byte(body), c.done()
	if c.Case != nil {
		r.isCase, r.open, r.repo, r.labels = true, c.Case.State != Ended, c.Case.Repo, slices.Clone(c.Case.Labels)
		return nil
	}
	r.repo, r.labels = c.Failure.Push.Repo, []string{c.Failure.Label}
	return nil
}

// encoded is the stored form of a failure or case: JSON without People, which are stored beside it.
// A missing kind becomes job.KindOther, because the zero Kind is no JSON.
func encoded(c Claimed) (string, error) {
	var v any
	if c.Case != nil {
		bare := *c.Case
		bare.People = People{}
		bare.Kind = cmp.Or(bare.Kind, job.KindOther)
		v = bare
	} else {
		f := *c.Failure
		f.Kind = cmp.Or(f.Kind, job.KindOther)
		v = f
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("%w: %s cannot be written: %w", job.ErrInvalid, c.key(), err)
	}
	return string(b), nil
}

// decoded reads what encoded wrote. The error of a damaged body wraps job.ErrMalformed.
func decoded(body []byte, isCase bool) (c Claimed, err error) {
	var v any
	if isCase {
		c.Case = &Case{}
		v = c.Case
	} else {
		c.Failure = &Failure{}
		v = c.Failure
	}
	if err := json.Unmarshal(body, v); err != nil {
		return c, fmt.Errorf("%w: %w", job.ErrMalformed, err)
	}
	return c, nil
}

// get returns what the row stores, as values of the caller's own. The holder and the wakes are not
// set; Claim sets them.
func (r *row) get() (Claimed, error) {
	c, err := decoded(r.body, r.isCase)
	if err == nil && c.Case != nil {
		c.Case.People = r.people
	}
	return c, err
}

// clash returns the earliest case, other than but, that has one of the signatures in an overlapping
// span; empty for none.
func (m *Memory) clash(but string, signatures []string, spans []Span) string {
	found, order := "", 0
	for _, h := range m.spans {
		r := m.rows[h.key]
		if h.key == but || r == nil || !slices.Contains(signatures, h.signature) ||
			!slices.ContainsFunc(spans, h.overlaps) {
			continue
		}
		if found == "" || r.order < order {
			found, order = h.key, r.order
		}
	}
	return found
}

// addSpans stores spans once for each signature: 2 signatures in 2 spans are 4.
func (m *Memory) addSpans(key string, signatures []string, spans []Span) {
	for _, s := range signatures {
		for _, sp := range spans {
			if h := (heldSpan{key, s, sp}); !slices.Contains(m.spans, h) {
				m.spans = append(m.spans, h)
			}
		}
	}
}

// Open implements Store.
func (m *Memory) Open(ctx context.Context, c Case, spans []Span, most int) (Case, bool, error) {
	const op = "autopilot.open"
	unlock, err := m.lock(ctx, op, c.Key)
	if err != nil {
		return Case{}, false, err
	}
	defer unlock()
	earlier := m.clash("", c.Signatures, spans)
	if r := m.rows[c.Key]; earlier == "" && r != nil {
		earlier = c.Key
	}
	if earlier != "" {
		joined, err := m.join(earlier, c)
		if err == nil {
			m.addSpans(earlier, c.Signatures, spans)
		}
		return joined, false, job.Wrap(op, c.Key, err)
	}
	open := 0
	for _, r := range m.rows {
		if r.isCase && r.open {
			open++
		}
	}
	if c.State != Ended && open >= most {
		return Case{}, false, job.Wrap(op, c.Key, ErrFull)
	}
	c.Opened = m.now().UTC()
	if c.State == Ended {
		c.Ended = c.Opened
	}
	r := &row{due: c.Opened}
	if err := r.put(Claimed{Case: &c}); err != nil {
		return Case{}, false, job.Wrap(op, c.Key, err)
	}
	m.insert(c.Key, r)
	m.addSpans(c.Key, c.Signatures, spans)
	return c, true, nil
}

// join adds the labels and signatures of one case to another.
func (m *Memory) join(key string, c Case) (Case, error) {
	r := m.rows[key]
	e, err := r.get()
	if err != nil {
		return Case{}, err
	}
	e.Case.gather(c)
	return *e.Case, r.put(e)
}

// gather adds the labels and signatures of another case. Each is there once, in the order in which
// they came.
func (c *Case) gather(o Case) {
	for _, l := range o.Labels {
		if !slices.Contains(c.Labels, l) {
			c.Labels = append(c.Labels, l)
		}
	}
	for _, s := range o.Signatures {
		if !slices.Contains(c.Signatures, s) {
			c.Signatures = append(c.Signatures, s)
		}
	}
}

// Extend implements Store.
func (m *Memory) Extend(ctx context.Context, key string, spans []Span) (Case, error) {
	const op = "autopilot.extend"
	unlock, err := m.lock(ctx, op, key)
	if err != nil {
		return Case{}, err
	}
	defer unlock()
	r := m.rows[key]
	if r == nil || !r.isCase {
		return Case{}, job.Wrap(op, key, fmt.Errorf("%w: no such case", job.ErrNotFound))
	}
	c, err := r.get()
	if err != nil {
		return Case{}, job.Wrap(op, key, err)
	}
	if other := m.clash(key, c.Case.Signatures, spans); other != "" && m.rows[other].order < r.order {
		o, err := m.rows[other].get()
		if err != nil {
			return Case{}, job.Wrap(op, key, err)
		}
		return *o.Case, nil
	}
	m.addSpans(key, c.Case.Signatures, spans)
	return Case{}, nil
}

// from is the time from which on the row can be claimed. Due at 10:00 and leased until 10:02, that
// is 10:02.
func (r *row) from() time.Time {
	if r.leased.After(r.due) {
		return r.leased
	}
	return r.due
}

// ready returns the rows that can be claimed now or later, in Claim's order: cases first, then by
// the time from which they can be claimed, then by their order.
func (m *Memory) ready() []*row {
	var out []*row
	for _, r := range m.rows {
		if !r.done {
			out = append(out, r)
		}
	}
	rank := func(r *row) int {
		if r.isCase {
			return 0
		}
		return 1
	}
	slices.SortFunc(out, func(a, b *row) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), a.from().Compare(b.from()), cmp.Compare(a.order, b.order))
	})
	return out
}

// Claim implements Store.
func (m *Memory) Claim(ctx context.Context, holder string, lease time.Duration, n int) ([]Claimed, error) {
	const op = "autopilot.claim"
	unlock, err := m.lock(ctx, op, "")
	if err != nil {
		return nil, err
	}
	defer unlock()
	var out []Claimed
	now := m.now()
	for _, r := range m.ready() {
		if len(out) >= n {
			break
		}
		if r.from().After(now) {
			continue
		}
		c, err := r.get()
		if err != nil {
			return nil, job.Wrap(op, "", err)
		}
		r.holder, r.leased = holder, now.Add(lease)
		c.Holder, c.Woken = holder, r.woken
		out = append(out, c)
	}
	return out, nil
}

// held returns the row of something claimed, or ErrLost. The holder is asked, and not the time: a
// holder whose lease is over still has the row until somebody else claims it.
func (m *Memory) held(c Claimed) (*row, error) {
	r := m.rows[c.key()]
	switch {
	case r == nil:
		return nil, fmt.Errorf("%w: no such failure or case", job.ErrNotFound)
	case r.holder != c.Holder || c.Holder == "":
		return nil, ErrLost
	}
	return r, nil
}

// Renew implements Store.
func (m *Memory) Renew(ctx context.Context, c Claimed, lease time.Duration) error {
	const op = "autopilot.renew"
	unlock, err := m.lock(ctx, op, c.key())
	if err != nil {
		return err
	}
	defer unlock()
	r, err := m.held(c)
	if err == nil {
		r.leased = m.now().Add(lease)
	}
	return job.Wrap(op, c.key(), err)
}

// Save implements Store.
func (m *Memory) Save(ctx context.Context, c Claimed, again time.Duration) error {
	const op = "autopilot.save"
	unlock, err := m.lock(ctx, op, c.key())
	if err != nil {
		return err
	}
	defer unlock()
	r, err := m.held(c)
	if err != nil {
		return job.Wrap(op, c.key(), err)
	}
	was, err := r.get()
	if err != nil {
		return job.Wrap(op, c.key(), err)
	}
	now := m.now().UTC()
	if err := r.put(c.merged(was, now)); err != nil {
		return job.Wrap(op, c.key(), err)
	}
	r.holder, r.leased, r.due = "", time.Time{}, now
	if r.woken == c.Woken { // nothing woke it since it was claimed
		r.due = now.Add(again)
	}
	return nil
}

// merged returns what Save stores: the claimed state, with what others added to the row meanwhile,
// and with times by the store's clock. A decision and an end keep the time at which they were first
// stored.
func (c Claimed) merged(was Claimed, now time.Time) Claimed {
	if c.Case != nil {
		n := *c.Case
		n.Labels, n.Signatures = slices.Clone(n.Labels), slices.Clone(n.Signatures)
		n.gather(*was.Case)
		n.Opened = was.Case.Opened
		switch {
		case was.Case.State == Ended:
			n.Ended = was.Case.Ended
		case n.State == Ended:
			n.Ended = now
		}
		return Claimed{Case: &n}
	}
	f := *c.Failure
	f.Heard = was.Failure.Heard
	if f.Decided && !was.Failure.Decided {
		f.At = now
	}
	return Claimed{Failure: &f}
}

// Wake implements Store.
func (m *Memory) Wake(ctx context.Context, repo, label string) (int, error) {
	unlock, err := m.lock(ctx, "autopilot.wake", label)
	if err != nil {
		return 0, err
	}
	defer unlock()
	n := 0
	for _, r := range m.rows {
		if r.done || repo != "" && r.repo != repo || label != "" && !slices.Contains(r.labels, label) {
			continue
		}
		r.due = m.now()
		r.woken++
		n++
	}
	return n, nil
}

// Next implements Store.
func (m *Memory) Next(ctx context.Context) (time.Duration, bool, error) {
	unlock, err := m.lock(ctx, "autopilot.next", "")
	if err != nil {
		return 0, false, err
	}
	defer unlock()
	rows := m.ready()
	if len(rows) == 0 {
		return 0, false, nil
	}
	first := rows[0].from()
	for _, r := range rows {
		if r.from().Before(first) {
			first = r.from()
		}
	}
	return max(0, first.Sub(m.now())), true, nil
}

// newest returns the cases or the failures, the newest first.
func (m *Memory) newest(cases bool) []*row {
	var out []*row
	for _, r := range m.rows {
		if r.isCase == cases {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *row) int { return cmp.Compare(b.order, a.order) })
	return out
}

// Cases implements Store.
func (m *Memory) Cases(ctx context.Context, q CaseQuery) ([]Case, error) {
	const op = "autopilot.cases"
	unlock, err := m.lock(ctx, op, q.Key)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var out []Case
	for _, r := range m.newest(true) {
		c, err := r.get()
		if err != nil {
			return nil, job.Wrap(op, q.Key, err)
		}
		if q.fits(*c.Case) && (q.Limit == 0 || len(out) < q.Limit) {
			out = append(out, *c.Case)
		}
	}
	return out, nil
}

// fits reports whether a case matches every field that is set. Since and Until are about Opened:
// from Since on, and before Until.
func (q CaseQuery) fits(c Case) bool {
	return (q.Key == "" || c.Key == q.Key) && (q.Repo == "" || c.Repo == q.Repo) &&
		(q.Label == "" || slices.Contains(c.Labels, q.Label)) && (!q.Open || c.State != Ended) &&
		(q.Since.IsZero() || !c.Opened.Before(q.Since)) && (q.Until.IsZero() || c.Opened.Before(q.Until))
}

// Failures implements Store.
func (m *Memory) Failures(ctx context.Context, q FailureQuery) ([]Failure, error) {
	const op = "autopilot.failures"
	unlock, err := m.lock(ctx, op, "")
	if err != nil {
		return nil, err
	}
	defer unlock()
	var out []Failure
	for _, r := range m.newest(false) {
		c, err := r.get()
		if err != nil {
			return nil, job.Wrap(op, "", err)
		}
		if q.fits(*c.Failure) && (q.Limit == 0 || len(out) < q.Limit) {
			out = append(out, *c.Failure)
		}
	}
	return out, nil
}

// fits reports whether a failure matches every field that is set. Since and Until are about Heard.
func (q FailureQuery) fits(f Failure) bool {
	return (q.Repo == "" || f.Push.Repo == q.Repo) && (q.Label == "" || f.Label == q.Label) &&
		(q.Push == nil || f.Push.Repo == q.Push.Repo && f.Push.ID == q.Push.ID) &&
		(!q.Waiting || !f.Decided) && (q.Rule == "" || f.Rule == q.Rule) &&
		(q.Since.IsZero() || !f.Heard.Before(q.Since)) && (q.Until.IsZero() || f.Heard.Before(q.Until))
}

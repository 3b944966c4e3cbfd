package perf

import "math"

// posterior is what is believed of a search.
type posterior struct {
	prob    []float64 // before, 1 to m-1, nothing
	segment []int     // of each hypothesis but the last: between which tested pushes
	fits    []fit     // by segment
	nothing fit
	data    *series
	// drift is the probability that the values drift.
	drift float64
}

// fit is a hypothesis with its parameters summed out.
type fit struct {
	log           float64 // of the likelihood
	before, after float64 // the mean values, relative to the series' middle
	sigma         float64
	tell          float64 // the chance that a run tells by its value on which side it is
	flat          float64 // the chance that it looks changed where nothing changed
	drift         float64 // the share in it of a drift
}

// widths are those that a change may have, in standard deviations, and how likely
// each is. The prior of a change d of width w is normal times (d/w)^2 (Johnson and
// Rossell's moment prior, 2010): no change at all is no change, so that runs can tell that
// there is none.
var widths = []struct{ tau, share float64 }{{1.6, 0.3}, {4, 0.4}, {12, 0.25}, {100, 0.05}}

// leastShape is how many values the scale of neighbours is worth, halved: it is a guess
// of the variance.
const leastShape = 1.5

// column is an effect: what each value has of it, taken off its mean.
type column struct {
	from  []float64 // by index: the sum from there to the end
	size  float64   // of its squares
	cross float64   // with the values
	mean  float64
	inner float64 // what the range has of it
	share float64 // how likely it is there, beside what else changes
	drift bool
}

// model evaluates hypotheses on a series.
type model struct {
	d       *series
	right   []float64 // by index: the sum of the values from there to the end
	total   float64   // the squares around the mean
	mean    float64
	extras  []column // what else may be there: the first is nothing
	nothing int      // how many of extras may be there if nothing in the range changed it
}

// elsewhere is how likely the values changed outside of the range too, and drifts how
// likely they drift.
const (
	elsewhere = 0.1
	drifts    = 0.05
)

func newModel(d *series) *model {
	m := &model{d: d, right: make([]float64, len(d.z)+1)}
	n := float64(len(d.z))
	for i := len(d.z) - 1; i >= 0; i-- {
		m.right[i] = m.right[i+1] + d.z[i]
	}
	if n > 0 {
		m.mean = m.right[0] / n
	}
	for _, z := range d.z {
		m.total += float64((z - m.mean) * (z - m.mean))
	}
	m.extras = []column{{share: 1 - elsewhere - drifts}}
	if len(d.z) >= 6 {
		m.extras = append(m.extras, m.slope())
	}
	if c, ok := m.cut(d.last+1, len(d.z)); ok {
		c.share = elsewhere / 2 / float64(max(1, len(d.z)-d.last-1))
		m.extras = append(m.extras, c)
	}
	m.nothing = len(m.extras)
	if c, ok := m.cut(1, d.first); ok {
		c.share = elsewhere / 2 / float64(max(1, d.first-1))
		c.inner = 1
		m.extras = append(m.extras, c)
	}
	return m
}

// slope is the column of a drift from the first value to the last.
func (m *model) slope() column {
	d := m.d
	n := len(d.z)
	wide := d.at[n-1] - d.at[0]
	c := column{from: make([]float64, n+1), share: drifts, drift: true}
	for _, at := range d.at {
		c.mean += (at - d.at[0]) / math.Max(wide, 1) / float64(n)
	}
	for i := n - 1; i >= 0; i-- {
		u := (d.at[i]-d.at[0])/math.Max(wide, 1) - c.mean
		c.from[i] = c.from[i+1] + u
		c.size += float64(u * u)
		c.cross += float64(u * d.z[i])
	}
	c.inner = c.mean
	if d.last > d.first {
		c.inner = (d.at[d.first] + d.at[d.last-1] - 2*d.at[0]) / 2 / math.Max(wide, 1)
	}
	return c
}

// cut is the column of the change that explains most of those outside of the range,
// at an index of lo to less than hi.
func (m *model) cut(lo, hi int) (column, bool) {
	best, most := -1, 0.0
	for i := lo; i < hi; i++ {
		size, cross := m.step(i)
		if x := cross * cross / math.Max(size, 1e-300); x > most {
			best, most = i, x
		}
	}
	if best < 1 || best >= len(m.d.z) {
		return column{}, false
	}
	n := float64(len(m.d.z))
	c := column{from: make([]float64, len(m.d.z)+1), mean: (n - float64(best)) / n}
	c.size, c.cross = m.step(best)
	for i := len(m.d.z) - 1; i >= 0; i-- {
		u := -c.mean
		if i >= best {
			u++
		}
		c.from[i] = c.from[i+1] + u
	}
	return c, true
}

// step is the size of the column of a change at an index, and its product with the
// values.
func (m *model) step(i int) (size, cross float64) {
	n, right := float64(len(m.d.z)), float64(len(m.d.z)-i)
	if n == 0 {
		return 0, 0
	}
	return right * float64(i) / n, m.right[i] - float64(right*m.mean)
}

// at is the likelihood of a change at an index of the series, whatever else there
// may be; a negative one is no change.
func (m *model) at(i int) fit {
	extras := m.extras
	if i < 0 || i <= m.d.first && m.d.first > 0 && i < m.d.first {
		extras = extras[:m.nothing]
	}
	var all mixture
	for k := range extras {
		m.with(i, &extras[k], &all)
	}
	return all.fit()
}

// with adds a change at an index together with another effect.
func (m *model) with(i int, e *column, all *mixture) {
	n := float64(len(m.d.z))
	shape := leastShape + math.Max(0, n-1)/2
	rate := leastShape * m.d.scale * m.d.scale
	var s11, v1, mean1 float64
	if i >= 0 && n > 0 {
		s11, v1 = m.step(i)
		mean1 = (n - float64(i)) / n
	}
	var s12 float64
	if e.from != nil && i >= 0 {
		s12 = e.from[i]
	}
	for _, w := range widths {
		t := 1 / (w.tau * w.tau)
		a, d := s11+t, e.size+t
		if e.from == nil {
			d = t
		}
		det := float64(a*d) - float64(s12*s12)
		one := (float64(d*v1) - float64(s12*e.cross)) / det
		two := (float64(a*e.cross) - float64(s12*v1)) / det
		left := math.Max(0, m.total-float64(one*v1)-float64(two*e.cross))
		sigma2 := (rate + left/2) / shape
		base := m.mean - float64(one*mean1) + float64(two*(e.inner-e.mean))
		f := fit{
			log:    math.Log(w.share*e.share) - 0.5*math.Log(det/float64(t*t)) - shape*math.Log(rate+left/2),
			before: base, after: base + one, sigma: math.Sqrt(sigma2), tell: 0.5, flat: 0.5,
		}
		if e.drift {
			f.drift = 1
		}
		if i >= 0 {
			// The moment prior: its weight is the square of the change, in widths.
			mean2, free := float64(one*one)/sigma2, d/det
			second := mean2 + free
			f.log += math.Log(second * t)
			fourth := float64(mean2*mean2) + 6*float64(mean2*free) + 3*float64(free*free)
			size := math.Sqrt(fourth / second)
			f.tell, f.flat = normal(size/2), normal(size*(mean1-0.5))
		}
		all.add(f)
		if i < 0 && e.from == nil {
			all.parts[len(all.parts)-1].log += math.Log(1 / w.share) // no change has no width
			break
		}
	}
}

// mixture sums fits by their likelihoods.
type mixture struct{ parts []fit }

func (m *mixture) add(f fit) { m.parts = append(m.parts, f) }

func (m *mixture) fit() fit {
	most := math.Inf(-1)
	for _, p := range m.parts {
		most = math.Max(most, p.log)
	}
	if math.IsInf(most, -1) {
		return fit{log: most, sigma: 1, tell: 0.5, flat: 0.5}
	}
	var out fit
	sum := 0.0
	for _, p := range m.parts {
		w := math.Exp(p.log - most)
		sum += w
		out.before += float64(w * p.before)
		out.after += float64(w * p.after)
		out.tell += float64(w * p.tell)
		out.flat += float64(w * p.flat)
		out.sigma += float64(w * p.sigma)
		out.drift += float64(w * p.drift)
	}
	out.before, out.after, out.tell = out.before/sum, out.after/sum, out.tell/sum
	out.flat /= sum
	out.sigma, out.drift, out.log = out.sigma/sum, out.drift/sum, most+math.Log(sum)
	return out
}

// believe computes the posterior, or returns the one that is still right.
func (s *Search) believe() *posterior {
	if s.post == nil {
		s.post = s.compute()
	}
	return s.post
}

func (s *Search) compute() *posterior {
	m := len(s.in.Index)
	d := s.series()
	mo := newModel(d)
	p := &posterior{data: d, prob: make([]float64, m+1), segment: make([]int, m), nothing: mo.at(-1)}
	// A change at a position is one before the first value of the next tested one.
	at := d.first
	var logs []float64
	for h, j := 0, -1; h < m; h++ {
		if h == 0 || len(s.values[h-1]) > 0 {
			j++
			p.fits = append(p.fits, mo.at(at))
			logs = append(logs, p.fits[j].log)
		}
		p.segment[h] = j
		at += len(s.values[h])
	}
	older := s.olderThan(mo, p.fits[0])
	most := math.Max(p.nothing.log, older.log)
	for _, l := range logs {
		most = math.Max(most, l)
	}
	sum := 0.0
	for h := range m {
		l := logs[p.segment[h]]
		if h == 0 {
			l = older.log
		}
		p.prob[h] = s.in.Prior[h] * math.Exp(l-most)
		sum += p.prob[h]
	}
	p.prob[m] = s.in.Prior[m] * math.Exp(p.nothing.log-most)
	sum += p.prob[m]
	for h := range p.prob {
		p.prob[h] /= sum
		if h < m {
			p.drift += float64(p.prob[h] * p.fits[p.segment[h]].drift)
		}
	}
	p.drift += float64(p.prob[m] * p.nothing.drift)
	return p
}

// olderThan is the hypothesis of a change before the range: with any of the older
// values, or right after them.
func (s *Search) olderThan(mo *model, here fit) fit {
	all := mixture{}
	n := mo.d.first
	cuts := math.Log(float64(max(0, n-fewOlder+1) + 1))
	here.log -= cuts
	all.add(here)
	for i := fewOlder - 1; i < n; i++ {
		f := mo.at(i)
		f.log -= cuts
		all.add(f)
	}
	return all.fit()
}

// fitAt is the fit of a hypothesis.
func (p *posterior) fitAt(h int) fit {
	if h >= len(p.segment) {
		return p.nothing
	}
	return p.fits[p.segment[h]]
}

// normal is the distribution function of the standard normal distribution.
func normal(x float64) float64 { return 0.5 * math.Erfc(-x/math.Sqrt2) }

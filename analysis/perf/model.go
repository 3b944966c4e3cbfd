package perf

import "math"

// posterior is what is believed after some observations. For m testable pushes, prob has
// m+1 entries and segment m. All culprits between two tested pushes explain the values
// equally well, so they share a segment and its fit. For 5 pushes with values on 0, 2 and 4,
// segment is 0 1 1 2 2: the value on push 2 shows a change by push 1 or by push 2.
type posterior struct {
	prob    []float64 // by hypothesis: before the range, culprits 1 to m-1, nothing
	segment []int     // by hypothesis, all but nothing: the tested pushes that it lies between
	fits    []fit     // by segment
	nothing fit
	data    *series
	// drift is the probability that the values drift.
	drift float64
}

// fit is a hypothesis about where the change is, with its unknown parameters integrated
// out.
type fit struct {
	log           float64 // the log likelihood
	before, after float64 // the mean values on either side, relative to the middle of the series
	sigma         float64 // the standard deviation of single values
	tell          float64 // the chance that the value of one run shows which side it is on
	flat          float64 // the chance that a run seems to be after the change although nothing changed
	drift         float64 // the probability that the values drift
}

// widths are the sizes that a change may have, in standard deviations, and how likely
// each is. The prior of a change d of width w is normal times (d/w)^2: the moment prior
// of Johnson and Rossell (2010). It is 0 at d = 0, so that runs can also show that there
// is no change.
var widths = []struct{ tau, share float64 }{{1.6, 0.3}, {4, 0.4}, {12, 0.25}, {100, 0.05}}

// leastShape is the shape of the inverse gamma prior of the variance: half the number of
// values that the guess of the scale from neighbours is worth.
const leastShape = 1.5

// column is an effect beside the change in question, as a column of the regression: what
// each value has of it, minus its mean.
type column struct {
	from  []float64 // by index: the sum of the column from there to the end
	size  float64   // the sum of its squares
	cross float64   // its scalar product with the values
	mean  float64   // what was subtracted
	inner float64   // what the middle of the range has of it, before the mean is subtracted
	share float64   // the prior probability of the effect
	drift bool
}

// model evaluates hypotheses on a series. It keeps sums from the end, so that each
// hypothesis takes constant time for each effect and width. For the values -1 -1 1 1,
// right is 0 1 2 1 0: the change at index 2 has the sum 2 after it.
type model struct {
	d       *series
	right   []float64 // by index: the sum of the values from there to the end
	total   float64   // the sum of squares around the mean
	mean    float64
	extras  []column // the effects that may come on top; the first is none
	nothing int      // how many of extras apply if nothing in the range changed the value
}

// elsewhere is the prior probability that the values also changed outside of the range,
// drifts that they drift.
const (
	elsewhere = 0.1
	drifts    = 0.05
)

// newModel computes the sums of a series, and the effects that may come on top of a
// change: none, a drift, a change after the range and one before it.
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

// slope returns the column of a steady drift: 0 at the first value, 1 at the last, minus
// the mean.
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

// cut returns the column of a change outside of the range: of those at an index in [lo,
// hi), the one that explains most.
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

// step returns, for the column of a change at index i (0 before it, 1 from it on, minus
// the mean), the sum of squares, i (n-i) / n, and the scalar product with the values. For
// the values -1 -1 1 1 and index 2 the column is -.5 -.5 .5 .5: it returns 1 and 2, and
// 2/1 is the size of the change.
func (m *model) step(i int) (size, cross float64) {
	n, right := float64(len(m.d.z)), float64(len(m.d.z)-i)
	if n == 0 {
		return 0, 0
	}
	return right * float64(i) / n, m.right[i] - float64(right*m.mean)
}

// at returns the fit of a change at an index of the series, summed over what else may
// have changed. A negative index means no change. The last of the extras, a change before
// the range, does not apply to these and to a change before the range itself.
func (m *model) at(i int) fit {
	extras := m.extras
	if i < m.d.first {
		extras = extras[:m.nothing]
	}
	var all mixture
	for k := range extras {
		m.with(i, &extras[k], &all)
	}
	return all.fit()
}

// with adds the fits of a change at index i together with one other effect: for each
// width a ridge regression on the two columns, whose 2 by 2 system is solved in closed
// form. a and d are its diagonal, s12 its other element; one and two are the estimated
// change and effect. The variance is integrated out (normal-inverse-gamma), which leaves
// -shape ln(rate + left/2).
func (m *model) with(i int, e *column, all *mixture) {
	n := float64(len(m.d.z))
	// The variance's inverse gamma after n values around a free mean: shape and rate.
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
		// left is the sum of squares that the two effects do not explain.
		sigma2 := (rate + left/2) / shape
		// The columns have a mean of 0; base is the mean before the change, in the middle
		// of the range.
		base := m.mean - float64(one*mean1) + float64(two*(e.inner-e.mean))
		f := fit{
			log:    math.Log(w.share*e.share) - 0.5*math.Log(det/float64(t*t)) - shape*math.Log(rate+left/2),
			before: base, after: base + one, sigma: math.Sqrt(sigma2), tell: 0.5, flat: 0.5,
		}
		if e.drift {
			f.drift = 1
		}
		if i >= 0 {
			// The moment prior weighs each change by its square, in widths: the
			// likelihood gains the posterior mean of that square. The size of the change
			// is then sqrt(E d^4 / E d^2), by the moments of a normal distribution.
			// E d^2 and E d^4 of a normal distribution with mean^2 mean2 and variance
			// free, in units of sigma.
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

// mixture averages fits, weighted by their likelihoods.
type mixture struct{ parts []fit }

func (m *mixture) add(f fit) { m.parts = append(m.parts, f) }

// fit returns the mean of the fits, weighted by their likelihoods, with the sum of the
// likelihoods as its own. Sums are relative to the largest, since the likelihoods
// themselves may be too small for a float64.
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

// believe returns the posterior, and computes it if something was observed since.
func (s *Search) believe() *posterior {
	if s.post == nil {
		s.post = s.compute()
	}
	return s.post
}

// compute computes the posterior over positions: 0 is "before the range", 1 to m-1 are
// culprits, m is "nothing".
func (s *Search) compute() *posterior {
	m := len(s.in.Index)
	d := s.series()
	mo := newModel(d)
	p := &posterior{data: d, prob: make([]float64, m+1), segment: make([]int, m), nothing: mo.at(-1)}
	// A change at a position lies before the first value at or after it. Positions
	// between two tested pushes therefore share one fit, as j counts them.
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

// olderThan returns the fit of a change before the range: at any of the older values from
// fewOlder-1 on, or right after the last. Each place is as likely as any other.
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

// fitAt returns the fit of the hypothesis at a position.
func (p *posterior) fitAt(h int) fit {
	if h >= len(p.segment) {
		return p.nothing
	}
	return p.fits[p.segment[h]]
}

// normal is the distribution function of the standard normal distribution.
func normal(x float64) float64 { return 0.5 * math.Erfc(-x/math.Sqrt2) }

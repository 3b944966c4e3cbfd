package perf

import (
	"math"
	"slices"
)

// series holds all values of a search, older and newer ones too, in the order of the
// pushes. z and at have the same length. With n = 4, 2 older values, 2 values on push 0,
// 1 on push 4 and 1 newer value:
//
//	at = -2 -1 0 0 4 5, first = 2, last = 5
type series struct {
	z     []float64 // relative to mid, with outliers drawn in
	at    []float64 // the push of each value: 0 to n in the range, -1 the newest older value, n+1 the first newer one
	first int       // index in z of the first value of the range
	last  int       // index after the last one of the range
	mid   float64   // the median, which was subtracted from all values
	scale float64   // the standard deviation as neighbouring values show it
	drawn int       // how many outliers were drawn in
}

// reach is how many standard deviations (series.scale) a value may be away from its
// neighbours before it is drawn in.
const reach = 3

// series puts the values of a search in the order of the pushes, subtracts their median
// and draws outliers in. Those of one push are in ascending order. Without any value the
// scale is 1, so that nothing is divided by 0.
func (s *Search) series() *series {
	out := &series{}
	var group []int // the push of each value, which tells those of one push
	put := func(v float64, at int) {
		out.z, out.at, group = append(out.z, v), append(out.at, float64(at)), append(group, at)
	}
	for i, v := range s.o.Older {
		put(v, i-len(s.o.Older))
	}
	out.first = len(out.z)
	for i, vs := range s.values {
		for _, v := range vs {
			put(v, s.in.Index[i])
		}
	}
	out.last = len(out.z)
	for i, v := range s.o.Newer {
		put(v, s.n+1+i)
	}
	if len(out.z) == 0 {
		out.scale = 1
		return out
	}
	out.mid = median(slices.Clone(out.z))
	for i := range out.z {
		out.z[i] -= out.mid
	}
	out.scale = math.Max(neighbourly(out.z), finest*math.Max(math.Abs(out.mid), 1e-9))
	out.clean(group)
	return out
}

// finest is the smallest standard deviation that is believed, relative to the value. A
// size in bytes has no noise at all, and a change of a millionth of it does not matter.
const finest = 1e-6

// neighbourly returns the standard deviation that neighbouring values show. One change, a
// drift or a tenth of outliers hardly affect it. It is the third quartile of the
// differences of values at most three apart, divided by 1.627, which it is for a Gaussian
// with a standard deviation of 1: sqrt(2) times the quantile 0.875 of the normal
// distribution. A lower quantile would miss the larger half of noise with two modes.
//
// For 1 2 1 2 1 2 there are 12 differences, four of 0 and eight of 1. The third quartile
// is the ninth, 1, and the result is 0.61.
func neighbourly(z []float64) float64 {
	const most = 3
	var d []float64
	for i := range z {
		for j := i + 1; j <= i+most && j < len(z); j++ {
			d = append(d, math.Abs(z[i]-z[j]))
		}
	}
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[(3*len(d)-1)/4] / 1.627
}

// clean draws outliers in: a value may be reach scales away from the median of the values
// of its push and two neighbours on either side. A real change stays sharp, once two or
// three values show it.
//
// With a scale of 1, the 50 in 10 11 50 10 11, one value on each push, may be 3 away from
// the median of these five, 11, and becomes 14. It is the only one drawn in.
func (s *series) clean(group []int) {
	if len(s.z) < 4 {
		return
	}
	out := slices.Clone(s.z)
	var near []float64
	// from to to-1 are the values of one push.
	for from := 0; from < len(s.z); {
		to := from + 1
		for to < len(s.z) && group[to] == group[from] {
			to++
		}
		near = append(near[:0], s.z[max(0, from-2):min(len(s.z), to+2)]...)
		mid := median(near)
		for i := from; i < to; i++ {
			out[i] = math.Max(mid-reach*s.scale, math.Min(mid+reach*s.scale, s.z[i]))
			if out[i] != s.z[i] {
				s.drawn++
			}
		}
		from = to
	}
	s.z = out
}

// median returns the median of the values, and sorts them in place. It is 0 without
// values.
func median(v []float64) float64 {
	slices.Sort(v)
	n := len(v)
	if n == 0 {
		return 0
	}
	return (v[(n-1)/2] + v[n/2]) / 2
}

// mean returns the mean of the values, with outliers drawn in to reach times sigma around
// the median.
func mean(v []float64, sigma float64) float64 {
	mid, sum := median(slices.Clone(v)), 0.0
	for _, x := range v {
		sum += math.Max(mid-reach*sigma, math.Min(mid+reach*sigma, x))
	}
	return sum / float64(len(v))
}

// agree returns how many standard deviations the ranks of the values on the right of a
// cut are above what they would be without a change (the U statistic of Mann and Whitney,
// corrected for ties). It assumes nothing about the distribution. It returns 0 where all
// values are equal.
//
// For 1 2 3 before and 4 5 6 after the cut, the ranks on the right add up to 15, where 10.5
// would be expected with a standard deviation of 2.29: it returns 1.96.
func agree(left, right []float64) float64 {
	type ranked struct {
		v     float64
		right bool
	}
	all := make([]ranked, 0, len(left)+len(right))
	for _, v := range left {
		all = append(all, ranked{v, false})
	}
	for _, v := range right {
		all = append(all, ranked{v, true})
	}
	slices.SortFunc(all, func(a, b ranked) int {
		switch {
		case a.v < b.v:
			return -1
		case a.v > b.v:
			return 1
		}
		return 0
	})
	n, nl, nr := float64(len(all)), float64(len(left)), float64(len(right))
	sum, ties := 0.0, 0.0
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].v == all[i].v {
			j++
		}
		// Values i to j-1 are equal, and share the mean of the ranks i+1 to j: j -
		// (t-1)/2. In 1 2 2 the values 2 have the ranks 2 and 3, and so 3 - 1/2 each.
		t := float64(j - i)
		ties += t * (t*t - 1)
		for ; i < j; i++ {
			if all[i].right {
				sum += float64(j) - (t-1)/2
			}
		}
	}
	variance := nl * nr / 12 * (n + 1 - ties/math.Max(1, n*(n-1)))
	if variance <= 0 {
		return 0
	}
	return (sum - nr*(n+1)/2) / math.Sqrt(variance)
}

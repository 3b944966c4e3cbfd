package perf

import (
	"math"
	"slices"
)

// series are all values in the order of the pushes.
type series struct {
	z     []float64 // relative to the middle, outliers drawn in
	at    []float64 // where: the push's number; older values have negative ones
	first int       // index of the first value of the range
	last  int       // index after the last one of the range
	mid   float64   // the median that was taken off
	scale float64   // the standard deviation of neighbours
	drawn int       // how many outliers were drawn in
}

// reach is how many scales a value may be away from its neighbours.
const reach = 3

// series puts the values of a search in order, and cleans them.
func (s *Search) series() *series {
	out := &series{}
	var group []int // by value: its push's number, to tell which are of one push
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

// finest is the least standard deviation relative to the value: a size in bytes has no
// noise at all, and a change of a millionth of it is none.
const finest = 1e-6

// neighbourly is the standard deviation that neighbours show, for which one change, a
// drift and a tenth of outliers count little: of the differences of values at most
// three apart the third quartile, which for Gaussian ones is 1.627 times as much.
// A lower quantile would not see the greater half of noise with two modes.
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

// clean draws outliers in: a value may be so far from the median of those of its
// push and two neighbours on either side. A change stays as sharp as it is, once two
// or three values show it.
func (s *series) clean(group []int) {
	if len(s.z) < 4 {
		return
	}
	out := slices.Clone(s.z)
	var near []float64
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

// median is that of values, which it sorts.
func median(v []float64) float64 {
	slices.Sort(v)
	n := len(v)
	if n == 0 {
		return 0
	}
	return (v[(n-1)/2] + v[n/2]) / 2
}

// mean is that of values, outliers drawn in.
func mean(v []float64, sigma float64) float64 {
	mid, sum := median(slices.Clone(v)), 0.0
	for _, x := range v {
		sum += math.Max(mid-reach*sigma, math.Min(mid+reach*sigma, x))
	}
	return sum / float64(len(v))
}

// agree is how many standard deviations the ranks of the values on one side of a cut
// are away from those on the other (Mann and Whitney's U, with ties): it does not care
// what the distribution is.
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

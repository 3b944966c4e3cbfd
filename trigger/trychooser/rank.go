package trychooser

import (
	"slices"

	fuzzyrank "github.com/sahilm/fuzzy"
)

// maxRanked is how many words of a query count for the order. People type fewer; more
// would only cost time.
const maxRanked = 8

// Rank returns the labels that the query chooses, the best match first, for people who
// pick from a list. Letters that are next to each other and those at the beginning of a
// word raise a label, other letters lower it. Equal labels keep their order, and so do
// all labels if the query only says what to leave out. labels itself is not changed.
func Rank(q Query, labels []string) []string {
	matched := make([]string, 0, len(labels))
	for _, l := range labels {
		if q.Match(l) {
			matched = append(matched, l)
		}
	}
	points := make([]int, len(matched))
	ranked := 0
	for _, set := range q.sets {
		if ranked++; ranked > maxRanked {
			break
		}
		for i, p := range best(set, matched) {
			points[i] += p
		}
	}
	order := make([]int, len(matched))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return points[b] - points[a] })
	out := make([]string, len(matched))
	for i, from := range order {
		out[i] = matched[from]
	}
	return out
}

// best returns for each label the points of the term in the set that fits it best, and 0
// if only terms with ! hold. Points only compare labels for the same query.
func best(set []term, labels []string) []int {
	points, scored := make([]int, len(labels)), make([]bool, len(labels))
	for i := range set[:min(len(set), maxRanked)] {
		t := &set[i]
		if t.not {
			continue
		}
		for _, m := range fuzzyrank.FindNoSort(t.text, labels) {
			if t.match(m.Str, lettersOf(m.Str)) && (!scored[m.Index] || m.Score > points[m.Index]) {
				points[m.Index], scored[m.Index] = m.Score, true
			}
		}
	}
	return points
}

package trychooser

import (
	"slices"

	fuzzyrank "github.com/sahilm/fuzzy"
)

// maxRanked is how many words of a query count for the order: a person types fewer.
const maxRanked = 8

// Rank returns those of the labels that the query chooses, the best match first, for
// people who pick from a list: letters that are together, and those at the beginning of a
// label or of a word in it, count more. Equal ones stay in the order that they came in, as
// do all when the query only says what to leave out. The labels themselves are not changed.
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

// best is for each label the points of that term of the set which fits it best, 0 where
// only those hold that leave something out.
func best(set []term, labels []string) []int {
	points, scored := make([]int, len(labels)), make([]bool, len(labels))
	for i := range set[:min(len(set), maxRanked)] {
		t := &set[i]
		if t.not {
			continue
		}
		for _, m := range fuzzyrank.FindNoSort(t.text, labels) {
			if t.match(m.Str) && (!scored[m.Index] || m.Score > points[m.Index]) {
				points[m.Index], scored[m.Index] = m.Score, true
			}
		}
	}
	return points
}

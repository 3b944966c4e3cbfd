package job

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// UnknownLabelError says that a label is not in a catalog. It is an
// [ErrNotFound].
type UnknownLabelError struct {
	Label string
	Near  []string // the labels most like it, the most like first; none in an empty catalog
}

// Error names the label and suggests those in Near. When there are none it says that nothing
// can run here.
func (e *UnknownLabelError) Error() string {
	if len(e.Near) == 0 {
		return fmt.Sprintf("%v: label %q: nothing can run here", ErrNotFound, e.Label)
	}
	return fmt.Sprintf("%v: label %q; did you mean %s?", ErrNotFound, e.Label,
		Visible(strings.Join(e.Near, ", ")))
}

// Unwrap returns ErrNotFound.
func (e *UnknownLabelError) Unwrap() error { return ErrNotFound }

// Lookup finds a label in a catalog. A label that is missing gives an
// *UnknownLabelError with the three labels that differ from it by the fewest letters.
func Lookup(catalog []Runnable, label string) (Runnable, error) {
	names := make([]string, len(catalog))
	for i, e := range catalog {
		if e.Label == label {
			return e, nil
		}
		names[i] = e.Label
	}
	return Runnable{}, &UnknownLabelError{label, Nearest(names, label, 3)}
}

// LookupRan is Lookup among the labels of jobs that ran, for a source without a
// catalog.
func LookupRan(jobs []Job, label string) error {
	seen := map[string]bool{}
	var ran []Runnable
	for _, j := range jobs {
		if !seen[j.Name()] {
			seen[j.Name()] = true
			ran = append(ran, Runnable{Label: j.Name()})
		}
	}
	_, err := Lookup(ran, label)
	return err
}

// Nearest returns up to n of the names, the nearest to name first: those that contain it
// in any case, then by edit distance, then by name. Of "linux64/opt/build" and
// "linux64/opt/xpcshell-1", "xpcshell" is nearer to the second.
func Nearest(names []string, name string, n int) []string {
	type near struct {
		name  string
		lacks int // 1 when it does not contain the name
		d     int
	}
	var all []near
	part := strings.ToLower(name)
	for _, s := range names {
		lacks := 0
		if len(part) < 3 || !strings.Contains(strings.ToLower(s), part) { // a letter or two are in most names
			lacks = 1
		}
		all = append(all, near{s, lacks, Distance(s, name)})
	}
	slices.SortFunc(all, func(a, b near) int {
		return cmp.Or(cmp.Compare(a.lacks, b.lacks), cmp.Compare(a.d, b.d), cmp.Compare(a.name, b.name))
	})
	var out []string
	for _, s := range all[:min(n, len(all))] {
		out = append(out, s.name)
	}
	return out
}

// Distance is the Levenshtein distance: the smallest number of bytes to insert, delete
// or replace to turn one text into the other. Case does not matter. It looks at the
// first 200 bytes of each at most, which bounds the time for hostile names.
//
// The table of distances is computed row by row, in one slice: before row i, row[j] is
// the distance of a[:i] and b[:j].
func Distance(a, b string) int {
	const most = 200
	a, b = strings.ToLower(a[:min(len(a), most)]), strings.ToLower(b[:min(len(b), most)])
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

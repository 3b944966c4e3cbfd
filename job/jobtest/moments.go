package jobtest

import (
	"cmp"
	"container/heap"
	"time"
)

// moment is when something happens next: to a push, a run, or a waiting caller. A CI keeps them in a
// heap, so that it need not search the whole world for the next one.
type moment struct {
	at   time.Time
	kind momentKind
	seq  int   // the order of what happens at one time, within a kind
	spot int   // in the heap, from 1; 0 when it is not there
	push *push // of pushAppears
	run  *run  // of runChanges
}

// momentKind says what happens; of what happens at the same time the lower comes first: a push is
// there before its runs change, and a wait ends when all that happens then has happened.
type momentKind int

const (
	pushAppears   momentKind = iota
	runChanges               // see CI.change
	runClassified            // nothing in the run changes, but the answer of Classification does
	waitEnds                 // of a caller of CI.Wait
)

// moments is a heap of package container/heap: no moment is later than those below it, and those
// below m[i] are m[2i+1] and m[2i+2]. Each moment knows its spot, so that it can be moved or
// removed without a search.
type moments []*moment

func (m moments) Len() int { return len(m) }

func (m moments) Less(i, j int) bool {
	a, b := m[i], m[j]
	return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.kind, b.kind), cmp.Compare(a.seq, b.seq)) < 0
}

func (m moments) Swap(i, j int) {
	m[i], m[j] = m[j], m[i]
	m[i].spot, m[j].spot = i+1, j+1
}

// Push implements heap.Interface.
func (m *moments) Push(x any) {
	e := x.(*moment)
	*m = append(*m, e)
	e.spot = len(*m)
}

// Pop implements heap.Interface.
func (m *moments) Pop() any {
	last := len(*m) - 1
	e := (*m)[last]
	(*m)[last], *m = nil, (*m)[:last]
	e.spot = 0
	return e
}

// first is when something happens next; zero for never.
func (m moments) first() time.Time {
	if len(m) == 0 {
		return time.Time{}
	}
	return m[0].at
}

// change is when something other than the end of a wait happens next; zero for never. In a heap no
// moment is later than those below it, so it must look below waits alone, and not below what is
// later than the earliest change found so far.
func (m moments) change() (at time.Time) {
	below := []int{0}
	for len(below) > 0 {
		i := below[len(below)-1]
		below = below[:len(below)-1]
		switch {
		case i >= len(m), !at.IsZero() && !m[i].at.Before(at):
		case m[i].kind != waitEnds:
			at = m[i].at
		default:
			below = append(below, 2*i+1, 2*i+2)
		}
	}
	return at
}

// set moves a moment to another time, or removes it if the time is zero.
func (m *moments) set(e *moment, at time.Time) {
	e.at = at
	switch {
	case at.IsZero() && e.spot > 0:
		heap.Remove(m, e.spot-1)
	case at.IsZero():
	case e.spot > 0:
		heap.Fix(m, e.spot-1)
	default:
		heap.Push(m, e)
	}
}

package pulse

// tags are those of the messages that were acknowledged on a channel. The broker counts
// them up from 1.
type tags struct {
	all   uint64          // all up to this one
	ahead map[uint64]bool // those that come after one that was not
}

// take notes that messages are acknowledged. Those before which all were take one word
// to the broker, which is about the last of them and all before; 0 for none. The
// others come after a message that is not written yet, and take a word each.
func (t *tags) take(list []delivery) (last uint64, others []uint64) {
	if t.ahead == nil {
		t.ahead = map[uint64]bool{}
	}
	for _, d := range list {
		t.ahead[d.tag] = true
	}
	for t.ahead[t.all+1] {
		t.all++
		delete(t.ahead, t.all)
	}
	for _, d := range list {
		if d.tag > t.all {
			others = append(others, d.tag)
		} else {
			last = max(last, d.tag)
		}
	}
	return last, others
}

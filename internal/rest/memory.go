package rest

import (
	"container/list"
	"sync"
)

// MostAnswers is the maximum number of answers in a Memory, however small they are.
const MostAnswers = 10_000

// NewMemory returns a Cache in memory. When its bodies together are larger than maxBytes,
// or there are more than MostAnswers, it drops the answers that were unused the longest. A
// single body larger than maxBytes is not kept.
func NewMemory(maxBytes int64) *Memory {
	return &Memory{max: maxBytes, entries: map[string]*list.Element{}, order: list.New()}
}

// Memory is a Cache in memory; NewMemory makes one.
type Memory struct {
	mu        sync.Mutex
	max, size int64
	entries   map[string]*list.Element // of entry
	order     *list.List               // most recently used first
}

type entry struct {
	url string
	*Kept
}

// Load implements Cache.
func (m *Memory) Load(url string) (*Kept, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	el, ok := m.entries[url]
	if !ok {
		return nil, false
	}
	m.order.MoveToFront(el)
	return el.Value.(entry).Kept, true
}

// Store implements Cache.
func (m *Memory) Store(url string, e *Kept) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if el, ok := m.entries[url]; ok {
		m.drop(el)
	}
	if int64(len(e.Body)) > m.max {
		return // it would displace all the others, and then itself
	}
	m.entries[url] = m.order.PushFront(entry{url, e})
	m.size += int64(len(e.Body))
	for m.size > m.max || m.order.Len() > MostAnswers {
		m.drop(m.order.Back())
	}
}

func (m *Memory) drop(el *list.Element) {
	e := m.order.Remove(el).(entry)
	m.size -= int64(len(e.Body))
	delete(m.entries, e.url)
}

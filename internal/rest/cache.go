package rest

import (
	"container/list"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Cache keeps answers by URL. Implementations are safe for concurrent use; one
// that loses an answer is slower, never wrong.
type Cache interface {
	Load(url string) (*Kept, bool)
	Store(url string, e *Kept)
}

// Kept is a kept answer; it is not changed once it is stored.
type Kept struct {
	URL                string // to tell apart what a file name cannot
	ETag, LastModified string
	ContentType        string
	Immutable          bool
	Body               []byte
}

func (e *Kept) validate(h http.Header) {
	if e.ETag != "" {
		h.Set("If-None-Match", e.ETag)
	}
	if e.LastModified != "" {
		h.Set("If-Modified-Since", e.LastModified)
	}
}

func (e *Kept) response(url string) *Response {
	return &Response{
		Status: http.StatusOK, URL: url, Body: slices.Clone(e.Body),
		Header: http.Header{"Content-Type": {e.ContentType}, "Etag": {e.ETag}},
	}
}

// cacheable: only plain GETs without credentials are shared by URL.
func cacheable(req Call) bool {
	return method(req) == http.MethodGet && req.Sign == nil && len(req.Body) == 0 &&
		req.Header.Get("Authorization") == ""
}

func (c *Client) cached(req Call) (*Kept, bool) {
	if c.o.Cache == nil || !cacheable(req) {
		return nil, false
	}
	e, ok := c.o.Cache.Load(req.URL)
	return e, ok && e.Immutable
}

func (c *Client) keep(req Call, res *Response) {
	e := &Kept{
		URL: req.URL, ETag: res.Header.Get("ETag"), LastModified: res.Header.Get("Last-Modified"),
		ContentType: res.Header.Get("Content-Type"), Immutable: req.Immutable, Body: slices.Clone(res.Body),
	}
	if c.o.Cache != nil && cacheable(req) && res.Status == http.StatusOK &&
		(e.ETag != "" || e.LastModified != "" || e.Immutable) {
		c.o.Cache.Store(req.URL, e)
	}
}

// NewMemory returns a Cache in memory that forgets what was not used for
// longest once its bodies are larger than maxBytes together.
func NewMemory(maxBytes int64) *Memory {
	return &Memory{max: maxBytes, entries: map[string]*list.Element{}, order: list.New()}
}

// Memory is a Cache in memory; NewMemory makes one.
type Memory struct {
	mu        sync.Mutex
	max, size int64
	entries   map[string]*list.Element // of *Entry
	order     *list.List               // most recently used first
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
	return el.Value.(*Kept), true
}

// Store implements Cache.
func (m *Memory) Store(url string, e *Kept) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if el, ok := m.entries[url]; ok {
		m.drop(el)
	}
	m.entries[url] = m.order.PushFront(e)
	m.size += int64(len(e.Body))
	for m.size > m.max && m.order.Len() > 0 {
		m.drop(m.order.Back())
	}
}

func (m *Memory) drop(el *list.Element) {
	e := m.order.Remove(el).(*Kept)
	m.size -= int64(len(e.Body))
	delete(m.entries, e.URL)
}

// NewDisk returns a Cache in a folder, which is made when something is kept.
// Once the files are larger than maxBytes together the oldest are removed.
// Files that cannot be read are no entries; several processes may share the
// folder.
func NewDisk(dir string, maxBytes int64) *Disk { return &Disk{dir, maxBytes} }

// Disk is a Cache in a folder; NewDisk makes one.
type Disk struct {
	dir string
	max int64
}

func (d *Disk) file(url string) string {
	sum := sha256.Sum256([]byte(url))
	return filepath.Join(d.dir, hex.EncodeToString(sum[:16])+".json")
}

// Load implements Cache.
func (d *Disk) Load(url string) (*Kept, bool) {
	text, err := os.ReadFile(d.file(url))
	if err != nil {
		return nil, false
	}
	var e Kept
	if json.Unmarshal(text, &e) != nil || e.URL != url {
		return nil, false
	}
	return &e, true
}

// Store implements Cache. The file appears whole or not at all.
func (d *Disk) Store(url string, e *Kept) {
	text, err := json.Marshal(e)
	if err != nil || int64(len(text)) > d.max {
		return
	}
	if os.MkdirAll(d.dir, 0o700) != nil {
		return
	}
	tmp, err := os.CreateTemp(d.dir, "new-*")
	if err != nil {
		return
	}
	_, werr := tmp.Write(text)
	if errors.Join(werr, tmp.Close()) != nil || os.Rename(tmp.Name(), d.file(url)) != nil {
		_ = os.Remove(tmp.Name())
		return
	}
	d.trim()
}

// trim removes the oldest files until the rest fits.
func (d *Disk) trim() {
	type file struct {
		path string
		size int64
		at   time.Time
	}
	var all []file
	var size int64
	_ = filepath.WalkDir(d.dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			if info, infoErr := e.Info(); infoErr == nil {
				all = append(all, file{path, info.Size(), info.ModTime()})
				size += info.Size()
			}
		}
		return nil // what another process has just removed is no matter
	})
	slices.SortFunc(all, func(a, b file) int { return a.at.Compare(b.at) })
	for _, f := range all {
		if size <= d.max {
			return
		}
		if os.Remove(f.path) == nil {
			size -= f.size
		}
	}
}

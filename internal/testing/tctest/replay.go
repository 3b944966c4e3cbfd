package tctest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Recorded is one recorded exchange.
type Recorded struct {
	Name    string // of its file
	Request struct {
		Method  string
		URL     string
		Headers map[string]string
		Body    json.RawMessage
	}
	Response struct {
		Status  int
		Headers map[string]string
		Body    json.RawMessage
	}
}

// ReadRecorded reads the exchanges of a folder, in the order of their names.
func ReadRecorded(dir string) ([]Recorded, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	var out []Recorded
	for _, n := range names {
		text, err := os.ReadFile(n)
		if err != nil {
			return nil, err
		}
		r := Recorded{Name: filepath.Base(n)}
		if err := json.Unmarshal(text, &r); err != nil {
			return nil, fmt.Errorf("%s: %w", n, err)
		}
		out = append(out, r)
	}
	return out, nil
}

// Where the recorded deployment and its artifact store were.
const (
	recordedRoot  = "http://127.0.0.1:8080"
	recordedStore = "http://127.0.0.1:3090"
)

// Replay serves recorded exchanges at a URL of its own: an exchange answers the
// same method, path and query, and of several with the same body, or else the
// first that was not used yet. Files answers what they lack.
type Replay struct {
	URL string
	// Files are artifacts, by "<task id>/<name>"; they are found by
	// artifact-content, and served from the store.
	Files map[string][]byte

	mu      sync.Mutex
	all     []Recorded
	used    map[string]bool
	unknown []string
}

// NewReplay returns a server of the exchanges.
func NewReplay(exchanges []Recorded) *Replay {
	return &Replay{all: exchanges, used: map[string]bool{}, Files: map[string][]byte{}}
}

// Used are the names of the exchanges that answered something.
func (p *Replay) Used() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for name := range p.used {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Unanswered are requests that nothing answered.
func (p *Replay) Unanswered() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.unknown)
}

// ServeHTTP implements http.Handler.
func (p *Replay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	if _, err := body.ReadFrom(r.Body); err != nil {
		return
	}
	if p.file(w, r) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	best, score := -1, 0
	for i, e := range p.all {
		at := strings.TrimPrefix(strings.TrimPrefix(e.Request.URL, recordedRoot), recordedStore)
		if e.Request.Method != r.Method || at != r.URL.RequestURI() {
			continue
		}
		points := 1
		if same(e.Request.Body, body.Bytes()) {
			points += 2
		}
		if !p.used[e.Name] {
			points++
		}
		if points > score {
			best, score = i, points
		}
	}
	if best < 0 {
		p.unknown = append(p.unknown, r.Method+" "+r.URL.RequestURI())
		answer(w, http.StatusNotFound, Object{"error": "Not found"})
		return
	}
	e := p.all[best]
	p.used[e.Name] = true
	for k, v := range e.Response.Headers {
		switch strings.ToLower(k) {
		case "content-type", "location", "x-taskcluster-artifact-storage-type", "date":
			w.Header().Set(k, p.here(v))
		}
	}
	w.WriteHeader(e.Response.Status)
	var text string
	switch {
	case string(e.Response.Body) == "null":
	case json.Unmarshal(e.Response.Body, &text) == nil:
		_, _ = w.Write([]byte(p.here(text)))
	default:
		_, _ = w.Write([]byte(p.here(string(e.Response.Body))))
	}
}

// here moves recorded places to where the replay is.
func (p *Replay) here(text string) string {
	return strings.NewReplacer(recordedRoot, p.URL, recordedStore, p.URL).Replace(text)
}

// file answers for an artifact of Files.
func (p *Replay) file(w http.ResponseWriter, r *http.Request) bool {
	if key, ok := strings.CutPrefix(r.URL.Path, "/files/"); ok && p.Files[key] != nil {
		_, _ = w.Write(p.Files[key])
		return true
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/api/queue/v1/task/")
	if !ok {
		return false
	}
	for key := range p.Files {
		id, name, _ := strings.Cut(key, "/")
		if rest == id+"/artifact-content/"+name || rest == id+"/runs/0/artifact-content/"+name {
			answer(w, http.StatusOK, Object{"storageType": "s3", "url": p.URL + "/files/" + key})
			return true
		}
	}
	return false
}

func same(recorded json.RawMessage, sent []byte) bool {
	var a, b any
	if json.Unmarshal(recorded, &a) != nil || json.Unmarshal(sent, &b) != nil {
		return len(sent) == 0
	}
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

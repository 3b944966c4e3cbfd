package bbtest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mozci/mozci/internal/testing/testenv"
)

// Double answers as a master does, over tables in memory, and counts what it is
// asked: for questions that a real master takes hours to have a history for. What
// it does not know, it refuses.
type Double struct {
	URL string

	// Forcing is how long a force takes, as on a master under load.
	Forcing time.Duration
	// Front is in front of the master: it answers what it refuses, and returns
	// whether it did. Optional.
	Front func(http.ResponseWriter, *http.Request) bool

	mu     sync.Mutex
	tables map[string][]Row
	raw    map[string]string
	stamps map[string]int // ids of source stamps, by what they say
	asked  []string
}

// Row is one record, with the fields that the API gives it.
type Row map[string]any

// NewDouble starts a double without a history.
func NewDouble(t testing.TB) *Double {
	t.Helper()
	d := Offline()
	s := httptest.NewServer(d)
	t.Cleanup(s.Close)
	d.URL = s.URL
	return d
}

// Offline returns a double that no server serves: its RoundTrip answers, also in a
// testing/synctest bubble.
func Offline() *Double {
	d := &Double{tables: map[string][]Row{}, raw: map[string]string{}, stamps: map[string]int{}}
	for name := range keys {
		d.tables[name] = nil
	}
	return d
}

// RoundTrip implements http.RoundTripper.
func (d *Double) RoundTrip(r *http.Request) (*http.Response, error) {
	return testenv.InMemory{Handler: d}.RoundTrip(r)
}

// DoubleOf starts a double with the tables of a file, whose logs are in "raw".
func DoubleOf(t testing.TB, file string) *Double {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	d := NewDouble(t)
	for name := range keys {
		var rows []Row
		if err := json.Unmarshal(all[name], &rows); err != nil {
			t.Fatalf("%s: %s: %v", file, name, err)
		}
		for _, r := range rows {
			d.tables[name] = append(d.tables[name], completed(name, r))
		}
	}
	if err := json.Unmarshal(all["raw"], &d.raw); err != nil {
		t.Fatalf("%s: raw: %v", file, err)
	}
	return d
}

// Asked returns the requests since its last call.
func (d *Double) Asked() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := d.asked
	d.asked = nil
	return out
}

// Edit changes the tables.
func (d *Double) Edit(edit func(tables map[string][]Row)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	edit(d.tables)
}

// ServeHTTP implements http.Handler.
func (d *Double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	d.asked = append(d.asked, r.Method+" "+r.URL.String())
	d.mu.Unlock()
	if d.Front != nil && d.Front(w, r) {
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/api/v2/")
	parts := strings.Split(path, "/")
	switch {
	case r.URL.Path == "/auth/login": // everybody may sign in
		// Two cookies come, the anonymous session's first.
		w.Header().Add("Set-Cookie", "TWISTED_SESSION=anonymous; Path=/")
		w.Header().Add("Set-Cookie", "TWISTED_SESSION=signed-in; Path=/")
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Location", d.URL+"/#/")
		w.WriteHeader(http.StatusFound)
	case r.URL.Path == "/config":
		answer(w, http.StatusOK, "application/json", configured(r))
	case !ok:
		refuse(w, http.StatusNotFound, "Invalid path: "+strings.TrimPrefix(r.URL.Path, "/"))
	case r.Method == http.MethodPost:
		d.post(w, r, parts)
	case r.Method != http.MethodGet:
		refuse(w, http.StatusBadRequest, "invalid HTTP method")
	case len(parts) == 3 && parts[0] == "logs" && parts[2] == "raw":
		d.text(w, parts[1])
	default:
		d.list(w, r, parts)
	}
}

// configured is what the master says of itself, and of whoever asks: everybody may force,
// and is called sheriff once signed in.
func configured(r *http.Request) Row {
	user := Row{"anonymous": true}
	if k, err := r.Cookie("TWISTED_SESSION"); err == nil && k.Value == "signed-in" {
		user = Row{"username": "sheriff", "email": "sheriff"}
	}
	return Row{
		"port": "tcp:8010", "plugins": Row{}, "auth": Row{"name": "UserPasswordAuth"}, "authz": Row{},
		"avatar_methods": Row{"name": "gravatar"}, "logfileName": "http.log", "debug": false, "ws_ping_interval": 30,
		"versions":    [][]string{{"Python", "3.11.2"}, {"Buildbot", "3.7.0"}, {"Twisted", "22.4.0"}},
		"buildbotURL": "http://" + r.Host + "/", "title": "CI", "titleURL": "http://" + r.Host + "/",
		"multiMaster": false, "user": user,
	}
}

// text answers the text of a log.
func (d *Double) text(w http.ResponseWriter, log string) {
	d.mu.Lock()
	text, ok := d.raw[log]
	d.mu.Unlock()
	if !ok {
		refuse(w, http.StatusNotFound, "not found while getting from endpoint for /logs/n:logid/raw")
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, text)
}

// answer answers JSON.
func answer(w http.ResponseWriter, status int, kind string, body any) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// refuse answers a read that failed.
func refuse(w http.ResponseWriter, status int, text string) {
	answer(w, status, "text/plain; charset=utf-8", Row{"error": text})
}

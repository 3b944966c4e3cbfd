package recorded_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/job/contract/recorded"
)

// What was answered is kept as it was read, packed or not, and what was not read
// to its end is not.
func TestWitness(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/packed":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, `{"id":2}`)
			_ = z.Close()
		case "/torn":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "{")
		case "/refused":
			http.Error(w, "no", http.StatusForbidden)
		default:
			_, _ = io.Copy(w, r.Body)
		}
	}))
	defer s.Close()
	w := &recorded.Witness{}
	client := &http.Client{Transport: w}
	ask := func(method, path, body string, read bool) {
		req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", "gzip") // so that it comes as it is
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if read {
			_, _ = io.Copy(io.Discard, res.Body) // torn ones too
		}
		_ = res.Body.Close()
	}
	ask("POST", "/echo", `{"id":1}`, true)
	ask("GET", "/packed", "", true)
	ask("GET", "/torn", "", true)
	ask("GET", "/refused", "", true)
	ask("POST", "/unread", `{"id":3}`, false)
	var got []string
	for _, i := range w.Items() {
		got = append(got, strings.ReplaceAll(show(i), s.URL, ""))
	}
	want := []string{`: POST /echo {"id":1} 200 {"id":1}`, `: GET /packed 200 {"id":2}`, ": GET /refused 403 no\n"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	nobody := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:1/", nil)
	if _, err := (&recorded.Witness{}).RoundTrip(nobody); err == nil {
		t.Error("nobody is there")
	}
}

package server

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
)

// strict is what a browser is told about a page, as whoever serves it tells it.
const strict = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// hazel is signed in.
func hazel(*http.Request) (Caller, bool) { return Caller{Name: "hazel", Via: "token"}, true }

func nobody(*http.Request) (Caller, bool) { return Caller{}, false }

// pageOf serves the page over a backend.
func pageOf(t testing.TB, b backend, who func(*http.Request) (Caller, bool), o *pageOptions) http.Handler {
	mux := http.NewServeMux()
	if o == nil {
		o = &pageOptions{SignIn: true, Example: "https://treeherder.example.org/jobs?repo=autoland&selectedTaskRun=T.0"}
	}
	o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	servePages(mux, b, who, o)
	front := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", strict)
		mux.ServeHTTP(w, r)
	})
	return http.NewCrossOriginProtection().Handler(front)
}

func TestServe(t *testing.T) {
	s := httptest.NewServer(pageOf(t, newFake(everyState()...), hazel, nil))
	t.Cleanup(s.Close)
	for _, path := range []string{"/", "/backfills", "/backfills/b7Q2run"} {
		r, err := http.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != 200 {
			t.Error(path, r.Status)
		}
	}
}

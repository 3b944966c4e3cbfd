package tctest_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/hawk"
	"github.com/mozci/mozci/internal/testing/shape"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
)

// world is a deployment with a push, and the ids of tasks in each state.
type world struct {
	*tctest.Server
	decision, build, test, other, failed, retried, cancelled, unscheduled string
}

const revision = "5de32fc00874c0ffee00c0ffee00c0ffee00c0ff"

func newWorld() *world {
	w := &world{Server: tctest.New()}
	w.decision = w.AddPush("autoland", 20, revision,
		tctest.Label{Name: "build-linux64/opt", Planned: true},
		tctest.Label{Name: "test-linux64/opt-1", Build: "build-linux64/opt", Planned: true},
		tctest.Label{Name: "test-linux64/opt-2", Build: "build-linux64/opt", Planned: true},
	)
	one := func(label string) string { return w.Tasks(w.decision, label)[0] }
	w.build, w.test, w.other = one("build-linux64/opt"), one("test-linux64/opt-1"), one("test-linux64/opt-2")
	w.Resolve(w.build, "completed", "completed") // and so the tests are pending
	w.Start(w.other)
	w.Put(w.build, 0, "public/logs/live_backing.log", []byte("a log"))
	add := func(state, reason string) string {
		id := w.Add(w.decision, tctest.Object{"extra": tctest.Object{}}, true).ID
		w.Resolve(id, state, reason)
		return id
	}
	w.failed, w.retried = add("failed", "failed"), add("exception", "worker-shutdown")
	w.cancelled = add("exception", "canceled")
	w.unscheduled = w.Add(w.decision, tctest.Object{"dependencies": []any{w.other}}, false).ID
	return w
}

// definition is a task as createTask takes it.
func definition(more tctest.Object) tctest.Object {
	stamp := func(d time.Duration) string { return time.Now().Add(d).UTC().Format("2006-01-02T15:04:05.000Z") }
	out := tctest.Object{
		"created": stamp(0), "deadline": stamp(time.Hour), "payload": tctest.Object{},
		"metadata": tctest.Object{
			"name": "x", "owner": "a@example.com", "source": "https://example.com",
			"description": "",
		},
	}
	for k, v := range more {
		out[k] = v
	}
	return out
}

// signing is how a request is signed.
type signing int

const (
	unsigned signing = iota
	signed
	wrongly // with another secret
)

// ask sends a request to the double; the body is JSON, or text as it is.
func (w *world) ask(t *testing.T, method, path string, how signing, body any) *httptest.ResponseRecorder {
	t.Helper()
	text, ok := body.(string)
	if !ok && body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		text = string(encoded)
	}
	r := httptest.NewRequest(method, "http://tc.example"+path, strings.NewReader(text))
	if how != unsigned {
		key := hawk.Key{ID: "me", Secret: map[signing]string{signed: "secret", wrongly: "another"}[how]}
		header, err := key.Header(hawk.Signed{Method: method, URL: r.URL, Time: time.Now(), Nonce: hawk.NewNonce()})
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", header)
	}
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	return rec
}

// pair is a recorded exchange and the same sort of request to the double.
type pair struct {
	recorded  string // the name of its file, without the number in front
	method    string
	path      string
	how       signing
	body      any
	onPurpose []string // how the double's answer differs
}

// compare asks the double for each and compares its answer with the recorded one:
// the status, the content type, the error's code and the form of the body.
func compare(t *testing.T, w *world, pairs []pair) {
	t.Helper()
	for _, p := range pairs {
		if p.method == "" {
			p.method = http.MethodGet
		}
		want, got := recorded(t, p.recorded), w.ask(t, p.method, p.path, p.how, p.body)
		if got.Code != want.Response.Status {
			t.Errorf("%s: %d, want %d: %s", p.recorded, got.Code, want.Response.Status, got.Body)
			continue
		}
		if d := cmp.Diff(want.Response.Headers["content-type"], got.Header().Get("Content-Type")); d != "" {
			t.Errorf("%s: content type (-want +got)\n%s", p.recorded, d)
		}
		if d := cmp.Diff(codeOf(want.Response.Body), codeOf(got.Body.Bytes())); d != "" {
			t.Errorf("%s: code (-want +got)\n%s", p.recorded, d)
		}
		diff := shape.Diff(fixed(t, want.Response.Body), fixed(t, got.Body.Bytes()))
		if d := cmp.Diff([]string(nil), shape.Unexpected(diff, p.onPurpose...)); d != "" {
			t.Errorf("%s (-want +got)\n%s", p.recorded, d)
		}
	}
}

// recorded is the exchange with this name, in one of the two recordings.
func recorded(t *testing.T, name string) tctest.Recorded {
	t.Helper()
	var found []string
	for _, folder := range []string{"taskcluster", "taskcluster-acting"} {
		for _, pattern := range []string{name + ".json", "[0-9][0-9][0-9]-" + name + ".json"} {
			files, err := filepath.Glob(filepath.Join(testenv.Shared(t, "wire", folder), pattern))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				found = append(found, folder+"/"+filepath.Base(f))
			}
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s: the recordings %q, expected one", name, found)
	}
	var r tctest.Recorded
	if err := json.Unmarshal(testenv.Read(t, "wire", found[0]), &r); err != nil {
		t.Fatalf("%s: %v", found[0], err)
	}
	return r
}

func codeOf(body []byte) string {
	var e struct{ Code string }
	_ = json.Unmarshal(body, &e) // what is no error has none
	return e.Code
}

// fixed is a body with what callers write into it taken out: of a task its
// payload, tags and extra, of an error what was asked, of an index its data.
func fixed(t *testing.T, body []byte) []byte {
	t.Helper()
	var v any
	if err := json.Unmarshal(bytes.TrimSpace(body), &v); err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for name, e := range v {
				switch name {
				case "payload", "tags", "extra", "params", "data":
					v[name] = tctest.Object{}
				default:
					walk(e)
				}
			}
		}
	}
	walk(v)
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

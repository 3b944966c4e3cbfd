package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
)

// api is the document that the service serves, and its routes.
type api struct {
	doc    *openapi3.T
	router routers.Router
	routes map[string]map[int]bool // operation to the statuses that were seen
	mu     sync.Mutex
}

var document = sync.OnceValues(func() (*api, error) {
	text, err := os.ReadFile("openapi.json")
	if err != nil {
		return nil, err
	}
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(text)
	if err != nil {
		return nil, err
	}
	if err := doc.Validate(loader.Context); err != nil {
		return nil, err
	}
	openapi3filter.RegisterBodyDecoder("text/event-stream", openapi3filter.FileBodyDecoder)
	router, err := legacy.NewRouter(doc)
	return &api{doc: doc, router: router, routes: map[string]map[int]bool{}}, err
})

func theAPI(t testing.TB) *api {
	t.Helper()
	a, err := document()
	if err != nil {
		t.Fatalf("openapi.json: %v", err)
	}
	return a
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// reason is that of an error.
func (a answer) reason() string {
	var e struct {
		Error struct{ Reason, Message string }
	}
	_ = json.Unmarshal(a.body, &e)
	return e.Error.Reason
}

// message is that of an error.
func (a answer) message() string {
	var e struct {
		Error struct{ Reason, Message string }
	}
	_ = json.Unmarshal(a.body, &e)
	return e.Error.Message
}

// ask makes a request, and checks the answer by the document; also the request, where it
// was taken.
func (s *service) ask(method, path, body string, header ...string) answer {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		if req.Header.Set(header[i], header[i+1]); header[i+1] == "" {
			req.Header.Del(header[i])
		}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Error(err)
		return answer{}
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Error(err)
	}
	a := answer{res.StatusCode, res.Header, text}
	req.Body = io.NopCloser(strings.NewReader(body))
	if err := theAPI(s.t).check(req, a); err != nil {
		s.t.Errorf("%s %s: %v\nstatus %d: %.2000s", method, path, err, a.status, a.body)
	}
	return a
}

// check says whether a request and its answer are as the document has them.
func (a *api) check(req *http.Request, got answer) error {
	route, params, err := a.router.FindRoute(req)
	if err != nil { // no such address, or method
		if got.status != http.StatusNotFound && got.status != http.StatusMethodNotAllowed {
			return fmt.Errorf("the document does not have it: %w", err)
		}
		return a.fits("Error", got.body)
	}
	in := &openapi3filter.RequestValidationInput{
		Request: req, PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true,
		},
	}
	if got.status < http.StatusBadRequest {
		if err := openapi3filter.ValidateRequest(req.Context(), in); err != nil {
			return fmt.Errorf("it was taken, and the document forbids it: %w", err)
		}
	}
	a.mu.Lock()
	op := route.Method + " " + route.Path
	if a.routes[op] == nil {
		a.routes[op] = map[int]bool{}
	}
	a.routes[op][got.status] = true
	a.mu.Unlock()
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: got.status, Header: got.header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	}
	out.SetBodyBytes(got.body)
	if err := openapi3filter.ValidateResponse(req.Context(), out); err != nil {
		return err
	}
	return a.headers(route.Operation.Responses.Status(got.status).Value, got.header)
}

// headers checks that those are there which the document has.
func (a *api) headers(r *openapi3.Response, got http.Header) error {
	for name := range r.Headers {
		if got.Get(name) == "" && name != "Location" { // of a refusal by the guard there is nothing to show
			return fmt.Errorf("there is no header %s", name)
		}
	}
	return nil
}

// fits checks JSON by a schema.
func (a *api) fits(schema string, text []byte) error {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	return a.doc.Components.Schemas[schema].Value.VisitJSON(v, openapi3.MultiErrors())
}

// The document has what the handler has, and the reverse.
func TestDocumentRoutes(t *testing.T) {
	a := theAPI(t)
	source, err := os.ReadFile("api.go")
	if err != nil {
		t.Fatal(err)
	}
	var served []string
	for _, m := range regexp.MustCompile(`"((?:GET|POST|PUT|PATCH|DELETE) /[^"]*)"`).FindAllSubmatch(source, -1) {
		served = append(served, string(m[1]))
	}
	var written []string
	for path, item := range a.doc.Paths.Map() {
		for method := range item.Operations() {
			written = append(written, method+" "+path)
		}
	}
	slices.Sort(served)
	slices.Sort(written)
	if !slices.Equal(served, written) {
		t.Errorf("served:\n%s\nwritten:\n%s", strings.Join(served, "\n"), strings.Join(written, "\n"))
	}
	s := serve(t, newPlaces(permanent), nil, nil)
	text := s.ask("GET", "/openapi.json", "").body
	file, err := os.ReadFile("openapi.json")
	if err != nil || !bytes.Equal(text, file) {
		t.Errorf("another document is served: %v", err)
	}
}

// Answers have no field that the document does not have: every object is closed, and
// every field of it is written down.
func TestDocumentStrict(t *testing.T) {
	for name, ref := range theAPI(t).doc.Components.Schemas {
		s := ref.Value
		if s.Description == "" {
			t.Errorf("%s has no description", name)
		}
		if s.Type == nil || !s.Type.Is("object") {
			continue
		}
		if s.AdditionalProperties.Has == nil || *s.AdditionalProperties.Has {
			t.Errorf("%s may have more than the document says", name)
		}
		for field, p := range s.Properties {
			if p.Ref == "" && p.Value.Type == nil && len(p.Value.AllOf) == 0 {
				t.Errorf("%s.%s has no type", name, field)
			}
		}
	}
	a := theAPI(t)
	s := serve(t, newPlaces(permanent), nil, nil)
	good := s.ask("POST", "/v1/backfills", `{"label":"t","revision":"a006","dry_run":true}`).body
	for _, change := range []func(map[string]any){
		func(m map[string]any) { m["new"] = 1 },
		func(m map[string]any) { delete(m, "answer") },
		func(m map[string]any) { m["state"] = "unheard" },
		func(m map[string]any) { m["version"] = "1" },
		func(m map[string]any) { m["request"].(map[string]any)["new"] = true },
		func(m map[string]any) { m["pushes"].([]any)[0].(map[string]any)["new"] = true },
		func(m map[string]any) { m["pushes"] = nil },
		func(m map[string]any) { m["why"] = "" },
		func(m map[string]any) { m["created"] = "yesterday" },
	} {
		var m map[string]any
		if err := json.Unmarshal(good, &m); err != nil {
			t.Fatal(err)
		}
		change(m)
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if a.fits("Backfill", text) == nil {
			t.Errorf("the document lets this pass: %s", text)
		}
	}
}

// The examples of the document are requests that it allows.
func TestDocumentExamples(t *testing.T) {
	body := theAPI(t).doc.Paths.Value("/v1/backfills").Post.RequestBody.Value.Content.Get("application/json")
	for name, e := range body.Examples {
		if err := body.Schema.Value.VisitJSON(e.Value.Value); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// event is one server-sent event.
type event struct {
	id   int64
	kind string
	data []byte
}

// parseEvents reads a stream that has ended.
func parseEvents(t testing.TB, stream []byte) (out []event) {
	t.Helper()
	for block := range strings.SplitSeq(string(stream), "\n\n") {
		var e event
		for line := range strings.SplitSeq(block, "\n") {
			field, value, _ := strings.Cut(line, ": ")
			switch field {
			case "id":
				n, err := strconv.ParseInt(value, 10, 64)
				if err != nil {
					t.Errorf("%q: %v", line, err)
				}
				e.id = n
			case "event":
				e.kind = value
			case "data":
				e.data = append(e.data, value...)
			}
		}
		if e.kind != "" {
			out = append(out, e)
		}
	}
	return out
}

package selfserve_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
)

// service is BuildAPI and its dumps as reference/buildapi.md describes them:
// writes are taken down, and the runs appear when they are settled.
type service struct {
	mu      sync.Mutex
	entries map[string][]map[string]any // by revision of 12 digits
	dumps   map[string][]byte           // by name
	files   map[string]bool             // URLs that answer HEAD
	gets    []string
	posts   []string // path and form
	answers []answer // of the writes to come; then all is well
	pending []func()
	next    int64
}

type answer struct {
	status int
	body   string
}

func newService() *service {
	return &service{
		entries: map[string][]map[string]any{}, dumps: map[string][]byte{}, files: map[string]bool{}, next: 9000,
	}
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch path := r.URL.Path; {
	case r.Method == http.MethodHead:
		if !s.files[r.URL.String()] {
			w.WriteHeader(http.StatusNotFound)
		}
	case strings.HasPrefix(path, "/builds-"):
		s.gets = append(s.gets, path[1:])
		if d, ok := s.dumps[path[1:]]; ok {
			_, _ = w.Write(d)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodGet:
		s.read(w, path)
	default:
		s.write(w, r)
	}
}

func (s *service) read(w http.ResponseWriter, path string) {
	parts := strings.Split(strings.TrimPrefix(path, "/self-serve/"), "/")
	if len(parts) == 2 && parts[1] == "builders" {
		_ = json.NewEncoder(w).Encode([]string{theBuild, theTest, "Linux x86-64 mozilla-inbound-other build"})
		return
	}
	if len(parts) == 3 && parts[1] == "request" {
		s.readRequest(w, parts[0], parts[2])
		return
	}
	if found := s.entries[parts[len(parts)-1]]; len(found) > 0 {
		_ = json.NewEncoder(w).Encode(found)
		return
	}
	w.WriteHeader(http.StatusNotFound)
	_, _ = fmt.Fprintf(w, `{"msg": "Revision %s not found on branch %s", "status": "FAILED"}`,
		parts[len(parts)-1], parts[0])
}

// readRequest answers a request that is listed somewhere.
func (s *service) readRequest(w http.ResponseWriter, branch, id string) {
	for _, entries := range s.entries {
		for _, e := range entries {
			listed, ok := e["requests"].([]map[string]any)
			if !ok {
				listed = []map[string]any{e}
			}
			for _, r := range listed {
				if fmt.Sprint(r["request_id"]) == id {
					_ = json.NewEncoder(w).Encode(r)
					return
				}
			}
		}
	}
	w.WriteHeader(http.StatusNotFound)
	_, _ = fmt.Fprintf(w, `{"msg": "Request %s not found on branch %s", "status": "FAILED"}`, id, branch)
}

func (s *service) write(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		panic(err)
	}
	s.posts = append(s.posts, r.Method+" "+r.URL.Path+" "+r.PostForm.Encode())
	if len(s.answers) > 0 {
		a := s.answers[0]
		s.answers = s.answers[1:]
		w.WriteHeader(a.status)
		_, _ = w.Write([]byte(a.body))
		return
	}
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/self-serve/"), "/")
	switch {
	case len(parts) == 4 && parts[1] == "builders":
		s.later(parts[2], parts[3][:12], 1)
	case len(parts) == 2 && parts[1] == "request":
		n := 1
		if c := r.PostForm.Get("count"); c != "" {
			n, _ = strconv.Atoi(c)
		}
		for rev, all := range s.entries {
			for _, e := range all {
				if strings.Contains(fmt.Sprint(e), "request_id:"+r.PostForm.Get("request_id")) {
					s.later(e["buildername"].(string), rev, n)
				}
			}
		}
	}
	w.WriteHeader(http.StatusAccepted)
	_, _ = w.Write([]byte(`{"status": "OK", "request_id": 1}`))
}

func (s *service) later(builder, rev string, n int) {
	for range n {
		s.next++
		id := s.next
		s.pending = append(s.pending, func() {
			r := requested(builder, id, time.Time{})
			r["revision"] = rev
			s.entries[rev] = append(s.entries[rev], r)
		})
	}
}

func (s *service) settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.pending {
		f()
	}
	s.pending = nil
}

const (
	theBuild = "Linux x86-64 mozilla-inbound build"
	theTest  = "Ubuntu VM 12.04 x64 mozilla-inbound opt test mochitest-1"
)

var (
	ended = time.Date(2015, 6, 1, 13, 36, 50, 0, time.UTC)
	push  = job.Push{
		Repo: "mozilla-inbound", ID: 7, Revision: "146071751b1e5d16b87786f6e60485222c28c202",
		Time: ended.Add(-2 * time.Hour),
	}
)

// requested is a request as self-serve has it, which was complete then; one that waits
// where then is zero.
func requested(builder string, id any, then time.Time) map[string]any {
	r := map[string]any{
		"request_id": id, "buildername": builder, "branch": "mozilla-inbound", "revision": push.Revision,
		"submittime": ended.Unix() - 4000, "complete": 0, "complete_at": nil, "claimed_at": 0, "priority": 0,
		"reason": "scheduler",
	}
	if !then.IsZero() {
		r["complete"], r["complete_at"] = 1, then.Unix()
	}
	return r
}

// build adds an entry: a build of a request, and of those merged into it.
func (s *service) build(builder string, status any, requests ...int64) map[string]any {
	return s.buildAt(ended, builder, status, requests...)
}

// buildAt adds a build that ended then.
func (s *service) buildAt(then time.Time, builder string, status any, requests ...int64) map[string]any {
	var rs []map[string]any
	for _, id := range requests {
		rs = append(rs, requested(builder, id, then))
	}
	b := map[string]any{
		"build_id": 72398000 + len(s.entries[push.Short()]), "buildnumber": 4372, "buildername": builder,
		"branch": "mozilla-inbound", "revision": push.Revision,
		"starttime": then.Unix() - 2000, "endtime": then.Unix(), "status": status, "requests": rs,
		"claimed_by_name": "buildbot-master75.bb.releng.use1.mozilla.com:/builds/buildbot/build1/master",
	}
	s.entries[push.Short()] = append(s.entries[push.Short()], b)
	return b
}

// dumpOf is a dump of builds, packed, of the day on which they ended.
func dumpOf(t testing.TB, builds ...map[string]any) []byte {
	t.Helper()
	day := ended.Truncate(24 * time.Hour)
	if len(builds) > 0 {
		day = time.Unix(builds[0]["endtime"].(int64), 0).Truncate(24 * time.Hour)
	}
	text, err := json.Marshal(map[string]any{
		"builds": append([]map[string]any{}, builds...), "starttime": day.Unix(),
		"endtime": day.Add(24*time.Hour).Unix() - 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return packed(t, text)
}

func packed(t testing.TB, text []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// dumped is a build in a dump.
func dumped(builder, revision string, request int64, more map[string]any) map[string]any {
	return dumpedAt(ended, builder, revision, request, more)
}

// dumpedAt is a build in a dump that ended then.
func dumpedAt(then time.Time, builder, revision string, request int64, more map[string]any) map[string]any {
	p := map[string]any{
		"buildername": builder, "buildnumber": 4372, "revision": revision, "branch": "mozilla-inbound",
		"request_ids": []int64{request},
	}
	for k, v := range more {
		p[k] = v
	}
	return map[string]any{
		"id": request * 10, "builder_id": 1, "slave_id": 2, "master_id": 82, "buildnumber": 4372, "result": 0,
		"requesttime": then.Unix() - 4000, "starttime": then.Unix() - 2000, "endtime": then.Unix(),
		"request_ids": []int64{request}, "properties": p, "reason": "scheduler",
	}
}

// merged is a build in a dump into which an older request was merged, so that it is of
// another revision than that.
func merged(builder, revision string, request int64, more map[string]any) map[string]any {
	b := dumped(builder, revision, request, more)
	both := []int64{request, request + 100}
	b["request_ids"], b["properties"].(map[string]any)["request_ids"] = both, both
	return b
}

// numbered is a build in a dump with another number.
func numbered(b map[string]any, number int) map[string]any {
	b["buildnumber"], b["properties"].(map[string]any)["buildnumber"] = number, number
	return b
}

func (s *service) client(t testing.TB, o selfserve.Options) *selfserve.Client {
	t.Helper()
	if o.HTTP == nil {
		o.HTTP = &http.Client{Transport: testenv.InMemory{Handler: s}}
	}
	o.BuildDataURL = "http://builddata.test"
	if o.Now == nil {
		o.Now = func() time.Time { return ended.Add(10 * time.Hour) }
	}
	c, err := selfserve.New("http://buildapi.test", &o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// inbound is branch mozilla-inbound of a client with options.
func (s *service) inbound(t testing.TB, o selfserve.Options) *selfserve.Project {
	t.Helper()
	return s.client(t, o).Project("mozilla-inbound")
}

func statuses(t *testing.T, p *selfserve.Project, names ...string) string {
	t.Helper()
	jobs, err := p.Jobs(t.Context(), push, names...)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, j := range jobs {
		out = append(out, j.Status().String())
	}
	return strings.Join(out, " ")
}

package taskcluster_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// meter counts the requests to a deployment, and the bytes of its answers as they travel.
type meter struct {
	testenv.InMemory
	mu       sync.Mutex
	requests int
	bytes    int64
	asked    []string
}

func (m *meter) RoundTrip(r *http.Request) (*http.Response, error) {
	packed := r.Header.Get("Accept-Encoding") == ""
	res, err := m.InMemory.RoundTrip(r)
	m.mu.Lock()
	m.requests++
	m.asked = append(m.asked, r.Method+" "+r.URL.Path)
	m.mu.Unlock()
	if err == nil {
		res.Body = &metered{res.Body, m}
		if packed && res.Header.Get("Content-Encoding") == "gzip" { // as http.Transport does
			z, err := gzip.NewReader(res.Body)
			if err != nil {
				return nil, err
			}
			res.Body = unpacking{z, res.Body}
			res.Header.Del("Content-Encoding")
			res.ContentLength, res.Uncompressed = -1, true
		}
	}
	return res, err
}

type unpacking struct {
	io.Reader
	io.Closer
}

type metered struct {
	io.ReadCloser
	m *meter
}

func (b *metered) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.m.mu.Lock()
	b.m.bytes += int64(n)
	b.m.mu.Unlock()
	return n, err
}

// take is what was asked for since the last time.
func (m *meter) take() (requests int, bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	requests, bytes = m.requests, m.bytes
	m.requests, m.bytes, m.asked = 0, 0, nil
	return requests, bytes
}

// large is a deployment with pushes of as many tasks as Firefox has.
func large(pushes, tasks int) (*tctest.Server, *meter, func(dir string) *taskcluster.Project) {
	s := tctest.New()
	many := []tctest.Label{{Name: build, Planned: true}, {Name: test, Build: build, Planned: true}}
	for i := range tasks - len(many) {
		label := fmt.Sprint("test-linux2404-64-qr/opt-web-platform-tests-swr-", i)
		many = append(many, tctest.Label{Name: label, Planned: true})
	}
	for n := range pushes {
		s.AddPush("autoland", int64(100+n), push(int64(100+n)).Revision, many...)
	}
	m := &meter{InMemory: testenv.InMemory{Handler: s}}
	return s, m, func(dir string) *taskcluster.Project {
		c := ok(taskcluster.New("http://tc.example", &taskcluster.Options{
			HTTP: &http.Client{Transport: m}, CacheDir: dir,
			Credentials: &taskcluster.Credentials{ClientID: "me", AccessToken: "secret"},
		}))
		return c.Project("autoland", nil)
	}
}

// What it costs to read one label on 6 pushes: the first time, again, and in another
// process which has the folder of the first.
func TestCostOfHistory(t *testing.T) {
	const pushes, tasks = 6, 3000
	s, m, project := large(pushes, tasks)
	var all []job.Push
	for n := range pushes {
		all = append(all, push(int64(100+n)))
	}
	dir := t.TempDir()
	p := project(dir)
	for _, c := range []struct {
		name     string
		p        *taskcluster.Project
		requests int // for each push
		more     int // for all of them
		bytes    int64
	}{
		{"the first time", p, 4, 6, 100_000}, // its tests wait for builds, which are two of the six
		{"again", p, 2, 1, 8_000},
		{"another process", project(dir), 2, 6, 20_000},
	} {
		for _, r := range ok(c.p.History(t.Context(), all, test)) {
			if len(r.Jobs) != 1 || r.Err != nil {
				t.Fatalf("%s: %s, %v", r.Push, text(r.Jobs), r.Err)
			}
		}
		requests, bytes := m.take()
		t.Logf("%s: %d requests, %d bytes for each of %d pushes", c.name, requests, bytes/pushes, pushes)
		if requests > c.requests*pushes+c.more || bytes > c.bytes*pushes {
			t.Errorf("%s: %d requests and %d bytes", c.name, requests, bytes)
		}
	}
	_ = ok(p.Jobs(t.Context(), all[0]))
	requests, bytes := m.take()
	t.Logf("a push by its groups: %d requests, %d bytes", requests, bytes)
	s.Clear()
}

// Who waits an hour for four runs, and looks each minute, asks once a minute: also while
// the runs wait for a build.
func TestCostOfWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m, project := large(1, 200)
		p := project("")
		d := s.Indexed("gecko.v2.autoland.pushlog-id.100.decision")
		got := ok(p.Trigger(t.Context(), job.Request{Label: test, Push: push(100), Count: 4}))
		s.Settle()
		ids := s.Tasks(d, test)[1:]
		if len(ids) != 4 {
			t.Fatalf("%q of %s", ids, got.By)
		}
		m.take()
		first := true
		for minute := range 60 {
			if minute == 30 {
				s.Resolve(s.Tasks(d, build)[0], "completed", "completed")
			}
			all := ok(p.Statuses(t.Context(), ids...))
			want := job.StatusUnscheduled
			if minute >= 30 {
				want = job.StatusPending
			}
			for _, id := range ids {
				if all[id] != want {
					t.Fatalf("minute %d: %s is %s, expected %s", minute, id, all[id], want)
				}
			}
			requests, bytes := m.take()
			if !first && (requests > 1 || bytes > 10_000) {
				t.Errorf("minute %d: %d requests, %d bytes", minute, requests, bytes)
			}
			if minute == 0 || minute == 1 || minute == 31 {
				t.Logf("minute %d: %d requests, %d bytes", minute, requests, bytes)
			}
			first = false
			time.Sleep(time.Minute)
		}
		s.Resolve(ids[0], "failed", "failed")
		if got := ok(p.Statuses(t.Context(), ids[0]+"/0"))[ids[0]+"/0"]; got != job.StatusTestFailed {
			t.Errorf("%s of a test that failed", got)
		}
		if strings.Contains(fmt.Sprint(m.asked), "task-group") {
			t.Errorf("asked %q", m.asked)
		}
	})
}

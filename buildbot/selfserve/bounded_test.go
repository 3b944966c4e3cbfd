package selfserve_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
)

// The service's own time says which dump a run is in and whether that is whole, not the
// machine's, which may be days off.
func TestServicesClock(t *testing.T) {
	for _, off := range []time.Duration{-48 * time.Hour, 0, 48 * time.Hour} {
		s := newService()
		s.build(theBuild, 0, 71)
		s.build(theTest, 0, 72)
		s.dumps["builds-4hr.js.gz"] = dumpOf(t, dumped(theBuild, push.Revision, 71, nil))
		asked := ended.Add(time.Hour)
		dated := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", asked.Format(http.TimeFormat))
			s.ServeHTTP(w, r)
		})
		p := s.inbound(t, selfserve.Options{
			HTTP: &http.Client{Transport: testenv.InMemory{Handler: dated}},
			Now:  func() time.Time { return asked.Add(off) },
		})
		if got := statuses(t, p); got != "success running" || s.gets[0] != "builds-4hr.js.gz" {
			t.Errorf("a clock that is %s off: %s after %q", off, got, s.gets)
		}
		if asked = ended.Add(99 * time.Hour); statuses(t, p, theTest) != "unknown" {
			t.Errorf("a clock that is %s off: a run that nobody knows of still runs", off)
		}
	}
}

// trip is a transport.
type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// hangs never answers what has the part in its method and path, until whoever asked goes
// away.
func hangs(h http.Handler, part string) *http.Client {
	return &http.Client{Transport: trip(func(r *http.Request) (*http.Response, error) {
		if strings.Contains(r.Method+" "+r.URL.Path, part) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		return testenv.InMemory{Handler: h}.RoundTrip(r)
	})}
}

func jobsOfPush(ctx context.Context, p *selfserve.Project) error {
	_, err := p.Jobs(ctx, push)
	return err
}

// operations are all that a project does, by what hangs.
var operations = map[string]func(context.Context, *selfserve.Project) error{
	"jobs/rev/":    jobsOfPush,
	"jobs/builds-": jobsOfPush,
	"catalog/builders": func(ctx context.Context, p *selfserve.Project) error {
		_, err := p.Catalog(ctx, push)
		return err
	},
	"cancelDELETE ": func(ctx context.Context, p *selfserve.Project) error { return p.Cancel(ctx, "71/1") },
	"triggerPOST ": func(ctx context.Context, p *selfserve.Project) error {
		_, err := p.Trigger(ctx, job.Request{Label: theBuild, Push: push, Count: 1})
		return err
	},
	"log/log": func(ctx context.Context, p *selfserve.Project) error {
		_, err := p.OpenLog(ctx, job.New(job.Fields{ID: "71/1"}), job.LogText)
		return err
	},
	"artifactsHEAD ": func(ctx context.Context, p *selfserve.Project) error {
		jobs, err := p.Jobs(ctx, push)
		if err == nil {
			_, err = p.ArtifactsExist(ctx, jobs[0])
		}
		return err
	},
}

// A service that hangs holds up nobody for longer than the deadline, and the error says
// what did not end; a caller's own context is another matter.
func TestDeadline(t *testing.T) {
	for what, operate := range operations {
		at := strings.IndexAny(what, "/DPH")
		name, part := what[:at], what[at:]
		t.Run(name+" of "+part, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService()
				s.build(theBuild, 0, 71)
				s.dumps[today] = dumpOf(t, dumped(theBuild, push.Revision, 71, map[string]any{
					"packageUrl": files + "p", "testsUrl": files + "t", "log_url": files + "builds-log",
				}))
				if name == "log" {
					part = "/builds-log"
				}
				p := s.inbound(t, selfserve.Options{
					HTTP: hangs(s, part), Deadline: 30 * time.Second,
				})
				began := time.Now()
				err := operate(t.Context(), p)
				const says = ": no answer within 30s"
				if !errors.Is(err, job.ErrUnavailable) || !strings.Contains(err.Error(), "selfserve."+name+says) ||
					errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 30*time.Second {
					t.Errorf("after %s: %v", time.Since(began), err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				err = operate(ctx, p)
				if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, job.ErrUnavailable) {
					t.Errorf("the caller's own: %v", err)
				}
			})
		})
	}
}

// What was asked for before the deadline came is told with the error.
func TestDeadlineOfAPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		n := 0
		second := trip(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPost {
				if n++; n == 2 {
					<-r.Context().Done()
					return nil, r.Context().Err()
				}
			}
			return testenv.InMemory{Handler: s}.RoundTrip(r)
		})
		p := s.inbound(t, selfserve.Options{HTTP: &http.Client{Transport: second}, Deadline: 30 * time.Second})
		_, err := p.Trigger(t.Context(), job.Request{Label: theBuild, Push: push, Count: 3})
		var part *job.PartialError
		if !errors.As(err, &part) || part.Taken != 1 || !errors.Is(err, job.ErrUnavailable) ||
			!strings.Contains(err.Error(), "selfserve.trigger: no answer within 30s") {
			t.Error(err)
		}
	})
}

// late is a body that comes after a while.
type late struct {
	ctx  context.Context //nolint:containedctx // that of the request
	text string
}

func (l *late) Read(p []byte) (int, error) {
	select {
	case <-time.After(20 * time.Second):
	case <-l.ctx.Done():
		return 0, l.ctx.Err()
	}
	if l.text == "" {
		return 0, io.EOF
	}
	n := copy(p, l.text)
	l.text = l.text[n:]
	return n, nil
}

// A log that was opened in time is read for as long as it takes.
func TestLogsOutliveTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		s.build(theBuild, 0, 71)
		s.dumps[today] = dumpOf(t, dumped(theBuild, push.Revision, 71,
			map[string]any{"log_url": "http://logs.test/log"}))
		slowly := trip(func(r *http.Request) (*http.Response, error) {
			res, err := testenv.InMemory{Handler: s}.RoundTrip(r)
			if err == nil && r.URL.Path == "/log" {
				res.StatusCode, res.Body = http.StatusOK, io.NopCloser(&late{ctx: r.Context(), text: "one two"})
			}
			return res, err
		})
		p := s.inbound(t, selfserve.Options{HTTP: &http.Client{Transport: slowly}, Deadline: time.Second})
		r, err := p.OpenLog(t.Context(), job.New(job.Fields{ID: "71/1"}), job.LogText)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || string(text) != "one two" {
			t.Errorf("%q %v", text, err)
		}
	})
}

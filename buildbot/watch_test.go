package buildbot_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/job"
)

// wire is a transport in memory to a double, but for the stream of events, which
// is what events says.
type wire struct {
	d      *bbtest.Double
	events func(*http.Request) (*http.Response, error)
}

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.Path, "/sse/") {
		return w.events(r)
	}
	return w.d.RoundTrip(r)
}

// stream is an answer whose body goes on as long as the caller says.
func stream(r *http.Request, body func(io.Writer)) *http.Response {
	in, out := io.Pipe()
	go func() {
		body(out)
		_ = out.Close()
	}()
	context.AfterFunc(r.Context(), func() { _ = out.CloseWithError(r.Context().Err()) })
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: in, Request: r}
}

// A stream that does not come through, for any reason, is replaced by asking, and
// nobody waits a minute for it.
func TestWatchFallsBack(t *testing.T) {
	for name, events := range map[string]func(*http.Request) (*http.Response, error){
		"a proxy holds the answer back": func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		},
		"a proxy holds the events back": func(r *http.Request) (*http.Response, error) {
			return stream(r, func(io.Writer) { <-r.Context().Done() }), nil
		},
		"a proxy ends each stream at once": func(r *http.Request) (*http.Response, error) {
			return stream(r, func(w io.Writer) { _, _ = io.WriteString(w, "event: handshake\ndata: 0a1b\n\n") }), nil
		},
		"a proxy forbids it": func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusForbidden, Body: http.NoBody, Request: r}, nil
		},
		"it works": func(r *http.Request) (*http.Response, error) {
			return stream(r, func(w io.Writer) {
				_, _ = io.WriteString(w, "event: handshake\ndata: 0a1b\n\n")
				wait(r.Context(), 14*time.Second)
				_, _ = io.WriteString(w, "event: event\ndata: "+
					`{"key": ["buildrequests", "1", "complete"], "message": {"buildrequestid": 1}}`+"\n\n")
				<-r.Context().Done()
			}), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { busted(t, events) })
		})
	}
}

// busted watches a run that ends after 13 seconds, and hears of it in time.
func busted(t *testing.T, events func(*http.Request) (*http.Response, error)) {
	t.Helper()
	d := bbtest.Offline()
	b := d.Builder("test")
	d.Change(bbtest.Revision(1), nil)
	d.Ask(bbtest.BuildRequest{
		Builder: b, Results: []int{bbtest.Running},
		Stamps: []bbtest.Row{bbtest.Stamp(bbtest.Revision(1), nil)},
	})
	c, err := buildbot.New("http://master.example", &buildbot.Options{
		HTTP: &http.Client{Transport: wire{d, events}},
	})
	if err != nil {
		t.Fatal(err)
	}
	p := c.Project("main", nil)
	began := time.Now()
	time.AfterFunc(13*time.Second, func() {
		d.End(1, 2)
	})
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	defer stop()
	for e, err := range p.Watch(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Job.Status() == job.StatusBusted {
			break
		}
	}
	if took := time.Since(began); took > 40*time.Second {
		t.Errorf("after %s", took)
	}
}

// A quiet master behind a proxy that ends idle streams is watched on, and
// requests of other branches that have ended are not asked about again.
func TestWatchQuietMaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := bbtest.Offline()
		b := d.Builder("test")
		d.Change(bbtest.Revision(1), nil)
		other := []bbtest.Row{bbtest.Stamp(bbtest.Revision(2), bbtest.Row{"branch": "other"})}
		asked := 0
		idle := func(r *http.Request) (*http.Response, error) {
			// Each time ten others wait, and those of before have ended.
			for id := max(1, asked-9); id <= asked; id++ {
				d.End(id, 6)
			}
			last := 0
			for range 10 {
				last = d.Ask(bbtest.BuildRequest{Builder: b, Results: []int{bbtest.Pending}, Stamps: other})
			}
			asked = last
			return stream(r, func(w io.Writer) {
				_, _ = io.WriteString(w, "event: handshake\ndata: 0a1b\n\n")
				_, _ = fmt.Fprintf(w, "event: event\ndata: "+
					`{"key": ["buildrequests", "%d", "claimed"], "message": {"buildrequestid": %[1]d}}`+"\n\n", last)
				wait(r.Context(), time.Minute)
			}), nil
		}
		c, err := buildbot.New("http://master.example", &buildbot.Options{HTTP: &http.Client{Transport: wire{d, idle}}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 2*time.Hour)
		defer stop()
		for e, err := range c.Project("main", nil).Watch(ctx) {
			t.Errorf("%v %v", e, err)
		}
		for _, line := range d.Asked() {
			if strings.Contains(line, "buildrequestid__in=") {
				t.Errorf("requests of another branch are asked about: %.200s", line)
			}
		}
	})
}

// streams is a master whose streams of events end after a while, having said what says
// holds. It counts what is asked in an hour.
func streams(t *testing.T, lasts time.Duration, says ...string) (listens, asks int) {
	t.Helper()
	d := bbtest.Offline()
	b := d.Builder("test")
	d.Change(bbtest.Revision(1), nil)
	d.Ask(bbtest.BuildRequest{
		Builder: b, Results: []int{bbtest.Running}, Stamps: []bbtest.Row{bbtest.Stamp(bbtest.Revision(1), nil)},
	})
	events := func(r *http.Request) (*http.Response, error) {
		listens++
		return stream(r, func(w io.Writer) {
			_, _ = io.WriteString(w, "event: handshake\ndata: 0a1b\n\n")
			wait(r.Context(), lasts)
			for _, s := range says {
				_, _ = io.WriteString(w, "event: event\ndata: "+s+"\n\n")
			}
		}), nil
	}
	c, err := buildbot.New("http://master.example", &buildbot.Options{HTTP: &http.Client{Transport: wire{d, events}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Hour)
	defer stop()
	late := make(chan []string, 1) // what was asked until long after the run ended
	time.AfterFunc(40*time.Minute, func() { late <- d.Asked() })
	time.AfterFunc(30*time.Minute, func() {
		d.End(1, 2)
	})
	told := ""
	for e, err := range c.Project("main", nil).Watch(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		told += " " + e.Job.ID() + " " + e.Job.Status().String()
	}
	if told != " 1/1 running 1/1 busted" {
		t.Errorf("told%s, expected that it runs and is busted, each once", told)
	}
	last := d.Asked()
	for _, line := range last {
		if len(says) == 0 && strings.Contains(line, "buildrequestid__in=") {
			t.Errorf("asked about what has ended: %s", line)
		}
	}
	return listens, len(<-late) + len(last)
}

// A proxy that ends streams though nothing happens does not make the watcher ask more
// often than where there is no stream at all: every ten seconds.
func TestWatchDoesNotHammer(t *testing.T) {
	for _, lasts := range []time.Duration{0, 4 * time.Second, 6 * time.Second, 9 * time.Second, 30 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			listens, asks := streams(t, lasts)
			const most = 361 // one each ten seconds
			if listens > most || asks > 5*most {
				t.Errorf("streams of %s: %d listens and %d requests in an hour", lasts, listens, asks)
			}
			if lasts > pollEvery && listens < int(time.Hour/(lasts+2*time.Second)) {
				t.Errorf("streams of %s: only %d listens", lasts, listens)
			}
		})
	}
}

// pollEvery is how often a watcher asks where no stream comes through.
const pollEvery = 10 * time.Second

// A stream that breaks after it told something is listened to again at once, and runs
// that are as they were are not told again.
func TestWatchListensAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listens, _ := streams(t, 6*time.Second,
			`{"key": ["buildrequests", "1", "claimed"], "message": {"buildrequestid": 1}}`)
		if listens < 3600/8 {
			t.Errorf("%d listens in an hour of streams of 6 seconds", listens)
		}
	})
}

// A caller whose context ends does not wait for another's slow master.
func TestImpatientCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(r *http.Request) (*http.Response, error) {
			select {
			case <-time.After(30 * time.Second):
			case <-r.Context().Done():
			}
			return nil, fmt.Errorf("no answer: %w", context.Cause(r.Context()))
		}
		c, err := buildbot.New("http://master.example", &buildbot.Options{
			HTTP: &http.Client{Transport: roundTripper(slow)},
		})
		if err != nil {
			t.Fatal(err)
		}
		p := c.Project("main", nil)
		var wg sync.WaitGroup
		patient, give := context.WithCancel(t.Context())
		wg.Go(func() { _, _ = p.Push(patient, "tip") })
		synctest.Wait()
		for what, ask := range map[string]func(context.Context) error{
			"pushes": func(ctx context.Context) error { _, err := p.Pushes(ctx, job.IDs(1, 2)); return err },
			"jobs": func(ctx context.Context) error {
				_, err := p.Jobs(ctx, job.Push{Repo: "main", Revision: bbtest.Revision(1)})
				return err
			},
			"catalog": func(ctx context.Context) error {
				_, err := p.Catalog(ctx, job.Push{Repo: "main", Revision: bbtest.Revision(1)})
				return err
			},
		} {
			ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
			began := time.Now()
			if err := ask(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > time.Second {
				t.Errorf("%s: after %s: %v", what, time.Since(began), err)
			}
			stop()
		}
		give()
		wg.Wait()
	})
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/job/link"
)

// ciClient is the client of a serverCI.
type ciClient struct {
	url    string
	pushes map[int64]job.Push
}

func newCIClient(url string, pushes []job.Push) *ciClient {
	c := &ciClient{url, map[int64]job.Push{}}
	for _, p := range pushes {
		c.pushes[p.ID] = p
	}
	return c
}

// ask makes a request. Requests that only read are repeated when they fail.
func (c *ciClient) ask(ctx context.Context, path string, ask serverAsk, into any) error {
	tries := 4
	if path == "/trigger" || path == "/cancel" {
		tries = 1
	}
	for {
		err := c.once(ctx, path, ask, into)
		if tries--; err == nil || tries == 0 || ctx.Err() != nil {
			return err
		}
	}
}

func (c *ciClient) once(ctx context.Context, path string, ask serverAsk, into any) error {
	ask.PID = os.Getpid()
	text, err := json.Marshal(ask)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	res, err := ciHTTP.Do(req) // #nosec G704 -- the bench's own CI
	if err != nil {
		return job.OfHTTP(path, "", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		_, _ = io.Copy(io.Discard, res.Body)
		return &job.Error{Op: path, Err: job.SentinelOf(res.StatusCode)}
	}
	return job.OfHTTP(path, "", json.NewDecoder(res.Body).Decode(into))
}

// ciHTTP keeps as many connections as backfills make requests at the same time.
var ciHTTP = &http.Client{
	Timeout:   time.Minute,
	Transport: &http.Transport{MaxIdleConnsPerHost: 32, MaxConnsPerHost: 32},
}

// Jobs implements job.Scheduler.
func (c *ciClient) Jobs(ctx context.Context, p job.Push, names ...string) (out []job.Job, err error) {
	var runs []serverRun
	if err := c.ask(ctx, "/jobs", serverAsk{Push: p.ID, Labels: names}, &runs); err != nil {
		return nil, err
	}
	for _, r := range runs {
		out = append(out, r.job(c.pushes[r.Push]))
	}
	return out, nil
}

// Trigger implements job.Scheduler.
func (c *ciClient) Trigger(ctx context.Context, r job.Request) (out job.Receipt, err error) {
	err = c.ask(ctx, "/trigger", serverAsk{Push: r.Push.ID, Labels: []string{r.Label}, Key: r.Key, Count: r.Count},
		&out)
	return out, err
}

// Carried implements job.KeyCarrier.
func (c *ciClient) Carried(ctx context.Context, r job.Request) (ids []string, err error) {
	err = c.ask(ctx, "/carried", serverAsk{Push: r.Push.ID, Labels: []string{r.Label}, Key: r.Key, Count: r.Count},
		&ids)
	return ids, err
}

// Accepted implements job.AcceptedLister.
func (c *ciClient) Accepted(ctx context.Context, p job.Push, label string) (out []job.Request, err error) {
	var list []serverAsk
	if err := c.ask(ctx, "/accepted", serverAsk{Push: p.ID, Labels: []string{label}}, &list); err != nil {
		return nil, err
	}
	for _, a := range list {
		out = append(out, job.Request{Key: a.Key, Label: label, Push: p, Count: a.Count})
	}
	return out, nil
}

// Cancel implements job.Canceler.
func (c *ciClient) Cancel(ctx context.Context, id string) error {
	var none string
	return c.ask(ctx, "/cancel", serverAsk{Run: id}, &none)
}

// watchingClient is a ciClient with events. One connection serves all its watchers.
type watchingClient struct {
	*ciClient
	mu   sync.Mutex
	ears map[*ear]bool
}

// ear is a watcher. A slow one is told that it has missed something.
type ear struct {
	events chan job.Event
	missed atomic.Bool
}

// listen reads the CI's events and passes them on, until ctx is done.
func (c *watchingClient) listen(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/events", http.NoBody)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req) // #nosec G704 -- the bench's own CI
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	for dec := json.NewDecoder(res.Body); ; {
		var r serverRun
		if err := dec.Decode(&r); err != nil {
			return err
		}
		e := job.Event{Time: time.Now().UTC(), CI: "bench", Job: r.job(c.pushes[r.Push])}
		c.mu.Lock()
		for who := range c.ears {
			select {
			case who.events <- e:
			default:
				who.missed.Store(true)
			}
		}
		c.mu.Unlock()
	}
}

// Watch implements job.Watcher.
func (c *watchingClient) Watch(ctx context.Context) iter.Seq2[job.Event, error] {
	return func(yield func(job.Event, error) bool) {
		me := &ear{events: make(chan job.Event, 64)}
		c.mu.Lock()
		c.ears[me] = true
		c.mu.Unlock()
		defer func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			delete(c.ears, me)
		}()
		for {
			select {
			case e := <-me.events:
				if me.missed.Swap(false) && !yield(job.Event{Time: e.Time, CI: e.CI, Missed: true}, nil) {
					return
				}
				if !yield(e, nil) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// serverPlaces has one project, that of a serverWorld.
type serverPlaces struct {
	repo job.Repository
	ci   job.Scheduler
}

func newServerPlaces(w *jobtest.World, ci job.Scheduler) (serverPlaces, error) {
	repo, err := jobtest.NewCI(w, nil).Repository("autoland")
	return serverPlaces{repo, ci}, err
}

// Open implements server.Places.
func (p serverPlaces) Open(_ context.Context, project string) (server.Place, error) {
	if project != "" && project != "autoland" {
		return server.Place{}, job.Wrap("open", project, fmt.Errorf("%w: served is autoland", job.ErrNotFound))
	}
	return server.Place{Project: "autoland", Repo: p.repo, CI: p.ci}, nil
}

// Locate implements server.Places.
func (p serverPlaces) Locate(_ context.Context, _ server.Named) (server.Located, error) {
	return server.Located{}, job.Wrap("locate", "", job.ErrNotFound)
}

// Deployments implements server.Places.
func (serverPlaces) Deployments() link.Deployments { return link.Deployments{} }

package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job/jobtest"
)

// mostResident is the maximum memory of the service, in MiB.
const mostResident = 256

// manyAtOnce measures hundreds of backfills and hundreds of event streams at the same time: whether
// each reaches its end, and how much memory the process needs.
func manyAtOnce(y *yard) {
	const seed, pushes = 2, 20
	w := newServerWorld(seed, y.sized(500, 60), pushes, 0)
	c := &crowd{yard: y, world: w, ci: newServerCI(seed, w.ci(), jobtest.MustParse(w.pushes).Pushes("autoland"), false)}
	streams := y.sized(200, 40)
	fmt.Printf("\nserver: %d backfills at a time over one SQLite file, and %d streams of events, of which half break "+
		"off and go on\n\n", len(w.wants), streams)
	srv := httptest.NewServer(c.ci)
	defer srv.Close()
	spec := serverSpec{
		CI: srv.URL, Dir: y.TempDir(), Lease: 30 * time.Second,
		Poll: time.Duration(y.sized(5, 1)) * time.Second, Watch: true,
	}
	c.token = y.settle(spec, w)
	p, err := startServer(spec)
	y.must(err)
	defer func() { _ = p.in.Close(); _ = p.cmd.Wait() }()
	if c.url = p.address(); c.url == "" {
		y.Fatalf("the service does not start: %s", last(p.said.Bytes()))
	}
	began := time.Now()
	c.startAll()
	started := time.Since(began)
	db, err := openSQLite(spec.database())
	y.must(err)
	defer func() { _ = db.Close() }()
	c.watchAll(db, streams)
	resident := residentOf(p.cmd.Process.Pid)
	c.judge(server.NewSQL(db, server.SQLite))
	fmt.Printf("accepted in %.1f s, %d of %d open then; all have ended %.1f s later\n", started.Seconds(), c.open,
		len(w.wants), c.took.Seconds())
	fmt.Printf("right answers %d of %d; runs made %d, made twice %d\n", c.right, len(w.wants), c.made, c.twice)
	fmt.Printf("streams that saw the end %d of %d, %d events, %d of them for a version that was seen before, %d times "+
		"broken off\n", c.complete.Load(), streams, c.events.Load(), c.stale.Load(), c.broken.Load())
	fmt.Printf("memory at most %.0f MiB (may be %d)\n", resident, mostResident)
	if c.right != len(w.wants) || c.twice > 0 || int(c.complete.Load()) != streams || c.stale.Load() > 0 ||
		resident > mostResident || resident == 0 {
		y.Errorf("%d of %d right, %d doubled, %d of %d streams, %.0f MiB\n%s\n%s", c.right, len(w.wants), c.twice,
			c.complete.Load(), streams, resident, strings.Join(c.faults[:min(len(c.faults), 20)], "\n"),
			last(p.said.Bytes()))
	}
}

// crowd is one run of section many.
type crowd struct {
	*yard
	world *serverWorld
	ci    *serverCI
	url   string
	token string

	open                            int // open backfills once all were accepted
	took                            time.Duration
	right, made, twice              int
	events, stale, broken, complete atomic.Int64

	mu     sync.Mutex
	last   map[string]int64 // the versions that the streams saw last
	faults []string
}

func (c *crowd) fault(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

// startAll starts all backfills, a few at a time, while the CI's clock stands still.
func (c *crowd) startAll() {
	c.Helper()
	var all sync.WaitGroup
	slots := make(chan struct{}, 8)
	for _, x := range c.world.wants {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			b, err := c.world.start(c.Context(), c.url, c.token, x)
			if err != nil {
				c.Errorf("%s: %v", x.label, err)
			}
			x.id = b.ID
			if b.State.Open() {
				c.mu.Lock()
				c.open++
				c.mu.Unlock()
			}
		})
	}
	all.Wait()
	if c.Failed() {
		c.FailNow()
	}
}

// watchAll opens the streams, lets the CI's clock run, and waits for all ends.
func (c *crowd) watchAll(db *sql.DB, streams int) {
	c.Helper()
	c.last = map[string]int64{}
	ctx, stop := context.WithTimeout(c.Context(), serverLimit)
	defer stop()
	client := &http.Client{Transport: &http.Transport{}}
	var all sync.WaitGroup
	for i := range streams {
		x := c.world.wants[i*len(c.world.wants)/streams]
		all.Go(func() { c.stream(ctx, client, x, i%2 == 0) })
	}
	began := time.Now()
	pace := time.Duration(c.sized(60, 1000)) // a run of half an hour takes half a minute, or two seconds
	go func() { _ = c.ci.ci.Play(ctx, func(d time.Duration) time.Duration { return d / pace }) }()
	store := server.NewSQL(db, server.SQLite)
	c.until("the end of all backfills", func() bool {
		open, err := store.List(ctx, server.Query{States: []server.State{server.Waiting, server.Running}, Limit: 1})
		return err == nil && len(open) == 0
	})
	c.took = time.Since(began)
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(30 * time.Second): // they should need a second
		c.fault("streams do not end")
		stop()
		<-ended
	}
}

// stream follows a backfill to its end. One that breaks goes on, after a few events, from the
// version that it has.
func (c *crowd) stream(ctx context.Context, client *http.Client, x *wanted, breaks bool) {
	after := int64(0)
	for ctx.Err() == nil {
		most := -1
		if breaks && after == 0 {
			most = 2
		}
		over, err := c.listen(ctx, client, x, &after, most)
		switch {
		case err != nil:
			c.fault("stream of %s: %v", x.label, err)
			return
		case over:
			c.mu.Lock()
			c.last[x.id] = after
			c.mu.Unlock()
			c.complete.Add(1)
			return
		}
		c.broken.Add(1)
	}
}

// listen reads a stream until it ends, or until most events have come. It returns true when it saw
// the backfill end.
func (c *crowd) listen(ctx context.Context, client *http.Client, x *wanted, after *int64, most int) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/v1/backfills/"+x.id+"/events", http.NoBody)
	if err != nil {
		return false, err
	}
	if *after > 0 {
		req.Header.Set("Last-Event-ID", strconv.FormatInt(*after, 10))
	}
	res, err := client.Do(req)
	if err != nil {
		return false, err
	}
	defer func() { _ = res.Body.Close() }()
	switch {
	case res.StatusCode == http.StatusNoContent:
		return true, nil // it had seen the end before
	case res.StatusCode != http.StatusOK:
		return false, errStatus{status: res.StatusCode}
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		text, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var b struct {
			Version int64
			State   server.State
		}
		if err := json.Unmarshal([]byte(text), &b); err != nil {
			return false, err
		}
		c.events.Add(1)
		if b.Version <= *after {
			c.stale.Add(1)
		}
		*after = b.Version
		if !b.State.Open() {
			return true, nil
		}
		if most--; most == 0 {
			return false, nil
		}
	}
	if err := lines.Err(); err != nil {
		return false, err
	}
	return false, fmt.Errorf("it ended at version %d, before the backfill did", *after)
}

// judge compares the answers with the truth, and what the streams saw with the store.
func (c *crowd) judge(store server.Store) {
	c.Helper()
	all, err := store.List(c.Context(), server.Query{Limit: 500})
	c.must(err)
	for _, x := range c.world.wants {
		i := slices.IndexFunc(all, func(b server.Backfill) bool { return b.ID == x.id })
		if i < 0 {
			c.fault("%s: its backfill is lost", x.label)
			continue
		}
		b := all[i]
		if b.State == server.Done && b.Culprit != nil && b.Culprit.Push.ID == x.culprit {
			c.right++
		} else {
			c.fault("%s is %s: %s; %s", x.label, b.State, b.Answer, b.Why)
		}
		if seen, ok := c.last[x.id]; ok && seen != b.Version {
			c.complete.Add(-1)
			c.fault("%s: its stream ended with version %d, the store has %d", x.label, seen, b.Version)
		}
	}
	c.ci.mu.Lock()
	defer c.ci.mu.Unlock()
	for _, n := range c.ci.made {
		c.made += n
	}
	for _, n := range c.ci.requests {
		if n > 1 {
			c.twice++
		}
	}
}

// residentOf is the maximum memory of a process so far, in MiB; 0 when unknown.
func residentOf(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	return highest(string(text))
}

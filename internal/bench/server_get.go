package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

const (
	getRate   = 1000 // requests per second
	getMost   = 20   // maximum ratio of the service's p99 to the bare p50
	getSlice  = 250 * time.Millisecond
	getIDs    = 20
	getMoving = 4 // how many of the backfills change meanwhile
)

// answersFast measures GET /v1/backfills/{id} at a fixed rate, beside a bare handler that writes
// the same bytes. The two take turns in slices of the same run.
func answersFast(y *yard) {
	store, ids := y.filled()
	srv, err := server.New(serverPlaces{}, store, &server.Options{Door: server.DoorOptions{
		OpenReads: true, Reads: server.Rate{PerMinute: -1},
	}})
	y.must(err)
	service := y.listenOn(srv.Handler())
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	var sample bytes.Buffer
	for _, id := range ids { // do not measure what a process does only once
		sample.Reset()
		y.must(fetch(client, service+"/v1/backfills/"+id, &sample))
	}
	bare := y.listenOn(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(sample.Bytes())
	}))
	ctx, stop := context.WithCancel(y.Context())
	var moving sync.WaitGroup
	var changes atomic.Int64
	moving.Go(func() { y.move(ctx, store, &changes) })
	n := y.sized(80, 24)
	fmt.Printf("\nserver: %d requests a second of one of %d backfills of %d kB, of which %d change, over SQLite; "+
		"%d slices of %s for each of the two; %d CPUs\n\n", getRate, getIDs, sample.Len()/1000, getMoving, n, getSlice,
		runtime.GOMAXPROCS(0))
	var of [2]load
	for range n {
		of[0].at(client, getRate, getSlice, func(int) string { return bare })
		of[1].at(client, getRate, getSlice, func(n int) string { return service + "/v1/backfills/" + ids[n%len(ids)] })
	}
	stop()
	moving.Wait()
	fmt.Println("               requests   failed        p50        p99        max   p99 / " +
		"bare p50   of the middle slice")
	base := of[0].part(0.5)
	ratio := func(d time.Duration) float64 { return float64(d) / float64(base) }
	for i, name := range []string{"bare handler", "the service"} {
		l := &of[i]
		fmt.Printf("%-12s %10d %8d %10s %10s %10s %16.1f %21.1f\n", name, len(l.took), l.failed, micros(l.part(0.5)),
			micros(l.part(0.99)), micros(l.part(1)), ratio(l.part(0.99)), ratio(l.middle()))
	}
	fmt.Printf("%d changes meanwhile. Must: below %d; where the bare handler's own p99 is above half of that, the "+
		"machine is busy with\nother things, and the middle slice counts.\n", changes.Load(), getMost)
	p99 := of[1].part(0.99)
	if ratio(of[0].part(0.99)) > getMost/2 {
		p99 = of[1].middle()
	}
	if of[1].failed > 0 || p99 > getMost*base {
		y.Errorf("%d failed; p99 %s, the bare p50 is %s", of[1].failed, p99, base)
	}
}

func micros(d time.Duration) time.Duration { return d.Round(time.Microsecond) }

// load are requests at a fixed rate, which does not wait for answers.
type load struct {
	took   []time.Duration // ascending once part was called
	slices []time.Duration // the p99 of each slice
	failed int
}

// at makes requests at an even rate, and waits for the last answers. The time of a request counts
// from when it was due, even if no connection was free then.
func (l *load) at(c *http.Client, rate int, d time.Duration, url func(n int) string) {
	n := int(d.Seconds() * float64(rate))
	took, failed := make([]time.Duration, n), make([]bool, n)
	var all sync.WaitGroup
	runtime.LockOSThread() // a thread sleeps more exactly than the scheduler
	began := time.Now()
	for i := range n {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(rate))
		if wait := time.Until(due); wait > 0 {
			ts := syscall.NsecToTimespec(wait.Nanoseconds())
			_ = syscall.Nanosleep(&ts, nil)
		}
		at := time.Now()
		all.Go(func() {
			err := fetch(c, url(i), io.Discard)
			took[i], failed[i] = time.Since(at), err != nil
		})
	}
	runtime.UnlockOSThread()
	all.Wait()
	l.took = append(l.took, took...)
	slices.Sort(took)
	l.slices = append(l.slices, took[len(took)*99/100])
	for _, f := range failed {
		if f {
			l.failed++
		}
	}
}

// part is the time within which a share p of the requests was answered.
func (l *load) part(p float64) time.Duration {
	slices.Sort(l.took)
	return l.took[min(int(p*float64(len(l.took))), len(l.took)-1)]
}

// middle is the median of the slices' p99.
func (l *load) middle() time.Duration {
	slices.Sort(l.slices)
	return l.slices[len(l.slices)/2]
}

// fetch makes a request and discards the answer as it comes, so that the client's own work is not
// measured.
func fetch(c *http.Client, url string, into io.Writer) error {
	res, err := c.Get(url) //nolint:noctx // the client is the bench's own
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	n, err := io.Copy(into, res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || n == 0) {
		err = errStatus{status: res.StatusCode}
	}
	return err
}

// listenOn serves a handler as the program does.
func (y *yard) listenOn(h http.Handler) string {
	y.Helper()
	l, err := (&net.ListenConfig{}).Listen(y.Context(), "tcp", "127.0.0.1:0")
	y.must(err)
	s := server.HTTPServer("", h, nil)
	go func() { _ = s.Serve(l) }()
	y.Cleanup(func() { _ = s.Close() })
	return "http://" + l.Addr().String()
}

// filled is a store in a new SQLite file, with backfills whose grids have 50 pushes.
func (y *yard) filled() (server.Store, []string) {
	y.Helper()
	db, err := openSQLite(filepath.Join(y.TempDir(), "mozci.db"))
	y.must(err)
	y.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(4) // the same as the program
	db.SetMaxIdleConns(4)
	store := server.NewSQL(db, server.SQLite)
	var ids []string
	for i := range getIDs {
		r := server.Record{Backfill: largeBackfill(i)}
		if i >= getMoving {
			r.State = server.Done
		}
		r, _, err = store.Add(y.Context(), r, 0)
		y.must(err)
		ids = append(ids, r.ID)
	}
	return store, ids
}

// move changes the open backfills about ten times a second in total, as another instance would.
func (y *yard) move(ctx context.Context, store server.Store, changes *atomic.Int64) {
	const me = "another instance"
	held, err := store.Claim(ctx, me, time.Hour, getMoving)
	if err != nil {
		y.Error(err)
		return
	}
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
		r := &held[i%len(held)]
		r.Log[0].Text = fmt.Sprintf("Change %d.", i)
		saved, err := store.Save(context.WithoutCancel(ctx), *r, me)
		if err != nil {
			y.Error(err)
			return
		}
		*r = saved
		changes.Add(1)
	}
}

// largeBackfill is a backfill that has searched 50 pushes for a while.
func largeBackfill(n int) server.Backfill {
	const pushes = 50
	b := server.Backfill{
		ID: fmt.Sprintf("blarge%d", n), State: server.Running, By: "hazel", Via: server.ViaToken,
		Ask: server.Ask{
			Project: "autoland", Label: fmt.Sprintf("test-linux2404-64/opt-mochitest-browser-chrome-%d", n),
			Revision: fmt.Sprintf("%040x", 0xabcdef), Mode: server.Search, Most: pushes, Batch: 4, MaxRuns: 100,
		},
		Answer: "Three pushes can have broken it", Credible: []server.Suspect{}, Warnings: []string{},
		Links: server.Links{Self: server.Text("/v1/backfills/large"), Page: "/backfills/large"},
	}
	for i := range pushes {
		ref := job.PushRef{Repo: "autoland", ID: int64(1000 - i), Revision: fmt.Sprintf("%040x", 0x1000000-i)}
		row := server.Row{
			Push: ref, Label: b.Ask.Label, Author: "someone@mozilla.example", Link: "https://treeherder.example/#/jobs",
			Subject: "Bug 1900000 - " + strings.Repeat("Make it better ", 4), Time: time.Unix(1.7e9, 0).UTC(),
		}
		for k := range i % 4 {
			row.Runs = append(row.Runs, server.Run{
				ID: server.Text(fmt.Sprintf("task-%022d/0", 100*i+k)), Result: server.Passed, Status: "success",
				Ours:    k > 0,
				Link:    "https://firefox-ci-tc.services.mozilla.example/tasks/" + server.Text(fmt.Sprint(k)),
				Seconds: 1234,
			})
			row.Passed++
			why := "most informative next run"
			b.Steps = append(b.Steps, server.Step{
				Key: fmt.Sprintf("autoland/%d/%s/%d", ref.ID, b.Ask.Label, k), Label: b.Ask.Label, Push: ref,
				Action: trigger.ActionTrigger, Count: 1, Why: why, Time: row.Time,
				Receipt: &server.Receipt{IDs: []string{string(row.Runs[k].ID)}, State: "created"},
			})
			b.Log = append(b.Log, server.Entry{
				Time: row.Time, Kind: "triggered", Text: "Triggered 1 run on " + ref.Revision[:12],
				Why: server.Text(why),
			})
		}
		b.Rows = append(b.Rows, row)
	}
	return b
}

package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/pulse"
	"github.com/mozci/mozci/trigger/ledger"
	"github.com/mozci/mozci/trigger/monitor"
)

var errLiveChild = errors.New("not a child of subject live")

// liveChild is a process of subject live. It ends when the process that started it ends: that one
// holds the other end of its input.
func liveChild(kind string, args []string) int {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
		time.Sleep(20 * time.Second)
		os.Exit(4)
	}()
	switch {
	case kind == "wait" && len(args) == 4:
		return waitChild(ctx, args)
	case kind == "monitor" && len(args) == 4:
		if err := monitorChild(ctx, args[0], args[1], args[2], args[3]); err != nil && ctx.Err() == nil {
			return fail(err)
		}
		return 0
	}
	return fail(errLiveChild)
}

// livePolicy has short waits, and never gives up on a CI that does not answer.
var livePolicy = monitor.Policy{
	Settle: 500 * time.Millisecond, Poll: time.Second, Safety: 2 * time.Second, Retriggers: 2, Blind: -1,
}

const liveLease = 2 * time.Second

// monitorChild listens to Pulse and watches expectations, in a database that it shares with other
// processes.
func monitorChild(ctx context.Context, url, broker, database, name string) error {
	db, err := sql.Open("pgx", database)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(10)
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	ci := worldClient{url}
	live, err := pulse.NewLive(ci, pulse.LiveOptions{
		Store: pulse.NewSQL(db, pulse.PostgreSQL), CI: liveCI, Decode: decodeRun, Holder: name, Lease: liveLease,
		Poll: time.Second, Safety: 2 * time.Second, Grace: time.Second, Logger: log,
		Consumer: pulse.Listen(pulse.Options{
			URL: broker, User: liveUser, Password: livePassword, Queue: "shared",
			Bindings: []pulse.Binding{{Exchange: liveExchange, Key: "#"}},
			Retry:    100 * time.Millisecond, RetryMost: time.Second, Logger: log,
		}),
	})
	if err != nil {
		return err
	}
	m := monitor.New(live, nil, monitor.NewSQL(db, monitor.PostgreSQL), &monitor.Options{
		Ledger: ledger.NewSQL(db, ledger.PostgreSQL), Policy: livePolicy, Lease: liveLease, Who: "bench", Logger: log,
		Notifier: monitor.NotifyFunc(func(ctx context.Context, e monitor.Expectation) error {
			return ci.ask(ctx, "/notice", liveAsk{Key: e.Key, Outcome: string(e.Progress.Outcome)}, nil)
		}),
	})
	done := make(chan error, 2)
	go func() { done <- live.Run(ctx) }()
	go func() { done <- m.Run(ctx) }()
	first := <-done
	if ctx.Err() == nil {
		return fmt.Errorf("it ended by itself: %w", first)
	}
	return errors.Join(first, <-done)
}

// decodeRun reads a message of a liveWorld.
func decodeRun(_ context.Context, m pulse.Message) ([]job.Event, error) {
	var r liveRun
	if err := json.Unmarshal(m.Body, &r); err != nil {
		return nil, fmt.Errorf("%w: %w", job.ErrMalformed, err)
	}
	return []job.Event{{Time: time.Now().UTC(), CI: liveCI, Job: r.job()}}, nil
}

// worldClient is the client of a liveWorld.
type worldClient struct{ url string }

func (c worldClient) ask(ctx context.Context, path string, ask liveAsk, into any) error {
	ask.PID = os.Getpid()
	text, err := json.Marshal(ask)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req) // #nosec G704 -- the bench's own CI
	if err != nil {
		return job.OfHTTP(path, "", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return &job.Error{Op: path, Err: job.SentinelOf(res.StatusCode)}
	}
	if into == nil {
		_, err = io.Copy(io.Discard, res.Body)
	} else {
		err = json.NewDecoder(res.Body).Decode(into)
	}
	return job.OfHTTP(path, "", err)
}

// Jobs implements job.Scheduler, for one label.
func (c worldClient) Jobs(ctx context.Context, p job.Push, names ...string) (out []job.Job, err error) {
	for _, n := range names {
		var runs []liveRun
		if err := c.ask(ctx, "/jobs", liveAsk{livePlace: livePlace{p.ID, n}}, &runs); err != nil {
			return nil, err
		}
		for _, r := range runs {
			out = append(out, r.job())
		}
	}
	return out, nil
}

// Trigger implements job.Scheduler.
func (c worldClient) Trigger(ctx context.Context, r job.Request) (job.Receipt, error) {
	var ids []string
	err := c.ask(ctx, "/trigger", liveAsk{livePlace: livePlace{r.Push.ID, r.Label}, Key: r.Key, Count: r.Count}, &ids)
	return job.Receipt{State: job.ReceiptCreated, IDs: ids}, err
}

// Carried implements job.KeyCarrier.
func (c worldClient) Carried(ctx context.Context, r job.Request) (ids []string, err error) {
	err = c.ask(ctx, "/carried", liveAsk{livePlace: livePlace{r.Push.ID, r.Label}, Key: r.Key}, &ids)
	return ids, err
}

// Accepted implements job.AcceptedLister. Every run is visible at once.
func (worldClient) Accepted(context.Context, job.Push, string) ([]job.Request, error) {
	return nil, nil
}

package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/trigger/ledger"
)

// killedServers measures what happens to backfills while the processes that work on them are killed
// again and again. Often two processes share one SQLite file.
func killedServers(y *yard) {
	k := newMassacre(y, y.sized(1000, 60), y.sized(100, 12))
	fmt.Printf("\nserver: %d backfills, a CI that answers 500 before and after it acts, is slow and shows runs late; "+
		"processes over one SQLite file, two at once for half of the time, SIGKILL at random points\n\n",
		len(k.world.wants))
	k.run()
	k.sum.report(y)
}

// massacre is one run of section kills.
type massacre struct {
	*yard
	world *serverWorld
	ci    *serverCI
	spec  serverSpec
	token string
	db    *sql.DB
	store server.Store
	book  ledger.Ledger
	kills int64 // number of planned kills
	died  atomic.Int64
	twice atomic.Int64 // requests for a backfill that were sent a second time

	mu   sync.Mutex
	urls map[string]bool // of the living processes
	sum  killSum
}

func newMassacre(y *yard, kills, backfills int) *massacre {
	y.Helper()
	const seed, pushes, infra = 1, 14, 0.05
	w := newServerWorld(seed, backfills, pushes, infra)
	k := &massacre{yard: y, world: w, kills: int64(kills), urls: map[string]bool{}}
	k.ci = newServerCI(seed, w.ci(), jobtest.MustParse(w.pushes).Pushes("autoland"), true)
	k.spec = serverSpec{
		Dir: y.TempDir(), Lease: 600 * time.Millisecond, Asking: 3 * time.Second, Poll: 150 * time.Millisecond,
		Retry: time.Second,
	}
	k.token = y.settle(k.spec, w)
	var err error
	k.db, err = openSQLite(k.spec.database())
	y.must(err)
	y.Cleanup(func() { _ = k.db.Close() })
	k.store, k.book = server.NewSQL(k.db, server.SQLite), ledger.NewSQL(k.db, ledger.SQLite)
	_, err = k.store.Now(y.Context())
	y.must(err)
	return k
}

func (k *massacre) run() {
	srv := httptest.NewServer(k.ci)
	defer srv.Close()
	k.spec.CI = srv.URL
	ctx, stop := context.WithCancel(k.Context())
	defer stop()
	go func() { _ = k.ci.ci.Play(ctx, func(d time.Duration) time.Duration { return d / 3000 }) }()
	began := time.Now()
	ended := make(chan struct{}) // closed when all backfills have ended
	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() { k.slot(i, ended) })
	}
	for i, x := range k.world.wants {
		all.Go(func() { k.start(ctx, i, x) })
	}
	k.until("the end of all backfills", func() bool { return k.Failed() || k.died.Load() >= k.kills && k.quiet() })
	close(ended)
	stop()
	all.Wait()
	k.judge(time.Since(began))
}

// slot runs one process after another and kills each, until enough have died. The second slot
// pauses in between.
func (k *massacre) slot(n int, ended <-chan struct{}) {
	for {
		p, err := startServer(k.spec)
		if err != nil {
			k.Error(err)
			return
		}
		killed := func() bool { return false }
		if k.died.Load() < k.kills {
			killed = k.ci.doom(p.cmd.Process)
		}
		url := p.address()
		k.lives(url, true)
		done := make(chan error, 1)
		go func() { done <- p.cmd.Wait() }()
		over := false
		select {
		case err = <-done:
		case <-ended:
			over = true
			_ = p.in.Close()
			err = <-done
		}
		_ = p.in.Close()
		k.lives(url, false)
		switch dead := killed(); {
		case dead && !over:
			k.died.Add(1)
		case err != nil && !dead:
			k.Errorf("a process failed: %v\n%s", err, last(p.said.Bytes()))
			return
		case over:
			return
		default:
			k.Errorf("a process ended by itself\n%s", last(p.said.Bytes()))
			return
		}
		if n > 0 {
			k.ci.mu.Lock()
			rest := time.Duration(k.ci.rng.IntN(1200)) * time.Millisecond
			k.ci.mu.Unlock()
			time.Sleep(rest)
		}
	}
}

func (k *massacre) lives(url string, now bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now && url != "" {
		k.urls[url] = true
	} else {
		delete(k.urls, url)
	}
}

// start requests a backfill at its time until a process accepts it, and requests it once more
// later, which must give the same one.
func (k *massacre) start(ctx context.Context, i int, x *wanted) {
	turn := k.kills * int64(i) / int64(len(k.world.wants))
	for k.died.Load() < turn && ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
	}
	first := k.taken(ctx, x)
	for k.died.Load() < min(turn+2, k.kills) && ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
	}
	again := k.taken(ctx, x)
	if first != again {
		k.Errorf("%s was started twice: %s and %s", x.label, first, again)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	x.id = first
	k.sum.started++
}

// taken requests a backfill until some process accepts it.
func (k *massacre) taken(ctx context.Context, x *wanted) (id string) {
	for n := 0; ctx.Err() == nil; n++ {
		k.mu.Lock()
		var urls []string
		for u := range k.urls {
			urls = append(urls, u)
		}
		k.mu.Unlock()
		for _, u := range urls {
			b, err := k.world.start(ctx, u, k.token, x)
			if err == nil {
				return b.ID
			}
			if n == 0 {
				k.twice.Add(1)
			}
			if n > 200 {
				k.Errorf("%s is not taken: %v", x.label, err)
				return ""
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	return ""
}

// quiet reports whether all backfills were started and have ended.
func (k *massacre) quiet() bool {
	k.mu.Lock()
	started := k.sum.started
	k.mu.Unlock()
	if started < len(k.world.wants) {
		return false
	}
	open, err := k.store.List(context.Background(), server.Query{
		States: []server.State{server.Waiting, server.Running}, Limit: 500,
	})
	return err == nil && len(open) == 0
}

// killSum is the result.
type killSum struct {
	took                       time.Duration
	backfills, started, right  int
	kills, again               int
	requests, repeated         int // requests for runs that were carried out; keys that came more than once
	planned, noted, told, made int // numbers of runs: by the plans of fills, by the ledger, by the steps, by the CI
	exact, places              int // labels on pushes; exact: those where the CI made what the ledger says
	unheard                    int // requests in the ledger that did not reach the CI
	refused, slow, looks       int
	faults                     []string
}

func (s *killSum) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// judge compares what the CI made with what was planned, and the answers with the truth.
func (k *massacre) judge(took time.Duration) {
	ctx := context.Background()
	s := &k.sum
	s.took, s.kills, s.again = took, int(k.died.Load()), int(k.twice.Load())
	all, err := k.store.List(ctx, server.Query{Limit: 500})
	k.must(err)
	s.backfills = len(all)
	if s.backfills != len(k.world.wants) {
		s.fault("%d backfills in the store, %d were requested", s.backfills, len(k.world.wants))
	}
	noted := map[serverPlace]int{}
	for _, x := range k.world.wants {
		i := slices.IndexFunc(all, func(b server.Backfill) bool { return b.ID == x.id })
		if i < 0 {
			s.fault("%s: its backfill %s is lost", x.label, x.id)
			continue
		}
		k.judgeOne(ctx, x, all[i], noted)
	}
	k.ci.mu.Lock()
	defer k.ci.mu.Unlock()
	s.looks, s.refused, s.slow = k.ci.looks, k.ci.refused, k.ci.slow
	s.count(k.ci, noted)
}

// judgeOne checks one backfill, and adds what the ledger knows of it.
func (k *massacre) judgeOne(ctx context.Context, x *wanted, b server.Backfill, noted map[serverPlace]int) {
	s := &k.sum
	if b.State == server.Done && b.Culprit != nil && b.Culprit.Push.ID == x.culprit {
		s.right++
	} else {
		s.fault("%s (%s %s) is %s: %s; %s; %v is the culprit in truth", x.label, x.mode, x.id, b.State, b.Answer, b.Why,
			x.culprit)
	}
	entries, err := k.book.Entries(ctx, ledger.Query{Who: "backfill " + b.ID})
	k.must(err)
	runs, told := 0, 0
	for _, e := range entries {
		n := k.acted(e.Key)
		switch {
		case e.State.Made() && n != 1, e.State.Open() && n > 1, !e.State.Made() && !e.State.Open() && n > 0:
			s.fault("%s: the request %s is %s in the ledger, and was made %d times", x.label, e.Key, e.State, n)
		case n == 0: // the process died before it sent it, or the CI did not receive it: it was planned again
			s.unheard++
			continue
		}
		runs += e.Count
		noted[serverPlace{e.Push.ID, e.Label}] += e.Count
	}
	for _, st := range b.Steps {
		if st.Receipt != nil {
			told += st.Count
		}
	}
	if b.Cost.Runs != runs {
		s.fault("%s (%s): %d runs were requested, its cost says %d", x.label, x.mode, runs, b.Cost.Runs)
	}
	if x.mode == server.Linear {
		s.planned += b.Plan.Total()
		if runs != b.Plan.Total() {
			s.fault("%s: %d runs were planned, %d requested", x.label, b.Plan.Total(), runs)
		}
	} else {
		s.planned += runs
	}
	if told != runs {
		s.fault("%s (%s): %d runs were requested, its steps say %d", x.label, x.mode, runs, told)
	}
	s.told += told
}

// acted is how often the CI made the runs of a key.
func (k *massacre) acted(key string) int {
	k.ci.mu.Lock()
	defer k.ci.mu.Unlock()
	return k.ci.requests[key]
}

// count compares the requests and runs of the CI with the ledger. The caller holds the CI's mu.
func (s *killSum) count(ci *serverCI, noted map[serverPlace]int) {
	for key, n := range ci.requests {
		s.requests += n
		if n > 1 {
			s.repeated++
			s.fault("request %s was made %d times", key, n)
		}
	}
	places := map[serverPlace]bool{}
	for p, n := range ci.made {
		places[p] = true
		s.made += n
	}
	for p, n := range noted {
		places[p] = true
		s.noted += n
	}
	s.places = len(places)
	for p := range places {
		if ci.made[p] == noted[p] {
			s.exact++
		} else {
			s.fault("%s on push %d: the ledger says %d runs, the CI made %d", p.Label, p.Push, noted[p], ci.made[p])
		}
	}
}

// report prints and checks the results.
func (s *killSum) report(y *yard) {
	fmt.Printf("killed %d processes in %.0f s; of %d backfills %d have the right answer; %d times a backfill was "+
		"requested again, because the process died\n", s.kills, s.took.Seconds(), s.backfills, s.right, s.again)
	fmt.Printf("requests %d, made twice %d; runs planned %d, requested by the ledger %d, shown in the steps %d, made "+
		"by the CI %d; %d of %d places exactly\n", s.requests, s.repeated, s.planned, s.noted, s.told, s.made, s.exact,
		s.places)
	fmt.Printf("%d requests in the ledger did not reach the CI, and were planned again\n", s.unheard)
	fmt.Printf("the CI was looked at %d times, answered 500 %d times and was slow %d times\n", s.looks, s.refused,
		s.slow)
	if len(s.faults) > 0 {
		slices.Sort(s.faults)
		y.Errorf("%d faults:\n%s", len(s.faults), strings.Join(s.faults[:min(len(s.faults), 30)], "\n"))
	}
}

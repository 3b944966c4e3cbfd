package main

import (
	"database/sql"
	"flag"
	"fmt"
	"os"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job/pulse"
)

var liveProfile = flag.String("live-profile", "", "live: a file for a CPU profile of the throughput over a Memory")

// leastOfBare is the minimum share of the bare client's throughput that a Live over a Memory must
// reach. It is lower in a quick run, whose few messages are over before a process is warm.
func (l *bay) leastOfBare() float64 {
	if l.quick {
		return 0.5
	}
	return 0.7
}

// throughput is the number of messages per second that are received, stored, acknowledged, decoded,
// recorded and reported, beside a bare client that only acknowledges the same messages.
func throughput(l *bay) {
	n, rounds := l.sized(20_000, 3000), 3
	fmt.Printf("live: %d recorded messages of Taskcluster's that wait in a queue, in turns, medians of %d\n\n", n,
		rounds)
	type way struct {
		name  string
		run   func(queue string) time.Duration
		times []time.Duration
	}
	ways := []*way{
		{name: "a bare client, prefetch 200", run: func(q string) time.Duration { return bare(l, q, n) }},
		{name: "Live over a Memory", run: func(q string) time.Duration { return over(l, q, n, pulse.NewMemory()) }},
		{name: "Live over SQLite", run: func(q string) time.Duration {
			s, end := l.sqliteStore()
			defer end()
			return over(l, q, n, s)
		}},
	}
	if db := l.postgres(); db != nil {
		defer func() { _ = db.Close() }()
		ways = append(ways, &way{name: "Live over PostgreSQL", run: func(q string) time.Duration {
			return over(l, q, n, pulse.NewSQL(db, pulse.PostgreSQL))
		}})
	}
	for range rounds {
		for _, w := range ways {
			q := l.newQueue(l.exchanges()...)
			l.publish(n)
			w.times = append(w.times, w.run(q))
			l.must(l.broker.DeleteQueue(q))
		}
	}
	fmt.Println("                              messages a second   of the bare client's")
	var base float64
	for i, w := range ways {
		slices.Sort(w.times)
		rate := float64(n) / w.times[rounds/2].Seconds()
		if i == 0 {
			base = rate
		}
		fmt.Printf("%-28s %18.0f %22.2f\n", w.name, rate, rate/base)
		if i == 1 && rate < l.leastOfBare()*base {
			l.Errorf("%s: %.2f of the bare client's throughput, want %.1f", w.name, rate/base, l.leastOfBare())
		}
	}
}

// bare receives n messages with the client alone.
func bare(l *bay, queue string, n int) time.Duration {
	conn, err := dialBare(l.broker.URL())
	l.must(err)
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	l.must(err)
	l.must(ch.Qos(200, 0, false))
	deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
	l.must(err)
	began := time.Now()
	for range n {
		d := <-deliveries
		l.must(d.Ack(false))
	}
	return time.Since(began)
}

// over receives n messages with a Live.
func over(l *bay, queue string, n int, s pulse.Store) time.Duration {
	if _, memory := s.(*pulse.Memory); memory && *liveProfile != "" {
		f, err := os.Create(*liveProfile)
		l.must(err)
		defer func() { _ = f.Close() }()
		l.must(pprof.StartCPUProfile(f))
		defer pprof.StopCPUProfile()
	}
	r := l.listen(s, queue, decodeTask, l.exchanges()...)
	defer r.stop()
	<-r.began
	l.until("throughput", func() bool { return r.done(n) })
	took := time.Since(r.since)
	if st := r.live.Stats(); st.Aside > 0 || r.consumer.Stats().Acked != int64(n) {
		l.Errorf("%d messages, %+v, %+v", n, st, r.consumer.Stats())
	}
	return took
}

// postgres opens a connection to the bench's server; nil when PostgreSQL is not installed.
func (l *bay) postgres() *sql.DB {
	l.Helper()
	if why := testenv.MissingPostgres(); why != "" {
		fmt.Println("live: without PostgreSQL: " + why)
		return nil
	}
	if l.database == nil {
		l.database = testenv.StartPostgres(l)
	}
	db, err := sql.Open("pgx", l.database.URL)
	l.must(err)
	return db
}

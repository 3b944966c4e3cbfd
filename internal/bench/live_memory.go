package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/pulse"
)

// mostGrown is the maximum ratio of the heap after all messages to the heap after a tenth of them.
const mostGrown = 1.1

// heap is the reachable heap in MiB.
func heap() float64 {
	runtime.GC()
	runtime.GC() // a second pass frees what finalizers released
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

// flatness measures the heap while a million messages come. First it sends as many runs as a Memory
// and a Live remember, because up to then the heap must grow.
func flatness(l *bay) {
	n := l.sized(1_000_000, 50_000)
	fmt.Printf("\nlive: the heap over %d messages, of a Live over a Memory that is full already\n\n", n)
	const chunk = 1000
	warm := l.sized(600_000, 500_000) // more runs than are remembered
	q := l.newQueue(l.exchanges()...)
	store := pulse.NewMemory()
	r := l.listen(store, q, func(ctx context.Context, m pulse.Message) ([]job.Event, error) {
		if m.Exchange != "warm" {
			return decodeTask(ctx, m)
		}
		return []job.Event{{CI: liveCI, Job: job.New(job.Fields{
			ID: m.RoutingKey, Name: "test", Push: job.Push{Repo: "autoland"}, Status: job.StatusSuccess,
		})}}, nil
	}, l.exchanges()...)
	defer r.stop()
	<-r.began
	before := heap()
	for i := 0; i < warm; i += chunk {
		var list []pulse.Message
		for k := range chunk {
			list = append(list, pulse.Message{Exchange: "warm", RoutingKey: fmt.Sprintf("warm-%017d/0", i+k)})
		}
		l.must(store.Put(l.Context(), q, list))
		l.until("warming", func() bool { return int64(i+chunk)-r.decoded.Load() < 5*chunk })
	}
	l.until("warming", func() bool { return r.decoded.Load() == int64(warm) })
	var at [2]float64
	began := time.Now()
	for sent := 0; sent < n; sent += chunk {
		l.publish(chunk)
		l.until("messages", func() bool { return int64(sent+chunk)-r.consumer.Stats().Acked < 2*chunk })
		if sent+chunk == n/10 {
			l.until("messages", func() bool { return r.done(n/10) && r.decoded.Load() == int64(warm+n/10) })
			at[0] = heap()
		}
	}
	l.until("messages", func() bool { return r.done(n) && r.decoded.Load() == int64(warm+n) })
	at[1] = heap()
	fmt.Printf("empty %.1f MiB; after %d runs and then 10 %% of the messages %.1f MiB, after 100 %% %.1f MiB: "+
		"%.2f times; %.0f a second\n", before, warm, at[0], at[1], at[1]/at[0], float64(n)/time.Since(began).Seconds())
	if at[1] > mostGrown*at[0] {
		l.Errorf("the heap grew from %.1f to %.1f MiB", at[0], at[1])
	}
	l.must(l.broker.DeleteQueue(q))
}

// mostPrefetched is how much the heap may grow for messages that wait, in MiB.
const mostPrefetched = 32

// prefetch measures the heap of a process that gets messages faster than it can store them.
func prefetch(l *bay) {
	n := l.sized(100_000, 20_000)
	fmt.Printf("\nlive: %d messages of 2 kB wait, and who takes them is slow: of a process\n\n", n)
	fmt.Println("                              heap grew by   resident   messages that came")
	q := l.newQueue("exchange/bench/waiting")
	body := make([]byte, 2000)
	l.must(l.broker.PublishMany("exchange/bench/waiting", "a", func(yield func([]byte) bool) {
		for range n {
			if !yield(body) {
				return
			}
		}
	}))
	for _, c := range []struct{ name, mode string }{
		{"a Consumer, slow store", "consumer"}, {"a bare client without Qos", "bare"},
	} {
		cmd := exec.Command(os.Args[0], "live-child", "wait", c.mode, l.broker.URL(), q,
			strconv.Itoa(l.sized(8000, 1500))) // #nosec G204 -- this program itself
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe() // its end tells the child to stop
		l.must(err)
		out, err := cmd.Output()
		_ = in.Close()
		l.must(err)
		var grew, resident float64
		var came int
		_, err = fmt.Sscan(string(out), &grew, &resident, &came)
		l.must(err)
		fmt.Printf("%-28s %9.1f MiB %6.1f MiB %20d\n", c.name, grew, resident, came)
		if c.mode == "consumer" && (grew > mostPrefetched || came == 0) {
			l.Errorf("the heap grew by %.1f MiB over %d messages", grew, came)
		}
	}
	l.must(l.broker.DeleteQueue(q))
}

// waitChild is a process that gets more messages than it can take.
func waitChild(parent context.Context, args []string) int {
	mode, url, queue := args[0], args[1], args[2]
	millis, err := strconv.Atoi(args[3])
	if err != nil {
		return fail(err)
	}
	var came atomic.Int64
	before := heap()
	ctx, stop := context.WithTimeout(parent, time.Duration(millis)*time.Millisecond)
	defer stop()
	ended := make(chan error, 1)
	if mode == "bare" {
		go func() { ended <- takeSlowly(ctx, url, queue, &came) }()
	} else {
		c, err := pulse.NewConsumer(slowStore{pulse.NewMemory(), 100 * time.Millisecond, &came}, pulse.Options{
			URL: url, User: liveUser, Password: livePassword, Queue: queue,
			Bindings: []pulse.Binding{{Exchange: "exchange/bench/waiting", Key: "#"}},
		})
		if err != nil {
			return fail(err)
		}
		go func() { ended <- c.Run(ctx) }()
	}
	most := 0.0
	for ctx.Err() == nil {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, float64(m.HeapAlloc)/(1<<20))
		time.Sleep(20 * time.Millisecond)
	}
	if err := <-ended; err != nil {
		return fail(err)
	}
	fmt.Println(most-before, resident(), came.Load())
	return 0
}

// takeSlowly takes messages with the bare client, without Qos.
func takeSlowly(ctx context.Context, url, queue string, came *atomic.Int64) error {
	conn, err := dialBare(url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		<-deliveries
		came.Add(1)
		time.Sleep(time.Millisecond)
	}
	return nil
}

// slowStore is slow to store messages, and keeps nothing.
type slowStore struct {
	pulse.Store
	time  time.Duration
	taken *atomic.Int64
}

func (s slowStore) Put(_ context.Context, _ string, list []pulse.Message) error {
	time.Sleep(s.time)
	s.taken.Add(int64(len(list)))
	return nil
}

// resident is the maximum memory of this process so far, in MiB; 0 when unknown.
func resident() float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	return highest(string(text))
}

// highest reads the peak memory from the text of /proc/…/status.
func highest(status string) float64 {
	for line := range strings.Lines(status) {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kb), "kB")))
			return float64(n) / 1024
		}
	}
	return 0
}

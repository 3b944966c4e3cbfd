package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mozci/mozci/job/pulse"
	"github.com/mozci/mozci/trigger/monitor"
)

// reliability measures what happens to runs, and to expectations about some of them, while three
// monitors are killed again and again and the broker and the database are restarted.
func reliability(l *bay) {
	r := &trialOfThree{
		bay: l, world: newLiveWorld(1), processes: 3, deaths: int64(l.sized(100, 10)), brokers: l.sized(5, 1),
		databases: l.sized(3, 1), keys: map[string]livePlace{},
	}
	fmt.Printf("\nlive: runs of a CI that loses, doubles and shuffles its messages, %d monitors on one queue and one "+
		"PostgreSQL, SIGKILL at random points\n\n", r.processes)
	if r.db = l.postgres(); r.db == nil {
		return
	}
	defer func() { _ = r.db.Close() }()
	for _, table := range []string{"message", "pack", "job", "aside", "queue", "version"} { // of earlier sections
		_, err := r.db.ExecContext(l.Context(), "DROP TABLE IF EXISTS mozci_pulse_"+table)
		l.must(err)
	}
	srv := httptest.NewServer(r.world)
	defer srv.Close()
	r.url = srv.URL
	l.declare("queue/"+liveUser+"/shared", liveExchange) // before the first message
	r.run(l.sized(2900, 500), l.sized(300, 60), time.Duration(l.sized(45, 5))*time.Second)
}

// trialOfThree is one run of section reliability.
type trialOfThree struct {
	*bay
	world              *liveWorld
	db                 *sql.DB
	url                string
	processes          int
	deaths             int64 // number of planned kills
	doomed, died       atomic.Int64
	brokers, databases int
	keys               map[string]livePlace // of the expectations, by key
}

func (r *trialOfThree) run(places, expected int, within time.Duration) {
	began := time.Now()
	stop := make(chan struct{}) // closed when everything is done
	var all sync.WaitGroup
	var once sync.Once
	end := func() { once.Do(func() { close(stop) }); all.Wait() }
	defer end()
	r.expect(places, expected, within)
	all.Go(func() { r.world.tell(r.broker, stop) })
	for i := range r.processes {
		all.Go(func() { r.slot(fmt.Sprintf("monitor %d", i+1), stop) })
	}
	r.direct(began)
	end()
	r.report(expected, time.Since(began))
}

// expect plans the places, and adds expectations for some of them.
func (r *trialOfThree) expect(places, expected int, within time.Duration) {
	m := monitor.New(worldClient{r.url}, nil, monitor.NewSQL(r.db, monitor.PostgreSQL), nil)
	const labels = 20
	for i := range places {
		p := livePlace{int64(1 + i/labels), fmt.Sprintf("test-%d", i%labels)}
		f := fates[0]
		if i%(places/expected) == 0 && len(r.keys) < expected {
			f = fates[len(r.keys)%len(fates)]
			key := fmt.Sprintf("%d/%s", p.Push, p.Label)
			r.keys[key] = p
			_, err := m.Expect(r.Context(), monitor.Expectation{Key: key, Push: livePush(p.Push), Label: p.Label})
			r.must(err)
		}
		r.world.plan(p, f, within)
	}
}

// slot runs one monitor after another, and kills all but the last.
func (r *trialOfThree) slot(name string, stop <-chan struct{}) {
	for {
		child := exec.Command(os.Args[0], "live-child", "monitor", r.url, r.broker.URL(), r.database.URL, name) // #nosec G204 -- this program itself
		var said bytes.Buffer
		child.Stderr = &said
		in, err := child.StdinPipe()
		if err != nil || child.Start() != nil {
			r.Errorf("%s: %v", name, err)
			return
		}
		killed := func() bool { return false }
		if r.doomed.Add(1) <= r.deaths {
			killed = r.world.doom(child.Process)
		}
		ended := make(chan error, 1)
		go func() { ended <- child.Wait() }()
		select {
		case err = <-ended:
		case <-stop:
			_ = in.Close()
			err = <-ended
		}
		_ = in.Close()
		switch {
		case killed():
			r.died.Add(1)
			continue
		case err != nil:
			r.Errorf("%s: %v\n%s", name, err, last(said.Bytes()))
			return
		}
		select {
		case <-stop:
			return
		default:
			r.Errorf("%s ended by itself\n%s", name, last(said.Bytes()))
			return
		}
	}
}

// last is the end of a process's output.
func last(said []byte) []byte { return said[max(0, len(said)-2000):] }

// direct restarts the servers after certain numbers of kills, and waits until nothing more can
// happen.
func (r *trialOfThree) direct(began time.Time) {
	end := began.Add(liveLimit)
	brokers, databases := 0, 0
	for ; ; time.Sleep(50 * time.Millisecond) {
		died := r.died.Load()
		switch {
		case brokers < r.brokers && died >= r.deaths*int64(brokers+1)/int64(r.brokers+1):
			brokers++
			r.must(r.broker.Restart())
		case databases < r.databases && died >= r.deaths*int64(2*databases+1)/int64(2*r.databases):
			databases++
			r.database.Restart(r)
		case died >= r.deaths && r.quiet():
			return
		case time.Now().After(end):
			r.Errorf("not done within %s: %s", liveLimit, r.state())
			return
		}
		if r.Failed() {
			return
		}
	}
}

// quiet reports whether all runs have ended, and all of them are reported, done and announced.
func (r *trialOfThree) quiet() bool {
	w := r.world
	w.mu.Lock()
	over := w.waiting == 0 && len(w.messages) == 0 && len(w.notices) == len(r.keys)
	w.mu.Unlock()
	if !over {
		return false
	}
	stored, open := 0, 0
	ready, unacked, err := r.broker.Depth("queue/" + liveUser + "/shared")
	if err != nil || ready+unacked > 0 {
		return false
	}
	err = r.db.QueryRowContext(r.Context(), `SELECT (SELECT COUNT(*) FROM mozci_pulse_message),
		(SELECT COUNT(*) FROM mozci_monitor WHERE announced = 0)`).Scan(&stored, &open)
	return err == nil && stored == 0 && open == 0
}

// state describes the trial, for when it does not end.
func (r *trialOfThree) state() string {
	w := r.world
	w.mu.Lock()
	defer w.mu.Unlock()
	es, err := monitor.NewSQL(r.db, monitor.PostgreSQL).Expectations(context.Background())
	open := ""
	for _, e := range es {
		if e.Open() {
			open += fmt.Sprintf("\n%s %s %+v", e.Key, e.Progress.State, e.Progress)
		}
	}
	return fmt.Sprintf("%d killed, %d runs wait, %d messages wait, %d of %d announced, %v%s", r.died.Load(), w.waiting,
		len(w.messages), len(w.notices), len(r.keys), err, open[:min(len(open), 3000)])
}

// report prints and checks the results.
func (r *trialOfThree) report(expected int, took time.Duration) {
	w := r.world
	w.mu.Lock()
	defer w.mu.Unlock()
	var ids []string
	truth := 0 // number of runs whose last message arrived
	for _, runs := range w.runs {
		for _, run := range runs {
			ids = append(ids, run.ID)
			if w.told[run.ID] == run.Status {
				truth++
			}
		}
	}
	states, err := pulse.NewSQL(r.db, pulse.PostgreSQL).Statuses(context.Background(), liveCI, ids)
	r.must(err)
	wrong := 0
	for _, id := range ids {
		if states[id] != w.told[id] {
			wrong++
			fmt.Printf("%s is %s in the store, and %s was told\n", id, states[id], w.told[id])
		}
	}
	needed, made, exact, notices, once, right := 0, 0, 0, 0, 0, 0
	for key, p := range r.keys {
		f := w.places[p]
		needed, made = needed+f.needed, made+w.made[p]
		if w.made[p] == f.needed {
			exact++
		}
		n := w.notices[key]
		notices += len(n)
		if len(n) == 1 {
			once++
		}
		if len(n) > 0 && allAre(n, string(f.outcome)) {
			right++
		}
	}
	fmt.Printf("messages %d, with %d doubled and %d lost; %d processes killed, %d broker and %d database restarts; "+
		"%.0f s\n", w.sent, w.doubled, w.unlit, r.died.Load(), r.brokers, r.databases, took.Seconds())
	fmt.Printf("runs %d: %d in the state that was told last, %d wrong (of %d the last message was lost, so that the "+
		"store is behind)\n", len(ids), len(ids)-wrong, wrong, len(ids)-truth)
	fmt.Printf("expectations %d: %d with the right outcome; notices %d, %d expectations announced once\n", expected,
		right, notices, once)
	fmt.Printf("runs needed %d, made by requests %d (%d of %d expectations exactly); %d requests for them, %d looks, "+
		"%d answered 500; keys reach this CI, and it makes the runs of a key once\n", needed, made, exact, expected,
		w.triggers, w.looks, w.refused)
	again := notices - once
	if wrong > 0 || right != expected || exact != expected || again > int(r.died.Load())+r.databases*10 {
		r.Errorf("%d wrong states, %d right outcomes, %d exact of %d", wrong, right, exact, expected)
	}
	r.must(r.broker.DeleteQueue("queue/" + liveUser + "/shared"))
}

func allAre(list []string, want string) bool {
	for _, s := range list {
		if s != want {
			return false
		}
	}
	return true
}

package server_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/ledger"
	"github.com/mozci/mozci/trigger/monitor"
)

// hunted is a world in which a search has some rounds to do.
const hunted = `truth t culprit=9 before=0 after=1
push t
1 a001 pass
2 a002 -
3 a003 -
4 a004 -
5 a005 -
6 a006 -
7 a007 -
8 a008 -
9 a009 -
10 a00a -
11 a00b -
12 a00c fail
`

var hazel = server.Caller{Name: "hazel", Via: server.ViaToken, Scopes: []string{"*"}}

// shared is what outlives a process.
type shared struct {
	store  server.Store
	ledger ledger.Ledger
	watch  monitor.Store
}

// newShared is empty. What is watched has the clock of the world, which moves when it is
// waited on.
func newShared(p *worldPlaces) *shared {
	return &shared{server.NewMemory(nil), ledger.NewMemory(), monitor.NewMemory(p.base.Now)}
}

// instance is a Server over what is shared.
func (sh *shared) instance(t *testing.T, p server.Places, change func(*server.Options)) *server.Server {
	t.Helper()
	o := &server.Options{Ledger: sh.ledger, Monitor: sh.watch}
	if change != nil {
		change(o)
	}
	s, err := server.New(p, sh.store, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// running runs a server until stop, which waits for its end.
func running(ctx context.Context, s *server.Server) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	return func() { cancel(); <-done }
}

// end is how a backfill ended.
func end(t *testing.T, s *server.Server, id string) (last server.Backfill) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Hour)
	defer stop()
	for b, err := range s.Follow(ctx, id, 0) {
		if err == nil {
			last = b
		}
	}
	if last.State.Open() || last.ID == "" {
		t.Fatalf("%s did not end: %q %v", id, last.State, last.Log)
	}
	return last
}

// twice are those that are there more than once.
func twice(names []string) (out []string) {
	seen := map[string]int{}
	for _, n := range names {
		if seen[n]++; seen[n] == 2 {
			out = append(out, n)
		}
	}
	return out
}

// start takes what must be accepted.
func start(t *testing.T, s *server.Server, in server.Input) server.Backfill {
	t.Helper()
	b, err := s.Start(t.Context(), hazel, in)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const seeds = 12

// A process dies at any point of its work, again and again: the next one goes on, and each
// run is asked for once.
func TestKill(t *testing.T) {
	for _, c := range []struct {
		name, world string
		in          server.Input
		culprit     int64
		runs        int // 0: any number, each push once at a time
	}{
		{"linear", permanent, server.Input{Label: "t", Revision: "a006"}, 5, 3},
		{"linear twice", permanent, server.Input{Label: "t", Revision: "a006", Times: new(2)}, 5, 6},
		{"search", hunted, server.Input{Label: "t", Revision: "a00c", Mode: server.Search, Batch: new(2)}, 9, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(seeds) {
				synctest.Test(t, func(t *testing.T) { killed(t, seed, c.world, c.in, c.culprit, c.runs) })
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

func killed(t *testing.T, seed uint64, world string, in server.Input, culprit int64, runs int) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 20)) //nolint:gosec // a seed, so that a failure comes again
	places := newPlaces(world)
	sh := newShared(places)
	ci := counting(places)
	first := start(t, sh.instance(t, places, nil), in)
	for range 1 + r.IntN(4) {
		ctx, die := context.WithCancel(t.Context())
		l := &life{left: r.IntN(50), end: die}
		mine := &worldPlaces{mortalCI{ci, l}, places.base, places.w}
		dying := &shared{mortalStore{sh.store, l}, mortalLedger{sh.ledger, l}, mortalMonitor{sh.watch, l}}
		s := dying.instance(t, mine, nil)
		stop := running(ctx, s)
		select {
		case <-ctx.Done():
		case <-time.After(time.Hour): // it has done all there is to do
		}
		die()
		stop()
	}
	s := sh.instance(t, places, nil)
	defer running(t.Context(), s)()
	if again := start(t, s, in); again.ID != first.ID {
		t.Errorf("the same again is another one")
	}
	b := end(t, s, first.ID)
	if b.State != server.Done || b.Culprit == nil || b.Culprit.Push.ID != culprit {
		t.Errorf("%s: %s %s, culprit %v, log %v", b.State, b.Answer, b.Why, b.Culprit, b.Log)
	}
	made := ci.made()
	if runs > 0 && len(made) != runs {
		t.Errorf("%d runs were made, expected %d: %v", len(made), runs, made)
	}
	if runs == 0 && len(made) > 14 {
		t.Errorf("%d runs were made for 11 pushes: %v", len(made), made)
	}
}

// Two instances share the work: both do some, and nothing is done twice.
func TestTwoInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const labels = 30
		var world strings.Builder
		world.WriteString("push")
		for i := range labels {
			fmt.Fprintf(&world, " t%d", i)
		}
		for i, cell := range []string{"pass", "-", "-", "-", "fail"} {
			fmt.Fprintf(&world, "\n%d a00%d%s", i+1, i+1, strings.Repeat(" "+cell, labels))
		}
		places := newPlaces(world.String() + "\n")
		sh := newShared(places)
		sh.watch = monitor.NewMemory(nil) // one would move the world's clock past the leases of the other
		all := counting(places)
		var counts []*countingCI
		var servers []*server.Server
		for range 2 {
			mine := &worldPlaces{all, places.base, places.w}
			counts = append(counts, counting(mine))
			servers = append(servers, sh.instance(t, mine, func(o *server.Options) { o.Width = 3 }))
		}
		var ids []string
		for i := range labels {
			ids = append(ids, start(t, servers[i%2], server.Input{Label: fmt.Sprintf("t%d", i), Revision: "a005"}).ID)
		}
		for _, s := range servers {
			defer running(t.Context(), s)()
		}
		for i, id := range ids {
			if b := end(t, servers[i%2], id); b.State != server.Done {
				t.Errorf("%s: %s", id, b.Answer)
			}
		}
		if made := all.made(); len(made) != 3*labels || len(twice(made)) > 0 {
			t.Errorf("%d runs, expected %d; twice: %v", len(made), 3*labels, twice(made))
		}
		for i, c := range counts {
			if len(c.made()) == 0 {
				t.Errorf("instance %d did nothing", i)
			}
		}
	})
}

// A CI that does what it is asked for and answers an error has done it once.
func TestLostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		places := newPlaces(permanent)
		sh := newShared(places)
		ci := counting(places)
		var n atomic.Int64
		ci.after = func(context.Context, job.Request) error {
			if n.Add(1) <= 3 {
				return job.Wrap("trigger", "", job.ErrUnavailable)
			}
			return nil
		}
		s := sh.instance(t, places, nil)
		defer running(t.Context(), s)()
		b := end(t, s, start(t, s, server.Input{Label: "t", Revision: "a006"}).ID)
		if b.State != server.Done || len(ci.made()) != 3 {
			t.Errorf("%s, %d runs, expected 3: %v", b.Answer, len(ci.made()), b.Log)
		}
	})
}

// A CI that refuses, or does not let this service in, is the end, with a word for it.
func TestCIErrors(t *testing.T) {
	for _, c := range []struct {
		err    error
		reason server.Reason
	}{
		{job.ErrDenied, server.Denied},
		{job.ErrRefused, server.CIRefused},
		{job.ErrUnavailable, server.Unavailable},
		{job.ErrMalformed, server.Malformed},
	} {
		synctest.Test(t, func(t *testing.T) {
			places := newPlaces(permanent)
			sh := newShared(places)
			ci := counting(places)
			ci.before = func(context.Context, job.Request) error { return job.Wrap("trigger", "x", c.err) }
			s := sh.instance(t, places, nil)
			defer running(t.Context(), s)()
			b := end(t, s, start(t, s, server.Input{Label: "t", Revision: "a006"}).ID)
			if b.State != server.Failed || b.Reason != c.reason || len(ci.made()) > 0 {
				t.Errorf("%v: %s, %q, expected failed and %q", c.err, b.State, b.Reason, c.reason)
			}
		})
	}
}

// A store that does not answer for a while holds the work up, and is not the end of it.
func TestStoreAway(t *testing.T) {
	for _, away := range []time.Duration{time.Second, 20 * time.Second, 5 * time.Minute} {
		for _, at := range []int64{0, 1, 3} {
			synctest.Test(t, func(t *testing.T) {
				places := newPlaces(permanent)
				sh := newShared(places)
				store := &flakyStore{Store: sh.store}
				sh.store = store
				ci := counting(places)
				var n atomic.Int64
				lose := func() {
					store.down.Store(true)
					time.AfterFunc(away, func() { store.down.Store(false) })
				}
				ci.before = func(context.Context, job.Request) error {
					if n.Add(1) == at {
						lose()
					}
					return nil
				}
				s := sh.instance(t, places, nil)
				id := start(t, s, server.Input{Label: "t", Revision: "a006"}).ID
				if at == 0 {
					lose()
				}
				defer running(t.Context(), s)()
				b := end(t, s, id)
				if b.State != server.Done || len(ci.made()) != 3 {
					t.Errorf("away %s at %d: %s %s, %d runs, expected 3: %v", away, at, b.State, b.Answer,
						len(ci.made()), b.Log)
				}
			})
		}
	}
}

// panicky are places one project of which panics, once it is armed.
type panicky struct {
	*worldPlaces
	armed atomic.Bool
}

func (p *panicky) Open(ctx context.Context, project string) (server.Place, error) {
	if p.armed.Load() && project == "two" {
		panic("two is broken")
	}
	return p.worldPlaces.Open(ctx, project)
}

// A panic is the end of one backfill, and of nothing else.
func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rows = "push t\n1 %[1]s001 pass\n2 %[1]s002 -\n3 %[1]s003 fail\n"
		places := &panicky{worldPlaces: newPlaces("repo one\n" + fmt.Sprintf(rows, "a") + "repo two\n" +
			fmt.Sprintf(rows, "b"))}
		s := newShared(places.worldPlaces).instance(t, places, nil)
		good := start(t, s, server.Input{Project: "one", Label: "t", Revision: "a003"}).ID
		bad := start(t, s, server.Input{Project: "two", Label: "t", Revision: "b003"}).ID
		places.armed.Store(true)
		defer running(t.Context(), s)()
		if b := end(t, s, bad); b.State != server.Failed || b.Reason != server.Internal {
			t.Errorf("%s %s %s", b.State, b.Reason, b.Why)
		}
		if b := end(t, s, good); b.State != server.Done {
			t.Errorf("%s %s", b.State, b.Answer)
		}
		places.armed.Store(false)
		if again := start(t, s, server.Input{Project: "two", Label: "t", Revision: "b003"}); again.ID == bad {
			t.Error("what failed answers again")
		} else if b := end(t, s, again.ID); b.State != server.Done {
			t.Errorf("%s %s", b.State, b.Answer)
		}
	})
}

// crew are callers with tokens of their own.
func crew(t *testing.T, o *server.Options, lines map[string]string) (tokens map[string]string) {
	t.Helper()
	tokens = map[string]string{}
	text := ""
	for name, scopes := range lines {
		tokens[name] = server.NewToken()
		text += strings.TrimSpace(name+" "+server.HashToken(tokens[name])+" "+scopes) + "\n"
	}
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if o.Door.Tokens, err = server.OpenTokens(file); err != nil {
		t.Fatal(err)
	}
	o.Guard.Still = o.Door.Tokens.Still
	return tokens
}

// Cancelling stops the runs, once; only those may who could have asked for them.
func TestCancel(t *testing.T) {
	for _, mode := range []string{"linear", "search"} {
		t.Run(mode, func(t *testing.T) {
			places := newPlaces(permanent)
			ci := counting(places)
			frozen := &frozenCI{ci, make(chan struct{})}
			places.ci = frozen
			var tokens map[string]string
			s := serve(t, places, nil, func(o *server.Options) {
				unlimited(o)
				tokens = crew(t, o, map[string]string{
					"rowan": "mozci:trigger:autoland/t mozci:cancel", "ash": "mozci:trigger:autoland/u", "oak": "",
				})
			})
			s.token = tokens["rowan"]
			short := s.ask("POST", "/v1/backfills", `{"label":"t","revision":"a006"}`, "Authorization",
				"Bearer "+tokens["ash"])
			if short.status != 403 || short.reason() != "missing_scopes" ||
				!strings.Contains(short.message(), "mozci:trigger:autoland/t") {
				t.Errorf("%d %s", short.status, short.body)
			}
			b := s.start(`{"label":"t","revision":"a006","mode":"` + mode + `"}`)
			waitFor(t, func() bool { return len(ci.made()) >= 3 || mode == "search" && len(ci.made()) > 0 })
			path := string(b.Links.Self) + "/cancel"
			if a := s.ask("POST", path, "", "Authorization", "Bearer "+tokens["ash"]); a.status != 403 ||
				!strings.Contains(a.message(), "mozci:trigger:autoland/t") {
				t.Errorf("%d %s", a.status, a.body)
			}
			if a := s.ask("POST", path, "", "Authorization", ""); a.status != 401 {
				t.Errorf("%d %s", a.status, a.body)
			}
			if now := decoded(t, s.ask("GET", string(b.Links.Self), "").body); !now.State.Open() ||
				now.CancelledBy != "" {
				t.Errorf("%s, cancelled by %q", now.State, now.CancelledBy)
			}
			first := s.ask("POST", path, "", "Authorization", "Bearer "+tokens["oak"])
			second := s.ask("POST", path, "")
			if first.status != http.StatusAccepted || second.status != http.StatusAccepted {
				t.Errorf("%d %s, %d %s", first.status, first.body, second.status, second.body)
			}
			e := s.ended(b.ID)
			if e.State != server.Cancelled || e.CancelledBy != "oak" || !strings.Contains(e.Answer, "oak cancelled") {
				t.Errorf("%s by %q: %s", e.State, e.CancelledBy, e.Answer)
			}
			ci.mu.Lock()
			stopped, asked := slices.Clone(ci.cancelled), len(ci.asked)
			ci.mu.Unlock()
			if len(stopped) != asked || len(twice(stopped)) > 0 {
				t.Errorf("%d runs were asked for, and %v were stopped", asked, stopped)
			}
			cancelledLate(s, e)
			if again := s.start(`{"label":"t","revision":"a006","mode":"` + mode + `"}`); again.ID == b.ID {
				t.Error("what was cancelled answers again")
			} else {
				close(frozen.thaw)
				s.ended(again.ID) // it leaves alone what a person has cancelled
			}
		})
	}
}

// cancelledLate cancels what was cancelled, and what nobody knows.
func cancelledLate(s *service, e server.Backfill) {
	s.t.Helper()
	late := decoded(s.t, s.ask("POST", string(e.Links.Self)+"/cancel", "").body)
	if late.Version != e.Version || late.CancelledBy != "oak" {
		s.t.Errorf("version %d became %d", e.Version, late.Version)
	}
	if a := s.ask("POST", "/v1/backfills/nobody/cancel", ""); a.status != 404 {
		s.t.Errorf("%d %s", a.status, a.body)
	}
}

// waitFor waits until something is so.
func waitFor(t *testing.T, is func() bool) {
	t.Helper()
	for until := time.Now().Add(5 * time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("it does not come")
		}
	}
}

// One that has ended stays as it is.
func TestCancelEnded(t *testing.T) {
	s := serve(t, newPlaces(permanent), nil, unlimited)
	for _, body := range []string{`{"label":"t","revision":"a006"}`, `{"label":"t","revision":"a006","dry_run":true}`} {
		b := s.ended(s.start(body).ID)
		a := s.ask("POST", string(b.Links.Self)+"/cancel", "")
		if got := decoded(t, a.body); a.status != http.StatusAccepted || got.State != b.State ||
			got.Version != b.Version {
			t.Errorf("%d, %s became %s", a.status, b.State, got.State)
		}
	}
}

// One that is cancelled before anybody works on it triggers nothing.
func TestCancelFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		places := newPlaces(permanent)
		ci := counting(places)
		s := newShared(places).instance(t, places, nil)
		b := start(t, s, server.Input{Label: "t", Revision: "a006"})
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				if _, err := s.Cancel(t.Context(), hazel, b.ID); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		defer running(t.Context(), s)()
		if e := end(t, s, b.ID); e.State != server.Cancelled || e.Version > 4 || len(ci.made()) > 0 {
			t.Errorf("%s, version %d, %d runs", e.State, e.Version, len(ci.made()))
		}
	})
}

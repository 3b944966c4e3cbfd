package autopilot_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/backfill/autopilot"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/ledger"
)

// gap is a world with two pushes to be tested between good and bad.
const gap = "truth t culprit=3 before=0 after=1; push t; 1 a001 pass; 2 a002 -; 3 a003 -; 4 a004 fail; 5 a005 fail"

// The CI makes the runs and answers 500: they are asked for once, and found.
func TestDoneAndLost(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStage(t, world(gap), config("autoland"))
		s.places.CI = recorder{Scheduler: s.ci, s: s, trigger: func(ctx context.Context,
			req job.Request,
		) (job.Receipt, error) {
			if _, err := s.ci.Trigger(ctx, req); err != nil {
				return job.Receipt{}, err
			}
			return job.Receipt{}, job.Wrap("ci.trigger", req.Label, fmt.Errorf("%w: HTTP 500", job.ErrUnavailable))
		}}
		s.play(30 * time.Hour)
		if d := cmp.Diff([]string{"t on 2", "t on 3"}, s.requests()); d != "" {
			t.Errorf("triggered (-want +got):\n%s", d)
		}
		if d := cmp.Diff([]string{"t: culprit 3"}, s.told()); d != "" {
			t.Errorf("told (-want +got):\n%s", d)
		}
		if n := s.runsOf("t", 2, 3); n != 2 {
			t.Errorf("the CI made %d runs, want 2", n)
		}
	})
}

// runsOf is how many runs of a label there are on pushes.
func (s *stage) runsOf(label string, ids ...int64) (n int) {
	for _, id := range ids {
		jobs, err := s.ci.Jobs(context.Background(), s.push(id), label)
		if err != nil {
			s.t.Fatal(err)
		}
		n += len(jobs)
	}
	return n
}

func (s *stage) push(id int64) job.Push {
	repo, err := s.ci.Repository("autoland")
	if err != nil {
		s.t.Fatal(err)
	}
	all, err := repo.Pushes(context.Background(), job.IDs(id, id))
	if err != nil || len(all) != 1 {
		s.t.Fatal(err, all)
	}
	return all[0]
}

// Two instances see the same failure at the same moment: one case, one report, each run once.
func TestTwoInstances(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStage(t,
			world("push t u; 1 a001 pass pass; 2 a002 - -; 3 a003 - -; 4 a004 fail fail; "+
				"5 a005 fail fail"), config("autoland"))
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { s.run(ctx) })
		all.Go(func() {
			time.Sleep(30 * time.Hour)
			stop()
		})
		s.play(30 * time.Hour)
		all.Wait()
		if got := s.told(); len(got) != 1 {
			t.Errorf("told %v, want one report", got)
		}
		asked := s.requests()
		slices.Sort(asked)
		if len(slices.Compact(slices.Clone(asked))) != len(asked) || len(asked) > 3 {
			t.Errorf("triggered %v, want each once", asked)
		}
	})
}

// The daily budget has one slot, and there are two cases: one acts, the other is told.
func TestOneSlot(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		cfg := config("autoland")
		cfg.Budgets.RunsDay = 1
		s := newStage(t, world("push t u; 1 a001 pass pass; 2 a002 - -; 3 a003 fail:sig=a fail:sig=b"), cfg)
		s.play(30 * time.Hour)
		if got := s.requests(); len(got) != 1 {
			t.Errorf("triggered %v, want 1 run", got)
		}
		told := s.told()
		slices.Sort(told)
		if len(told) != 2 || !strings.HasSuffix(told[0], "culprit 3") && !strings.HasSuffix(told[1], "culprit 3") ||
			!strings.Contains(strings.Join(told, " "), "over_budget") {
			t.Errorf("told %v, want a culprit and a budget that is spent", told)
		}
	})
}

// A start that failed for certain gives the slot back: the next case has it.
func TestSlotIsGivenBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		cfg := config("autoland")
		cfg.Budgets.RunsDay = 1
		s := newStage(t, world(gap), cfg)
		refused := 0
		s.places.CI = recorder{Scheduler: s.ci, s: s, trigger: func(ctx context.Context,
			req job.Request,
		) (job.Receipt, error) {
			if req.Push.ID == 2 {
				refused++
				return job.Receipt{}, job.Wrap("ci.trigger", req.Label, fmt.Errorf("%w: not here", job.ErrRefused))
			}
			return s.ci.Trigger(ctx, req)
		}}
		s.play(30 * time.Hour)
		if d := cmp.Diff([]string{"t on 2", "t on 3"}, s.requests()); d != "" || refused != 1 {
			t.Errorf("triggered, %d refused (-want +got):\n%s", refused, d)
		}
		if d := cmp.Diff([]string{"t: culprit 2? 3?"}, sorted(s.told())); d != "" {
			t.Errorf("told (-want +got):\n%s", d)
		}
	})
}

// sorted has the credible pushes of each line in order.
func sorted(lines []string) (out []string) {
	for _, l := range lines {
		head, tail, _ := strings.Cut(l, "culprit ")
		parts := strings.Fields(tail)
		slices.Sort(parts)
		out = append(out, head+"culprit "+strings.Join(parts, " "))
	}
	return out
}

// kill -9 at any point: another process goes on with what is stored, nothing is triggered twice, and the report comes.
func TestKilled(t *testing.T) {
	killed := 0
	defer func() {
		if killed < 8 {
			t.Errorf("%d processes were killed, want 8 or more", killed)
		}
	}()
	for after := range 14 {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newStage(t, world(gap), config("autoland"))
				dead := &mortal{Store: s.store, left: after + 1}
				ctx, kill := context.WithCancel(t.Context())
				dead.kill = kill
				places := s.places
				places.CI = mortalCI{recorder{Scheduler: s.ci, s: s}, dead}
				places.Ledger = mortalLedger{s.places.Ledger, dead}
				r, err := autopilot.New(places, dead, s.cfg, nil)
				if err != nil {
					t.Fatal(err)
				}
				var all sync.WaitGroup
				all.Go(func() { _ = r.Run(ctx) })
				all.Go(func() {
					<-ctx.Done()
					time.Sleep(time.Minute)
					second, stop := context.WithTimeout(t.Context(), 40*time.Hour)
					defer stop()
					s.run(second)
				})
				playing, stop := context.WithCancel(t.Context())
				all.Go(func() { _ = s.ci.Play(playing, func(d time.Duration) time.Duration { return d }) })
				time.Sleep(30 * time.Hour)
				kill()
				time.Sleep(45 * time.Hour)
				stop()
				all.Wait()
				if n := s.runsOf("t", 2, 3); n != 2 {
					t.Errorf("the CI made %d runs, want 2: %v", n, s.requests())
				}
				if d := cmp.Diff([]string{"t: culprit 3"}, s.told()); d != "" && dead.left <= 0 {
					t.Errorf("told (-want +got):\n%s", d)
				}
				killed += min(1, max(0, 1-dead.left))
			})
		})
	}
}

// mortal is a store whose process is killed after some writes: what it is asked after that is not done.
type mortal struct {
	autopilot.Store
	mu   sync.Mutex
	left int
	kill func()
}

var errKilled = errors.New("killed")

// write reports whether the process still lives, and kills it after the last write.
func (m *mortal) write() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left--
	if m.left == 0 {
		m.kill()
	}
	return m.left >= 0
}

func (m *mortal) Save(ctx context.Context, c autopilot.Claimed, again time.Duration) error {
	if !m.write() {
		return errKilled
	}
	return m.Store.Save(ctx, c, again)
}

func (m *mortal) Open(ctx context.Context, c autopilot.Case, spans []autopilot.Span, most int) (autopilot.Case, bool,
	error,
) {
	if !m.write() {
		return c, false, errKilled
	}
	return m.Store.Open(ctx, c, spans, most)
}

func (m *mortal) Spend(ctx context.Context, s autopilot.Spend, limits []autopilot.Limit) (string, error) {
	if !m.write() {
		return "", errKilled
	}
	return m.Store.Spend(ctx, s, limits)
}

func (m *mortal) GiveBack(ctx context.Context, key string) error {
	if !m.write() {
		return errKilled
	}
	return m.Store.GiveBack(ctx, key)
}

type mortalLedger struct {
	ledger.Ledger
	m *mortal
}

func (l mortalLedger) Intend(ctx context.Context, e ledger.Entry, instead *ledger.Entry) (ledger.Entry, bool, error) {
	if !l.m.write() {
		return e, false, errKilled
	}
	return l.Ledger.Intend(ctx, e, instead)
}

func (l mortalLedger) Settle(ctx context.Context, e ledger.Entry) error {
	if !l.m.write() {
		return errKilled
	}
	return l.Ledger.Settle(ctx, e)
}

type mortalCI struct {
	recorder
	m *mortal
}

func (c mortalCI) Trigger(ctx context.Context, req job.Request) (job.Receipt, error) {
	if !c.m.write() {
		return job.Receipt{}, errKilled
	}
	return c.recorder.Trigger(ctx, req)
}

// The switch is thrown between two requests: the next one is not made. It goes on once it is let.
func TestSwitch(t *testing.T) {
	for _, how := range []string{"page", "file", "unreadable"} {
		t.Run(how, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				cfg := config("autoland")
				dir := t.TempDir()
				cfg.OffFile = filepath.Join(dir, "off")
				s := newStage(t, world(gap), cfg)
				broken := &blindStore{Store: s.store}
				s.store = broken
				s.places.CI = recorder{Scheduler: s.ci, s: s, trigger: func(ctx context.Context,
					req job.Request,
				) (job.Receipt, error) {
					switch how {
					case "page":
						if err := s.robot.Stop(ctx, autopilot.Off, "me", "enough"); err != nil {
							t.Error(err)
						}
					case "file":
						if err := os.WriteFile(cfg.OffFile, nil, 0o600); err != nil {
							t.Error(err)
						}
					case "unreadable":
						broken.set(true)
					}
					return s.ci.Trigger(ctx, req)
				}}
				var before, after []string
				go func() {
					time.Sleep(8 * time.Hour)
					before = s.requests()
					switch how {
					case "page":
						if err := s.robot.Resume(context.Background(), "me"); err != nil {
							t.Error(err)
						}
					case "file":
						_ = os.Remove(cfg.OffFile)
					case "unreadable":
						broken.set(false)
					}
					time.Sleep(8 * time.Hour)
					after = s.requests()
				}()
				s.play(20 * time.Hour)
				if d := cmp.Diff([]string{"t on 2"}, before); d != "" {
					t.Errorf("triggered although it was stopped (-want +got):\n%s", d)
				}
				if d := cmp.Diff([]string{"t on 2", "t on 3"}, after); d != "" {
					t.Errorf("triggered once it went on (-want +got):\n%s", d)
				}
			})
		})
	}
}

// blindStore is a store whose switch cannot be read.
type blindStore struct {
	autopilot.Store
	mu    sync.Mutex
	blind bool
}

func (b *blindStore) set(blind bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.blind = blind
}

func (b *blindStore) Switch(ctx context.Context) (autopilot.Switch, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.blind {
		return autopilot.Switch{}, errors.New("unreadable")
	}
	return b.Store.Switch(ctx)
}

// The store is down for a minute while failures are told of: none is lost.
func TestStoreDown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		cfg := config("autoland")
		s := newStage(t,
			world("push t u v; 1 a001 pass pass pass; 2 a002 - - -; 3 a003 fail:sig=a fail:sig=b fail:sig=c"), cfg)
		down := &downStore{Store: s.store, now: s.ci.Now}
		start := s.ci.Now()
		down.from, down.to = start.Add(54*time.Minute+30*time.Second), start.Add(55*time.Minute+30*time.Second)
		s.store, s.opts.Sweep = down, 1000*time.Hour // no second chance
		s.play(30 * time.Hour)
		if down.refused == 0 {
			t.Fatal("the store was not asked while it was down")
		}
		if got := s.rules(); len(got) != 3 {
			t.Errorf("decided %v, want all three failures", got)
		}
	})
}

// downStore answers nothing for some time.
type downStore struct {
	autopilot.Store
	now      func() time.Time
	from, to time.Time
	mu       sync.Mutex
	refused  int
}

func (d *downStore) err() error {
	if now := d.now(); now.After(d.from) && now.Before(d.to) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.refused++
		return job.Wrap("store", "", job.ErrUnavailable)
	}
	return nil
}

func (d *downStore) Hear(ctx context.Context, f autopilot.Failure, after time.Duration) (bool, error) {
	if err := d.err(); err != nil {
		return false, err
	}
	return d.Store.Hear(ctx, f, after)
}

func (d *downStore) Claim(ctx context.Context, h string, lease time.Duration, n int) ([]autopilot.Claimed, error) {
	if err := d.err(); err != nil {
		return nil, err
	}
	return d.Store.Claim(ctx, h, lease, n)
}

func (d *downStore) Save(ctx context.Context, c autopilot.Claimed, again time.Duration) error {
	if err := d.err(); err != nil {
		return err
	}
	return d.Store.Save(ctx, c, again)
}

// deaf is a CI that tells of nothing, or that says that events were missed, as when a queue was deleted.
type deaf struct {
	job.Scheduler
	events func(yield func(job.Event, error) bool)
}

func (d deaf) Unwrap() job.Scheduler { return d.Scheduler }

var _ job.Watcher = deaf{}

func (d deaf) Watch(ctx context.Context) iter.Seq2[job.Event, error] {
	return func(yield func(job.Event, error) bool) {
		if d.events != nil {
			d.events(yield)
		}
		<-ctx.Done()
		yield(job.Event{}, ctx.Err())
	}
}

// Events that never come are found by looking: the gap of a queue that was deleted, and of one that is silent.
func TestSilence(t *testing.T) {
	for _, c := range []struct {
		name  string
		sweep time.Duration
		after time.Duration // a word that events were missed; 0 for none
	}{
		{"silent", 0, 0}, {"missed", 1000 * time.Hour, 2 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newStage(t, world(gap), config("autoland"))
				s.opts.Sweep = c.sweep
				s.places.CI = deaf{s.places.CI, func(yield func(job.Event, error) bool) {
					if c.after > 0 {
						time.Sleep(c.after)
						yield(job.Event{Missed: true, Note: "the queue was deleted"}, nil)
					}
				}}
				s.play(40 * time.Hour)
				if d := cmp.Diff([]string{"t: culprit 3"}, s.told()); d != "" {
					t.Errorf("told (-want +got):\n%s", d)
				}
			})
		})
	}
}

// 20,000 failures in a minute, of labels that nobody named and of some that were: none of the named ones is lost.
func TestBurst(t *testing.T) {
	const n = 20_000
	store := autopilot.NewMemory(nil)
	inBubble(t, func(t *testing.T) {
		cfg := config("autoland")
		cfg.Labels = []string{"named-*"}
		s := newStage(t, world("push t; 1 a001 pass; 2 a002 pass"), cfg)
		s.store, s.opts.Sweep = store, 1000*time.Hour
		push := s.ci
		told := make(chan struct{})
		s.places.CI = deaf{s.places.CI, func(yield func(job.Event, error) bool) {
			time.Sleep(time.Hour)
			repo, _ := push.Repository("autoland")
			p, err := repo.Push(context.Background(), "tip")
			if err != nil {
				t.Error(err)
			}
			for i := range n {
				label := fmt.Sprintf("other-%d", i)
				if i%200 == 0 {
					label = fmt.Sprintf("named-%d", i)
				}
				yield(job.Event{Job: job.New(job.Fields{
					ID: fmt.Sprint(i), Name: label, Push: p, Kind: job.KindTest, Status: job.StatusTestFailed,
				})}, nil)
			}
			close(told)
		}}
		s.play(90 * time.Minute)
		select {
		case <-told:
		default:
			t.Error("not all events were taken")
		}
	})
	all, err := store.Failures(t.Context(), autopilot.FailureQuery{Repo: "autoland"})
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, f := range all {
		if strings.HasPrefix(f.Label, "named-") {
			named++
		}
	}
	if named != n/200 || len(all) != n/200+1 {
		t.Errorf("%d failures stored, %d of named labels, want %d and one line for all others", len(all), named, n/200)
	}
}

// A source of classifications that answers 5xx: the robot waits, then says that it could not see.
func TestCouldNotSee(t *testing.T) {
	for _, mends := range []bool{false, true} {
		inBubble(t, func(t *testing.T) {
			s := newStage(t, world(gap), config("autoland"))
			until := s.ci.Now().Add(1000 * time.Hour)
			if mends {
				until = s.ci.Now().Add(95 * time.Minute)
			}
			s.places.CI = unsure{s.places.CI, func() bool { return s.ci.Now().Before(until) }}
			s.play(30 * time.Hour)
			want, asked := []string{"t: could_not_see"}, []string(nil)
			if mends {
				want, asked = []string{"t: culprit 3"}, []string{"t on 2", "t on 3"}
			}
			if d := cmp.Diff(want, s.told()); d != "" {
				t.Errorf("told (-want +got):\n%s", d)
			}
			if d := cmp.Diff(asked, s.requests()); d != "" {
				t.Errorf("triggered (-want +got):\n%s", d)
			}
		})
	}
}

// unsure is a CI whose classifications cannot be read at times.
type unsure struct {
	job.Scheduler
	down func() bool
}

func (u unsure) Unwrap() job.Scheduler { return u.Scheduler }

func (u unsure) Classification(ctx context.Context, j job.Job) (job.Classification, error) {
	if u.down() {
		return job.Classification{}, job.Wrap("classification", j.ID(), fmt.Errorf("%w: HTTP 503", job.ErrUnavailable))
	}
	return job.Classified(ctx, u.Scheduler, j)
}

// A person cancels a run of the robot's, classifies, or opts the push out, while the search is under way: it
// stops and says so.
func TestPeopleAct(t *testing.T) {
	for how, want := range map[string]string{
		"cancel": "t: cancelled", "classify": "t: classified",
		"opt out": "t: cancelled",
	} {
		t.Run(how, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newStage(t, world(gap), config("autoland"))
				said := false
				s.places.CI = judged{recorder{Scheduler: s.ci, s: s, trigger: func(ctx context.Context,
					req job.Request,
				) (job.Receipt, error) {
					receipt, err := s.ci.Trigger(ctx, req)
					switch how {
					case "cancel":
						if err := s.ci.Cancel(ctx, receipt.IDs[0]); err != nil {
							t.Error(err)
						}
					case "classify":
						said = true
					case "opt out":
						if err := s.robot.OptOut(ctx, "autoland", s.push(4).Revision, "me", true); err != nil {
							t.Error(err)
						}
					}
					return receipt, err
				}}, &said}
				s.play(30 * time.Hour)
				if got := s.requests(); len(got) != 1 {
					t.Errorf("triggered %v, want no more after a person acted", got)
				}
				if d := cmp.Diff([]string{want}, s.told()); d != "" {
					t.Errorf("told (-want +got):\n%s", d)
				}
			})
		})
	}
}

// A person cancels the robot's run after it was made and before anybody looked: the case ends.
func TestCancelledLater(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStage(t, world(gap), config("autoland"))
		s.places.CI = recorder{Scheduler: s.ci, s: s, trigger: func(ctx context.Context,
			req job.Request,
		) (job.Receipt, error) {
			receipt, err := s.ci.Trigger(ctx, req)
			go func() {
				time.Sleep(3 * time.Minute)
				_ = s.ci.Cancel(context.Background(), receipt.IDs[0])
			}()
			return receipt, err
		}}
		s.play(30 * time.Hour)
		if d := cmp.Diff([]string{"t: cancelled"}, s.told()); d != "" || len(s.requests()) != 2 {
			t.Errorf("triggered %v, told (-want +got):\n%s", s.requests(), d)
		}
	})
}

// The classifications cannot be read any more once a case is open: nothing more is triggered, and that is said.
func TestBlindLater(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStage(t, world(gap), config("autoland"))
		down := false
		s.places.CI = unsure{recorder{Scheduler: s.ci, s: s, trigger: func(ctx context.Context,
			req job.Request,
		) (job.Receipt, error) {
			down = true
			return s.ci.Trigger(ctx, req)
		}}, func() bool { return down }}
		s.play(30 * time.Hour)
		if d := cmp.Diff([]string{"t: could_not_see"}, s.told()); d != "" {
			t.Errorf("told (-want +got):\n%s", d)
		}
		if d := cmp.Diff([]string{"t on 2"}, s.requests()); d != "" {
			t.Errorf("triggered (-want +got):\n%s", d)
		}
	})
}

// A case may trigger so many runs; then it ends undecided.
func TestMaxRuns(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		cfg := config("autoland")
		cfg.MaxRuns = 1
		s := newStage(t, world(gap), cfg)
		s.play(30 * time.Hour)
		if d := cmp.Diff([]string{"t: undecided"}, s.told()); d != "" || len(s.requests()) != 1 {
			t.Errorf("triggered %v, told (-want +got):\n%s", s.requests(), d)
		}
	})
}

// Another break's backout is among the suspects: the search goes on once the failure is seen to be there still.
func TestOthersBackout(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStage(t,
			world("every 20m; truth t culprit=3 before=0 after=1; push t; 1 a001 pass; 2 a002 -; 3 a003 -; "+
				"4 a004 fail; 5 a005 - undoes=2; 6 a006 -; 7 a007 fail; 8 a008 fail"), config("autoland"))
		s.play(30 * time.Hour)
		if d := cmp.Diff([]string{"t: culprit 3"}, s.told()); d != "" {
			t.Errorf("told (-want +got):\n%s", d)
		}
	})
}

// judged is a CI in which a person says of every run that it is intermittent, once said.
type judged struct {
	job.Scheduler
	said *bool
}

func (u judged) Unwrap() job.Scheduler { return u.Scheduler }

func (u judged) Classification(context.Context, job.Job) (job.Classification, error) {
	if *u.said {
		return job.Classification{Kind: job.ClassifiedIntermittent}, nil
	}
	return job.Classification{}, nil
}

// More than ten new failures on one push are one case with one message.
func TestManyFailures(t *testing.T) {
	var labels, good, none, bad []string
	for i := range 11 {
		labels, good, none = append(labels, fmt.Sprintf("t%02d", i)), append(good, "pass"), append(none, "-")
		bad = append(bad, fmt.Sprintf("fail:sig=s%02d", i))
	}
	text := fmt.Sprintf("push %s; 1 a001 %s; 2 a002 %s; 3 a003 %s", strings.Join(labels, " "), strings.Join(good, " "),
		strings.Join(none, " "), strings.Join(bad, " "))
	inBubble(t, func(t *testing.T) {
		s := newStage(t, world(text), config("autoland"))
		s.play(30 * time.Hour)
		if len(s.reports) != 1 || len(s.requests()) != 1 || len(s.reports[0].Labels) != 11 {
			t.Errorf("told %v, triggered %v, want one report of 11 labels and one run", s.told(), s.requests())
		}
	})
	text = strings.ReplaceAll(text, " t10", "")
	text = strings.Replace(text, " fail:sig=s10", "", 1)
	text = strings.Replace(text, " pass;", ";", 1)
	text = strings.Replace(text, " -;", ";", 1)
	inBubble(t, func(t *testing.T) {
		s := newStage(t, world(text), config("autoland"))
		s.play(60 * time.Hour)
		if len(s.reports) != 10 {
			t.Errorf("told %v, want a report for each of ten", s.told())
		}
	})
}

// After five undecided cases in a row the robot falls back to a dry run and says so; a person lets it act
// again.
func TestFallsBack(t *testing.T) {
	var labels, good, none, bad []string
	for i := range 7 {
		labels, good, none = append(labels, fmt.Sprintf("t%d", i)), append(good, "pass"), append(none, "-")
		bad = append(bad, fmt.Sprintf("fail:sig=s%d", i))
	}
	text := fmt.Sprintf("push %s; 1 a001 %s; 2 a002 %s; 3 a003 %s; 4 a004 %s", strings.Join(labels, " "),
		strings.Join(good, " "), strings.Join(none, " "), strings.Join(bad, " "), strings.Join(good, " "))
	inBubble(t, func(t *testing.T) {
		cfg := config("autoland")
		cfg.Cases = 20
		s := newStage(t, world(text), cfg)
		var d autopilot.Day
		s.opts.OnReport = func(_ context.Context, c autopilot.Case) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.reports = append(s.reports, c)
			return nil
		}
		s.play(40 * time.Hour)
		d, err := s.robot.Day(t.Context(), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		// Two cases may end at once: the one that comes second finds six.
		fifth := strings.Contains(d.Why, "5 cases in a row") || strings.Contains(d.Why, "6 cases in a row")
		if d.Mode != autopilot.DryRun || d.Switch.By != "autopilot" || !fifth || d.Window.Size != 1 {
			t.Errorf("mode %s, %q, switch %+v, window %+v, want a dry run after 5 undecided cases", d.Mode, d.Why,
				d.Switch, d.Window)
		}
		says := 0
		for _, c := range s.reports {
			if strings.Contains(c.Report.Why, "fell back to a dry run") {
				says++
			}
		}
		if says != 1 {
			t.Errorf("%d reports say that it fell back, want 1", says)
		}
		if err := s.robot.Resume(t.Context(), "me"); err != nil {
			t.Fatal(err)
		}
		if m, why := s.robot.Mode(t.Context()); m != autopilot.Act {
			t.Errorf("mode %s (%s) after it was let act again", m, why)
		}
	})
}

// The webhook gets the report's JSON, with the case's key; one that fails is tried again, and no error shows
// its address.
func TestWebhook(t *testing.T) {
	var mu sync.Mutex
	var bodies, keys []string
	failing := true
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if failing {
			failing = false
			http.Error(w, "no", http.StatusBadGateway)
			return
		}
		var b strings.Builder
		_, _ = fmt.Fprint(&b, r.Method, " ", r.Header.Get("Content-Type"), " ")
		_, _ = io.Copy(&b, r.Body)
		bodies, keys = append(bodies, b.String()), append(keys, r.Header.Get("Idempotency-Key"))
	}))
	defer hook.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	cfg := config("autoland")
	cfg.Webhook = hook.URL + "/secret"
	s := newStage(t, world("push t; 1 a001 pass"), cfg)
	done := make(chan struct{}, 10)
	s.store = autopilot.NewMemory(nil)
	c := autopilot.Case{
		Key: "c-1", Repo: "autoland", Label: "t", Labels: []string{"t"}, Signatures: []string{"s"},
		State: autopilot.Ended,
		Report: &autopilot.Report{
			Repo: "autoland", Label: "t", Signature: "s", Outcome: autopilot.Undecided,
			Credible: []autopilot.Chance{}, Why: "w",
		},
	}
	if _, _, err := s.store.Open(ctx, c, nil, 1); err != nil {
		t.Fatal(err)
	}
	s.places.CI = bare{s.ci}
	go func() {
		s.run(ctx)
		done <- struct{}{}
	}()
	deadline := time.Now().Add(5 * time.Minute)
	for {
		mu.Lock()
		n := len(bodies)
		mu.Unlock()
		if n > 0 || time.Now().After(deadline) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	<-done
	want := `POST application/json {"repo":"autoland","label":"t","signature":"s","outcome":"undecided",` +
		`"first_bad":null,` +
		`"culprit":null,"credible":[],"runs":0,"red_runs":0,"why":"w"}`
	if len(bodies) != 1 || bodies[0] != want || keys[0] != "c-1" {
		t.Errorf("the webhook got %q with %q, want %q once", bodies, keys, want)
	}
}

// bare is a CI without a clock of its own.
type bare struct{ job.Scheduler }

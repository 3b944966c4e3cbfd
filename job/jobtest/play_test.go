package jobtest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// asItIs is the pace of a bubble: the world's time is its time.
func asItIs(d time.Duration) time.Duration { return d }

func atOnce(time.Duration) time.Duration { return 0 }

func playing(text string) *jobtest.CI {
	return jobtest.NewCI(jobtest.MustParse(text), &jobtest.CIOptions{Play: true})
}

// line is an event as the tests below read it: when, of what, how.
func line(began time.Time, e job.Event) string {
	if e.Push != nil {
		return fmt.Sprint(e.Time.Sub(began), " ", e.Push.Repo, " ", e.Push.ID)
	}
	return fmt.Sprint(e.Time.Sub(began), " ", e.Job.Name(), " ", e.Job.Push().ID, " ", e.Job.Status())
}

// traced watches in the background; stop ends it and gives what it told. It must be
// called in a bubble.
func traced(t *testing.T, ci *jobtest.CI) (stop func() []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var got []string
	var wg sync.WaitGroup
	began := ci.Now()
	wg.Go(func() {
		for e, err := range ci.Watch(ctx) {
			if err != nil {
				if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				return
			}
			got = append(got, line(began, e))
		}
		t.Error("the events ended")
	})
	synctest.Wait()
	return func() []string { synctest.Wait(); cancel(); wg.Wait(); return got }
}

// played plays a world in the background, until the test is over.
func played(t *testing.T, ci *jobtest.CI, pace func(time.Duration) time.Duration) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := ci.Play(ctx, pace); !errors.Is(err, context.Canceled) {
			t.Errorf("Play ended with %v", err)
		}
	})
	return func() { cancel(); wg.Wait() }
}

// play is all that a world tells when nobody does anything.
func play(t *testing.T, text string) (got []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ci := playing(text)
		trace := traced(t, ci)
		stop := played(t, ci, asItIs)
		time.Sleep(1000 * time.Hour)
		got = trace()
		stop()
	})
	return got
}

// histories are worlds, with ; for a new line, and what happens in them.
var histories = map[string]struct{ world, want string }{
	"a word ends as it says": {
		"takes t 20m; push t u; 1 a1c0 pass fail; 2 b2d1 - exception",
		"0s autoland 1; 0s t 1 pending; 0s u 1 pending; 5m0s t 1 running; 5m0s u 1 running; 10m0s autoland 2; " +
			"10m0s u 2 pending; 15m0s u 2 running; 25m0s t 1 success; 35m0s u 1 test_failed; 45m0s u 2 exception",
	},
	"what never starts": {
		"push t; 1 a1c0 cancelled; 2 b2d1 skipped; 3 c3e2 coalesced",
		"0s autoland 1; 0s t 1 pending; 5m0s t 1 cancelled; 10m0s autoland 2; 10m0s t 2 pending; 15m0s t 2 skipped; " +
			"20m0s autoland 3; 20m0s t 3 pending; 25m0s t 3 coalesced",
	},
	"pending and unknown end by the truth": {
		"truth t culprit=2 before=0; push t; 1 a1c0 pending; 2 b2d1 unknown",
		"0s autoland 1; 0s t 1 pending; 5m0s t 1 running; 10m0s autoland 2; 10m0s t 2 pending; 15m0s t 2 running; " +
			"35m0s t 1 success; 45m0s t 2 unknown; 50m0s t 2 test_failed",
	},
	"a running one runs still when the history is over": {
		"push t; 1 a1c0 running; 2 b2d1 -; 3 c3e2 -; 4 d4f3 -",
		"0s autoland 1; 0s t 1 pending; 5m0s t 1 running; 10m0s autoland 2; 20m0s autoland 3; 30m0s autoland 4; " +
			"1h10m0s t 1 success",
	},
	"words follow each other": {
		"push t; 1 a1c0 retry,fail*2,pass",
		"0s autoland 1; 0s t 1 pending; 5m0s t 1 running; 35m0s t 1 retry; 35m0s t 1 pending; 35m0s t 1 pending; " +
			"40m0s t 1 running; 40m0s t 1 running; 1h10m0s t 1 test_failed; 1h10m0s t 1 test_failed; " +
			"1h10m0s t 1 pending; 1h15m0s t 1 running; 1h45m0s t 1 success",
	},
	"what was requested comes later": {
		"every 1h; push t; 1 a1c0 fail:by=x,pass:by=y",
		"0s autoland 1; 1h0m0s t 1 pending; 1h5m0s t 1 running; 1h35m0s t 1 test_failed; 1h35m0s t 1 pending; " +
			"1h40m0s t 1 running; 2h10m0s t 1 success",
	},
	"the second of two is requested later than the first ends": {
		"every 1h; push t; 1 a1c0 fail,pass:by=y",
		"0s autoland 1; 0s t 1 pending; 5m0s t 1 running; 35m0s t 1 test_failed; 1h0m0s t 1 pending; " +
			"1h5m0s t 1 running; 1h35m0s t 1 success",
	},
	"tests wait for their build": {
		"needs t b; needs u b; takes b 40m; push b t u; 1 a1c0 pass fail unscheduled",
		"0s autoland 1; 0s b 1 pending; 0s t 1 unscheduled; 0s u 1 unscheduled; 5m0s b 1 running; " +
			"45m0s t 1 pending; 45m0s u 1 pending; 45m0s b 1 success; 50m0s t 1 running; 50m0s u 1 running; " +
			"1h20m0s t 1 test_failed; 1h20m0s u 1 success",
	},
	"a build that breaks leaves what waits for it": {
		"needs t b; push b t; 1 a1c0 busted unscheduled; 2 b2d1 - pass; 3 c3e2 pass:expired unscheduled",
		"0s autoland 1; 0s b 1 pending; 0s t 1 unscheduled; 5m0s b 1 running; 10m0s autoland 2; 10m0s t 2 pending; " +
			"15m0s t 2 running; 20m0s autoland 3; 20m0s b 3 pending; 20m0s t 3 unscheduled; 25m0s b 3 running; " +
			"35m0s b 1 busted; 45m0s t 2 success; 55m0s b 3 success",
	},
	"requested when its build is there": {
		"needs t b; every 2h; push b t; 1 a1c0 pass unscheduled:by=x",
		"0s autoland 1; 0s b 1 pending; 5m0s b 1 running; 35m0s b 1 success; 2h0m0s t 1 pending; " +
			"2h5m0s t 1 running; 2h35m0s t 1 success",
	},
	"a merge comes after what it merges": {
		"repo outer; push t; 1 a1c0 -; 2 b2d1 - merge=inner:6..8; 3 c3e2 -; repo inner; push t; 5 a1c0 -; 6 b2d1 -; " +
			"7 c3e2 -; 8 d4f3 -",
		"0s outer 1; 0s inner 5; 10m0s inner 6; 20m0s inner 7; 30m0s inner 8; 30m0s outer 2; 30m0s outer 3",
	},
	"a push comes before what happens to runs at its time": {
		"takes t 5m; push t; 1 a1c0 pass; 2 b2d1 -",
		"0s autoland 1; 0s t 1 pending; 5m0s t 1 running; 10m0s autoland 2; 10m0s t 1 success",
	},
	"a build whose files go is not waited for": {
		"needs t b; push b t; 1 a1c0 pass:expired pass",
		"0s autoland 1; 0s b 1 pending; 0s t 1 pending; 5m0s b 1 running; 5m0s t 1 running; 35m0s b 1 success; " +
			"35m0s t 1 success",
	},
	"merges that go round in a circle": {
		"repo a; push t; 1 a1c0 - merge=b:2; repo b; push t; 1 a1c0 -; 2 b2d1 - merge=a:1",
		"0s b 1; 10m0s b 2; 10m0s a 1",
	},
	"pushes on which nothing runs": {
		"push t; 1 a1c0 not-scheduled; 2 - stripped", "0s autoland 1; 10m0s autoland 2",
	},
}

func TestAHistoryHappens(t *testing.T) {
	for name, c := range histories {
		t.Run(name, func(t *testing.T) {
			got := play(t, strings.ReplaceAll(c.world, "; ", "\n")+"\n")
			if d := cmp.Diff(strings.Split(c.want, "; "), got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

const threePushes = "push t\n1 a1c0 pass\n2 b2d1 - undoes=1\n3 c3e2 fail\n"

// Before its time a push is nowhere, and its runs neither.
func TestWhatIsToComeIsInvisible(t *testing.T) {
	w := jobtest.MustParse("repo inner\npush t\n5 a1c0 pass\nrepo autoland\n" + threePushes +
		"4 d4f3 - merge=inner:5\n")
	ci := jobtest.NewCI(w, &jobtest.CIOptions{Play: true})
	repo, err := ci.Repository("autoland")
	if err != nil {
		t.Fatal(err)
	}
	pushes := w.Pushes("autoland")
	look := func() string {
		var out []string
		tip, err := repo.Push(t.Context(), "tip")
		out = append(out, fmt.Sprint(tip.ID, errors.Is(err, job.ErrNotFound)))
		all, err := repo.Pushes(t.Context(), job.IDs(1, 9))
		out = append(out, fmt.Sprint(len(all), err))
		second, err := repo.Push(t.Context(), "b2d1")
		out = append(out, fmt.Sprint(second.ID, errors.Is(err, job.ErrNotFound)))
		undone, err := job.Backouts(t.Context(), repo, pushes[0])
		out = append(out, fmt.Sprint(len(undone), err))
		_, err = job.Origins(t.Context(), repo, pushes[3])
		out = append(out, fmt.Sprint(errors.Is(err, job.ErrNotFound)))
		for _, p := range pushes[:2] {
			jobs, err := ci.Jobs(t.Context(), p)
			out = append(out, fmt.Sprint(len(jobs), errors.Is(err, job.ErrNotFound)))
		}
		_, err = ci.Catalog(t.Context(), pushes[1])
		out = append(out, fmt.Sprint(errors.Is(err, job.ErrNotFound)))
		_, err = ci.Trigger(t.Context(), job.Request{Key: "k", Label: "t", Push: pushes[2], Count: 1})
		out = append(out, fmt.Sprint(errors.Is(err, job.ErrNotFound)))
		return strings.Join(out, "; ")
	}
	for _, c := range []struct {
		by   time.Duration
		want string
	}{
		{-1, "0 true; 0 <nil>; 0 true; 0 <nil>; true; 0 true; 0 true; true; true"},
		{0, "1 false; 1 <nil>; 0 true; 0 <nil>; true; 1 false; 0 true; true; true"},
		{10*time.Minute - 1, "1 false; 1 <nil>; 0 true; 0 <nil>; true; 1 false; 0 true; true; true"},
		{1, "2 false; 2 <nil>; 2 false; 1 <nil>; true; 1 false; 0 false; false; true"},
		{10 * time.Minute, "3 false; 3 <nil>; 2 false; 1 <nil>; true; 1 false; 0 false; false; false"},
		{10 * time.Minute, "4 false; 4 <nil>; 2 false; 1 <nil>; false; 1 false; 0 false; false; false"},
	} {
		if c.by >= 0 {
			ci.Advance(c.by)
		}
		if d := cmp.Diff(strings.Split(c.want, "; "), strings.Split(look(), "; ")); d != "" {
			t.Errorf("at %s (-want +got)\n%s", ci.Now(), d)
		}
	}
}

// Every watcher gets every event, also one that is slow, and one that begins later gets
// those from then on.
func TestEveryWatcherGetsEveryEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ci := playing(threePushes)
		first, second := traced(t, ci), traced(t, ci)
		began := ci.Now()
		ctx, cancel := context.WithCancel(t.Context())
		var slow []string
		var wg sync.WaitGroup
		wg.Go(func() {
			for e, err := range ci.Watch(ctx) {
				if err != nil {
					return
				}
				slow = append(slow, line(began, e))
				time.Sleep(time.Hour)
			}
		})
		synctest.Wait()
		stop := played(t, ci, asItIs)
		time.Sleep(15 * time.Minute)
		late := traced(t, ci)
		time.Sleep(100 * time.Hour)
		a, b, c := first(), second(), late()
		cancel()
		wg.Wait()
		stop()
		if len(a) != 9 || cmp.Diff(a, b) != "" || cmp.Diff(a, slow) != "" {
			t.Errorf("three watchers saw\n%q\n%q\n%q", a, b, slow)
		}
		want := []string{
			"5m0s autoland 3", "5m0s t 3 pending", "10m0s t 3 running", "20m0s t 1 success", "40m0s t 3 test_failed",
		}
		if d := cmp.Diff(want, c); d != "" {
			t.Errorf("who came after 15 minutes (-want +got)\n%s", d)
		}
	})
}

// Time goes on evenly between two moments, and a run that is triggered meanwhile wakes
// the player for what comes earlier than it expected.
func TestTriggerWakesThePlayer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ci := playing("every 100h\ntakes u 1h\npush t u\n1 a1c0 - -\n2 b2d1 - -\n")
		trace := traced(t, ci)
		stop := played(t, ci, asItIs)
		began := ci.Now()
		time.Sleep(30 * time.Hour)
		if d := ci.Now().Sub(began); d != 30*time.Hour {
			t.Errorf("after 30 hours it is %s", d)
		}
		p, err := repository(t, ci).Push(t.Context(), "tip")
		if err != nil {
			t.Fatal(err)
		}
		for i, label := range []string{"t", "u"} {
			_, err := ci.Trigger(t.Context(), job.Request{Key: label, Label: label, Push: p, Count: 1})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(i+1) * time.Minute)
		}
		jobs, err := ci.Jobs(t.Context(), p, "u")
		if err != nil || len(jobs) != 1 || ci.Cancel(t.Context(), jobs[0].ID()) != nil {
			t.Fatal(jobs, err)
		}
		time.Sleep(200 * time.Hour)
		want := []string{
			"0s autoland 1", "30h0m0s t 1 pending", "30h1m0s u 1 pending", "30h3m0s u 1 cancelled",
			"30h5m0s t 1 running", "30h35m0s t 1 success", "100h0m0s autoland 2",
		}
		if d := cmp.Diff(want, trace()); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		stop()
	})
}

func repository(t *testing.T, ci *jobtest.CI) job.Repository {
	t.Helper()
	r, err := ci.Repository("autoland")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A player with nothing to do stands still, and goes on when somebody triggers or waits.
func TestIdlePlayerIsWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ci := playing("push t\n1 a1c0 pass\n")
		trace := traced(t, ci)
		stop := played(t, ci, asItIs)
		began := ci.Now()
		time.Sleep(10 * time.Hour)
		if d := ci.Now().Sub(began); d != 35*time.Minute {
			t.Errorf("an idle world's clock is at %s", d)
		}
		if changed, more, err := ci.Wait(t.Context(), 0); !changed || !more || err != nil {
			t.Errorf("what changed before: %t, %t, %v", changed, more, err)
		}
		if changed, more, err := ci.Wait(t.Context(), 25*time.Minute); changed || !more || err != nil {
			t.Errorf("a wait in a quiet world: %t, %t, %v", changed, more, err)
		}
		if d := ci.Now().Sub(began); d != time.Hour {
			t.Errorf("after the wait it is %s", d)
		}
		p, err := repository(t, ci).Push(t.Context(), "tip")
		if err == nil {
			_, err = ci.Trigger(t.Context(), job.Request{Key: "k", Label: "t", Push: p, Count: 1})
		}
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Hour)
		want := []string{
			"0s autoland 1", "0s t 1 pending", "5m0s t 1 running", "35m0s t 1 success", "1h0m0s t 1 pending",
			"1h5m0s t 1 running", "1h35m0s t 1 success",
		}
		if d := cmp.Diff(want, trace()); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		stop()
	})
}

// Wait ends with the first of a change, its time by the CI's clock, and its context; and
// what changed since it returned last counts.
func TestWaitInAPlayingWorld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ci := playing(threePushes)
		stop := played(t, ci, asItIs)
		began := time.Now()
		step := func(d time.Duration, changed bool, at time.Duration) {
			t.Helper()
			got, more, err := ci.Wait(t.Context(), d)
			if took := time.Since(began); got != changed || !more || err != nil || took != at {
				t.Errorf("Wait(%s) at %s: %t, %t, %v; expected %t at %s", d, took, got, more, err, changed, at)
			}
		}
		synctest.Wait()
		step(time.Hour, true, 0)                // the first push came
		step(time.Hour, true, 5*time.Minute)    // its run started
		step(time.Minute, false, 6*time.Minute) // nothing yet
		step(time.Hour, true, 10*time.Minute)   // a push
		time.Sleep(12 * time.Minute)            // who did not wait when the third came,
		step(time.Hour, true, 22*time.Minute)   // is told at once
		step(-time.Hour, false, 22*time.Minute) // no time at all
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, _, err := ci.Wait(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a wait that was cut short: %v", err)
		}
		step(time.Hour, true, 25*time.Minute) // its run started
		step(time.Hour, true, 35*time.Minute) // the first run ended
		stop()
	})
}

// Several wait at a time, some of them for long, and none of them sleeps too long.
func TestManyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ci := playing("push t\n1 a1c0 -\n")
		stop := played(t, ci, asItIs)
		synctest.Wait()
		if _, _, err := ci.Wait(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				time.Sleep(time.Duration(7*i%20) * time.Second)
				began, d := time.Now(), time.Duration(i+1)*time.Minute
				changed, _, err := ci.Wait(t.Context(), d)
				// the clock stood still before the first of them waited
				if took := time.Since(began); changed || err != nil || took != d {
					t.Errorf("a wait of %s took %s: %t, %v", d, took, changed, err)
				}
			})
		}
		wg.Wait()
		stop()
	})
}

// Whatever the pace, the same happens at the same times of the world; and what somebody
// does on the way counts from there.
func TestPaces(t *testing.T) {
	var want []string
	for name, pace := range map[string]func(time.Duration) time.Duration{
		"as it is": asItIs, "at once": atOnce,
		"quick":    func(d time.Duration) time.Duration { return min(d/1800, 250*time.Millisecond) },
		"slow":     func(d time.Duration) time.Duration { return 3 * d },
		"negative": func(time.Duration) time.Duration { return -1 },
	} {
		synctest.Test(t, func(t *testing.T) {
			ci := playing(threePushes)
			trace := traced(t, ci)
			stop := played(t, ci, pace)
			time.Sleep(1000 * time.Hour)
			got := trace()
			stop()
			if want == nil {
				want = got
			}
			if d := cmp.Diff(want, got); d != "" || len(got) != 9 {
				t.Errorf("%s: %d events (-want +got)\n%s", name, len(got), d)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ci := playing("every 60h\npush t\n1 a1c0 -\n2 b2d1 -\n")
		stop := played(t, ci, func(d time.Duration) time.Duration { return d / 7 })
		began := ci.Now()
		time.Sleep(time.Hour)
		if d := ci.Now().Sub(began); d != 7*time.Hour {
			t.Errorf("at seven times the pace an hour is %s", d)
		}
		ci.Advance(10 * time.Hour)
		time.Sleep(time.Hour)
		if d := ci.Now().Sub(began); d != 24*time.Hour {
			t.Errorf("with ten hours more it is %s", d)
		}
		stop()
		time.Sleep(time.Hour)
		if d := ci.Now().Sub(began); d != 24*time.Hour {
			t.Errorf("with nobody who plays it is %s", d)
		}
	})
}

func TestPlayIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if err := jobtest.NewCI(jobtest.MustParse(threePushes), nil).Play(t.Context(), asItIs); !errors.Is(err,
			job.ErrInvalid) {
			t.Errorf("a world that does not play: %v", err)
		}
		ci := playing(threePushes)
		if err := ci.Play(t.Context(), nil); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("no pace: %v", err)
		}
		stop := played(t, ci, asItIs)
		synctest.Wait()
		if err := ci.Play(t.Context(), asItIs); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("a second player: %v", err)
		}
		stop()
		played(t, ci, asItIs)() // and another when the first has stopped
	})
}

// A classification is there from one minute after the run's end on, a change of its own.
func TestClassificationsAppear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ci := playing("push t\n1 a1c0 fail:class=intermittent\n")
		stop := played(t, ci, asItIs)
		began := ci.Now()
		time.Sleep(35 * time.Minute)
		synctest.Wait()
		p, err := repository(t, ci).Push(t.Context(), "tip")
		if err != nil {
			t.Fatal(err)
		}
		jobs, err := ci.Jobs(t.Context(), p)
		if err != nil || len(jobs) != 1 || !jobs[0].Status().Failed() {
			t.Fatal(jobs, err)
		}
		if c, err := job.Classified(t.Context(), ci, jobs[0]); err != nil || c.Classified() {
			t.Errorf("at once: %+v, %v", c, err)
		}
		_, _, _ = ci.Wait(t.Context(), 0)
		if changed, _, err := ci.Wait(t.Context(), time.Hour); !changed || err != nil {
			t.Errorf("waiting for it: %t, %v", changed, err)
		}
		c, err := job.Classified(t.Context(), ci, jobs[0])
		want := job.Classification{
			Kind: job.ClassifiedIntermittent, By: "sheriff", At: began.Add(36 * time.Minute),
		}
		if err != nil || c != want || !ci.Now().Equal(want.At) {
			t.Errorf("at %s: %+v, %v; expected %+v", ci.Now(), c, err, want)
		}
		stop()
	})
}

// What is on its way to a machine counts as load, what is to come does not.
func TestLoadOfAPlayingWorld(t *testing.T) {
	ci := playing("push t\n1 a1c0 pass\n2 b2d1 pending*200\n3 c3e2 fail\n")
	for _, c := range []struct {
		by               time.Duration
		pending, running int
	}{{0, 1, 0}, {5 * time.Minute, 0, 1}, {5 * time.Minute, 200, 1}, {5 * time.Minute, 0, 201}, {time.Hour, 0, 0}} {
		ci.Advance(c.by)
		got, err := ci.QueueDepth(t.Context(), "t")
		if want := (job.QueueDepth{Pending: c.pending, Running: c.running}); err != nil || got != want {
			t.Errorf("at %s: %+v, %v; expected %+v", ci.Now(), got, err, want)
		}
	}
}

// What follows in a cell is nowhere until it is requested.
func TestFollowersAreInvisible(t *testing.T) {
	ci := playing("push t\n1 a1c0 retry,pass:v=3\n")
	p := jobtest.MustParse("push t\n1 a1c0 -\n").Pushes("autoland")[0]
	for _, c := range []struct {
		by   time.Duration
		want string
	}{
		{0, "pending"},
		{5 * time.Minute, "running"},
		{30 * time.Minute, "retry pending"},
		{5 * time.Minute, "retry running"},
		{30 * time.Minute, "retry success 3"},
	} {
		ci.Advance(c.by)
		jobs, err := ci.Jobs(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, j := range jobs {
			got = append(got, j.Status().String())
			if v := j.Raw().(jobtest.Record).Value; v != nil {
				got = append(got, fmt.Sprint(*v))
			}
		}
		if got := strings.Join(got, " "); got != c.want {
			t.Errorf("at %s: %s, expected %s", ci.Now(), got, c.want)
		}
		if asked, err := ci.Accepted(t.Context(), p, "t"); err != nil || len(asked) > 0 {
			t.Errorf("at %s: %v was accepted, %v", ci.Now(), asked, err)
		}
		_, err = ci.WasAdded(t.Context(), job.New(job.Fields{ID: "run-2"}))
		if errors.Is(err, job.ErrNotFound) != (len(jobs) == 1) {
			t.Errorf("at %s: the second run: %v", ci.Now(), err)
		}
	}
}

// Many at once trigger, wait, look and cancel while the world plays: nobody is forgotten.
func TestManyActWhileTheWorldPlays(t *testing.T) {
	ci := playing("push t\n1 a1c0 pass\n2 b2d1 pass\n")
	stop := played(t, ci, atOnce)
	defer stop()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // of a test that hangs
	defer cancel()
	p := jobtest.MustParse("push t\n1 a1c0 -\n").Pushes("autoland")[0]
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 50 {
				r, err := ci.Trigger(ctx, job.Request{Key: fmt.Sprint(i, n), Label: "t", Push: p, Count: 1})
				if errors.Is(err, job.ErrNotFound) { // the first push is not there yet
					_, _, _ = ci.Wait(ctx, time.Second)
					continue
				}
				if err != nil || n%5 == 0 && ci.Cancel(ctx, r.IDs[0]) != nil {
					t.Errorf("%d: %v", n, err)
				}
				if _, _, err := ci.Wait(ctx, time.Duration(n%7)*time.Minute); err != nil {
					t.Errorf("a wait: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for {
		if _, _, err := ci.Wait(ctx, time.Hour); err != nil {
			t.Fatal(err)
		}
		jobs, err := ci.Jobs(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		if len(jobs) > 8*40 && !slices.ContainsFunc(jobs, func(j job.Job) bool { return j.Status().Waiting() }) {
			return
		}
	}
}

// Who waits often does not make the way to the next change longer.
func TestWaitsShareThePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ci := jobtest.NewCI(jobtest.MustParse("every 240h\npush t\n1 a001 pass\n2 a002 pass\n"),
			&jobtest.CIOptions{Play: true})
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() {
			for ctx.Err() == nil {
				_, _, _ = ci.Wait(ctx, time.Minute)
			}
		}()
		began := time.Now()
		go func() {
			_ = ci.Play(ctx, func(d time.Duration) time.Duration { return min(d/3600, 100*time.Millisecond) })
		}()
		for e, err := range ci.Watch(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Push != nil && e.Push.ID == 2 {
				break
			}
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("ten days took %s, expected some seconds at most", took)
		}
		stop()
		synctest.Wait()
	})
}

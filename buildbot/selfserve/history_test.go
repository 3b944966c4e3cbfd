package selfserve_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
)

// history adds pushes, several a day, whose runs are drawn by lot: those of four labels,
// which succeed, fail, are merged into the build of a later push, retried, cancelled, or
// go on; and the dumps of the days, of which some are missing. It returns the pushes,
// oldest first.
func (s *service) history(t *testing.T, days, each int) []job.Push {
	t.Helper()
	w := &lottery{Rand: rand.New(rand.NewPCG(uint64(days), uint64(each))), s: s, dumps: map[string][]map[string]any{}} // #nosec G404 -- the same each time
	var out []job.Push
	for i := range days * each {
		q := job.Push{
			Repo: push.Repo, ID: int64(1000 + i), Revision: fmt.Sprintf("%012x%028x", 0xabc000+i, i),
			Time: ended.Add(time.Duration(i-days*each) * 24 * time.Hour / time.Duration(each)),
		}
		out = append(out, q)
		for _, label := range lots {
			for range w.IntN(3) {
				w.run(q, label, out[max(0, len(out)-3):])
			}
		}
	}
	for name, builds := range w.dumps {
		if w.IntN(8) > 0 {
			s.dumps[name] = dumpOf(t, builds...)
		}
	}
	return out
}

// lots are the labels that are drawn.
var lots = []string{theBuild, theTest, "Linux mozilla-inbound build", "nothing runs here"}

// lottery draws what runs.
type lottery struct {
	*rand.Rand
	s     *service
	dumps map[string][]map[string]any
	last  int64
}

// run draws a run of a label on a push, for which some of the pushes before may be merged.
func (w *lottery) run(q job.Push, label string, before []job.Push) {
	if label == lots[3] {
		return
	}
	w.last++
	id, then := 100_000+w.last, q.Time.Add(time.Duration(w.IntN(50))*time.Hour)
	at := func(q job.Push, status any, then time.Time, ids ...int64) {
		short := q.Revision[:12]
		b := w.s.buildAt(then, label, status, ids...) // of the one push that others do not know
		w.s.entries[push.Short()] = w.s.entries[push.Short()][:len(w.s.entries[push.Short()])-1]
		b["build_id"], b["revision"] = 72_000_000+10*ids[len(ids)-1]+int64(len(w.s.entries[short])), q.Revision
		for _, r := range b["requests"].([]map[string]any) {
			r["revision"] = q.Revision
		}
		w.s.entries[short] = append(w.s.entries[short], b)
	}
	dump := func(revision string, then time.Time, more map[string]any, ids ...int64) {
		b := dumpedAt(then, label, revision, ids[len(ids)-1], more)
		b["request_ids"], b["properties"].(map[string]any)["request_ids"] = ids, ids
		name := "builds-" + then.UTC().Format(time.DateOnly) + ".js.gz"
		w.dumps[name] = append(w.dumps[name], b)
	}
	switch w.IntN(10) {
	case 0: // it waits, or was cancelled before it ran
		r := requested(label, id, []time.Time{{}, then}[w.IntN(2)])
		r["revision"] = q.Revision
		w.s.entries[q.Revision[:12]] = append(w.s.entries[q.Revision[:12]], r)
	case 1: // it failed
		at(q, 1+w.IntN(6), then, id)
	case 2: // it was merged, as were others of the push
		other := before[w.IntN(len(before))]
		w.last++
		at(other, 0, then, id)
		at(q, 0, then, id+1)
		dump(q.Revision, then, nil, id, id+1)
	case 3: // it ended without a word
		at(q, nil, then, id)
	case 4: // no dump has it
		at(q, 0, then, id)
	case 5: // it was retried
		at(q, 0, then, id)
		b := dumpedAt(then, label, q.Revision, id, nil)
		b["result"] = 5
		name := "builds-" + then.UTC().Format(time.DateOnly) + ".js.gz"
		w.dumps[name] = append(w.dumps[name], b)
	case 6: // two requests of the push became one build
		w.last++
		at(q, 0, then, id, id+1)
		dump(q.Revision, then, nil, id+1)
	default:
		at(q, 0, then, id)
		dump(q.Revision, then, nil, id)
	}
}

// allOf is all that is said of some runs, in their order.
func allOf(jobs []job.Job, err error) []string {
	var out []string
	for _, j := range jobs {
		raw, _ := json.Marshal(j.Raw())
		out = append(out, fmt.Sprintf("%s %s %s %s %+v %v %s", j.ID(), j.Name(), j.Kind(), j.Status(), j.Push(),
			j.Times(), raw))
	}
	for _, is := range []error{job.ErrMalformed, job.ErrUnknownWord, job.ErrNotFound, job.ErrUnavailable} {
		if errors.Is(err, is) {
			out = append(out, "an error, "+is.Error())
		}
	}
	if err != nil {
		out = append(out, "an error")
	}
	return out
}

// agrees fails where the history of some pushes is not the jobs of each of them.
func agrees(t *testing.T, pushes []job.Push, many, each *selfserve.Project, labels ...string) {
	t.Helper()
	all, err := many.History(t.Context(), pushes, labels...)
	if err != nil || len(all) != len(pushes) {
		t.Fatalf("%d of %d pushes, %v", len(all), len(pushes), err)
	}
	for i, q := range pushes {
		want := allOf(each.Jobs(t.Context(), q, labels...))
		got := allOf(all[i].Jobs, all[i].Err)
		if d := cmp.Diff(want, got); d != "" || all[i].Push.Key() != q.Key() {
			t.Fatalf("%q on %s (-jobs +history):\n%s", labels, q, d)
		}
	}
}

// What is told of many pushes is what is told of each, in any order, with damaged dumps
// and listings too.
func TestHistoryIsJobs(t *testing.T) {
	for days := range 12 {
		s := newService()
		pushes := s.history(t, 1+days, 1+days%5)
		chance := rand.New(rand.NewPCG(uint64(days), 1)) // #nosec G404 -- the same each time
		pushes = append(pushes, job.Push{Repo: "mozilla-inbound", ID: 1}, job.Push{Repo: "try", Revision: "short"},
			job.Push{Repo: "mozilla-inbound", Revision: strings.Repeat("7", 40)}, pushes[0])
		chance.Shuffle(len(pushes), func(i, j int) { pushes[i], pushes[j] = pushes[j], pushes[i] })
		if days%3 == 2 { // one dump is torn, and one listing says what nobody knows
			for _, name := range slices.Sorted(maps.Keys(s.dumps))[:1+days/4] {
				s.dumps[name] = []byte(`{"builds": [{"id": 1}, {"id"`)
			}
			for _, entries := range s.entries {
				if len(entries) > 2 && entries[0]["build_id"] != nil {
					entries[0]["status"] = 7
					break
				}
			}
		}
		for _, labels := range [][]string{{theBuild}, {theTest, lots[3]}, lots, {"unknown"}} {
			for _, hours := range []time.Duration{1, 10, 200} {
				o := selfserve.Options{Now: func() time.Time { return ended.Add(hours * time.Hour) }}
				agrees(t, pushes, s.inbound(t, o), s.inbound(t, o), labels...)
			}
		}
	}
}

// Each push is asked about once, and each dump fetched once, whether the range is read at
// once, in any order, or piece by piece.
func TestHistoryRequests(t *testing.T) {
	const days, each = 20, 5
	for _, pieces := range [][]int{{100}, {10, 20, 40, 30}} {
		s := newService()
		pushes := s.history(t, days, each)
		if slices.Reverse(pushes); len(pieces) == 1 {
			rand.New(rand.NewPCG(1, 2)).Shuffle(len(pushes), func(i, j int) { // #nosec G404 -- the same each time
				pushes[i], pushes[j] = pushes[j], pushes[i]
			})
		}
		h := &slow{s: s, slow: func(string) bool { return false }, seen: map[string]int{}}
		p := h.project(t)
		n := 0
		for _, size := range pieces {
			all, err := p.History(t.Context(), pushes[n:n+size], theBuild, theTest)
			if err != nil || len(all) != size {
				t.Fatal(len(all), err)
			}
			n += size
		}
		lists, dumps, twice := 0, 0, 0
		for path, n := range h.seen {
			switch {
			case strings.Contains(path, "/rev/"):
				lists += n
			case strings.HasPrefix(path, "/builds-"):
				dumps++
				if n > 1 {
					twice++
				}
			}
		}
		t.Logf("%v: %d listings, %d dumps, %d of them more than once", pieces, lists, dumps, twice)
		if lists != 100 || dumps > days+3 || dumps < days/2 || twice > 0 {
			t.Errorf("%v: %d listings, %d dumps, %d of them more than once: %v", pieces, lists, dumps, twice, h.seen)
		}
	}
}

// A dump that cannot be fetched is the error of the pushes whose runs it has, is asked for
// once, and keeps no other push from being read.
func TestHistoryWithoutADump(t *testing.T) {
	s := newService()
	pushes := s.history(t, 6, 3)
	name := slices.Sorted(maps.Keys(s.dumps))[2]
	asked := 0
	refusing := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, name) {
			asked++
			w.WriteHeader(http.StatusForbidden)
			return
		}
		s.ServeHTTP(w, r)
	})
	p := s.inbound(t, selfserve.Options{HTTP: &http.Client{Transport: testenv.InMemory{Handler: refusing}}})
	all, err := p.History(t.Context(), pushes, theBuild, theTest)
	if err != nil || asked != 1 {
		t.Fatalf("asked for %d times, %v", asked, err)
	}
	hurt, well := 0, 0
	for _, r := range all {
		switch {
		case errors.Is(r.Err, job.ErrDenied) && strings.Contains(r.Err.Error(), name) && len(r.Jobs) == 0:
			hurt++
		case r.Err != nil:
			t.Error(r.Err)
		case len(r.Jobs) > 0:
			well++
		}
	}
	if hurt == 0 || well == 0 {
		t.Errorf("%d pushes were hurt, %d were not", hurt, well)
	}
}

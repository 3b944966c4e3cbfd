package buildbot_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/job"
)

// endings are how the builds of a request end.
var endings = [][]int{
	{0},
	{0},
	{0},
	{2},
	{2},
	{1},
	{3},
	{4},
	{6},
	{},
	{},
	{5, 0},
	{5, 5, 2},
	{5},
	{5, bbtest.Running},
	{bbtest.Running},
	{bbtest.Pending},
}

// labelsOfAny are the builders of a random master, and one that it does not have.
var labelsOfAny = []string{"a", "b", "base", "py3", "py2", "nightly", "nobody"}

// lottery is a master whose history is drawn by lot.
type lottery struct {
	*rand.Rand
	d    *bbtest.Double
	revs []string // of the changes of branch main
}

// drawn is one with all that can happen to requests: merged, retried, stopped, rebuilt
// later, of the newest revision, of a try build, of other branches, of virtual builders.
func drawn(seed uint64) *lottery {
	w := &lottery{Rand: rand.New(rand.NewPCG(seed, 7)), d: bbtest.Offline()} // #nosec G404 -- the same each time
	for _, name := range labelsOfAny[:6] {
		if strings.HasPrefix(name, "py") {
			w.d.Builder(name, "_virtual_")
		} else {
			w.d.Builder(name)
		}
	}
	for i := range 25 + w.IntN(40) {
		rev := bbtest.Revision(i)
		if w.IntN(4) == 0 {
			w.d.Change(rev, bbtest.Row{"branch": "other"})
			w.request(rev, bbtest.Row{"branch": "other"})
			continue
		}
		w.d.Change(rev, nil)
		w.revs = append(w.revs, rev)
		for range 1 + w.IntN(5) {
			w.request(rev, nil)
		}
		for range w.IntN(3) { // somebody asks about an older push
			w.request(w.revs[w.IntN(len(w.revs))], nil)
		}
	}
	return w
}

// request asks a builder for something at a revision.
func (w *lottery) request(rev string, more bbtest.Row) {
	r := bbtest.BuildRequest{
		Builder: 1 + w.IntN(3), Results: endings[w.IntN(len(endings))],
		Stamps: []bbtest.Row{bbtest.Stamp(rev[:[]int{12, 40}[w.IntN(2)]], more)},
		Set:    bbtest.Row{"reason": []string{"scheduler", "rebuild", "A build was forced by 'x': y"}[w.IntN(3)]},
	}
	switch w.IntN(12) {
	case 0: // the newest revision, which the build says, or does not
		r.Builder, r.Stamps = 6, []bbtest.Row{bbtest.Stamp(nil, more)}
		if w.IntN(3) > 0 {
			r.Build = bbtest.Row{"properties": bbtest.Row{"got_revision": []any{rev, "Git"}}}
		}
	case 1: // buildbot try
		r.Stamps = []bbtest.Row{bbtest.Stamp(rev, bbtest.Row{
			"patch": bbtest.Row{"patchid": 1, "level": 1, "body": "x", "author": "dev", "comment": ""},
		})}
	case 2, 3: // by way of a virtual builder
		name := labelsOfAny[3+w.IntN(2)]
		r.Builder, r.As = 3, 1+slices.Index(labelsOfAny, name)
		r.Props = bbtest.Row{"virtual_builder_name": []any{name, "Scheduler"}}
	case 4:
		r.Results = []int{7} // a word that nobody knows
		if w.IntN(4) > 0 {
			r.Results = []int{0}
		}
	}
	id := w.d.Ask(r)
	if last := append([]int{0}, r.Results...); last[len(last)-1] < 0 && w.IntN(2) == 0 {
		w.d.End(id, 6) // stopped, or cancelled
	}
}

// questions are pushes to ask about, in any order: those of the branch, and some of other
// places, of none, and without a clock.
func (w *lottery) questions(t *testing.T, p *buildbot.Project) []job.Push {
	t.Helper()
	all, err := p.Pushes(t.Context(), job.Around("tip", 20+w.IntN(80), 0))
	if err != nil {
		t.Fatal(err)
	}
	n := len(w.revs)
	timeless, ahead := all[0], all[w.IntN(len(all))]
	timeless.Time, timeless.ID = time.Time{}, 0
	ahead.Time, ahead.ID = ahead.Time.Add(365*24*time.Hour), 1<<40
	out := append(all, timeless, ahead,
		job.Push{Repo: "main", ID: 7, Revision: bbtest.Revision(1 << 20), Time: all[0].Time},
		job.Push{Repo: "main", ID: 8, Time: all[0].Time},
		job.Push{Repo: "other", ID: 9, Revision: w.revs[w.IntN(n)], Time: all[0].Time},
		job.Push{Repo: "nowhere", ID: 10, Revision: w.revs[w.IntN(n)], Time: all[0].Time},
	)
	w.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// told is all that is said of some runs, in their order.
func told(jobs []job.Job, err error) []string {
	var out []string
	for _, j := range jobs {
		r, _ := j.Raw().(buildbot.Record)
		r.Buildset.Complete, r.Buildset.Finished = false, 0 // as they were when it was read first
		raw, _ := json.Marshal(r)
		out = append(out, fmt.Sprintf("%s %s %s %s %+v %v %s", j.ID(), j.Name(), j.Kind(), j.Status(), j.Push(),
			j.Times(), raw))
	}
	slices.Sort(out)
	if err != nil {
		kind := "an error"
		for _, is := range []error{job.ErrMalformed, job.ErrUnknownWord, job.ErrNotFound, job.ErrInvalid} {
			if errors.Is(err, is) {
				kind += ", " + is.Error()
			}
		}
		out = append(out, kind)
	}
	return out
}

// agrees fails where the history of some pushes is not the jobs of each of them.
func agrees(t *testing.T, what string, pushes []job.Push, many, each *buildbot.Project, labels ...string) {
	t.Helper()
	all, err := many.History(t.Context(), pushes, labels...)
	if err != nil || len(all) != len(pushes) {
		t.Fatalf("%s: %d of %d pushes, %v", what, len(all), len(pushes), err)
	}
	newest := make([]int, len(pushes))
	for i := range newest {
		newest[i] = i
	}
	slices.SortFunc(newest, func(a, b int) int { return pushes[b].Time.Compare(pushes[a].Time) })
	for _, i := range newest {
		want := told(each.Jobs(t.Context(), pushes[i], labels...))
		got := told(all[i].Jobs, all[i].Err)
		if d := cmp.Diff(want, got); d != "" || !reflect.DeepEqual(all[i].Push, pushes[i]) {
			t.Fatalf("%s: %q on %s of %s (-jobs +history):\n%s", what, labels, pushes[i], pushes[i].Repo, d)
		}
	}
}

// What is told of many pushes is what is told of each, whatever happened on the master,
// and also when it goes on.
func TestHistoryIsJobs(t *testing.T) {
	for seed := range uint64(12) {
		synctest.Test(t, func(t *testing.T) {
			w := drawn(seed)
			p := offline(t, w.d)
			pushes := w.questions(t, p)
			ask := func(what string) {
				for _, labels := range [][]string{
					{labelsOfAny[w.IntN(7)]}, {labelsOfAny[w.IntN(7)], labelsOfAny[w.IntN(7)]}, labelsOfAny,
				} {
					agrees(t, fmt.Sprintf("%d, %s", seed, what), pushes, p, offline(t, w.d), labels...)
				}
			}
			ask("at first")
			ask("at once again")
			for range 10 {
				w.request(w.revs[w.IntN(len(w.revs))], nil)
			}
			w.d.Edit(func(tables map[string][]bbtest.Row) { ends(w, tables) })
			time.Sleep(time.Minute)
			ask("a minute later")
		})
	}
}

// ends ends about half of the requests that wait or run.
func ends(w *lottery, tables map[string][]bbtest.Row) {
	for _, r := range tables["buildrequests"] {
		if r["complete"] == true || w.IntN(2) == 0 {
			continue
		}
		end := bbtest.Row{"complete": true, "complete_at": r["submitted_at"], "results": 6}
		for _, of := range []struct{ table, id, by string }{
			{"buildrequests", "buildrequestid", "buildrequestid"},
			{"builds", "buildrequestid", "buildrequestid"},
			{"buildsets", "bsid", "buildsetid"},
		} {
			for _, row := range tables[of.table] {
				if row[of.id] == r[of.by] && row["complete"] == false {
					for name, v := range end {
						row[name] = v
					}
				}
			}
		}
		r["claimed"], r["claimed_at"], r["claimed_by_masterid"] = true, r["submitted_at"], 1
	}
}

// harms are what may be wrong with one record of a table.
var harms = []struct {
	table string
	edit  func(bbtest.Row)
}{
	{"builds", func(r bbtest.Row) { r["complete_at"] = nil }},
	{"builds", func(r bbtest.Row) { delete(r, "started_at") }},
	{"builds", func(r bbtest.Row) { r["buildrequestid"] = 9999 }},
	{"buildrequests", func(r bbtest.Row) { r["results"] = nil }},
	{"buildrequests", func(r bbtest.Row) { r["buildsetid"] = 9999 }},
	{"buildrequests", func(r bbtest.Row) { delete(r, "claimed") }},
	{"buildsets", func(r bbtest.Row) { r["sourcestamps"] = []bbtest.Row{} }},
	{"buildsets", func(r bbtest.Row) { r["bsid"] = 9999 }},
	{"builders", func(r bbtest.Row) { r["builderid"] = 99 }},
}

// A record that is damaged is the error of the pushes that it is an error of by themselves.
func TestHistoryOfDamage(t *testing.T) {
	malformed := 0
	for seed := range uint64(27) {
		synctest.Test(t, func(t *testing.T) {
			w := drawn(seed)
			harm := harms[int(seed)%len(harms)]
			w.d.Edit(func(tables map[string][]bbtest.Row) {
				rows := tables[harm.table]
				harm.edit(rows[w.IntN(len(rows))])
			})
			for _, labels := range [][]string{{"a"}, {"base", "b"}, labelsOfAny} {
				many, each := offline(t, w.d), offline(t, w.d)
				pushes, err := many.Pushes(t.Context(), job.Around("tip", 30, 0))
				again, otherErr := each.Pushes(t.Context(), job.Around("tip", 30, 0))
				if err != nil || otherErr != nil || len(pushes) != len(again) {
					return // what tells the branch is damaged
				}
				all, err := many.History(t.Context(), pushes, labels...)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range all {
					if errors.Is(r.Err, job.ErrMalformed) {
						malformed++
					}
				}
				_, _ = each.Jobs(t.Context(), pushes[0], labels...) // so that it has looked as far back
				agrees(t, fmt.Sprintf("%d, %s", seed, harm.table), pushes, many, each, labels...)
			}
		})
	}
	if malformed < 100 {
		t.Errorf("%d pushes were hurt: too few to tell", malformed)
	}
}

// realSize is a master of real size: each change of main, between those of other branches, is
// built by every builder.
func realSize() *bbtest.Double {
	d := bbtest.Offline()
	const builders, changes = 17, 800
	for b := range builders {
		d.Builder(fmt.Sprintf("builder %d", b+1))
	}
	for i := range changes {
		more := bbtest.Row{}
		if i%3 == 1 {
			more["branch"] = "other"
		}
		d.Change(bbtest.Revision(i), more)
		for b := range builders {
			results := []int{0}
			switch {
			case b == 1 && i%5 == 2:
				results = nil // collapsed
			case b == 2 && i%4 == 0:
				continue // a hole
			case i > changes-5:
				results = []int{bbtest.Running}
			case b < 3 && i > changes-180:
				results = []int{2}
			}
			d.Ask(bbtest.BuildRequest{
				Builder: b + 1, Results: results, Stamps: []bbtest.Row{bbtest.Stamp(bbtest.Revision(i), more)},
			})
		}
	}
	return d
}

// What the runs of one label on 100 pushes cost, with the pushes: at once, and piece by
// piece, newest first, also where each answer takes a second.
func TestHistoryRequests(t *testing.T) {
	d := realSize()
	for _, c := range []struct {
		what   string
		pieces []int
		labels []string
		takes  time.Duration
		most   int
	}{
		{"at once", []int{100}, []string{"builder 1"}, 0, 12},
		{"piece by piece", []int{10, 20, 40, 30}, []string{"builder 1"}, 0, 12},
		{"of a slow master", []int{10, 20, 40, 30}, []string{"builder 2"}, time.Second, 12},
		{"of a very slow master", []int{10, 20, 40, 30}, []string{"builder 3"}, 8 * time.Second, 12},
		{"of four labels", []int{100}, []string{"builder 1", "builder 2", "builder 3", "builder 4"}, 0, 21},
		{"of six labels", []int{100}, []string{
			"builder 1", "builder 2", "builder 3", "builder 4", "builder 5", "builder 6",
		}, 0, 40},
	} {
		synctest.Test(t, func(t *testing.T) {
			d.Asked()
			c1, err := buildbot.New("http://master.example", &buildbot.Options{
				HTTP: &http.Client{Transport: taking{d, c.takes}},
			})
			if err != nil {
				t.Fatal(err)
			}
			p := c1.Project("main", nil)
			pushes, err := p.Pushes(t.Context(), job.Around("tip", 99, 0))
			if err != nil || len(pushes) != 100 {
				t.Fatal(len(pushes), err)
			}
			slices.Reverse(pushes)
			n := 0
			for _, size := range c.pieces {
				all, err := p.History(t.Context(), pushes[n:n+size], c.labels...)
				if err := alsoOf(all, err); err != nil {
					t.Fatal(err)
				}
				for i, r := range all {
					if len(r.Jobs) == 0 && c.labels[0] == "builder 1" {
						t.Errorf("%s: no run on push %d", c.what, n+i)
					}
				}
				n += size
			}
			asked(t, d, c.what, c.most)
		})
	}
}

// taking is a transport to a double that takes so long for each answer.
type taking struct {
	d     *bbtest.Double
	takes time.Duration
}

func (w taking) RoundTrip(r *http.Request) (*http.Response, error) {
	wait(r.Context(), w.takes)
	return w.d.RoundTrip(r)
}

// Old pushes that were found one by one, on a master whose clock was a month behind for a while:
// that a list reaches behind all of them the master is asked once for each page.
func TestHistoryOfOldPushes(t *testing.T) {
	d := bbtest.Offline()
	d.Builder("test")
	const n, month = 600, 30 * 24 * 3600
	for i := range n {
		d.Change(bbtest.Revision(i), nil)
		r := bbtest.BuildRequest{
			Builder: 1, Results: []int{i % 3}, Stamps: []bbtest.Row{bbtest.Stamp(bbtest.Revision(i), nil)},
		}
		if i >= 150 && i < 400 {
			r.At = 1_760_000_000 + 605*i - month
		}
		d.Ask(r)
	}
	p := offline(t, d)
	var pushes []job.Push
	for i := 200; i < 250; i += 5 {
		pushes = append(pushes, at(t, p, bbtest.Revision(i)))
	}
	d.Asked()
	all, err := p.History(t.Context(), pushes, "test")
	if err := alsoOf(all, err); err != nil {
		t.Fatal(err)
	}
	for i, r := range all {
		if len(r.Jobs) != 1 || r.Jobs[0].ID() != fmt.Sprintf("%d/1", 201+5*i) {
			t.Errorf("%s: %v", r.Push, r.Jobs)
		}
	}
	later, lines := 0, d.Asked()
	for _, line := range lines {
		if strings.Contains(line, "revision__in") {
			later++
		}
	}
	t.Logf("%d requests, %d of them for what came later", len(lines), later)
	if later == 0 || later > 4 || len(lines) > 20 {
		t.Errorf("%d requests, %d of them for what came later:\n%.150q", len(lines), later, lines)
	}
}

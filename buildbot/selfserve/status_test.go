package selfserve_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/job"
)

// A run is the push's where the dump's build is of the push's revision, compared in
// twelve digits, and of the build's own number where a request was retried.
func TestWhichBuildARunIs(t *testing.T) {
	other := strings.Repeat("f", 40)
	build := func(revision string, number int, later time.Duration) map[string]any {
		b := merged(theBuild, revision, 1, nil)
		b["starttime"], b["endtime"] = ended.Add(later-time.Hour).Unix(), ended.Add(later).Unix()
		return numbered(b, number)
	}
	flip := func(digit int) string { // the revision with another digit there, from 0
		r := []byte(push.Revision)
		r[digit] = "01"[map[bool]int{true: 1}[r[digit] == '0']]
		return string(r)
	}
	for _, c := range []struct {
		what string
		dump []map[string]any
		want string
	}{
		{"the first digit differs", []map[string]any{build(flip(0), 4372, 0)}, "coalesced"},
		{"the twelfth digit differs", []map[string]any{build(flip(11), 4372, 0)}, "coalesced"},
		{"the thirteenth digit differs", []map[string]any{build(flip(12), 4372, 0)}, "success"},
		{"in upper case", []map[string]any{build(strings.ToUpper(push.Revision), 4372, 0)}, "success"},
		{
			"a later build of the request is another's",
			[]map[string]any{build(push.Revision, 4372, 0), build(other, 4373, time.Hour)},
			"success",
		},
		{
			"an earlier build of the request is another's",
			[]map[string]any{build(other, 4371, -time.Hour), build(push.Revision, 4372, 0)},
			"success",
		},
		{
			"this build of the request is another's",
			[]map[string]any{build(push.Revision, 4371, time.Hour), build(other, 4372, 0)},
			"coalesced",
		},
		{
			"no build has the number: the run is not there yet",
			[]map[string]any{build(other, 1, -time.Hour), build(push.Revision, 2, 0), build(other, 3, -time.Minute)},
			"running",
		},
	} {
		s := newService()
		s.build(theBuild, 0, 1)
		s.dumps[today] = dumpOf(t, c.dump...)
		if got := statuses(t, s.inbound(t, selfserve.Options{})); got != c.want {
			t.Errorf("%s: %s, expected %s", c.what, got, c.want)
		}
	}
}

// When a run that ended is looked up where, and how long it may be missing.
func TestWhichDumpAndHowLong(t *testing.T) {
	const recent, yesterday = "builds-4hr.js.gz", "builds-2015-05-31.js.gz"
	late := time.Date(2015, 6, 1, 23, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		ended, since time.Duration // after midnight of the first of June; until the question
		gets, want   string
	}{
		{13 * time.Hour, 4*time.Hour - time.Second, recent + " " + today, "running"},
		{13 * time.Hour, 4 * time.Hour, today, "running"},
		{13 * time.Hour, 24*time.Hour - time.Second, today, "running"},
		{13 * time.Hour, 24 * time.Hour, today, "unknown"},
		{-time.Second, 10 * time.Hour, yesterday, "running"},
		{0, 10 * time.Hour, today, "running"},
		{23 * time.Hour, time.Hour, recent + " " + today, "running"},
	} {
		s := newService()
		at := late.Add(c.ended - 23*time.Hour)
		s.buildAt(at, theBuild, 0, 1)
		for day, then := range map[string]time.Time{
			recent: at, yesterday: ended.AddDate(0, 0, -1), today: ended,
			"builds-2015-06-02.js.gz": ended.AddDate(0, 0, 1),
		} {
			s.dumps[day] = dumpOf(t, dumpedAt(then, theBuild, push.Revision, 99, nil))
		}
		p := s.inbound(t, selfserve.Options{Now: func() time.Time { return at.Add(c.since) }})
		got := statuses(t, p)
		if gets := strings.Join(s.gets, " "); got != c.want || gets != c.gets {
			t.Errorf("ended at %s, asked %s later: %s by %s; expected %s by %s",
				at.Format(time.DateTime), c.since, got, gets, c.want, c.gets)
		}
	}
}

// The four dumps that were used last are held, and no fifth; one of a day that is over
// is not fetched again on a miss, one that changes is after a minute.
func TestDumpsInMemory(t *testing.T) {
	s := newService()
	now := ended.Add(100 * 24 * time.Hour)
	p := s.inbound(t, selfserve.Options{Now: func() time.Time { return now }})
	ask := func(day int, request int64) int {
		at := ended.Add(time.Duration(day) * 24 * time.Hour)
		s.entries[push.Short()], s.gets = nil, nil
		s.buildAt(at, theBuild, 0, request)
		name := "builds-" + at.Format(time.DateOnly) + ".js.gz"
		s.dumps[name] = dumpOf(t, dumpedAt(at, theBuild, push.Revision, int64(day), nil))
		statuses(t, p)
		return len(s.gets)
	}
	for _, c := range []struct{ day, fetched int }{
		{1, 1}, {2, 1}, {3, 1}, {4, 1}, {1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 1}, {4, 0}, {2, 0}, {1, 1}, {3, 1},
	} {
		if n := ask(c.day, int64(c.day)); n != c.fetched {
			t.Errorf("day %d: %d fetched, expected %d", c.day, n, c.fetched)
		}
	}
	if n := ask(3, 999); n != 0 {
		t.Errorf("a miss in the dump of a day that is over: %d fetched", n)
	}
	now = now.Add(time.Hour)
	if n := ask(3, 999); n != 0 {
		t.Errorf("a miss in the dump of a day that is over, an hour later: %d fetched", n)
	}
	// The day ends at midnight, and its dump is whole four hours later.
	now = time.Date(2015, 6, 12, 3, 59, 0, 0, time.UTC)
	got := fmt.Sprint(ask(10, 10), ask(10, 999))
	now = now.Add(time.Minute - time.Second)
	got += fmt.Sprint(" ", ask(10, 999))
	now = now.Add(time.Second)
	got += fmt.Sprint(" ", ask(10, 999))
	if got != "1 0 0 1" {
		t.Errorf("a dump that changes was fetched %s times, expected 1 0 0 1", got)
	}
}

// A build of another revision has no files for this push's tests, though a request of
// this push was merged into it.
func TestFilesOfAnotherRevision(t *testing.T) {
	with := map[string]any{"packageUrl": files + "p", "testPackagesUrl": files + "t"}
	for revision, want := range map[string]bool{push.Revision: true, strings.Repeat("f", 40): false, "": false} {
		for _, status := range []int{0, 1} {
			s := newService()
			s.build(theBuild, status, 1)
			s.files[files+"p"], s.files[files+"t"] = true, true
			s.dumps[today] = dumpOf(t, merged(theBuild, revision, 1, with))
			p := s.inbound(t, selfserve.Options{})
			jobs, err := p.Jobs(t.Context(), push)
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.ArtifactsExist(t.Context(), jobs[0])
			if err != nil || got != want {
				t.Errorf("status %d, built of %s: %t %v", status, revision, got, err)
			}
			_, err = p.Trigger(t.Context(), job.Request{Label: theTest, Push: push, Count: 1})
			if (err == nil) != want {
				t.Errorf("status %d, built of %s: a test is triggered: %v", status, revision, err)
			}
		}
	}
}

// A request that was retried has several runs; what waits is newest, whatever the order
// of the listing, and what was cancelled before a build took it is no run that waits.
func TestRunsOfARequest(t *testing.T) {
	s := newService()
	s.later(theBuild, push.Short(), 1)
	s.later(theBuild, push.Short(), 1)
	s.settle()
	s.entries[push.Short()][1]["complete"], s.entries[push.Short()][1]["complete_at"] = 1, ended.Unix()
	s.build(theBuild, 5, 1)
	s.build(theBuild, 2, 1)
	jobs, err := s.inbound(t, selfserve.Options{}).Jobs(t.Context(), push)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, j := range jobs {
		got = append(got, j.ID()+" "+j.Status().String())
	}
	const want = "1/1 retry, 1/2 busted, 9001/1 pending, 9002/1 cancelled"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("%s, expected %s", s, want)
	}
}

// A run of a request that was retried ended the day before the request was complete:
// its own end says which dump it is in.
func TestDumpOfARetriedRun(t *testing.T) {
	s := newService()
	before := ended.Add(-24 * time.Hour)
	b := s.buildAt(before, theBuild, 0, 1)
	b["requests"].([]map[string]any)[0]["complete_at"] = ended.Unix()
	first := dumpedAt(before, theBuild, push.Revision, 1, nil)
	first["result"] = 5
	s.dumps["builds-2015-05-31.js.gz"] = dumpOf(t, first)
	s.dumps[today] = dumpOf(t, dumped(theBuild, push.Revision, 1, nil))
	if got := statuses(t, s.inbound(t, selfserve.Options{})); got != "retry" || len(s.gets) != 1 {
		t.Errorf("%s after %q", got, s.gets)
	}
}

// Of two builds of one request the files are those of the one that the listing names.
func TestFilesOfTheBuildsOwnNumber(t *testing.T) {
	s := newService()
	s.build(theBuild, 1, 1)
	one := dumped(theBuild, push.Revision, 1, map[string]any{"packageUrl": files + "p", "testPackagesUrl": files + "t"})
	two := dumped(theBuild, push.Revision, 1, map[string]any{"log_url": files + "log"})
	two["endtime"] = ended.Unix() + 60
	s.dumps[today] = dumpOf(t, one, numbered(two, 4373))
	s.files[files+"p"], s.files[files+"t"] = true, true
	p := s.inbound(t, selfserve.Options{})
	jobs, err := p.Jobs(t.Context(), push)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := p.ArtifactsExist(t.Context(), jobs[0]); err != nil || !ok {
		t.Errorf("%t %v", ok, err)
	}
}

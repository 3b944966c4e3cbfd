package pushlog_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/landotest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/pushlog"
)

func hgHash(n int) string  { return fmt.Sprintf("%012x%028x", 0xabc0000+n, n) }
func gitHash(n int) string { return fmt.Sprintf("%012x%028x", 0x91700000+n, n) }

// mirror is autoland with pushes 1 to n of two changesets, 10n and 10n+1; those
// from the push "since" on are also in git, but for the first of push 7.
func mirror(n, since int) *hgtest.Server {
	s := hgtest.New()
	for id := 1; id <= n; id++ {
		p := hgtest.Push{Date: 1_700_000_000 + int64(id)*60, User: "dev"}
		for _, c := range []int{10 * id, 10*id + 1} {
			w := hgtest.Changeset{
				Node: hgHash(c), Author: "Dev", Desc: "Bug", Branch: "default",
				Parents: []string{hgHash(c - 1)},
			}
			if id >= since && c != 70 {
				w.Git = gitHash(c)
			}
			p.Changesets = append(p.Changesets, w)
		}
		s.Add("integration/autoland", int64(id), p)
	}
	return s
}

// both serves hg and Lando, in memory, at two hosts.
func both(t *testing.T, hg, lando http.Handler) *pushlog.Server {
	t.Helper()
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "lando.example" || r.URL.Host == "lando.example" {
			lando.ServeHTTP(w, r)
			return
		}
		hg.ServeHTTP(w, r)
	})
	o := &pushlog.Options{HTTP: hgtest.Client(h)}
	if lando != nil {
		o.LandoURL = "https://lando.example"
	}
	s, err := pushlog.New("https://hg.example", o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A hash of git names a push as one of hg does, whole or in part, of any of its
// changesets, with Lando or without, and by every way of naming a range.
func TestRevisionsOfGit(t *testing.T) {
	hg := mirror(30, 5)
	for name, lando := range map[string]http.Handler{
		"without Lando": nil,
		"with Lando": &landotest.Server{Pairs: []landotest.Pair{
			{Hg: hgHash(201), Git: gitHash(201)},
			{Hg: hgHash(31), Git: gitHash(31)},
		}},
	} {
		l := both(t, hg, lando).Repository("autoland")
		for _, rev := range []string{
			gitHash(201), gitHash(201)[:12], gitHash(200), strings.ToUpper(gitHash(200)),
			hgHash(201),
		} {
			p, err := l.Push(t.Context(), rev)
			if err != nil || p.ID != 20 || p.Revision != hgHash(201) || p.Git != gitHash(201) || !p.Contains(rev) {
				t.Errorf("%s: %s: %+v, %v", name, rev, p, err)
			}
		}
		for _, r := range []job.Range{
			job.Between(gitHash(190), gitHash(210)), job.Around(gitHash(200)[:20], 1, 1),
			job.Between(hgHash(190), gitHash(211)),
		} {
			for _, r.Full = range []bool{false, true} {
				got, err := l.Pushes(t.Context(), r)
				if d := cmp.Diff([]int64{19, 20, 21}, idsOf(got)); d != "" || err != nil {
					t.Errorf("%s: %v: %v\n%s", name, r, err, d)
				} else if got[1].Changesets[0].Git != gitHash(200) {
					t.Errorf("%s: %v: %+v", name, r, got[1].Changesets)
				}
			}
		}
		if _, err := l.Push(t.Context(), gitHash(999)); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("%s: what nobody knows: %v", name, err)
		}
		if p, err := l.Push(t.Context(), hgHash(71)); err != nil || p.Changesets[0].Git != "" ||
			p.Changesets[1].Git != gitHash(71) {
			t.Errorf("%s: a changeset that is not from git: %+v, %v", name, p, err)
		}
		// The mirror is younger than push 3: only Lando knows its pairs.
		p, err := l.Push(t.Context(), gitHash(31))
		if known := lando != nil; known != (err == nil) || known && (p.ID != 3 || p.Git != gitHash(31)) {
			t.Errorf("%s: before the mirror: %+v, %v", name, p, err)
		}
	}
}

func idsOf(pushes []job.Push) []int64 {
	var out []int64
	for _, p := range pushes {
		out = append(out, p.ID)
	}
	return out
}

// What is asked: with Lando no page is read; without, pages up to where the
// mirror begins; and a hash that was found once is not looked for again.
func TestRequestsForGit(t *testing.T) {
	hg, lando := mirror(900, 500), &landotest.Server{Pairs: []landotest.Pair{{Hg: hgHash(8001), Git: gitHash(8001)}}}
	l := both(t, hg, lando).Repository("autoland")
	for range 3 {
		if _, err := l.Push(t.Context(), gitHash(8001)); err != nil {
			t.Fatal(err)
		}
	}
	if n, m := len(hg.Requests()), len(lando.Requests()); n != 6 || m != 1 { // each time 404 and the push
		t.Errorf("%d requests to hg and %d to Lando", n, m)
	}
	hg = mirror(900, 500)
	if _, err := both(t, hg, nil).Repository("autoland").Push(t.Context(),
		gitHash(4001)); !errors.Is(err, job.ErrNotFound) {
		t.Error(err)
	}
	if n := len(hg.Requests()); n != 6 { // 404, the newest, and down to a page without a hash of git
		t.Errorf("%d requests without Lando:\n%s", n, strings.Join(hg.Requests(), "\n"))
	}
}

// A Lando that misbehaves is never believed; where the pushlog knows the hash
// itself, it does not matter either.
func TestLandoMisbehaves(t *testing.T) {
	answers := map[string]struct {
		status int
		body   string
	}{
		"another's":  {200, fmt.Sprintf(`{"git_hash":%q,"hg_hash":%q}`, gitHash(31), hgHash(31))},
		"wrong hash": {200, fmt.Sprintf(`{"git_hash":%q,"hg_hash":%q}`, gitHash(201), hgHash(211))},
		"no hash":    {200, fmt.Sprintf(`{"git_hash":%q}`, gitHash(201))},
		"short":      {200, fmt.Sprintf(`{"git_hash":%q,"hg_hash":"%.12s"}`, gitHash(201), hgHash(201))},
		"a path": {200, fmt.Sprintf(`{"git_hash":%q,"hg_hash":"../../../../../../../../../../../etc/pass"}`,
			gitHash(201))},
		"null":        {200, `null`},
		"HTML":        {200, `<html>`},
		"torn":        {200, `{"git_hash":`},
		"nothing":     {200, ``},
		"broken":      {500, `oops`},
		"unavailable": {503, ``},
		"denied":      {403, `{}`},
	}
	for name, a := range answers {
		synctest.Test(t, func(t *testing.T) {
			lando := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(a.status)
				_, _ = w.Write([]byte(a.body))
			})
			l := both(t, mirror(30, 5), lando).Repository("autoland")
			p, err := l.Push(t.Context(), gitHash(201))
			switch {
			case name == "wrong hash": // of a changeset that the pushlog says is another
				if !errors.Is(err, job.ErrMalformed) {
					t.Errorf("%s: %v, %v", name, p, err)
				}
			case err != nil || p.ID != 20:
				t.Errorf("%s: %v, %v; the pushlog itself knows it", name, p, err)
			}
			// Nor is it said of what the pushlog does not know that it is not there.
			p, err = l.Push(t.Context(), gitHash(999))
			if p.ID != 0 || err == nil || name != "wrong hash" && !strings.Contains(err.Error(), "lando.git2hg") {
				t.Errorf("%s: what only Lando could know: %v, %v", name, p, err)
			}
		})
	}
}

func TestTwins(t *testing.T) {
	s := both(t, mirror(30, 5), &landotest.Server{Pairs: []landotest.Pair{{Hg: hgHash(31), Git: gitHash(31)}}})
	for rev, want := range map[string][2]string{
		hgHash(201): {hgHash(201), gitHash(201)}, gitHash(201): {hgHash(201), gitHash(201)},
		gitHash(200)[:13]: {hgHash(200), gitHash(200)},
		hgHash(31):        {hgHash(31), gitHash(31)}, gitHash(31): {hgHash(31), gitHash(31)},
		hgHash(70): {hgHash(70), ""},
	} {
		hg, git, err := s.Twins(t.Context(), "autoland", rev)
		if err != nil || hg != want[0] || git != want[1] {
			t.Errorf("%s: %s and %s, %v; expected %s", rev, hg, git, err, want)
		}
	}
	if _, _, err := s.Twins(t.Context(), "autoland", gitHash(999)); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	for _, rev := range []string{hgHash(31), gitHash(31)} {
		if hg, git, err := s.LandoTwins(t.Context(), "autoland", rev); err != nil || hg != hgHash(31) ||
			git != gitHash(31) {
			t.Errorf("Lando alone, %s: %s and %s, %v", rev, hg, git, err)
		}
	}
	if _, _, err := s.LandoTwins(t.Context(), "autoland", hgHash(201)); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("Lando alone, unknown: %v", err)
	}
	if _, err := pushlog.New("https://hg.example",
		&pushlog.Options{LandoURL: "lando.example"}); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("a Lando without a scheme: %v", err)
	}
}

// Pushes that another source names by git get their names of hg; what is hg's
// already takes one question, and what nobody knows stays as it is.
func TestByHg(t *testing.T) {
	s := both(t, mirror(30, 5), nil)
	var named []job.Push
	for id := 5; id <= 20; id++ {
		named = append(named, job.Push{Repo: "autoland", ID: int64(9000 + id), Revision: gitHash(10*id + 1)})
	}
	asked := 0
	twins := func(ctx context.Context, repo, rev string) (string, string, error) {
		asked++
		return s.Twins(ctx, repo, rev)
	}
	got, err := pushlog.ByHg(job.NewList("autoland", named), s.Twins).Pushes(t.Context(), job.IDs(1, 1<<40))
	if err != nil || len(got) != len(named) {
		t.Fatal(len(got), err)
	}
	for i, p := range got {
		if n := 10*(i+5) + 1; p.Revision != hgHash(n) || p.Git != gitHash(n) || p.ID != named[i].ID {
			t.Errorf("%+v", p)
		}
	}
	again, err := pushlog.ByHg(job.NewList("autoland", got), twins).Pushes(t.Context(), job.IDs(1, 1<<40))
	if err != nil || asked != 1 || len(again) != len(got) || again[3].Revision != got[3].Revision {
		t.Errorf("named by hg: %v, asked %d times", err, asked)
	}
	unknown := []job.Push{{Repo: "autoland", ID: 1, Revision: gitHash(999)}, {Repo: "autoland", ID: 2}}
	got, err = pushlog.ByHg(job.NewList("autoland", unknown), twins).Pushes(t.Context(), job.IDs(1, 2))
	if d := cmp.Diff(unknown, got); d != "" || err != nil {
		t.Errorf("unknown: %v\n%s", err, d)
	}
	failing := func(context.Context, string, string) (string, string, error) { return "", "", job.ErrUnavailable }
	if _, err := pushlog.ByHg(job.NewList("autoland", named), failing).Pushes(t.Context(),
		job.IDs(1, 1<<40)); !errors.Is(err, job.ErrUnavailable) {
		t.Errorf("nobody answers: %v", err)
	}
	if err := job.Line(t.Context(), pushlog.ByHg(job.NewList("try", nil), twins)); !errors.Is(err, job.ErrNoLine) {
		t.Errorf("try: %v", err)
	}
}

// What a push says of git must fit what it says of hg.
func TestMalformedGit(t *testing.T) {
	for name, push := range map[string]string{
		"too many": fmt.Sprintf(`"changesets":[%q],"git_changesets":[null,null]`, hgHash(1)),
		"no hash":  fmt.Sprintf(`"changesets":[%q],"git_changesets":["x"]`, hgHash(1)),
		"short":    fmt.Sprintf(`"changesets":[%q],"git_changesets":["%.12s"]`, hgHash(1), gitHash(1)),
		"two answers": fmt.Sprintf(`"changesets":[{"node":%q,"git_node":%q}],"git_changesets":[%q]`, hgHash(1),
			gitHash(1), gitHash(2)),
	} {
		l := both(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, `{"lastpushid":1,"pushes":{"1":{"user":"u","date":1,%s}}}`, push)
		}), nil).Repository("autoland")
		if p, err := l.Push(t.Context(), hgHash(1)); !errors.Is(err, job.ErrMalformed) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

func TestAroundAsManyAsThereAre(t *testing.T) {
	hg := mirror(30, 1)
	l := both(t, hg, nil).Repository("autoland")
	for _, r := range []job.Range{
		job.Around(hgHash(200), math.MaxInt, 0), job.Around(hgHash(200), 0, math.MaxInt),
		job.Around(hgHash(200), math.MaxInt, math.MaxInt),
	} {
		got, err := l.Pushes(t.Context(), r)
		want := 1
		if r.Before > 0 {
			want += 19
		}
		if r.After > 0 {
			want += 10
		}
		if err != nil || len(got) != want {
			t.Errorf("%v: %d pushes, %v; expected %d", r, len(got), err, want)
		}
	}
	if n := len(hg.Requests()); n > 10 {
		t.Errorf("%d requests", n)
	}
}

// A named branch of hg is a line of its own.
func TestBranchOfHg(t *testing.T) {
	hg := mirror(9, 1)
	for i, branch := range []string{"GECKO_RELBRANCH", "default", "GECKO_RELBRANCH"} {
		c := hgtest.Changeset{Node: hgHash(1000 + i), Author: "Dev", Desc: "Bug", Branch: branch}
		hg.Add("integration/autoland", int64(10+i),
			hgtest.Push{Date: 1_800_000_000, User: "dev", Changesets: []hgtest.Changeset{c}})
	}
	l := both(t, hg, nil).Repository("autoland").OnBranch("GECKO_RELBRANCH")
	got, err := l.Pushes(t.Context(), job.Around("tip", 5, 0))
	if d := cmp.Diff([]int64{10, 12}, idsOf(got)); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
	if _, err := l.Push(t.Context(), hgHash(1001)); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("a push of another branch: %v", err)
	}
}

// A push that loses its changesets between two reads brought nobody knows what.
func TestOriginsOfALostPush(t *testing.T) {
	for name, body := range map[string]string{
		"no changesets left": `{"lastpushid":9,"pushes":{"9":{"changesets":[],"date":9,"user":"u","obsoletechangesets":[]}}}`,
		"no push left":       `{"lastpushid":9,"pushes":{}}`,
	} {
		l := both(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }),
			nil).Repository("mozilla-central")
		got, err := l.Origins(t.Context(), job.Push{Repo: "mozilla-central", ID: 9, Revision: hgHash(9)})
		if !errors.Is(err, job.ErrNotFound) || got != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// A walk over a repository that is no pushlog goes by its order, page after page.
func TestWalkOverAnyOrder(t *testing.T) {
	var pushes []job.Push
	var want []int64
	for i := range 650 {
		id := int64(2000 - i) // ids that fall from push to push
		pushes = append(pushes, job.Push{Repo: "r", ID: id, Order: int64(i), Revision: hgHash(i)})
		want = append([]int64{id}, want...)
	}
	pushes[449].Revision = "" // the oldest of a page
	var got []job.Push
	for v, err := range pushlog.Walk(t.Context(), job.NewList("r", pushes), "tip", nil) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, v.Push)
	}
	if d := cmp.Diff(want, idsOf(got)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for _, err := range pushlog.Walk(t.Context(), job.NewList("try", pushes), "tip", nil) {
		if !errors.Is(err, job.ErrNoLine) {
			t.Errorf("a walk over try: %v", err)
		}
	}
}

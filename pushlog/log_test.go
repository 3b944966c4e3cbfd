package pushlog_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/pushlog"
)

// serve starts an hg server and returns the log of a repository on it.
func serve(t *testing.T, h http.Handler, repo string) *pushlog.Log {
	t.Helper()
	l, _ := serveGated(t, h, repo)
	return l
}

// serveGated is serve with a gate before the server.
func serveGated(t *testing.T, h http.Handler, repo string) (*pushlog.Log, *hgtest.Gate) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	client, gate := hgtest.Gated(srv.Client())
	s, err := pushlog.New(srv.URL, &pushlog.Options{HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	return s.Repository(repo), gate
}

// history is a repository of n pushes with holes in their ids.
func history(s *hgtest.Server, path, repo string, n int, seed uint64) []job.Push {
	rng := rand.New(rand.NewPCG(seed, 3))
	var out []job.Push
	id, at := int64(0), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for range n {
		id += 1 + rng.Int64N(4)
		at = at.Add(time.Duration(1+rng.IntN(7200)) * time.Second)
		p := job.Push{Repo: repo, ID: id, User: "dev@mozilla.example", Time: at}
		w := hgtest.Push{Date: at.Unix(), User: p.User, Changesets: []hgtest.Changeset{}}
		for i := range 1 + rng.IntN(3) {
			c := hgtest.Changeset{
				Node: fmt.Sprintf("%08x%032x", rng.Uint32(), id*10+int64(i)), Author: "Dev <dev@mozilla.example>",
				Desc: fmt.Sprintf("Bug %d - é <b>", id), Parents: []string{strings.Repeat("0", 40)},
			}
			w.Changesets = append(w.Changesets, c)
			p.Changesets = append(p.Changesets, job.Changeset{Node: c.Node, Author: c.Author, Description: c.Desc})
			p.Revision = c.Node
		}
		s.Add(path, id, w)
		out = append(out, p)
	}
	return out
}

func TestKit(t *testing.T) {
	for seed := range uint64(5) {
		s := hgtest.New()
		want := history(s, "integration/autoland", "autoland", 40, seed)
		l, gate := serveGated(t, s, "autoland")
		c := jobtest.RepositoryCase{Pushes: want, Absent: strings.Repeat("deadbeef", 5)}
		if seed == 0 { // it takes time, and the others would tell the same
			c.Hang = gate.Hang
		}
		err := jobtest.CheckRepository(t.Context(), l, c)
		if err != nil {
			t.Errorf("seed %d:\n%v", seed, err)
		}
		for _, r := range s.Requests() {
			if strings.Contains(r, "startID") != strings.Contains(r, "endID") ||
				strings.Contains(r, "startdate") != strings.Contains(r, "enddate") {
				t.Errorf("a bound without the other: %s", r)
			}
		}
	}
}

// The same kit over eight real pushes of mozilla-central.
func TestKitOnRealPushes(t *testing.T) {
	s := hgtest.New()
	if err := s.Load("mozilla-central", testenv.Read(t, "data", "1-hg",
		"mozilla-central__json-pushes_v2_full__startID-33333.json")); err != nil {
		t.Fatal(err)
	}
	l := serve(t, s, "mozilla-central")
	r := job.IDs(33334, 33341)
	r.Full = true
	want, err := l.Pushes(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if err := jobtest.CheckRepository(t.Context(), l,
		jobtest.RepositoryCase{Pushes: want, Absent: strings.Repeat("deadbeef", 5)}); err != nil {
		t.Error(err)
	}
}

// Long ranges are asked for by ids, 200 at a time; around a revision takes two
// requests, and more only where ids are missing.
func TestPaging(t *testing.T) {
	s := hgtest.New()
	want := history(s, "integration/autoland", "autoland", 700, 7)
	l := serve(t, s, "autoland")
	last := want[len(want)-1].ID
	got, err := l.Pushes(t.Context(), job.IDs(0, 1<<60))
	if err != nil || len(got) != len(want) {
		t.Errorf("%d pushes, %v; expected %d", len(got), err, len(want))
	}
	if n, most := len(s.Requests()), int(last/200+1); n > most {
		t.Errorf("%d requests for %d ids, expected at most %d", n, last, most)
	}
	before := len(s.Requests())
	mid := len(want) / 2
	got, err = l.Pushes(t.Context(), job.Around(want[mid].Revision, 30, 10))
	if err != nil || len(got) != 41 || got[0].ID != want[mid-30].ID || got[40].ID != want[mid+10].ID {
		t.Errorf("around: %d pushes, %v", len(got), err)
	}
	if n := len(s.Requests()) - before; n > 4 {
		t.Errorf("around took %d requests, expected at most 4 where half of the ids are missing", n)
	}
}

// The server's time zone does not matter, and both ends of a range of dates
// are in, to the second.
func TestDates(t *testing.T) {
	s := hgtest.New()
	want := history(s, "try", "try", 300, 8)
	l := serve(t, s, "try")
	for _, c := range [][2]int{{0, 299}, {10, 10}, {5, 250}} {
		got, err := l.Pushes(t.Context(), job.Dates(want[c[0]].Time, want[c[1]].Time))
		if err != nil || len(got) != c[1]-c[0]+1 || got[0].ID != want[c[0]].ID {
			t.Errorf("pushes %d to %d by their dates: %d, %v", c[0], c[1], len(got), err)
		}
	}
}

func TestReset(t *testing.T) {
	s := hgtest.New()
	history(s, "try", "try", 50, 1)
	l := serve(t, s, "try")
	if _, err := l.Push(t.Context(), "tip"); err != nil {
		t.Fatal(err)
	}
	s.Reset("try")
	want := history(s, "try", "try", 5, 2)
	if _, err := l.Push(t.Context(), "tip"); !errors.Is(err, pushlog.ErrReset) {
		t.Errorf("after a reset: %v, expected ErrReset", err)
	}
	if got, err := l.Push(t.Context(), "tip"); err != nil || got.ID != want[4].ID {
		t.Errorf("after that: %v, %v", got, err)
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"autoland": "integration/autoland", "mozilla-central": "mozilla-central",
		"mozilla-beta":   "releases/mozilla-beta",
		"mozilla-esr140": "releases/mozilla-esr140", "comm-central": "comm-central", "try": "try",
		"larch":        "projects/larch",
		"users/evolve": "users/evolve", "no-such": "no-such",
	} {
		if got := pushlog.Path(name); got != want {
			t.Errorf("Path(%s) = %s, expected %s", name, got, want)
		}
		if got := pushlog.ShortName(want); got != name {
			t.Errorf("ShortName(%s) = %s, expected %s", want, got, name)
		}
	}
	for _, file := range []string{"treeherder__repository.json", "treeherder__repository_2016.json"} {
		var rows []struct {
			Fields struct {
				Name     string
				URL      string
				DVCSType string `json:"dvcs_type"`
			}
		}
		if err := json.Unmarshal(testenv.Read(t, "data", "2-treeherder", file), &rows); err != nil {
			t.Fatal(err)
		}
		known, odd := 0, []string{}
		for _, r := range rows {
			path, ok := strings.CutPrefix(r.Fields.URL, "https://hg.mozilla.org/")
			if r.Fields.DVCSType != "hg" || !ok || path == "" {
				continue
			}
			if known++; pushlog.Path(r.Fields.Name) != path {
				odd = append(odd, r.Fields.Name)
			}
		}
		t.Logf("%s: %d hg repositories, named otherwise than their path: %q", file, known, odd)
		if len(odd) > 1 { // staging-gaia-try lies in somebody's own folder
			t.Errorf("%s: %q", file, odd)
		}
	}
}

// malformed are answers that are not what is documented.
var malformed = map[string]struct {
	status int
	body   string
	want   error
	says   string
}{
	"404":      {404, `{"error": "unknown revision 'x'"}`, job.ErrNotFound, "unknown revision"},
	"404 HTML": {404, "<!DOCTYPE html><title>Not found</title>", job.ErrNotFound, "<title>"},
	"500":      {500, "Internal Server Error", job.ErrUnavailable, "500"},
	"403":      {403, `{"error": "can only evaluate single changeset"}`, job.ErrDenied, "single changeset"},
	"HTML":     {200, "<!DOCTYPE html>", job.ErrMalformed, "<!DOCTYPE"},
	"nothing":  {200, "", job.ErrMalformed, "not JSON"},
	"half":     {200, `{"lastpushid": 7, "pushes": {"1": {"changes`, job.ErrMalformed, "unexpected EOF"},
	"a list":   {200, `[]`, job.ErrMalformed, "a list, expected an object"},
	"ids": {
		200, `{"lastpushid": 7, "pushes": {"seven": {"changesets": [], "date": 1, "user": "u", "obsoletechangesets": []}}}`,
		job.ErrMalformed, `push id "seven"`,
	},
	"negative ids": {
		200, `{"lastpushid": 7, "pushes": {"-7": {"changesets": [], "date": 1, "user": "u", "obsoletechangesets": []}}}`,
		job.ErrMalformed, `push id "-7"`,
	},
	"last push id": {200, `{"lastpushid": "7", "pushes": {}}`, job.ErrMalformed, "lastpushid"},
	"no pushes":    {200, `{"lastpushid": 7}`, job.ErrMalformed, "pushes: missing"},
	"date": {
		200, `{"lastpushid": 7, "pushes": {"7": {"changesets": [], "date": "soon", "user": "u"}}}`,
		job.ErrMalformed, "pushes[7].date: a string",
	},
	"node": {
		200,
		`{"lastpushid": 7, "pushes": {"7": {"changesets": ["../../etc"], "date": 1, "user": "u"}}}`,
		job.ErrMalformed, "not the hash",
	},
	"another push": {
		200,
		`{"lastpushid": 7, "pushes": {"7": {"changesets": ["0123456789ab0123456789ab0123456789ab0123"], "date": 1, "user": "u"}}}`,
		job.ErrMalformed, `pushes[7].changesets: "1 others", asked for "a push with deadbeefdead"`,
	},
	"error with 200":  {200, `{"error": "missing parameter 'node'"}`, job.ErrInvalid, "missing parameter"},
	"empty, no error": {200, `{"lastpushid": 0, "pushes": {}}`, job.ErrNotFound, "no push has it"},
}

func TestMalformedAnswers(t *testing.T) {
	for name, c := range malformed {
		synctest.Test(t, func(t *testing.T) { // a 500 is asked for again, which takes time
			h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			})
			s, err := pushlog.New("http://hg.example", &pushlog.Options{HTTP: hgtest.Client(h)})
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Repository("autoland").Push(t.Context(), "deadbeefdead")
			var e *job.Error
			if !errors.Is(err, c.want) || !errors.As(err, &e) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: error %v, expected %v with %q", name, err, c.want, c.says)
			}
		})
	}
	for _, u := range []string{"", "hg.mozilla.org", "ftp://x/", "http://", "://"} {
		if _, err := pushlog.New(u, nil); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("New(%q): %v, expected ErrInvalid", u, err)
		}
	}
}

// Order, heads and which push holds which changeset, of three real ranges; and
// each merge and backout, worked out from what Pushes returns with Full.
func TestExpectedFiles(t *testing.T) {
	for _, name := range []string{"33332", "33333", "33784"} {
		file := "mozilla-central__json-pushes_v2_full__startID-" + name
		ext := ".json"
		if name == "33784" {
			ext = ".json.gz"
		}
		s := hgtest.New()
		if err := s.Load("mozilla-central", testenv.Read(t, "data", "1-hg", file+ext)); err != nil {
			t.Fatal(err)
		}
		r := job.IDs(1, 1<<40)
		r.Full = true
		r.FirstID = 33000
		pushes, err := serve(t, s, "mozilla-central").Pushes(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		var want expected
		if err := json.Unmarshal(testenv.Read(t, "data", "1-hg", file+".expected.json"), &want); err != nil {
			t.Fatal(err)
		}
		got := tabulate(pushes)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", file, d)
		}
		t.Logf("%s: %d pushes, %d changesets, %d merges, %d backouts", file, len(got.Pushes), len(got.Changesets),
			len(got.Merges), len(got.Backouts))
	}
}

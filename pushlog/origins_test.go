package pushlog_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/pushlog"
)

// n is the 40 digits of a short name.
func n(short string) string {
	h := fmt.Sprintf("%x", short)
	return h + strings.Repeat("0", 40-len(h))
}

// grow adds a push of changesets, each "node parent [parent]: message".
func grow(s *hgtest.Server, repo string, id, date int64, changesets ...string) {
	p := hgtest.Push{Date: date, User: "dev"}
	for _, c := range changesets {
		words, desc, _ := strings.Cut(c, ":")
		f := strings.Fields(words)
		cs := hgtest.Changeset{Node: n(f[0]), Author: "Dev", Desc: strings.TrimSpace(desc)}
		for _, parent := range f[1:] {
			cs.Parents = append(cs.Parents, n(parent))
		}
		p.Changesets = append(p.Changesets, cs)
	}
	s.Add(pushlog.Path(repo), id, p)
}

// Each case of a merge, and of what looks like one, has its answer.
func TestOriginsOfEachCase(t *testing.T) {
	for _, c := range originCases {
		s := hgtest.New()
		for i, repo := range []string{"mozilla-central", "autoland", "mozilla-inbound"} {
			grow(s, repo, 1, int64(i), "c0: Root")
			grow(s, repo, 2, int64(10+i), fmt.Sprintf("%c2 c0: Bug", 'x'+i))
		}
		c.build(s)
		l := newServer(t, s).Repository("mozilla-central")
		got, err := l.Origins(t.Context(), job.Push{Repo: "mozilla-central", ID: 9, Revision: "ignored"})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var have []string
		for _, o := range got {
			have = append(have, originText(o))
			if !o.Gone && (o.Before == nil || o.Before.ID != 2) {
				t.Errorf("%s: the push before %d is %v, expected 2", c.name, o.Pushes[0].ID, o.Before)
			}
		}
		if d := cmp.Diff(c.want, have); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

// A push with no changesets left brought nothing; a service that is broken is an
// error, not an answer.
func TestOriginsOfNothing(t *testing.T) {
	s := hgtest.New()
	got, err := newServer(t, s).Repository("mozilla-central").Origins(t.Context(),
		job.Push{Repo: "mozilla-central", ID: 9})
	if err != nil || len(got) != 0 || len(s.Requests()) != 0 {
		t.Errorf("a stripped push: %v, %v, %d requests", got, err, len(s.Requests()))
	}
	broken := newHandlerServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_,
			_ = w.Write([]byte("<html>"))
	}))
	p := job.Push{Repo: "mozilla-central", ID: 9, Revision: n("m9")}
	if _, err := broken.Repository("mozilla-central").Origins(t.Context(), p); !errors.Is(err, job.ErrMalformed) {
		t.Errorf("a broken service: %v", err)
	}
}

// A walk reads as it goes: who stops early asks for little, and a merge whose
// origin is gone is said, and passed by.
func TestWalkIsLazy(t *testing.T) {
	s := hgtest.New()
	for i := range 900 {
		grow(s, "mozilla-central", int64(i+1), int64(i), fmt.Sprintf("m%d m%d: Bug", i+1, i))
	}
	grow(s, "mozilla-central", 901, 901, "i5 m1: Bug 5", "m901 m900 i5: Merge fx-team to central, a=merge")
	l := newServer(t, s).Repository("mozilla-central")
	visits := 0
	for v, err := range pushlog.Walk(t.Context(), l, "tip", nil) {
		if err != nil {
			t.Fatal(err)
		}
		if (v.Push.ID == 901) != errors.Is(v.Err, job.ErrNotFound) {
			t.Errorf("push %d: %v", v.Push.ID, v.Err)
		}
		if visits++; visits == 50 {
			break
		}
	}
	if n := len(s.Requests()); n > 2+2 {
		t.Errorf("%d requests for the first 50 pushes", n)
	}
	for _, err := range pushlog.Walk(t.Context(), l, "deadbeefdead", nil) {
		if !errors.Is(err, job.ErrNotFound) {
			t.Errorf("an unknown revision: %v", err)
		}
	}
}

// A central merge of 60 pushes takes two requests and one for each candidate.
func TestRequestsOfAMerge(t *testing.T) {
	s := hgtest.New()
	var all []string
	grow(s, "autoland", 1, 1, "c0: Root")
	grow(s, "mozilla-central", 1, 1, "c0: Root")
	parent := "c0"
	for i := range 60 {
		c := fmt.Sprintf("a%d %s: Bug", i, parent)
		parent = fmt.Sprint("a", i)
		grow(s, "autoland", int64(2+i), int64(100+i), c)
		all = append(all, c)
	}
	grow(s, "mozilla-central", 9, 900, append(all, "m9 c1 "+parent+": Merge autoland to m-c")...)
	l := newServer(t, s).Repository("mozilla-central")
	got, err := l.Origins(t.Context(), job.Push{Repo: "mozilla-central", ID: 9, Revision: "x"})
	if err != nil || len(got) != 1 || len(got[0].Pushes) != 60 || got[0].Before == nil {
		t.Fatalf("%+v, %v", got, err)
	}
	if requests, candidates := len(s.Requests()), 2; requests > 2+candidates {
		t.Errorf("%d requests:\n%s", requests, strings.Join(s.Requests(), "\n"))
	}
}

// A changeset that the other repository hides is in none of its pushes: it is
// not looked for back to the first one.
func TestOriginsOfHiddenChangesets(t *testing.T) {
	s := hgtest.New()
	for i := range 300 {
		grow(s, "autoland", int64(20*i+1), int64(i), fmt.Sprintf("b%d b%d: Bug", i+1, i))
	}
	grow(s, "autoland", 6001, 600, "a1 b300: Bug 1")
	grow(s, "autoland", 6003, 601, "a3 a1: Bug 3")
	grow(s, "mozilla-central", 9, 900, "a1 b300: Bug 1", "h2 a1: Hidden", "a3 a1 h2: Bug 3",
		"m9 c1 a3: Merge autoland to m-c")
	got, err := newServer(t, s).Repository("mozilla-central").Origins(t.Context(),
		job.Push{Repo: "mozilla-central", ID: 9, Revision: "x"})
	if err != nil || len(got) != 1 || originText(got[0]) != "autoland: 6001 6003" || got[0].Before == nil {
		t.Errorf("%+v, %v", got, err)
	}
	if n := len(s.Requests()); n > 8 {
		t.Errorf("%d requests", n)
	}
}

func TestBackouts(t *testing.T) {
	hg := hgtest.New()
	grow(hg, "autoland", 5, 500, "a5 a4: Bug 5", "b5 a5: Bug 5")
	grow(hg, "autoland", 7, 700, "a7 b5: Backed out 2 changesets")
	body := fmt.Sprintf(
		`{"visible": true, "changesets": [{"node": %q, "backedoutby": %q}, {"node": %q, "backedoutby": %q}]}`, n("a5"),
		n("a7"), n("b5"), n("a7"))
	serve := func(body string) *pushlog.Log {
		return newHandlerServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "json-automationrelevance") {
				_, _ = w.Write([]byte(body))
				return
			}
			hg.ServeHTTP(w, r)
		})).Repository("autoland")
	}
	p := job.Push{Repo: "autoland", ID: 5, Revision: n("b5")}
	got, err := serve(body).Backouts(t.Context(), p)
	if err != nil || len(got) != 1 || got[0].ID != 7 {
		t.Errorf("%v, %v; expected push 7, once", got, err)
	}
	hg.Add("integration/autoland", 9, hgtest.Push{Date: 900, User: "dev", Changesets: []hgtest.Changeset{
		{
			Node: n("a9"), Desc: fmt.Sprintf("Backed out changeset %.12s (bug 5) for bustage", n("a5")),
			Parents: []string{n("a7")},
		},
	}})
	plain := newHandlerServer(t, hg).Repository("autoland") // without that command: by message
	if got, err = plain.Backouts(t.Context(), p); err != nil || len(got) != 1 || got[0].ID != 9 {
		t.Errorf("by message: %v, %v; expected push 9", got, err)
	}
	for _, torn := range []string{
		"", "<html>", `{"changesets"`, `{"error": "missing"}`,
		`{"changesets": [{"node": "x", "backedoutby": "../x"}]}`,
	} {
		if _, err := serve(torn).Backouts(t.Context(), p); !errors.Is(err, job.ErrMalformed) {
			t.Errorf("%q: %v, expected ErrMalformed", torn, err)
		}
	}
}

// Reverts name hashes of git: whole, in part, several in one message, or of a
// push that the caller knows nothing more of; with the server's help or without.
func TestRevertsOfGit(t *testing.T) {
	hg := mirror(9, 2)
	say := func(id int, desc string) {
		c := hgtest.Changeset{
			Node: hgHash(10 * id), Git: gitHash(10 * id), Author: "Dev", Desc: desc,
			Parents: []string{hgHash(10*id - 9)},
		}
		hg.Add("integration/autoland", int64(id),
			hgtest.Push{Date: 1_800_000_000, User: "dev", Changesets: []hgtest.Changeset{c}})
	}
	say(10, fmt.Sprintf("Revert \"Bug 1 - a thing\" for causing failures\n\nThis reverts commit %s.", gitHash(51)))
	say(11,
		fmt.Sprintf("Revert \"Bug\" for failures\n\nThis reverts commit %s.\n\nRevert \"Bug\"\n\n"+
			"This reverts commit %.12s.", gitHash(60), gitHash(50)))
	say(12, fmt.Sprintf("Revert \"Merge\"\n\nThis reverts commit %s, reversing\nchanges made to %s.", gitHash(60),
		gitHash(51)))
	say(13, fmt.Sprintf("Bug 9 - Take it back\n\nThis reverts commit %s.", gitHash(51)))
	say(17, fmt.Sprintf("Bug 9 - Speak of it: \"This reverts commit %s.\"", gitHash(51)))
	say(14, fmt.Sprintf("Backed out changeset %.12s (bug 1) for bustage", hgHash(50)))
	say(15, fmt.Sprintf("Revert \"Bug\"\n\nThis reverts commits %s and\n%s.", gitHash(60), gitHash(70)))
	say(16, fmt.Sprintf("Reapply \"Bug 1 - a thing\"\n\nThis reverts commit %s.", gitHash(100)))
	for name, c := range map[string]struct {
		id   int64
		want []int64
	}{
		"reverted": {5, []int64{10, 11, 13, 14}}, "with others": {6, []int64{11, 12, 15}},
		"a revert": {10, []int64{16}}, "none": {8, nil},
	} {
		for _, known := range []bool{true, false} {
			for _, helped := range []bool{true, false} {
				l := newHandlerServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					// a server that knows of hg's hashes alone
					at := strings.LastIndex(r.URL.Path, "/json-automationrelevance/")
					if helped && at >= 0 {
						_, _ = w.Write(relevant(t, hg, r.URL.Path[at+len("/json-automationrelevance/"):]))
						return
					}
					hg.ServeHTTP(w, r)
				})).Repository("autoland")
				pushes, err := l.Pushes(t.Context(), job.IDs(c.id, c.id))
				if err != nil {
					t.Fatal(err)
				}
				p := pushes[0]
				if !known {
					p = job.Push{Repo: p.Repo, ID: p.ID, Revision: p.Revision}
				}
				got, err := l.Backouts(t.Context(), p)
				if d := cmp.Diff(c.want, idsOf(got)); d != "" || err != nil {
					t.Errorf("%s, known %v, helped %v: %v (-want +got):\n%s", name, known, helped, err, d)
				}
			}
		}
	}
}

// relevant are the changesets of the push that ends with a revision, none of which
// the server knows to be backed out.
func relevant(t *testing.T, hg http.Handler, rev string) []byte {
	t.Helper()
	l := newHandlerServer(t, hg).Repository("autoland")
	p, err := l.Push(t.Context(), rev)
	if err != nil {
		t.Error(err)
	}
	nodes := []map[string]string{}
	for _, c := range p.Changesets {
		nodes = append(nodes, map[string]string{"node": c.Node})
	}
	text, err := json.Marshal(map[string]any{"changesets": nodes})
	if err != nil {
		t.Error(err)
	}
	return text
}

func newHandlerServer(t *testing.T, h http.Handler) *pushlog.Server {
	t.Helper()
	s, err := pushlog.New("https://hg.example", &pushlog.Options{HTTP: hgtest.Client(h)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

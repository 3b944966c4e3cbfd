package pushlog_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/internal/testing/flags"
	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/scene"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/pushlog"
)

// keyedPushes are pushes in answers: their ids are the keys.
var keyedPushes = []string{"pushes"}

// Pushes with merges, recorded from repositories of a real Mercurial, of which a double
// serves the pushlog; or, with -hg-url, -repo and -rev, of any push on an hg server. What
// merges brought is what hg's own revsets say.
func TestCassettesOfMerges(t *testing.T) {
	scene.Set{
		Dir: "testdata/cassettes/merges", Live: forest, Keyed: keyedPushes,
		Scenes: map[string]scene.Scene{
			"push": on(push), "pushes": on(pushes), "origins": on(origins), "walk": on(walk), "graph": on(graph),
		},
	}.Test(t)
}

// forest is three repositories: autoland and mozilla-inbound are merged to
// mozilla-central in one push, after merges the other way.
func forest(t *testing.T) (scene.Target, http.RoundTripper) {
	t.Helper()
	if *flags.HgURL != "" {
		return scene.From(*flags.HgURL)
	}
	hg := testenv.Program(t, "hg", "mercurial")
	f := &oracle{hgtest.Plant(t, hg, pushlog.Path), t, map[*hgtest.Pushed][]string{}}
	f.Work("autoland", 2)
	f.Work("mozilla-inbound", 1)
	f.Merge("mozilla-central", "autoland")
	f.Work("autoland", 1)
	f.Merge("mozilla-inbound", "mozilla-central")
	f.Work("mozilla-inbound", 2)
	f.Work("mozilla-central", 1)
	f.Merge("mozilla-central", "autoland", "mozilla-inbound")
	const central = "mozilla-central"
	all := f.Pushes[central]
	merged := &all[len(all)-1]
	known := map[string]string{"origins": strings.Join(f.origins(central, merged), "\n")}
	var lines []string
	for _, p := range all {
		lines = append(lines, fmt.Sprintf("%d %s of %d", p.ID, p.Nodes[len(p.Nodes)-1], len(p.Nodes)))
	}
	known["pushes"] = strings.Join(lines, "\n")
	return scene.Target{
		From: "repositories of " + version(t, hg) + ", of which a double serves the pushlog",
		At:   time.Unix(merged.Date, 0).UTC(),
		URL:  "https://hg.example", Repo: central, ID: merged.ID, Revision: merged.Nodes[len(merged.Nodes)-1],
		Known: known,
	}, testenv.InMemory{Handler: f.Log}
}

func version(t *testing.T, hg string) string {
	t.Helper()
	out, err := exec.Command(hg, "--version", "--quiet").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// on is a scene of a server's client.
func on(read func(context.Context, *pushlog.Server, scene.Target) (string, error)) scene.Scene {
	return func(ctx context.Context, client *http.Client, of scene.Target) (string, error) {
		s, err := pushlog.New(of.URL, &pushlog.Options{HTTP: client})
		if err != nil {
			return "", err
		}
		return read(ctx, s, of)
	}
}

// push finds the push by its whole revision, by twelve digits, and not what is nobody's.
func push(ctx context.Context, s *pushlog.Server, of scene.Target) (string, error) {
	l := s.Repository(of.Repo)
	p, err := l.Push(ctx, of.Revision)
	if err != nil {
		return "", err
	}
	short, err := l.Push(ctx, p.Short())
	_, absent := l.Push(ctx, strings.Repeat("deadbeef", 5))
	return fmt.Sprintf("%d %s by %s at %s\n%d\nnot found: %t", p.ID, p.Revision, p.User, p.Time.Format(time.DateTime),
		short.ID, errors.Is(absent, job.ErrNotFound)), err
}

func pushes(ctx context.Context, s *pushlog.Server, of scene.Target) (string, error) {
	all, err := s.Repository(of.Repo).Pushes(ctx, job.Around(of.Revision, 10, 0))
	var lines []string
	for _, p := range all {
		lines = append(lines, fmt.Sprintf("%d %s of %d", p.ID, p.Revision, len(p.Changesets)))
	}
	return strings.Join(lines, "\n"), err
}

func origins(ctx context.Context, s *pushlog.Server, of scene.Target) (string, error) {
	l := s.Repository(of.Repo)
	p, err := l.Push(ctx, of.Revision)
	if err != nil {
		return "", err
	}
	found, err := l.Origins(ctx, p)
	var lines []string
	for _, o := range found {
		lines = append(lines, originText(o))
	}
	return strings.Join(lines, "\n"), err
}

// walk goes from the push back, and into what merges brought.
func walk(ctx context.Context, s *pushlog.Server, of scene.Target) (string, error) {
	const most = 12
	var lines []string
	for v, err := range pushlog.Walk(ctx, s.Repository(of.Repo), of.Revision, nil) {
		if err = errors.Join(err, v.Err); err != nil {
			return "", err
		}
		lines = append(lines, fmt.Sprintf("%s%s %d", strings.Repeat("> ", len(v.Path)), v.Push.Repo, v.Push.ID))
		if len(lines) == most {
			break
		}
	}
	return strings.Join(lines, "\n"), nil
}

// graph is what the newest pushes say by themselves of merges and backouts.
func graph(ctx context.Context, s *pushlog.Server, of scene.Target) (string, error) {
	r := job.Around(of.Revision, 3, 0)
	r.Full = true
	all, err := s.Repository(of.Repo).Pushes(ctx, r)
	return graphText(all), err
}

func graphText(all []job.Push) string {
	g := pushlog.NewGraph(all)
	var lines []string
	for _, m := range g.Merges() {
		lines = append(lines, fmt.Sprintf("%+v", m))
	}
	for _, b := range g.Backouts() {
		lines = append(lines, fmt.Sprintf("%+v", b))
	}
	return strings.Join(lines, "\n")
}

// What hg 6.3.2 with Mozilla's own pushlog answers, cut from the exchanges of
// ../shared/wire/hg. That extension is not among Mercurial's: it cannot be started here.
func TestCassettesOfHg(t *testing.T) {
	scene.Set{
		Dir: "testdata/cassettes/hg", Live: wire, Keyed: keyedPushes,
		Scenes: map[string]scene.Scene{
			"revisions": on(revisions), "full": on(full), "merge": on(mergePush), "hidden": on(hidden),
		},
	}.Test(t)
}

// wire answers as the real server did, what it was asked then.
func wire(t *testing.T) (scene.Target, http.RoundTripper) {
	t.Helper()
	files, err := os.ReadDir(testenv.Shared(t, "wire", "hg"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]testenv.Exchange{}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".http") {
			e := testenv.ReadExchange(t, "wire", "hg", f.Name())
			all[e.Method+" "+e.URI] = e
		}
	}
	return scene.Target{
		From: "hg 6.3.2 with Mozilla's pushlog, as recorded in ../shared/wire/hg",
		At:   time.Date(2026, 11, 23, 5, 34, 0, 0, time.UTC),
		URL:  "https://hg.example", Repo: "autoland", ID: 20, Revision: "567d57332b25c9645bbf0957e04efaa1c83a11bd",
		Known: map[string]string{"hidden": "2 9313b2d15a71\n0 pushes where all changesets are stripped"},
	}, testenv.InMemory{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, ok := all[r.Method+" "+r.URL.RequestURI()]
		if !ok {
			t.Errorf("%s %s was not recorded", r.Method, r.URL)
			e.StatusCode = http.StatusTeapot
		}
		maps.Copy(w.Header(), e.Header)
		w.WriteHeader(e.StatusCode)
		_, _ = w.Write(e.Body)
	})}
}

// revisions finds one in the middle of a push, a short one, the tip, and one of another
// repository.
func revisions(ctx context.Context, s *pushlog.Server, _ scene.Target) (string, error) {
	var lines []string
	for _, c := range []struct{ repo, rev string }{
		{"autoland", "08463e1e5b9e86ffcb4bff2e6d7b0b5449ed3aab"},
		{"autoland", "08463e1e5b9e"},
		{"autoland", "tip"},
		{"mozilla-central", "3ad2b200fd0eb04772642f9d864b6b1066ac1f52"},
	} {
		p, err := s.Repository(c.repo).Push(ctx, c.rev)
		if err != nil {
			return "", err
		}
		lines = append(lines, fmt.Sprintf("%s %s: %d %s of %d", c.repo, c.rev, p.ID, p.Short(), len(p.Changesets)))
	}
	return strings.Join(lines, "\n"), nil
}

// full are pushes with parents, messages and hashes of git.
func full(ctx context.Context, s *pushlog.Server, _ scene.Target) (string, error) {
	r := job.IDs(45, 46)
	r.Full = true
	all, err := s.Repository("autoland").Pushes(ctx, r)
	var lines []string
	for _, p := range all {
		lines = append(lines, fmt.Sprintf("%d by %s at %s", p.ID, p.User, p.Time.Format(time.DateTime)))
		for _, c := range p.Changesets {
			desc, _, _ := strings.Cut(c.Description, "\n")
			lines = append(lines, fmt.Sprintf("  %s %s %s: %s", c.Node, c.Git, c.Parents, desc))
		}
	}
	return strings.Join(append(lines, graphText(all)), "\n"), err
}

// mergePush is a merge of autoland to mozilla-central, with three backouts in it.
func mergePush(ctx context.Context, s *pushlog.Server, _ scene.Target) (string, error) {
	r := job.IDs(4, 4)
	r.Full = true
	all, err := s.Repository("mozilla-central").Pushes(ctx, r)
	return graphText(all), err
}

// hidden is a push of a changeset that is obsolete, and one that was stripped whole.
func hidden(ctx context.Context, s *pushlog.Server, _ scene.Target) (string, error) {
	l := s.Repository("users/evolve")
	p, err := l.Push(ctx, "9313b2d15a7192e25b14fd94f4aae03e68752915")
	if err != nil {
		return "", err
	}
	r := job.IDs(7, 7)
	r.Full = true
	none, err := l.Pushes(ctx, r)
	return fmt.Sprintf("%d %s\n%d pushes where all changesets are stripped", p.ID, "9313b2d15a71", len(none)), err
}

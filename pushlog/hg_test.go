package pushlog_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/hgtest"
	"github.com/mozci/mozci/internal/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/pushlog"
)

// forest is three real Mercurial repositories that a developer's clone pushes
// to, and the record of what was pushed when.
type forest struct {
	t     *testing.T
	hg    string // what is run
	real  string // Mercurial itself
	dir   string
	dev   string
	heads map[string]string
	log   *hgtest.Server
	clock int64
	next  int
	// pushes are what was pushed, by repository, in order.
	pushes map[string][]pushed
}

type pushed struct {
	id      int64
	date    int64
	nodes   []string
	merges  []string // the merges that were made for it, oldest first
	parents map[string][]string
	origins []string // what origins worked out
	known   bool
}

var forestNames = []string{"mozilla-central", "autoland", "mozilla-inbound"}

func plant(t *testing.T, hg string) *forest {
	f := &forest{
		t: t, hg: hg, real: hg, dir: t.TempDir(), heads: map[string]string{}, log: hgtest.New(), clock: 1_795_000_000, pushes: map[string][]pushed{},
	}
	f.dev = filepath.Join(f.dir, "dev")
	if chg, err := exec.LookPath("chg"); err == nil { // hg with a server of its own, which starts once
		f.hg = chg
		t.Cleanup(func() {
			stop := exec.Command(chg, "--kill-chg-daemon")
			stop.Env = f.env()
			if out, err := stop.CombinedOutput(); err != nil {
				t.Errorf("the command server goes on: %v\n%s", err, out)
			}
		})
	}
	f.run("", "init", f.dev)
	for _, name := range forestNames {
		f.run("", "init", f.path(name))
	}
	f.write("root")
	f.run(f.dev, "commit", "-A", "-m", "Root")
	root := f.node(".")
	for _, name := range forestNames { // all begin with the same changeset
		f.heads[name] = root
		f.push(name, nil)
	}
	return f
}

func (f *forest) path(name string) string { return filepath.Join(f.dir, name) }

// run runs hg in a repository, without the user's own settings.
func (f *forest) run(repo string, args ...string) string {
	f.t.Helper()
	if repo != "" {
		args = append([]string{"-R", repo}, args...)
	}
	cmd := exec.Command(f.hg, append(args, "--config", "ui.username=Dev <dev@mozilla.example>", "--config", "ui.merge=internal:local")...)
	cmd.Env = f.env()
	cmd.Dir = f.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		f.t.Fatalf("hg %q: %v\n%s", args, err, out)
	}
	return string(out)
}

func (f *forest) env() []string {
	return append(os.Environ(), "HGPLAIN=1", "HGRCPATH=", "CHGHG="+f.real, "CHGSOCKNAME="+filepath.Join(f.dir, "chg"))
}

func (f *forest) node(rev string) string {
	return strings.TrimSpace(f.run(f.dev, "log", "-r", rev, "-T", "{node}"))
}

// revs are the nodes of a revset in the developer's clone, which has all.
func (f *forest) revs(set string) []string {
	return strings.Fields(f.run(f.dev, "log", "-r", set, "-T", "{node}\n"))
}

func (f *forest) write(what string) {
	f.next++
	name := filepath.Join(f.dev, fmt.Sprintf("%s-%d", what, f.next))
	if err := os.WriteFile(name, []byte(what), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// push pushes the repository's head to it with hg push, and records what came.
func (f *forest) push(name string, merges []string) {
	before := strings.Count(f.run(f.path(name), "log", "-T", "x"), "x")
	f.run(f.dev, "push", "-q", "-f", "-r", f.heads[name], f.path(name))
	f.clock += 60
	log := f.pushes[name]
	p := pushed{id: int64(len(log)*2 + 1), date: f.clock, merges: merges, parents: map[string][]string{}} // ids have holes
	w := hgtest.Push{Date: f.clock, User: "dev@mozilla.example"}
	out := f.run(f.path(name), "log", "-r", strconv.Itoa(before)+":", "-T", `{node}\t{p1node}\t{p2node}\t{desc|firstline}\n`)
	for line := range strings.Lines(out) {
		c := strings.Split(strings.TrimSpace(line), "\t")
		parents := []string{c[1]}
		if strings.Trim(c[2], "0") != "" {
			parents = append(parents, c[2])
		}
		p.nodes = append(p.nodes, c[0])
		p.parents[c[0]] = parents
		w.Changesets = append(w.Changesets, hgtest.Changeset{Node: c[0], Author: "Dev", Desc: c[3], Parents: parents})
	}
	f.log.Add(pushlog.Path(name), p.id, w)
	f.pushes[name] = append(log, p)
}

// work commits to a repository's head and pushes.
func (f *forest) work(name string, n int) {
	f.run(f.dev, "update", "-q", "-C", f.heads[name])
	for range n {
		f.write(name)
		f.run(f.dev, "commit", "-A", "-q", "-m", fmt.Sprintf("Bug %d - work on %s", f.next, name))
	}
	f.heads[name] = f.node(".")
	f.push(name, nil)
}

// merge merges repositories into another and pushes once; where nothing is to
// merge but the other is behind, it moves forward.
func (f *forest) merge(to string, from ...string) {
	var merges []string
	moved := false
	for _, other := range from {
		a, b := f.heads[other], f.heads[to]
		if a == b || len(f.revs(a+" and ::"+b)) > 0 {
			continue // it has all of it
		}
		if len(f.revs(b+" and ::"+a)) > 0 {
			f.heads[to], moved = a, true
			continue
		}
		f.run(f.dev, "update", "-q", "-C", b)
		f.run(f.dev, "merge", "-q", "-r", a)
		f.run(f.dev, "commit", "-q", "-m", fmt.Sprintf("Merge %s to %s. a=merge", other, to))
		f.heads[to] = f.node(".")
		merges, moved = append(merges, f.heads[to]), true
	}
	if moved {
		f.push(to, merges)
	}
}

// origins is what the record and hg's own revsets say that a push brought:
// "repo: ids" for each merge.
func (f *forest) origins(name string, p *pushed) []string {
	if !p.known {
		p.known, p.origins = true, f.workOut(name, *p)
	}
	return p.origins
}

func (f *forest) workOut(name string, p pushed) []string {
	mine := strings.Join(p.nodes, "+")
	tip := p.nodes[len(p.nodes)-1]
	in := func(n string) bool { return slices.Contains(p.nodes, n) }
	if up := p.parents[tip]; len(up) == 2 && !in(up[0]) && in(up[1]) {
		p.merges = []string{tip} // also where it was made for another repository
	} else if o := f.earliest(name, p, tip, p.nodes); o != "" {
		return []string{o}
	}
	var out []string
	for _, m := range p.merges {
		brought := f.revs(fmt.Sprintf("(::p2(%s) - ::p1(%s)) & (%s)", m, m, mine))
		if len(brought) > 0 {
			out = append(out, f.earliest(name, p, p.parents[m][1], brought))
		}
	}
	return out
}

// earliest is the other repository that had the head first, and its pushes that
// brought the nodes.
func (f *forest) earliest(name string, p pushed, head string, nodes []string) string {
	best, date := "", p.date+1
	for _, other := range forestNames {
		for _, q := range f.pushes[other] {
			if other != name && slices.Contains(q.nodes, head) && q.date < date {
				best, date = other, q.date
			}
		}
	}
	if best == "" {
		return ""
	}
	s := best + ":"
	for _, q := range f.pushes[best] {
		if slices.ContainsFunc(q.nodes, func(n string) bool { return slices.Contains(nodes, n) }) {
			s += fmt.Sprint(" ", q.id)
		}
	}
	return s
}

func originText(o job.Origin) string {
	s := o.Repo + ":"
	for _, p := range o.Pushes {
		s += fmt.Sprint(" ", p.ID)
	}
	if o.Gone {
		s += " gone"
	}
	return s
}

// Random histories in real Mercurial repositories, with merges in both
// directions, several merges in one push, and pushes that only move forward:
// Origins and Walk agree with hg's own graph.
func TestOriginsAgainstRealHg(t *testing.T) {
	hg := testenv.Program(t, "hg", "mercurial")
	pushes, merges, disagreements := 0, 0, 0
	const histories, steps = 5, 16
	for seed := range uint64(histories) {
		rng := rand.New(rand.NewPCG(seed, 5))
		f := plant(t, hg)
		for range steps {
			switch a, b := rng.IntN(3), rng.IntN(3); {
			case rng.IntN(2) == 0 || a == b:
				f.work(forestNames[a], 1+rng.IntN(2))
			case rng.IntN(4) == 0:
				f.merge(forestNames[a], forestNames[b], forestNames[3-a-b])
			default:
				f.merge(forestNames[a], forestNames[b])
			}
		}
		server := newServer(t, f.log)
		for _, name := range forestNames {
			for i := range f.pushes[name][1:] {
				p := &f.pushes[name][i+1]
				pushes++
				merges += len(p.merges)
				got, err := server.Repository(name).Origins(t.Context(), job.Push{Repo: name, ID: p.id, Revision: p.nodes[len(p.nodes)-1]})
				if err != nil {
					t.Fatal(err)
				}
				var have []string
				for _, o := range got {
					have = append(have, originText(o))
					if len(o.Pushes) > 0 && o.Pushes[0].ID > 1 && (o.Before == nil || o.Before.ID != o.Pushes[0].ID-2) {
						t.Errorf("the push before %v is %v", o.Pushes[0], o.Before)
					}
				}
				if d := cmp.Diff(f.origins(name, p), have); d != "" {
					disagreements++
					t.Errorf("history %d, %s push %d (-hg +mozci):\n%s", seed, name, p.id, d)
				}
			}
		}
		disagreements += f.walk(server, seed)
	}
	t.Logf("%d histories, %d pushes, %d merges, %d disagreements", histories, pushes, merges, disagreements)
}

func newServer(t *testing.T, h *hgtest.Server) *pushlog.Server {
	t.Helper()
	s, err := pushlog.New("https://hg.example", &pushlog.Options{HTTP: hgtest.Client(h), Candidates: forestNames})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// walk compares Walk with the same walk over the record; it counts disagreements.
func (f *forest) walk(server *pushlog.Server, seed uint64) int {
	for _, name := range forestNames {
		var got []string
		for v, err := range pushlog.Walk(f.t.Context(), server.Repository(name), "tip", nil) {
			if err != nil || v.Err != nil {
				f.t.Fatal(err, v.Err)
			}
			got = append(got, fmt.Sprint(strings.Repeat("> ", len(v.Path)), v.Push.Repo, " ", v.Push.ID))
		}
		var want []string
		seen := map[string]bool{}
		var visit func(repo string, id int64, depth int)
		visit = func(repo string, id int64, depth int) {
			key := fmt.Sprint(repo, " ", id)
			if seen[key] {
				return
			}
			seen[key] = true
			want = append(want, strings.Repeat("> ", depth)+key)
			p := &f.pushes[repo][(id-1)/2]
			if !p.hasMerge() {
				return
			}
			for _, o := range slices.Backward(f.origins(repo, p)) {
				from, ids, _ := strings.Cut(o, ":")
				for _, s := range slices.Backward(strings.Fields(ids)) {
					n, err := strconv.ParseInt(s, 10, 64)
					if err != nil {
						f.t.Fatal(err)
					}
					visit(from, n, depth+1)
				}
			}
		}
		for _, p := range slices.Backward(f.pushes[name]) {
			visit(name, p.id, 0)
		}
		if d := cmp.Diff(want, got); d != "" {
			f.t.Errorf("history %d, walk of %s (-record +mozci):\n%s", seed, name, d)
			return 1
		}
	}
	return 0
}

// hasMerge: Walk follows pushes that hold a merge, also one that came with a
// move forward.
func (p *pushed) hasMerge() bool {
	for _, parents := range p.parents {
		if len(parents) == 2 {
			return true
		}
	}
	return false
}

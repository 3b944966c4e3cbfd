package pushlog_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/pushlog"
)

// oracle says what is right by the record of what was pushed and by hg itself.
type oracle struct {
	*hgtest.Forest
	t     *testing.T
	known map[*hgtest.Pushed][]string
}

// origins is what the record and hg's own revsets say that a push brought:
// "repo: ids" for each merge.
func (f *oracle) origins(name string, p *hgtest.Pushed) []string {
	if _, ok := f.known[p]; !ok {
		f.known[p] = f.workOut(name, *p)
	}
	return f.known[p]
}

func (f *oracle) workOut(name string, p hgtest.Pushed) []string {
	return f.came(name, p, p.Nodes[len(p.Nodes)-1], p.Nodes, true)
}

// came is what the package comment of Origins says, in revsets: of what is below
// a head, the part of the newest changeset on the line of first parents that
// another repository had; and of the rest the merges, each in the same way.
func (f *oracle) came(name string, p hgtest.Pushed, head string, nodes []string, own bool) []string {
	in := func(n string) bool { return slices.Contains(nodes, n) }
	var out []string
	for n := head; in(n); n = p.Parents[n][0] {
		if up := p.Parents[n]; own && len(up) == 2 && !in(up[0]) && in(up[1]) {
			break // a merge into what was there, wherever it was made
		}
		if f.earliest(name, p, n, nil) == "" {
			continue
		}
		part := f.Revs(fmt.Sprintf("(::%s) & (%s)", n, strings.Join(nodes, "+")))
		o := f.earliest(name, p, n, part)
		if out = append(out, o); n == head {
			return out
		}
		nodes = slices.DeleteFunc(slices.Clone(nodes), func(n string) bool { return slices.Contains(part, n) })
		break
	}
	if len(nodes) == 0 {
		return out
	}
	mine := strings.Join(nodes, "+")
	inside := map[string]bool{}
	var later [][]string
	for _, m := range slices.Backward(p.Nodes) { // newest first
		if len(p.Parents[m]) != 2 || inside[m] || !slices.Contains(nodes, m) {
			continue
		}
		second := p.Parents[m][1]
		brought := f.Revs(fmt.Sprintf("(::p2(%s) - ::p1(%s)) & (%s)", m, m, mine))
		if len(brought) == 0 && !slices.Contains(nodes, second) {
			second = p.Parents[m][0]
			brought = f.Revs(fmt.Sprintf("(::p1(%s) - ::p2(%s)) & (%s)", m, m, mine))
		}
		if len(brought) == 0 {
			continue
		}
		for _, n := range brought {
			inside[n] = true
		}
		later = append(later, f.came(name, p, second, brought, false))
	}
	for _, o := range slices.Backward(later) {
		out = append(out, o...)
	}
	return out
}

// accounted checks the answer itself by revsets: every changeset of the push
// that another repository had before is in a push that is named.
func (f *oracle) accounted(name string, p hgtest.Pushed, origins []job.Origin) {
	named := map[string]bool{}
	for _, o := range origins {
		for _, q := range o.Pushes {
			for _, c := range q.Changesets {
				named[c.Node] = true
			}
		}
	}
	tip := p.Nodes[len(p.Nodes)-1]
	for _, other := range hgtest.ForestNames {
		for _, q := range f.Pushes[other] {
			for _, n := range q.Nodes {
				merge := len(p.Parents[n]) == 2
				if other != name && q.Date <= p.Date && slices.Contains(p.Nodes, n) && !named[n] &&
					(!merge || !f.mergesIn(p, n)) {
					f.t.Errorf("%s push %d (%.12s): %.12s came from %s push %d, which is not named", name, p.ID, tip, n,
						other, q.ID)
				}
			}
		}
	}
}

// mergesIn reports whether a merge is of what the repository had before: it is
// taken for the repository's own, and so is not what it brought.
func (f *oracle) mergesIn(p hgtest.Pushed, node string) bool {
	return !slices.Contains(p.Nodes, p.Parents[node][0])
}

// earliest is the other repository that had the head first, and its pushes that
// brought the nodes.
func (f *oracle) earliest(name string, p hgtest.Pushed, head string, nodes []string) string {
	best, date := "", p.Date+1
	for _, other := range hgtest.ForestNames {
		for _, q := range f.Pushes[other] {
			if other != name && slices.Contains(q.Nodes, head) && q.Date < date {
				best, date = other, q.Date
			}
		}
	}
	if best == "" {
		return ""
	}
	s := best + ":"
	for _, q := range f.Pushes[best] {
		if slices.ContainsFunc(q.Nodes, func(n string) bool { return slices.Contains(nodes, n) }) {
			s += fmt.Sprint(" ", q.ID)
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

// step does something at random.
func (f *oracle) step(rng *rand.Rand) {
	a, b := rng.IntN(3), rng.IntN(3)
	if rng.IntN(5) < 2 || a == b {
		f.Work(hgtest.ForestNames[a], 1+rng.IntN(2))
		return
	}
	to, from, third := hgtest.ForestNames[a], hgtest.ForestNames[b], hgtest.ForestNames[3-a-b]
	switch rng.IntN(8) {
	case 0, 1:
		f.Merge(to, from, third)
	case 2:
		f.Advance(to, 1+rng.IntN(2), from)
	case 3:
		f.Advance(to, 1+rng.IntN(2), from, third)
	case 4:
		f.Adopt(to, from, 1+rng.IntN(2))
	case 5:
		f.Join(to, from)
	default:
		f.Merge(to, from)
	}
}

// Random histories in real Mercurial repositories, with merges in both
// directions, several merges in one push, pushes that only move forward, and
// pushes that do that and more, merge or commit on top: Origins and Walk agree
// with hg's own graph, and everything that came is named.
func TestOriginsAgainstRealHg(t *testing.T) {
	hg := testenv.Program(t, "hg", "mercurial")
	pushes, merges, disagreements := 0, 0, 0
	const histories, steps = 5, 16
	for seed := range uint64(histories) {
		rng := rand.New(rand.NewPCG(seed, 5))
		f := &oracle{hgtest.Plant(t, hg, pushlog.Path), t, map[*hgtest.Pushed][]string{}}
		for range steps {
			f.step(rng)
		}
		server := newServer(t, f.Log)
		for _, name := range hgtest.ForestNames {
			for i := range f.Pushes[name][1:] {
				p := &f.Pushes[name][i+1]
				pushes++
				merges += len(p.Merges)
				got, err := server.Repository(name).Origins(t.Context(),
					job.Push{Repo: name, ID: p.ID, Revision: p.Nodes[len(p.Nodes)-1]})
				if err != nil {
					t.Fatal(err)
				}
				f.accounted(name, *p, got)
				var have []string
				for _, o := range got {
					have = append(have, originText(o))
					if len(o.Pushes) > 0 && o.Pushes[0].ID > 1 && (o.Before == nil || o.Before.ID != o.Pushes[0].ID-2) {
						t.Errorf("the push before %v is %v", o.Pushes[0], o.Before)
					}
				}
				if d := cmp.Diff(f.origins(name, p), have); d != "" {
					disagreements++
					t.Errorf("history %d, %s push %d (-hg +mozci):\n%s", seed, name, p.ID, d)
				}
			}
		}
		disagreements += f.walk(server, seed)
	}
	t.Logf("%d histories, %d pushes, %d merges, %d disagreements", histories, pushes, merges, disagreements)
}

func newServer(t *testing.T, h *hgtest.Server) *pushlog.Server {
	t.Helper()
	s, err := pushlog.New("https://hg.example",
		&pushlog.Options{HTTP: hgtest.Client(h), Candidates: hgtest.ForestNames})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// walk compares Walk with the same walk over the record; it counts disagreements.
func (f *oracle) walk(server *pushlog.Server, seed uint64) int {
	for _, name := range hgtest.ForestNames {
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
			p := &f.Pushes[repo][(id-1)/2]
			if !p.HasMerge() {
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
		for _, p := range slices.Backward(f.Pushes[name]) {
			visit(name, p.ID, 0)
		}
		if d := cmp.Diff(want, got); d != "" {
			f.t.Errorf("history %d, walk of %s (-record +mozci):\n%s", seed, name, d)
			return 1
		}
	}
	return 0
}

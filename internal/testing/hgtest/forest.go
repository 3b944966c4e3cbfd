package hgtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Forest is three real Mercurial repositories that a developer's clone pushes
// to, and the record of what was Pushed when.
type Forest struct {
	t     testing.TB
	place func(string) string
	hg    string // what is run
	real  string // Mercurial itself
	dir   string
	dev   string
	heads map[string]string
	// Log is a pushlog server that knows what was pushed.
	Log   *Server
	clock int64
	next  int
	// Pushes are what was Pushed, by repository, in order.
	Pushes map[string][]Pushed
}

// Pushed is one push of the record.
type Pushed struct {
	ID      int64
	Date    int64
	Nodes   []string // oldest first
	Merges  []string // the merges that were made for it, oldest first
	Parents map[string][]string
}

// began is when a Forest is planted.
const began = 1_795_000_000

// ForestNames are the repositories of a Forest.
var ForestNames = []string{"mozilla-central", "autoland", "mozilla-inbound"}

// Plant makes the repositories; hg is Mercurial's program, and path says where
// a pushlog server has a repository by name.
func Plant(t testing.TB, hg string, path func(string) string) *Forest {
	f := &Forest{
		t: t, place: path, hg: hg, real: hg, dir: t.TempDir(), heads: map[string]string{}, Log: New(),
		clock: began, Pushes: map[string][]Pushed{},
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
	for _, name := range ForestNames {
		f.run("", "init", f.folder(name))
	}
	f.write("root")
	f.run(f.dev, "commit", "-A", "-m", "Root")
	root := f.node(".")
	for _, name := range ForestNames { // all begin with the same changeset
		f.heads[name] = root
		f.push(name, nil)
	}
	return f
}

func (f *Forest) folder(name string) string { return filepath.Join(f.dir, name) }

// run runs hg in a repository, without the user's own settings. All changesets are of
// one time, so that the same steps give the same hashes.
func (f *Forest) run(repo string, args ...string) string {
	f.t.Helper()
	if repo != "" {
		args = append([]string{"-R", repo}, args...)
	}
	args = append(args, "--config", "ui.username=Dev <dev@mozilla.example>", "--config", "ui.merge=internal:local",
		"--config", fmt.Sprintf("devel.default-date=%d 0", began))
	cmd := exec.Command(f.hg, args...)
	cmd.Env = f.env()
	cmd.Dir = f.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		f.t.Fatalf("hg %q: %v\n%s", args, err, out)
	}
	return string(out)
}

func (f *Forest) env() []string {
	return append(os.Environ(), "HGPLAIN=1", "HGRCPATH=", "CHGHG="+f.real, "CHGSOCKNAME="+filepath.Join(f.dir, "chg"))
}

func (f *Forest) node(rev string) string {
	return strings.TrimSpace(f.run(f.dev, "log", "-r", rev, "-T", "{node}"))
}

// Revs are the nodes of a revset in the developer's clone, which has all.
func (f *Forest) Revs(set string) []string {
	return strings.Fields(f.run(f.dev, "log", "-r", set, "-T", "{node}\n"))
}

func (f *Forest) write(what string) {
	f.next++
	name := filepath.Join(f.dev, fmt.Sprintf("%s-%d", what, f.next))
	if err := os.WriteFile(name, []byte(what), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// push pushes the repository's head to it with hg push, and records what came.
func (f *Forest) push(name string, merges []string) {
	before := strings.Count(f.run(f.folder(name), "log", "-T", "x"), "x")
	f.run(f.dev, "push", "-q", "-f", "-r", f.heads[name], f.folder(name))
	f.clock += 60
	log := f.Pushes[name]
	// Ids have holes.
	p := Pushed{ID: int64(len(log)*2 + 1), Date: f.clock, Merges: merges, Parents: map[string][]string{}}
	w := Push{Date: f.clock, User: "dev@mozilla.example"}
	out := f.run(f.folder(name), "log", "-r", strconv.Itoa(before)+":", "-T",
		`{node}\t{p1node}\t{p2node}\t{desc|firstline}\n`)
	for line := range strings.Lines(out) {
		c := strings.Split(strings.TrimSpace(line), "\t")
		parents := []string{c[1]}
		if strings.Trim(c[2], "0") != "" {
			parents = append(parents, c[2])
		}
		p.Nodes = append(p.Nodes, c[0])
		p.Parents[c[0]] = parents
		w.Changesets = append(w.Changesets, Changeset{Node: c[0], Author: "Dev", Desc: c[3], Parents: parents})
	}
	f.Log.Add(f.place(name), p.ID, w)
	f.Pushes[name] = append(log, p)
}

// Work commits to a repository's head and pushes.
func (f *Forest) Work(name string, n int) {
	f.heads[name] = f.commit(f.heads[name], name, n)
	f.push(name, nil)
}

// commit commits on top of a changeset; it returns the last one.
func (f *Forest) commit(on, what string, n int) string {
	f.run(f.dev, "update", "-q", "-C", on)
	for range n {
		f.write(what)
		f.run(f.dev, "commit", "-A", "-q", "-m", fmt.Sprintf("Bug %d - work on %s", f.next, what))
	}
	return f.node(".")
}

// merge merges a second changeset into a first; it returns the merge.
func (f *Forest) merge(first, second, message string) string {
	f.run(f.dev, "update", "-q", "-C", first)
	f.run(f.dev, "merge", "-q", "-r", second)
	f.run(f.dev, "commit", "-q", "-m", message)
	return f.node(".")
}

// Advance brings a repository to others' heads, as Merge does, commits on top,
// and pushes once: that push has work of its own and what came before it.
func (f *Forest) Advance(to string, n int, from ...string) {
	merges, _ := f.bring(to, from)
	f.heads[to] = f.commit(f.heads[to], to, n)
	f.push(to, merges)
}

// Adopt commits on top of another repository's head, merges that, and pushes
// once: the merged changeset is no repository's head, but contains another one's.
func (f *Forest) Adopt(to, from string, n int) {
	work := f.commit(f.heads[from], to, n)
	if f.isAncestor(f.heads[to], work) {
		f.heads[to] = work
		f.push(to, nil)
		return
	}
	f.heads[to] = f.merge(f.heads[to], work, "Merge heads")
	f.push(to, []string{f.heads[to]})
}

// Join merges a repository's head into another's, the other's being the first
// parent, and pushes that.
func (f *Forest) Join(to, from string) {
	if f.isAncestor(f.heads[from], f.heads[to]) || f.isAncestor(f.heads[to], f.heads[from]) {
		return
	}
	f.heads[to] = f.merge(f.heads[from], f.heads[to], "Merge heads")
	f.push(to, []string{f.heads[to]})
}

// isAncestor reports whether a changeset descends from another, or is it.
func (f *Forest) isAncestor(old, young string) bool {
	return old == young || len(f.Revs(old+" and ::"+young)) > 0
}

// Merge merges repositories into another and pushes once; where nothing is to
// merge but the other is behind, it moves forward.
func (f *Forest) Merge(to string, from ...string) {
	if merges, moved := f.bring(to, from); moved {
		f.push(to, merges)
	}
}

// bring brings a repository's head to what others have.
func (f *Forest) bring(to string, from []string) (merges []string, moved bool) {
	for _, other := range from {
		a, b := f.heads[other], f.heads[to]
		if f.isAncestor(a, b) {
			continue // it has all of it
		}
		if f.isAncestor(b, a) {
			f.heads[to], moved = a, true
			continue
		}
		f.heads[to] = f.merge(b, a, fmt.Sprintf("Merge %s to %s. a=merge", other, to))
		merges, moved = append(merges, f.heads[to]), true
	}
	return merges, moved
}

// HasMerge reports whether one of its changesets is a merge.
func (p Pushed) HasMerge() bool {
	for _, parents := range p.Parents {
		if len(parents) == 2 {
			return true
		}
	}
	return false
}

// Package jobtest holds a CI in memory and the kits that tell whether an
// implementation of package job's contracts keeps them.
//
// Start with [ParseWorld], which reads a history written as text, and [NewCI],
// which serves it through every contract of package job with a virtual clock:
// examples, demos and tests then need no network and never sleep.
// [CheckRepository] and [CheckScheduler] are the kits; [Slow], [Failing],
// [Truncated] and [Duplicated] make a good CI misbehave; [RepositoryMutants]
// and [SchedulerMutants] are broken implementations that the kits must catch.
//
// # A world as text
//
// A world is lines of words. A line that begins with # is a comment. The grid
// is the history: columns are labels, rows are pushes, oldest first.
//
//	push      linux64/opt/xpcshell-1   linux64/opt/reftest-3
//	17 a1c0   pass                     pass
//	18 b2d1   -                        fail*2
//	19 c3e2   pending                  pass,fail
//	20 d4f3   fail                     pass:no-test
//
// A row is a push id, a revision of 4 to 40 hexadecimal digits (shorter than
// 40, it is completed from the SHA-1 of "repo:id"), and one cell for each
// label. A cell is - when the label did not run, or runs with commas between:
// a word, then *N for N such runs, then flags. The words are those of
// [job.Status], and pass and fail for success and test_failed. The flags are
//
//	pass:no-test     the job ran, but not the test that one looks for
//	pass:expired     the files of this run (a build) are gone
//
// In place of its cells a row may say why it has none:
//
//	21 e5a4   not-scheduled     a push that has no decision task, or its like
//	22 -      stripped          a push whose changesets are all gone
//
// After the cells a row may have attributes:
//
//	user=someone@mozilla.example
//	merge=autoland:17..20       it merges these pushes of that repository
//	undoes=18                   it backs out that push of its own repository
//
// The other lines, each at most once for what it names, come before the grid
// that they speak of:
//
//	repo mozilla-central                      the pushes that follow are of this repository (autoland)
//	start 2026-01-05T00:00:00Z                when the first push was made
//	every 10m                                 the time from push to push
//	seed 7                                    for the draws of later runs
//	kind linux64/opt/smoke build              what the name does not say: build, test, perf or other
//	needs linux64/opt/xpcshell-1 linux64/opt/build    builds whose files a label needs
//	can linux64/opt/marionette                labels that can run though no column shows them
//	takes linux64/opt/build 40m               how long a run takes (30m)
//	runs linux64/opt-m-1 dom/a.toml b.toml    the test manifests that a label runs
//	runs linux64/opt-m-1 from=19 dom/c.toml   the same, from push 19 on
//	truth linux64/opt/xpcshell-1 culprit=19 before=0.01 after=1    how later runs end
//
// The truth is what the history hides: a run that is triggered later, or that
// is still waiting in the grid, fails with probability after on the culprit and
// every newer push of the repository, and before on the older ones; infra=P
// makes it an exception first. The draw depends on the seed, the push, the
// label and how many runs there were, and on nothing else. Without a truth
// every later run succeeds.
package jobtest

import (
	"crypto/sha1" // #nosec G505 -- a name for a revision, as hg makes them; not a secret
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

// World is a CI history and the truth behind it; see the package comment for
// how it is written. A World is immutable: each [CI] over it has its own state.
type World struct {
	seed  uint64
	start time.Time
	every time.Duration
	repos []*repo
}

type repo struct {
	name   string
	labels []string // columns, in order
	can    []string // catalog labels without a column
	kinds  map[string]job.Kind
	needs  map[string][]string
	takes  map[string]time.Duration
	truths map[string]truth
	runs   map[string][]running
	pushes []*push // ascending
}

type push struct {
	job.Push
	scheduled bool
	cells     map[string][]cellRun
	merges    []merge
	undoes    int64 // 0 for none
	word      string
	user      string
}

type cellRun struct {
	status  job.Status
	noTest  bool
	expired bool
}

// running is what a label runs from a push on.
type running struct {
	from      int64
	manifests []string
}

type merge struct {
	repo        string
	first, last int64
}

type truth struct {
	culprit              int64
	before, after, infra float64
}

const (
	defaultRepo  = "autoland"
	defaultEvery = 10 * time.Minute
	defaultTakes = 30 * time.Minute
	defaultUser  = "someone@mozilla.example"
)

var defaultStart = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

func newRepo(name string) *repo {
	return &repo{
		name: name, kinds: map[string]job.Kind{}, needs: map[string][]string{},
		takes: map[string]time.Duration{}, truths: map[string]truth{}, runs: map[string][]running{},
	}
}

// Repositories are the names of the world's repositories, in order.
func (w *World) Repositories() []string {
	names := make([]string, len(w.repos))
	for i, r := range w.repos {
		names[i] = r.name
	}
	return names
}

// Pushes are the pushes of a repository, ascending, with their changesets; nil
// when the world has no such repository.
func (w *World) Pushes(repo string) []job.Push {
	r := w.repo(repo)
	if r == nil {
		return nil
	}
	all := make([]job.Push, len(r.pushes))
	for i, p := range r.pushes {
		all[i] = clonePush(p.Push)
	}
	return all
}

// Labels are the labels that can run in a repository: the columns first.
func (w *World) Labels(repo string) []string {
	r := w.repo(repo)
	if r == nil {
		return nil
	}
	return append(append([]string(nil), r.labels...), r.can...)
}

func (w *World) repo(name string) *repo {
	for _, r := range w.repos {
		if r.name == name {
			return r
		}
	}
	return nil
}

func (r *repo) has(label string) bool {
	for _, l := range r.labels {
		if l == label {
			return true
		}
	}
	for _, l := range r.can {
		if l == label {
			return true
		}
	}
	return false
}

func (r *repo) push(id int64) *push {
	for _, p := range r.pushes {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// kind is what the world says of the label, or what its name suggests.
func (r *repo) kind(label string) job.Kind {
	if k, ok := r.kinds[label]; ok {
		return k
	}
	return guessKind(label)
}

func guessKind(label string) job.Kind {
	l := strings.ToLower(label)
	switch {
	case job.NamesPerf(label):
		return job.KindPerf
	case strings.Contains(l, "build"):
		return job.KindBuild
	}
	return job.KindTest
}

// revision completes a short word to 40 digits.
func revision(repo string, id int64, word string) string {
	sum := sha1.Sum(fmt.Appendf(nil, "%s:%d", repo, id)) // #nosec G401 -- see the import
	return (word + hex.EncodeToString(sum[:]))[:40]
}

func clonePush(p job.Push) job.Push {
	p.Changesets = append([]job.Changeset(nil), p.Changesets...)
	for i := range p.Changesets {
		p.Changesets[i].Parents = append([]string(nil), p.Changesets[i].Parents...)
	}
	return p
}

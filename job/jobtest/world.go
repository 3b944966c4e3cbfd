package jobtest

import (
	"cmp"
	"crypto/sha1" // #nosec G505 -- a name for a revision, as hg makes them; not a secret
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

// World is a CI history and the truth behind it; see the package comment for
// how it is written. A World is immutable: each [CI] over it has its own state.
type World struct {
	seed  uint64
	start time.Time     // of the first push of each repository
	every time.Duration // from push to push
	repos []*repo       // in the order of the text
}

// repo is a repository of a world. The maps are by label, but for lists, which is by manifest.
type repo struct {
	name   string
	labels []string                 // columns, in order
	can    []string                 // catalog labels without a column
	kinds  map[string]job.Kind      // as the world says; see kind
	needs  map[string][]string      // the builds whose files the label needs; these need nothing themselves
	takes  map[string]time.Duration // see duration
	truths map[string]truth
	runs   map[string][]running // in the order of the text; see manifests
	lists  map[string][]string  // the tests of a manifest
	tests  map[string][]string  // of a label: those that fail somewhere, by name
	pushes []*push              // ascending
}

// push is a row of the grid.
type push struct {
	job.Push
	scheduled bool                 // false for not-scheduled and stripped ones
	cells     map[string][]cellRun // by label; a label that did not run has no entry
	merges    []merge
	undoes    int64  // the id of the push that it backs out; 0 for none
	word      string // the revision as the text has it, in lower case; "-" for a stripped one
	user      string // of user=; empty for none, and Push.User is the default then
}

// cellRun is one run of a cell: "fail*2" gives two.
type cellRun struct {
	status  job.Status
	item    int // which of the words of its cell, which commas separate
	noTest  bool
	expired bool
	value   *float64 // what it measured; nil for nothing
	sig     string   // the test that fails; empty for the usual one
	by      string   // who triggered it; empty when it came with the push
	class   string   // a word of classes; empty for none
}

// running is what a label runs from a push on; from is 0 for all pushes.
type running struct {
	from      int64
	manifests []string
}

// merge is the pushes first to last of another repository, both included.
type merge struct {
	repo        string
	first, last int64
}

// truth is how later runs of a label end: see the package comment. The numbers are probabilities
// from 0 to 1.
type truth struct {
	culprit, until       int64 // until is 0 for a break that lasts
	before, after, infra float64
	other                float64 // the probability that a run that does not fail otherwise fails in otherTest
	sig, flake           string  // the tests that fail since the culprit, and otherwise
	values               *values // what runs measure; nil for nothing
}

// broken reports whether the truth's break is in a push. With culprit=19 until=23 these are 19 to
// 22.
func (t truth) broken(id int64) bool { return id >= t.culprit && (t.until == 0 || id < t.until) }

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
		lists: map[string][]string{},
		tests: map[string][]string{},
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

// repo is the repository with a name; nil for none.
func (w *World) repo(name string) *repo {
	for _, r := range w.repos {
		if r.name == name {
			return r
		}
	}
	return nil
}

// has reports whether a label can run in the repository.
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

// push is the push with an id; nil for none.
func (r *repo) push(id int64) *push {
	if i := r.index(id); i >= 0 {
		return r.pushes[i]
	}
	return nil
}

// index is where the push is in pushes, which are sorted by id; -1 when there is none.
func (r *repo) index(id int64) int {
	i, ok := slices.BinarySearchFunc(r.pushes, id, func(p *push, id int64) int { return cmp.Compare(p.ID, id) })
	if !ok {
		return -1
	}
	return i
}

// kind is what the world says of the label, or what its name suggests. What others need
// is a build, where the world does not say otherwise.
func (r *repo) kind(label string) job.Kind {
	if k, ok := r.kinds[label]; ok {
		return k
	}
	return guessKind(label)
}

// guessKind is the kind that a name suggests: linux64/opt/talos-tp5o is perf, linux64/opt/build a
// build, and everything else a test.
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

// revision completes a short word to 40 digits: "a1c0" of push 17 of autoland is a1c0 and the first
// 36 digits of the SHA-1 of "autoland:17".
func revision(repo string, id int64, word string) string {
	sum := sha1.Sum(fmt.Appendf(nil, "%s:%d", repo, id)) // #nosec G401 -- see the import
	return (word + hex.EncodeToString(sum[:]))[:40]
}

// clonePush copies a push with its changesets, so that callers may write into it.
func clonePush(p job.Push) job.Push {
	p.Changesets = append([]job.Changeset(nil), p.Changesets...)
	for i := range p.Changesets {
		p.Changesets[i].Parents = append([]string(nil), p.Changesets[i].Parents...)
	}
	return p
}

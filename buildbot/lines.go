package buildbot

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

// line is one branch of one repository, as the master has it: what pushes and
// runs are of.
type line struct {
	repo     string // the name by which it was asked for
	branch   string // empty: the default one, for which the master has no name
	codebase string
	clear    bool   // codebase is known; otherwise any is meant
	place    string // the last part of the repository's address; empty: any
	main     bool   // builds that name no branch are of it
	loose    bool   // the master did not show it: its name is taken as it is, or as the end of a path
}

// sight is a source that the master has changes or builds of.
type sight struct {
	branch, codebase, place string
	change                  bool
}

// placeOf is the last part of a repository's address, by which clones and
// mirrors of one repository are the same.
func placeOf(repository string) string {
	s := strings.TrimRight(strings.ReplaceAll(repository, "\\", "/"), "/")
	s = s[strings.LastIndexAny(s, "/:")+1:]
	return strings.TrimSuffix(s, ".git")
}

func sightOf(c change) sight { return sight{c.Branch, c.Codebase, placeOf(c.Repository), true} }

// sights are the sources of changes and of buildsets, each once. A try build's
// base says nothing of where pushes are.
func sights(changes []change, sets []Buildset) []sight {
	var out []sight
	add := func(s sight) {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for _, c := range changes {
		add(sightOf(c))
	}
	for _, set := range sets {
		if patched(set) {
			continue
		}
		for _, ss := range set.SourceStamps {
			add(sight{ss.Branch, ss.Codebase, placeOf(ss.Repository), false})
		}
	}
	return out
}

// patched reports whether a buildset is of "buildbot try": its sources are not
// those of a push.
func patched(s Buildset) bool {
	return slices.ContainsFunc(s.SourceStamps, func(ss SourceStamp) bool { return ss.Patch != nil })
}

// defaultNames are what people call the branch for which a version control system
// has no name of its own.
var defaultNames = []string{"default", "main", "master", "trunk"}

func isDefault(branch string) bool { return branch == "" || slices.Contains(defaultNames, branch) }

// chooseBranch is the branch with a name, of those that the master was seen to
// have: the one that is called so, or else the one whose path ends with it, as
// integration/autoland does with autoland. Changes without a branch are of the
// default one, and of the only one there is; exact says that the name is a
// branch's, and not only a repository's.
func chooseBranch(name string, exact bool, seen []string) (string, error) {
	if slices.Contains(seen, name) {
		return name, nil
	}
	nameless := slices.Contains(seen, "")
	if nameless && isDefault(name) {
		return "", nil
	}
	var ends []string
	for _, b := range seen {
		if strings.HasSuffix(b, "/"+name) && name != "" {
			ends = append(ends, b)
		}
	}
	slices.Sort(ends)
	switch {
	case len(ends) == 1:
		return ends[0], nil
	case len(ends) > 1:
		return "", fmt.Errorf("%w: several branches end with /%s: %s; name one with --branch",
			job.ErrInvalid, name, strings.Join(ends, ", "))
	case nameless && len(seen) == 1 && !exact:
		return "", nil
	}
	return "", fmt.Errorf("%w: no branch %q; branches seen: %s", errNoLine, name, branchList(seen))
}

// branchList is a list of branches for people, not too long.
func branchList(seen []string) string {
	const most = 20
	names := slices.Sorted(slices.Values(seen))
	if len(names) > 0 && names[0] == "" {
		names[0] = "(without a name)"
	}
	more := ""
	if len(names) > most {
		more = fmt.Sprintf(" and %d more", len(names)-most)
		names = names[:most]
	}
	return strings.Join(names, ", ") + more
}

// branches are the branches of sights, each once.
func branches(all []sight) []string {
	set := map[string]bool{}
	for _, s := range all {
		set[s.branch] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// newLine is the line of a branch, as sights tell: of which codebase it is, and
// whether repositories must be told apart. What is not clear is an error, which
// lists what there is; the line then is of any codebase.
func newLine(repo, branch, codebase string, all []sight) (line, error) {
	l := line{repo: repo, branch: branch, codebase: codebase, clear: codebase != ""}
	named := slices.DeleteFunc(branches(all), func(b string) bool { return b == "" })
	l.main = isDefault(branch) || len(named) == 1
	codebases, places := map[string]bool{}, map[string]bool{}
	for _, s := range all {
		if s.branch == branch {
			codebases[s.codebase] = true
		}
	}
	if !l.clear && len(codebases) > 1 {
		return l, fmt.Errorf("%w: branch %s has several codebases: %s; name one with --codebase",
			job.ErrInvalid, orNameless(branch), codebaseList(codebases))
	}
	for c := range codebases {
		if !l.clear {
			l.codebase, l.clear = c, true
		}
	}
	for _, s := range all {
		if s.branch == branch && s.codebase == l.codebase && s.place != "" {
			places[s.place] = true
		}
	}
	switch {
	case len(places) < 2:
	case places[repo]:
		l.place = repo
	default:
		return l, fmt.Errorf("%w: branch %s is there in several repositories: %s; "+
			"name one with --repo, and the branch with --branch",
			job.ErrInvalid, orNameless(branch), strings.Join(slices.Sorted(maps.Keys(places)), ", "))
	}
	return l, nil
}

func orNameless(branch string) string {
	if branch == "" {
		return "(without a name)"
	}
	return branch
}

func codebaseList(set map[string]bool) string {
	names := slices.Sorted(maps.Keys(set))
	for i, n := range names {
		if n == "" {
			names[i] = `""`
		}
	}
	return strings.Join(names, ", ")
}

// holds reports whether what is of a branch, codebase and repository is of the
// line.
func (l line) holds(branch, codebase, repository string) bool {
	same := branch == l.branch || l.loose && strings.HasSuffix(branch, "/"+l.branch)
	if !same || l.clear && codebase != l.codebase {
		return false
	}
	place := placeOf(repository)
	return l.place == "" || place == "" || place == l.place
}

// stamps are the source stamps of a buildset that say which push of the line it
// is of: mostly one or none.
func (l line) stamps(s Buildset) []SourceStamp {
	if patched(s) {
		return nil
	}
	var out []SourceStamp
	for _, ss := range s.SourceStamps {
		if l.holds(ss.Branch, ss.Codebase, ss.Repository) || ss.Branch == "" && l.main &&
			l.holds(l.branch, ss.Codebase, ss.Repository) {
			out = append(out, ss)
		}
	}
	return out
}

// sameRevision reports whether two revisions are the same: hashes by their
// beginning, as one may be given in 12 digits; others, such as Subversion's
// numbers, as a whole.
func sameRevision(a, b string) bool { return a != "" && (a == b || job.SameRevision(a, b)) }

// parseRevision reads what a person may name a revision by: a hash of 12 digits or
// more, a number, as Subversion and Perforce have, or tip.
func parseRevision(rev string) (string, error) {
	const digits = 18
	if rev != "" && len(rev) <= digits && strings.Trim(rev, "0123456789") == "" {
		return rev, nil
	}
	return job.ParseRevision(rev)
}

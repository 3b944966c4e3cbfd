package buildbot

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

// line is one branch of one repository, as the master knows it. Pushes and runs belong to a
// line.
type line struct {
	repo     string // the repository's name, as the caller gave it
	branch   string // "" is the default branch, for which the master has no name
	codebase string
	clear    bool   // codebase is known; otherwise any codebase fits
	place    string // the last part of the repository's address; "" fits any
	main     bool   // builds that name no branch belong to it
	loose    bool   // the master did not show it: branch may be the whole name or the end of a path
}

// sight is a source of which the master was seen to have changes or builds.
type sight struct {
	branch, codebase, place string // as in line; place as placeOf gives it
	change                  bool   // it comes from a change, not from a build
}

// placeOf is the last part of a repository's address: "lib" for https://example.org/lib.git
// and for git@host:team/lib/. By it, clones and mirrors of a repository count as the same.
func placeOf(repository string) string {
	s := strings.TrimRight(strings.ReplaceAll(repository, "\\", "/"), "/")
	s = s[strings.LastIndexAny(s, "/:")+1:]
	return strings.TrimSuffix(s, ".git")
}

func sightOf(c change) sight { return sight{c.Branch, c.Codebase, placeOf(c.Repository), true} }

// sights returns the sources of changes and buildsets, each once. Try builds do not count,
// since their base tells nothing about pushes.
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

// patched reports whether a buildset is of "buildbot try": it builds a patch, and so belongs
// to no push.
func patched(s Buildset) bool {
	return slices.ContainsFunc(s.SourceStamps, func(ss SourceStamp) bool { return ss.Patch != nil })
}

// defaultNames are the names that people use for the default branch when the version control
// system has no name for it.
var defaultNames = []string{"default", "main", "master", "trunk"}

func isDefault(branch string) bool { return branch == "" || slices.Contains(defaultNames, branch) }

// chooseBranch returns the branch that a name means, among those that the master was seen to
// have: the one with exactly this name, or else the one whose path ends with it, as
// integration/autoland ends with autoland. Changes without a branch belong to the default
// branch; and when there are no others, to any repository. exact says that the name is that of
// a branch, so the last rule does not apply.
//
//	name       seen                                        chosen
//	autoland   integration/autoland, autoland              the latter
//	autoland   releases/esr, integration/autoland          the latter
//	autoland   integration/autoland, project/autoland      error: several
//	main       "", stable                                  "", as main is a name for the default branch
//	app        ""                                          "", unless exact
//	app        stable                                      errNoLine
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

// branchList lists branches for people, 20 at most.
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

// branches returns the branches of sights, sorted, each once.
func branches(all []sight) []string {
	set := map[string]bool{}
	for _, s := range all {
		set[s.branch] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// newLine makes the line of a branch. The sights tell its codebase, and whether several
// repositories have such a branch. When the codebase or the repository is not clear, the error
// lists the choices, and the line that comes with it fits any of them.
//
//	sights of branch main                              line
//	codebase lib                                       codebase lib
//	codebases lib and app                              error, unless codebase is given
//	repositories …/app.git and …/app/ (place app)      place "", any repository fits
//	places app and fork, repo app                      place app
//	places app and fork, repo other                    error
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
		return l, fmt.Errorf("%w: several repositories have the branch %s: %s; "+
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

// holds reports whether something of this branch, codebase and repository belongs to the line.
// An unknown repository fits. A loose line of autoland holds the branches autoland and
// integration/autoland, but not old-autoland.
func (l line) holds(branch, codebase, repository string) bool {
	same := branch == l.branch || l.loose && strings.HasSuffix(branch, "/"+l.branch)
	if !same || l.clear && codebase != l.codebase {
		return false
	}
	place := placeOf(repository)
	return l.place == "" || place == "" || place == l.place
}

// stamps returns the source stamps of a buildset that are on the line, mostly one or none. They
// tell to which push the buildset belongs. A stamp without a branch means the default one, so it
// counts as the line's if that is the main one.
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

// sameRevision reports whether two revisions are the same. Hashes may differ in length: one of
// 12 digits equals one of 40 that begins with it. Others, such as Subversion's numbers, must
// be equal.
func sameRevision(a, b string) bool { return a != "" && (a == b || job.SameRevision(a, b)) }

// parseRevision reads a revision as a person gives it: a hash of 12 digits or more, a number of
// up to 18 digits, as in Subversion and Perforce, or "tip".
func parseRevision(rev string) (string, error) {
	const digits = 18
	if rev != "" && len(rev) <= digits && strings.Trim(rev, "0123456789") == "" {
		return rev, nil
	}
	return job.ParseRevision(rev)
}

package taskcluster

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// Definition is a task's definition, with the push that the task belongs to.
type Definition struct {
	Task Task
	// Push has the repository, the revision and, when the definition has it, the id in
	// hg's pushlog. A field that the definition does not have, or has in two different
	// ways, is empty.
	Push job.Push
	// Why says why Push has no revision; empty when it has one.
	Why string
}

// ParseDefinition reads the definition of a task as the queue returns it. A body that is not
// one is job.ErrMalformed.
//
// The push comes from the first of these that the task has:
//
//  1. A route for Treeherder, tc-treeherder.v2.<project>.<revision>, perhaps with
//     .<push id>. The queue gives a task such a route only if its scopes allow it, so it can
//     be trusted. A task with two that differ has no push. (Treeherder skips tasks with
//     several routes, and tasks with none.)
//  2. Its environment, <name>_HEAD_REPOSITORY and <name>_HEAD_REV.
//  3. Its routes for the index, index.<domain>.v2.<project>.revision.<revision>.
//
// A push can write anything into an environment. So the environment counts only when it is
// about the project that the index routes name, or else the tag "project", or else the
// task's projectId, and when no index route has another revision. When no revision is found,
// Push.Repo is that project.
func ParseDefinition(body []byte) (*Definition, error) {
	w, err := definitions.Decode(contract.Asked{}, body)
	if err != nil {
		return nil, job.Wrap("taskcluster.definition", "", err)
	}
	return w.definition(body), nil
}

// definition finds the push of a decoded task; body is the raw text, for its environment.
func (w *definitionWire) definition(body []byte) *Definition {
	d := &Definition{Task: w.Task}
	d.Push, d.Why = w.push(body)
	return d
}

// claim is the push that one part of a definition names.
type claim struct{ repo, revision string }

func (c claim) String() string { return fmt.Sprintf("%s %.12s", c.repo, c.revision) }

// push finds the push of a task, or says why it has no revision; see ParseDefinition.
func (w *definitionWire) push(body []byte) (job.Push, string) {
	routes, ids := claimsOf(w.Routes, treeherderRoute)
	switch {
	case len(routes) > 1:
		return job.Push{}, fmt.Sprintf("its routes for Treeherder name several pushes: %s", clip.Marked(
			fmt.Sprint(routes), 3*shown))
	case len(routes) == 1:
		return pushOf(routes[0], ids), ""
	}
	indexed, ids := claimsOf(w.Routes, indexRoute)
	project := w.project(indexed)
	told := environmentClaims(body, project)
	switch {
	case len(told) > 1 || len(indexed) > 1:
		return job.Push{Repo: project}, "it has no route for Treeherder, and names several revisions"
	case len(told) == 1 && len(indexed) == 1 && told[0] != indexed[0]:
		return job.Push{Repo: project}, fmt.Sprintf("it has no route for Treeherder, and its environment names %s, "+
			"but its routes for the index name %s", told[0], indexed[0])
	case len(told) == 1:
		return pushOf(told[0], ids), ""
	case len(indexed) == 1:
		return pushOf(indexed[0], ids), ""
	}
	return job.Push{Repo: project}, "it has no route for Treeherder, and neither its environment nor its routes " +
		"for the index name a revision of " + cmp.Or(project, "any project")
}

// project is the project that the routes for the index name, or else the tag "project", or
// else the task's projectId; "" when none of them does, or the routes name several.
func (w *definitionWire) project(indexed []claim) string {
	names := map[string]bool{}
	for _, c := range indexed {
		names[c.repo] = true
	}
	if len(indexed) == 0 {
		for _, r := range w.Routes {
			if m := indexProject.FindStringSubmatch(r); m != nil && m[1] != trunk {
				names[m[1]] = true
			}
		}
	}
	if len(names) == 1 {
		return slices.Collect(maps.Keys(names))[0]
	}
	for _, name := range []string{w.Tags["project"], w.ProjectID} {
		if projectName.MatchString(name) && name != "none" { // the queue's word for no project
			return name
		}
	}
	return ""
}

// The routes that name a push. Index routes may be of any trust domain, and may have more
// words before the revision, such as "shippable" or the name of a git branch:
//
//	tc-treeherder.v2.autoland.<40 digits>.190123
//	index.gecko.v2.autoland.shippable.revision.<40 digits>.firefox.linux64-opt
//	index.gecko.v2.autoland.pushlog-id.190123.decision
//
// Ids have at most 9 digits, so that they fit every integer type.
var (
	treeherderRoute = regexp.MustCompile(`^tc-treeherder\.v2\.([\w-]+)\.([0-9a-f]{40})(?:\.(\d{1,9}))?$`)
	indexRoute      = regexp.MustCompile(`^index\.[\w-]+\.v2\.([\w-]+)\.(?:.+\.)?revision\.([0-9a-f]{40})(?:\.|$)`)
	indexProject    = regexp.MustCompile(`^index\.[\w-]+\.v2\.([\w-]+)\.`)
	indexID         = regexp.MustCompile(`^index\.[\w-]+\.v2\.[\w-]+\.(?:.+\.)?pushlog-id\.(\d{1,9})(?:\.|$)`)
	projectName     = regexp.MustCompile(`^[\w-]{1,100}$`)
	wholeHash       = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

// trunk is not a project: the index has builds of several projects under it, in addition to
// the projects' own paths.
const trunk = "trunk"

// claimsOf returns the pushes that routes of a form name, each once, and the push ids in
// them. form is treeherderRoute or indexRoute. The routes tc-treeherder.v2.autoland.<40
// digits>.190123 and index.gecko.v2.trunk.revision.<40 digits>.x name one push of autoland and
// the id 190123 as treeherderRoute, and none as indexRoute.
func claimsOf(routes []string, form *regexp.Regexp) (out []claim, ids []string) {
	for _, r := range routes {
		if m := indexID.FindStringSubmatch(r); m != nil && form == indexRoute {
			ids = append(ids, m[1])
		}
		m := form.FindStringSubmatch(r)
		if m == nil || m[1] == trunk && form == indexRoute {
			continue
		}
		if c := (claim{m[1], m[2]}); !slices.Contains(out, c) {
			out = append(out, c)
		}
		if form == treeherderRoute && m[3] != "" {
			ids = append(ids, m[3])
		}
	}
	return out, ids
}

// pushOf makes the push of a claim. The id is that of hg's pushlog, so pushes of git have
// none; routes that name several ids give none either.
func pushOf(c claim, ids []string) job.Push {
	p := job.Push{Repo: c.repo, Revision: c.revision}
	if slices.Sort(ids); len(slices.Compact(ids)) == 1 && !OnGit(c.repo) {
		p.ID, _ = strconv.ParseInt(ids[0], 10, 64) // at most 9 digits: cannot fail
	}
	return p
}

// environmentClaims returns the pushes that a task's environment names: only those of the
// project, or of any project when it is "".
// GECKO_HEAD_REPOSITORY=https://hg.mozilla.org/integration/autoland with GECKO_HEAD_REV=<40
// digits> is a claim of autoland.
func environmentClaims(body []byte, project string) (out []claim) {
	w, err := environment.Decode(contract.Asked{}, body)
	if err != nil {
		return nil
	}
	for name, rev := range w.Payload.Env {
		prefix, ok := strings.CutSuffix(name, "_HEAD_REV")
		repo := repositoryName(w.Payload.Env[prefix+"_HEAD_REPOSITORY"])
		c := claim{repo, rev}
		if ok && wholeHash.MatchString(rev) && projectName.MatchString(repo) && (project == "" || repo == project) &&
			!slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}

// repositoryName is the short name of the repository at a URL: its last part. For example
// "https://hg.mozilla.org/integration/autoland/" → "autoland", and
// "https://github.com/mozilla/glean.git" → "glean".
func repositoryName(where string) string {
	where = strings.TrimSuffix(strings.TrimRight(strings.TrimSpace(where), "/"), ".git")
	return where[strings.LastIndexByte(where, '/')+1:]
}

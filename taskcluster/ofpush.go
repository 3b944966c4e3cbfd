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

// Definition is a task's definition, with the push that it is of.
type Definition struct {
	Task Task
	// Push is what the definition says of its push: the repository and the revision,
	// and the id in hg's pushlog where it has that. Fields that it does not say, or
	// says in two ways, are empty.
	Push job.Push
	// Why says why Push has no revision; empty where it has one.
	Why string
}

// ParseDefinition reads the definition of a task as the queue has it. What is none is
// job.ErrMalformed.
//
// The push is what a route for Treeherder says, tc-treeherder.v2.<project>.<revision>
// and perhaps .<push id>: the queue lets a task have such a route only if its scopes
// do. Treeherder passes over tasks with several, and over those with none. Here, a task
// with two that differ has no push, and one with none has that of its environment
// (<name>_HEAD_REPOSITORY and <name>_HEAD_REV), or else of its routes for the index
// (index.<domain>.v2.<project>.revision.<revision>). Anybody's push can write
// anything into an environment: it is believed only about the project that the
// routes for the index name, or else the tag "project", or else the task's
// projectId; and not against a revision that these routes have. Where
// no revision is found, the repository is that project.
func ParseDefinition(body []byte) (*Definition, error) {
	w, err := definitions.Decode(contract.Asked{}, body)
	if err != nil {
		return nil, job.Wrap("taskcluster.definition", "", err)
	}
	return w.definition(body), nil
}

// definition is what was decoded of a body.
func (w *definitionWire) definition(body []byte) *Definition {
	d := &Definition{Task: w.Task}
	d.Push, d.Why = w.push(body)
	return d
}

// claim is what one part of a definition says of the push.
type claim struct{ repo, revision string }

func (c claim) String() string { return fmt.Sprintf("%s %.12s", c.repo, c.revision) }

// push is the push that a definition is of; see ParseDefinition.
func (w *definitionWire) push(body []byte) (job.Push, string) {
	routes, ids := claimsOf(w.Routes, treeherderRoute)
	switch {
	case len(routes) > 1:
		return job.Push{}, fmt.Sprintf("its routes for Treeherder are of several pushes: %s", clip.Marked(
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
		return job.Push{Repo: project}, fmt.Sprintf("it has no route for Treeherder, and is of %s by its environment, "+
			"but of %s by its routes for the index", told[0], indexed[0])
	case len(told) == 1:
		return pushOf(told[0], ids), ""
	case len(indexed) == 1:
		return pushOf(indexed[0], ids), ""
	}
	return job.Push{Repo: project}, "it has no route for Treeherder, and no revision of " +
		cmp.Or(project, "any project") + " in its environment or its routes for the index"
}

// project is the one that routes for the index name, or a tag, or what the queue calls
// the task's project: empty where all say nothing.
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

// The routes that name a push. Those of the index are of any trust domain, and may
// have more words before the revision, such as shippable, or a branch of git.
var (
	treeherderRoute = regexp.MustCompile(`^tc-treeherder\.v2\.([\w-]+)\.([0-9a-f]{40})(?:\.(\d{1,9}))?$`)
	indexRoute      = regexp.MustCompile(`^index\.[\w-]+\.v2\.([\w-]+)\.(?:.+\.)?revision\.([0-9a-f]{40})(?:\.|$)`)
	indexProject    = regexp.MustCompile(`^index\.[\w-]+\.v2\.([\w-]+)\.`)
	indexID         = regexp.MustCompile(`^index\.[\w-]+\.v2\.[\w-]+\.(?:.+\.)?pushlog-id\.(\d{1,9})(?:\.|$)`)
	projectName     = regexp.MustCompile(`^[\w-]{1,100}$`)
	wholeHash       = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

// trunk is what the index has the builds of several projects under, beside their own.
const trunk = "trunk"

// claimsOf are the pushes that routes of a form name, each once, and the ids that they
// have for them.
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

// pushOf is the push of a claim. Its id is that of hg's pushlog, which pushes of git
// do not have.
func pushOf(c claim, ids []string) job.Push {
	p := job.Push{Repo: c.repo, Revision: c.revision}
	if slices.Sort(ids); len(slices.Compact(ids)) == 1 && !OnGit(c.repo) {
		p.ID, _ = strconv.ParseInt(ids[0], 10, 64) // nine digits
	}
	return p
}

// environmentClaims are the pushes that a task's environment names, of the project, or
// of every one where it is not known.
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

// repositoryName is the short name of the repository at a URL: its last part.
func repositoryName(where string) string {
	where = strings.TrimSuffix(strings.TrimRight(strings.TrimSpace(where), "/"), ".git")
	return where[strings.LastIndexByte(where, '/')+1:]
}

package taskcluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mozci/mozci/job"
)

// noDecision says that the index has no decision task of a push, and where mozci looked for
// it. It is a job.ErrNotScheduled.
type noDecision struct {
	looked []string
	// empty is the project's part of the index when explain found nothing in it at all,
	// which hints at a wrong project name. Otherwise "".
	empty string
}

func (e *noDecision) Error() string {
	text := fmt.Sprintf("%v: the index has no decision task for it; looked for %s",
		job.ErrNotScheduled, strings.Join(e.looked, ", "))
	if e.empty != "" {
		text += "; nothing at all is indexed under " + e.empty +
			": give the project's name in Taskcluster (--project) and its trust domain (--trust-domain)"
	}
	return text
}

// Unwrap returns job.ErrNotScheduled.
func (e *noDecision) Unwrap() error { return job.ErrNotScheduled }

// decisionOf finds the decision task of a push and remembers it: by revision, or else by push
// id when the task found there says that it is of the push's revision. An id alone proves
// nothing, since Treeherder's push ids differ from those of hg's pushlog.
func (p *Project) decisionOf(ctx context.Context, push job.Push) (string, error) {
	return p.known.decisions.Do(ctx, p.key(push), func(ctx context.Context) (string, bool, error) {
		id, err := p.lookUp(ctx, push)
		return id, true, err
	})
}

// lookUp is decisionOf without memory. It reads all places in one request. The error is a
// *noDecision when none of them has the task.
func (p *Project) lookUp(ctx context.Context, push job.Push) (string, error) {
	byRevision, byID := p.decisionPaths(push)
	looked := looked(byRevision, byID)
	if len(looked) == 0 {
		return "", fmt.Errorf("%w: the push has neither an id nor a revision of 40 digits", job.ErrInvalid)
	}
	found, err := p.c.findTasksAtIndex(ctx, looked...)
	if err != nil {
		return "", err
	}
	id := firstOf(found, byRevision)
	if id == "" && found[byID] != "" {
		switch ours, err := p.isOf(ctx, found[byID], push); {
		case err != nil:
			return "", err
		case ours:
			id = found[byID]
		}
	}
	if id == "" {
		id, err = p.elsewhere(ctx, push, &looked)
	}
	if err != nil || id == "" {
		return "", errors.Join(err, &noDecision{looked: looked})
	}
	return id, nil
}

// decisionPaths returns the paths at which the index has a push's decision task: those by
// revision, and the one by id, "" for a push without an id.
//
//	gecko.v2.autoland.revision.<40 digits>.taskgraph.decision     by revision
//	gecko.v2.autoland.pushlog-id.190123.decision                  by id
func (p *Project) decisionPaths(push job.Push) (byRevision []string, byID string) {
	if push.ID > 0 {
		byID = p.place.String() + ".pushlog-id." + strconv.FormatInt(push.ID, 10) + ".decision"
	}
	return revisionPaths(p.place, push), byID
}

// looked lists both kinds of paths, in the order of preference, in a slice of its own.
func looked(byRevision []string, byID string) []string {
	if byID == "" {
		return slices.Clone(byRevision)
	}
	return append(slices.Clone(byRevision), byID)
}

// wholeHashes returns the push's hashes, of hg or git, that have all 40 digits. The index
// knows pushes by whole hashes only.
func wholeHashes(push job.Push) []string {
	return slices.DeleteFunc(push.Hashes(), func(h string) bool { return len(h) != 40 })
}

// revisionPaths returns the paths of a push's decision task by revision, such as
// gecko.v2.autoland.revision.<40 digits>.taskgraph.decision.
func revisionPaths(at place, push job.Push) []string {
	var out []string
	for _, h := range wholeHashes(push) {
		out = append(out, at.String()+".revision."+h+".taskgraph.decision")
	}
	return out
}

// firstOf returns the task at the first of the paths that has one; "" when none has.
func firstOf(found map[string]string, paths []string) string {
	for _, path := range paths {
		if id := found[path]; id != "" {
			return id
		}
	}
	return ""
}

// elsewhere looks for the decision task under the other trust domains, in one request. It
// does so only for a project whose domain is a guess, and adds to looked what it tried. For a
// repository x of which nothing is known, after gecko.v2.x it looks at comm.v2.x, mobile.v2.x
// and so on.
func (p *Project) elsewhere(ctx context.Context, push job.Push, looked *[]string) (string, error) {
	if p.sure || len(wholeHashes(push)) == 0 {
		return "", nil
	}
	var paths []string
	for _, d := range domains {
		if at := (place{d, p.place.project}); at != p.place {
			paths = append(paths, revisionPaths(at, push)...)
		}
	}
	found, err := p.c.findTasksAtIndex(ctx, paths...)
	if id := firstOf(found, paths); id != "" || err != nil {
		return id, err
	}
	*looked = append(*looked, "the same under the trust domains "+strings.Join(domains, ", "))
	return "", nil
}

// explain improves the error of a push without a decision task: when the index has nothing at
// all for the project, it says so. That costs one request, and is done only for an error that
// a person will read. A failure of the request leaves the error as it was.
func (p *Project) explain(ctx context.Context, err error) error {
	var none *noDecision
	if !errors.As(err, &none) {
		return err
	}
	names, listErr := p.c.listNamespaces(ctx, p.place.String())
	if listErr == nil && len(names) == 0 || errors.Is(listErr, job.ErrNotFound) && !lacks(listErr) {
		return &noDecision{looked: none.looked, empty: p.place.String()}
	}
	return err
}

// indexHashes returns the hashes under which the index may have tasks of a push: its whole
// hashes, or for a push known by 12 digits, those that its decision task says it is of.
func (p *Project) indexHashes(ctx context.Context, push job.Push) ([]string, error) {
	hashes := wholeHashes(push)
	if len(hashes) > 0 {
		return hashes, nil
	}
	id, err := p.decisionOf(ctx, push)
	if err != nil {
		return nil, nil //nolint:nilerr // list calls decisionOf as well, and reports this error
	}
	revs, err := p.revisions(ctx, id)
	if err != nil {
		return nil, err
	}
	return slices.Compact(slices.DeleteFunc(slices.Clone(revs), func(r string) bool {
		return len(r) != 40 || !sameAsOne([]string{r}, push)
	})), nil
}

// crons returns the decision tasks that cron jobs made for a push with these hashes. An index
// without such a namespace, or a deployment without the call, has none.
func (p *Project) crons(ctx context.Context, hashes []string) ([]string, error) {
	out, err := p.namespaced(ctx, hashes, ".cron")
	if errors.Is(err, job.ErrNotFound) || lacks(err) { // no such listing, or nothing there
		err = nil
	}
	return out, err
}

// namespaced returns the tasks in a namespace (".cron") below each of the revisions. "Not
// found" for one hash does not stop the others; it comes back with what they have. It lists
// gecko.v2.autoland.revision.<40 digits>.cron, for example.
func (p *Project) namespaced(ctx context.Context, hashes []string, name string) ([]string, error) {
	var out []string
	var errs error
	for _, h := range hashes {
		found, err := p.c.listIndexedTasks(ctx, p.place.String()+".revision."+h+name)
		out = append(out, found...)
		if err != nil && !errors.Is(err, job.ErrNotFound) && !lacks(err) {
			return nil, err
		}
		errs = cmp.Or(errs, err)
	}
	return out, errs
}

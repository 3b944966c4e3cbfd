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

// noDecision says that the index has no decision task of a push, and where it
// was looked for. It is a job.ErrNotScheduled.
type noDecision struct {
	looked []string
	// empty is the part of the index in which there is nothing at all; empty
	// where there is something, or nobody looked.
	empty string
}

func (e *noDecision) Error() string {
	text := fmt.Sprintf("%v: no decision task of it is in the index; looked for %s",
		job.ErrNotScheduled, strings.Join(e.looked, ", "))
	if e.empty != "" {
		text += "; nothing at all is indexed under " + e.empty +
			": name the project as Taskcluster does (--project), and its trust domain (--trust-domain)"
	}
	return text
}

// Unwrap returns job.ErrNotScheduled.
func (e *noDecision) Unwrap() error { return job.ErrNotScheduled }

// decisionOf finds the decision task of a push: by revision, or by push id
// where the task found there is of the push's revision. An id alone proves
// nothing: Treeherder's ids are not those of hg's pushlog.
func (p *Project) decisionOf(ctx context.Context, push job.Push) (string, error) {
	return p.known.decisions.Do(ctx, p.key(push), func(ctx context.Context) (string, bool, error) {
		id, err := p.lookUp(ctx, push)
		return id, true, err
	})
}

// lookUp is decisionOf, by what the index says now.
func (p *Project) lookUp(ctx context.Context, push job.Push) (string, error) {
	byRevision, byID := p.decisionPaths(push)
	looked := looked(byRevision, byID)
	if len(looked) == 0 {
		return "", fmt.Errorf("%w: a push with neither an id nor a revision of 40 digits", job.ErrInvalid)
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

// decisionPaths is where the index has a push's decision task: by its revision, and by its
// id, which is empty where it has none.
func (p *Project) decisionPaths(push job.Push) (byRevision []string, byID string) {
	if push.ID > 0 {
		byID = p.place.String() + ".pushlog-id." + strconv.FormatInt(push.ID, 10) + ".decision"
	}
	return revisionPaths(p.place, push), byID
}

// looked are the places where a push's decision task is looked for.
func looked(byRevision []string, byID string) []string {
	if byID == "" {
		return slices.Clone(byRevision)
	}
	return append(slices.Clone(byRevision), byID)
}

// wholeHashes are the hashes of a push that the index may name it by: in hg or
// in git, and whole.
func wholeHashes(push job.Push) []string {
	return slices.DeleteFunc(push.Hashes(), func(h string) bool { return len(h) != 40 })
}

// revisionPaths is where a push's decision task is by its revision.
func revisionPaths(at place, push job.Push) []string {
	var out []string
	for _, h := range wholeHashes(push) {
		out = append(out, at.String()+".revision."+h+".taskgraph.decision")
	}
	return out
}

func firstOf(found map[string]string, paths []string) string {
	for _, path := range paths {
		if id := found[path]; id != "" {
			return id
		}
	}
	return ""
}

// elsewhere looks for the decision task under the other trust domains, in one
// request, for a project that no table and no caller placed.
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

// explain adds to the error of a push without a decision task that nothing at
// all is indexed of the project, where that is so.
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

// indexHashes are the hashes by which the index may have what belongs to a push.
func (p *Project) indexHashes(ctx context.Context, push job.Push) ([]string, error) {
	hashes := wholeHashes(push)
	if len(hashes) > 0 {
		return hashes, nil
	}
	id, err := p.decisionOf(ctx, push) // a push of 12 digits: its decision task knows them all
	if err != nil {
		return nil, nil //nolint:nilerr // who lists its groups is told
	}
	revs, err := p.revisions(ctx, id)
	if err != nil {
		return nil, err
	}
	return slices.Compact(slices.DeleteFunc(slices.Clone(revs), func(r string) bool {
		return len(r) != 40 || !sameAsOne([]string{r}, push)
	})), nil
}

// crons are the decision tasks that cron jobs made for a push of these hashes.
func (p *Project) crons(ctx context.Context, hashes []string) ([]string, error) {
	out, err := p.namespaced(ctx, hashes, ".cron")
	if errors.Is(err, job.ErrNotFound) || lacks(err) { // no such listing, or nothing there
		err = nil
	}
	return out, err
}

// namespaced are the tasks that the index has in a namespace of the revisions.
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

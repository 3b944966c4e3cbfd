package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/treeherder"
	"github.com/mozci/mozci/pushlog"
	"github.com/mozci/mozci/taskcluster"
)

// doctor checks the places of the program's flags.
type doctor struct {
	a        *app
	base     *http.Client // of all places; nil is the library's own
	cacheDir string       // that the flags name
	// newest are the newest pushes, as the place tells that has them: what other places are
	// asked about. Nil where no place is checked that has them.
	newest *tips
}

// services are the checks of what is asked over the network. What is wrong usage of every
// command is so here.
func (d *doctor) services() ([]check, error) {
	a := d.a
	var out []check
	needsTH := a.ci == "treeherder" || a.ci == "taskcluster" && a.onGit()
	readsHg := a.flags.Changed("hg-url") || a.ci == "selfserve" || a.ci == "taskcluster" && !a.onGit()
	usesTH := needsTH || a.firefox() && a.ci == "taskcluster"
	inFile := a.ci == "treeherder" && !strings.Contains(a.thURL, "://")
	if !inFile && (readsHg || usesTH && !a.flags.Changed("treeherder-url")) {
		hg, err := d.hg(readsHg)
		if err != nil {
			return nil, err
		}
		out = append(out, hg)
		if a.lando() != "" {
			out = append(out, check{"lando", d.lando})
		}
	}
	// Beside another CI's places it is asked for the jobs of its links alone.
	linksTH := a.ci == "taskcluster" && a.flags.Changed("treeherder-url") && strings.Contains(a.thURL, "://")
	if usesTH || linksTH {
		th, err := d.treeherder(needsTH, readsHg)
		if err != nil {
			return nil, err
		}
		out = append(out, th)
	}
	if a.uses("taskcluster") {
		if _, err := taskcluster.New(a.taskclusterRoot(os.Getenv("TASKCLUSTER_ROOT_URL")), nil); err != nil {
			return nil, usage("--root-url: %v", err)
		}
		out = append(out, check{"taskcluster", d.taskcluster})
	}
	for _, of := range []struct {
		ci    string
		check func() ([]check, error)
	}{{"buildbot", d.buildbot}, {"selfserve", d.selfserve}} {
		if !a.uses(of.ci) {
			continue
		}
		list, err := of.check()
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	return out, nil
}

// mostNewest is how many of the newest pushes are asked about at most: the tip may have
// come this minute, and have no tasks yet.
const mostNewest = 5

// newestOf are the newest pushes of a repository, oldest first. Of a repository whose
// pushes are in no line, as those of try, it is the tip.
func newestOf(ctx context.Context, repo job.Repository) ([]job.Push, error) {
	tip, err := repo.Push(ctx, "tip")
	if err != nil {
		return nil, err
	}
	if all, err := repo.Pushes(ctx, job.Around("tip", mostNewest-1, 0)); err == nil && len(all) > 0 {
		return all, nil
	}
	return []job.Push{tip}, nil
}

// tips are the newest pushes of a repository, which the check of one place asks for and
// those of others wait for.
type tips struct {
	repo job.Repository
	done chan struct{} // is closed when they are known
	all  []job.Push
	err  error
}

func tipsOf(repo job.Repository) *tips { return &tips{repo: repo, done: make(chan struct{})} }

// ask asks for them, once.
func (t *tips) ask(ctx context.Context) ([]job.Push, error) {
	t.all, t.err = newestOf(ctx, t.repo)
	close(t.done)
	return t.all, t.err
}

// forOthers is how long other places wait for the newest pushes: they can be asked about
// without, and need time of their own.
const forOthers = patience / 3

// wait waits for what ask tells; none is told where that takes too long, or fails, which
// has a row of its own. Nil has none.
func (t *tips) wait(ctx context.Context) []job.Push {
	if t == nil {
		return nil
	}
	late := time.NewTimer(forOthers)
	defer late.Stop()
	select {
	case <-t.done:
		return t.all
	case <-late.C:
	case <-ctx.Done():
	}
	return nil
}

// hg checks the pushlog; reads says that pushes are read there, and not only looked up in
// it where Treeherder does not know a hash.
func (d *doctor) hg(reads bool) (check, error) {
	client, p := probing(d.base)
	log, err := d.a.pushlog(client)
	if err != nil {
		return check{}, usage("--hg-url, --lando-url: %v", err)
	}
	newest := tipsOf(log)
	d.newest = newest
	path := pushlog.Path(d.a.repo)
	return check{"hg", func(ctx context.Context) examined {
		e := examined{url: shownURL(d.a.hgURL), reading: reads}
		return d.told(ctx, e, newest, whereabouts{"an hg server with Mozilla's pushlog", "--hg-url"}, p, func() string {
			return "name the repository as hg does with --repo, such as mozilla-central or integration/autoland; now " +
				path
		})
	}}, nil
}

// told is what a place of pushes is found to be; missing says what to do where it does not
// have the repository.
func (d *doctor) told(
	ctx context.Context, e examined, newest *tips, w whereabouts, p *probe, missing func() string,
) examined {
	all, err := newest.ask(ctx)
	switch {
	case errors.Is(err, job.ErrNotFound):
		e.reached = yes()
		e.state = fmt.Sprintf("reached %s, which has no pushes of %s", e.url, d.a.repo)
		if d.a.branch != "" {
			e.state += " on the branch " + d.a.branch
		}
		e.fixes = append(e.fixes, missing())
	case err != nil:
		e = e.broken(err, w, p)
	default:
		tip := all[len(all)-1]
		e.reached, e.works = yes(), true
		e.state = fmt.Sprintf("reached %s; newest push of %s: %d %s", e.url, tip.Repo, tip.ID, tip.Short())
	}
	return e
}

// lando checks what knows the pairs of hashes, by the newest push or, where that is not
// known, by a hash that nobody has.
func (d *doctor) lando(ctx context.Context) examined {
	e := examined{url: shownURL(d.a.lando())}
	w := whereabouts{"Lando", "--lando-url"}
	client, p := probing(d.base)
	s, err := d.a.hg(client)
	if err != nil {
		return e.broken(err, w, nil)
	}
	rev := strings.Repeat("0", wholeRevision)
	if all := d.newest.wait(ctx); len(all) > 0 && len(all[len(all)-1].Revision) == wholeRevision {
		rev = all[len(all)-1].Revision
	}
	_, _, err = s.LandoTwins(ctx, d.a.repo, rev)
	if status, page := p.answered(); errors.Is(err, job.ErrNotFound) && !page && status == http.StatusNotFound {
		err = nil // it answers as it does to a hash that it does not know
	}
	if err != nil {
		e = e.broken(err, w, p)
		e.state += "; revisions of git cannot be looked up"
		return e
	}
	e.reached, e.works, e.state = yes(), true, "reached "+e.url
	return e
}

// treeherder checks Treeherder and that it has the project; reads says that nothing can be
// read without it, and hasHg that pushes are hg's.
func (d *doctor) treeherder(reads, hasHg bool) (check, error) {
	a := d.a
	client, p := probing(d.base)
	if !strings.Contains(a.thURL, "://") {
		return d.snapshot()
	}
	s, err := a.treeherder(client)
	if err != nil {
		return check{}, usage("--treeherder-url: %v", err)
	}
	name := pushlog.ShortName(a.repo)
	newest := tipsOf(s.Project(name).OnBranch(a.branch))
	if !hasHg {
		d.newest = newest
	}
	return check{"treeherder", func(ctx context.Context) examined {
		e := examined{url: shownURL(a.thURL), reading: reads}
		if a.acts("treeherder") {
			e.acting = &acting{on: "Treeherder", why: "it is read only; add --trigger-ci taskcluster"}
		}
		e = d.told(ctx, e, newest, whereabouts{"Treeherder", "--treeherder-url"}, p,
			func() string { return projectFix(ctx, s, name) })
		switch {
		case e.works || reads:
		case a.firefox():
			e.state += "; backfill, culprit and frequency read Taskcluster instead, and take longer"
		default:
			e.state += "; links of its pages cannot be followed"
		}
		return e
	}}, nil
}

// projectFix says which projects Treeherder has that are called alike.
func projectFix(ctx context.Context, s *treeherder.Server, name string) string {
	all, err := s.Projects(ctx)
	if err != nil || slices.Contains(all, name) {
		return "name the project as Treeherder does with --repo; now " + name
	}
	return "name the project as Treeherder does with --repo; now " + name + near(name, all)
}

// near are up to three names that are close to one, for the end of a sentence; empty for
// none.
func near(name string, all []string) string {
	var alike []string
	for _, n := range all {
		if n != "" && (strings.Contains(n, name) || strings.Contains(name, n) ||
			len(name) > 3 && strings.HasPrefix(n, name[:len(name)/2+1])) {
			alike = append(alike, n)
		}
	}
	if len(alike) == 0 {
		return ""
	}
	return "; close: " + strings.Join(alike[:min(3, len(alike))], ", ")
}

// snapshot checks a saved resultset.
func (d *doctor) snapshot() (check, error) {
	repo, _, err := d.a.snapshot()
	if isUsage(err) {
		return check{}, err
	}
	return check{"treeherder", func(ctx context.Context) examined {
		e := examined{url: d.a.thURL, reading: true, reached: yes()}
		e.acting = &acting{on: "a saved file", why: "it is read only"}
		var tip job.Push
		if err == nil {
			tip, err = repo.Push(ctx, "tip")
		}
		if err != nil {
			e.state = fmt.Sprintf("the file %s is no saved resultset: %v", e.url, err)
			e.fixes = []string{"give --treeherder-url a URL, or a file saved in 2013 or 2014"}
			return e
		}
		e.works = true
		e.state = fmt.Sprintf("the file %s; newest push of %s: %d %s", e.url, tip.Repo, tip.ID, tip.Short())
		return e
	}}, nil
}

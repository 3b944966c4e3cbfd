package treeherder

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/redact"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// aboutWire is one repository in Treeherder's table. Branch may have several branches, with commas
// between them, some as patterns.
type aboutWire struct {
	Name   string `json:"name" is:"required" min:"1"`
	Branch string `json:"branch" is:"required,null"`
	Try    bool   `json:"is_try_repo" is:"required"`

	_ contract.Also `names:"id repository_group dvcs_type url codebase description active_status life_cycle_order"`
	_ contract.Also `names:"performance_alerts_enabled expire_performance_data tc_root_url accepts_pull_requests"`
}

// table returns Treeherder's table of repositories. It is read once; after a failure the next
// call tries again. Callers that want it at the same time share one request.
func (s *Server) table(ctx context.Context) ([]aboutWire, error) {
	return s.tables.Do(ctx, struct{}{}, func(ctx context.Context) ([]aboutWire, bool, error) {
		where := s.base + "/api/repository/"
		list, err := fetch(ctx, s.once, "treeherder.repository", where, tableEndpoint)
		if err != nil {
			return nil, false, err
		}
		if len(*list) == 0 {
			return nil, false, job.Wrap("treeherder.repository", redact.URL(where),
				fmt.Errorf("%w: treeherder/repository: empty", job.ErrMalformed))
		}
		for i, a := range *list {
			if slices.ContainsFunc((*list)[:i], func(b aboutWire) bool { return a.Name == b.Name }) {
				return nil, false, job.Wrap("treeherder.repository", redact.URL(where),
					fmt.Errorf("%w: treeherder/repository: [%d].name: %q comes twice", job.ErrMalformed, i, a.Name))
			}
		}
		return *list, true, nil
	})
}

// about is the project's entry in Treeherder's table; empty when the server has no table or the
// table does not name the project. The table is only a help, since the names of projects mostly
// suffice, so a server that does not answer is no error. A malformed table is one: the entry of
// this project may be the damaged part.
func (p *Project) about(ctx context.Context) (aboutWire, error) {
	list, err := p.server.table(ctx)
	if ctx.Err() != nil {
		return aboutWire{}, ctx.Err()
	}
	if errors.Is(err, job.ErrMalformed) {
		return aboutWire{}, err
	}
	if err != nil {
		p.server.log.Info("cannot read Treeherder's table of repositories", "repo", p.name, "err", err)
	}
	i := slices.IndexFunc(list, func(a aboutWire) bool { return a.Name == p.name })
	if i < 0 {
		return aboutWire{}, nil
	}
	return list[i], nil
}

// Line implements job.LineChecker, by the project's name and by Treeherder's table of
// repositories, which tells what is a try server.
func (p *Project) Line(ctx context.Context) error {
	const op = "treeherder.line"
	if err := job.LineByName(p.name); err != nil {
		return job.Wrap(op, p.name, err)
	}
	about, err := within(ctx, p.server, op, p.name, p.about)
	if err == nil && about.Try {
		err = job.NoLine(p.name, "Treeherder lists it as a try server, where every push stands alone")
	}
	return job.Wrap(op, p.name, err)
}

// onBranch keeps the pushes of a branch. It changes the slice.
func onBranch(pushes []job.Push, branch string) []job.Push {
	return slices.DeleteFunc(pushes, func(q job.Push) bool { return q.Branch != branch })
}

// ofLine keeps the pushes of the project's own branch; see ownBranch.
func (p *Project) ofLine(ctx context.Context, pushes []job.Push) ([]job.Push, error) {
	branch, err := p.ownBranch(ctx, pushes)
	if err != nil {
		return nil, err
	}
	return onBranch(pushes, branch), nil
}

// plainBranch matches the name of a branch, but not a pattern such as "releases/.*".
var plainBranch = regexp.MustCompile(`^[\w./-]+$`)

// ownBranch is the branch to use when the caller names none. It is the first of these: the
// branch of OnBranch; the first one in Treeherder's table; main or master, if pushes are on it;
// and the only branch of the pushes. Pushes of an hg repository have no branch, and the result
// is "".
//
//	OnBranch   table           pushes on     the branch is
//	beta       main,beta       main, beta    → beta
//	""         main,beta       main, beta    → main
//	""         releases/.*     main, rel     → main
//	""         none            rel           → rel
//	""         none            rel, dev      → error
//	""         anything        no branch     → ""
func (p *Project) ownBranch(ctx context.Context, pushes []job.Push) (string, error) {
	if p.branch != "" {
		return p.branch, nil
	}
	there := branches(pushes)
	if len(there) == 0 || len(there) == 1 && there[0] == "" {
		return "", nil // an hg repository
	}
	about, err := p.about(ctx)
	if err != nil {
		return "", err
	}
	first, _, _ := strings.Cut(about.Branch, ",")
	if first = strings.TrimSpace(first); plainBranch.MatchString(first) {
		return first, nil
	}
	for _, usual := range []string{"main", "master"} {
		if slices.Contains(there, usual) {
			return usual, nil
		}
	}
	if len(there) == 1 {
		return there[0], nil
	}
	return "", fmt.Errorf("%w: %s has pushes on the branches %s: name one of them", job.ErrInvalid, p.name,
		strings.Join(there, ", "))
}

// branches returns the branches of the pushes, sorted, each once.
func branches(pushes []job.Push) []string {
	var out []string
	for _, q := range pushes {
		out = append(out, q.Branch)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// tip is the newest push of the project's branch.
func (p *Project) tip(ctx context.Context) (job.Push, error) {
	newest, err := p.pushes(ctx, 50)
	if err != nil {
		return job.Push{}, err
	}
	branch, err := p.ownBranch(ctx, newest)
	if err != nil {
		return job.Push{}, err
	}
	for _, q := range slices.Backward(newest) {
		if q.Branch == branch {
			return q, nil
		}
	}
	if len(newest) == 50 { // there are older pushes: look for one of the branch among them
		older, err := p.read(ctx, window{enough: 1, keep: func(q job.Push) bool { return q.Branch == branch }})
		if err != nil {
			return job.Push{}, err
		}
		if len(older) > 0 {
			return older[len(older)-1], nil
		}
	}
	if branch == "" {
		return job.Push{}, fmt.Errorf("%w: %s has no pushes", job.ErrNotFound, p.name)
	}
	return job.Push{}, fmt.Errorf("%w: %s has no push on the branch %q; its newest are on %s", job.ErrNotFound,
		p.name, branch, strings.Join(branches(newest), ", "))
}

// Projects are the names of all repositories in Treeherder's table, sorted.
func (s *Server) Projects(ctx context.Context) ([]string, error) {
	return within(ctx, s, "treeherder.repository", "", func(ctx context.Context) ([]string, error) {
		list, err := s.table(ctx)
		var out []string
		for _, a := range list {
			out = append(out, a.Name)
		}
		slices.Sort(out)
		return out, err
	})
}

package server_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mozci/mozci/analysis"
	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/job/link"
)

// worldPlaces are the projects of a world.
type worldPlaces struct {
	ci   job.Scheduler
	base *jobtest.CI
	w    *jobtest.World
}

func newPlaces(text string) *worldPlaces {
	w := jobtest.MustParse(text)
	ci := jobtest.NewCI(w, nil)
	return &worldPlaces{ci, ci, w}
}

func (p *worldPlaces) Open(_ context.Context, project string) (server.Place, error) {
	if project == "" {
		project = p.w.Repositories()[0]
	}
	if !slices.Contains(p.w.Repositories(), project) {
		return server.Place{}, job.Wrap("open", project, fmt.Errorf("%w: served are %v", job.ErrNotFound,
			p.w.Repositories()))
	}
	repo, err := p.base.Repository(project)
	return server.Place{
		Project: project, Repo: repo, CI: p.ci, Repositories: p.base.Repository,
		Judge: func(string) analysis.Judge { return jobtest.TestJudge(analysis.ByStatus, analysis.Unclear) },
	}, err
}

func (p *worldPlaces) Locate(ctx context.Context, n server.Named) (server.Located, error) {
	id := n.TaskID
	if n.JobID != nil {
		id = "run-" + strconv.FormatInt(*n.JobID, 10)
	}
	if n.Link != nil {
		if id = n.Link.Task; n.Link.JobID != nil {
			id = "run-" + strconv.FormatInt(*n.Link.JobID, 10)
		}
	}
	for _, name := range p.w.Repositories() {
		for _, push := range p.w.Pushes(name) {
			jobs, err := p.base.Jobs(ctx, push)
			if err != nil {
				return server.Located{}, err
			}
			for _, j := range jobs {
				if j.ID() == id {
					return server.Located{Project: name, Label: j.Name(), Revision: push.Revision, Run: id}, nil
				}
			}
		}
	}
	return server.Located{}, &server.Refusal{Reason: server.Expired, Message: "There is no job " + strings.ToLower(id) +
		": it has expired, or never was.", Err: job.ErrNotFound}
}

func (p *worldPlaces) Deployments() link.Deployments {
	return link.Deployments{
		Treeherder:  []string{"https://treeherder.example"},
		Taskcluster: []string{"https://tc.example"},
	}
}

package pushlog

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/redact"
	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// relevanceWire is an answer of json-automationrelevance: the changesets of a push up to
// the requested revision, which is the last.
type relevanceWire struct {
	Changesets []relevantWire `json:"changesets" is:"required" min:"1"`

	_ contract.Also `names:"visible"`
}

type relevantWire struct {
	Node        string `json:"node" is:"required"`
	BackedOutBy string `json:"backedoutby" is:"" min:"1"` // a changeset's hash; absent when it was not backed out

	_ contract.Also `names:"author backsoutnodes bugs date desc extra files parents phase pushdate pushhead pushid"`
	_ contract.Also `names:"pushnodes pushuser rev reviewers landingsystem git_commit git_repo_url"`
	_ contract.Also `names:"treeherderrepo treeherderrepourl convertsource convertsourcepath perfherderurl"`
	_ contract.Also `names:"convert_revision convertsourcerevision"`
}

// Prove implements contract.Prover.
func (w *relevantWire) Prove() error {
	if !isHash(w.Node) {
		return notHash("node", w.Node)
	}
	if w.BackedOutBy != "" && (!isHash(w.BackedOutBy) || w.BackedOutBy == w.Node) {
		return notHash("backedoutby", w.BackedOutBy)
	}
	return nil
}

// sameRelevance checks that the last changeset is the requested one. A request by a name,
// such as "tip", cannot be checked.
func sameRelevance(asked contract.Asked, w *relevanceWire) error {
	rev, at := asked.Var("rev"), len(w.Changesets)-1
	last := w.Changesets[at].Node
	if strings.Trim(rev, "0123456789abcdef") == "" && !job.SameRevision(last, rev) {
		return contract.Differs(fmt.Sprintf("changesets[%d].node", at), last, rev)
	}
	return nil
}

// backedOutBy returns the changesets that backed out those of the push, each once.
func (l *Log) backedOutBy(ctx context.Context, p job.Push) ([]string, error) {
	const op = "pushlog.json-automationrelevance"
	where := l.server.base + "/" + l.path + "/json-automationrelevance/" + p.Revision + "?backouts=1"
	res, err := l.server.http.Do(ctx, rest.Call{URL: where, Header: http.Header{"Accept": {"application/json"}}})
	if err != nil {
		return nil, job.OfHTTP(op, redact.URL(where), err)
	}
	w, err := relevanceEndpoint.Decode(contract.Asked{URL: where}, res.Body)
	if err != nil {
		l.server.http.Forget(where)
		return nil, job.Wrap(op, redact.URL(where), err)
	}
	if err := l.complete(p, w); err != nil {
		return nil, job.Wrap(op, redact.URL(where), err)
	}
	var out []string
	for _, c := range w.Changesets {
		if c.BackedOutBy != "" && !slices.Contains(out, c.BackedOutBy) {
			out = append(out, c.BackedOutBy)
		}
	}
	return out, nil
}

// complete is an error when the answer lacks a changeset of the push: its backout would be
// missed. The answers for try are not checked; they leave out public changesets.
func (l *Log) complete(p job.Push, w *relevanceWire) error {
	if errors.Is(job.LineByName(l.name), job.ErrNoLine) {
		return nil
	}
	for _, c := range p.Changesets {
		if !slices.ContainsFunc(w.Changesets, func(r relevantWire) bool { return r.Node == c.Node }) {
			return fmt.Errorf("%w: %s: changesets: %.12s of push %d is missing", job.ErrMalformed,
				relevanceEndpoint.Title(), c.Node, p.ID)
		}
	}
	return nil
}

package pushlog

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
)

// relevanceWire is an answer of json-automationrelevance.
type relevanceWire struct {
	Changesets *[]struct {
		Node        string `json:"node"`
		BackedOutBy string `json:"backedoutby"`
	} `json:"changesets"`
	Error string `json:"error"`
}

// backedOutBy returns the changesets that backed out those of the push which
// ends with rev, each once.
func (l *Log) backedOutBy(ctx context.Context, rev string) ([]string, error) {
	const op = "pushlog.json-automationrelevance"
	where := l.server.base + "/" + l.path + "/json-automationrelevance/" + rev + "?backouts=1"
	res, err := l.server.http.Do(ctx, rest.Call{URL: where, Header: http.Header{"Accept": {"application/json"}}})
	if err != nil {
		return nil, job.OfHTTP(op, rest.Redact(where), err)
	}
	nodes, err := decodeRelevance(res.Body)
	return nodes, job.Wrap(op, rest.Redact(where), err)
}

func decodeRelevance(body []byte) ([]string, error) {
	var w relevanceWire
	if err := json.Unmarshal(body, &w); err != nil {
		return nil, malformed("%v in %q", err, first(body))
	}
	if w.Changesets == nil {
		return nil, malformed("no changesets, the server says: %s", w.Error)
	}
	var out []string
	for _, c := range *w.Changesets {
		if c.BackedOutBy == "" || slices.Contains(out, c.BackedOutBy) {
			continue
		}
		if !node(c.BackedOutBy) {
			return nil, malformed("changeset %s is backed out by %q, which is not a hash", c.Node, c.BackedOutBy)
		}
		out = append(out, c.BackedOutBy)
	}
	return out, nil
}

package selfserve

import (
	"context"
	"net/http"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
)

// Builders are the names of the branch's builders that ran in the last 60 days, as
// self-serve says it. It wants the same user and password as everything else there.
func (p *Project) Builders(ctx context.Context) ([]string, error) {
	const op = "selfserve.builders"
	return bounded(ctx, p.c, op, p.repo, func(ctx context.Context) ([]string, error) {
		return p.c.builders(ctx, p.repo)
	})
}

// CheckDumps reports whether the dump of the last four hours is there, without reading
// it: some 100 MB.
func (c *Client) CheckDumps(ctx context.Context) error {
	const op = "selfserve.dump"
	url := c.dumps.asked(recent).URL
	_, err := bounded(ctx, c, op, url, func(ctx context.Context) (struct{}, error) {
		_, err := c.rest.Do(ctx, rest.Call{Method: http.MethodHead, URL: url})
		return struct{}{}, job.OfHTTP(op, url, err)
	})
	return err
}

// CheckDumps is the Client's.
func (p *Project) CheckDumps(ctx context.Context) error { return p.c.CheckDumps(ctx) }

package selfserve

import (
	"context"
	"net/http"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
)

// Builders returns the names of the branch's builders that ran in the last 60 days, as
// self-serve lists them. Self-serve requires a user and password for this, as for every request.
func (p *Project) Builders(ctx context.Context) ([]string, error) {
	const op = "selfserve.builders"
	return bounded(ctx, p.c, op, p.repo, func(ctx context.Context) ([]string, error) {
		return p.c.builders(ctx, p.repo)
	})
}

// CheckDumps returns an error when the dump of the last four hours is not there. It sends a
// HEAD, as the dump has about 100 MB.
func (c *Client) CheckDumps(ctx context.Context) error {
	const op = "selfserve.dump"
	url := c.dumps.asked(recent).URL
	_, err := bounded(ctx, c, op, url, func(ctx context.Context) (struct{}, error) {
		_, err := c.rest.Do(ctx, rest.Call{Method: http.MethodHead, URL: url})
		return struct{}{}, job.OfHTTP(op, url, err)
	})
	return err
}

// CheckDumps is [Client.CheckDumps].
func (p *Project) CheckDumps(ctx context.Context) error { return p.c.CheckDumps(ctx) }

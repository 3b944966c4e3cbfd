package buildbot

import "context"

// Calls of the API by which tests do to a real master, or see of it, what the
// library itself has no call for.

// Builds returns the builds of a request, oldest first.
func (c *Client) Builds(ctx context.Context, request int64) ([]Build, error) {
	return c.builds(ctx, request)
}

// Build returns one build with its properties.
func (c *Client) Build(ctx context.Context, id int64) (Build, error) { return c.build(ctx, id) }

// Builders returns the builders.
func (c *Client) Builders(ctx context.Context) ([]Builder, error) { return c.allBuilders(ctx) }

// Buildsets returns the newest buildsets, newest first.
func (c *Client) Buildsets(ctx context.Context) ([]Buildset, error) {
	all, _, err := older(ctx, c, "buildbot.buildsets", setsSource(), 0, largePage)
	return all, err
}

// Force asks a force scheduler for a build on one builder.
func (c *Client) Force(ctx context.Context, scheduler string, builder int, params map[string]any) error {
	_, err := c.force(ctx, scheduler, builder, params)
	return err
}

// Rebuild asks for a copy of a build.
func (c *Client) Rebuild(ctx context.Context, build int64) error {
	_, err := c.rebuild(ctx, build)
	return err
}

package buildbot

import (
	"context"
	"errors"
	"net/http"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job/contract"
)

// About is what a master says about itself and about the caller.
type About struct {
	Version string // of Buildbot, such as 3.7.0; empty when the master does not say
	Auth    string // how people sign in, such as UserPasswordAuth; NoAuth when they cannot
	User    string // who is signed in; empty when no one is
	// Builders is the number of the master's builders, retired ones included. Forms is the
	// number of its force schedulers, with which people trigger builds.
	Builders, Forms int
	// Denied says why the caller may change nothing, when the master says so without being asked
	// for a change. When it is nil, forcing may still be refused.
	Denied error
}

// About signs in, if there is a user to sign in, and asks the master what it is. It forces and
// changes nothing. When the master does not accept the user, the error is job.ErrDenied.
func (c *Client) About(ctx context.Context) (About, error) {
	return bounded(ctx, c, "buildbot.about", "", c.about)
}

func (c *Client) about(ctx context.Context) (About, error) {
	const op = "buildbot.about"
	if c.session.canBegin() {
		if err := c.session.begin(ctx, op, false); err != nil {
			return About{}, err
		}
	}
	url := c.base + "/config"
	res, err := c.do(ctx, op, rest.Call{URL: url, Header: plainJSON()})
	if err != nil {
		return About{}, wrap(op, "", err)
	}
	config, err := configs.Decode(contract.Asked{URL: url}, res.Body)
	if err != nil {
		return About{}, wrap(op, "", described(err, res))
	}
	out := About{Version: config.version(), Auth: config.Auth.Name, User: config.user()}
	builders, err := c.allBuilders(ctx)
	if err != nil {
		return out, err
	}
	forms, err := c.forceSchedulers(ctx)
	out.Builders, out.Forms = len(builders), len(forms)
	if err == nil {
		out.Denied = c.denied(ctx)
	}
	return out, err
}

// denied returns the master's refusal, if it refuses the caller's changes. It sends a HEAD,
// which reads and changes nothing. A master with one rule for all of its controls
// (AnyControlEndpointMatcher) treats it as a control, and answers 403 to callers who may not use
// those. Other masters answer a HEAD in their own ways, which tell nothing.
func (c *Client) denied(ctx context.Context) error {
	const op = "buildbot.about"
	_, err := c.do(ctx, op, rest.Call{
		Method: http.MethodHead, URL: query(c.path("builds"), "limit", "1"), Header: plainJSON(), Retries: -1,
	})
	var e *rest.Error
	if errors.As(err, &e) && e.Status == http.StatusForbidden {
		return wrap(op, "", err)
	}
	return nil
}

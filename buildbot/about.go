package buildbot

import (
	"context"
	"errors"
	"net/http"

	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job/contract"
)

// About is what a master says of itself, and of whoever asks.
type About struct {
	Version string // of Buildbot, such as 3.7.0; empty where the master does not say it
	Auth    string // by which people sign in, such as UserPasswordAuth; NoAuth for by nothing
	User    string // who is signed in; empty for nobody
	// Builders and Forms are how many builders the master has, retired ones too, and
	// how many force schedulers, by which builds can be asked for.
	Builders, Forms int
	// Denied is why whoever asks may change nothing, where the master says so without
	// being asked for a change; nil where it does not: then forcing may still be refused.
	Denied error
}

// About signs in, where there is a user to sign in, and asks the master what it is. It
// forces and changes nothing. A user whom the master does not take gives job.ErrDenied.
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

// denied is why the master refuses whoever asks for a change. A HEAD reads nothing and
// changes nothing, and a master whose rule is about all of its controls
// (AnyControlEndpointMatcher) takes it for a control: it answers 403 to who may not use
// those. Other masters answer it in their own ways, which tell nothing.
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

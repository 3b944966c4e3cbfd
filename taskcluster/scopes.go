package taskcluster

import (
	"context"
	"net/http"

	v2 "github.com/go-json-experiment/json"

	"github.com/mozci/mozci/internal/scope"
	"github.com/mozci/mozci/job/contract"
)

// scopesWire is a set of scopes, in a request and in an answer.
type scopesWire struct {
	Scopes []string `json:"scopes" is:"required"`
}

var expanded = contract.New(contract.Endpoint[scopesWire]{
	Source: source, Name: "auth.expandScopes", Method: http.MethodPost, URL: `/auth/v1/scopes/expand$`,
	Same: func(asked contract.Asked, w *scopesWire) error {
		var in scopesWire
		_ = v2.Unmarshal(asked.Body, &in) // mozci wrote this body: it can be read
		for _, s := range in.Scopes {
			if !scope.Satisfies(w.Scopes, s) {
				return contract.Differs("scopes", "not one that satisfies it", s)
			}
		}
		return nil
	},
})

// currently is the answer with the caller's scopes. A caller without credentials has those of
// the role anonymous.
var currently = contract.New(contract.Endpoint[scopesWire]{
	Source: source, Name: "auth.currentScopes", URL: `/auth/v1/scopes/current$`,
})

// CurrentScopes returns the scopes that the client's requests have, with those of their roles.
// For temporary or narrowed credentials these are the ones that are left; without credentials,
// what the deployment allows everyone. Wrong or expired credentials give job.ErrDenied, as in
// every other request.
func (c *Client) CurrentScopes(ctx context.Context) ([]string, error) {
	const op = "auth.currentScopes"
	return within(ctx, c, op, "", func(ctx context.Context) ([]string, error) {
		out, err := get(ctx, c, op, "", c.route("auth", "scopes", "current"), currently)
		if err != nil {
			return nil, err
		}
		return out.Scopes, nil
	})
}

// expandScopes adds to the scopes those of the roles among them (assume:…). The answer must
// satisfy each scope of the request; one that does not is about something else.
func (c *Client) expandScopes(ctx context.Context, scopes []string) ([]string, error) {
	url := c.route("auth", "scopes", "expand")
	in := scopesWire{append([]string{}, scopes...)}
	out, err := send(ctx, c, "auth.expandScopes", "", http.MethodPost, url, in, true, expanded)
	if err != nil {
		return nil, err
	}
	return out.Scopes, nil
}

package taskcluster

import (
	"context"
	"net/http"
	"strings"

	v2 "github.com/go-json-experiment/json"

	"github.com/mozci/mozci/job/contract"
)

// satisfies reports whether somebody with the scopes has may do what needs the
// scope want: it is among them, or one of them is a prefix of it that ends in *.
// Roles ("assume:…") count as what they are; Client.expandScopes says what is
// in them.
func satisfies(has []string, want string) bool {
	for _, h := range has {
		if h == want {
			return true
		}
		if prefix, ok := strings.CutSuffix(h, "*"); ok && strings.HasPrefix(want, prefix) {
			return true
		}
	}
	return false
}

// scopesWire is a set of scopes, asked and answered.
type scopesWire struct {
	Scopes []string `json:"scopes" is:"required"`
}

var expanded = contract.New(contract.Endpoint[scopesWire]{
	Source: source, Name: "auth.expandScopes", Method: http.MethodPost, URL: `/auth/v1/scopes/expand$`,
	Same: func(asked contract.Asked, w *scopesWire) error {
		var in scopesWire
		_ = v2.Unmarshal(asked.Body, &in) // it is mozci's own
		for _, s := range in.Scopes {
			if !satisfies(w.Scopes, s) {
				return contract.Differs("scopes", "not one that satisfies it", s)
			}
		}
		return nil
	},
})

// expandScopes adds to scopes what the roles in them contain.
func (c *Client) expandScopes(ctx context.Context, scopes []string) ([]string, error) {
	url := c.route("auth", "scopes", "expand")
	in := scopesWire{append([]string{}, scopes...)}
	out, err := send(ctx, c, "auth.expandScopes", "", http.MethodPost, url, in, true, expanded)
	if err != nil {
		return nil, err
	}
	return out.Scopes, nil
}

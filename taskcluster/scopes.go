package taskcluster

import (
	"context"
	"net/http"
	"strings"
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

// expandScopes adds to scopes what the roles in them contain.
func (c *Client) expandScopes(ctx context.Context, scopes []string) ([]string, error) {
	var out struct {
		Scopes []string `json:"scopes"`
	}
	if scopes == nil {
		scopes = []string{}
	}
	in := map[string]any{"scopes": scopes}
	url := c.route("auth", "scopes", "expand")
	err := c.call(ctx, "auth.expandScopes", "", http.MethodPost, url, in, &out, true)
	return out.Scopes, err
}

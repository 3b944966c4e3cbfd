package tctest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/hawk"
)

// expand adds what is in roles; a role that ends in * matches by prefix.
func (s *Server) expand(c *call) {
	var in struct{ Scopes []string }
	if !c.decode(&in) {
		return
	}
	out := append([]string{}, in.Scopes...)
	for i := 0; i < len(out); i++ {
		role, ok := strings.CutPrefix(out[i], "assume:")
		if !ok {
			continue
		}
		for name, has := range s.Roles {
			prefix, star := strings.CutSuffix(name, "*")
			if name != role && (!star || !strings.HasPrefix(role, prefix)) {
				continue
			}
			for _, h := range has {
				if !slices.Contains(out, h) {
					out = append(out, h)
				}
			}
		}
	}
	answer(c.w, http.StatusOK, Object{"scopes": out})
}

// authenticate checks the signature, where there is one.
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request) (who string, ok bool) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return "", true
	}
	sign, err := hawk.Parse(header)
	if err == nil {
		u := *r.URL
		u.Scheme, u.Host = "http", r.Host
		key := hawk.Key{ID: sign.ID, Secret: s.Clients[sign.ID]}
		err = key.Check(sign, r.Method, &u, time.Now(), 15*time.Minute)
		if s.Clients[sign.ID] == "" {
			err = fmt.Errorf("no client %q", sign.ID)
		}
	}
	if err != nil {
		refuse(w, http.StatusUnauthorized, "AuthenticationFailed", "Unauthorized: %v", err)
		return "", false
	}
	if text, err := base64.StdEncoding.DecodeString(sign.Ext); err == nil && len(text) > 0 {
		r.Header.Set("X-Ext", string(text))
	}
	return sign.ID, true
}

// may checks a scope, or answers that it is missing.
func (s *Server) may(c *call, scope string) bool {
	ok := c.who != ""
	if s.Scopes != nil {
		ok = ok && slices.ContainsFunc(s.Scopes, func(has string) bool {
			prefix, star := strings.CutSuffix(has, "*")
			return has == scope || star && strings.HasPrefix(scope, prefix)
		})
	}
	if !ok {
		refuse(c.w, http.StatusForbidden, "InsufficientScopes",
			"Client ID %s does not have sufficient scopes and is missing the following scopes:\n\n```\n%s\n```"+
				"\n\nThis request requires more.", c.who, scope)
	}
	return ok
}

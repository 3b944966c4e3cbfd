package tctest

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/hawk"
	"github.com/mozci/mozci/internal/scope"
)

// expand adds what is in roles; a role that ends in * matches by prefix.
func (s *Server) expand(c *call) {
	var in struct{ Scopes []string }
	if !c.decode(&in) {
		return
	}
	answer(c.w, http.StatusOK, Object{"scopes": s.expanded(in.Scopes)})
}

// current are the scopes of whoever asks: everybody has those of the role anonymous.
func (s *Server) current(c *call) {
	scopes := s.expanded([]string{"assume:anonymous"})
	switch {
	case c.who != "" && c.may == nil:
		scopes = []string{scope.All}
	case c.who != "":
		scopes = append(scopes, c.may...)
	}
	answer(c.w, http.StatusOK, Object{"scopes": scopes})
}

// expanded are scopes with what is in their roles.
func (s *Server) expanded(scopes []string) []string {
	out := append([]string{}, scopes...)
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
	return out
}

// authenticate checks the signature, where there is one. It is that of a client whose
// certificate is not looked at, or of temporary credentials.
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request) (c *call, ok bool) {
	c = &call{w: w, r: r, may: s.Scopes}
	header := r.Header.Get("Authorization")
	if header == "" {
		return c, true
	}
	u := *r.URL
	u.Scheme, u.Host = "http", r.Host
	sign, err := hawk.Parse(header)
	if err == nil {
		key := hawk.Key{ID: sign.ID, Secret: s.Clients[sign.ID]}
		c.may = s.scopesOf(sign.ID)
		if err = key.Check(sign, r.Method, &u, time.Now(), skew); err != nil || s.Clients[sign.ID] == "" {
			var who signer
			who, err = s.signer(header, r.Method, &u)
			c.may = who.scopes
		}
	}
	if err != nil {
		refuse(w, http.StatusUnauthorized, "AuthenticationFailed", "Unauthorized: %v", err)
		return c, false
	}
	if text, err := base64.StdEncoding.DecodeString(sign.Ext); err == nil && len(text) > 0 {
		r.Header.Set("X-Ext", string(text))
	}
	c.who = sign.ID
	return c, true
}

// may checks a scope, or answers that it is missing.
func (s *Server) may(c *call, need string) bool {
	if c.who == "" || c.may != nil && !scope.Satisfies(c.may, need) {
		refuse(c.w, http.StatusForbidden, "InsufficientScopes",
			"Client ID %s does not have sufficient scopes and is missing the following scopes:\n\n```\n%s\n```"+
				"\n\nThis request requires more.", c.who, need)
		return false
	}
	return true
}

package tctest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/hawk"
	"github.com/mozci/mozci/internal/scope"
)

// skew is how far the time of a signature may be off.
const skew = 15 * time.Minute

// certificate is what makes credentials temporary.
type certificate struct {
	Version   int      `json:"version"`
	Seed      string   `json:"seed"`
	Start     int64    `json:"start"`
	Expiry    int64    `json:"expiry"`
	Scopes    []string `json:"scopes"`
	Issuer    string   `json:"issuer,omitempty"`
	Signature string   `json:"signature"`
}

// sign is the signature of a certificate by the issuer's token.
func (c *certificate) sign(token, clientID string) string {
	lines := []string{"version:1"}
	if c.Issuer != "" {
		lines = append(lines, "clientId:"+clientID, "issuer:"+c.Issuer)
	}
	lines = append(lines, "seed:"+c.Seed, fmt.Sprintf("start:%d", c.Start), fmt.Sprintf("expiry:%d", c.Expiry),
		"scopes:")
	return base64.StdEncoding.EncodeToString(mac(token, strings.Join(append(lines, c.Scopes...), "\n")))
}

func mac(key, text string) []byte {
	h := hmac.New(sha256.New, []byte(key))
	_, _ = h.Write([]byte(text))
	return h.Sum(nil)
}

// temporary is the token of credentials of a seed.
func temporary(token, seed string) string {
	return base64.RawURLEncoding.EncodeToString(mac(token, seed))
}

// Temporary makes temporary credentials as a client makes them of its own: for a client id,
// which is the issuer's own or a new one, from now on for as long as life. They are an
// access token and a certificate.
func (s *Server) Temporary(issuer, clientID string, life time.Duration, scopes ...string) (token, cert string) {
	seed := base64.RawURLEncoding.EncodeToString(mac(clientID, time.Now().String()))
	c := &certificate{
		Version: 1, Seed: (seed + seed)[:44], Start: time.Now().UnixMilli(), Expiry: time.Now().Add(life).UnixMilli(),
		Scopes: append([]string{}, scopes...),
	}
	if issuer != clientID {
		c.Issuer = issuer
	}
	c.Signature = c.sign(s.Clients[issuer], clientID)
	text, err := json.Marshal(c)
	if err != nil {
		panic(err) // what is given here is plain
	}
	return temporary(s.Clients[issuer], c.Seed), string(text)
}

// scopesOf are a client's scopes, with what is in their roles; nil for everything.
func (s *Server) scopesOf(client string) []string {
	if has, ok := s.ClientScopes[client]; ok {
		return s.expanded(has)
	}
	return s.Scopes
}

// signer is who signed a request, and what they may do.
type signer struct {
	id      string
	scopes  []string // nil for everything
	expires time.Time
	hash    string
}

// far is when permanent credentials expire.
const far = 200 * 365 * 24 * time.Hour

// signer checks a signature as the service does, with the certificate and the narrowing
// that it carries.
func (s *Server) signer(header, method string, u *url.URL) (signer, error) {
	sign, err := hawk.Parse(header)
	if err != nil {
		return signer{}, err
	}
	who := signer{id: sign.ID, expires: time.Now().Add(far), hash: sign.Hash}
	var ext struct {
		Certificate      *certificate `json:"certificate"`
		AuthorizedScopes *[]string    `json:"authorizedScopes"`
	}
	if sign.Ext != "" {
		text, err := base64.StdEncoding.DecodeString(sign.Ext)
		if err != nil || json.Unmarshal(text, &ext) != nil {
			return signer{}, errors.New("Failed to parse ext") //nolint:staticcheck // so it says
		}
	}
	issuer := sign.ID
	if ext.Certificate != nil && ext.Certificate.Issuer != "" {
		issuer = ext.Certificate.Issuer
	}
	token := s.Clients[issuer]
	if token == "" {
		return signer{}, fmt.Errorf("no client %q", issuer)
	}
	who.scopes = s.scopesOf(issuer)
	if ext.Certificate != nil {
		if err := who.temporary(ext.Certificate, token, issuer); err != nil {
			return signer{}, err
		}
		token = temporary(token, ext.Certificate.Seed)
	}
	if ext.AuthorizedScopes != nil {
		if !satisfiesAll(who.scopes, *ext.AuthorizedScopes) {
			const no = "Supplied credentials do not satisfy authorizedScopes"
			return signer{}, errors.New(no) //nolint:staticcheck // the service writes it with a capital
		}
		who.scopes = s.expanded(*ext.AuthorizedScopes)
	}
	switch err := (hawk.Key{ID: sign.ID, Secret: token}).Check(sign, method, u, time.Now(), skew); {
	case errors.Is(err, hawk.ErrStale):
		return signer{}, errors.New("Unauthorized: Stale timestamp") //nolint:staticcheck // so it says
	case err != nil:
		return signer{}, errors.New("Unauthorized: Bad mac") //nolint:staticcheck // so it says
	}
	return who, nil
}

// temporary narrows who to a certificate.
func (who *signer) temporary(c *certificate, token, issuer string) error {
	const leeway = 5 * time.Minute
	now := time.Now()
	switch {
	case c.Version != 1 || len(c.Seed) != 44:
		return errors.New("ext.certificate.version must be 1")
	case time.UnixMilli(c.Start).After(now.Add(leeway)):
		return errors.New("ext.certificate.start > now")
	case time.UnixMilli(c.Expiry).Before(now.Add(-leeway)):
		return errors.New("ext.certificate.expiry < now")
	case c.Expiry-c.Start > (31 * 24 * time.Hour).Milliseconds():
		return errors.New("ext.certificate cannot last longer than 31 days!") //nolint:staticcheck // so it says
	case issuer != who.id && !satisfiesAll(who.scopes, []string{"auth:create-client:" + who.id}):
		return fmt.Errorf("ext.certificate issuer `%s` doesn't have `auth:create-client:%s` for supplied clientId",
			issuer, who.id)
	case !satisfiesAll(who.scopes, c.Scopes):
		return fmt.Errorf("ext.certificate issuer `%s` doesn't satisfy all certificate scopes", issuer)
	case !hmac.Equal([]byte(c.Signature), []byte(c.sign(token, who.id))):
		return errors.New("ext.certificate.signature is not valid")
	}
	who.scopes, who.expires = append([]string{}, c.Scopes...), time.UnixMilli(c.Expiry)
	return nil
}

func satisfiesAll(has, need []string) bool {
	return has == nil || !slices.ContainsFunc(need, func(n string) bool { return !scope.Satisfies(has, n) })
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)

// authenticateHawk says who signed a request that another service got.
func (s *Server) authenticateHawk(c *call) {
	var in struct {
		Method, Resource, Host, Authorization string
		Port                                  *int
	}
	if !c.decode(&in) {
		return
	}
	if in.Method == "" || in.Method != strings.ToLower(in.Method) || in.Resource == "" || in.Port == nil ||
		*in.Port < 0 || *in.Port > 65535 || !hostName.MatchString(in.Host) {
		refuse(c.w, http.StatusBadRequest, "InputValidationError", "\nSchema Validation Failed!")
		return
	}
	u, err := url.Parse(fmt.Sprintf("http://%s:%d%s", in.Host, *in.Port, in.Resource))
	var who signer
	if err == nil {
		who, err = s.signer(in.Authorization, in.Method, u)
	}
	if err != nil {
		answer(c.w, http.StatusOK, Object{"status": "auth-failed", "message": err.Error()})
		return
	}
	scopes := append([]string{}, who.scopes...)
	if who.scopes == nil {
		scopes = []string{scope.All}
	}
	out := Object{
		"status": "auth-success", "scheme": "hawk", "clientId": who.id, "scopes": scopes,
		"expires": stamp(who.expires),
	}
	if who.hash != "" {
		out["hash"] = who.hash
	}
	answer(c.w, http.StatusOK, out)
}

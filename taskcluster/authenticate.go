package taskcluster

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/redact"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// HawkRequest is a request that somebody signed with Taskcluster's credentials, as the
// service saw it that it was sent to.
type HawkRequest struct {
	Method   string // such as POST
	Resource string // the path and the query, as they were sent
	Host     string // that it was signed for: a name or an IPv4 address
	Port     int
	// Authorization is its header. For as long as it is fresh it is a secret.
	Authorization string
	SourceIP      string // whom the deployment's log is to name; empty for nobody
}

// HawkAnswer is what the deployment says of a signed request.
type HawkAnswer struct {
	// Failed says why the signature or the credentials are not right; empty where they
	// are, and then there is the rest.
	Failed   string
	ClientID string
	Scopes   []string // with what is in roles
	Expires  time.Time
	// Hash is that of the body, which the signature covers, as the header has it: to be
	// compared with the body's own. Empty where the signature covers no body.
	Hash string
}

// hawkWire is the answer of authenticateHawk.
type hawkWire struct {
	Status   string     `json:"status" is:"required" words:"auth-success auth-failed no-auth"`
	Message  string     `json:"message" is:""`
	Scheme   string     `json:"scheme" is:"" words:"hawk none"`
	ClientID string     `json:"clientId" is:"" min:"1"`
	Scopes   []string   `json:"scopes" is:""`
	Expires  *time.Time `json:"expires" is:""`
	Hash     string     `json:"hash" is:""`

	_ contract.Also `names:"computedHash"`
}

// Prove implements contract.Prover: whoever is let in has a name, scopes and an end.
func (w *hawkWire) Prove() error {
	switch {
	case w.Status == "auth-failed" && w.Message == "":
		return absent("message")
	case w.Status != "auth-success":
		return nil
	case w.Scheme == "":
		return absent("scheme")
	case w.ClientID == "":
		return absent("clientId")
	case w.Scopes == nil:
		return absent("scopes")
	case w.Expires == nil:
		return absent("expires")
	}
	return nil
}

var authenticated = contract.New(contract.Endpoint[hawkWire]{
	Source: source, Name: "auth.authenticateHawk", Method: http.MethodPost, URL: `/auth/v1/authenticate-hawk$`,
})

// hawkAsked is what authenticateHawk is asked.
type hawkAsked struct {
	Method        string `json:"method"`
	Resource      string `json:"resource"`
	Host          string `json:"host"`
	Port          int    `json:"port"`
	Authorization string `json:"authorization"`
	SourceIP      string `json:"sourceIp,omitempty"`
}

// AuthenticateHawk asks the deployment who signed a request, and what they may do: so a
// service takes Taskcluster's credentials, permanent and temporary, and knows none of
// them. That a signature is not right is an answer (Failed) and no error. The
// deployment does not see the body, nor whether the request was sent before: whoever asks
// compares Hash, and remembers nonces.
func (c *Client) AuthenticateHawk(ctx context.Context, r HawkRequest) (HawkAnswer, error) {
	const op = "auth.authenticateHawk"
	key := r.Host
	if r.Authorization == "" { // that is asked about as one who is nobody, who has scopes too
		return HawkAnswer{}, job.Wrap(op, key, fmt.Errorf("%w: a request that nobody signed", job.ErrInvalid))
	}
	return within(ctx, c, op, key, func(ctx context.Context) (HawkAnswer, error) {
		in := hawkAsked{
			Method: strings.ToLower(r.Method), Resource: r.Resource, Host: r.Host, Port: r.Port,
			Authorization: r.Authorization, SourceIP: r.SourceIP,
		}
		w, err := send(ctx, c, op, key, http.MethodPost, c.route("auth", "authenticate-hawk"), in, true, authenticated)
		switch {
		case err != nil:
			return HawkAnswer{}, err
		case w.Status == "auth-failed":
			return HawkAnswer{Failed: redact.Text(w.Message)}, nil
		case w.Status != "auth-success" || w.Scheme != "hawk":
			return HawkAnswer{}, wrap(op, key, broken(authenticated, "status", "%.40q by %.40q, expected one of Hawk",
				w.Status, w.Scheme))
		}
		return HawkAnswer{ClientID: w.ClientID, Scopes: w.Scopes, Expires: *w.Expires, Hash: w.Hash}, nil
	})
}

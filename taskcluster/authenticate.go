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

// HawkRequest is a request that a client signed with Taskcluster credentials, as the service
// that received it saw it.
type HawkRequest struct {
	Method   string // such as POST
	Resource string // the path and the query, exactly as they were sent
	Host     string // the host that the client signed for: a name or an IPv4 address
	Port     int
	// Authorization is the request's header. It is a secret for as long as it is fresh,
	// since whoever has it can send the same request.
	Authorization string
	SourceIP      string // the client's address, for the deployment's log; may be empty
}

// HawkAnswer is the deployment's verdict on a signed request.
type HawkAnswer struct {
	// Failed says why the signature or the credentials are wrong. When it is empty they are
	// right, and the other fields are set.
	Failed   string
	ClientID string
	Scopes   []string  // with the scopes of roles expanded
	Expires  time.Time // when the credentials end
	// Hash is the hash of the body as the header states it. The caller must compare it with
	// the hash of the body that arrived. Empty when the signature does not cover a body.
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

// Prove implements contract.Prover: a client that is let in has a name, scopes and an expiry.
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

// hawkAsked is the body of a request to authenticateHawk.
type hawkAsked struct {
	Method        string `json:"method"`
	Resource      string `json:"resource"`
	Host          string `json:"host"`
	Port          int    `json:"port"`
	Authorization string `json:"authorization"`
	SourceIP      string `json:"sourceIp,omitempty"`
}

// AuthenticateHawk asks the deployment who signed a request and what they may do. With it a
// service can accept Taskcluster credentials, permanent and temporary, without storing any.
// A wrong signature is an answer (Failed), not an error.
//
// Two checks are left to the caller, since the deployment sees neither the body nor earlier
// requests: compare Hash with the body, and remember nonces so that a request that somebody
// recorded cannot be sent again.
func (c *Client) AuthenticateHawk(ctx context.Context, r HawkRequest) (HawkAnswer, error) {
	const op = "auth.authenticateHawk"
	key := r.Host
	if r.Authorization == "" { // the deployment would answer with the scopes of anonymous callers
		return HawkAnswer{}, job.Wrap(op, key, fmt.Errorf("%w: the request is not signed", job.ErrInvalid))
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

package taskcluster_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/hawk"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

const signedURL = "https://mozci.example:8443/v1/backfills?a=1&b=2"

// signedRequest is a request as a service saw it, signed with these credentials and, in ext,
// what makes them temporary or narrows them.
func signedRequest(id, token string, ext map[string]any) taskcluster.HawkRequest {
	u := ok(url.Parse(signedURL))
	s := hawk.Signed{
		Method: http.MethodPost, URL: u, Time: time.Now(), Nonce: hawk.NewNonce(),
		Hash: hawk.PayloadHash("application/json", []byte("{}")),
	}
	if ext != nil {
		s.Ext = base64.StdEncoding.EncodeToString(ok(json.Marshal(ext)))
	}
	return taskcluster.HawkRequest{
		Method: http.MethodPost, Resource: u.RequestURI(), Host: u.Hostname(), Port: 8443,
		Authorization: ok(hawk.Key{ID: id, Secret: token}.Header(s)), SourceIP: "192.0.2.7",
	}
}

func temporary(s *tctest.Server, issuer, id string, life time.Duration, scopes ...string) taskcluster.HawkRequest {
	token, cert := s.Temporary(issuer, id, life, scopes...)
	return signedRequest(id, token, map[string]any{"certificate": json.RawMessage(cert)})
}

// The deployment says who signed, and what they may do.
func TestAuthenticateHawk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := world()
		s.Clients["sheriff"] = "hunter2"
		s.Roles["project:sheriffs"] = []string{"hooks:trigger-hook:project-gecko/*"}
		s.ClientScopes = map[string][]string{"sheriff": {"assume:project:sheriffs", "auth:create-client:sheriff/*"}}
		const all = "assume:project:sheriffs auth:create-client:sheriff/* hooks:trigger-hook:project-gecko/*"
		alter := func(change func(*taskcluster.HawkRequest)) taskcluster.HawkRequest {
			r := signedRequest("sheriff", "hunter2", nil)
			change(&r)
			return r
		}
		for name, c := range map[string]struct {
			r      taskcluster.HawkRequest
			who    string
			scopes string
			failed string
			ends   time.Duration // 0 for never
		}{
			"permanent":   {r: signedRequest("sheriff", "hunter2", nil), who: "sheriff", scopes: all},
			"everything":  {r: signedRequest("me", "secret", nil), who: "me", scopes: "*"},
			"wrong token": {r: signedRequest("sheriff", "hunter3", nil), failed: "Unauthorized: Bad mac"},
			"nobody":      {r: signedRequest("nobody", "hunter2", nil), failed: `no client "nobody"`},
			"another path": {r: alter(func(r *taskcluster.HawkRequest) {
				r.Resource = "/v1/other"
			}), failed: "Unauthorized: Bad mac"},
			"another host": {r: alter(func(r *taskcluster.HawkRequest) {
				r.Host = "other.example"
			}), failed: "Unauthorized: Bad mac"},
			"another method": {r: alter(func(r *taskcluster.HawkRequest) {
				r.Method = http.MethodPut
			}), failed: "Unauthorized: Bad mac"},
			"narrowed": {r: signedRequest("sheriff", "hunter2", map[string]any{
				"authorizedScopes": []string{"hooks:trigger-hook:project-gecko/x"},
			}), who: "sheriff", scopes: "hooks:trigger-hook:project-gecko/x"},
			"narrowed to nothing": {r: signedRequest("sheriff", "hunter2", map[string]any{
				"authorizedScopes": []string{},
			}), who: "sheriff"},
			"narrowed to more": {r: signedRequest("sheriff", "hunter2", map[string]any{
				"authorizedScopes": []string{"queue:x"},
			}), failed: "do not satisfy authorizedScopes"},
			"temporary": {
				r:   temporary(s, "sheriff", "sheriff", time.Hour, "hooks:trigger-hook:project-gecko/x"),
				who: "sheriff", scopes: "hooks:trigger-hook:project-gecko/x", ends: time.Hour,
			},
			"temporary with a name": {
				r:   temporary(s, "sheriff", "sheriff/laptop", time.Hour, "hooks:trigger-hook:project-gecko/x"),
				who: "sheriff/laptop", scopes: "hooks:trigger-hook:project-gecko/x", ends: time.Hour,
			},
			"temporary with another's name": {
				r: temporary(s, "sheriff", "me", time.Hour), failed: "doesn't have `auth:create-client:me`",
			},
			"temporary with more": {
				r: temporary(s, "sheriff", "sheriff", time.Hour, "queue:x"), failed: "doesn't satisfy all certificate scopes",
			},
			"temporary and over": {
				r: temporary(s, "sheriff", "sheriff", -6*time.Minute), failed: "ext.certificate.expiry < now",
			},
			"a certificate of another": {
				r: func() taskcluster.HawkRequest {
					_, cert := s.Temporary("me", "sheriff", time.Hour)
					token, _ := s.Temporary("sheriff", "sheriff", time.Hour)
					return signedRequest("sheriff", token, map[string]any{"certificate": json.RawMessage(cert)})
				}(), failed: "Unauthorized: Bad mac",
			},
			"a certificate that was written over": {
				r: func() taskcluster.HawkRequest {
					token, cert := s.Temporary("sheriff", "sheriff", time.Hour, "hooks:trigger-hook:project-gecko/x")
					cert = strings.Replace(cert, "gecko/x", "gecko/y", 1)
					return signedRequest("sheriff", token, map[string]any{"certificate": json.RawMessage(cert)})
				}(), failed: "signature is not valid",
			},
		} {
			got, err := inMemory(s).AuthenticateHawk(t.Context(), c.r)
			if err != nil || got.ClientID != c.who || !strings.Contains(got.Failed, c.failed) ||
				(got.Failed == "") != (c.failed == "") {
				t.Errorf("%s: %+v, %v", name, got, err)
				continue
			}
			if c.failed != "" {
				continue
			}
			slices.Sort(got.Scopes)
			if strings.Join(got.Scopes, " ") != c.scopes || got.Hash != hawk.PayloadHash("application/json", []byte("{}")) {
				t.Errorf("%s: %+v", name, got)
			}
			if left := time.Until(got.Expires); c.ends > 0 && (left-c.ends).Abs() > time.Second ||
				c.ends == 0 && left < 1000*time.Hour {
				t.Errorf("%s: it ends in %s", name, left)
			}
		}
		late := signedRequest("sheriff", "hunter2", nil)
		time.Sleep(16 * time.Minute)
		if got, err := inMemory(s).AuthenticateHawk(t.Context(), late); err != nil || !strings.Contains(got.Failed, "Stale") {
			t.Errorf("after 16 minutes: %+v, %v", got, err)
		}
	})
}

// What cannot be asked about is not asked, and what cannot be believed is an error: nobody
// is let in by an answer that lacks what it must have.
func TestAuthenticateHawkProofs(t *testing.T) {
	s, _ := world()
	r := signedRequest("me", "secret", nil)
	for name, c := range map[string]struct {
		alter func(tctest.Object)
		words string
	}{
		"no client id":     {func(o tctest.Object) { delete(o, "clientId") }, "clientId: missing"},
		"an empty id":      {func(o tctest.Object) { o["clientId"] = "" }, "clientId: "},
		"no scopes":        {func(o tctest.Object) { delete(o, "scopes") }, "scopes: missing"},
		"scopes of null":   {func(o tctest.Object) { o["scopes"] = nil }, "scopes: null"},
		"a scope of null":  {func(o tctest.Object) { o["scopes"] = []any{nil} }, "scopes[0]: null"},
		"no end":           {func(o tctest.Object) { delete(o, "expires") }, "expires: missing"},
		"no scheme":        {func(o tctest.Object) { delete(o, "scheme") }, "scheme: missing"},
		"another scheme":   {func(o tctest.Object) { o["scheme"] = "bewit" }, `"auth-success" by "bewit"`},
		"nobody":           {func(o tctest.Object) { o["status"] = "no-auth" }, `"no-auth" by "hawk"`},
		"another word":     {func(o tctest.Object) { o["status"] = "auth-maybe" }, `"auth-maybe"`},
		"no status":        {func(o tctest.Object) { delete(o, "status") }, "status: missing"},
		"failed, no words": {func(o tctest.Object) { o["status"] = "auth-failed" }, "message: missing"},
	} {
		c2 := at(t, &altered{s, "/authenticate-hawk", c.alter})
		got, err := c2.AuthenticateHawk(t.Context(), r)
		if !errors.Is(err, job.ErrMalformed) || !strings.Contains(err.Error(), c.words) || got.ClientID != "" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	s.Requests()
	r.Authorization = ""
	if _, err := at(t, s).AuthenticateHawk(t.Context(), r); !errors.Is(err, job.ErrInvalid) || len(s.Requests()) > 0 {
		t.Errorf("without a signature: %v", err)
	}
	r = signedRequest("me", "secret", nil)
	r.Host = "no host"
	if _, err := at(t, s).AuthenticateHawk(t.Context(), r); !errors.Is(err, job.ErrRefused) ||
		strings.Contains(err.Error(), "mac=") {
		t.Errorf("of no host: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := at(t, s).AuthenticateHawk(ctx, r); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// A deployment that is away is an error, after tries, which shows no signature.
func TestAuthenticateHawkAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		c := ok(taskcluster.New("http://tc.example",
			&taskcluster.Options{HTTP: &http.Client{Transport: testenv.InMemory{Handler: away}}}))
		r := signedRequest("me", "secret", nil)
		_, err := c.AuthenticateHawk(t.Context(), r)
		if !errors.Is(err, job.ErrUnavailable) || strings.Contains(fmt.Sprint(err), "nonce") {
			t.Error(err)
		}
	})
}

package taskcluster_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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

// hawkCase is a signed request, and what the deployment says of it.
type hawkCase struct {
	r      taskcluster.HawkRequest
	who    string
	scopes string
	failed string
	ends   time.Duration // 0 for never
}

const (
	oneHookScope  = "hooks:trigger-hook:project-gecko/x"
	sheriffScopes = "assume:project:sheriffs auth:create-client:sheriff/* hooks:trigger-hook:project-gecko/*"
)

// sheriffs is a deployment with a client who has a role.
func sheriffs() *tctest.Server {
	s, _ := world()
	s.Clients["sheriff"] = "hunter2"
	s.Roles["project:sheriffs"] = []string{"hooks:trigger-hook:project-gecko/*"}
	s.ClientScopes = map[string][]string{"sheriff": {"assume:project:sheriffs", "auth:create-client:sheriff/*"}}
	return s
}

// permanent are requests with permanent credentials.
func permanent() map[string]hawkCase {
	alter := func(change func(*taskcluster.HawkRequest)) hawkCase {
		r := signedRequest("sheriff", "hunter2", nil)
		change(&r)
		return hawkCase{r: r, failed: "Unauthorized: Bad mac"}
	}
	narrowed := func(scopes ...string) taskcluster.HawkRequest {
		return signedRequest("sheriff", "hunter2", map[string]any{"authorizedScopes": append([]string{}, scopes...)})
	}
	return map[string]hawkCase{
		"permanent":           {r: signedRequest("sheriff", "hunter2", nil), who: "sheriff", scopes: sheriffScopes},
		"everything":          {r: signedRequest("me", "secret", nil), who: "me", scopes: "*"},
		"wrong token":         {r: signedRequest("sheriff", "hunter3", nil), failed: "Unauthorized: Bad mac"},
		"nobody":              {r: signedRequest("nobody", "hunter2", nil), failed: `no client "nobody"`},
		"another path":        alter(func(r *taskcluster.HawkRequest) { r.Resource = "/v1/other" }),
		"another host":        alter(func(r *taskcluster.HawkRequest) { r.Host = "other.example" }),
		"another port":        alter(func(r *taskcluster.HawkRequest) { r.Port = 443 }),
		"another method":      alter(func(r *taskcluster.HawkRequest) { r.Method = http.MethodPut }),
		"narrowed":            {r: narrowed(oneHookScope), who: "sheriff", scopes: oneHookScope},
		"narrowed to nothing": {r: narrowed(), who: "sheriff"},
		"narrowed to more":    {r: narrowed("queue:x"), failed: "do not satisfy authorizedScopes"},
	}
}

// temporaries are requests with temporary credentials.
func temporaries(s *tctest.Server) map[string]hawkCase {
	token, cert := s.Temporary("sheriff", "sheriff", time.Hour, oneHookScope)
	with := func(cert string) hawkCase {
		return hawkCase{r: signedRequest("sheriff", token, map[string]any{"certificate": json.RawMessage(cert)})}
	}
	_, others := s.Temporary("me", "sheriff", time.Hour)
	another, changed := with(others), with(strings.Replace(cert, "gecko/x", "gecko/y", 1))
	another.failed, changed.failed = "Unauthorized: Bad mac", "signature is not valid"
	return map[string]hawkCase{
		"temporary": {
			r: temporary(s, "sheriff", "sheriff", time.Hour, oneHookScope), who: "sheriff", scopes: oneHookScope,
			ends: time.Hour,
		},
		"with a name": {
			r:   temporary(s, "sheriff", "sheriff/laptop", time.Hour, oneHookScope),
			who: "sheriff/laptop", scopes: oneHookScope, ends: time.Hour,
		},
		"with another's name": {
			r: temporary(s, "sheriff", "me", time.Hour), failed: "doesn't have `auth:create-client:me`",
		},
		"with more": {
			r:      temporary(s, "sheriff", "sheriff", time.Hour, "queue:x"),
			failed: "doesn't satisfy all certificate scopes",
		},
		"over": {
			r: temporary(s, "sheriff", "sheriff", -6*time.Minute), failed: "ext.certificate.expiry < now",
		},
		"a certificate of another":            another,
		"a certificate that was written over": changed,
	}
}

// The deployment says who signed, and what they may do.
func TestAuthenticateHawk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sheriffs()
		cases := permanent()
		maps.Copy(cases, temporaries(s))
		hash := hawk.PayloadHash("application/json", []byte("{}"))
		for name, c := range cases {
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
			if strings.Join(got.Scopes, " ") != c.scopes || got.Hash != hash {
				t.Errorf("%s: %+v", name, got)
			}
			if left := time.Until(got.Expires); c.ends > 0 && (left-c.ends).Abs() > time.Second ||
				c.ends == 0 && left < 1000*time.Hour {
				t.Errorf("%s: it ends in %s", name, left)
			}
		}
		late := signedRequest("sheriff", "hunter2", nil)
		time.Sleep(16 * time.Minute)
		got, err := inMemory(s).AuthenticateHawk(t.Context(), late)
		if err != nil || !strings.Contains(got.Failed, "Stale") {
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

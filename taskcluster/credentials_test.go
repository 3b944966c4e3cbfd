package taskcluster_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
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

// The four cases that Taskcluster's own clients are tested with.
func TestTemporaryCredentials(t *testing.T) {
	type creds struct {
		AccessToken, Certificate, ClientID string
		AuthorizedScopes                   []string
	}
	var cases []struct {
		Description         string
		ExpectedTempCreds   creds
		PermCreds           creds
		Start, Expiry       time.Time
		Seed, TempCredsName string
		TempCredsScopes     []string
	}
	if err := json.Unmarshal(testenv.Read(t, "data", "8-specs", "taskcluster__client-go_testcases.json"), &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		got, err := taskcluster.Credentials{
			ClientID: c.PermCreds.ClientID, AccessToken: c.PermCreds.AccessToken, AuthorizedScopes: c.PermCreds.AuthorizedScopes,
		}.TemporaryWith(c.TempCredsName, c.TempCredsScopes, c.Start, c.Expiry, c.Seed)
		want := c.ExpectedTempCreds
		if err != nil || got.AccessToken != want.AccessToken || got.Certificate != want.Certificate || got.ClientID != want.ClientID ||
			fmt.Sprint(got.AuthorizedScopes) != fmt.Sprint(want.AuthorizedScopes) {
			t.Errorf("%s: %+v, %v", c.Description, struct{ A, B, C string }{got.AccessToken, got.Certificate, got.ClientID}, err)
		}
	}
	if len(cases) != 4 {
		t.Errorf("%d cases", len(cases))
	}
}

func TestTemporaryIsRefused(t *testing.T) {
	me := taskcluster.Credentials{ClientID: "me", AccessToken: "secret"}
	now := time.Now()
	good := ok(me.Temporary("", []string{"a"}, now, now.Add(time.Hour)))
	again := ok(me.Temporary("", []string{"a"}, now, now.Add(time.Hour)))
	if good.AccessToken == again.AccessToken {
		t.Error("two seeds are the same")
	}
	for name, f := range map[string]func() (taskcluster.Credentials, error){
		"of temporary ones": func() (taskcluster.Credentials, error) {
			return good.Temporary("x", nil, now, now.Add(time.Minute))
		},
		"backwards":    func() (taskcluster.Credentials, error) { return me.Temporary("x", nil, now, now) },
		"for too long": func() (taskcluster.Credentials, error) { return me.Temporary("x", nil, now, now.AddDate(0, 0, 32)) },
		"of oneself":   func() (taskcluster.Credentials, error) { return me.Temporary("me", nil, now, now.Add(time.Hour)) },
	} {
		if _, err := f(); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEnvironment(t *testing.T) {
	for name, c := range map[string]struct {
		env  string
		root string
		id   string
		err  string
	}{
		"nothing":             {"", "", "", ""},
		"a root":              {"ROOT_URL=https://x", "https://x", "", ""},
		"a client":            {"CLIENT_ID=me ACCESS_TOKEN=t", "", "me", ""},
		"an id alone":         {"CLIENT_ID=me", "", "", "TASKCLUSTER_ACCESS_TOKEN"},
		"a token alone":       {"ACCESS_TOKEN=t", "", "", "TASKCLUSTER_CLIENT_ID"},
		"a certificate alone": {"CERTIFICATE={}", "", "", "TASKCLUSTER_CLIENT_ID"},
		"a torn certificate":  {`CLIENT_ID=me ACCESS_TOKEN=t CERTIFICATE={"version":1`, "", "", "certificate"},
		"another version":     {`CLIENT_ID=me ACCESS_TOKEN=t CERTIFICATE={"version":2,"expiry":1,"signature":"x"}`, "", "", "certificate"},
	} {
		env := map[string]string{}
		for _, kv := range strings.Fields(c.env) {
			k, v, _ := strings.Cut(kv, "=")
			env["TASKCLUSTER_"+k] = v
		}
		root, opts, err := taskcluster.FromEnvironment(func(k string) string { return env[k] })
		id := ""
		if opts.Credentials != nil {
			id = opts.Credentials.ClientID
		}
		if root != c.root || id != c.id || (err != nil) != (c.err != "") || err != nil && (!strings.Contains(err.Error(), c.err) || !errors.Is(err, job.ErrInvalid)) {
			t.Errorf("%s: %q, client %q, %v", name, root, id, err)
		}
	}
}

// A secret is in no text, however it is asked for.
func TestSecretsAreHidden(t *testing.T) {
	c := taskcluster.Credentials{ClientID: "me", AccessToken: "hunter2", Certificate: `{"seed":"hunter2"}`}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("who", "creds", c, "opts", taskcluster.Options{Credentials: &c})
	text := fmt.Sprintf("%v %+v %#v %s %q %v", c, c, c, c, c, &c) + log.String()
	if raw, err := json.Marshal(c); err == nil {
		t.Errorf("credentials are written as %s", raw)
	}
	if strings.Contains(text, "hunter2") || !strings.Contains(text, "me REDACTED") {
		t.Error(text)
	}
}

// Every call is signed, with what narrows it, and each attempt anew.
func TestSignatures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := tctest.New()
		now := time.Now()
		creds := ok(taskcluster.Credentials{ClientID: "me", AccessToken: "secret"}.Temporary("you", []string{"auth:*"}, now, now.Add(time.Hour)))
		creds.AuthorizedScopes = []string{}
		var macs, exts []string
		s.Clients["you"] = creds.AccessToken
		s.Before = func(w http.ResponseWriter, r *http.Request) bool {
			sign, err := hawk.Parse(r.Header.Get("Authorization"))
			if err != nil {
				t.Errorf("%s: %v", r.URL, err)
			}
			macs, exts = append(macs, sign.MAC), append(exts, sign.Ext)
			if len(macs) == 1 {
				w.WriteHeader(http.StatusBadGateway)
			}
			return len(macs) == 1
		}
		c := ok(taskcluster.New("http://tc.example", &taskcluster.Options{HTTP: &http.Client{Transport: testenv.InMemory{Handler: s}}, Credentials: &creds}))
		if _, err := c.CurrentScopes(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(macs) != 2 || macs[0] == macs[1] {
			t.Errorf("the signatures of two attempts: %q", macs)
		}
		var ext struct {
			Certificate      struct{ Issuer string }
			AuthorizedScopes *[]string
		}
		if err := json.Unmarshal(ok(base64.StdEncoding.DecodeString(exts[1])), &ext); err != nil || ext.Certificate.Issuer != "me" || ext.AuthorizedScopes == nil || len(*ext.AuthorizedScopes) != 0 {
			t.Errorf("ext %s: %v", exts[1], err)
		}
		time.Sleep(2 * time.Hour)
		if _, err := c.CurrentScopes(t.Context()); !errors.Is(err, job.ErrDenied) || !strings.Contains(err.Error(), "expired at 2000-01-01T01:00:00Z") || len(macs) != 2 {
			t.Errorf("with an expired certificate: %v after %d requests", err, len(macs))
		}
	})
}

// A clock that is off is what the error says, not the signature.
func TestClockOff(t *testing.T) {
	for _, off := range []time.Duration{20 * time.Minute, -20 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", time.Now().Add(-off).UTC().Format(http.TimeFormat))
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = w.Write([]byte(`{"code": "AuthenticationFailed", "message": "Unauthorized: Stale timestamp", "requestInfo": {}}`))
			})
			_, err := at(t, h).CurrentScopes(t.Context())
			want := map[bool]string{true: "clock is 20m0s ahead of", false: "clock is 20m0s behind"}[off > 0]
			if !errors.Is(err, job.ErrDenied) || !strings.Contains(fmt.Sprint(err), want) {
				t.Errorf("%v: %v", off, err)
			}
		})
	}
}

func TestProxy(t *testing.T) {
	s, id := world()
	c := connect(t, s, &taskcluster.Options{Credentials: &taskcluster.Credentials{ClientID: "nobody", AccessToken: "x"}})
	if _, err := c.Status(t.Context(), id); !errors.Is(err, job.ErrDenied) {
		t.Errorf("with credentials that are wrong: %v", err)
	}
	proxy := connect(t, s, nil)
	direct := ok(taskcluster.New("https://tc.invalid", &taskcluster.Options{
		Credentials: &taskcluster.Credentials{ClientID: "nobody", AccessToken: "x"}, ProxyURL: rootOf(t, proxy, id),
	}))
	if _, err := direct.Status(t.Context(), id); err != nil {
		t.Errorf("by the proxy, which signs: %v", err)
	}
	for _, bad := range []string{"ftp://x", "nonsense", "://"} {
		if _, err := taskcluster.New(bad, nil); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("New(%q) = %v", bad, err)
		}
	}
}

// rootOf is where a client's deployment is: an unsigned URL has it.
func rootOf(t testing.TB, c *taskcluster.Client, id string) string {
	t.Helper()
	u := ok(c.SignedArtifactURL(id, 0, "x", time.Now()))
	root, _, _ := strings.Cut(u, "/api/")
	return root
}

func TestSignedURL(t *testing.T) {
	_, id := world()
	creds := taskcluster.Credentials{ClientID: "123456", AccessToken: "2983d45yun89q"}
	c := ok(taskcluster.New("https://example.com", &taskcluster.Options{Credentials: &creds}))
	u := ok(c.SignedArtifactURL(id, 2, "private/a b.txt", time.Unix(1356420707, 0)))
	if !strings.HasPrefix(u, "https://example.com/api/queue/v1/task/"+id+"/runs/2/artifacts/private/a%20b.txt?bewit=MTIzNDU2XDEzNTY0MjA3MDdc") {
		t.Error(u)
	}
}

func TestSatisfies(t *testing.T) {
	var cases []struct {
		Satisfied bool
		Given     []string
		Required  [][]string
	}
	if err := json.Unmarshal(testenv.Read(t, "data", "8-specs", "taskcluster__scopes_ported_vectors.json"), &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		got := false
		for _, all := range c.Required {
			every := true
			for _, want := range all {
				every = every && taskcluster.Satisfies(c.Given, want)
			}
			got = got || every
		}
		if got != c.Satisfied {
			t.Errorf("%q satisfies %q: %t", c.Given, c.Required, got)
		}
	}
	if len(cases) < 10 {
		t.Errorf("%d cases", len(cases))
	}
}

package taskcluster_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/hawk"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

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
		"another version": {
			`CLIENT_ID=me ACCESS_TOKEN=t CERTIFICATE={"version":2,"expiry":1,"signature":"x"}`,
			"", "", "certificate",
		},
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
		if root != c.root || id != c.id || (err != nil) != (c.err != "") ||
			err != nil && (!strings.Contains(err.Error(), c.err) || !errors.Is(err, job.ErrInvalid)) {
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
		s, id := world()
		now := time.Now()
		creds := taskcluster.Credentials{
			ClientID: "you", AccessToken: "secret", AuthorizedScopes: []string{},
			Certificate: fmt.Sprintf(`{"version": 1, "issuer": "me", "start": %d, "expiry": %d, "signature": "x"}`,
				now.UnixMilli(), now.Add(time.Hour).UnixMilli()),
		}
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
		c := ok(taskcluster.New("http://tc.example",
			&taskcluster.Options{HTTP: &http.Client{Transport: testenv.InMemory{Handler: s}}, Credentials: &creds}))
		if _, err := c.Status(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if len(macs) != 2 || macs[0] == macs[1] {
			t.Errorf("the signatures of two attempts: %q", macs)
		}
		var ext struct {
			Certificate      struct{ Issuer string }
			AuthorizedScopes *[]string
		}
		if err := json.Unmarshal(ok(base64.StdEncoding.DecodeString(exts[1])), &ext); err != nil ||
			ext.Certificate.Issuer != "me" || ext.AuthorizedScopes == nil || len(*ext.AuthorizedScopes) != 0 {
			t.Errorf("ext %s: %v", exts[1], err)
		}
		time.Sleep(2 * time.Hour)
		if _, err := c.Status(t.Context(), id); !errors.Is(err, job.ErrDenied) ||
			!strings.Contains(err.Error(), "expired at 2000-01-01T01:00:00Z") || len(macs) != 2 {
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
				_, _ = w.Write([]byte(`{"code": "AuthenticationFailed", "requestInfo": {},
					"message": "Unauthorized: Stale timestamp"}`))
			})
			_, err := at(t, h).Status(t.Context(), "AAAAAAAAQAaAAAAAAAAAAA")
			want := map[bool]string{true: "clock is 20m0s ahead of", false: "clock is 20m0s behind"}[off > 0]
			if !errors.Is(err, job.ErrDenied) || !strings.Contains(fmt.Sprint(err), want) {
				t.Errorf("%v: %v", off, err)
			}
		})
	}
}

func TestProxy(t *testing.T) {
	s, id := world()
	c := connect(t, s, &taskcluster.Options{Credentials: &taskcluster.Credentials{
		ClientID:    "nobody",
		AccessToken: "x",
	}})
	if _, err := c.Status(t.Context(), id); !errors.Is(err, job.ErrDenied) {
		t.Errorf("with credentials that are wrong: %v", err)
	}
	proxy := httptest.NewServer(s)
	defer proxy.Close()
	direct := ok(taskcluster.New("https://tc.invalid", &taskcluster.Options{
		Credentials: &taskcluster.Credentials{ClientID: "nobody", AccessToken: "x"}, ProxyURL: proxy.URL,
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

package buildbot_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/job"
)

// What a master says of itself and of whoever asks, as it was recorded and damaged; that it
// refuses a control without being asked for a change is told.
func TestAbout(t *testing.T) {
	const versions = `"versions": [["Python", "3.11.2"], ["Buildbot", "3.7.0-2"]]`
	const anonymous = `"auth": {"name": "NoAuth"}, "user": {"anonymous": true}, `
	for body, want := range map[string]string{
		`{` + anonymous + versions + `}`: "3.7.0-2 NoAuth  1 1",
		`{"auth": {"name": "X"}, "user": {"username": "me", "email": "a@b"}, ` + versions + `}`:    "3.7.0-2 X me 1 1",
		`{"auth": {"name": "X"}, "user": {"email": "a@b"}, "versions": [["Buildbot"], []]}`:        " X a@b 1 1",
		`{"auth": {"name": "X"}, "user": {"anonymous": true, "username": "me"}, "versions": null}`: " X  1 1",
		`{"auth": {"name": "X"}}`:                             "user: missing",
		`{"auth": {"name": "X"}, "user": {"username": 7}}`:    "user.username",
		`{"auth": {"name": "X"}, "user": {}, "versions": {}}`: "versions",
		`<html>`: "<html>",
	} {
		for _, refused := range []bool{false, true} {
			d := bbtest.NewDouble(t)
			d.Builder("build")
			d.Form("force", []string{"build"})
			d.Front = func(w http.ResponseWriter, r *http.Request) bool {
				if refused && r.Method == http.MethodHead {
					w.WriteHeader(http.StatusForbidden)
					return true
				}
				if r.URL.Path == "/config" {
					_, _ = fmt.Fprint(w, body)
				}
				return r.URL.Path == "/config"
			}
			c, err := buildbot.New(d.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			a, err := c.About(t.Context())
			if err != nil {
				if !errors.Is(err, job.ErrMalformed) || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v", body, err)
				}
				continue
			}
			got := fmt.Sprint(a.Version, " ", a.Auth, " ", a.User, " ", a.Builders, " ", a.Forms)
			if got != want || refused != errors.Is(a.Denied, job.ErrDenied) {
				t.Errorf("%s: %q, denied: %v; expected %q", body, got, a.Denied, want)
			}
		}
	}
}

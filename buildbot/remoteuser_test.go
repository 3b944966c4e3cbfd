package buildbot_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/job"
)

// RemoteUserAuth behind a server that wants HTTP Basic.
func TestRemoteUser(t *testing.T) {
	eachVersion(t, bbtest.Options{RemoteUser: true}, func(t *testing.T, m *bbtest.Master) {
		m.Push(revision("a"), "dev", "Bug 1")
		front := m.Front()
		project := func(user, password string) *buildbot.Project {
			c, err := buildbot.New(front, &buildbot.Options{User: user, Password: password})
			if err != nil {
				t.Fatal(err)
			}
			return c.Project("autoland", nil)
		}
		p := project(bbtest.User, bbtest.Password)
		push, err := p.Push(t.Context(), "tip")
		if err != nil {
			t.Fatal(err)
		}
		if r := force(t, p, push, bbtest.Passing, "remote", 2); r.State != job.ReceiptCreated || len(r.IDs) != 2 {
			t.Error(r)
		}
		req := job.Request{Key: "remote", Label: bbtest.Passing, Push: push, Count: 2}
		if got := must(p.Carried(t.Context(), req)); len(got) != 2 {
			t.Error(got)
		}
		if _, err := project(bbtest.User, "guess").Push(t.Context(), "tip"); !errors.Is(err, job.ErrDenied) {
			t.Errorf("a wrong password: %v", err)
		}
		if _, err := project("", "").Push(t.Context(), "tip"); !errors.Is(err, job.ErrDenied) ||
			!strings.Contains(err.Error(), "set BUILDBOT_USER and BUILDBOT_PASSWORD") {
			t.Errorf("nobody: %v", err)
		}
		anonymous, err := buildbot.New(m.URL, nil) // past the front
		if err != nil {
			t.Fatal(err)
		}
		_, err = anonymous.Project("autoland", nil).Trigger(t.Context(), job.Request{
			Label: bbtest.Passing, Push: push, Count: 1,
		})
		if !errors.Is(err, job.ErrDenied) ||
			!strings.Contains(err.Error(), "this master signs in with RemoteUserAuth") {
			t.Errorf("past the front: %v", err)
		}
	})
}

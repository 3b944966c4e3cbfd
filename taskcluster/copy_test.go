package taskcluster_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// A push that is too old for actions: its task is copied, once for each key.
func TestCopies(t *testing.T) {
	s, decision := world()
	s.Gone = true
	p := serve(t, s).Project("autoland", nil)
	old := s.Tasks(decision, build)[0]
	s.Resolve(old, "failed", "failed")
	fresh := s.Add(decision, tctest.Object{
		"metadata": tctest.Object{"name": build},
		"tags":     tctest.Object{"kind": "build"},
	}, true)
	s.Resolve(fresh.ID, "completed", "completed")
	original := s.Tasks(decision, test)[0]
	d := s.Definition(original)
	d["created"], d["deadline"], d["expires"] = "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z",
		"2026-02-01T00:00:00.000Z"
	d["payload"] = tctest.Object{
		"env":       tctest.Object{"FETCH": "task/" + old + "/artifacts/public/build/target.zip"},
		"artifacts": []any{tctest.Object{"expires": "2026-02-01T00:00:00.000Z", "name": "x"}},
	}
	d["extra"].(tctest.Object)["treeherder"].(tctest.Object)["groupSymbol"] = "M"
	req := job.Request{Key: "k", Label: test, Push: push(20), Count: 2}
	first, err := p.Trigger(t.Context(), req)
	if err != nil || first.State != job.ReceiptCreated || len(first.IDs) != 2 {
		t.Fatalf("%+v, %v", first, err)
	}
	again, err := p.Trigger(t.Context(), req)
	if err != nil || again.State != job.ReceiptAlreadyAsked || fmt.Sprint(again.IDs) != fmt.Sprint(first.IDs) {
		t.Errorf("the second time: %+v, %v", again, err)
	}
	ids := s.Tasks(decision, test)
	if len(ids) != 3 || ids[1]+"/0" != first.IDs[0] {
		t.Fatalf("%d tasks: %q", len(ids), ids)
	}
	c := s.Definition(ids[1])
	created, deadline := ok(time.Parse(time.RFC3339, c["created"].(string))),
		ok(time.Parse(time.RFC3339, c["deadline"].(string)))
	text := string(ok(json.Marshal(c)))
	if time.Since(created).Abs() > 10*time.Minute || deadline.Sub(created) != 24*time.Hour ||
		strings.Contains(text, "2026-0") || strings.Contains(text, old) ||
		!strings.Contains(text, "task/"+fresh.ID+"/artifacts") || strings.Contains(text, "index.") ||
		!strings.Contains(text, "tc-treeherder.v2.autoland.") || !strings.Contains(text, `"groupSymbol":"M-bk"`) {
		t.Errorf("the copy is %s", text)
	}
	for _, j := range ok(p.Jobs(t.Context(), push(20), test)) {
		if is := ok(p.WasAdded(t.Context(), j)); is != (j.ID() != original+"/0") {
			t.Errorf("%s is offspring: %t", j.ID(), is)
		}
	}
	copiesAreRefused(t, s, p, fresh.ID)
}

// copiesAreRefused checks that nothing is copied without the build, a key or the
// scopes.
func copiesAreRefused(t *testing.T, s *tctest.Server, p *taskcluster.Project, buildID string) {
	t.Helper()
	s.Resolve(buildID, "failed", "failed")
	one := job.Request{Key: "l", Label: test, Push: push(20), Count: 1}
	if _, err := p.Trigger(t.Context(), one); !errors.Is(err, job.ErrNoBuild) {
		t.Errorf("without a build: %v", err)
	}
	one.Key = ""
	if _, err := p.Trigger(t.Context(), one); !errors.Is(err, job.ErrRefused) {
		t.Errorf("without a key: %v", err)
	}
	s.Resolve(buildID, "completed", "completed")
	s.Scopes = []string{"hooks:*"}
	var denied *taskcluster.Error
	one.Key = "m"
	if _, err := p.Trigger(t.Context(), one); !errors.As(err, &denied) || len(denied.Missing) != 1 {
		t.Errorf("without scopes: %v", err)
	}
}

package taskcluster_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

const (
	backfillScope = "hooks:trigger-hook:project-gecko/in-tree-action-3-backfill/0123456789"
	cancelAny     = "queue:cancel-task:gecko-level-3/*"
)

// rightsText shows rights, a line each.
func rightsText(r *taskcluster.Rights, have ...string) string {
	var out []string
	for _, x := range r.Rights {
		line := fmt.Sprintf("%s %s lacks %s", x.Kind, strings.Join(x.Actions, ","), strings.Join(x.Missing(have), " "))
		if x.Barred != nil {
			line += " barred"
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

// Each way to act is told with what it takes, of whatever push there is, and nothing is
// fired to know it.
func TestRights(t *testing.T) {
	s, decision := world()
	for _, id := range slices.Concat(s.Tasks(decision, test), s.Tasks(decision, other)) {
		d := s.Definition(id)
		d["scopes"], d["taskQueueId"], d["priority"] = []any{"docker:x"}, "gecko-t/linux", "low"
	}
	k := (&sent{}).watch(s)
	p := serve(t, s).Project("autoland", nil)
	none := job.Push{Repo: "autoland", ID: 21, Revision: strings.Repeat("e", 40)} // nothing was scheduled there
	r, err := p.Rights(t.Context(), push(20), none)
	if err != nil || r.Place != "gecko.v2.autoland" || r.Decision != decision {
		t.Fatalf("%+v, %v", r, err)
	}
	got := rightsText(r)
	for _, want := range []string{
		"trigger retrigger,add-new-jobs,retrigger-multiple lacks " + generic + "\n",
		"copy  lacks queue:create-task:low:gecko-t/linux queue:scheduler-id:gecko-level-3 " +
			"queue:create-task:project:none queue:route:tc-treeherder.v2.autoland." + push(20).Revision +
			".20 docker:x\n",
		"cancel  lacks " + cancelAny + "\n",
		"action confirm-failures,rerun,cancel lacks " + generic + "\n",
		"action backfill-task lacks " + backfillScope,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "barred") || strings.Contains(got, "index.") || len(r.Rights) != 5 || len(k.payloads) > 0 {
		t.Errorf("%d fired, in\n%s", len(k.payloads), got)
	}
	for have, lacks := range map[string]int{
		"*": 0, "hooks:trigger-hook:project-gecko/*": 2, generic: 3, generic[:len(generic)-1]: 5,
		"queue:cancel-task-in-project:none": 4, "queue:cancel-task:gecko-level-3/" + decision + "/*": 5,
	} {
		n := len(slices.DeleteFunc(slices.Clone(r.Rights), func(x taskcluster.Right) bool {
			return len(x.Missing([]string{have})) == 0
		}))
		if n != lacks {
			t.Errorf("with %s: %d rights lack something, expected %d:\n%s", have, n, lacks, rightsText(r, have))
		}
	}
}

// Without a push the project's latest decision task is looked at, and where there is
// none it is said where it was looked for.
func TestRightsWithoutPush(t *testing.T) {
	s, decision := world()
	p := serve(t, s).Project("autoland", nil)
	if r, err := p.Rights(t.Context()); !errors.Is(err, job.ErrNotScheduled) ||
		!strings.Contains(fmt.Sprint(err), "gecko.v2.autoland.latest.taskgraph.decision") {
		t.Errorf("%+v, %v", r, err)
	}
	s.Index("gecko.v2.autoland.latest.taskgraph.decision", decision)
	if r, err := p.Rights(t.Context()); err != nil || r.Decision != decision {
		t.Errorf("%+v, %v", r, err)
	}
	_, err := serve(t, s).Project("elsewhere", nil).Rights(t.Context(), job.Push{Revision: strings.Repeat("e", 40)})
	for _, words := range []string{
		"under the trust domains gecko, comm", "nothing at all is indexed",
		"--trust-domain",
	} {
		if !errors.Is(err, job.ErrNotScheduled) || !strings.Contains(fmt.Sprint(err), words) {
			t.Errorf("%v, expected %q", err, words)
		}
	}
}

// A project in a trust domain that no table names is found by its push.
func TestRightsElsewhere(t *testing.T) {
	s, decision := world()
	s.Index("xpi.v2.addon.revision."+push(20).Revision+".taskgraph.decision", decision)
	r, err := serve(t, s).Project("addon", nil).Rights(t.Context(), push(20))
	if err != nil || r.Decision != decision {
		t.Errorf("%+v, %v", r, err)
	}
}

// What keeps everybody from acting is told, and what is not known is not passed for
// allowed.
func TestRightsBarred(t *testing.T) {
	for name, c := range map[string]struct {
		alter func(s *tctest.Server, decision string)
		kind  taskcluster.RightKind
		err   error
		words string
	}{
		"a hook that the push may not name": {
			hookless, taskcluster.RightTrigger, job.ErrDenied, "lacks in-tree:hook-action:project-gecko/",
		},
		"no actions": {func(s *tctest.Server, decision string) {
			s.Put(decision, 0, "public/actions.json", []byte(`{"version": 1, "variables": {}, "actions": []}`))
		}, taskcluster.RightTrigger, job.ErrRefused, "none of the actions retrigger-multiple"},
		"no tasks": {func(s *tctest.Server, decision string) {
			s.Put(decision, 0, "public/label-to-taskid.json", []byte(`{}`))
		}, taskcluster.RightCopy, job.ErrNotFound, "made no task"},
		"tasks of another push": {func(s *tctest.Server, decision string) {
			other := s.AddPush("autoland", 21, push(21).Revision, labels...)
			s.Put(decision, 0, "public/label-to-taskid.json",
				fmt.Appendf(nil, `{%q: %q}`, test, s.Tasks(other, test)[0]))
		}, taskcluster.RightCopy, job.ErrNotFound, "made no task"},
		"a mapping that is HTML": {func(s *tctest.Server, decision string) {
			s.Put(decision, 0, "public/label-to-taskid.json", []byte(`<html>`))
		}, taskcluster.RightCopy, job.ErrMalformed, "label-to-taskid.json"},
	} {
		s, decision := world()
		c.alter(s, decision)
		r, err := serve(t, s).Project("autoland", nil).Rights(t.Context(), push(20))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		i := slices.IndexFunc(r.Rights, func(x taskcluster.Right) bool { return x.Kind == c.kind })
		if got := r.Rights[i].Barred; !errors.Is(got, c.err) || !strings.Contains(fmt.Sprint(got), c.words) {
			t.Errorf("%s: %v", name, got)
		}
		for _, x := range r.Rights {
			if x.Kind != c.kind && x.Barred != nil {
				t.Errorf("%s: %s is barred: %v", name, x.Kind, x.Barred)
			}
		}
	}
	s, decision := world()
	s.Put(decision, 0, "public/actions.json", []byte(`{"version": 1, `))
	if r, err := serve(t, s).Project("autoland", nil).Rights(t.Context(), push(20)); !errors.Is(err, job.ErrMalformed) {
		t.Errorf("half of actions.json: %+v, %v", r, err)
	}
}

// The scopes are those of whoever asks: with roles, of temporary credentials what they
// were given, of nobody what everybody may.
func TestCurrentScopes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sheriffs()
		s.Roles["anonymous"] = []string{"queue:get-task:*"}
		token, cert := s.Temporary("sheriff", "sheriff", time.Hour, oneHookScope)
		for name, c := range map[string]struct {
			creds *taskcluster.Credentials
			want  string
		}{
			"nobody": {nil, "assume:anonymous queue:get-task:*"},
			"permanent": {
				&taskcluster.Credentials{ClientID: "sheriff", AccessToken: "hunter2"},
				"hooks:trigger-hook:project-gecko/*",
			},
			"temporary": {
				&taskcluster.Credentials{ClientID: "sheriff", AccessToken: token, Certificate: cert},
				"assume:anonymous queue:get-task:* " + oneHookScope,
			},
			"wrong": {&taskcluster.Credentials{ClientID: "sheriff", AccessToken: "x"}, ""},
		} {
			got, err := as(s, c.creds).CurrentScopes(t.Context())
			text := strings.Join(got, " ")
			if (c.want == "") != errors.Is(err, job.ErrDenied) || !strings.Contains(text, c.want) ||
				name == "temporary" && text != c.want {
				t.Errorf("%s: %q, %v", name, text, err)
			}
		}
		end, err := taskcluster.Credentials{Certificate: cert}.Expires()
		if err != nil || time.Until(end) > time.Hour || time.Until(end) < 59*time.Minute {
			t.Errorf("it expires at %s, %v", end, err)
		}
	})
	if end, err := (taskcluster.Credentials{}).Expires(); err != nil || !end.IsZero() {
		t.Errorf("permanent credentials expire at %s, %v", end, err)
	}
	if _, err := (taskcluster.Credentials{Certificate: "{"}).Expires(); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("a torn certificate: %v", err)
	}
	s, _ := world()
	for words, alter := range map[string]func(tctest.Object){
		"scopes: missing":     func(o tctest.Object) { delete(o, "scopes") },
		"scopes: null":        func(o tctest.Object) { o["scopes"] = nil },
		"scopes[0]: a number": func(o tctest.Object) { o["scopes"] = []any{1} },
	} {
		got, err := at(t, &altered{s, "/scopes/current", alter}).CurrentScopes(t.Context())
		if !errors.Is(err, job.ErrMalformed) || !strings.Contains(fmt.Sprint(err), words) || len(got) > 0 {
			t.Errorf("%s: %q, %v", words, got, err)
		}
	}
}

// as is a client in memory with these credentials.
func as(s *tctest.Server, creds *taskcluster.Credentials) *taskcluster.Client {
	return ok(taskcluster.New("http://tc.example",
		&taskcluster.Options{HTTP: &http.Client{Transport: testenv.InMemory{Handler: s}}, Credentials: creds}))
}

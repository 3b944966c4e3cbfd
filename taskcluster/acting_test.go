package taskcluster_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// inMemory is a client of a deployment, without a network: time is the bubble's.
func inMemory(s *tctest.Server) *taskcluster.Client {
	return ok(taskcluster.New("http://tc.example", &taskcluster.Options{
		HTTP:        &http.Client{Transport: abrupt{testenv.InMemory{Handler: s}}},
		Credentials: &taskcluster.Credentials{ClientID: "me", AccessToken: "secret"},
	}))
}

// abrupt ends a connection where the handler does, as a server would.
type abrupt struct{ testenv.InMemory }

func (a abrupt) RoundTrip(r *http.Request) (res *http.Response, err error) {
	defer func() {
		if v := recover(); v == http.ErrAbortHandler { //nolint:errorlint // a panic's value
			res, err = nil, errors.New("the connection was closed")
		} else if v != nil {
			panic(v)
		}
	}()
	return a.InMemory.RoundTrip(r)
}

// The actions of Firefox's CI as they are: what mozci composes is sent as
// Treeherder's page sends it, although the schema refuses it.
func TestGeckoActions(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		hook string
	}{
		"Firefox's mobile projects, 2022": {"data/4-taskcluster/fxci-config__actions.json", "project-mobile/in-tree-action-3-generic/93267a5f84"},
		"autoland, 2020":                  {"data/4-taskcluster/treeherder_sherlock__initialActions.json", ""},
		"a schema that closes its items":  {"cases/formats/c1_actions.json", "project-x/in-tree-action-3-generic/0011"},
	} {
		t.Run(name, func(t *testing.T) {
			text := testenv.Read(t, strings.Split(c.file, "/")...)
			a := ok(taskcluster.ParseActions(text))
			multiple, there := a.ForGroup("retrigger-multiple")
			if !there {
				multiple, there = a.ForTask("retrigger-multiple", nil)
			}
			if !there && c.hook != "" {
				t.Fatalf("no retrigger-multiple among %q", a.Names())
			}
			in := map[string]any{"requests": []any{map[string]any{"tasks": []any{test}, "times": 3}}}
			if there {
				got, err := multiple.Compose(in)
				if err != nil || string(ok(json.Marshal(got))) != string(ok(json.Marshal(in))) {
					t.Errorf("composed %v, %v", got, err)
				}
			}
			if c.hook == "" {
				return
			}
			if _, err := multiple.Input(in); !errors.Is(err, job.ErrInvalid) {
				t.Errorf("a person's input is checked by the schema as it is: %v", err)
			}
			s, decision := world()
			s.Put(decision, 0, "public/actions.json", text)
			s.Roles["repo:autoland"] = []string{"in-tree:hook-action:" + c.hook}
			var path string
			var body bytes.Buffer
			s.Before = func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/trigger") {
					return false
				}
				path = r.URL.RequestURI()
				_, _ = body.ReadFrom(r.Body)
				_, _ = w.Write([]byte(`{"taskId": "A5O76NnPRt--HRPWdpOVlA"}`))
				return true
			}
			got, err := serve(t, s).Project("autoland", nil).Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 3})
			if err != nil || got.State != job.ReceiptAccepted || got.By != "A5O76NnPRt--HRPWdpOVlA/0" {
				t.Fatalf("%+v, %v", got, err)
			}
			group, id, _ := strings.Cut(c.hook, "/")
			if want := "/api/hooks/v1/hooks/" + group + "/" + strings.ReplaceAll(id, "/", "%2F") + "/trigger"; path != want {
				t.Errorf("fired %s, expected %s", path, want)
			}
			var sent struct{ User struct{ Input any } }
			if err := json.Unmarshal(body.Bytes(), &sent); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(any(map[string]any{"requests": []any{map[string]any{"tasks": []any{test}, "times": 3.0}}}), sent.User.Input); d != "" {
				t.Errorf("(-as Treeherder's page +sent):\n%s", d)
			}
		})
	}
}

// What a sound schema refuses goes on to the next way, and the receipt says so;
// what no way takes is refused, and nothing is fired.
func TestNextWay(t *testing.T) {
	s, decision := world()
	k := (&sent{}).watch(s)
	a := tctest.Actions(decision, "autoland", 20, push(20).Revision)
	for _, x := range a["actions"].([]any) {
		if o := x.(tctest.Object); o["name"] == "retrigger-multiple" { // it is right, and takes two
			o["schema"] = json.RawMessage(`{"type": "object", "properties": {"requests": {"type": "array", "items": {"type": "object", "properties": {"times": {"maximum": 2}}}}}}`)
		}
	}
	s.Put(decision, 0, "public/actions.json", ok(json.Marshal(a)))
	got, err := serve(t, s).Project("autoland", nil).Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 3})
	if err != nil || len(k.payloads) != 1 || !strings.HasPrefix(user(k.payloads[0]), `["retrigger",`) ||
		!strings.Contains(got.Note, "retrigger-multiple was refused") || !strings.Contains(got.Note, "maximum") {
		t.Errorf("%+v, %v; sent %v", got, err, k.payloads)
	}
}

// Every way in which a hook's answer has been seen to go wrong: the task that
// was made is found, the one that was not is made, and nothing is made twice.
func TestUnclearAnswers(t *testing.T) {
	for _, noFires := range []bool{false, true} {
		for _, fault := range tctest.Faults() {
			t.Run(fmt.Sprintf("%s, fires hidden %t", fault, noFires), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, decision := world()
					s.NoFires = noFires
					fires := 0
					s.Fault = func() tctest.Fault { // the second fire goes wrong
						if fires++; fires == 2 {
							return fault
						}
						return tctest.Well
					}
					p := inMemory(s).Project("autoland", nil)
					// The same was asked for an hour ago: it is not taken for this one.
					_ = ok(p.Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 2}))
					time.Sleep(time.Hour)
					s.Settle()
					got, err := p.Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 2})
					s.Settle()
					made := len(s.Tasks(decision, test)) - 3
					switch {
					case err == nil && got.By != "" && made == 2:
					case errors.Is(err, job.ErrUnavailable) && made == 0 && !fault.Makes(): // nobody can know
						if noFires || fault == tctest.Gateway || fault == tctest.Empty {
							return
						}
						fallthrough
					default:
						t.Errorf("%+v, %v; %d runs were made, expected 2", got, err, made)
					}
					if strings.Contains(fmt.Sprint(err), "refused") && fault.Makes() {
						t.Errorf("%v says that nothing was made", err)
					}
				})
			})
		}
	}
}

// Two processes with ledgers of their own fire the same at the same time: one of
// the two action tasks is stopped, and both say which one stays.
func TestRivals(t *testing.T) {
	for _, noFires := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s, decision := world()
			s.NoFires = noFires
			both := make(chan struct{})
			var waiting atomic.Int64
			s.Before = func(_ http.ResponseWriter, r *http.Request) bool {
				if strings.HasSuffix(r.URL.Path, "/trigger") { // both have looked before either fires
					nth := waiting.Add(1)
					if nth == 2 {
						close(both)
					}
					<-both
					time.Sleep(time.Duration(nth) * time.Millisecond) // no two come at one moment
				}
				return false
			}
			receipts := make(chan job.Receipt, 2)
			for range 2 {
				go func() {
					receipts <- ok(inMemory(s).Project("autoland", nil).Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 2, Times: 3}))
				}()
			}
			a, b := <-receipts, <-receipts
			s.Settle()
			if n := len(s.Tasks(decision, test)) - 1; n != 2 {
				t.Errorf("fires hidden %t: %d runs were made, expected 2: %+v, %+v", noFires, n, a, b)
			}
			if a.By != b.By || (a.State == job.ReceiptAlreadyAsked) == (b.State == job.ReceiptAlreadyAsked) {
				t.Errorf("fires hidden %t: the receipts are %+v and %+v", noFires, a, b)
			}
		})
	}
}

// What others asked for since the plan was made is not asked for again: it is in
// flight, or there.
func TestLooksJustBefore(t *testing.T) {
	s, decision := world()
	p := serve(t, s).Project("autoland", nil)
	other := serve(t, s).Project("autoland", nil)
	req := job.Request{Label: test, Push: push(20), Count: 2, Times: 3} // planned when one was there
	first := ok(other.Trigger(t.Context(), req))
	if got := ok(p.Trigger(t.Context(), req)); got.State != job.ReceiptAlreadyAsked || got.By != first.By || got.Link == "" {
		t.Errorf("in flight: %+v", got)
	}
	s.Settle()
	if got := ok(p.Trigger(t.Context(), req)); got.State != job.ReceiptAlreadyAsked {
		t.Errorf("there: %+v", got)
	}
	req.Count, req.Times = 4, 5
	if got := ok(p.Trigger(t.Context(), req)); got.State != job.ReceiptAccepted {
		t.Errorf("more: %+v", got)
	}
	s.Settle()
	if n := len(s.Tasks(decision, test)); n != 5 {
		t.Errorf("%d tasks, expected the 5 that are wanted in all", n)
	}
}

// An action that failed, or made nothing, is told by its receipt's outcome, and
// the next way is taken; after two the request is given up.
func TestFruitlessActions(t *testing.T) {
	for name, ending := range map[string]tctest.Ending{"failed": tctest.ActionFailed, "made nothing": tctest.ActionMadeNothing} {
		s, _ := world()
		s.Act = func(string) tctest.Ending { return ending }
		k := (&sent{}).watch(s)
		p := serve(t, s).Project("autoland", nil)
		for i, want := range []string{"retrigger-multiple", "retrigger"} {
			got := ok(p.Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 2}))
			if out := ok(p.Outcome(t.Context(), push(20), test, got)); out.Done || len(out.IDs) > 0 {
				t.Errorf("%s: under way, its outcome is %+v", name, out)
			}
			s.Settle()
			out := ok(p.Outcome(t.Context(), push(20), test, got))
			if !out.Done || len(out.IDs) > 0 || !strings.Contains(out.Why, name) || !strings.Contains(out.Why, strings.TrimSuffix(got.By, "/0")) {
				t.Errorf("%s: the outcome is %+v", name, out)
			}
			if len(k.payloads) != i+1 || !strings.HasPrefix(user(k.payloads[i]), `["`+want+`"`) || (i > 0) != strings.Contains(got.Note, name) {
				t.Errorf("%s, attempt %d: %+v, sent %v", name, i+1, got, k.payloads)
			}
		}
		_, err := p.Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 2})
		if !errors.Is(err, job.ErrRefused) || errors.Is(err, job.ErrUnavailable) || !strings.Contains(err.Error(), "nothing will come") || len(k.payloads) != 2 {
			t.Errorf("%s: %v after %d", name, err, len(k.payloads))
		}
	}
}

// What an action made is in its outcome, builds included where no label is
// named; a pending action and pending runs are cancelled.
func TestOutcomeAndCancel(t *testing.T) {
	s := tctest.New()
	decision := s.AddPush("autoland", 20, push(20).Revision, tctest.Label{Name: build}, tctest.Label{Name: spare, Build: build})
	p := serve(t, s).Project("autoland", nil)
	got := ok(p.Trigger(t.Context(), job.Request{Label: spare, Push: push(20), Count: 2}))
	s.Settle()
	if out := ok(p.Outcome(t.Context(), push(20), spare, got)); !out.Done || len(out.IDs) != 2 || out.Why != "" {
		t.Errorf("of the label: %+v", out)
	}
	all := ok(p.Outcome(t.Context(), push(20), "", got))
	if len(all.IDs) != 3 {
		t.Errorf("of all labels: %+v", all)
	}
	next := ok(p.Trigger(t.Context(), job.Request{Label: spare, Push: push(20), Count: 1}))
	for _, id := range append(all.IDs, next.By) {
		if err := p.Cancel(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	s.Settle()
	left := map[job.Status]int{}
	for _, j := range ok(p.Jobs(t.Context(), push(20), spare, build)) {
		left[j.Status()]++
	}
	if d := cmp.Diff(map[job.Status]int{job.StatusCancelled: 3}, left); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if out := ok(p.Outcome(t.Context(), push(20), "", next)); !out.Done || !strings.Contains(out.Why, "was cancelled") {
		t.Errorf("of a cancelled action: %+v", out)
	}
	if _, err := p.Outcome(t.Context(), push(20), "", job.Receipt{By: "AAAAAAAAQAaAAAAAAAAAAA/0"}); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("of a task that there is not: %v", err)
	}
	if n := len(s.Tasks(decision, spare)); n != 2 {
		t.Errorf("%d tasks: a cancelled action makes nothing", n)
	}
}

// A task that waits for what has ended without success will never run: it does
// not wait, whatever lies between, in this group or elsewhere.
func TestNever(t *testing.T) {
	s := tctest.New()
	decision := s.AddPush("autoland", 20, push(20).Revision)
	add := func(name string, requires string, needs ...string) string {
		deps := []any{}
		for _, n := range needs {
			deps = append(deps, n)
		}
		d := tctest.Object{"metadata": tctest.Object{"name": name}, "tags": tctest.Object{"kind": "test"}, "dependencies": deps}
		if requires != "" {
			d["requires"] = requires
		}
		return s.Add(decision, d, false).ID
	}
	end := func(group, name, state, reason string) string {
		id := s.Add(group, tctest.Object{"metadata": tctest.Object{"name": name}}, true).ID
		if state != "" {
			s.Resolve(id, state, reason)
		}
		return id
	}
	failed, cancelled := end(decision, "failed", "failed", "failed"), end(decision, "cancelled", "exception", "canceled")
	good, running := end(decision, "good", "completed", "completed"), end(decision, "running", "", "")
	elsewhere, goodElsewhere := end("", "elsewhere", "failed", "failed"), end("", "good elsewhere", "completed", "completed")
	signing := add("signing", "", failed)
	for name, c := range map[string]struct{ id, why string }{
		"of failed":         {add("of failed", "", good, failed), "failed failed"},
		"of cancelled":      {add("of cancelled", "", cancelled), "cancelled was cancelled"},
		"of signing":        {add("of signing", "", signing), "failed failed"},
		"of elsewhere":      {add("of elsewhere", "", elsewhere), "the task " + elsewhere + " failed"},
		"of what expired":   {add("of what expired", "", "AAAAAAAAQAaAAAAAAAAAAA"), "AAAAAAAAQAaAAAAAAAAAAA that it needs has expired"},
		"of good ones":      {add("of good ones", "", good, goodElsewhere), ""},
		"of running":        {add("of running", "", running, good), ""},
		"when all is done":  {add("when all is done", "all-resolved", failed, running), ""},
		"without any needs": {add("without any needs", ""), ""},
	} {
		jobs := ok(serve(t, s).Project("autoland", nil).Jobs(t.Context(), push(20), name))
		want := job.StatusUnscheduled
		if c.why != "" {
			want = job.StatusSkipped
		}
		if len(jobs) != 1 || jobs[0].Status() != want {
			t.Fatalf("%s: %s", name, text(jobs))
		}
		if why := jobs[0].Raw().(taskcluster.Record).Never; !strings.Contains(why, c.why) || (why == "") != (c.why == "") {
			t.Errorf("%s: %q, expected %q", name, why, c.why)
		}
	}
	s.Requests()
	_ = ok(serve(t, s).Project("autoland", nil).Jobs(t.Context(), push(20)))
	if n := len(slices.DeleteFunc(s.Requests(), func(r string) bool { return !strings.Contains(r, "tasks/status") })); n != 1 {
		t.Errorf("%d requests for all dependencies elsewhere, expected 1", n)
	}
}

// Jobs of cron jobs' groups are jobs of the push, and run by their own actions.
func TestCron(t *testing.T) {
	s, decision := world()
	const nightly = "test-linux2404-64/opt-nightly-1"
	cron := s.Add("", tctest.Object{
		"metadata": tctest.Object{"name": "Decision Task for cron job nightly"}, "tags": tctest.Object{"kind": "cron-task"},
		"scopes": []any{"assume:repo:autoland"},
	}, true).ID
	s.Resolve(cron, "completed", "completed")
	s.Index("gecko.v2.autoland.revision."+push(20).Revision+".cron."+cron, cron)
	s.Index("gecko.v2.autoland.revision."+push(20).Revision+".cron.other", "AAAAAAAAQAaAAAAAAAAAAA") // its group is gone
	s.Put(cron, 0, "public/actions.json", ok(json.Marshal(tctest.Actions(cron, "autoland", 20, push(20).Revision))))
	s.Add(cron, tctest.Object{"metadata": tctest.Object{"name": nightly}, "tags": tctest.Object{"kind": "test", "retrigger": "true"}}, true)
	k := (&sent{}).watch(s)
	p := serve(t, s).Project("autoland", nil)
	jobs := ok(p.Jobs(t.Context(), push(20)))
	if len(jobs) != 6 {
		t.Errorf("%d jobs, expected the 4 of the push and the 2 of its cron job:\n%s", len(jobs), text(jobs))
	}
	if _, err := p.Trigger(t.Context(), job.Request{Label: nightly, Push: push(20), Count: 2}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 2}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{cron, decision} {
		if got := k.payloads[i]["user"].(map[string]any)["taskGroupId"]; got != want {
			t.Errorf("fired for the group %v, expected %s", got, want)
		}
	}
	if n := 0; true {
		for _, r := range ok(p.Accepted(t.Context(), push(20), nightly)) {
			n += r.Count
		}
		if n != 2 {
			t.Errorf("%d runs of the cron job's label are in flight, expected 2", n)
		}
	}
	short := push(20)
	short.Revision = short.Revision[:12]
	if jobs := ok(serve(t, s).Project("autoland", nil).Jobs(t.Context(), short, nightly)); len(jobs) != 1 {
		t.Errorf("of a push with 12 digits: %s", text(jobs))
	}
	if entries := ok(p.Catalog(t.Context(), push(20), nightly)); len(entries) != 1 || entries[0].Kind != job.KindTest {
		t.Errorf("catalog: %+v", entries)
	}
	// Without a decision task of its own, the push has its cron job's alone.
	alone := tctest.New()
	id := alone.Add("", tctest.Object{"metadata": tctest.Object{"name": "cron"}}, true).ID
	alone.Resolve(id, "completed", "completed")
	alone.Index("gecko.v2.autoland.revision."+push(20).Revision+".cron."+id, id)
	if jobs := ok(serve(t, alone).Project("autoland", nil).Jobs(t.Context(), push(20))); len(jobs) != 1 {
		t.Errorf("a cron job alone: %s", text(jobs))
	}
}

// A decision task that says it is of another revision fires nothing.
func TestDecisionOfAnotherRevision(t *testing.T) {
	s, decision := world()
	k := (&sent{}).watch(s)
	s.Index("gecko.v2.autoland.revision."+push(21).Revision+".taskgraph.decision", decision)
	_, err := serve(t, s).Project("autoland", nil).Trigger(t.Context(), job.Request{Label: test, Push: push(21), Count: 1})
	if !errors.Is(err, job.ErrMalformed) || !strings.Contains(err.Error(), push(20).Revision) || len(k.payloads) > 0 {
		t.Errorf("%v; fired %d", err, len(k.payloads))
	}
	// Found by its id, and its environment says nothing: its parameters do.
	bare := tctest.New()
	d := bare.Add("", tctest.Object{"metadata": tctest.Object{"name": "Gecko Decision Task"}, "tags": tctest.Object{"kind": "decision-task"}}, true).ID
	bare.Resolve(d, "completed", "completed")
	bare.Index("gecko.v2.autoland.pushlog-id.20.decision", d)
	for text, n := range map[string]int{
		"base_rev: x\nhead_rev: " + push(20).Revision + "\n":                 1,
		"comm_head_rev: '" + push(20).Revision + "'\nhead_rev: 0123456789ab": 1,
		"head_rev: " + push(21).Revision:                                     0,
		"nothing":                                                            0,
	} {
		bare.Put(d, 0, "public/parameters.yml", []byte(text))
		if jobs := ok(serve(t, bare).Project("autoland", nil).Jobs(t.Context(), push(20))); len(jobs) != n {
			t.Errorf("%q: %d jobs, expected %d", text, len(jobs), n)
		}
	}
}

// Where projects are in the index.
func TestPlaces(t *testing.T) {
	for repo, want := range map[string]string{
		"autoland": "gecko.v2.autoland", "mozilla-beta": "gecko.v2.mozilla-beta", "integration/autoland": "gecko.v2.autoland",
		"comm-central": "comm.v2.comm-central", "try-comm-central": "comm.v2.try-comm-central", "ash": "comm.v2.ash", "projects/ash": "comm.v2.ash",
		"nss": "nss.v2.nss", "nss-try": "nss.v2.nss-try", "enterprise-main": "enterprise.v2.enterprise-firefox",
		"enterprise-release": "enterprise.v2.enterprise-firefox", "mozilla-vpn-client": "mozillavpn.v2.mozilla-vpn-client",
		"firefox-translations-training": "translations.v2.firefox-translations-training", "firefox-ios": "mobile.v2.firefox-ios",
	} {
		s := tctest.New()
		d := s.AddPush("elsewhere", 20, push(20).Revision, tctest.Label{Name: build, Planned: true})
		s.Index(want+".revision."+push(20).Revision+".taskgraph.decision", d)
		p := push(20)
		p.Repo = repo
		jobs, err := serve(t, s).Project(repo, nil).Jobs(t.Context(), p)
		if err != nil || len(jobs) != 2 {
			t.Errorf("%s: %d jobs at %s, %v", repo, len(jobs), want, err)
		}
		other, err := serve(t, s).Project("autoland", nil).Jobs(t.Context(), p) // what a merge brought
		if err != nil || len(other) != 2 {
			t.Errorf("%s, from autoland: %d jobs at %s, %v", repo, len(other), want, err)
		}
	}
	// A project that no table knows is found under whichever trust domain has it.
	s := tctest.New()
	d := s.AddPush("elsewhere", 20, push(20).Revision, tctest.Label{Name: build, Planned: true})
	s.Index("xpi.v2.some-add-on.revision."+push(20).Revision+".taskgraph.decision", d)
	p := push(20)
	p.Repo = "some-add-on"
	if jobs := ok(serve(t, s).Project(p.Repo, nil).Jobs(t.Context(), p)); len(jobs) != 2 {
		t.Errorf("of an unknown project: %s", text(jobs))
	}
	_, err := serve(t, s).Project(p.Repo, &taskcluster.ProjectOptions{TrustDomain: "mine", Name: "named"}).Catalog(t.Context(), p)
	if !errors.Is(err, job.ErrNotScheduled) || !strings.Contains(err.Error(), "looked for mine.v2.named.revision."+p.Revision) || !strings.Contains(err.Error(), "nothing at all is indexed under mine.v2.named") {
		t.Errorf("of a place where nothing is: %v", err)
	}
	p.Repo = "elsewhere"
	p.Revision = push(21).Revision
	p.ID = 21
	s.AddPush("autoland", 5, push(5).Revision)
	_, err = serve(t, s).Project("autoland", nil).Catalog(t.Context(), push(21))
	if !errors.Is(err, job.ErrNotScheduled) || strings.Contains(err.Error(), "nothing at all") {
		t.Errorf("of a push that was not scheduled: %v", err)
	}
}

// A plan of a label that ran, or that another push says the builds of, reads no
// graph of tens of megabytes; and each push's groups are listed once.
func TestCatalogWithoutTheGraph(t *testing.T) {
	s := tctest.New()
	s.AddPush("autoland", 20, push(20).Revision, labels...)
	gap := s.AddPush("autoland", 21, push(21).Revision, tctest.Label{Name: build, Planned: true}, tctest.Label{Name: test, Build: build})
	p := serve(t, s).Project("autoland", nil)
	want := []job.Runnable{{Label: test, Kind: job.KindTest, Upstreams: []string{build}, MakesUpstreams: true, Manifests: []string{"dom/a/mochitest.toml", "dom/b/mochitest.toml"}}}
	if d := cmp.Diff(want, ok(p.Catalog(t.Context(), push(20), test))); d != "" {
		t.Errorf("of its own task (-want +got):\n%s", d)
	}
	want[0].Manifests = nil
	if d := cmp.Diff(want, ok(p.Catalog(t.Context(), push(21), test))); d != "" {
		t.Errorf("of another push's (-want +got):\n%s", d)
	}
	_ = ok(p.Jobs(t.Context(), push(21), test))
	_ = ok(p.Accepted(t.Context(), push(21), test))
	var graphs, lists int
	for _, r := range s.Requests() {
		if strings.Contains(r, "full-task-graph") {
			graphs++
		}
		if strings.HasSuffix(r, gap+"/list") {
			lists++
		}
	}
	if graphs != 0 || lists != 1 {
		t.Errorf("%d graphs were read, and the push's group was listed %d times", graphs, lists)
	}
	// A stranger to every push is read from the graph, with what it needs.
	if got := ok(p.Catalog(t.Context(), push(20), spare)); len(got) != 1 || !slices.Equal(got[0].Upstreams, []string{build}) {
		t.Errorf("of the graph: %+v", got)
	}
	if got := ok(p.Catalog(t.Context(), push(20), "no-such-label")); len(got) > 0 {
		t.Errorf("of a label that there is not: %+v", got)
	}
}

// A call that is cancelled while it waits for a hook to come back ends at once.
func TestCancelledWhileAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := world()
		s.Fault = func() tctest.Fault { return tctest.QueueDown }
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		_, err := inMemory(s).Project("autoland", nil).Trigger(ctx, job.Request{Label: test, Push: push(20), Count: 1})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 3*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		_, err = inMemory(s).Project("autoland", nil).Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 1})
		if !errors.Is(err, job.ErrRefused) || errors.Is(err, job.ErrUnavailable) || !strings.Contains(err.Error(), "nothing was made") {
			t.Errorf("a queue that stays away: %v", err)
		}
	})
}

// Firefox lives on git, and its CI on hg: a push that a source names by git's
// hash is found by hg's where the source knows it, and the other way round.
func TestTwoHashes(t *testing.T) {
	s, decision := world()
	k := (&sent{}).watch(s)
	git := strings.Repeat("9", 40)
	for name, p := range map[string]job.Push{
		"named by git": {Repo: "autoland", ID: 900, Revision: git, Git: git, Hg: push(20).Revision},
		"named by hg":  {Repo: "autoland", ID: 900, Revision: push(20).Revision, Git: git},
	} {
		project := serve(t, s).Project("autoland", nil)
		if jobs := ok(project.Jobs(t.Context(), p)); len(jobs) < 4 {
			t.Errorf("%s: %s", name, text(jobs))
		}
		if _, err := project.Trigger(t.Context(), job.Request{Label: spare, Push: p, Count: 1}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(k.payloads) != 2 || k.payloads[0]["user"].(map[string]any)["taskGroupId"] != decision {
		t.Errorf("fired %v", k.payloads)
	}
}

// One action that makes no sense does not take the others away.
func TestOneBadAction(t *testing.T) {
	a := ok(taskcluster.ParseActions([]byte(`{"version": 1, "actions": [
		{"name": "odd", "kind": "hook", "context": "everything", "hookGroupId": "g", "hookId": "h", "hookPayload": {}},
		{"name": "hookless", "kind": "hook", "context": []},
		{"name": "good", "kind": "hook", "context": [], "hookGroupId": "g", "hookId": "h", "hookPayload": {}}]}`)))
	if !slices.Equal(a.Names(), []string{"good"}) {
		t.Errorf("%q", a.Names())
	}
}

// A service that says when to come again is not asked before, and what it refused
// was not done.
func TestTooManyForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := world()
		fired := 0
		s.Before = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/trigger") {
				return false
			}
			fired++
			w.Header().Set("Retry-After", "600")
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}
		_, err := inMemory(s).Project("autoland", nil).Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 1})
		if !errors.Is(err, job.ErrRefused) || errors.Is(err, job.ErrUnavailable) || fired != 1 {
			t.Errorf("%v after %d fires", err, fired)
		}
	})
}

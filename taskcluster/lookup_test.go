package taskcluster_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// Found by its revision, or else by its push id if it is of that revision; not
// at all, of another revision, or failed, is not scheduled.
func TestDecisionTask(t *testing.T) {
	s, decision := world()
	short := push(20)
	short.Revision = short.Revision[:12]
	byID := push(20)
	byID.Revision = strings.Repeat("f", 40)
	byRevision := push(20)
	byRevision.ID = 99
	for name, c := range map[string]struct {
		p job.Push
		n int
	}{
		"both":                              {push(20), 4},
		"a short revision":                  {short, 4},
		"an id that is another push's here": {byID, 0},
		"another id":                        {byRevision, 4},
	} {
		project := connect(t, s, nil).Project("autoland", nil)
		jobs, err := project.Jobs(t.Context(), c.p)
		if err != nil || len(jobs) != c.n {
			t.Errorf("%s: %d jobs, %v", name, len(jobs), err)
		}
		if c.n > 0 {
			continue
		}
		_, err = serve(t, s).Project("autoland", nil).Trigger(t.Context(),
			job.Request{Label: test, Push: c.p, Count: 1})
		if !errors.Is(err, job.ErrNotScheduled) ||
			!strings.Contains(err.Error(), "looked for gecko.v2.autoland.revision."+c.p.Revision) ||
			len(s.Tasks(decision, "Action: retrigger-multiple")) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := connect(t, s, nil).Project("autoland", nil).Jobs(t.Context(),
		job.Push{Repo: "autoland", Revision: strings.Repeat("a", 12)}); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("neither an id nor a whole revision: %v", err)
	}
	s.Index("comm.v2.comm-central.pushlog-id.20.decision", decision)
	s.Index("app.v2.fenix.pushlog-id.20.decision", decision)
	comm := push(20)
	comm.Repo = "comm-central"
	if jobs, err := connect(t, s, nil).Project("autoland", nil).Jobs(t.Context(), comm); err != nil || len(jobs) != 4 {
		t.Errorf("a push of another repository: %d jobs, %v", len(jobs), err)
	}
	comm.Repo = "fenix"
	if jobs, err := connect(t, s, nil).Project("fenix",
		&taskcluster.ProjectOptions{TrustDomain: "app"}).Jobs(t.Context(), comm); err != nil || len(jobs) != 4 {
		t.Errorf("a trust domain: %d jobs, %v", len(jobs), err)
	}
}

// A push without a decision task, or with one that failed, has no jobs, and
// nothing can be asked for on it.
func TestNotScheduled(t *testing.T) {
	failed := tctest.New()
	id := failed.AddPush("autoland", 20, push(20).Revision)
	failed.Resolve(id, "failed", "failed")
	for name, s := range map[string]*tctest.Server{"no decision task": tctest.New(), "one that failed": failed} {
		p := serve(t, s).Project("autoland", nil)
		jobs, err := p.Jobs(t.Context(), push(20))
		_, catalogErr := p.Catalog(t.Context(), push(20))
		_, triggerErr := p.Trigger(t.Context(), job.Request{Label: test, Push: push(20), Count: 1})
		asked, inflightErr := p.Accepted(t.Context(), push(20), test)
		if len(jobs) > 0 || err != nil || !errors.Is(catalogErr, job.ErrNotScheduled) ||
			!errors.Is(triggerErr, job.ErrNotScheduled) || len(asked) > 0 || inflightErr != nil {
			t.Errorf("%s: %d jobs, %v; catalog %v; trigger %v; in flight %v, %v", name, len(jobs), err, catalogErr,
				triggerErr, asked, inflightErr)
		}
	}
}

// A decision task that says it is of another revision fires nothing.
func TestDecisionOfAnotherRevision(t *testing.T) {
	s, decision := world()
	k := (&sent{}).watch(s)
	s.Index("gecko.v2.autoland.revision."+push(21).Revision+".taskgraph.decision", decision)
	_, err := serve(t, s).Project("autoland", nil).Trigger(t.Context(),
		job.Request{Label: test, Push: push(21), Count: 1})
	if !errors.Is(err, job.ErrMalformed) || !strings.Contains(err.Error(), push(20).Revision) || len(k.payloads) > 0 {
		t.Errorf("%v; fired %d", err, len(k.payloads))
	}
	// Found by its id, and its environment says nothing: its parameters do.
	bare := tctest.New()
	d := bare.Add("", tctest.Object{
		"metadata": tctest.Object{"name": "Gecko Decision Task"},
		"tags":     tctest.Object{"kind": "decision-task"},
	}, true).ID
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

// Where projects are in the index.
func TestPlaces(t *testing.T) {
	for repo, want := range map[string]string{
		"autoland":                      "gecko.v2.autoland",
		"mozilla-beta":                  "gecko.v2.mozilla-beta",
		"integration/autoland":          "gecko.v2.autoland",
		"comm-central":                  "comm.v2.comm-central",
		"try-comm-central":              "comm.v2.try-comm-central",
		"ash":                           "comm.v2.ash",
		"projects/ash":                  "comm.v2.ash",
		"nss":                           "nss.v2.nss",
		"nss-try":                       "nss.v2.nss-try",
		"enterprise-main":               "enterprise.v2.enterprise-firefox",
		"enterprise-release":            "enterprise.v2.enterprise-firefox",
		"mozilla-vpn-client":            "mozillavpn.v2.mozilla-vpn-client",
		"firefox-translations-training": "translations.v2.firefox-translations-training",
		"firefox-ios":                   "mobile.v2.firefox-ios",
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
	_, err := serve(t, s).Project(p.Repo,
		&taskcluster.ProjectOptions{TrustDomain: "mine", Name: "named"}).Catalog(t.Context(), p)
	if !errors.Is(err, job.ErrNotScheduled) ||
		!strings.Contains(err.Error(), "looked for mine.v2.named.revision."+p.Revision) ||
		!strings.Contains(err.Error(), "nothing at all is indexed under mine.v2.named") {
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

// Jobs of cron jobs' groups are jobs of the push, and run by their own actions.
func TestCron(t *testing.T) {
	s, decision := world()
	const nightly = "test-linux2404-64/opt-nightly-1"
	cron := s.Add("", tctest.Object{
		"metadata": tctest.Object{"name": "Decision Task for cron job nightly"},
		"tags":     tctest.Object{"kind": "cron-task"},
		"scopes":   []any{"assume:repo:autoland"},
	}, true).ID
	s.Resolve(cron, "completed", "completed")
	s.Index("gecko.v2.autoland.revision."+push(20).Revision+".cron."+cron, cron)
	// its group is gone
	s.Index("gecko.v2.autoland.revision."+push(20).Revision+".cron.other", "AAAAAAAAQAaAAAAAAAAAAA")
	s.Put(cron, 0, "public/actions.json", ok(json.Marshal(tctest.Actions(cron, "autoland", 20, push(20).Revision))))
	s.Add(cron, tctest.Object{
		"metadata": tctest.Object{"name": nightly},
		"tags":     tctest.Object{"kind": "test", "retrigger": "true"},
	}, true)
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

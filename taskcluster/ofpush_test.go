package taskcluster_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// defined is a definition with these routes, environment and tags.
func defined(routes []string, env, tags tctest.Object, more tctest.Object) []byte {
	d := tctest.Object{
		"taskQueueId": "gecko-t/t-linux", "schedulerId": "gecko-level-3", "projectId": "none",
		"taskGroupId": "AAAAAAAAQAaAAAAAAAAAAA", "dependencies": []string{}, "requires": "all-completed",
		"created": "2026-11-01T00:00:00Z", "deadline": "2026-11-02T00:00:00Z", "expires": "2026-12-01T00:00:00Z",
		"scopes": []string{}, "metadata": tctest.Object{"name": "a"}, "extra": tctest.Object{},
		"routes": append([]string{}, routes...),
	}
	for name, v := range map[string]tctest.Object{"tags": tags, "payload": {"env": env}} {
		if v == nil {
			v = tctest.Object{}
		}
		d[name] = v
	}
	maps.Copy(d, more)
	return ok(json.Marshal(d))
}

const hg = "https://hg.mozilla.org/"

var (
	revA = strings.Repeat("a", 40)
	revB = strings.Repeat("b", 40)
)

// headOf is an environment that names a repository's revision.
func headOf(name, repo, rev string) tctest.Object {
	return tctest.Object{name + "_HEAD_REPOSITORY": repo, name + "_HEAD_REV": rev}
}

// definedPushes are what definitions say of their push.
var definedPushes = map[string]struct {
	routes    []string
	env, tags tctest.Object
	more      tctest.Object
	want      job.Push
	why       string // says
}{
	"Treeherder's route": {
		routes: []string{"tc-treeherder.v2.autoland." + revA + ".17", "coalesce.v1.autoland.08ebb5cd"},
		want:   job.Push{Repo: "autoland", ID: 17, Revision: revA},
	},
	"Treeherder's route before all else": {
		routes: []string{"index.gecko.v2.try.revision." + revB + ".x", "tc-treeherder.v2.autoland." + revA},
		env:    headOf("GECKO", hg+"try", revB), tags: tctest.Object{"project": "try"},
		want: job.Push{Repo: "autoland", Revision: revA},
	},
	"the same route twice, once with the id": {
		routes: []string{"tc-treeherder.v2.try." + revA, "tc-treeherder.v2.try." + revA + ".8"},
		want:   job.Push{Repo: "try", ID: 8, Revision: revA},
	},
	"of one push with two ids": {
		routes: []string{"tc-treeherder.v2.try." + revA + ".9", "tc-treeherder.v2.try." + revA + ".8"},
		want:   job.Push{Repo: "try", Revision: revA},
	},
	"git's pushes have no id in hg": {
		routes: []string{"tc-treeherder.v2.fenix." + revA + ".9"}, want: job.Push{Repo: "fenix", Revision: revA},
	},
	"two routes for Treeherder": {
		routes: []string{"tc-treeherder.v2.try." + revA, "tc-treeherder.v2.autoland." + revA},
		env:    headOf("GECKO", hg+"try", revA), tags: tctest.Object{"project": "try"},
		why: "several pushes: [try aaaaaaaaaaaa autoland aaaaaaaaaaaa]",
	},
	"two revisions for Treeherder": {
		routes: []string{"tc-treeherder.v2.try." + revA, "tc-treeherder.v2.try." + revB}, why: "name several pushes",
	},
	"routes of another server and of another version": {
		routes: []string{"tc-treeherder-stage.v2.try." + revB, "tc-treeherder.try." + revB, "tc-treeherder.v2.try.tip"},
		env:    headOf("GECKO", hg+"integration/autoland", revA), want: job.Push{Repo: "autoland", Revision: revA},
	},
	"the environment alone": {
		env: headOf("GECKO", hg+"releases/mozilla-beta/", revA), want: job.Push{Repo: "mozilla-beta", Revision: revA},
	},
	"of git": {
		env:  headOf("MOBILE", "https://github.com/mozilla-mobile/fenix.git", revA),
		want: job.Push{Repo: "fenix", Revision: revA},
	},
	"an environment of another project than the routes": {
		routes: []string{"index.gecko.v2.try.latest.firefox"}, env: headOf("GECKO", hg+"integration/autoland", revA),
		want: job.Push{Repo: "try"}, why: "name a revision of try",
	},
	"an environment of another project than the tag": {
		env: headOf("GECKO", hg+"integration/autoland", revA), tags: tctest.Object{"project": "try"},
		want: job.Push{Repo: "try"}, why: "name a revision of try",
	},
	"a repository within another": {
		env: tctest.Object{
			"GECKO_HEAD_REPOSITORY": hg + "mozilla-central", "GECKO_HEAD_REV": revB,
			"COMM_HEAD_REPOSITORY": hg + "comm-central", "COMM_HEAD_REV": revA,
		},
		tags: tctest.Object{"project": "comm-central"}, want: job.Push{Repo: "comm-central", Revision: revA},
	},
	"two repositories, and nothing says which": {
		env: tctest.Object{
			"GECKO_HEAD_REPOSITORY": hg + "mozilla-central", "GECKO_HEAD_REV": revB,
			"COMM_HEAD_REPOSITORY": hg + "comm-central", "COMM_HEAD_REV": revA,
		},
		why: "several revisions",
	},
	"an environment against the routes": {
		routes: []string{"index.gecko.v2.autoland.revision." + revB + ".firefox"},
		env:    headOf("GECKO", hg+"integration/autoland", revA), want: job.Push{Repo: "autoland"},
		why: "its environment names autoland aaaaaaaaaaaa, but its routes for the index name autoland bbbbbbbbbbbb",
	},
	"an environment whose revision is none": {
		env: headOf("GECKO", hg+"try", "default"), want: job.Push{}, why: "name a revision of any project",
	},
	"an environment of another shape": {
		env: tctest.Object{"GECKO_HEAD_REV": 7, "GECKO_HEAD_REPOSITORY": hg + "try"}, why: "name a revision",
	},
	"routes for the index": {
		routes: []string{
			"index.gecko.v2.trunk.revision." + revA + ".firefox.linux64-opt",
			"index.gecko.v2.autoland.shippable.revision." + revA + ".firefox.linux64-opt",
			"index.gecko.v2.autoland.pushlog-id.17.firefox.linux64-opt",
		},
		want: job.Push{Repo: "autoland", ID: 17, Revision: revA},
	},
	"routes for the index of two pushes": {
		routes: []string{"index.gecko.v2.try.revision." + revA + ".x", "index.gecko.v2.try.revision." + revB + ".x"},
		want:   job.Push{Repo: "try"}, why: "several revisions",
	},
	"a tag": {
		tags: tctest.Object{"project": "try"}, want: job.Push{Repo: "try"}, why: "name a revision of try",
	},
	"the queue's project": {
		more: tctest.Object{"projectId": "gecko"}, want: job.Push{Repo: "gecko"}, why: "name a revision of gecko",
	},
	"what builds of several projects share is no project": {
		routes: []string{"index.gecko.v2.trunk.latest.firefox"}, tags: tctest.Object{"project": "autoland"},
		want: job.Push{Repo: "autoland"}, why: "name a revision of autoland",
	},
	"a tag that is no name": {
		tags: tctest.Object{"project": "../try\n"}, want: job.Push{}, why: "any project",
	},
	"nothing": {want: job.Push{}, why: "any project"},
}

func TestPushOfADefinition(t *testing.T) {
	for name, c := range definedPushes {
		d, err := taskcluster.ParseDefinition(defined(c.routes, c.env, c.tags, c.more))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d.Push.Repo != c.want.Repo || d.Push.ID != c.want.ID || d.Push.Revision != c.want.Revision {
			t.Errorf("%s: %+v, expected %+v", name, d.Push, c.want)
		}
		if (d.Push.Revision == "") == (d.Why == "") || !strings.Contains(d.Why, c.why) || c.why == "" && d.Why != "" {
			t.Errorf("%s: why: %q, expected %q", name, d.Why, c.why)
		}
	}
}

// The definitions of 2019 say the same of their push in each place.
func TestPlacesOfAPushAgree(t *testing.T) {
	n := 0
	for id, body := range definedBy(t) {
		whole := ok(taskcluster.ParseDefinition(body))
		var d tctest.Object
		if err := json.Unmarshal(body, &d); err != nil {
			t.Fatal(err)
		}
		d["routes"] = slices.DeleteFunc(d["routes"].([]any), func(r any) bool {
			return strings.HasPrefix(r.(string), "tc-treeherder.")
		})
		less := ok(taskcluster.ParseDefinition(ok(json.Marshal(d))))
		if less.Push.Repo != whole.Push.Repo || less.Push.Revision != whole.Push.Revision || whole.Push.ID < 1 {
			t.Errorf("%s: %+v, and without its route for Treeherder %+v (%s)", id, whole.Push, less.Push, less.Why)
		}
		n++
	}
	if n != 91 {
		t.Errorf("%d definitions", n)
	}
}

func TestBadDefinitions(t *testing.T) {
	for _, body := range []string{
		"", "[]", "{}", `{"code": "ResourceNotFound", "message": "x"}`,
		strings.Replace(string(defined(nil, tctest.Object{}, tctest.Object{}, nil)), `"routes":[]`, `"routes":null`, 1),
	} {
		if d, err := taskcluster.ParseDefinition([]byte(body)); !errors.Is(err, job.ErrMalformed) || d != nil {
			t.Errorf("%s: %+v, %v", body, d, err)
		}
	}
}

func FuzzParseDefinition(f *testing.F) {
	a := strings.Repeat("a", 40)
	f.Add(defined([]string{"tc-treeherder.v2.autoland." + a + ".17"}, tctest.Object{}, tctest.Object{}, nil))
	f.Add(defined([]string{"index.gecko.v2.autoland.revision." + a}, tctest.Object{"GECKO_HEAD_REV": a},
		tctest.Object{"project": "try"}, nil))
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := taskcluster.ParseDefinition(body)
		var wrapped *job.Error
		switch {
		case err != nil && (!errors.As(err, &wrapped) || !errors.Is(err, job.ErrMalformed)):
			t.Fatal(err)
		case err == nil && (d.Push.Revision == "") == (d.Why == ""),
			err == nil && d.Push.Revision != "" && (d.Push.Repo == "" || len(d.Push.Revision) != 40):
			t.Fatalf("%+v", d)
		}
	})
}

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

func TestPushOfADefinition(t *testing.T) {
	a, b := strings.Repeat("a", 40), strings.Repeat("b", 40)
	env := func(name, repo, rev string) tctest.Object {
		return tctest.Object{name + "_HEAD_REPOSITORY": repo, name + "_HEAD_REV": rev}
	}
	const hg = "https://hg.mozilla.org/"
	for name, c := range map[string]struct {
		routes    []string
		env, tags tctest.Object
		more      tctest.Object
		want      job.Push
		why       string // says
	}{
		"Treeherder's route": {
			routes: []string{"tc-treeherder.v2.autoland." + a + ".17", "coalesce.v1.autoland.08ebb5cd"},
			want:   job.Push{Repo: "autoland", ID: 17, Revision: a},
		},
		"Treeherder's route before all else": {
			routes: []string{"index.gecko.v2.try.revision." + b + ".x", "tc-treeherder.v2.autoland." + a},
			env:    env("GECKO", hg+"try", b), tags: tctest.Object{"project": "try"},
			want: job.Push{Repo: "autoland", Revision: a},
		},
		"the same route twice, once with the id": {
			routes: []string{"tc-treeherder.v2.try." + a, "tc-treeherder.v2.try." + a + ".8"},
			want:   job.Push{Repo: "try", ID: 8, Revision: a},
		},
		"of one push with two ids": {
			routes: []string{"tc-treeherder.v2.try." + a + ".9", "tc-treeherder.v2.try." + a + ".8"},
			want:   job.Push{Repo: "try", Revision: a},
		},
		"git's pushes have no id in hg": {
			routes: []string{"tc-treeherder.v2.fenix." + a + ".9"}, want: job.Push{Repo: "fenix", Revision: a},
		},
		"two routes for Treeherder": {
			routes: []string{"tc-treeherder.v2.try." + a, "tc-treeherder.v2.autoland." + a},
			env:    env("GECKO", hg+"try", a), tags: tctest.Object{"project": "try"},
			why: "several pushes: [try aaaaaaaaaaaa autoland aaaaaaaaaaaa]",
		},
		"two revisions for Treeherder": {
			routes: []string{"tc-treeherder.v2.try." + a, "tc-treeherder.v2.try." + b}, why: "of several pushes",
		},
		"routes of another server and of another version": {
			routes: []string{"tc-treeherder-stage.v2.try." + b, "tc-treeherder.try." + b, "tc-treeherder.v2.try.tip"},
			env:    env("GECKO", hg+"integration/autoland", a), want: job.Push{Repo: "autoland", Revision: a},
		},
		"the environment alone": {
			env: env("GECKO", hg+"releases/mozilla-beta/", a), want: job.Push{Repo: "mozilla-beta", Revision: a},
		},
		"of git": {
			env:  env("MOBILE", "https://github.com/mozilla-mobile/fenix.git", a),
			want: job.Push{Repo: "fenix", Revision: a},
		},
		"an environment of another project than the routes": {
			routes: []string{"index.gecko.v2.try.latest.firefox"}, env: env("GECKO", hg+"integration/autoland", a),
			want: job.Push{Repo: "try"}, why: "no revision of try",
		},
		"an environment of another project than the tag": {
			env: env("GECKO", hg+"integration/autoland", a), tags: tctest.Object{"project": "try"},
			want: job.Push{Repo: "try"}, why: "no revision of try",
		},
		"a repository within another": {
			env: tctest.Object{
				"GECKO_HEAD_REPOSITORY": hg + "mozilla-central", "GECKO_HEAD_REV": b,
				"COMM_HEAD_REPOSITORY": hg + "comm-central", "COMM_HEAD_REV": a,
			},
			tags: tctest.Object{"project": "comm-central"}, want: job.Push{Repo: "comm-central", Revision: a},
		},
		"two repositories, and nothing says which": {
			env: tctest.Object{
				"GECKO_HEAD_REPOSITORY": hg + "mozilla-central", "GECKO_HEAD_REV": b,
				"COMM_HEAD_REPOSITORY": hg + "comm-central", "COMM_HEAD_REV": a,
			},
			why: "several revisions",
		},
		"an environment against the routes": {
			routes: []string{"index.gecko.v2.autoland.revision." + b + ".firefox"},
			env:    env("GECKO", hg+"integration/autoland", a), want: job.Push{Repo: "autoland"},
			why: "is of autoland aaaaaaaaaaaa by its environment, but of autoland bbbbbbbbbbbb by its routes",
		},
		"an environment whose revision is none": {
			env: env("GECKO", hg+"try", "default"), want: job.Push{}, why: "no revision of any project",
		},
		"an environment of another shape": {
			env: tctest.Object{"GECKO_HEAD_REV": 7, "GECKO_HEAD_REPOSITORY": hg + "try"}, want: job.Push{}, why: "no revision",
		},
		"routes for the index": {
			routes: []string{
				"index.gecko.v2.trunk.revision." + a + ".firefox.linux64-opt",
				"index.gecko.v2.autoland.shippable.revision." + a + ".firefox.linux64-opt",
				"index.gecko.v2.autoland.pushlog-id.17.firefox.linux64-opt",
			},
			want: job.Push{Repo: "autoland", ID: 17, Revision: a},
		},
		"routes for the index of two pushes": {
			routes: []string{"index.gecko.v2.try.revision." + a + ".x", "index.gecko.v2.try.revision." + b + ".x"},
			want:   job.Push{Repo: "try"}, why: "several revisions",
		},
		"a tag": {
			tags: tctest.Object{"project": "try"}, want: job.Push{Repo: "try"}, why: "no revision of try",
		},
		"the queue's project": {
			more: tctest.Object{"projectId": "gecko"}, want: job.Push{Repo: "gecko"}, why: "no revision of gecko",
		},
		"a tag that is no name": {
			tags: tctest.Object{"project": "../try\n"}, want: job.Push{}, why: "any project",
		},
		"nothing": {want: job.Push{}, why: "any project"},
	} {
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

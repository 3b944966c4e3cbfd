package main

import (
	"strings"
	"testing"
)

// The environment names a deployment of Taskcluster, and a flag wins over it. Half
// of a pair of credentials is no reason not to read a link.
func TestLinkDeployment(t *testing.T) {
	const id = "AY9lVbObRn-xjRka_-f_ig"
	t.Setenv("TASKCLUSTER_ROOT_URL", "https://tc.example/")
	t.Setenv("TASKCLUSTER_CLIENT_ID", "me")
	t.Setenv("TASKCLUSTER_ACCESS_TOKEN", "")
	for _, c := range []struct {
		link   string
		flags  []string
		says   string
		status int
	}{
		{"https://tc.example/tasks/" + id, nil, "taskcluster https://tc.example\n", 0},
		{"https://firefox-ci-tc.services.mozilla.com/tasks/" + id, nil, "known are https://treeherder.mozilla.org, " +
			"https://tc.example/, https://hg.mozilla.org.", 2},
		{"http://h:1/tc/tasks/" + id, []string{"--root-url", "http://h:1/tc"}, "taskcluster http://h:1/tc\n", 0},
		{"https://tc.example/tasks/" + id, []string{"--root-url", "http://h:1/tc"}, "deployment at tc.example", 2},
		{"https://firefox-ci-tc.services.mozilla.com/tasks/" + id, []string{"--root-url", ""}, "task     " + id, 0},
		{"https://hg.mozilla.org/releases/mozilla-beta/rev/52f516546de7", nil, "repository  mozilla-beta\n", 0},
	} {
		out, errOut, status := mozci(t, append([]string{"link", c.link}, c.flags...)...)
		if status != c.status || !strings.Contains(out+errOut, c.says) {
			t.Errorf("%s %v: exit %d\n%s%s\nexpected %s", c.link, c.flags, status, out, errOut, c.says)
		}
	}
}

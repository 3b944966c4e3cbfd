// Package flags has the flags for recording cassettes again. Each test binary of the
// project imports it, so that one command can record all of them:
//
//	go test ./... -record -run Cassette
//
// go test hands the flags to every package, and one that does not know them fails.
package flags

import "flag"

// Record says to record the cassettes again before they are played back.
var Record = flag.Bool("record", false, "record the cassettes again before they are played back")

// Where to record from, as in mozci's own flags. Without a URL a source is recorded from
// a real service that the test starts, or else from a double of it.
var (
	// HgURL is -hg-url, for package pushlog.
	HgURL = flag.String("hg-url", "", "of the hg server to record from")
	// RootURL is -root-url, for package taskcluster.
	RootURL = flag.String("root-url", "", "of the Taskcluster deployment to record from")
	// BuildbotURL is -buildbot-url, for package buildbot.
	BuildbotURL = flag.String("buildbot-url", "", "of the Buildbot master to record from")
	// SelfserveURL is -selfserve-url, for package selfserve.
	SelfserveURL = flag.String("selfserve-url", "", "of the BuildAPI to record from")
	// BuildDataURL is -builddata-url. It is read only when SelfserveURL is given.
	BuildDataURL = flag.String("builddata-url", "", "of the status dumps to record from, with -selfserve-url")
	// TreeherderURL is -treeherder-url, for package treeherder.
	TreeherderURL = flag.String("treeherder-url", "", "of the Treeherder to record from")
)

// What to record there: one push, and a label that ran on it.
var (
	// Repo is -repo, autoland by default.
	Repo = flag.String("repo", "autoland", "the repository to record, where a URL is given")
	// Push is -push, the id that Taskcluster and BuildAPI know the push by. 0 is none.
	Push = flag.Int64("push", 0, "the id of the push to record, of Taskcluster and BuildAPI")
	// Rev is -rev, a revision in full; tip, the newest push, by default.
	Rev = flag.String("rev", "tip", "the full revision of the push to record")
	// Label is -label. It has no default, since each CI names its jobs in its own way.
	Label = flag.String("label", "", "a label that ran on the push")
)

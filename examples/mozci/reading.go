package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/treeherder"
	"github.com/mozci/mozci/taskcluster"
)

// Treeherder tells the runs of a label on a hundred pushes in a few requests, for which
// Taskcluster takes ten or more for each push. So what reads the history of a label on
// Firefox's CI reads it there, and acts on Taskcluster. A command about one push, or one
// that acts on each push it reads, asks Taskcluster alone: it has to anyway.

const (
	ciHelp = "the `name` of the CI: taskcluster, buildbot, selfserve, or treeherder, which is read only; without it " +
		"backfill, culprit and frequency read the history of Firefox's CI from Treeherder"
	triggerCIHelp = "the `name` of the CI that triggers, if it is another one: --ci treeherder can have taskcluster"
)

// readsHistory reports whether a command reads many pushes, and acts on few of them.
func readsHistory(cmd *cobra.Command) bool {
	back := cmd.Flags().Lookup("backfill")
	return slices.Contains([]string{"backfill", "culprit", "frequency"}, cmd.Name()) ||
		cmd.Name() == "trigger" && back != nil && back.Changed
}

// throughTreeherder reports whether Taskcluster's runs are read from Treeherder: somebody
// said so, or it is Firefox's CI, where it is the fast way.
func (a *app) throughTreeherder() bool {
	if a.ci == "treeherder" {
		return a.triggerCI == "taskcluster" && strings.Contains(a.thURL, "://")
	}
	return a.history && a.firefox() && a.recordedSo()
}

// firefox reports whether nothing names another place than Firefox's CI.
func (a *app) firefox() bool {
	for _, name := range []string{
		"ci", "trigger-ci", "hg-url", "treeherder-url", "lando-url", "project", "trust-domain",
	} {
		if a.flags.Changed(name) {
			return false
		}
	}
	root := strings.TrimSuffix(a.taskclusterRoot(os.Getenv("TASKCLUSTER_ROOT_URL")), "/")
	return root == "" || root == taskcluster.FirefoxCI
}

// recordedSo reports whether a recording that is played back was made so: older ones
// have Taskcluster's answers alone.
func (a *app) recordedSo() bool {
	if a.replay == "" {
		return true
	}
	tape, err := os.ReadFile(filepath.Join(a.replay, tapeName))
	return err == nil && bytes.Contains(tape, []byte("push_id__in="))
}

// readThere is a CI with its runs read from Treeherder.
func (a *app) readThere(client *http.Client, ci job.Scheduler) (*treeherder.Acting, error) {
	_, th, err := a.service("treeherder", client)
	if err != nil {
		return nil, err
	}
	return th.(*treeherder.Project).ActingOn(ci, &treeherder.ActingOptions{ // it is no file
		Fell: func(why error) { a.warnf("warning: %s\n", oneLine(why.Error())) }, Logger: a.log,
	}), nil
}

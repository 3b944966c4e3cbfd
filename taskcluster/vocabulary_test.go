package taskcluster_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/vocabulary"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// labelled is a label with what the recorded data says of its task's kind: what
// taskgraph notes for Treeherder, the kind in the task graph, and what a person who
// checked the label called it.
type labelled struct{ jobKind, tagKind, checked string }

var (
	inDatasets = regexp.MustCompile(`"(?:test|label)": ?"([^"]+/[^"]+)"`) // a hundred megabytes: not as JSON
	testish    = regexp.MustCompile(`^(?:[a-z]+-)?test-`)
)

// everyLabel is all labels of Gecko's tasks in the recorded data, and what is said of them. The
// tasks that were made up for recording have the first words of no task graph.
func everyLabel(t *testing.T) (vocabulary.Words, map[string]labelled) {
	t.Helper()
	names, said := vocabulary.Words{}, map[string]labelled{}
	folders := []string{"data/2-treeherder", "data/3-pulse", "data/4-taskcluster", "wire/decision"}
	vocabulary.Documents(t, folders, func(file string, doc any) {
		if strings.Contains(file, "task_label_to_properties") {
			for name, v := range doc.(map[string]any) {
				names.Add(file, name)
				said[name] = labelled{checked: vocabulary.Text(v, "action", "type")}
			}
			return
		}
		vocabulary.Walk(doc, func(key string, v any) {
			switch v := v.(type) {
			case string:
				if inTree := strings.Contains(v, "/"); key == "job_type_names" ||
					(key == "job_type_name" || key == "test" || key == "jobName" || key == "label") && inTree {
					names.Add(file, v)
				}
			case map[string]any:
				if name := vocabulary.Text(v, "metadata", "name"); strings.Contains(name, "/") {
					names.Add(file, name)
					said[name] = labelled{
						vocabulary.Text(v, "extra", "treeherder", "jobKind"), vocabulary.Text(v, "tags", "kind"),
						said[name].checked,
					}
				}
			}
		})
	})
	vocabulary.Files(t, []string{"data/7-datasets"}, func(file string, body []byte) {
		for _, m := range inDatasets.FindAllSubmatch(body, -1) {
			names.Add(file, string(m[1]))
		}
	})
	for name := range names { // names of tests and files
		if strings.ContainsAny(name, " .") && said[name] == (labelled{}) && !strings.HasPrefix(name, "test-") {
			delete(names, name)
		}
	}
	return names, said
}

// The kind of every label that is recorded anywhere is the same by the label alone as by
// what its task says, and as a person called it.
func TestVocabularyOfLabels(t *testing.T) {
	names, said := everyLabel(t)
	names.Check(t, "kinds of labels", 5000, func(name string) error {
		alone, s := taskcluster.KindOf(name, "", ""), said[name]
		if whole := taskcluster.KindOf(name, s.jobKind, s.tagKind); alone != whole {
			return fmt.Errorf("%s by itself, %s by its task (%q, %q)", alone, whole, s.jobKind, s.tagKind)
		}
		want := map[string]job.Kind{
			"build": job.KindBuild, "test": job.KindTest, "perf": job.KindPerf, "raptor": job.KindPerf,
		}[s.checked]
		if strings.Contains(name, "-awsy") { // the person called what measures memory a test
			want = job.KindPerf
		}
		if want != 0 && alone != want {
			return fmt.Errorf("%s, expected %s", alone, want)
		}
		if testish.MatchString(name) && alone == job.KindOther {
			return fmt.Errorf("%s, and it tests something", alone)
		}
		return nil
	})
	if len(said) < 2400 {
		t.Errorf("of %d labels something is said", len(said))
	}
}

// Every state of a run with the reason that it ended, in all answers and messages.
func TestVocabularyOfRuns(t *testing.T) {
	ends := vocabulary.Words{}
	folders := []string{
		"data/3-pulse", "data/4-taskcluster", "wire/taskcluster", "wire/taskcluster-acting", "wire/pulse",
		"wire/decision",
	}
	vocabulary.Documents(t, folders, func(file string, doc any) {
		vocabulary.Walk(doc, func(key string, v any) {
			if key == "runs" && vocabulary.Text(v, "state") != "" {
				ends.Add(file, vocabulary.Text(v, "state")+" "+vocabulary.Text(v, "reasonResolved"))
			}
		})
	})
	ends.Check(t, "ends of runs", 10, func(end string) error {
		state, reason, _ := strings.Cut(end, " ")
		r := taskcluster.TaskRun{State: state, ReasonResolved: reason}
		for _, kind := range []job.Kind{job.KindTest, job.KindBuild} {
			if s, err := taskcluster.StatusOf(&r, kind, false); err != nil || s.Waiting() != (reason == "") {
				return fmt.Errorf("%s, %w", s, err)
			}
		}
		return nil
	})
}

// The kind in the task graph goes before what is noted for Treeherder, and that before
// the label.
func TestKindOf(t *testing.T) {
	for _, c := range []struct {
		label, jobKind, tagKind string
		want                    job.Kind
	}{
		{"build-docker-image-x", "other", "docker-image", job.KindOther},
		{"build-x", "other", "", job.KindOther},
		{"build-linux64/opt", "test", "build", job.KindBuild},
		{"task-A", "build", "", job.KindBuild},
		{"source-test-x", "test", "source-test", job.KindTest},
		{"test-x-talos", "test", "test", job.KindPerf},
		{"x", "", "browsertime", job.KindPerf},
		{"desktop-test-x", "", "", job.KindTest},
	} {
		if got := taskcluster.KindOf(c.label, c.jobKind, c.tagKind); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

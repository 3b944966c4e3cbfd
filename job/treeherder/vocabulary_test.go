package treeherder_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/internal/testing/vocabulary"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/treeherder"
)

// Every state with every result that a job of Treeherder has in the recorded data.
func TestVocabularyOfStates(t *testing.T) {
	ends := vocabulary.Words{}
	vocabulary.Documents(t, []string{"data/2-treeherder", "data/3-pulse"}, func(file string, doc any) {
		vocabulary.Walk(doc, func(_ string, v any) {
			state, result := vocabulary.Text(v, "state"), vocabulary.Text(v, "result")
			if guid := vocabulary.Text(v, "job_guid"); state != "" && result != "" && guid != "" {
				ends.Add(file, state+" "+result)
			}
		})
	})
	says := treeherderSays(t)
	if len(says) < 7 {
		t.Errorf("the schema has the results %q", says)
	}
	for _, word := range says {
		ends.Add("schema", "completed "+word)
	}
	ends.Check(t, "states and results", 10, func(end string) error {
		state, result, _ := strings.Cut(end, " ")
		s, err := treeherder.StatusOf(treeherder.Record{State: state, Result: result})
		if ended := state == "completed" || state == "finished"; err == nil &&
			s.Waiting() != (!ended || result == "unknown") {
			err = fmt.Errorf("%s", s)
		}
		return err
	})
}

// treeherderSays are the results that Treeherder's own schema of jobs allows, as the
// server writes them: of fail it makes testfailed or busted.
func treeherderSays(t *testing.T) []string {
	t.Helper()
	_, text, _ := bytes.Cut(testenv.Read(t, "data", "2-treeherder", "treeherder__pulse-job.yml"), []byte("\n  result:"))
	_, text, _ = bytes.Cut(text, []byte("enum:\n"))
	var out []string
	for line := range strings.Lines(string(text)) {
		word, ok := strings.CutPrefix(strings.TrimSpace(line), "- ")
		switch {
		case !ok:
			return out
		case word == "fail":
			out = append(out, "testfailed", "busted")
		case word == "canceled":
			out = append(out, "usercancel")
		default:
			out = append(out, strings.Trim(word, `'"`))
		}
	}
	return out
}

var (
	testGroups = regexp.MustCompile(`^(?:Mochitest|Reftest|Android x86 Test Combos|W3C|Web platform tests)`)
	builds     = regexp.MustCompile(`(?i)\bbuild$|nightly|l10n|hazard|\bbuild \(`)
)

// kindBy is the kind of a job by the names that people gave it and its group; 0 where
// they do not say.
func kindBy(group, name string) job.Kind {
	switch {
	case strings.HasPrefix(group, "Talos"), strings.HasPrefix(name, "Talos"):
		return job.KindPerf
	case builds.MatchString(name):
		return job.KindBuild
	case testGroups.MatchString(group), strings.HasSuffix(name, "Tests"), strings.HasSuffix(name, "Test"),
		name == "XPCShell", name == "Robocop", name == "Marionette Framework Unit Tests":
		return job.KindTest
	}
	return 0
}

// The kind of every label, builder or job that Treeherder has had, with the names of people as
// the answer.
func TestVocabularyOfKinds(t *testing.T) {
	labels, want := vocabulary.Words{}, map[string]job.Kind{}
	add := func(file, label, group, name string) {
		labels.Add(file, label)
		if k := kindBy(group, name); k != 0 {
			want[label] = k
		}
	}
	vocabulary.Documents(t, []string{"data/2-treeherder", "data/3-pulse"}, func(file string, doc any) {
		vocabulary.Walk(doc, func(_ string, v any) {
			name := vocabulary.Text(v, "name")
			for _, key := range []string{"buildername", "desc"} {
				label := vocabulary.Text(v, key)
				if strings.Contains(label, " ") && vocabulary.Text(v, "job_guid") != "" {
					add(file, label, vocabulary.Text(v, "group_name"), name)
				}
			}
		})
	})
	for _, file := range []string{
		"mozilla-inbound_resultset_2014-04-15.json.gz", "mozilla-inbound_resultset_2014-04-15_later.json.gz",
		"treeherder__resultset_1.json.gz",
	} {
		body := bytes.NewReader(testenv.Read(t, "data", "2-treeherder", file))
		s, err := treeherder.ReadSnapshot(body, "mozilla-inbound")
		if err != nil {
			t.Fatal(err)
		}
		pushes, err := s.Pushes(t.Context(), job.IDs(0, 1<<40))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pushes {
			jobs, err := s.Jobs(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			for _, j := range jobs {
				r := j.Raw().(treeherder.Record)
				add(file, j.Name(), r.GroupName, r.TypeName)
			}
		}
	}
	labels.Check(t, "kinds of jobs", 900, func(label string) error {
		got := treeherder.KindOf(treeherder.Record{}, label)
		if want[label] != 0 && got != want[label] {
			return fmt.Errorf("%s, expected %s", got, want[label])
		}
		return nil
	})
	if len(want) < 750 {
		t.Errorf("people say of %d jobs what they are", len(want))
	}
}

func TestKindOf(t *testing.T) {
	for label, want := range map[string]job.Kind{
		"OS X 10.7 64-bit try leak test build":                job.KindBuild,
		"Linux try leak test non-unified":                     job.KindBuild,
		"Linux x86-64 mozilla-central nightly":                job.KindBuild,
		"b2g_try_emulator_dep":                                job.KindBuild,
		"linux64 | opt | ? | Valgrind Nightly | V":            job.KindBuild,
		"Fedora 12 | opt | T | svgr | s":                      job.KindPerf,
		"Windows 7 32-bit try talos g1":                       job.KindPerf,
		"Ubuntu VM 12.04 try debug test cppunit":              job.KindTest,
		"linux64 | opt | ? | JIT Tests | Jit":                 job.KindTest,
		"test-linux64/opt-mochitest-browser-chrome-1":         job.KindTest,
		"Gecko Decision Task":                                 job.KindOther,
		"linux64 | debug | H | Static Rooting Hazard | SM(H)": job.KindBuild,
	} {
		if got := treeherder.KindOf(treeherder.Record{}, label); got != want {
			t.Errorf("%s: %s, expected %s", label, got, want)
		}
	}
}

package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
)

// withInput runs the program with a text on its standard input.
func withInput(t *testing.T, in string, args ...string) (out, errOut string, status int) {
	t.Helper()
	var o, e bytes.Buffer
	status = run(t.Context(), args, strings.NewReader(in), &o, &e)
	return o.String(), e.String(), status
}

func packed(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write([]byte(text))
	if closeErr := z.Close(); err != nil || closeErr != nil {
		t.Fatal(err, closeErr)
	}
	return out.String()
}

// allthethings.json is read from a file, packed or not, and from standard input, and so is
// what --diff compares with; a graph that was printed has no difference to its source.
func TestChooserFiles(t *testing.T) {
	t.Chdir(testenv.Root(t))
	things := "examples/mozci/testdata/allthethings.json"
	text, err := os.ReadFile(things)
	if err != nil {
		t.Fatal(err)
	}
	want, _, status := withInput(t, "", "trychooser", "--allthethings", things)
	if status != 0 || !strings.HasSuffix(want, "\n}\n") {
		t.Fatalf("exit %d, %q", status, want)
	}
	file := filepath.Join(t.TempDir(), "a b.json.gz")
	if err := os.WriteFile(file, []byte(packed(t, string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		in   string
		args []string
		want string
	}{
		{"", []string{"--allthethings", file}, want},
		{string(text), []string{"--allthethings", "-"}, want},
		{packed(t, string(text)), []string{"--allthethings", "-"}, want},
		{want, []string{"--allthethings", file, "--diff", "-"}, "no difference\n"},
		{packed(t, want), []string{"--allthethings", things, "--diff", "-"}, "no difference\n"},
		{string(text), []string{"--allthethings", things, "--diff", "-"}, "no difference\n"},
		{string(text), []string{"--allthethings", "-", "--diff", file}, "no difference\n"},
	} {
		out, errOut, status := withInput(t, c.in, append([]string{"trychooser"}, c.args...)...)
		if d := cmp.Diff(c.want, out); d != "" || errOut != "" || status != 0 {
			t.Errorf("%q: exit %d, %s (-want +got):\n%s", c.args, status, errOut, d)
		}
	}
}

// What is no such file is an error with its name and status 1, in both forms of output,
// and nothing is printed of it; a difference has the same status and no error.
func TestChooserBadFiles(t *testing.T) {
	t.Chdir(testenv.Root(t))
	things := "examples/mozci/testdata/allthethings.json"
	text, err := os.ReadFile(things)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"nothing": "", "HTML": "<!DOCTYPE html><html>\x1b[31m</html>", "an empty object": "{}", "null": "null",
		"a list": "[]",
		"torn":   string(text[:len(text)/2]), "torn, packed": packed(t, string(text))[:300],
		"packed nothing":            "\x1f\x8b",
		"builders of another shape": `{"builders": [], "schedulers": {}}`,
		"types of another shape":    `{"opt": {"linux64": {"tests": "xpcshell"}}}`,
		"two values":                "{} {}",
	} {
		for _, args := range [][]string{{"--allthethings", "-"}, {"--allthethings", things, "--diff", "-"}} {
			for _, form := range []string{"", "--json"} {
				args := append([]string{"trychooser"}, args...)
				if form != "" {
					args = append(args, form)
				}
				out, errOut, status := withInput(t, bad, args...)
				if status != 1 && (name != "packed nothing" || status != 2) || out != "" || errOut == "" {
					t.Errorf("%s, %q: exit %d, %q, %q", name, args, status, out, errOut)
				}
				tame(t, name, errOut)
				if form != "" && !json.Valid([]byte(errOut)) {
					t.Errorf("%s, %q: %q", name, args, errOut)
				}
			}
		}
	}
}

// The saved part of a real allthethings.json, whose names were replaced, gives a graph.
func TestChooserOfMock(t *testing.T) {
	text := testenv.Read(t, "data", "5-buildbot", "mozilla_ci_tools__mock_allthethings.json")
	out, errOut, status := withInput(t, string(text), "trychooser", "--allthethings", "-", "--platform", "platform1",
		"--build-type", "pgo,debug", "--suite", "mochitest")
	debug := strings.Contains(out, "Platform1 try debug test mochitest-1\n")
	if !debug || strings.Contains(out, "opt test") || status != 0 {
		t.Errorf("exit %d, %s, %s", status, errOut, out)
	}
	out, errOut, status = withInput(t, string(text), "trychooser", "--allthethings", "-")
	var graph map[string]map[string]map[string][]string
	if err := json.Unmarshal([]byte(out), &graph); err != nil || status != 0 {
		t.Fatalf("exit %d, %s, %v", status, errOut, err)
	}
	want := []string{"Platform1 try opt test mochitest-1", "Platform1 try talos tp5o"}
	if d := cmp.Diff(want, graph["opt"]["platform1"]["Platform1 try build"]); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// A query that is too long, and one that is long, do no harm.
func TestLongQueries(t *testing.T) {
	t.Chdir(testenv.Root(t))
	for n, want := range map[int]int{5 << 10: 2, 1 << 10: 3} {
		for _, args := range [][]string{
			{"trychooser", "--world", "testdata/worlds/permanent.txt"},
			{"labels", "--world", "testdata/worlds/permanent.txt"},
			{"trigger", "--world", "testdata/worlds/permanent.txt", "--rev", "tip"},
		} {
			out, errOut, status := withInput(t, "", append(args, "--query", strings.Repeat("xpc ", n/4)+"z")...)
			if status != want || out != "" || len(errOut) > 500 {
				t.Errorf("%d bytes, %q: exit %d, %q, %q", n, args, status, out, errOut)
			}
		}
	}
}

// On several pushes of a Taskcluster each label is chosen where it can run, and a word is
// understood where something has it.
func TestTriggerByTrySyntax(t *testing.T) {
	tc := tctest.New()
	for id := int64(17); id <= 19; id++ {
		labels := []tctest.Label{
			{Name: "build-linux64/opt", Planned: true},
			{Name: "test-linux2404-64/opt-xpcshell-1", Build: "build-linux64/opt"},
		}
		if id == 18 {
			labels = append(labels, tctest.Label{Name: "test-linux2404-64/opt-cppunit", Build: "build-linux64/opt"})
		}
		tc.AddPush("autoland", id, revisionOf(id), labels...)
	}
	args := []string{
		"trigger", "--root-url", listen(t, tc), "--hg-url", autolandLog(t, 17, 18, 19), "--ledger",
		filepath.Join(t.TempDir(), "ledger.db"), "--rev", revisionOf(19), "--from-rev", revisionOf(17),
		"--excludes", "build", "--try-syntax", "try: -b o -p linux64,plan9 -u xpcshell,cppunit -t none",
	}
	out, errOut, status := withInput(t, "", args...)
	for _, want := range []string{
		"test-linux2404-64/opt-cppunit     1 run", "19 " + revisionOf(19)[:12], "18 " + revisionOf(18)[:12],
		"17 " + revisionOf(17)[:12],
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	want := "note: not understood: platform \"plan9\"\nnote: not understood on 2 of 3 pushes: suite \"cppunit\"\n"
	if errOut != want || strings.Count(out, "opt-xpcshell-1") != 3 || status != 0 {
		t.Errorf("exit %d, %q\n%s", status, errOut, out)
	}
	var plan struct{ Steps []struct{ Label string } }
	out, errOut, status = withInput(t, "", append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), &plan); err != nil || status != 0 || errOut != want {
		t.Errorf("exit %d, %v, %q, %s", status, err, errOut, fmt.Sprint(plan))
	}
}

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/testenv"
)

const summary = `{"action":"test_result","line":2,"test":"a","status":"FAIL","expected":"PASS"}`

// exits are logs, and how the program ends over each.
var exits = map[string]struct {
	text   string
	format string
	status int
	lines  int
	says   string
}{
	"pytest":         {"FAILED a.py::test_x - boom\n=== 1 failed in 0.1s ===\n", "", 0, 1, ""},
	"pytest without": {"=== 2 passed in 0.1s ===\n", "", 0, 0, "no failures"},
	"cut": {
		"=== test session starts ===\na.py::test_x PASSED\n", "", 1, 0,
		"there may be more failures: pytest: the log ends before the last line",
	},
	"nothing known":       {"hello\nworld\n", "", 3, 0, "no line of a known format in 2 lines"},
	"another format":      {"=== 2 passed in 0.1s ===\n", "gotest", 3, 0, "no line of gotest in 1 line"},
	"empty":               {"", "", 1, 0, "it is empty"},
	"HTML":                {"<!doctype html><html></html>", "", 1, 0, "an HTML page"},
	"HTML, named":         {"<!doctype html><html></html>", "errorsummary", 1, 0, "an HTML page"},
	"binary":              {"\x7fELF\x01\x02\x00", "", 1, 0, "a program (ELF)"},
	"JSON":                {`{"a":1}`, "", 1, 0, "it is JSON with the members a"},
	"torn":                {summary + "\n" + `{"action":"test_`, "", 1, 1, "there may be more failures: line 2"},
	"put together":        {summary + summary + "\n", "", 1, 2, "there may be more failures: line 1"},
	"a group without end": {`{"action":"test_groups","line":1,"groups":["a.toml"]}` + "\n", "", 1, 0, "a.toml"},
}

// What a log says, and with which exit status: 0 understood, 1 no log or not
// whole, 3 nothing known. "no failures" is only for the first.
func TestFailuresExit(t *testing.T) {
	for name, c := range exits {
		file := filepath.Join(t.TempDir(), "x.log")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		args := []string{"failures", file}
		if c.format != "" {
			args = append(args, "--format", c.format)
		}
		out, errOut, status := mozci(t, args...)
		if status != c.status || !strings.Contains(out+errOut, c.says) ||
			strings.Contains(out, "no failures") != (c.says == "no failures") {
			t.Errorf("%s: exit %d: %s%s", name, status, out, errOut)
		}
		if !strings.Contains(out+errOut, file) {
			t.Errorf("%s: the file is not named: %s%s", name, out, errOut)
		}
		out, _, status = mozci(t, append(args, "--json")...)
		if n := strings.Count(out, "\n"); n != c.lines || status != c.status {
			t.Errorf("%s, JSON: exit %d, %d lines: %s", name, status, n, out)
		}
		for line := range strings.Lines(out) {
			var f map[string]any
			if err := json.Unmarshal([]byte(line), &f); err != nil {
				t.Fatal(err)
			}
			for _, key := range []string{
				"file", "line", "kind", "test", "subtest", "group", "status", "expected",
				"message", "signature",
			} {
				if _, ok := f[key]; !ok {
					t.Errorf("%s: no %s in %s", name, key, line)
				}
			}
		}
	}
}

// Of several files each is read, and the worst counts.
func TestFailuresOfSeveralFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.log": summary + "\n", "b.log": "", "c.log": "hello\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, errOut, status := mozci(t, "failures", filepath.Join(dir, "a.log"), filepath.Join(dir, "b.log"),
		filepath.Join(dir, "c.log"))
	if status != 1 || !strings.Contains(out, "a.log has 1 failure:") ||
		!strings.Contains(errOut, "b.log: it is empty") || !strings.Contains(errOut, "c.log: no line") {
		t.Errorf("exit %d: %s%s", status, out, errOut)
	}
}

// The inputs that were once taken for logs without failures.
func TestFailuresOfCases(t *testing.T) {
	for file, want := range map[string]string{
		"logs/u16le.log": "a/test_z.js", "logs/bom_errorsummary.log": "a/test_x.js", "logs/junit.xml": "t.a.test_x",
		"logs/wptreport.json": "/xhr/a.html", "formats/c10_wptreport.json": "/a.html",
	} {
		testenv.Read(t, "cases", filepath.Dir(file), filepath.Base(file))
		out, errOut, status := mozci(t, "failures", "--json", filepath.Join(testenv.Shared(t, "cases"), file))
		if status != 0 || !strings.Contains(out, `"test":"`+want+`"`) {
			t.Errorf("%s: exit %d, %s%s", file, status, out, errOut)
		}
	}
}

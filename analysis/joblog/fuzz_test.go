package joblog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/job"
)

// Whatever a log is, it is read to its end without harm, and what is read twice
// says the same.
func fuzz(f *testing.F, which joblog.Format, seeds ...string) {
	f.Helper()
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, log []byte) {
		a, err := joblog.Read(t.Context(), bytes.NewReader(log), which,
			&joblog.Options{Tests: []string{"dom/a.js"}, MaxUnpacked: 1 << 20})
		if errors.Is(err, job.ErrMalformed) && a == nil {
			return // it is no log
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := joblog.Read(t.Context(), bytes.NewReader(log), which,
			&joblog.Options{Tests: []string{"dom/a.js"}, MaxUnpacked: 1 << 20})
		if err != nil || shown(a) != shown(b) || a.Partial != b.Partial {
			t.Errorf("read twice: %v\n%s\n%s", err, shown(a), shown(b))
		}
		if a.Partial == (a.Reason == "") {
			t.Errorf("partial %t: %q", a.Partial, a.Reason)
		}
		_ = a.Verdict("dom/a.js", "")
		for _, x := range a.Failures {
			if x.Fingerprint() == "" || x.Line < 0 || x.Kind == "" {
				t.Errorf("%+v", x)
			}
			_ = x.SearchTerm()
		}
	})
}

func FuzzErrorSummary(f *testing.F) {
	fuzz(f, joblog.ErrorSummary, "",
		`{"action":"test_result","line":2,"test":["a","==","b"],"status":"FAIL","expected":"PASS"}`,
		`{"action":"group_result","group":"g","status":null}`, "{\n}")
}

func FuzzStructuredLog(f *testing.F) {
	fuzz(f, joblog.StructuredLog, "", `{"action":"test_end","test":"a","status":"FAIL","expected":"PASS"}`,
		`{"action":"lsan_leak","frames":[1,"a"]}`, `{"action":"suite_start","tests":{"a":[]}}`)
}

func FuzzPlainLog(f *testing.F) {
	fuzz(f, joblog.PlainText, "", "TEST-UNEXPECTED-FAIL | a | b\r\n", "PROCESS-CRASH | a [@ b] | c",
		"[task 2026-01-01] 1:2:3 ERROR - x\n", "\x1f\x8b", "[  FAILED  ] a.b (1 ms)")
}

// Every format, by its content and by its name. The first byte chooses.
func FuzzFormats(f *testing.F) {
	for _, s := range samples {
		text, err := os.ReadFile(filepath.Join("testdata", s.file))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(0), text)
		f.Add(uint8(1+slices.Index(joblog.Formats(), s.format)), text)
	}
	f.Fuzz(func(t *testing.T, which uint8, log []byte) {
		format := append([]joblog.Format{""}, joblog.Formats()...)[int(which)%(len(joblog.Formats())+1)]
		var seen []string
		for range 2 {
			r, err := joblog.Read(t.Context(), bytes.NewReader(log), format, &joblog.Options{MaxUnpacked: 1 << 20})
			if errors.Is(err, job.ErrMalformed) && r == nil {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if r.Partial == (r.Reason == "") || len(r.Formats) == 0 && !r.Partial {
				t.Errorf("of %v, partial %t: %q", r.Formats, r.Partial, r.Reason)
			}
			for _, x := range r.Failures {
				if x.Line < 0 || x.Kind == "" || x.Test != "" && r.Verdict(x.Test, "") == joblog.TestPassed {
					t.Errorf("%+v: %s", x, r.Verdict(x.Test, ""))
				}
			}
			seen = append(seen, shown(r)+r.Reason)
		}
		if seen[0] != seen[1] {
			t.Errorf("read twice:\n%s\n%s", seen[0], seen[1])
		}
	})
}

// Error lines: what the fast search passes over has no error in it. Each line
// alone, behind something that makes the search begin elsewhere, says the same.
func FuzzErrorLines(f *testing.F) {
	for _, s := range []string{
		"make[3]: *** x", "a.cpp:1: error: x", "x error C12: y", "FooError: x", "ERROR 404: x",
		"[a-b:error] x", " error(1): x", "mozmake.exe[1]: *** x",
	} {
		f.Add(s)
	}
	for n := 1998; n < 2006; n++ { // where a line is cut, in the middle of a character
		f.Add("oError: " + strings.Repeat("\x93", n-8))
		f.Add("oError: " + strings.Repeat("𝄞", 500)[:n-8])
	}
	f.Fuzz(func(t *testing.T, line string) {
		if strings.ContainsAny(line, "\n\r\x00") || strings.HasPrefix(line, "\xff\xfe") ||
			strings.HasPrefix(line, "\xfe\xff") || strings.HasPrefix(line, "\xef\xbb\xbf") {
			return // or UTF-16 as a whole
		}
		alone, err := joblog.ErrorLines(t.Context(), strings.NewReader(line), nil)
		if err != nil {
			return // it begins as gzip does
		}
		among, err := joblog.ErrorLines(t.Context(), strings.NewReader("fine\n"+line+"\nfine\n"), nil)
		if err != nil || len(alone) != len(among) {
			t.Errorf("%q: alone %v, among others %v, %v", line, alone, among, err)
		}
		if n := len(alone); n == 1 != joblog.IsError(line) {
			t.Errorf("%q: the search finds %d, the rules say %t", line, n, joblog.IsError(line))
		}
	})
}

// Walking an object finds the members that JSON v2 finds in it, and refuses what that
// refuses.
func FuzzMembers(f *testing.F) {
	for _, s := range []string{
		`{}`, ` { } `, `{"action":"test_result","test":"a","subtest":null,"status":"PASS","expected":"PASS"}`,
		`{"a": 12, "b": -1.5e3, "c": 012, "d": 1}`, `{"a":0,"b":00}`, `{"a":12x}`, `{"a":nullx}`, `{"a":[]]}`,
		`{"a":"b","a":"c"}`, `{"a":"b"}x`, `{"a":"b"}{}`, `{"a":"b",}`, `{,"a":1}`, `{"a" 1}`, `{"a":}`, `{"a"}`, `{"a`, `{`,
		`{"a\u0062":"\ud83d\ude00\ud83d \n\/\"","é\t":"é"}`, `{"a":"\x"}`, `{"a":"\u12G4"}`, "{\"a\":\"tab\tin it\"}",
		"{\"a\":\"not \xff UTF-8\",\"\xff\":1}", "{\"a\":\"12345678\x1f\"}", "{\"a\":\"1234\x1f6789\"}", "{\"a\":\"1234567\x7f\"}\r",
		`{"a":[1,{"b":[true,false,"x"]}],"c":{"d":{}}}`, `{"a":tru}`, `["a"]`, `"a"`, ``, `{"a":"123456789012345678"}`,
		`{"a":1234567890123456789012}`, `{"a":[],"b":[ ]}`, `{"12345678":"12345678\\"}`,
	} {
		f.Add([]byte(s))
	}
	bears := v2.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	f.Fuzz(func(t *testing.T, object []byte) {
		var want map[string]jsontext.Value
		wantErr := v2.Unmarshal(object, &want, bears)
		got, err := joblog.Members(object)
		isNull := wantErr == nil && want == nil
		if (err == nil) != (wantErr == nil && !isNull) {
			t.Fatalf("%q: %v, JSON v2 says %v", object, err, wantErr)
		}
		if err != nil {
			return
		}
		for name, v := range want {
			said := string(v)
			if v.Kind() == '"' {
				text, _ := jsontext.AppendUnquote(nil, v)
				said += " " + string(text)
			}
			if got[name] != said {
				t.Errorf("%q: %q is %q, not %q", object, name, got[name], said)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%q: %d members, not %d", object, len(got), len(want))
		}
	})
}

// What a line of an error summary says does not depend on what stands before it in the
// object, or is there of other types.
func FuzzSummaryLine(f *testing.F) {
	for _, s := range []string{
		`{"action":"test_result","test":"a","subtest":null,"status":"PASS","expected":"PASS"}`,
		`{"action": "test_result", "test": "a", "status": "OK", "expected": "OK", "line": 3, "known_intermittent": []}`,
		`{"action":"test_result","test":"a","subtest":"s","status":"PASS","expected":"PASS"}`,
		`{"action":"test_result","test":"a","status":"CRASH","expected":"CRASH"}`,
		`{"action":"test_result","test":"a","status":"FAIL","status":"PASS","expected":"PASS"}`,
		`{"action":"test_result","test":"a","status":"PASS","expected":"PASS"}x`,
		`{"action":"test_result","test":"a","status":"","expected":""}`,
		`{"action":"test_result","test":"a\n","status":"SKIP","expected":"SKIP"}`,
		`{"action":"test_result","test":"a","status":"PASS","expected":"PASS",}`,
		`{"action":"test_result","line":2,"test":"a","group":"g","status":"FAIL","expected":"PASS","message":"m"}`,
		`{"line":1e30,"status":null,"action":"test_result","test":["a","==","b"],"group":[],"status":"PASS","expected":"FAIL"}`,
		`{"action":"test_result","test":"a","line":-3,"group":"g","status":"PASS","expected":"PASS"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		object, ok := strings.CutPrefix(line, "{")
		if !ok || strings.ContainsAny(line, "\n\r") || !json.Valid([]byte(line)) {
			return
		}
		said := func(line string) string {
			r, err := joblog.Read(t.Context(), strings.NewReader(line), joblog.ErrorSummary, nil)
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprint(shown(r), r.Verdict("a", ""), r.Partial)
		}
		more := `{"z":{},"test":["b"],"status":7,"line":"x","group":{"a":1},` + object
		for _, name := range []string{"test", "status", "line", "group"} {
			if !strings.Contains(object, `"`+name+`"`) {
				return
			}
		}
		if a, b := said(line), said(more); a != b {
			t.Errorf("%q: %s, with more in it %s", line, a, b)
		}
	})
}

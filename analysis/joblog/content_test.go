package joblog_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/job"
)

// What is certainly no log is an error that says what it looks like.
func TestNoLog(t *testing.T) {
	random := make([]byte, 20_000)
	for i, x := 0, uint32(1); i < len(random); i++ {
		x = x*1664525 + 1013904223
		random[i] = byte(x >> 24)
	}
	tar := strings.Repeat("a", 257) + "ustar  " + strings.Repeat("b", 400)
	for name, c := range map[string]struct{ text, looks string }{
		"nothing":         {"", "it is empty"},
		"white space":     {" \r\n\n\t\n", "it is empty"},
		"a page":          {"\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>", "an HTML page"},
		"a page, no type": {"<HTML><BODY>502 Bad Gateway</BODY></HTML>", "an HTML page"},
		"XHTML":           {`<?xml version="1.0"?><!DOCTYPE html PUBLIC "x"><html xmlns="x"/>`, "an HTML page"},
		"a page of wide":  {"\xff\xfe" + string(wide([]byte("<html></html>"), false)), "an HTML page"},
		"XML of S3": {
			`<?xml version="1.0" encoding="UTF-8"?>` + "\n<Error><Code>NoSuchKey</Code></Error>",
			"whose root is <Error>",
		},
		"xUnit.net": {
			`<?xml version="1.0"?><assemblies><assembly/></assemblies>`,
			"whose root is <assemblies>",
		},
		"XML that ends":    {`<?xml version="1.0"?>`, "no element"},
		"an error of JSON": {`{"code":404,"message":"no"}`, "members code, message"},
		"Jest's JSON": {
			"{\n \"numFailedTests\": 1,\n \"testResults\": [{\"a\": [1, {\"action\": 2}]}]\n}\n",
			"members numFailedTests, testResults",
		},
		"lines of JSON":     {`{"level":"info"}` + "\n" + `{"level":"error"}` + "\n", "it is JSON"},
		"an array":          {`[{"a":1}]`, "it is JSON"},
		"torn JSON":         {`{"a": {"b": [1, 2`, "it is JSON"},
		"a picture":         {"\x89PNG\r\n\x1a\n" + string(random), "a picture (PNG)"},
		"a program":         {"\x7fELF" + string(random), "a program (ELF)"},
		"tar":               {tar, "an archive (tar)"},
		"noise":             {string(random), "binary data"},
		"gzip that is none": {"\x1f\x8bnot", "gzip"},
		"packed nothing":    {string(squeezed("")), "it is empty"},
		"a packed page":     {string(squeezed("<html></html>")), "an HTML page"},
		"packed thrice":     {string(squeezed(string(squeezed(string(squeezed("x")))))), "more than 2 times"},
		"a zip of nothing":  {"PK\x05\x06" + strings.Repeat("\x00", 18), "an archive without a log"},
		"a torn zip":        {"PK\x03\x04" + strings.Repeat("\x00", 60), "a zip that cannot be read"},
	} {
		r, err := joblog.Read(t.Context(), strings.NewReader(c.text), "", nil)
		if !errors.Is(err, job.ErrMalformed) || !strings.Contains(err.Error(), c.looks) || r != nil {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if name == "XML of S3" || strings.Contains(name, "JSON") || name == "an array" || name == "xUnit.net" ||
			name == "XML that ends" {
			continue
		}
		for _, which := range joblog.Formats() { // also of a format that is named
			if r, err := joblog.Read(t.Context(), strings.NewReader(c.text), which,
				nil); !errors.Is(err, job.ErrMalformed) {
				t.Errorf("%s as %s: %+v, %v", name, which, r, err)
			}
		}
	}
}

// A log in which nothing is known says so; one that is known and has no failures
// is not that.
func TestNothingKnown(t *testing.T) {
	for text, want := range map[string]string{
		"hello\nworld\nall 5 widgets broken\n": "no line of a known format in 3 lines",
		"hello":                                "no line of a known format in 1 line",
		`{"a":1}` + "\nStarting\n":             "no line of a known format in 2 lines",
		"<module> starting\n</module>\n":       "no line of a known format in 2 lines",
		"[1/3] a\n[2/3] b\n":                   "no line of a known format in 2 lines",
		"ok\nok then\nPASS\nFAIL\n":            "no line of a known format in 4 lines",
		strings.Repeat("x\n", 300_000):         "no line of a known format in 300000 lines",
		"program finished with exit code 1\n":  "no line of a known format in 1 line",
		"[taskcluster 2026-01-01T00:00:00.000Z] Task ID: x\n[task 2026-01-01T00:00:00.000Z] broken\n" +
			"[taskcluster 2026-01-01T00:00:00.000Z] Unsuccessful task run with exit code: 1\n": "no line of a known format in 3 lines",
	} {
		r := readAs(t, []byte(text), "")
		if len(r.Formats) > 0 || !r.Partial || r.Reason != want || r.Verdict("a", "") != joblog.TestUnknown {
			t.Errorf("%.60q: %v, partial %t: %s", text, r.Formats, r.Partial, r.Reason)
		}
	}
	for text, format := range map[string]joblog.Format{
		"12:34:56     INFO - hello\n": joblog.PlainText, "TEST-START | a\nTEST-OK | a\n": joblog.PlainText,
		"ok  \tex.org/m\t0.1s\n": joblog.GoTest, "1..1\nok 1\n": joblog.TAP,
		"===== 3 passed in 0.12s =====\n": joblog.Pytest, "no tests ran in 0.01s\n": joblog.Pytest,
		"> Task :test UP-TO-DATE\n\nBUILD SUCCESSFUL in 3s\n": joblog.Gradle, "1..0 # SKIP no network\n": joblog.TAP,
	} {
		if r := readAs(t, []byte(text), ""); !slices.Equal(r.Formats, []joblog.Format{format}) || r.Partial ||
			len(r.Failures) > 0 {
			t.Errorf("%q: %v, partial %t: %s", text, r.Formats, r.Partial, r.Reason)
		}
	}
	// The CI says that a command failed, and nothing says why.
	r := readAs(t, []byte("===== 3 passed in 0.12s =====\nprogram finished with exit code 2\n"), "")
	if !r.Partial || !strings.Contains(r.Reason, "program finished with exit code 2") {
		t.Errorf("%s", r.Reason)
	}
	// Both stand far behind the beginning, on lines that are found for another reason.
	far := strings.Repeat("12:34:56     INFO - TEST-INFO | a | fine\n", 20_000)
	r = readAs(t, []byte(far+"12:34:56    ERROR - FAILED tests/a.py::test_x - boom\n"+
		"12:34:56    ERROR - ===== 1 failed in 0.12s =====\n"+far), "")
	if r.Verdict("tests/a.py::test_x", "") != joblog.TestFailed || len(r.Failures) != 1 ||
		r.Failures[0].Line != 20_001 {
		t.Errorf("far behind: %s", sampled(r))
	}
	r = readAs(t, []byte(far+"TEST-INFO | program finished with exit code 2\n"+far), "")
	if !r.Partial || !strings.Contains(r.Reason, "program finished with exit code 2") {
		t.Errorf("far behind: %s", r.Reason)
	}
	for _, which := range joblog.Formats() {
		if r := readAs(t, []byte("hello\nworld\n"), which); !r.Partial || len(r.Formats) > 0 {
			t.Errorf("as %s: %v, partial %t", which, r.Formats, r.Partial)
		}
	}
}

// packedWays are the ways in which a log comes packed.
func packedWays(t *testing.T, text []byte) map[string][]byte {
	t.Helper()
	out := map[string][]byte{"gzip": squeezed(string(text))}
	pack := func(name string, w io.WriteCloser, err error, b *bytes.Buffer) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Write(text)
		if err := errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		out[name] = b.Bytes()
	}
	var zs, x bytes.Buffer
	z, err := zstd.NewWriter(&zs)
	pack("zstd", z, err, &zs)
	xw, err := xz.NewWriter(&x)
	pack("xz", xw, err, &x)
	out["zip"] = zipped(t, map[string][]byte{"logs/a.log": text, "logs/a.png": []byte("\x89PNG")})
	out["gzip in xz"] = nil
	var gx bytes.Buffer
	xw, err = xz.NewWriter(&gx)
	if err != nil {
		t.Fatal(err)
	}
	_, err = xw.Write(out["gzip"])
	if err := errors.Join(err, xw.Close()); err != nil {
		t.Fatal(err)
	}
	out["gzip in xz"] = gx.Bytes()
	out["gzip in zip"] = zipped(t, map[string][]byte{"a.log.gz": out["gzip"]})
	out["zip in gzip"] = squeezed(string(out["zip"]))
	out["two gzips"] = slices.Concat(squeezed(string(text[:len(text)/2])), squeezed(string(text[len(text)/2:])))
	out["two of xz"] = slices.Concat(x.Bytes(), x.Bytes())
	return out
}

func zipped(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range files {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A packed log is read as it is, also by error lines, and leaves nothing behind.
func TestPacked(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for _, file := range []string{"pytest_v.log", "surefire.xml", "bom_errorsummary.log", "go_json.log"} {
		i := slices.IndexFunc(samples, func(s sample) bool { return s.file == file })
		s := samples[i]
		for way, packed := range packedWays(t, open(t, s)) {
			if way == "two of xz" {
				continue
			}
			r := readAs(t, packed, "")
			if got := sampled(r); got != s.failures || r.Source != s.format || r.Partial {
				t.Errorf("%s by %s: %s, partial %t: %s\n%s", file, way, r.Source, r.Partial, r.Reason, got)
			}
		}
	}
	gecko := []byte("12:34:56     INFO - fine\nTEST-UNEXPECTED-FAIL | a | b\n")
	for way, packed := range packedWays(t, gecko) {
		want := 1
		if way == "two of xz" {
			want = 2
		}
		lines, err := joblog.ErrorLines(t.Context(), bytes.NewReader(packed), nil)
		if err != nil || len(lines) != 1 && want == 1 {
			t.Errorf("error lines by %s: %v, %v", way, lines, err)
		}
		if r := readAs(t, packed, ""); len(r.Failures) != want || r.Partial {
			t.Errorf("%s: %s", way, sampled(r))
		}
	}
	bz, err := os.ReadFile(filepath.Join("testdata", "packed.bz2"))
	if err != nil {
		t.Fatal(err)
	}
	if r := readAs(t, bz, ""); sampled(r) != "2 test FAIL a/x.js" {
		t.Errorf("bzip2: %s", sampled(r))
	}
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "mozci-log-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// What is torn gives what was found before, and says so.
func TestPackedTorn(t *testing.T) {
	var text bytes.Buffer
	x := uint32(1)
	for text.Len() < 1<<20 {
		x = x*1664525 + 1013904223
		text.WriteString("TEST-UNEXPECTED-FAIL | dom/test_" + strings.Repeat(string(rune('a'+x>>28)), 3) + ".html | " +
			string(rune('a'+x>>27%20)) + "\n")
		for range 20 {
			x = x*1664525 + 1013904223
			text.WriteByte(byte(' ' + x>>26))
		}
		text.WriteByte('\n')
	}
	for way, packed := range packedWays(t, text.Bytes()) {
		if strings.Contains(way, "gzip in zip") {
			continue // torn twice: nothing can be told
		}
		cut := packed[:len(packed)*2/3]
		r, err := joblog.Read(t.Context(), bytes.NewReader(cut), "", nil)
		if way == "two of xz" {
			cut = packed[:len(packed)-len(packed)/4]
			r, err = joblog.Read(t.Context(), bytes.NewReader(cut), "", nil)
		}
		if err != nil || !r.Partial || len(r.Failures) == 0 {
			t.Errorf("%s: %v, %+v", way, err, r != nil && r.Partial)
		}
	}
}

// A few kilobytes that unpack to gigabytes are not read to their end, and memory
// does not grow with them.
func TestBomb(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	line := []byte("TEST-UNEXPECTED-FAIL | a | b\n" + strings.Repeat("fine\n", 100_000))
	for range 400 {
		if _, err := z.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	_ = z.Close()
	for name, text := range map[string][]byte{
		"gzip": b.Bytes(), "gzip in gzip": squeezed(b.String()),
		"gzip in zip": zipped(t, map[string][]byte{"a.gz": b.Bytes()}),
	} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		r, err := joblog.Read(t.Context(), bytes.NewReader(text), "", &joblog.Options{MaxUnpacked: 20 << 20})
		runtime.ReadMemStats(&after)
		if err != nil || !r.Partial || !strings.Contains(r.Reason, "unpacks to more than 20971520 bytes") ||
			len(r.Failures) < 30 || len(r.Failures) > 60 {
			t.Errorf("%s: %v, %d failures: %s", name, err, len(r.Failures), r.Reason)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
			t.Errorf("%s: %d MiB were allocated", name, grown>>20)
		}
	}
	// A block of xz that asks for a dictionary of 4 GiB.
	var x bytes.Buffer
	w, err := xz.NewWriter(&x)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(line)
	_ = w.Close()
	huge := bytes.Clone(x.Bytes())
	at := bytes.Index(huge, []byte{0x21, 0x01})
	huge[at+2] = 40
	if r, err := joblog.Read(t.Context(), bytes.NewReader(huge), "", nil); err == nil ||
		!strings.Contains(err.Error(), "dictionary") {
		t.Errorf("a huge dictionary: %+v, %v", r, err)
	}
}

// Of an archive all logs are read, and what was not is said.
func TestArchive(t *testing.T) {
	pytest, junit := open(t, sample{file: "pytest_v.log"}), open(t, sample{file: "junit.xml"})
	r := readAs(t, zipped(t, map[string][]byte{
		"b/1_test.txt": pytest, "a/report.xml": junit,
		"a/index.html": []byte("<html></html>"), "a/shot.png": []byte("\x89PNG"),
	}), "")
	if len(r.Failures) != 8 || r.Failures[0].Test != "t.a.test_x" || r.Partial || r.Source != joblog.PlainText {
		t.Errorf("%s, %s, %s", sampled(r), r.Source, r.Reason)
	}
	if len(r.Notes) == 0 || !strings.Contains(r.Notes[0], "2 logs") ||
		!strings.Contains(r.Notes[0], "a/report.xml, b/1_test.txt") {
		t.Errorf("%q", r.Notes)
	}
	if r.Verdict("t.a.test_y", "") != pass || r.Verdict("tests/test_a.py::test_fail", "") != fail ||
		r.Verdict("none", "") != unknown {
		t.Error("verdicts of an archive")
	}
	r = readAs(t, zipped(t, map[string][]byte{"a.xml": junit, "b.txt": []byte("12 widgets\n")}), "")
	if !r.Partial || !strings.Contains(r.Reason, "b.txt") || len(r.Failures) != 1 {
		t.Errorf("one that is not understood: %s", r.Reason)
	}
	r = readAs(t, zipped(t, map[string][]byte{"b.txt": []byte("12 widgets\n")}), "")
	if !r.Partial || len(r.Formats) > 0 {
		t.Errorf("none that is understood: %s", r.Reason)
	}
	// A test that passed in one and did not end in the other is not known.
	r = readAs(t, zipped(t, map[string][]byte{"1.log": []byte("[==========] Running 1 test\n[ RUN      ] A.b\n[       OK ] A.b (0 ms)\n[  PASSED  ] 1 test.\n"), "2.log": []byte("[==========] Running 1 test\n[ RUN      ] A.b\n")}), "")
	if got := r.Verdict("A.b", ""); got != unknown || !r.Partial {
		t.Errorf("A.b: %s", got)
	}
	// A hole in a summary is one in the archive as well.
	summary := []byte("{\"action\":\"test_re\n" +
		`{"action":"test_result","test":"a.js","status":"PASS","expected":"PASS"}` + "\n")
	for way, text := range map[string][]byte{
		"alone":  summary,
		"packed": zipped(t, map[string][]byte{"a_errorsummary.log": summary}),
	} {
		if r := readAs(t, text, ""); r.Verdict("a.js", "") != unknown || r.Source != joblog.ErrorSummary {
			t.Errorf("%s: %s, %s", way, r.Verdict("a.js", ""), r.Source)
		}
	}
}

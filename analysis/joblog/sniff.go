package joblog

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/internal/lax"
	"github.com/mozci/mozci/job"
)

// sniffed is how many bytes of a log are examined to recognise its format.
const sniffed = 64 << 10

// errNotALog marks content that is certainly not a log of a known format. A page of HTML is not marked
// so: a server sends it instead of the log.
var errNotALog = errors.New("no log")

// contentError says what something looks like instead of a log. It is job.ErrMalformed.
type contentError struct {
	looks string // "it is empty"
	next  string // what to do: "fetch it again"
	page  bool   // it is a page of HTML, which a server may have sent instead of the log
}

func (e *contentError) Error() string { return e.looks + "; " + e.next }

// Is makes it malformed, and no log. A page is not errNotALog: the log may exist all the same, so a judge
// returns the error and does not take the run for one without a log.
func (e *contentError) Is(target error) bool {
	return target == job.ErrMalformed || target == errNotALog && !e.page
}

// sniff recognises the format of a log by its head; whole says that the head is everything. Content
// that is certainly not a log gives a contentError. The tests are in the order of their certainty:
//
//	empty                                an error
//	the first bytes of a binary file     an error
//	<…                                   JUnit, an error for other XML and HTML, or a plain log
//	lines of JSON with an action         ErrorSummary or StructuredLog
//	{… or […                             WPTReport, or a plain log; see sniffJSON
//	anything else                        a plain log
//
// An error beside PlainText means: read it as a plain log, and return the error if no line is known.
func sniff(head []byte, whole bool) (Format, error) {
	text := bytes.TrimLeft(head, " \t\r\n\v\f\x00")
	if len(text) == 0 && whole {
		return "", &contentError{
			looks: "it is empty",
			next:  "see whether the job wrote it, and whether it has another log",
		}
	}
	if name, ok := binaryOf(head); ok {
		return "", &contentError{
			looks: "it looks like " + name + ", not like a log",
			next:  "unpack or convert it first, or give the log itself",
		}
	}
	if bytes.HasPrefix(text, []byte("<")) {
		return sniffTags(text)
	}
	if f, ok := sniffLines(head); ok {
		return f, nil
	}
	if bytes.HasPrefix(text, []byte("{")) || bytes.HasPrefix(text, []byte("[")) {
		return sniffJSON(text)
	}
	return PlainText, nil
}

// magics are the first bytes of files that people give instead of logs.
var magics = []struct{ magic, name string }{
	{"\x7fELF", "a program (ELF)"},
	{"\x89PNG", "a picture (PNG)"},
	{"\xff\xd8\xff", "a picture (JPEG)"},
	{"GIF8", "a picture (GIF)"},
	{"%PDF-", "a PDF"},
	{"7z\xbc\xaf\x27\x1c", "an archive (7z)"},
	{"Rar!\x1a", "an archive (RAR)"},
	{"\x04\x22\x4d\x18", "an archive (lz4)"},
	{"!<arch>\n", "an archive (ar)"},
	{"SQLite format 3\x00", "an SQLite database"},
	{"\xca\xfe\xba\xbe", "a program (Java or Mach-O)"},
	{"MDMP", "a minidump"},
	{"\x1f\x9d", "an archive (compress)"},
	{"LZIP", "an archive (lzip)"},
	{"\x1f\x8b", "a damaged gzip"},
	{"\x28\xb5\x2f\xfd", "a damaged zstd"},
	{"\xfd7zXZ", "a damaged xz"},
	{"PK\x03\x04", "a damaged zip"},
}

// binaryOf recognises what is not text, by its first bytes, or by control characters and bad UTF-8 in
// its first 4 KiB. A log may have a few of both: it is binary with more than 8% of control characters,
// or with more than 1% of them and more than 20% of bytes that are not UTF-8. A text in Latin-1 has
// such bytes and no control characters. Those that terminals know, such as ESC and BS, do not count.
func binaryOf(head []byte) (string, bool) {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.name, true
		}
	}
	if len(head) > 262 && string(head[257:262]) == "ustar" { // POSIX puts the magic of a tar at 257
		return "an archive (tar)", true
	}
	head = head[:min(len(head), 4<<10)]
	control, broken := 0, 0
	for rest := head; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && size == 1:
			broken++
		case r < ' ' && !strings.ContainsRune("\t\n\v\f\r\b\x1b\x0e\x0f\x16", r):
			control++
		}
		rest = rest[size:]
	}
	if control*100 > len(head)*8 || control*100 > len(head) && broken*100 > len(head)*20 {
		return "binary data", true
	}
	return "", false
}

// sniffTags recognises content that begins with a tag. The first element decides. Without <?xml or <!,
// an unknown one is no proof: "<stdin>:3: warning" begins a plain log.
func sniffTags(text []byte) (Format, error) {
	d := xml.NewDecoder(bytes.NewReader(text))
	d.Strict = false
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	declared := bytes.HasPrefix(text, []byte("<?xml")) || bytes.HasPrefix(text, []byte("<!"))
	for {
		t, err := d.RawToken()
		if err != nil { // also at the end of the head
			break
		}
		switch t := t.(type) {
		case xml.Directive:
			if words := strings.Fields(strings.ToLower(string(t))); len(words) > 1 && words[0] == "doctype" &&
				words[1] == "html" {
				return "", errPage()
			}
		case xml.StartElement:
			switch name := strings.ToLower(t.Name.Local); {
			case slices.Contains([]string{"html", "head", "body", "title", "meta", "center", "h1"}, name):
				return "", errPage()
			case name == "testsuites" || name == "testsuite":
				return JUnit, nil
			case declared:
				return "", &contentError{
					looks: fmt.Sprintf("it is XML whose root is <%s>, not JUnit's <testsuites> or <testsuite>",
						clip.Text(t.Name.Local, 40)),
					next: "have the job write JUnit XML, or give its plain log",
				}
			}
			return PlainText, nil
		}
	}
	if declared {
		return "", &contentError{
			looks: "it begins as XML does, and has no element",
			next:  "see whether it was written to its end",
		}
	}
	return PlainText, nil
}

func errPage() error {
	return &contentError{
		looks: "it looks like an HTML page, not like a log",
		next:  "the server may have answered with an error or a login page: open its address in a browser",
		page:  true,
	}
}

// sniffLines recognises the JSON lines of mozlog, even when the first line is incomplete: one of the first
// 20 lines must have a known action, and all before it must begin as objects do.
func sniffLines(head []byte) (Format, bool) {
	n := 0
	for line := range bytes.Lines(head) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if n++; line[0] != '{' || n > 20 {
			return "", false
		}
		if f, ok := sniffLine(line); ok {
			return f, true
		}
	}
	return "", false
}

// sniffLine recognises the format of a line of JSON by its action. Both formats have crash and log; a
// line of an error summary has the number of its line, and one of a structured log its source.
//
//	{"action":"test_result",…}                  ErrorSummary
//	{"action":"crash","line":12,…}              ErrorSummary
//	{"action":"crash","source":"mochitest",…}   StructuredLog
//	{"Action":"run","Package":"m",…}            none: it is go test's
func sniffLine(line []byte) (Format, bool) {
	var l struct {
		Action lax.Text
		Line   json.RawMessage
		Source json.RawMessage
	}
	a, _ := actionOf(line)
	if json.NewDecoder(bytes.NewReader(line)).Decode(&l) == nil { // of several the first
		a = string(l.Action)
	}
	switch {
	case a == "":
		return "", false
	case a == "test_groups", a == "group_result", a == "test_result", l.Line != nil && l.Source == nil:
		return ErrorSummary, true
	case l.Source != nil, slices.Contains([]string{
		"suite_start", "suite_end", "test_start", "test_status",
		"test_end", "process_output", "group_start", "group_end", "crash", "log",
	}, a):
		return StructuredLog, true
	}
	return "", false
}

// sniffJSON recognises content that is JSON from its first byte on. JSON with something else after it
// is a plain log that begins with JSON. Lines of JSON are read as a plain log too; if in the end
// nothing in them is known, unknownJSON says so.
//
// It collects the keys of the outermost object: "results" and "run_info" of {"results":[{"test":"a"}],
// "run_info":{"os":"linux"}}. depth is how many objects and arrays are open, and key says that the next
// text at depth 1 is a key and not a value. An array has no keys.
func sniffJSON(text []byte) (Format, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	first, err := d.Token()
	if err != nil {
		return PlainText, nil //nolint:nilerr // it only looked like JSON
	}
	var keys []string
	for depth, key := 1, first == json.Delim('{'); depth > 0; {
		t, err := d.Token()
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				break // the head ends here
			}
			return PlainText, nil //nolint:nilerr // as above
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
			key = false
			continue
		case json.Delim('}'), json.Delim(']'):
			depth--
			key = depth == 1 && first == json.Delim('{')
			continue
		}
		if depth != 1 || first != json.Delim('{') {
			continue
		}
		if s, ok := t.(string); key && ok {
			keys = append(keys, clip.Text(s, 40))
			key = false
		} else {
			key = true
		}
	}
	for err == nil { // what follows
		if _, err = d.Token(); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return PlainText, nil
		}
	}
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(keys, n) })
	}
	switch {
	case has("results") && (has("run_info", "time_start", "time_end") || bytes.Contains(text, []byte(`"subtests"`))),
		has("run_info") && has("time_start"):
		return WPTReport, nil
	case has("Action") && has("Package", "ImportPath"):
		return PlainText, nil // go test -json; events of a build have an ImportPath
	}
	return PlainText, unknownJSON(keys)
}

// unknownJSON is returned beside PlainText: it counts if no line is known. It names the first five keys, by
// which a person sees what was given instead of a log.
func unknownJSON(keys []string) error {
	looks := "it is JSON, and not of a known format"
	if len(keys) > 0 {
		looks = fmt.Sprintf("it is JSON with the members %s, and not of a known format",
			strings.Join(keys[:min(len(keys), 5)], ", "))
	}
	return &contentError{looks: looks, next: "known are errorsummary, mozlog, wptreport and go test -json: " +
		"name one with its format, or the job's plain log"}
}

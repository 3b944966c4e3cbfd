package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// allValues are the values of a text, each as "name@line text" or "name@line !why".
func allValues(in io.Reader, most int) (out []string, err error) {
	all, err := newValues(in, most)
	if err != nil {
		return nil, err
	}
	for {
		v, err := all.next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		text := string(v.text)
		if v.err != nil {
			text = "!" + v.err.Error()
		}
		out = append(out, fmt.Sprintf("%s@%d %s", v.name, v.line, text))
	}
}

func TestValues(t *testing.T) {
	const id, other = "AAAAAAAAQAaAAAAAAAAAAA", "BBBBBBBBQAaAAAAAAAAAAA"
	for text, want := range map[string][]string{
		``:                             nil,
		` [ ] `:                        nil,
		`[][]`:                         nil,
		`[1, "a,]\"", null,[2] ]`:      {"@1 1", `@1 "a,]\""`, "@1 null", "@1 [2]"},
		`{"a": "}"}{"b": [{}]}`:        {`@1 {"a": "}"}`, `@1 {"b": [{}]}`},
		"{\n\"a\":\n1}\n\n{\"b\":2}\n": {"@1 {\n\"a\":\n1}", `@5 {"b":2}`},
		"{\"a\":1}\r\n{\"b\":2}\r\n":   {`@1 {"a":1}`, `@2 {"b":2}`},
		"[{\"a\":1}]\n[{\"b\":2}]\n":   {`@1 {"a":1}`, `@2 {"b":2}`},
		// Lines: one that is cut off ends where the next one begins.
		"{\"a\":1}\n{\"b\":\n{\"c\":3}\n": {
			`@1 {"a":1}`, "@2 !the file is cut off: it ends on line 2, in the middle of a value", `@3 {"c":3}`,
		},
		"{\"a\":1}\n{\"b\": \"x\n{\"c\":3}\n": {
			`@1 {"a":1}`, "@2 !the file is cut off: it ends on line 2, in the middle of a value", `@3 {"c":3}`,
		},
		"{\"a\":1}\n{\"bb\":\n{\"c\":3}\n": {
			`@1 {"a":1}`, "@2 !the file is cut off: it ends on line 2, in the middle of a value", `@3 {"c":3}`,
		},
		// The first one too, but where a value may go on with the next line.
		"{\"a\": \"x\n{\"b\":2}\n{\"c\":3}\n": {
			"@1 !the file is cut off: it ends on line 1, in the middle of a value", `@2 {"b":2}`, `@3 {"c":3}`,
		},
		"{\"a\":\n{\"b\":2}}\n{\"c\":3}\n":      {"@1 {\"a\":\n{\"b\":2}}", `@3 {"c":3}`},
		"{\"a\": [1,\n{\"b\":2}]}\n{\"c\":3}\n": {"@1 {\"a\": [1,\n{\"b\":2}]}", `@3 {"c":3}`},
		"{\"a\":1}\nwords, more\n{\"c\":3}":     {`@1 {"a":1}`, "@2 words, more", `@3 {"c":3}`},
		// Values over several lines may follow one on a line.
		"{\"a\":1}\n{\n \"b\": 2\n}\n":                  {`@1 {"a":1}`, "@2 {\n \"b\": 2\n}"},
		"{\"a\":1} {\"b\":\n{}}":                        {`@1 {"a":1}`, "@1 {\"b\":\n{}}"},
		`{"` + id + `": {"a": 1}, "` + other + `": 7 }`: {id + `@1 {"a": 1}`, other + "@1 7"},
		"{\n\"" + id + "\"\n:\n{}}":                     {id + "@2 {}"},
		`{"` + id + `": 7}`:                             {`@1 {"` + id + `": 7}`},
		`{"` + id + `": {}, 7: 8}`:                      {id + "@1 {}", "@1 7:", "@1 8"},
		`[{"a":1} oops {"b":2}]`:                        {`@1 {"a":1}`, "@1 oops", `@1 {"b":2}`},
		`}`:                                             {"@1 }"},
		`"` + strings.Repeat("x", 60) + `" {}`:          {"@1 !too large: more than 50 bytes", "@1 {}"},
	} {
		for _, in := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
			got, err := allValues(in, 50)
			if d := cmp.Diff(want, got); d != "" || err != nil {
				t.Errorf("%q: %v (-want +got)\n%s", text, err, d)
			}
		}
	}
}

// A file that is read with an error says so, after what came before.
func TestValuesOfABrokenFile(t *testing.T) {
	in := io.MultiReader(strings.NewReader(`[{"a":1}, {"b"`), iotest.ErrReader(errors.New("the disk is gone")))
	got, err := allValues(in, 50)
	if len(got) != 1 || err == nil || !strings.Contains(err.Error(), "line 1: the disk is gone") {
		t.Errorf("%q, %v", got, err)
	}
}

// However values are put together, they come out as they are; and no text makes the
// reader go on for ever or take more than it may.
func FuzzValues(f *testing.F) {
	f.Add([]byte(`{"a": [1, "}"]}`), []byte(`{"b":"\\\""}`), uint8(0))
	f.Add([]byte("{\n\"a\": 1}"), []byte(`{"b":{}}`), uint8(1))
	f.Add([]byte(`[{"x": 1`), []byte(`]`), uint8(2))
	f.Fuzz(func(t *testing.T, a, b []byte, how uint8) {
		const most = 1 << 10
		seen, _ := newValues(bytes.NewReader(append(bytes.Clone(a), b...)), most)
		for n := 0; seen != nil; n++ {
			v, err := seen.next()
			if err != nil {
				break
			}
			if len(v.text) > most || n > len(a)+len(b) {
				t.Fatalf("value %d has %d bytes", n, len(v.text))
			}
		}
		a, b = bytes.TrimSpace(a), bytes.TrimSpace(b)
		if !json.Valid(a) || !json.Valid(b) || len(a) > most || len(b) > most || a[0] != '{' || b[0] != '{' ||
			byTask.Match(a) || byTask.Match(b) {
			return
		}
		one, two := compacted(a), compacted(b)
		text := []string{one + "\n" + two + "\n", "[" + string(a) + ",\n" + string(b) + "]", one + two}[how%3]
		want := []string{one, two}
		if how%3 == 1 {
			want = []string{string(a), string(b)}
		}
		all, err := newValues(strings.NewReader(text), most)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			v, err := all.next()
			if err != nil || v.err != nil || string(v.text) != w {
				t.Fatalf("%q: %q, %v, %v, expected %q", text, v.text, v.err, err, w)
			}
		}
		if v, err := all.next(); !errors.Is(err, io.EOF) {
			t.Fatalf("%q: then %q, %v", text, v.text, err)
		}
	})
}

func compacted(text []byte) string {
	var out bytes.Buffer
	_ = json.Compact(&out, text)
	return out.String()
}

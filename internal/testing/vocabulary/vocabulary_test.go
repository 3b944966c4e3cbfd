package vocabulary

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDocuments(t *testing.T) {
	for text, want := range map[string][]any{
		`{"a": 1}`: {map[string]any{"a": 1.0}},
		"{\"a\": 1}\n\n[2]\nno JSON\n{torn\n{\"b\": 3}": {
			map[string]any{"a": 1.0}, []any{2.0}, map[string]any{"b": 3.0},
		},
		"GET /x HTTP/1.1\n\nHTTP/1.1 200 OK\nA: b\n\n{\n \"a\": [\n1]\n}\n": {map[string]any{"a": []any{1.0}}},
		"": nil,
	} {
		if d := cmp.Diff(want, documents([]byte(text))); d != "" {
			t.Errorf("%q:\n%s", text, d)
		}
	}
}

func TestWalk(t *testing.T) {
	got := Words{}
	Walk(map[string]any{"a": []any{"x", map[string]any{"b": "y"}}, "c": 1.0}, func(key string, v any) {
		if s, ok := v.(string); ok {
			got.Add(key, s)
		}
	})
	if d := cmp.Diff(Words{"x": "a", "y": "b"}, got); d != "" {
		t.Error(d)
	}
	if v := map[string]any{"a": map[string]any{"b": "x"}}; Text(v, "a", "b") != "x" || Text(v, "a", "c") != "" ||
		Text(v, "a", "b", "c") != "" || Text("x") != "x" {
		t.Error("Text")
	}
}

// lines is a test that records instead of failing.
type lines struct {
	testing.TB
	failed, logged []string
}

func (l *lines) Helper()                   {}
func (l *lines) Logf(f string, a ...any)   { l.logged = append(l.logged, fmt.Sprintf(f, a...)) }
func (l *lines) Errorf(f string, a ...any) { l.failed = append(l.failed, fmt.Sprintf(f, a...)) }

// One unknown word of a thousand passes, two fail. They are listed in order and not in
// any number; too few words are no words.
func TestCheck(t *testing.T) {
	words := func(known, unknown int) Words {
		w := Words{}
		for i := range known {
			w.Add("f", fmt.Sprintf("known%d", i))
		}
		for i := range unknown {
			w.Add("g", fmt.Sprintf("unknown%02d", i))
		}
		return w
	}
	understand := func(word string) error {
		if strings.HasPrefix(word, "unknown") {
			return errors.New("no")
		}
		return nil
	}
	for _, c := range []struct {
		known, unknown int
		failed, logged string // what the failure, and what is logged after the share, contains
	}{
		{999, 1, "", `"unknown00" (g): no`},
		{998, 2, "2 of 1000 are not understood, expected at most 1 of a thousand:\n\t" +
			"\"unknown00\" (g): no\n\t\"unknown01\" (g): no", ""},
		{10, 0, "", ""},
		{10, 1, "1 of 11 are not understood", ""},
		{10, 45, "\"unknown39\" (g): no\n\tand 5 more", ""},
		{9, 0, "9 distinct ones in the recorded data, expected at least 10", ""},
		{0, 0, "0 distinct ones", ""},
	} {
		l := &lines{TB: t}
		words(c.known, c.unknown).Check(l, "words", 10, understand)
		failed, logged := strings.Join(l.failed, "; "), strings.Join(l.logged[1:], "; ")
		if !strings.Contains(failed, c.failed) || (failed == "") != (c.failed == "") ||
			!strings.Contains(logged, c.logged) || (logged == "") != (c.logged == "") {
			t.Errorf("%d known, %d unknown: %q, %q", c.known, c.unknown, l.failed, l.logged)
		}
	}
}

func TestDocumentsOfTheRecordedData(t *testing.T) {
	files := Words{}
	Documents(t, []string{"data/3-pulse", "wire/pulse"}, func(file string, doc any) {
		if doc != nil {
			files.Add("", file)
		}
	})
	for _, want := range []string{
		"data/3-pulse/treeherder__taskcluster_tasks.json.gz", "data/3-pulse/pulsetranslator__pulse_messages.jsonl.gz",
	} {
		if _, ok := files[want]; !ok {
			t.Errorf("no document of %s", want)
		}
	}
}

package recorded_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/job/contract"
	"github.com/mozci/mozci/job/contract/recorded"
)

// forms are the ways in which something is recorded, and what is read of it.
var forms = map[string]struct{ text, want string }{
	"plain.http": {
		"> GET /jobs?count=2 HTTP/1.1\r\n> Host: ci.example\r\n\r\nHTTP/1.1 200 Script output follows\r\n" +
			"Transfer-Encoding: chunked\r\n\r\n{\"id\": 1}",
		`: GET http://ci.example/jobs?count=2 200 {"id": 1}`,
	},
	"post.http": {
		"> POST http://ci.example/jobs HTTP/1.1\n> Host: other\n\n> {\"ids\":[1]}\n\nHTTP/1.1 404 Not Found\n\n<html>",
		`: POST http://ci.example/jobs {"ids":[1]} 404 <html>`,
	},
	"exchange.json": {
		`{"request":{"method":"GET","url":"http://ci/jobs","body":null},"response":{"status":200,"body":{"id":1}}}`,
		`: GET http://ci/jobs null 200 {"id":1}`,
	},
	"page.json": {
		`{"request":{"method":"GET","url":"http://ci/jobs"},"response":{"status":502,"body":"<html>"}}`,
		`: GET http://ci/jobs 502 <html>`,
	},
	"exchanges.jsonl": {
		`{"request":"http://ci/a","response":[1]}` + "\n" + `{"url":"/b","status":null,"response":{"x":2}}` + "\n",
		"line 1: GET http://ci/a 200 [1]\nline 2: GET /b 200 {\"x\":2}",
	},
	"lines.jsonl": {
		`{"path":"a.json","message":{"id":1}}` + "\n" + `{"id":2}` + "\n{torn",
		"line 1: {\"id\":1}\nline 2: {\"id\":2}\nline 3: {torn",
	},
	"messages.json": {
		`[{"fields":{"exchange":"e/1","routingKey":"r"},"body":{"id":1}},{"_meta":{"exchange":"e/2"},"data":{"id":2}},
		{"exchange":"e/3","payload":[3]}]`,
		"number 1: e/1 {\"id\":1}\nnumber 2: e/2 {\"id\":2}\nnumber 3: e/3 [3]",
	},
	"tests.json":  {`[{"test":"t","messages":[{"_meta":{"exchange":"e"},"payload":{}}]}]`, "number 1: e {}"},
	"by_key.json": {`{"B":{"exchange":"e","payload":2},"A":{"exchange":"e","payload":1}}`, "number 1: e 1\nnumber 2: e 2"},
	"traffic.har": {
		`{"log":{"entries":[{"request":{"method":"GET","url":"http://ci/a"},"response":{"status":200,"content":{"text":"{}"}}},
		{"request":{"method":"POST","url":"http://ci/b","postData":{"text":"q"}},"response":{"status":200,"content":{"text":"` +
			base64.StdEncoding.EncodeToString([]byte("[7]")) + `","encoding":"base64"}}}]}}`,
		"exchange 1: GET http://ci/a 200 {}\nexchange 2: POST http://ci/b q 200 [7]",
	},
	"tape.yaml": {
		"---\nversion: 2\ninteractions:\n- id: 0\n  request:\n    method: GET\n    url: http://ci/a\n  response:\n" +
			"    code: 200\n    body: '{\"id\":1}'\n",
		`exchange 0: GET http://ci/a 200 {"id":1}`,
	},
	"answer.json":   {`{"id":1}`, `: {"id":1}`},
	"list.json":     {`[{"id":1},2]`, `: [{"id":1},2]`},
	"torn.json":     {`{"id":1,`, `: {"id":1,`},
	"other.json":    {`{"url":5,"request":6,"log":{}}`, `: {"url":5,"request":6,"log":{}}`},
	"words.txt":     {"no JSON", ": no JSON"},
	"nothing.json":  {"", ": "},
	"twice.json":    {`{"id":1,"id":2}`, `: {"id":1,"id":2}`},
	"frames.txt":    {"> GET /ws HTTP/1.1\n\n< HTTP/1.1 101\n", ": \n< HTTP/1.1 101\n"},
	"gradle.log":    {"> Task :a\n", ": > Task :a\n"},
	"settings.yml":  {"a: b\n", ": a: b\n"},
	"message.json":  {`{"payload":{"id":1}}`, `: {"payload":{"id":1}}`},
	"bom.json":      {"\ufeff{\"id\":1}", `: {"id":1}`},
	"spaced.json":   {"\n [1]", ": [1]"},
	"nullbody.json": {`{"exchange":"e","payload":null}`, ": e null"},
}

func show(i recorded.Item) string {
	parts := []string{i.Place + ":"}
	for _, s := range []string{i.Method, i.URL, i.Exchange, string(i.Asked)} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if i.Status != 0 {
		parts = append(parts, fmt.Sprint(i.Status))
	}
	return strings.Join(append(parts, string(i.Body)), " ")
}

func TestRead(t *testing.T) {
	for name, f := range forms {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, _ = z.Write([]byte(f.text))
		_ = z.Close()
		for _, text := range []string{f.text, packed.String()} {
			items, err := recorded.Read(name, strings.NewReader(text))
			var got []string
			for _, i := range items {
				got = append(got, show(i))
			}
			if d := cmp.Diff(f.want, strings.Join(got, "\n")); err != nil || d != "" {
				t.Errorf("%s: %v (-want +got):\n%s", name, err, d)
			}
		}
	}
}

// What cannot be read as what it looks like is an error, and no other file is lost.
func TestTorn(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.http":     "> GET /x HTTP/1.1\n\nnothing more",
		"c.http":     "> GET /x HTTP/1.1\n\nHTTP/1.1 many OK\n\n{}",
		"d.yaml":     "version: 2\ninteractions:\n\t- torn",
		"e.json.gz":  "\x1f\x8btorn",
		"good.json":  `{"id":1}`,
		".hidden":    "{}",
		"INDEX.md":   "| `good.json` | an answer |\n| no row\n",
		"g/deep.txt": "x", "g/.git/x": "x",
	} {
		write(t, filepath.Join(dir, name), text)
	}
	var got []string
	err := recorded.Walk(dir, func(i recorded.Item) error {
		got = append(got, filepath.Base(i.String())+"|"+i.About)
		return nil
	})
	if d := cmp.Diff([]string{"deep.txt|", "good.json|an answer"}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for _, name := range []string{"a.http", "c.http", "d.yaml", "e.json.gz"} {
		if !strings.Contains(fmt.Sprint(err), name) {
			t.Errorf("%s is not in %v", name, err)
		}
	}
	if err := recorded.Walk(filepath.Join(dir, "none"), func(recorded.Item) error { return nil }); err == nil {
		t.Error("a path that there is not")
	}
	if err := recorded.Walk(dir, func(recorded.Item) error { return os.ErrClosed }); !strings.Contains(
		fmt.Sprint(err), os.ErrClosed.Error()) {
		t.Errorf("an error of who takes the items: %v", err)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

type answer struct {
	ID   int    `json:"id" is:"required"`
	Word string `json:"word" words:"a b"`
}

var endpoints = []contract.Any{
	contract.New(contract.Endpoint[answer]{
		Source: "ci", Name: "jobs", URL: `/jobs/(?P<id>[0-9]+)$`, File: `answers?\.json|jobs of a push`,
		Same: func(asked contract.Asked, a *answer) error {
			if id := asked.Var("id"); fmt.Sprint(a.ID) != id {
				return contract.Differs("id", a.ID, id)
			}
			return nil
		},
	}),
	contract.New(contract.Endpoint[answer]{Source: "ci", Name: "message", Exchange: "^e$"}),
	contract.New(contract.Endpoint[[]answer]{Source: "other", Name: "jobs", File: `answers\.json|list\.json`}),
}

// Each item is held to the contract of what it is, and what nobody knows is named.
func TestCheck(t *testing.T) {
	c := &recorded.Checker{Endpoints: endpoints}
	for _, i := range []recorded.Item{
		{File: "1", Method: "GET", URL: "http://ci/jobs/1", Status: 200, Body: []byte(`{"id":1}`)},
		{File: "2", Method: "GET", URL: "http://ci/jobs/2", Status: 200, Body: []byte(`{"id":1}`)},
		{File: "3", Method: "GET", URL: "http://ci/jobs/3", Status: 500, Body: []byte(`{}`)},
		{File: "4", Method: "POST", URL: "http://ci/jobs/3", Status: 200, Body: []byte(`{}`)},
		{File: "4", Method: "POST", URL: "http://ci/jobs/4", Status: 200, Body: []byte(`{}`)},
		{File: "5", Exchange: "e", Body: []byte(`{"id":"x","new":1}`)},
		{File: "6", Exchange: "other", Body: []byte(`{}`)},
		{File: "answer.json.gz", Body: []byte(`{"id":1,"word":"c"}`)},
		{File: "answers.json", Body: []byte(`{}`)},
		{File: "list.json", Body: []byte(`[{},{},{"id":1}]`)},
		{File: "x.json", About: "the jobs of a push", Body: []byte(`{`)},
		{File: "x.expected.json", About: "the jobs of a push", Body: []byte(`{`)},
		{File: "t.json", Method: "GET", URL: "http://ci/jobs/2", Body: []byte(`{}`), Expected: true},
		{File: "y.json", Body: []byte(`{`)},
		{File: "z", Method: "GET", URL: "::", Body: []byte(`{`)},
	} {
		if err := c.Check(i); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, f := range c.Found() {
		got = append(got, fmt.Sprintf("%s %v %s %s %d", f.Source, f.Item, f.Path, f.Kind, f.Count))
	}
	want := []string{
		"ci/jobs 2 id identity 1", "ci/message 5 id type 1", "ci/message 5 new new 1",
		"ci/jobs answer.json.gz word word 1",
		"other/jobs list.json [0].id missing 2", "ci/jobs x.json . type 1",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	checked := map[string]int{"ci/jobs": 4, "ci/message": 1, "other/jobs": 1}
	if d := cmp.Diff(checked, c.Checked); d != "" || c.Refused != 1 {
		t.Errorf("%d refused (-want +got):\n%s", c.Refused, d)
	}
	skipped := []recorded.Skipped{
		{"4", "its URL is that of no known endpoint", 2},
		{"6", "its exchange is that of no known endpoint", 1},
		{"answers.json", "its name fits ci/jobs and other/jobs", 1},
		{"x.expected.json", "what is expected is no answer", 1},
		{"t.json", "what is expected is no answer", 1},
		{"y.json", "its name is that of no known endpoint", 1},
		{"z", "its URL is none", 1},
	}
	if d := cmp.Diff(skipped, c.Skipped); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestAs(t *testing.T) {
	c := &recorded.Checker{Endpoints: endpoints, As: "message"}
	if err := c.Check(recorded.Item{File: "any", Body: []byte(`{}`)}); err != nil || len(c.Found()) != 1 {
		t.Errorf("%v, %v", c.Found(), err)
	}
	for _, as := range []string{"jobs", "none"} { // two sources have jobs
		c.As = as
		if err := c.Check(recorded.Item{File: "any"}); err == nil || !strings.Contains(err.Error(), "other/jobs") {
			t.Errorf("%s: %v", as, err)
		}
	}
	if e, err := c.Lookup("ci/jobs"); err != nil || e.Title() != "ci/jobs" {
		t.Error(e, err)
	}
}

func FuzzRead(f *testing.F) {
	for name, form := range forms {
		f.Add(name, form.text)
	}
	c := &recorded.Checker{Endpoints: endpoints}
	f.Fuzz(func(_ *testing.T, name, text string) {
		items, _ := recorded.Read(name, strings.NewReader(text)) // whatever it is, it does not panic
		for _, i := range items {
			_ = c.Check(i)
		}
	})
}

package contract_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	v2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// builds is an answer with a field of every form.
type builds struct {
	Group  string           `json:"group" is:"required" min:"1"`
	Builds []build          `json:"builds" is:"required"`
	By     map[string]*step `json:"by" is:"null"`
	Token  string           `json:"token" min:"1"`
	Count  uint8            `json:"count" max:"200"`
	embedded

	_ contract.Also `names:"meta links"`
}

type embedded struct {
	Note string `json:"note"`
}

type build struct {
	ID       int64          `json:"id" is:"required" min:"1"`
	Results  *int           `json:"results" is:"required,null" min:"0" max:"6"`
	State    string         `json:"state" is:"required" words:"pending running completed"`
	Complete bool           `json:"complete" is:"required"`
	Cost     float64        `json:"cost"`
	Parents  []string       `json:"parents" is:"" min:"1" max:"2"`
	Git      []*string      `json:"git"`
	Raw      jsontext.Value `json:"raw"`
	Any      any            `json:"any"`
	Own      even           `json:"own"`
	Sub      struct {
		Name string `json:"name" is:"required"`
	} `json:"sub"`
}

// times are of RFC 3339, and nothing else.
func TestTimes(t *testing.T) {
	type at struct {
		At  time.Time  `json:"at" is:"required"`
		End *time.Time `json:"end"`
	}
	times := contract.New(contract.Endpoint[at]{Source: "ci", Name: "times"})
	for text, want := range map[string]string{
		`{"at":"2026-11-26T00:16:13.5Z"}`:                            "",
		`{"at":"2026-11-26T00:16:13+01:00","end":null}`:              "",
		`{"at":"2026-11-26T00:16:13Z","end":"2026-11-26T00:16:14Z"}`: "",
		`{"at":"2026-11-26T00:16:13Z","end":"2026-11-26"}`:           `end: "2026-11-26", expected a time`,
		`{"at":"2026-11-26T00:16:13"}`:                               `at: "2026-11-26T00:16:13", expected a time`,
		`{"at":""}`:                                                  `at: "", expected a time`,
		`{"at":1764116173}`:                                          "at: a number, expected a time",
		`{"at":null}`:                                                "at: null, expected a time",
		`{}`:                                                         "at: missing",
		`{"at":"2026-11-26T00:16:13Z`:                                "not JSON",
		`{"at":"\u0032026-11-26T00:16:13Z"}`:                         "expected a time",
	} {
		got, err := times.Decode(contract.Asked{}, []byte(text))
		if err == nil && want != "" || err != nil && (want == "" || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, expected %s", text, err, want)
		}
		var plain at
		if err == nil && (v2.Unmarshal([]byte(text), &plain) != nil || !plain.At.Equal(got.At)) {
			t.Errorf("%s: %v, json v2 says %v", text, got, plain)
		}
	}
}

type step struct {
	Name string `json:"name" is:"required"`
}

// even decodes itself.
type even int

func (e *even) UnmarshalJSON(text []byte) error {
	var n int
	if err := v2.Unmarshal(text, &n); err != nil {
		return errors.New("expected a number")
	}
	if n%2 != 0 {
		return fmt.Errorf("%d is odd", n)
	}
	*e = even(n)
	return nil
}

var endpoint = contract.New(contract.Endpoint[builds]{
	Source: "ci", Name: "builds", URL: `/group/(?P<group>[^/]+)/builds$`, File: `builds\.json`,
	Exchange: `^exchange/ci/`,
	Same: func(asked contract.Asked, b *builds) error {
		if g := asked.Var("group"); b.Group != g {
			return contract.Differs("group", b.Group, g)
		}
		if n := asked.Query("limit"); len(n) == 1 && n[0] == "1" && len(b.Builds) > 1 {
			return contract.Outside("builds", "%d builds, asked for 1", len(b.Builds))
		}
		return nil
	},
})

const good = `{"group":"g/1","builds":[{"id":1,"results":null,"state":"running","complete":false},
	{"id":2,"results":0,"state":"completed","complete":true,"cost":1.5,"parents":["a"],"git":[null,"b"],
	"raw":{"x":[1]},"any":{"y":2},"own":4,"sub":{"name":"n"}}],
	"by":{"7":{"name":"s"},"8":null},"token":"t","count":3,"note":"\u00e9","meta":{"total":2}}`

func TestDecode(t *testing.T) {
	got, err := endpoint.Decode(contract.Asked{URL: "http://ci/group/g%2F1/builds"}, []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	var want builds
	if err := v2.Unmarshal([]byte(good), &want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(&want, got, cmp.AllowUnexported(builds{})); d != "" {
		t.Errorf("-json v2 +contract:\n%s", d)
	}
	if found := endpoint.Check(contract.Asked{}, []byte(good)); len(found) > 0 {
		t.Errorf("a good answer: %v", found)
	}
}

// with is an answer of one build, of which one member is another, or absent where
// member is only a name.
func with(member string) string {
	parts := []string{`"id":1`, `"results":2`, `"state":"completed"`, `"complete":true`, `"parents":["a"]`, `"sub":{"name":"n"}`}
	name, _, other := strings.Cut(member, ":")
	parts = slices.DeleteFunc(parts, func(p string) bool { return strings.HasPrefix(p, name+":") })
	if other {
		parts = append(parts, member)
	}
	return `{"group":"g","builds":[{` + strings.Join(parts, ",") + `}]}`
}

var broken = []struct{ text, want string }{
	{with(`"id"`), "builds[0].id: missing"},
	{with(`"id":null`), "builds[0].id: null, expected a whole number"},
	{with(`"id":0`), "builds[0].id: 0, expected at least 1"},
	{with(`"id":1.5`), "builds[0].id: 1.5, expected a whole number"},
	{with(`"id":"1"`), "builds[0].id: a string, expected a whole number"},
	{with(`"id":99999999999999999999`), "builds[0].id: 99999999999999999999, which is too large"},
	{with(`"results"`), "builds[0].results: missing"},
	{with(`"results":7`), "builds[0].results: 7, expected at most 6"},
	{with(`"results":-1`), "builds[0].results: -1, expected at least 0"},
	{with(`"results":true`), "builds[0].results: true or false, expected a whole number"},
	{with(`"state"`), "builds[0].state: missing"},
	{with(`"state":{}`), "builds[0].state: an object, expected a string"},
	{with(`"complete":0`), "builds[0].complete: a number, expected true or false"},
	{with(`"parents":null`), "builds[0].parents: null, expected a list"},
	{with(`"parents":[]`), "builds[0].parents: empty"},
	{with(`"parents":["a","b","c"]`), "builds[0].parents: 3 elements, expected at most 2"},
	{with(`"parents":["a",null]`), "builds[0].parents[1]: null, expected a string"},
	{with(`"sub":{}`), "builds[0].sub.name: missing"},
	{with(`"own":3`), "builds[0].own: 3 is odd"},
	{with(`"own":[]`), "builds[0].own: expected a number"},
	{with(`"cost":[]`), "builds[0].cost: a list, expected a number"},
	{`{"builds":[]}`, "group: missing"},
	{`{"group":"","builds":[]}`, "group: empty"},
	{`{"group":"g","builds":null}`, "builds: null, expected a list"},
	{`{"group":"g","builds":[null]}`, "builds[0]: null, expected an object"},
	{`{"group":"g","builds":[[]]}`, "builds[0]: a list, expected an object"},
	{`{"group":"g","builds":[],"by":{"7":{}}}`, "by[7].name: missing"},
	{`{"group":"g","builds":[],"by":{"k]":{}}}`, `by["k]"].name: missing`},
	{`{"group":"g","builds":[],"by":[]}`, "by: a list, expected an object"},
	{`{"group":"g","builds":[],"count":201}`, "count: 201, expected at most 200"},
	{`{"group":"g","builds":[],"count":-1}`, "count: -1, expected a whole number"},
	{`{"group":"g","builds":[],"token":null}`, ""},
	{`{"group":"g","builds":[]} {}`, "something after the end"},
	{`{"group":"g","group":"h","builds":[]}`, "group: not JSON at byte 13: duplicate object member name"},
	{"{\"group\":\"\xff\",\"builds\":[]}", "group: not JSON at byte 10: invalid UTF-8"},
	{`{"group":"g","builds":[{"id":1`, "builds"},
	{``, "not JSON"},
	{`null`, "null, expected an object"},
	{`[]`, "a list, expected an object"},
	{`<html><body>503</body>`, `in "<html><body>503</body>"`},
}

// Each answer breaks the contract in one place, which the error names.
func TestBroken(t *testing.T) {
	for _, c := range broken {
		_, err := endpoint.Decode(contract.Asked{}, []byte(c.text))
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.text, err)
			}
			continue
		}
		if !errors.Is(err, job.ErrMalformed) || !strings.HasPrefix(err.Error(), "ci/builds: ") ||
			!strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", c.text, err, c.want)
		}
		var known *contract.Error
		if !errors.As(err, &known) || !known.Malformed() || !known.Breaks() {
			t.Errorf("%s: %#v", c.text, err)
		}
		if found := endpoint.Check(contract.Asked{}, []byte(c.text)); len(found) == 0 || found[0] != known.Finding {
			t.Errorf("%s: Check found %v, Decode %v", c.text, found, known.Finding)
		}
	}
}

// Check goes on after a finding, and finds words and members that are new.
func TestCheck(t *testing.T) {
	const text = `{"group":"g","builds":[{"id":"x","results":9,"state":"lost","complete":true,"extra":[]},
		{"id":1,"state":"running","complete":false,"results":1,"sub":{}}],"links":{},"next":1}`
	var got []string
	for _, f := range endpoint.Check(contract.Asked{}, []byte(text)) {
		got = append(got, fmt.Sprintf("%s | %s | %s | %s", f.Path, f.Field(), f.Kind, f.Detail))
	}
	want := []string{
		`builds[0].id | builds[].id | type | a string, expected a whole number`,
		`builds[0].results | builds[].results | bound | 9, expected at most 6`,
		`builds[0].state | builds[].state | word | unknown word "lost"`,
		`builds[0].extra | builds[].extra | new | new: a list`,
		`builds[1].sub.name | builds[].sub.name | missing | missing`,
		`next | next | new | new: a number`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestIdentity(t *testing.T) {
	for _, c := range []struct{ url, want string }{
		{"http://ci/group/h/builds", `ci/builds: group: "g/1", asked for "h"`},
		{"http://ci/group/g%2F1/builds?limit=1", "ci/builds: builds: 2 builds, asked for 1"},
		{"http://ci/group/g%2F1/builds?limit=2", ""},
	} {
		asked := contract.Asked{URL: c.url}
		_, err := endpoint.Decode(asked, []byte(good))
		if got := fmt.Sprint(err); err == nil && c.want != "" || err != nil && got != c.want {
			t.Errorf("%s: got %v, want %s", c.url, err, c.want)
		}
		if found := endpoint.Check(asked, []byte(good)); (len(found) == 1) != (c.want != "") {
			t.Errorf("%s: %v", c.url, found)
		}
	}
}

func TestRead(t *testing.T) {
	var ids []int64
	keep := contract.Elements("builds", func(_ string, b *build) error {
		if ids = append(ids, b.ID); b.ID == 9 {
			return io.ErrNoProgress
		}
		return nil
	})
	var keys []string
	by := contract.Elements("by", func(key string, s *step) error {
		keys = append(keys, fmt.Sprint(key, s != nil))
		return nil
	})
	got, err := endpoint.Read(contract.Asked{}, iotest.OneByteReader(strings.NewReader(good)), keep, by)
	if err != nil || got.Builds != nil || got.Token != "t" {
		t.Errorf("%+v, %v", got, err)
	}
	if d := cmp.Diff([]int64{1, 2}, ids) + cmp.Diff([]string{"7true", "8false"}, keys); d != "" {
		t.Error(d)
	}
	for text, want := range map[string]string{
		strings.Replace(good, `"id":2`, `"id":-2`, 1):  "builds[1].id: -2, expected at least 1",
		strings.Replace(good, `"id":2`, `"id":9`, 1):   io.ErrNoProgress.Error(),
		strings.Replace(good, `"7":{`, `"7":{"z":`, 1): "by",
		`{"builds":[]}`:                       "group: missing",
		`{"group":"g","builds":{}}`:           "builds: an object, expected a list",
		`{"group":"g","builds":null}`:         "builds: null, expected a list",
		`{"group":"g","builds":[],"by":null}`: "<nil>",
		`{"group":"g"}`:                       "builds: missing",
		good[:len(good)/2]:                    "not JSON",
	} {
		_, err := endpoint.Read(contract.Asked{}, strings.NewReader(text), keep, by)
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s:\n got %v\nwant %s", text, err, want)
		}
	}
	_, err = endpoint.Read(contract.Asked{}, iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(good))))
	if !errors.Is(err, iotest.ErrTimeout) || errors.Is(err, job.ErrMalformed) {
		t.Errorf("a connection that broke: %v", err)
	}
}

// shape is a record of two forms, which decodes itself by the contract of each.
type shape struct{ Edges, Radius int }

type polygon struct {
	Edges int `json:"edges" is:"required" min:"3"`
}

type circle struct {
	Radius int `json:"radius" is:"required" min:"1"`

	_ contract.Also `names:"*"`
}

var (
	polygons = contract.New(contract.Endpoint[polygon]{Source: "ci", Name: "polygon"})
	circles  = contract.New(contract.Endpoint[circle]{Source: "ci", Name: "circle"})
	shapes   = contract.New(contract.Endpoint[[]shape]{Source: "ci", Name: "shapes"})
)

func (s *shape) UnmarshalJSON(text []byte) error {
	if strings.Contains(string(text), "edges") {
		p, err := polygons.Decode(contract.Asked{}, text)
		if err == nil {
			s.Edges = p.Edges
		}
		return err
	}
	c, err := circles.Decode(contract.Asked{}, text)
	if err == nil {
		s.Radius = c.Radius
	}
	return err
}

// Check implements contract.Checker.
func (s *shape) Check(text []byte) []contract.Finding {
	if strings.Contains(string(text), "edges") {
		return polygons.Check(contract.Asked{}, text)
	}
	return circles.Check(contract.Asked{}, text)
}

// The path of what a record's own decoder does not take goes on below the record, and
// Check looks into it; in an object that takes any member none is new.
func TestChecker(t *testing.T) {
	for text, want := range map[string]string{
		`[{"edges":3},{"edges":2}]`: "ci/shapes: [1].edges: 2, expected at least 3",
		`[{"edges":3},{}]`:          "ci/shapes: [1].radius: missing",
		`[[]]`:                      "ci/shapes: [0]: a list, expected an object",
	} {
		if _, err := shapes.Decode(contract.Asked{}, []byte(text)); fmt.Sprint(err) != want {
			t.Errorf("%s:\n got %v\nwant %s", text, err, want)
		}
		if found := shapes.Check(contract.Asked{}, []byte(text)); len(found) != 1 ||
			"ci/shapes: "+found[0].Path+": "+found[0].Detail != want {
			t.Errorf("%s: Check found %v", text, found)
		}
	}
	found := shapes.Check(contract.Asked{}, []byte(`[{"edges":3,"hue":1},{"radius":1,"hue":1}]`))
	if len(found) != 1 || found[0].Field() != "[].hue" || found[0].Kind != contract.KindNew {
		t.Errorf("Check found %v", found)
	}
	got, err := shapes.Decode(contract.Asked{}, []byte(`[{"edges":3},{"radius":4}]`))
	if d := cmp.Diff(&[]shape{{Edges: 3}, {Radius: 4}}, got); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
}

func TestReadWhole(t *testing.T) {
	list := contract.New(contract.Endpoint[[]step]{Source: "ci", Name: "steps"})
	var names []string
	each := contract.Elements("", func(_ string, s *step) error { names = append(names, s.Name); return nil })
	if _, err := list.Read(contract.Asked{}, strings.NewReader(`[{"name":"a"},{"name":"b"}]`), each); err != nil {
		t.Error(err)
	}
	if strings.Join(names, " ") != "a b" {
		t.Error(names)
	}
	for text, want := range map[string]string{
		`[{"name":"a"},{}]`: "ci/steps: [1].name: missing",
		`[] 1`:              "something after the end",
		`{}`:                "an object, expected a list",
	} {
		_, err := list.Read(contract.Asked{}, strings.NewReader(text), each)
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v, expected %s", text, err, want)
		}
	}
}

func TestKnown(t *testing.T) {
	var all contract.Any = endpoint
	for _, c := range []struct {
		method, url string
		want        bool
	}{
		{"GET", "http://ci/group/1/builds?x=1", true},
		{"GET", "http://ci/group/a%2Fb/builds", true},
		{"POST", "http://ci/group/1/builds", false},
		{"GET", "http://ci/group/1/2/builds", false},
		{"GET", ":", false},
	} {
		if got := all.Answers(c.method, c.url); got != c.want {
			t.Errorf("%s %s: %v", c.method, c.url, got)
		}
	}
	if !all.Carries("exchange/ci/v1") || all.Carries("exchange/other") || !all.Describes("my builds.json") ||
		all.Describes("jobs.json") || all.Title() != "ci/builds" {
		t.Error("the patterns")
	}
}

// What anybody may write is read where it has the wanted type, and absent elsewhere.
func TestOpen(t *testing.T) {
	type extra struct {
		Parent string            `json:"parent"`
		Tags   map[string]string `json:"tags"`
		List   []string          `json:"list"`
		Times  int               `json:"times" max:"9"`
		Own    even              `json:"own"`
		Action *struct {
			Name string         `json:"name"`
			Raw  jsontext.Value `json:"raw"`
		} `json:"action"`
	}
	type task struct {
		Name  string `json:"name" is:"required"`
		Extra extra  `json:"extra" is:"required,open"`
		State string `json:"state" is:"required"`
	}
	tasks := contract.New(contract.Endpoint[task]{Source: "ci", Name: "task"})
	action := &struct {
		Name string         `json:"name"`
		Raw  jsontext.Value `json:"raw"`
	}{Raw: jsontext.Value(`{"a":1}`)}
	for text, want := range map[string]extra{
		`{"parent":"p","tags":{"a":"b"},"list":["c"],"times":3,"own":2,"new":[]}`: {
			Parent: "p", Tags: map[string]string{"a": "b"}, List: []string{"c"}, Times: 3, Own: 2,
		},
		`{"parent":1,"tags":{"a":"b","c":[1],"d":null},"list":["c",{},"d",null]}`: {
			Tags: map[string]string{"a": "b"}, List: []string{"c", "d"},
		},
		`{"parent":[["p"]],"tags":[],"list":{"parent":"q"},"times":"3","own":[4]}`: {},
		`{"times":10,"own":3,"action":[]}`:                                         {},
		`{"times":1.5,"action":{"name":{},"raw":{"a":1}}}`:                         {Action: action},
		`"text"`: {}, `null`: {}, `[1]`: {}, `7`: {},
	} {
		got, err := tasks.Decode(contract.Asked{}, []byte(`{"name":"n","extra":`+text+`,"state":"s"}`))
		if err != nil || got.Name != "n" || got.State != "s" {
			t.Errorf("%s: %+v, %v", text, got, err)
			continue
		}
		if d := cmp.Diff(want, got.Extra); d != "" {
			t.Errorf("%s: -want +got:\n%s", text, d)
		}
		if found := tasks.Check(contract.Asked{}, []byte(`{"name":"n","extra":`+text+`,"state":"s"}`)); len(found) > 0 {
			t.Errorf("%s: Check found %v", text, found)
		}
	}
	for text, want := range map[string]string{
		`{"name":"n","state":"s"}`:             "extra: missing",
		`{"name":"n","extra":7,"state":7}`:     "state: a number",
		`{"name":"n","extra":{"a":7,"a":7}}`:   "duplicate",
		`{"extra":{"parent":7},"state":"s"}`:   "name: missing",
		`{"name":"n","extra":[1,"state":"s"}`:  "not JSON",
		`{"name":"n","extra":[{}],"state":[]}`: "state: a list",
	} {
		if _, err := tasks.Decode(contract.Asked{}, []byte(text)); !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v, expected %s", text, err, want)
		}
	}
}

// The place of an element whose identity is another is in the error, and so is the
// beginning of what is not JSON, also where it comes bit by bit.
func TestReadSaysWhere(t *testing.T) {
	asked := endpoint.Asked("http://ci/group/7/builds", nil)
	other := contract.Elements("builds", func(_ string, b *build) error {
		return contract.Differs("id", b.ID, asked.Var("group"))
	})
	_, err := endpoint.Read(contract.Asked{}, strings.NewReader(with(`"id":1`)), other)
	want := `ci/builds: builds[0].id: 1, asked for "7"`
	if fmt.Sprint(err) != want || !errors.Is(err, job.ErrMalformed) {
		t.Errorf("got %v, want %s", err, want)
	}
	whole := contract.Elements("by", func(string, *step) error { return contract.Outside(".", "one too many") })
	_, err = endpoint.Read(contract.Asked{}, strings.NewReader(good), whole)
	if want := "ci/builds: by[7]: one too many"; fmt.Sprint(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
	html := "<html>" + strings.Repeat("é", 100)
	_, err = endpoint.Read(contract.Asked{}, io.MultiReader(strings.NewReader(html)))
	if want := fmt.Sprintf("in %q", html[:80]); !strings.Contains(fmt.Sprint(err), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// A page that comes in place of an answer may repeat the request, with its secrets.
func TestNoSecrets(t *testing.T) {
	const page = `<p>No access to /x?sig=s3cr3t&a=1</p>`
	_, err := endpoint.Decode(contract.Asked{}, []byte(page))
	_, streamed := endpoint.Read(contract.Asked{}, strings.NewReader(page))
	for _, err := range []error{err, streamed} {
		if text := fmt.Sprint(err); strings.Contains(text, "s3cr3t") || !strings.Contains(text, "No access") {
			t.Error(text)
		}
	}
}

// What cannot be a contract is found when the package is loaded.
func TestMistakes(t *testing.T) {
	refuses := func(name string, f func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s: no panic", name)
			}
		}()
		f()
	}
	refuses("a channel", func() {
		contract.New(contract.Endpoint[struct {
			C chan int `json:"c"`
		}]{Source: "s", Name: "n"})
	})
	refuses("no tag", func() { contract.New(contract.Endpoint[struct{ C int }]{Source: "s", Name: "n"}) })
	refuses("a word", func() {
		contract.New(contract.Endpoint[struct {
			C int `json:"c" is:"requird"`
		}]{Source: "s", Name: "n"})
	})
	refuses("a bound", func() {
		contract.New(contract.Endpoint[struct {
			C int `json:"c" min:"a"`
		}]{Source: "s", Name: "n"})
	})
	refuses("no name", func() { contract.New(contract.Endpoint[int]{Source: "s"}) })
	refuses("a pattern", func() { contract.New(contract.Endpoint[int]{Source: "s", Name: "n", URL: "("}) })
}

// Whatever the text is, what is decoded is what json v2 makes of it.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(`{"group":"g","builds":[],"by":{"a":null},"count":1e2}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := endpoint.Decode(contract.Asked{}, text)
		found := endpoint.Check(contract.Asked{}, text)
		if breaks := len(found) > 0 && found[0].Breaks(); err == nil && breaks && found[0].Kind != contract.KindWord {
			t.Fatalf("decoded, but %v", found[0])
		}
		if err != nil {
			return
		}
		var want builds
		if err := v2.Unmarshal(text, &want); err != nil {
			t.Fatalf("json v2: %v", err)
		}
		if d := cmp.Diff(&want, got, cmp.AllowUnexported(builds{})); d != "" {
			t.Errorf("-json v2 +contract:\n%s", d)
		}
	})
}

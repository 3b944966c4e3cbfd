package bbtest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/bbtest"
)

// likes are requests of the double, and the recorded ones of the same sort.
var likes = []struct {
	recorded string // numbers of recorded exchanges; what they answered counts together
	asked    string // of the double: a path, or what is posted where
	call     string // the method of a call
}{
	{"012 021", "builders", ""},
	{"014", "builders/1", ""},
	{"018", "builders/9", ""},
	{"050", "builders/1/builds?order=number&limit=2", ""},
	{"051", "builders/1/builds/1", ""},
	{"152", "builders/1/builds?complete=false", ""},
	{"072", "builders/1/buildrequests?complete=true", ""},
	{"153", "builders/1/buildrequests?claimed=false", ""},
	{"154", "builders/1/buildrequests?claimed=true&complete=false", ""},
	{"025", "builds?complete=true&order=-buildid&limit=5", ""},
	{"026", "builds?complete=false", ""},
	{"036", "builds?limit=0", ""},
	{"055", "builds?complete=false&property=got_revision", ""},
	{"063", "builds?buildrequestid=1", ""},
	{"052", "builds/1", ""},
	{"054", "builds/1?property=*", ""},
	{"053", "builds/99999", ""},
	{"090", "builds/1/steps", ""},
	{"067", "buildrequests?claimed=false", ""},
	{"068", "buildrequests?complete=false", ""},
	{"069", "buildrequests?results=3", ""},
	{"070", "buildrequests/4", ""},
	{"071", "buildrequests/4/builds", ""},
	{"062", "buildrequests/1/builds", ""},
	{"074", "buildrequests/1?property=*", ""},
	{"075", "buildrequests/99999", ""},
	{"076", "buildsets?complete=true", ""},
	{"079", "buildsets?complete=false", ""},
	{"077", "buildsets/2", ""},
	{"080", "buildsets/99999", ""},
	{"081 083", "changes?limit=2&order=-changeid", ""},
	{"084", "changes/1", ""},
	{"085", "changes/99999", ""},
	{"095", "steps/1/logs", ""},
	{"096", "logs/1", ""},
	{"100", "logs/1/raw", ""},
	{"106", "logs/99999", ""},
	{"107", "logs/99999/raw", ""},
	{"110", "forceschedulers", ""},
	{"111", "forceschedulers/force", ""},
	{"113", "forceschedulers/nope", ""},
	{"037", "builds?limit=abc", ""},
	{"027", "builds?complete=maybe", ""},
	{"041", "builds?nosuch=1", ""},
	{"044", "builds?buildid=abc", ""},
	{"114", "nosuch", ""},
	{"121", "forceschedulers/force anonymous", "force"},
	{"124", "forceschedulers/force", "force"},
	{"132", "forceschedulers/nope", "force"},
	{"143", "builds/1", "rebuild"},
	{"146", "builds/99999", "rebuild"},
	{"147", "builds/1", "explode"},
	{"155", "builds/1 anonymous", "stop"},
	{"163", "builds/1", "stop"},
	{"156", "builds/3", "stop"},
	{"164", "builds/99999", "stop"},
	{"158 160", "buildrequests/2", "cancel"},
	{"162", "buildrequests/99999", "cancel"},
	{"010", "/auth/login", ""},
}

// onPurpose are the differences that the double has for a reason, by what is asked
// and which part of the answer differs. Besides them the double lets everybody sign
// in, takes whatever a form's fields are given, and refuses what the library does not
// ask of it: fields and offsets of lists, and /config.
var onPurpose = map[string]string{
	"buildsets?complete=false: buildsets[].parent_buildid is null":      triggersNothing,
	"buildsets?complete=false: buildsets[].parent_relationship is null": triggersNothing,
	"buildsets/2: buildsets[].parent_buildid is null":                   triggersNothing,
	"buildsets/2: buildsets[].parent_relationship is null":              triggersNothing,
}

const triggersNothing = "builds of a double trigger nothing"

// For each endpoint that the double serves, its answer has the status, the sort of
// content, the fields and the types of what a real master answered to the same sort
// of request.
func TestDoubleAsRecorded(t *testing.T) {
	by := map[string]bbtest.Exchange{}
	for _, e := range bbtest.Recorded(t) {
		by[e.File[:3]] = e
	}
	d := full(t)
	unused := maps.Clone(onPurpose)
	for _, like := range likes {
		status, kind, body := ask(t, d, like.asked, like.call)
		theirs := shape{}
		for _, number := range strings.Fields(like.recorded) {
			e := by[number]
			if got := e.Header.Get("Content-Type"); status != e.Status || kind != got {
				t.Errorf("%s %s: %d %s, the real one has %d %s", like.call, like.asked, status, kind, e.Status, got)
			}
			theirs.add(t, e.Body)
		}
		own := shape{}
		own.add(t, body)
		for _, what := range own.differences(theirs) {
			line := fmt.Sprintf("%s: %s", strings.TrimSpace(like.call+" "+like.asked), what)
			if _, ok := onPurpose[line]; ok {
				delete(unused, line)
				continue
			}
			t.Error(line)
		}
	}
	for line, why := range unused {
		t.Errorf("no difference any more: %s (%s)", line, why)
	}
}

// full is a double with something in each table, in each state.
func full(t *testing.T) *bbtest.Double {
	t.Helper()
	d := bbtest.NewDouble(t)
	b := d.Builder("test", "test")
	property := func(v string) bbtest.Row { return bbtest.Row{"got_revision": []any{v, "Git"}} }
	for i, results := range [][]int{{5, 0}, {bbtest.Pending}, {bbtest.Running}, nil} {
		rev := bbtest.Revision(i)
		change := bbtest.Row{"properties": property(rev)}
		if i > 0 {
			change["category"] = "push"
		}
		d.Change(rev, change)
		d.Ask(bbtest.BuildRequest{
			Builder: b, Results: results, Stamps: []bbtest.Row{bbtest.Stamp(rev, nil)},
			Build: bbtest.Row{"properties": property(rev)}, Props: property(rev),
		})
	}
	d.Log(1, "run", "one\ntwo\n")
	d.Form("force", []string{"test"}, bbtest.Sources("", bbtest.Row{"branch": "fixed main"}))
	return d
}

// ask asks the double, signed in but for what is anonymous.
func ask(t *testing.T, d *bbtest.Double, what, call string) (status int, kind string, body []byte) {
	t.Helper()
	path, anonymous := strings.CutSuffix(what, " anonymous")
	if !strings.HasPrefix(path, "/") {
		path = "/api/v2/" + path
	}
	method, post := http.MethodGet, ""
	if call != "" {
		method = http.MethodPost
		post = `{"jsonrpc": "2.0", "id": 1, "method": "` + call + `", "params": {"builderid": "1", "revision": "x"}}`
	}
	r, err := http.NewRequestWithContext(t.Context(), method, d.URL+path, strings.NewReader(post))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if !anonymous {
		r.Header.Set("Cookie", "TWISTED_SESSION=signed-in")
	}
	res, err := d.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err = io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("Content-Type"), body
}

// shape is which JSON types are where: builds[].results is a number, and null.
type shape map[string][]string

// add adds the shape of a body; one that is no JSON has none.
func (s shape) add(t *testing.T, body []byte) {
	t.Helper()
	if !json.Valid(body) {
		return
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatal(err)
	}
	s.walk("", v)
}

func (s shape) walk(path string, v any) {
	kind := "null"
	switch v := v.(type) {
	case bool:
		kind = "a boolean"
	case float64:
		kind = "a number"
	case string:
		kind = "a text"
	case []any:
		kind = "a list"
		for _, x := range v {
			s.walk(path+element(x), x)
		}
	case map[string]any:
		kind = "an object"
		for name, x := range v {
			if strings.HasSuffix(path, "properties") || strings.Trim(name, "0123456789") == "" {
				name = "*" // each is called otherwise
			}
			s.walk(strings.TrimPrefix(path+"."+name, "."), x)
		}
	}
	if !slices.Contains(s[path], kind) {
		s[path] = append(s[path], kind)
	}
}

// element names the elements of a list: fields of forms by their types, for each has
// others.
func element(v any) string {
	if row, ok := v.(map[string]any); ok && row["fullName"] != nil || ok && row["type"] == "nested" {
		return fmt.Sprintf("[%v]", row["type"])
	}
	return "[]"
}

// differences are what a shape lacks of theirs, and what it has that theirs
// has not, sorted.
func (s shape) differences(theirs shape) []string {
	var out []string
	for path := range theirs {
		parent, field := "", path
		if i := strings.LastIndexByte(path, '.'); i >= 0 {
			parent, field = path[:i], path[i+1:]
		}
		_, has := s[path]
		_, there := s[parent]
		if !has && there && field != "*" && !strings.HasSuffix(field, "]") {
			out = append(out, path+" is not there")
		}
	}
	for path, kinds := range s {
		for _, kind := range kinds {
			if !slices.Contains(theirs[path], kind) {
				out = append(out, path+" is "+kind)
			}
		}
	}
	slices.Sort(out)
	return out
}

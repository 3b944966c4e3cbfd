package pushlog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// sample is one exchange recorded from hg 6.3 with Mozilla's pushlog.
type sample struct {
	file string
	testenv.Exchange
}

func samples(t testing.TB) []sample {
	t.Helper()
	dir := testenv.Shared(t, "wire", "hg")
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []sample
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".http") {
			out = append(out, sample{f.Name(), testenv.ReadExchange(t, "wire", "hg", f.Name())})
		}
	}
	return out
}

// Every recorded sample decodes, and is summarised as its INDEX.md says.
func TestWireSamples(t *testing.T) {
	index := map[string][]string{}
	for line := range strings.Lines(string(testenv.Read(t, "wire", "hg", "INDEX.md"))) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) == 5 {
			index[strings.TrimPrefix(cells[0], "| ")] = cells[1:]
		}
	}
	n := 0
	for _, s := range samples(t) {
		want, ok := index[s.file]
		if !ok {
			t.Errorf("%s is not in INDEX.md", s.file)
			continue
		}
		n++
		status := s.Status
		if status != want[1] {
			t.Errorf("%s: status %q, INDEX.md says %q", s.file, status, want[1])
		}
		summary := strings.TrimSuffix(want[3], " |")
		if got := summarise(s, summary); got != summary {
			t.Errorf("%s: %s\nINDEX.md says: %s", s.file, got, summary)
		}
	}
	t.Logf("%d samples", n)
	if n != len(index)-1 && n != 129 { // the table's head is one of the lines
		t.Errorf("%d samples, %d lines in INDEX.md", n, len(index))
	}
}

// summarise says of a sample what INDEX.md says; like tells which sort of
// summary it has for what is no pushlog.
func summarise(s sample, like string) string {
	if strings.HasPrefix(like, "not JSON") {
		if json.Valid(s.Body) {
			return "JSON"
		}
		return like[:strings.Index(like, ",")] + fmt.Sprintf(", %d bytes", len(s.Body))
	}
	a, err := decodeAny(s.URI, s.Body)
	switch {
	case strings.HasPrefix(like, "error: "):
		var e struct{ Error string }
		if json.Unmarshal(s.Body, &e) != nil || (err == nil || !strings.Contains(err.Error(), e.Error)) {
			return fmt.Sprintf("no error body, decoded as %v, %v", a, err)
		}
		return "error: " + e.Error
	case strings.Contains(like, " pushes"):
		if err != nil {
			return err.Error()
		}
		return summariseAnswer(a)
	case strings.Contains(like, " changesets, visible="):
		var v struct {
			Changesets []struct{ Node string }
			Visible    bool
		}
		if err := json.Unmarshal(s.Body, &v); err != nil {
			return err.Error()
		}
		visible := "False"
		if v.Visible {
			visible = "True"
		}
		return fmt.Sprintf("%d changesets, visible=%s", len(v.Changesets), visible)
	}
	keys, err := memberNames(s.Body)
	if err != nil {
		return err.Error()
	}
	got := "keys " + strings.Join(keys, ",")
	return got[:min(len(got), len(like))] // INDEX.md cuts long lists
}

// summariseAnswer gives first and last id in the order of strings, which is
// the order of the bytes; ours is by number.
func summariseAnswer(a answer) string {
	out := fmt.Sprintf("%d pushes", len(a.pushes))
	if len(a.pushes) > 0 {
		ids := map[string]bool{}
		for _, p := range a.pushes {
			ids[fmt.Sprint(p.ID)] = true
		}
		sorted := slices.Sorted(maps.Keys(ids))
		out += fmt.Sprintf(" ids %s..%s", sorted[0], sorted[len(sorted)-1])
	}
	if a.last != unversioned {
		out += fmt.Sprintf(", lastpushid %d", a.last)
	}
	return out
}

// unversioned is the last push id of an answer of version 1, which does not say it.
const unversioned = 1_000_000_000

// decodeAny decodes an answer of version 1 too, for which mozci does not ask, as one
// of version 2. Where only the tips were asked for, the hashes of git are all there.
func decodeAny(uri string, body []byte) (answer, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return answer{}, err
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) == nil && members["lastpushid"] == nil && members["error"] == nil {
		body = fmt.Appendf(nil, `{"lastpushid": %d, "pushes": %s}`, unversioned, body)
	}
	return decode(contract.Asked{}, body, "repo", u.Query().Has("full"))
}

// memberNames are the names of a JSON object's members, in order.
func memberNames(text []byte) ([]string, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	var out []string
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		out = append(out, fmt.Sprint(name))
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// replay serves the recorded samples byte for byte, by exact request.
func replay(t *testing.T) *Server {
	t.Helper()
	all := map[string]sample{}
	for _, s := range samples(t) {
		all[s.Method+" "+s.URI] = s
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, ok := all[r.Method+" "+r.URL.RequestURI()]
		// the newest pushes, to look for a hash of git
		if strings.HasSuffix(r.URL.RequestURI(), "/json-pushes?version=2") {
			http.Error(w, `{"error":"not recorded"}`, http.StatusNotFound)
			return
		}
		if !ok {
			t.Errorf("no sample of %s", r.URL.RequestURI())
			http.Error(w, "no sample", http.StatusTeapot)
			return
		}
		maps.Copy(w.Header(), s.Header)
		w.WriteHeader(s.StatusCode)
		_, _ = w.Write(s.Body)
	}))
	t.Cleanup(srv.Close)
	s, err := New(srv.URL, &Options{HTTP: srv.Client()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What the client asks is what the real server was asked, and its answers are
// read rightly: a changeset in the middle of a push, a short revision, tip, an
// unknown and a hidden one, a repository that is empty or not there.
func TestAgainstRecordedServer(t *testing.T) {
	server := replay(t)
	for _, c := range []struct{ repo, rev, want string }{
		{"autoland", "08463e1e5b9e86ffcb4bff2e6d7b0b5449ed3aab", "20 567d57332b25"},
		{"autoland", "08463e1e5b9e", "20 567d57332b25"},
		{"autoland", "tip", "60 "},
		{"mozilla-central", "3ad2b200fd0eb04772642f9d864b6b1066ac1f52", "4 645d1a02d1b6"},
		{"users/evolve", "9313b2d15a7192e25b14fd94f4aae03e68752915", "2 "},
		{"autoland", "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef", "not found"},
		{"autoland", "deadbeefdead", "not found"},
		{"mozilla-central", "944d7ccbf691a56f062a5f3e0712a0b3dbc2b2f5", "not found"},
		{"autoland", strings.Repeat("f", 40), "not found"},
		{"empty", "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef", "not found"},
		{"autoland", "a", "12 to 40"},
	} {
		p, err := server.Repository(c.repo).Push(t.Context(), c.rev)
		got := fmt.Sprintf("%d %s", p.ID, p.Short())
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s %s: %s, expected %s", c.repo, c.rev, got, c.want)
		}
	}
	r := job.IDs(45, 46)
	r.Full = true
	pushes, err := server.Repository("autoland").Pushes(t.Context(), r)
	if err != nil || len(pushes) != 2 || pushes[0].Changesets[0].Description == "" {
		t.Errorf("pushes 45 and 46: %v, %v", pushes, err)
	}
	r = job.IDs(7, 7) // all its changesets were stripped: a hole
	r.Full = true
	if pushes, err = server.Repository("users/evolve").Pushes(t.Context(), r); err != nil || len(pushes) != 0 {
		t.Errorf("a push that was stripped whole: %v, %v", pushes, err)
	}
}

// A revert that the real server recorded names hashes of git, and what it undid
// by the server's own account is found by them.
func TestRecordedRevert(t *testing.T) {
	const revert = "fdb940ad4b25d94271fbc9871fa3d21201c0af94"
	r := job.IDs(45, 46)
	r.Full = true
	full, err := replay(t).Repository("autoland").Pushes(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(samples(t), func(s sample) bool { return strings.HasPrefix(s.file, "034-") })
	// all pushes, with both hashes and without messages
	bare, err := decode(contract.Asked{}, samples(t)[i].Body, "autoland", false)
	if err != nil {
		t.Fatal(err)
	}
	pushes := append(slices.DeleteFunc(bare.pushes, func(p job.Push) bool { return p.ID == 45 }), full[0])
	found := NewGraph(pushes).Backouts()
	want := []string{ // backsoutnodes of 090-automationrelevance-revert-commit.http
		"7e0ff9d036db91b21966e4c2d25e23bc9072a745", "d831b61dbf1bb78cce80f0f652d767915a88ceca",
		"90fc8c4954b958f23a73cce3510ee7575273a5f5",
	}
	if len(found) != 1 || found[0].Node != revert ||
		!slices.Equal(slices.Sorted(slices.Values(found[0].Resolved)), slices.Sorted(slices.Values(want))) {
		t.Errorf("%+v, expected %q", found, want)
	}
}

// The decoder of the pages of the real server's own tests.
func TestCramSamples(t *testing.T) {
	n, odd := 0, 0
	for line := range strings.Lines(string(testenv.Read(t, "data", "1-hg",
		"version-control-tools__hgweb_json_outputs.jsonl"))) {
		var s struct {
			URL      string
			Response json.RawMessage
			Raw      string
		}
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(s.URL, "json-pushes") {
			continue
		}
		body := []byte(s.Raw)
		if len(s.Response) > 0 && string(s.Response) != "null" {
			body = s.Response
			var quoted string
			if json.Unmarshal(body, &quoted) == nil { // some are kept as text
				body = []byte(quoted)
			}
		}
		// Numbers that change from run to run were recorded as "<int>".
		body = bytes.ReplaceAll(body, []byte(`"<int>"`), []byte("1"))
		body = bytes.TrimSuffix(body, []byte(" (no-eol)"))
		var quoted string
		if json.Unmarshal(body, &quoted) == nil {
			body = []byte(quoted)
		}
		if end := bytes.LastIndexByte(body, '}'); end >= 0 {
			body = body[:end+1] // one has a prompt of the recording shell behind it
		}
		n++
		if _, err := decodeAny(s.URL, body); err != nil && !strings.Contains(err.Error(), "the server says") {
			odd++
			t.Errorf("%s: %v", s.URL, err)
		}
	}
	if n < 15 {
		t.Errorf("%d samples, expected 15 or more", n)
	}
	t.Logf("%d samples, %d not decoded", n, odd)
}

// The two envelopes of one pushlog give the same pushes, and old ones decode.
func TestEnvelopes(t *testing.T) {
	var got [2]answer
	for i, f := range []string{"treeherder__hg_pushlog_2013.json", "treeherder__hg_pushlog_v2.json"} {
		text := testenv.Read(t, "data", "1-hg", f)
		// They are of a time when the server did not name parents.
		text = bytes.ReplaceAll(text, []byte(`"node":`), []byte(`"parents":["`+strings.Repeat("0", 40)+`"],"node":`))
		a, err := decodeAny("/json-pushes?full=1", text)
		if err != nil {
			t.Fatal(err)
		}
		got[i] = a
	}
	for i, p := range got[0].pushes {
		if q := got[1].pushes[i]; p.ID != q.ID || p.Revision != q.Revision || !p.Time.Equal(q.Time) {
			t.Errorf("version 1 has %v, version 2 %v", p, q)
		}
	}
	for _, f := range []string{"scriptworker__cotv4_pushlog.json", "treeherder__hg_push_commits.json"} {
		a, err := decode(contract.Asked{}, testenv.Read(t, "data", "1-hg", f), "try", true)
		if err != nil || len(a.pushes) != 1 {
			t.Errorf("%s: %d pushes, %v", f, len(a.pushes), err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	one, two := strings.Repeat("1", 40), strings.Repeat("2", 40)
	f.Add(false, []byte(`{"lastpushid": 70, "pushes": {"7": {"changesets": ["`+one+`"], "date": 1, "user": "u"},
		"19": {"changesets": [], "obsoletechangesets": ["`+two+`"], "date": 2, "user": "v"}}}`))
	f.Add(true, []byte(`{"lastpushid": 7, "pushes": {"7": {"date": 1, "user": "u", "git_changesets": ["`+two+`", null],
		"changesets": [{"node": "`+one+`", "git_node": "`+two+`", "author": "a", "desc": "d", "parents": ["`+two+`"]},
		{"node": "`+two+`", "author": "a", "desc": "d", "parents": ["`+one+`", "`+strings.Repeat("0", 40)+`"]}]}}}`))
	f.Add(true, []byte(`{"lastpushid": 7, "pushes": {"10": {"changesets": [{"node": "0123456789ab", "parents": []}],
		"date": 1.5, "user": null}, "9": {}}}`))
	f.Add(false, []byte(`{"error": "unknown revision"}`))
	f.Fuzz(func(t *testing.T, full bool, body []byte) {
		a, err := decode(contract.Asked{}, body, "repo", full)
		if err != nil {
			return
		}
		last := int64(0)
		for _, p := range a.pushes {
			if p.ID <= last || p.Repo != "repo" || p.Time.Location() != time.UTC {
				t.Fatalf("push %+v after %d", p, last)
			}
			if n := len(p.Changesets); n > 0 && p.Revision != p.Changesets[n-1].Node {
				t.Fatalf("push %+v: its revision is not its tip", p)
			}
			_ = NewGraph([]job.Push{p}).arrivals(map[string]bool{p.Revision: true})
			last = p.ID
		}
	})
}

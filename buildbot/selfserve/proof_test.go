package selfserve_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/internal/testing/damage"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// texts answers each path with a text.
type texts map[string]string

func (s texts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, ok := s[r.Method+" "+r.URL.Path]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_, _ = io.WriteString(w, text)
}

// inbound is mozilla-inbound of a client whose answers are the texts, ten hours after
// the runs.
func (s texts) inbound(t testing.TB) *selfserve.Project {
	t.Helper()
	return (*service)(nil).inbound(t, selfserve.Options{HTTP: &http.Client{Transport: testenv.InMemory{Handler: s}}})
}

const (
	listingPath = "GET /self-serve/mozilla-inbound/rev/146071751b1e"
	dumpPath    = "GET /" + today
)

// goodListing is a build that succeeded, one that failed and a request that waits.
const goodListing = `[
	{"request_id": 73, "buildername": "` + theTest + `", "branch": "mozilla-inbound",
	 "revision": "146071751b1e5d16b87786f6e60485222c28c202", "submittime": 1433160000, "complete": 0,
	 "complete_at": null, "priority": 0, "claimed_at": 0, "reason": "scheduler"},
	{"build_id": 2, "buildnumber": 9, "buildername": "` + theTest + `", "branch": "mozilla-inbound",
	 "revision": "146071751b1e5d16b87786f6e60485222c28c202", "starttime": 1433163810, "endtime": 1433165810,
	 "status": 1, "claimed_by_name": "m", "requests": [{"request_id": 72, "buildername": "` + theTest + `",
	 "branch": "mozilla-inbound", "revision": "146071751b1e", "submittime": 1433161810, "complete": 1,
	 "complete_at": 1433165810, "priority": 0, "claimed_at": 1433163810, "reason": "scheduler"}]},
	{"build_id": 1, "buildnumber": 4372, "buildername": "` + theBuild + `", "branch": "mozilla-inbound",
	 "revision": "146071751b1e5d16b87786f6e60485222c28c202", "starttime": 1433163810, "endtime": 1433165810,
	 "status": 0, "claimed_by_name": "m", "requests": [{"request_id": 71, "buildername": "` + theBuild + `",
	 "branch": "mozilla-inbound", "revision": "146071751b1e", "submittime": 1433161810, "complete": 1,
	 "complete_at": 1433165811, "priority": 0, "claimed_at": 1433163810, "reason": "scheduler"}]}]`

// goodDump has the first build.
const goodDump = `{"builds": [{"id": 710, "builder_id": 1, "slave_id": 2, "master_id": 82, "buildnumber": 4372,
	"requesttime": 1433161810, "starttime": 1433163810, "endtime": 1433165810, "result": 0, "reason": "scheduler",
	"request_ids": [71], "properties": {"buildername": "` + theBuild + `", "buildnumber": 4372,
	"revision": "146071751b1e5d16b87786f6e60485222c28c202", "branch": "mozilla-inbound", "request_ids": [71],
	"scheduler": "s", "log_url": "http://logs.test/log", "filepath": null}}],
	"endtime": 1433203199, "starttime": 1433116800}`

// jobsOf are the jobs of the push, as text.
func jobsOf(t testing.TB, listing, dump string) (string, error) {
	t.Helper()
	jobs, err := texts{listingPath: listing, dumpPath: dump}.inbound(t).Jobs(t.Context(), push)
	var out []string
	for _, j := range jobs {
		out = append(out, fmt.Sprintf("%s %s %s", j.ID(), j.Name(), j.Status()))
	}
	return strings.Join(out, ", "), err
}

// proofs are all answers, with what is made of them by what callers call.
var proofs = []struct {
	name, text string
	ask        func(t testing.TB, text string) (string, error)
	null       string // fields that may be null
	absent     string // that may be absent and of any type; with - absent only
}{
	{"revision", goodListing, func(t testing.TB, text string) (string, error) {
		return jobsOf(t, text, goodDump)
	}, "[].status, [].requests[].branch", `[].claimed_at, [].claimed_by_name, [].requests[].claimed_at, -[].priority,
		-[].reason, -[].requests[].priority, -[].requests[].reason, -[].requests[].branch`},
	{"dump", goodDump, func(t testing.TB, text string) (string, error) {
		return jobsOf(t, goodListing, text)
	}, `builds[].properties.buildnumber, builds[].properties.scheduler, builds[].properties.branch, builds[].properties.revision,
		builds[].properties.request_ids`, `builds[].builder_id, builds[].slave_id, builds[].properties.log_url,
		builds[].properties.filepath, -builds[].reason, -builds[].master_id,
		-builds[].requesttime, -builds[].properties.buildnumber,
		-endtime, -starttime, -builds[].properties.scheduler, -builds[].properties.branch,
		-builds[].properties.revision, -builds[].properties.request_ids`},
	{"builders", `["` + theBuild + `", "` + theTest + `"]`, func(t testing.TB, text string) (string, error) {
		found, err := texts{"GET /self-serve/mozilla-inbound/builders": text}.inbound(t).Catalog(t.Context(), push)
		return fmt.Sprint(found), err
	}, "", ""},
	{"request", `{"request_id": 71, "buildername": "x", "branch": "mozilla-inbound", "revision": "1fa1f28c6edf",
		"submittime": 1433161810, "complete": 1, "complete_at": 1433165811, "priority": 0, "claimed_at": 1,
		"reason": "scheduler", "properties": {}, "build_ids": [1]}`, func(t testing.TB, text string) (string, error) {
		p := texts{
			"GET /self-serve/mozilla-inbound/request/71": text, dumpPath: goodDump, "GET /log": "text",
		}.inbound(t)
		r, err := p.OpenLog(t.Context(), job.New(job.Fields{ID: "71/1"}), job.LogText)
		if err != nil {
			return "", err
		}
		log, err := io.ReadAll(r)
		return string(log), errors.Join(err, r.Close())
	}, "branch, revision", "claimed_at, properties, build_ids, build_ids[], -branch, -priority, -reason"},
	{"taken cancel", `{"status": "OK", "request_id": 1}`, func(t testing.TB, text string) (string, error) {
		p := texts{"DELETE /self-serve/mozilla-inbound/request/71": text}.inbound(t)
		return "cancelled", p.Cancel(t.Context(), "71/1")
	}, "", "request_id"},
	{"message", told("1", `"2013-04-11T22:05:18+0000"`), eventsOf, "", ""},
	{"payload", payload(told("1", `"2013-04-11T22:05:18+0000"`)), eventsOf, "", ""},
	{"normalized", strings.Replace(normalized, "null", `"1fa1f28c6edf"`, 1), eventsOf, "revision", ""},
	{"allthethings", `{"builders": {"B": {"shortname": "try-p", "properties": {"branch": "try"},
		"slavepool": "x"}, "X try opt test t": {"shortname": "t", "properties": {}}},
		"schedulers": {"tests-try-p": {"downstream": ["X try opt test t"], "triggered_by": ["try-p-unittest"]}}}`, func(
		_ testing.TB, text string,
	) (string, error) {
		all, err := selfserve.ReadAllTheThings(strings.NewReader(text))
		if err != nil {
			return "", err
		}
		return fmt.Sprint(all.Upstream("X try opt test t"), all.Builders("try")), nil
	}, "", "-builders.B, " +
		"-builders.X try opt test t, builders.B.slavepool, -builders.B.properties.branch"},
}

func eventsOf(_ testing.TB, text string) (string, error) {
	events, err := selfserve.DecodeMessage([]byte(text))
	out := ""
	for _, e := range events {
		out += e.Job.ID() + " " + e.Job.Status().String() + " "
	}
	return out, err
}

// payload is what a message carries.
func payload(text string) string {
	var whole struct{ Payload json.RawMessage }
	if err := json.Unmarshal([]byte(text), &whole); err != nil {
		panic(err)
	}
	return string(whole.Payload)
}

// listed are the fields of a list.
func listed(fields string) []string {
	var out []string
	for f := range strings.SplitSeq(fields, ",") {
		out = append(out, strings.TrimSpace(f))
	}
	return out
}

// Whatever is required and absent, null or of another type is an error that names the
// contract and the place, to whoever calls.
func TestRequired(t *testing.T) {
	for _, c := range proofs {
		if got, err := c.ask(t, c.text); err != nil || got == "" {
			t.Errorf("%s: %q %v", c.name, got, err)
		}
		n := 0
		for d := range damage.All([]byte(c.text), 3, 1) {
			if d.Kind != damage.Removed && d.Kind != damage.Null && d.Kind != damage.Type {
				continue
			}
			field := contract.Finding{Path: d.Path}.Field()
			absent := slices.Contains(listed(c.absent), field) ||
				d.Kind == damage.Removed && slices.Contains(listed(c.absent), "-"+field)
			optional := absent || d.Kind == damage.Null && slices.Contains(listed(c.null), field)
			n++
			_, err := c.ask(t, string(d.Text))
			var known *contract.Error
			named := errors.Is(err, job.ErrMalformed) && errors.As(err, &known) &&
				strings.HasPrefix(known.Source, "selfserve/") && known.Path != ""
			if !optional && !named {
				t.Errorf("%s: %v: %v", c.name, d, err)
			}
			if optional && err != nil {
				t.Errorf("%s: %v is no error: %v", c.name, d, err)
			}
		}
		if n < 5 {
			t.Errorf("%s: %d damages", c.name, n)
		}
	}
}

// within replaces the last of a text.
func within(text, old, with string) string {
	i := strings.LastIndex(text, old)
	if i < 0 {
		panic(old + " is not there")
	}
	return text[:i] + with + text[i+len(old):]
}

// ofListing is the good listing, with the good dump, with something else at the last such place.
func ofListing(old, with string) [2]string {
	return [2]string{within(goodListing, old, with), goodDump}
}

// ofDump is the good dump likewise.
func ofDump(old, with string) [2]string { return [2]string{goodListing, within(goodDump, old, with)} }

const goodJobs = "71/1 " + theBuild + " success, 72/1 " + theTest + " test_failed, 73/1 " + theTest + " pending"

const full = "146071751b1e5d16b87786f6e60485222c28c202"

var f = strings.Repeat("f", 40)

// contradictions are answers about something else than was asked for, and answers that
// contradict themselves or each other.
var contradictions = []struct {
	text [2]string // the listing and the dump
	want string    // of the error; or what the good jobs become
}{
	{ofListing(full, f), `selfserve/revision: [2].revision: "` + f + `", asked for "146071751b1e"`},
	{ofListing(full, full[:11]), `[2].revision: "146071751b1", expected 12 or 40 digits`},
	{ofListing(full, "tip-of-the-branch"), `[2].revision: "tip-of-the-branch", expected 12 or 40 digits`},
	{ofListing(`"146071751b1e"`, `"`+f+`"`), `[2].requests[0].revision: "` + f + `", asked for "146071751b1e"`},
	{ofListing(`"mozilla-inbound"`, `"try"`), `[2].requests[0].branch: "try", asked for "mozilla-inbound"`},
	{ofListing(`"buildername": "`+theBuild, `"buildername": "`+theTest), "[2].requests[0].buildername: "},
	{ofListing(`"build_id": 1,`, `"build_id": 2,`), "[2].build_id: 2 comes twice"},
	{ofListing(`"build_id": 1,`, `"build_id": 1, "request_id": 71,`), goodJobs},
	{ofListing(`"status": 0,`, ``), "[2].status: missing"},
	{ofListing(`"endtime": 1433165810`, `"endtime": null`), "[2].endtime: null, but status is 0"},
	{ofListing(`"endtime": 1433165810`, `"endtime": 1433163000`), "[2].endtime: 1433163000, before starttime 1433163810"},
	{ofListing(`"complete": 1`, `"complete": 0`), "[2].requests[0].complete: 0, but complete_at is 1433165811"},
	{ofListing(`"complete_at": 1433165811`, `"complete_at": 1433163811`), "[2].requests[0].complete_at: 1433163811, before"},
	{[2]string{"[]", goodDump}, "selfserve/revision: empty: a revision without jobs is answered with 404"},
	{[2]string{goodListing[:1] + `{"buildername": "x"},` + goodListing[1:], goodDump}, "[0].build_id: missing"},
	{
		[2]string{`[{"request_id": 73, "buildername": "x", "branch": "mozilla-inbound", "revision": "` + full + `",
			"submittime": 1, "complete": 0, "complete_at": null, "priority": 0, "reason": ""},` + goodListing[1:], goodDump},
		"[1].request_id: 73 comes twice",
	},
	{ofDump(`"result": 0`, `"result": 1`), "selfserve/dump: builds[].result: build 710: 1, but self-serve's status is 0"},
	{ofDump(`"result": 0`, `"result": 7`), "builds[0].result: 7, expected at most 6"},
	{ofDump(`"result": 0`, `"result": 5`), strings.Replace(goodJobs, "success", "retry", 1)},
	{ofDump(full, f), strings.Replace(goodJobs, "success", "coalesced", 1)},
	{ofDump(full, full[:11]), `builds[].properties.revision: build 710: "146071751b1", expected 12 or 40 digits`},
	{ofDump(theBuild, theTest), `builds[].properties.buildername: build 710: "` + theTest},
	{ofDump(`"buildername": "`+theBuild+`",`, ``), "builds[0].properties.buildername: missing"},
	{ofDump(`"buildnumber": 4372`, `"buildnumber": 4373`), "builds[0].properties.buildnumber: 4373, but buildnumber is 4372"},
	{ofDump(`"starttime": 1433163810`, `"starttime": 1433165811`), "builds[0].endtime: 1433165810, before starttime 1433165811"},
	{ofDump(`"requesttime": 1433161810`, `"requesttime": -1`), "builds[0].requesttime: -1, expected at least 1"},
	{ofDump(`"starttime": 1433116800`, `"starttime": 1433203199`), "builds[0].endtime: 1433165810, in a dump from 1433203199 to 1433203199"},
	{ofDump(`"starttime": 1433116800`, `"starttime": 1433203200`), "endtime: 1433203199, before starttime 1433203200"},
	{
		ofDump(`"endtime": 1433203199, "starttime": 1433116800`, `"endtime": 1433289599, "starttime": 1433203200`),
		`starttime: "2015-06-02 00:00:00", asked for "2015-06-01"`,
	},
	{
		ofDump(`"endtime": 1433203199, "starttime": 1433116800`, `"endtime": 1433116800, "starttime": 1433030400`),
		`starttime: "2015-05-31 00:00:00", asked for "2015-06-01"`,
	},
	{ofDump(`"request_ids": [71], "prop`, `"request_ids": [], "prop`), goodJobs},
	{ofDump(`"request_ids": [71], "prop`, `"request_ids": [0], "prop`), "builds[0].request_ids: 0, expected at least 1"},
}

func TestSame(t *testing.T) {
	if got, err := jobsOf(t, goodListing, goodDump); got != goodJobs || err != nil {
		t.Fatal(got, err)
	}
	for _, c := range contradictions {
		got, err := jobsOf(t, c.text[0], c.text[1])
		if strings.HasPrefix(c.want, "71/1") {
			if err != nil || got != c.want {
				t.Errorf("%q %v, expected %q", got, err, c.want)
			}
			continue
		}
		if !errors.Is(err, job.ErrMalformed) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q %v\nwant %s", got, err, c.want)
		}
	}
	none := strings.ReplaceAll(goodDump, `"request_ids": [71]`, `"request_ids": []`)
	if _, err := jobsOf(t, goodListing, none); !strings.Contains(fmt.Sprint(err), "builds[0].request_ids: empty") {
		t.Error(err)
	}
	_, err := texts{}.inbound(t).Jobs(t.Context(), job.Push{Repo: "mozilla-inbound", Revision: "146071751b1"})
	if !errors.Is(err, job.ErrInvalid) {
		t.Errorf("a push that cannot be compared: %v", err)
	}
}

// What is told is about one build, and says so wherever it says it.
func TestMessagesThatContradictThemselves(t *testing.T) {
	whole := told("1", `"2013-04-11T22:05:18+0000"`)
	for _, c := range []struct{ text, want string }{
		{within(whole, `["buildnumber", 1`, `["buildnumber", 2`), "build.properties.buildnumber: 2, but number is 1"},
		{within(whole, `"1fa1f28c6edf"`, `"2fa1f28c6edf"`), `build.properties.revision: "2fa1f28c6edf", but sourceStamp`},
		{strings.ReplaceAll(whole, "1fa1f28c6edf", "tip"), `build.properties.revision: "tip", expected 12 or 40 digits`},
		{within(whole, "build.x.1.started", "build.x.2.started"), `_meta.routing_key: "build.x.2.started"`},
		{within(whole, "build.x.1.started", "started"), `_meta.routing_key: "started"`},
		{told("null", `"2013-04-11T22:05:18+0000"`), "build.results: null, but the build has ended"},
		{told("0", "null"), "build.results: 0, but the build has not ended"},
		{told("0", `"2013-04-10T22:05:18+0000"`), "build.times: it ended before it began"},
		{within(whole, `["branch"`, `["branch", "ash", "Build"], ["branch"`), "branch: not JSON"},
		{within(whole, `["branch"`, `["request_ids", [0], "x"], ["branch"`), "request_ids: 0"},
		{within(whole, `["branch"`, `["request_ids", [7, 8, 7], "x"], ["branch"`), "request_ids: [7 7 8], in which one comes twice"},
		{told("-1", `"2013-04-11T22:05:18+0000"`), "build.results: -1, expected at least 0"},
		{within(normalized, `"status": 0`, `"status": -1`), "status: -1, expected at least 0"},
		{within(normalized, "build.x.1.finished", "build.x.2.finished"), `key: "build.x.2.finished", asked for "job_number 1"`},
		{within(normalized, `"revision": null`, `"revision": "tip"`), `revision: "tip", expected 12 or 40 digits`},
		{within(normalized, "2013-04-25", "2013-04-23"), "timestamp: "},
	} {
		_, err := selfserve.DecodeMessage([]byte(c.text))
		if !errors.Is(err, job.ErrMalformed) || !strings.Contains(err.Error(), c.want) ||
			!strings.Contains(err.Error(), "selfserve/") {
			t.Errorf("%v\nwant %s", err, c.want)
		}
	}
	events, err := selfserve.DecodeMessage([]byte(payload(within(strings.ReplaceAll(whole, `"1fa1f28c6edf"`, `"None"`),
		`{"revision": "None"}`, `{"revision": null}`))))
	if err != nil || events[0].Job.ID() != "build.x.1" || events[0].Job.Push().Revision != "" {
		t.Errorf("Python's word for none: %v %v", events, err)
	}
}

// A status of a write that nobody documents is not taken for one that may be repeated.
func TestUnknownWordOfAWrite(t *testing.T) {
	s := newService()
	s.answers = []answer{{202, `{"status": "MAYBE"}`}}
	_, err := s.inbound(t, selfserve.Options{}).Trigger(t.Context(), job.Request{Label: theBuild, Push: push, Count: 1})
	if !errors.Is(err, job.ErrUnknownWord) || len(s.posts) != 1 {
		t.Errorf("%v %q", err, s.posts)
	}
}

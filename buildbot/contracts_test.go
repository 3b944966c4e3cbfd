package buildbot_test

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job/contract"
)

// contractOf is the contract of what a request is answered with; nil for none.
func contractOf(t *testing.T, method, url string) contract.Any {
	t.Helper()
	var out contract.Any
	for _, c := range buildbot.Contracts() {
		if c.Answers(method, url) {
			if out != nil {
				t.Errorf("%s %s: both %s and %s", method, url, out.Title(), c.Title())
			}
			out = c
		}
	}
	return out
}

// notAsked are recorded answers that are not what mozci asks for, with the reason.
var notAsked = map[string]string{
	"133-force-unknown-method.http":    "no method of a form's: nothing is made",
	"147-build-unknown-action.http":    "no method of a build's",
	"161-buildrequest-bad-action.http": "no method of a request's",
}

// All recorded answers of a real master have what the contracts say, and nothing
// that nobody knows.
func TestRecordedAnswers(t *testing.T) {
	proven := map[string]int{}
	for _, e := range bbtest.Recorded(t) {
		method, path, _ := strings.Cut(e.Request, " ")
		is := contractOf(t, method, path)
		switch {
		case is == nil || e.Status != http.StatusOK || notAsked[e.File] != "":
			continue
		case strings.Contains(path, "field="): // some of the fields alone
			continue
		}
		proven[is.Title()]++
		for _, f := range is.Check(contract.Asked{URL: "http://127.0.0.1:8010" + path, Body: e.Asked}, e.Body) {
			t.Errorf("%s: %s: %s (%s)", e.File, f.Path, f.Detail, f.Kind)
		}
	}
	t.Logf("answers: %v", proven)
	for title, least := range map[string]int{
		"buildbot/build": 4, "buildbot/builders": 3, "buildbot/buildrequest": 3, "buildbot/buildrequests": 8,
		"buildbot/builds": 10, "buildbot/buildsets": 2, "buildbot/call": 15, "buildbot/changes": 3,
		"buildbot/config": 2, "buildbot/forceschedulers": 1, "buildbot/logs": 1, "buildbot/steps": 2,
	} {
		if proven[title] < least {
			t.Errorf("%d answers of %s, expected %d or more", proven[title], title, least)
		}
	}
}

// And all recorded events.
func TestRecordedEvents(t *testing.T) {
	is := contractOf(t, http.MethodGet, "http://127.0.0.1:8010/sse/listen/*/*/*")
	kinds := map[string]bool{}
	for line := range bytes.Lines(testenv.Read(t, "wire", "buildbot", "stream-sse-listen-any3.txt")) {
		data, ok := bytes.CutPrefix(line, []byte("data: {"))
		if !ok {
			continue
		}
		body := append([]byte("{"), data...)
		kinds[string(body[:min(len(body), 20)])] = true
		for _, f := range is.Check(contract.Asked{URL: "http://127.0.0.1:8010/sse/listen/*/*/*"}, body) {
			if f.Kind == contract.KindNew && strings.HasPrefix(f.Path, "message.") {
				continue // of all sorts of records, of which two ids are read
			}
			t.Errorf("%s: %s in %.200s", f.Path, f.Detail, body)
		}
	}
	if len(kinds) < 5 {
		t.Errorf("events of %d sorts, expected 5 or more: %v", len(kinds), kinds)
	}
}

// Contracts are sorted, and none comes twice.
func TestContracts(t *testing.T) {
	var titles []string
	for _, c := range buildbot.Contracts() {
		titles = append(titles, c.Title())
	}
	if !slices.IsSorted(titles) || len(slices.Compact(titles)) != 13 {
		t.Errorf("%q", titles)
	}
}

package buildbot_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// seeds are answers of each endpoint, by a part of its address.
var seeds = map[string]string{
	"builders": `{"builders":[{"builderid":1,"name":"test","description":null,"tags":["a"],"masterids":[1]}],"meta":{}}`,
	"changes": `{"changes":[{"changeid":1,"revision":"abc","branch":null,"author":"a","comments":"","repository":"",
		"project":"","codebase":"","parent_changeids":[],"when_timestamp":1,"sourcestamp":{"ssid":1,"codebase":"",
		"repository":"","project":"","branch":null,"revision":"abc","patch":null,"created_at":1}}]}`,
	"buildsets": `{"buildsets":[{"bsid":1,"reason":"","parent_buildid":null,"complete":true,"submitted_at":1,
		"complete_at":2,"sourcestamps":[{"ssid":1,"codebase":"","repository":"","project":"","branch":"main",
		"revision":null,"patch":{"patchid":1,"author":"","comment":""},"created_at":1}]}]}`,
	"buildrequests": `{"buildrequests":[{"buildrequestid":1,"buildsetid":1,"builderid":1,"claimed":true,"complete":true,
		"results":0,"submitted_at":1,"claimed_at":1,"complete_at":2,"properties":{"p":[1,"s"]}}]}`,
	"builds": `{"builds":[{"buildid":1,"number":1,"builderid":1,"buildrequestid":1,"complete":true,"results":0,
		"started_at":1,"complete_at":2,"state_string":"","properties":{"got_revision":[{"lib":"abc"},"Git"]}}]}`,
	"forceschedulers": `{"forceschedulers":[{"name":"f","builder_names":["test"],"all_fields":[{"name":"","fullName":null,
		"type":"nested","default":"","required":false,"regex":null,"maxsize":null,"fields":[]}]}]}`,
	"forceschedulers/f": `{"jsonrpc":"2.0","id":1,"result":[1,{"1":1}]}`,
	"builds/1/steps":    `{"steps":[{"stepid":1,"buildid":1,"number":0,"name":"s","complete":true,"results":0}]}`,
	"steps/1/logs":      `{"logs":[{"logid":1,"stepid":1,"name":"stdio","type":"s","complete":true}]}`,
	"config":            `{"auth":{"name":"UserPasswordAuth"},"user":{"anonymous":true}}`,
	"event":             `{"key":["builds","1","new"],"message":{"buildid":1,"buildrequestid":1}}`,
}

// FuzzAnswers: whatever stands in an answer, its contract finds something in it or
// takes it, and the same each time.
func FuzzAnswers(f *testing.F) {
	all := buildbot.Contracts()
	for i := range all {
		for _, text := range seeds {
			f.Add(uint8(i), text)
		}
	}
	call := []byte(`{"jsonrpc":"2.0","id":1,"method":"force","params":{"builderid":"1"}}`)
	f.Fuzz(func(t *testing.T, i uint8, text string) {
		is := all[int(i)%len(all)]
		const page = "http://m.example/api/v2/builders/1/builds?order=-buildid&limit=2&buildid__lt=9"
		for _, url := range []string{"", page} {
			asked := contract.Asked{URL: url, Body: call}
			first, second := is.Check(asked, []byte(text)), is.Check(asked, []byte(text))
			if len(first) != len(second) {
				t.Errorf("%s: %v and then %v", is.Title(), first, second)
			}
		}
	})
}

// FuzzMaster: a master that answers anything to everything gives jobs, or an error
// that is one of package job's.
func FuzzMaster(f *testing.F) {
	together := ""
	for _, text := range seeds {
		f.Add(text)
		together += strings.TrimSuffix(strings.TrimPrefix(text, "{"), "}") + ","
	}
	f.Add("{" + strings.TrimSuffix(together, ",") + "}")
	f.Add(`{"error":{"code":-32602,"message":{"revision":"needs to be specified"}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := buildbot.New("http://master.example", &buildbot.Options{HTTP: &http.Client{Transport: saying(text)}})
		if err != nil {
			t.Fatal(err)
		}
		p := c.Project("main", nil)
		push := job.Push{Repo: "main", ID: 1, Revision: strings.Repeat("a", 40), Time: time.Unix(1, 0)}
		_, jobsErr := p.Jobs(t.Context(), push, "test")
		_, triggerErr := p.Trigger(t.Context(), job.Request{Label: "test", Push: push, Count: 1})
		_, logErr := p.OpenLog(t.Context(), job.New(job.Fields{ID: "1/1"}), job.LogText)
		for _, err := range []error{jobsErr, triggerErr, logErr} {
			var e *job.Error
			if err != nil && !errors.As(err, &e) {
				t.Errorf("%q: %v", text, err)
			}
		}
	})
}

// saying is a transport that answers everything with one text.
type saying string

func (s saying) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(s))), Request: r,
	}, nil
}

package selfserve_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/job"
)

func FuzzListing(f *testing.F) {
	f.Add(goodListing)
	f.Add(`[{"request_id": 73}]`)
	f.Fuzz(func(t *testing.T, text string) {
		_, err := jobsOf(t, text, goodDump)
		if err != nil && !errors.Is(err, job.ErrMalformed) && !errors.Is(err, job.ErrUnknownWord) {
			t.Error(err)
		}
	})
}

func FuzzReadAllTheThings(f *testing.F) {
	f.Add(`{"builders": {"B": {"shortname": "b", "properties": {"branch": "try"}}}, "schedulers": {
		"tests-try-7-3600": {"downstream": ["T"], "triggered_by": ["b-unittest"]}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		all, err := selfserve.ReadAllTheThings(strings.NewReader(text))
		if err != nil {
			if !errors.Is(err, job.ErrMalformed) {
				t.Error(err)
			}
			return
		}
		for _, b := range all.Builders("try") {
			all.Upstream(b)
		}
	})
}

// A request, an answer to a write and a failure.
func FuzzAnswers(f *testing.F) {
	f.Add(`{"request_id": 71, "buildername": "x", "branch": "mozilla-inbound", "revision": null, "submittime": 1,
		"complete": 1, "complete_at": 1433165811, "priority": 0, "reason": ""}`)
	f.Add(`{"status": "OK", "request_id": 1}`)
	f.Add(`{"msg": "Branch x not found", "status": "FAILED"}`)
	f.Fuzz(func(t *testing.T, text string) {
		p := texts{
			"GET /self-serve/mozilla-inbound/request/71": text, "DELETE /self-serve/mozilla-inbound/request/71": text,
		}.inbound(t)
		_, err := p.OpenLog(t.Context(), job.New(job.Fields{ID: "71/1"}), job.LogText)
		if !errors.Is(err, job.ErrMalformed) && !errors.Is(err, job.ErrNotFound) {
			t.Error(err)
		}
		err = p.Cancel(t.Context(), "71/1")
		if err != nil && !errors.Is(err, job.ErrMalformed) && !errors.Is(err, job.ErrUnavailable) &&
			!errors.Is(err, job.ErrUnknownWord) {
			t.Error(err)
		}
	})
}

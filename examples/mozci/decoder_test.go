package main

import (
	"testing"

	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/job/pulse"
)

// TestDecoder: messages as Pulse brings them, of every source but Taskcluster, which
// TestEventsFromPulse has from a broker.
func TestDecoder(t *testing.T) {
	decode := decoder(jobtest.NewCI(jobtest.MustParse("push t\n1 a001 pass\n"), nil))
	const normalized = `{"key":"build.linux64.7.log_uploaded","buildername":"Linux x86-64 mozilla-central build",
		"job_number":7,"tree":"mozilla-central","revision":"c3e2e60b498fdb185aec94987f075a5e5ac5a156","status":0,
		"timestamp":"2015-11-03T12:30:00Z","builddate":1446552000}`
	const pushed = `{"pushlog_pushes":[{"time":1446552000,"pushid":7,"user":"a@b.example",
		"push_json_url":"https://hg.mozilla.org/try/json-pushes",
		"push_full_json_url":"https://hg.mozilla.org/try/json-pushes"}],
		"heads":["c3e2e60b498fdb185aec94987f075a5e5ac5a156"],"repo_url":"https://hg.mozilla.org/try"}`
	for _, c := range []struct{ exchange, key, body string }{
		{"exchange/build/normalized", "build.x", normalized},
		{"exchange/build/normalized", "build.x", `{"payload":` + normalized + `,"_meta":{"routing_key":"build.x"}}`},
		{"exchange/hgpushes/v1", "try", pushed},
	} {
		events, err := decode(t.Context(), pulse.Message{Exchange: c.exchange, RoutingKey: c.key, Body: []byte(c.body)})
		if err != nil || len(events) != 1 || (events[0].Push == nil) == (events[0].Job == nil) {
			t.Errorf("%s: %+v, %v", c.exchange, events, err)
		}
	}
	for _, exchange := range []string{"exchange/taskcluster-queue/v1/task-failed", "exchange/elsewhere", ""} {
		if events, err := decode(t.Context(), pulse.Message{Exchange: exchange, Body: []byte(`{}`)}); err == nil {
			t.Errorf("%q: %v", exchange, events)
		}
	}
}

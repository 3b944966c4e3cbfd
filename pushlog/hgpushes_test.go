package pushlog_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/pushlog"
)

// Messages of both versions, as the real notifier sent them.
func TestMessages(t *testing.T) {
	var recorded []struct{ Messages []json.RawMessage }
	if err := json.Unmarshal(testenv.Read(t, "data", "3-pulse",
		"version-control-tools__hgpushes_messages_test-pulse-notifier.json"), &recorded); err != nil {
		t.Fatal(err)
	}
	messages, pushes := 0, 0
	for _, r := range recorded {
		for _, m := range r.Messages {
			messages++
			got, err := pushlog.DecodeMessage(m)
			if err != nil {
				t.Errorf("%s: %v", m, err)
			}
			for _, p := range got {
				pushes++
				if p.ID != 1 || p.Revision != "77538e1ce4bec5f7aac58a7ceca2da0e38e90a72" || p.Repo == "" ||
					p.User != "user@example.com" {
					t.Errorf("%s: %+v", m, p)
				}
			}
		}
	}
	t.Logf("%d messages, %d pushes", messages, pushes)
	if messages == 0 || pushes == 0 {
		t.Error("no messages")
	}
	var old struct{ Payload json.RawMessage }
	if err := json.Unmarshal(testenv.Read(t, "data", "3-pulse", "treeherder__hg_push.json"), &old); err != nil {
		t.Fatal(err)
	}
	got, err := pushlog.DecodeMessage(old.Payload)
	if err != nil || len(got) != 1 || got[0].ID != 136598 || got[0].Repo != "try" ||
		got[0].Revision != "2f77bc4f354d9ba67ea5270b2fc789f4b0521287" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestTornMessages(t *testing.T) {
	for text, want := range map[string]error{
		"": job.ErrMalformed, "[]": job.ErrMalformed, "{}": job.ErrMalformed,
		`{"type": "surprise.1"}`:                                                                                    job.ErrUnknownWord,
		`{"type": "changegroup.1"}`:                                                                                 job.ErrMalformed,
		`{"repo_url": "https://h/", "pushlog_pushes": []}`:                                                          job.ErrMalformed,
		`{"repo_url": "https://h/try", "pushlog_pushes": [{"pushid": 0}]}`:                                          job.ErrMalformed,
		`{"repo_url": "https://h/try", "heads": ["../x"], "pushlog_pushes": [{"pushid": 7}]}`:                       job.ErrMalformed,
		`{"type": "changegroup.1", "data": {"repo_url": "https://h/try", "pushlog_pushes": [{"pushid": "seven"}]}}`: job.ErrMalformed,
	} {
		if _, err := pushlog.DecodeMessage([]byte(text)); !errors.Is(err, want) {
			t.Errorf("%s: %v, expected %v", text, err, want)
		}
	}
}

func FuzzDecodeMessage(f *testing.F) {
	f.Add(
		[]byte(
			`{"type": "changegroup.1", "data": {"repo_url": "https://h/try", "heads": ["0123456789abcdef0123456789abcdef01234567"], "pushlog_pushes": [{"pushid": 7, "time": 1, "user": "u"}]}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		pushes, err := pushlog.DecodeMessage(payload)
		for _, p := range pushes {
			if err != nil || p.ID < 1 || p.Repo == "" {
				t.Fatalf("%+v, %v", p, err)
			}
		}
	})
}

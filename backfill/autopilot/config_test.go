package autopilot_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/backfill/autopilot"
	"github.com/mozci/mozci/job"
)

func TestParseConfig(t *testing.T) {
	got, err := autopilot.ParseConfig([]byte(`{"repositories": ["autoland", "mozilla-*"], "labels": ["linux*/opt-*"],
		"mode": "act", "budgets": {"runs_day": 10, "red_runs_day": 0, "label_day": -1, "pool": {"win*": 5},
		"kind": {"build": 2},
		"minutes_day": 600}, "quiet": "5m", "known_days": 14, "max_age": 7200, "webhook": "https://hook.example/x",
		"off_file": "/tmp/off", "max_runs": 8, "max_revisions": 20, "queue": 0, "together": 3, "cases": 2,
		"undecided": 4}`))
	if err != nil {
		t.Fatal(err)
	}
	want := autopilot.Config{
		Repositories: []string{"autoland", "mozilla-*"}, Labels: []string{"linux*/opt-*"}, Mode: autopilot.Act,
		Budgets: autopilot.Budgets{
			RunsDay: 10, RedRunsDay: 0, MinutesDay: 600, LabelDay: -1, Pools: map[string]int{"win*": 5}, PoolDay: -1,
			Kinds: map[string]int{"build": 2},
		},
		Quiet: 5 * time.Minute, KnownDays: 14, MaxAge: 2 * time.Hour, MaxRuns: 8, MaxRevisions: 20, Together: 3,
		Cases:     2,
		Undecided: 4, Webhook: "https://hook.example/x", OffFile: "/tmp/off",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	got, err = autopilot.ParseConfig([]byte(`{"repositories": ["autoland"], "budgets": {"pool": 7}}`))
	want = autopilot.Defaults()
	want.Repositories, want.Budgets.PoolDay = []string{"autoland"}, 7
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("defaults: %v (-want +got):\n%s", err, d)
	}
	if want.Mode != autopilot.DryRun || want.KnownDays != 21 || want.Quiet != 10*time.Minute {
		t.Errorf("defaults %+v", want)
	}
}

// What makes no sense is refused with the field's name, and no secret is shown.
func TestParseConfigRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{``, "unexpected EOF"},
		{`[]`, "expected an object"},
		{`{"repositories": ["a"]} {}`, "unexpected text after the object"},
		{`{"repositories": ["a"]`, "unexpected EOF"},
		{`{"repo": ["a"]}`, "repo: unknown field; the fields are budgets, cases"},
		{`{"\u001b[31m": 1}`, `\x1b[31m: unknown field`},
		{`{"repositories": ["a"], "repositories": ["b"]}`, "repositories appears twice"},
		{`{"repositories": "a"}`, "repositories: string, expected a list of texts"},
		{`{"repositories": null}`, "repositories: null"},
		{`{}`, "repositories: the list is empty"},
		{`{"repositories": [""]}`, `repositories: "" is not a valid glob pattern`},
		{`{"repositories": ["a["]}`, `repositories: "a[" is not a valid glob pattern`},
		{`{"repositories": ["a"], "labels": ["["]}`, `labels: "[" is not a valid glob pattern`},
		{`{"repositories": ["a"], "mode": "on"}`, `mode: "on" is not a mode; expected off, dry_run or act`},
		{`{"repositories": ["a"], "mode": true}`, "mode: bool, expected a text"},
		{`{"repositories": ["a"], "quiet": "soon"}`, `quiet: "soon", expected seconds or text such as "10m"`},
		{`{"repositories": ["a"], "quiet": -1}`, "quiet: -1s is out of range; expected 0 to 24h"},
		{`{"repositories": ["a"], "quiet": 1e300}`, "quiet: 1e+300 seconds is too long"},
		{`{"repositories": ["a"], "quiet": null}`, "quiet: null"},
		{`{"repositories": ["a"], "max_age": "5m"}`, "max_age: 5m0s is out of range; expected more than quiet"},
		{`{"repositories": ["a"], "known_days": 0}`, "known_days: 0 is out of range; expected 1"},
		{`{"repositories": ["a"], "known_days": 1000}`, "known_days: 1000 is out of range; expected 1 to 366"},
		{`{"repositories": ["a"], "known_days": 1.5}`, "known_days: number 1.5, expected a whole number"},
		{`{"repositories": ["a"], "cases": 99999999}`, "cases: 99999999 is out of range; expected 1 to 1000000"},
		{`{"repositories": ["a"], "budgets": []}`, "budgets: expected an object"},
		{`{"repositories": ["a"], "budgets": {"runs": 1}}`, "budgets.runs: unknown field"},
		{`{"repositories": ["a"], "budgets": {"runs_day": -2}}`, "budgets.runs_day: -2 is out of range; expected -1"},
		{`{"repositories": ["a"], "budgets": {"pool": {"x": -5}}}`, "budgets.pool x: -5"},
		{`{"repositories": ["a"], "budgets": {"pool": "x"}}`, "budgets.pool: string, expected a whole number"},
		{`{"repositories": ["a"], "budgets": {"kind": {"tests": 1}}}`, `budgets.kind: "tests" is not a kind`},
		{`{"repositories": ["a"], "webhook": "ftp://user:s3cret@x"}`, "webhook: expected a URL"},
	} {
		_, err := autopilot.ParseConfig([]byte(c.text))
		var typed *job.Error
		if !errors.Is(err, job.ErrInvalid) || !errors.As(err, &typed) || !strings.Contains(err.Error(), c.want) ||
			strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want %q", c.text, err, c.want)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(`{"repositories": ["a"], "budgets": {"pool": {"x": 1}}, "quiet": "1m"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := autopilot.ParseConfig(text)
		if err == nil && c.Check() != nil {
			t.Errorf("%q is read as what makes no sense", text)
		}
	})
}

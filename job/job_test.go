package job_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/job"
)

func TestStatusWords(t *testing.T) {
	for _, s := range job.Statuses() {
		back, err := job.ParseStatus(s.String())
		if err != nil || back != s {
			t.Errorf("ParseStatus(%q) = %v, %v", s.String(), back, err)
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var read job.Status
		if err := json.Unmarshal(text, &read); err != nil || read != s {
			t.Errorf("JSON of %v is %s, read as %v, %v", s, text, read, err)
		}
	}
	var none job.Status
	if _, err := json.Marshal(none); err == nil {
		t.Error("no status has a word")
	}
	for _, word := range []string{"", "SUCCESS", "green", "status(0)"} {
		if err := none.UnmarshalText([]byte(word)); !errors.Is(err, job.ErrInvalid) || none != 0 {
			t.Errorf("word %q: %v, %v", word, none, err)
		}
	}
}

// The table of statuses that count towards times; the others do not.
func TestWhatCounts(t *testing.T) {
	counts := "unscheduled pending running unknown success test_failed busted"
	for _, s := range job.Statuses() {
		if want := strings.Contains(" "+counts+" ", " "+s.String()+" "); s.Counts() != want {
			t.Errorf("%s counts: %t, expected %t", s, s.Counts(), want)
		}
	}
}

func TestRevisions(t *testing.T) {
	full := strings.Repeat("0123456789", 4)
	for rev, want := range map[string]string{
		full: full, full[:12]: full[:12], "ABCDEF012345": "abcdef012345", "tip": "tip",
	} {
		if got, err := job.ParseRevision(rev); err != nil || got != want {
			t.Errorf("ParseRevision(%q) = %q, %v; expected %q", rev, got, err, want)
		}
	}
	for _, rev := range []string{"", "abc", full[:11], full + "0", "g123456789ab", "tipp", "-rev", "0123456789aé"} {
		if _, err := job.ParseRevision(rev); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("ParseRevision(%q): error %v, expected ErrInvalid", rev, err)
		}
	}
	if !job.SameRevision(full, full[:12]) || job.SameRevision(full, full[:11]) ||
		job.SameRevision(full, "0123456789ac") {
		t.Error("SameRevision: a prefix of 12 or more, and nothing else")
	}
	if !job.SameRevision("193", "193") || job.SameRevision("193", "1931") || job.SameRevision("", "") {
		t.Error("SameRevision: what is no hash as a whole")
	}
}

func TestRangesThatMakeNoSense(t *testing.T) {
	now := time.Now()
	rev := strings.Repeat("a", 12)
	for name, r := range map[string]job.Range{
		"nothing": {}, "two ways": {FirstID: 1, LastID: 2, Center: rev}, "half": {From: rev},
		"half of dates": {Since: now}, "ids reversed": job.IDs(3, 2), "negative": job.IDs(-1, 2),
		"dates reversed": job.Dates(now, now.Add(-1)), "before": job.Around(rev, -1, 0),
		"torn": job.Between(rev, "xyz"),
	} {
		if _, err := r.Check(); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("%s: error %v, expected ErrInvalid", name, err)
		}
	}
	for want, r := range map[job.Way]job.Range{
		job.ByRevisions: job.Between(rev, "tip"), job.ByIDs: job.IDs(0, 1), job.ByDates: job.Dates(now, now),
		job.ByCenter: job.Around(rev, 0, 3),
	} {
		if got, err := r.Check(); err != nil || got != want {
			t.Errorf("%+v: way %v, %v; expected %v", r, got, err, want)
		}
	}
}

func TestWrapKeepsTheFirst(t *testing.T) {
	inner := job.Wrap("pushlog.push", "abc", job.ErrNotFound)
	outer := job.Wrap("backfill", "label", fmt.Errorf("more: %w", inner))
	if got := outer.Error(); got != "more: pushlog.push abc: not found" {
		t.Errorf("error %q: wrapped twice", got)
	}
	if job.Wrap("x", "y", nil) != nil {
		t.Error("Wrap of nil is an error")
	}
	if err := job.UnknownWord("treeherder", "result",
		"purple"); err.Error() != `unknown word: treeherder says result "purple"` {
		t.Error(err)
	}
}

func TestSentinels(t *testing.T) {
	for code, want := range map[int]error{
		200: nil, 304: nil, 400: job.ErrRefused, 401: job.ErrDenied, 403: job.ErrDenied, 404: job.ErrNotFound,
		409: job.ErrRefused, 410: job.ErrNotFound, 429: job.ErrUnavailable, 500: job.ErrUnavailable,
		503: job.ErrUnavailable,
	} {
		if got := job.SentinelOf(code); got != want { //nolint:errorlint // the sentinel itself is meant
			t.Errorf("HTTP %d means %v, expected %v", code, got, want)
		}
	}
}

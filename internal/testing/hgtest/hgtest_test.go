package hgtest_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/shape"
	"github.com/mozci/mozci/internal/testing/testenv"
)

func read(t *testing.T, file string) testenv.Exchange {
	t.Helper()
	return testenv.ReadExchange(t, "wire", "hg", file)
}

// onPurpose are the recorded requests to which the double answers something
// else than the real server, and why.
var onPurpose = map[string]string{
	"006-json-pushes-path-page2.http":                 "pages are never asked for: pushlog asks for ids",
	"007-json-pushes-page-beyond.http":                "as above",
	"016-json-pushes-changeset-ambiguous-prefix.http": "the double finds the first that fits: nobody asks by one digit",
	"030-json-pushes-fromchange-null.http":            "the null revision is never asked for",
	"031-json-pushes-tochange-unpushed-null.http":     "the double has no changesets without a push",
	"042-json-pushes-startdate-day-only.http":         "the double reads dates with a clock alone",
	"046-json-pushes-startdate-natural.http":          "as above",
	"062-json-pushes-version3.http":                   "only versions 1 and 2 are asked for",
	"063-json-pushes-version-notint.http":             "as above",
	"073-json-pushes-obs-tipsonly-emptypush-500.http": "tipsonly is never asked for",
	"076-json-pushes-obs-changeset-hidden.http":       "the double does not know what a hidden changeset was",
	"077-json-pushes-obs-fromchange-hidden.http":      "as above",
	"127-head-json-pushes.http":                       "HEAD is never asked for",
}

// server knows the pushes that were recorded: some in full, of others only the
// hashes.
func server(t *testing.T) *hgtest.Server {
	t.Helper()
	s := hgtest.New()
	for _, file := range recordings(t) {
		r := read(t, file)
		path, _, _ := strings.Cut(strings.Trim(r.URI, "/"), "/json-pushes")
		var answer struct {
			Pushes map[string]struct {
				Changesets []string
				Gits       []*string `json:"git_changesets"`
				Date       int64
				User       string
			}
		}
		if json.Unmarshal(r.Body, &answer) != nil || strings.Contains(r.URI, "branch=") {
			continue // in full, or no pushes
		}
		for id, p := range answer.Pushes {
			n, err := strconv.ParseInt(id, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			w := hgtest.Push{Date: p.Date, User: p.User}
			for i, node := range p.Changesets {
				c := hgtest.Changeset{Node: node, Branch: "default", Parents: []string{strings.Repeat("0", 40)}}
				if i < len(p.Gits) && p.Gits[i] != nil {
					c.Git = *p.Gits[i]
				}
				w.Changesets = append(w.Changesets, c)
			}
			s.Add(path, n, w)
		}
	}
	for _, file := range inFull {
		r := read(t, file)
		path, _, _ := strings.Cut(strings.Trim(r.URI, "/"), "/json-pushes")
		if err := s.Load(path, r.Body); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	s.Reset("empty")
	return s
}

// inFull are the recordings of pushes with all that there is.
var inFull = []string{
	"003-json-pushes-default-v2-full.http", "008-json-pushes-changeset-head-full.http",
	"061-json-pushes-beta-full-tags.http", "064-json-pushes-mc-merge-push-full.http",
	"066-json-pushes-git-shas-full.http", "071-json-pushes-obs-all-full.http",
}

func recordings(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(testenv.Shared(t, "wire", "hg"), "*json-pushes*.http"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	return files
}

// Each recorded request gets the same status and type from the double, and an
// answer of the same form.
func TestAsRecorded(t *testing.T) {
	s, files := server(t), recordings(t)
	for _, file := range files {
		want, rec := read(t, file), httptest.NewRecorder()
		s.ServeHTTP(rec, httptest.NewRequest(want.Method, want.URI, nil))
		var lines []string
		status, kind := want.StatusCode, want.Header.Get("Content-Type")
		if got := rec.Header().Get("Content-Type"); rec.Code != status || got != kind {
			lines = append(lines, fmt.Sprintf("%d %q, want %d %q", rec.Code, got, status, kind))
		} else if kind == "application/json" {
			keyed := "."
			if strings.Contains(want.URI, "version=2") {
				keyed = "pushes"
			}
			lines = shape.Diff(want.Body, rec.Body.Bytes(), keyed)
		}
		switch why, different := onPurpose[file]; {
		case !different && len(lines) > 0:
			t.Errorf("%s:\n%s", file, strings.Join(lines, "\n"))
		case different && len(lines) == 0:
			t.Errorf("%s is no longer different on purpose: %s", file, why)
		}
	}
	t.Logf("%d of %d answers are as recorded", len(files)-len(onPurpose), len(files))
}

package selfserve_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/internal/gunzip"
	"github.com/mozci/mozci/job"
)

const today = "builds-2015-06-01.js.gz"

// A dump is fetched when it is needed, and again, once, when it may have more.
func TestDumpsAreFetchedOnce(t *testing.T) {
	s := newService()
	for i := range 20 {
		s.build(theBuild, 0, int64(100+i))
	}
	now := ended.Add(time.Hour)
	p := s.inbound(t, selfserve.Options{Now: func() time.Time { return now }})
	s.dumps["builds-4hr.js.gz"] = dumpOf(t, dumped(theBuild, push.Revision, 100, nil))
	if got := statuses(t, p); strings.Count(got, "running") != 19 || len(s.gets) > 3 {
		t.Errorf("%s after %q", got, s.gets)
	}
	before := len(s.gets)
	var all []map[string]any
	for i := range 20 {
		all = append(all, dumped(theBuild, push.Revision, int64(100+i), nil))
	}
	s.dumps["builds-4hr.js.gz"] = dumpOf(t, all...)
	now = now.Add(10 * time.Minute)
	if got := statuses(t, p); strings.Count(got, "success") != 20 || len(s.gets) != before+1 {
		t.Errorf("%s after %q", got, s.gets[before:])
	}
}

func TestDumpsAreKept(t *testing.T) {
	dir := t.TempDir()
	s := newService()
	s.build(theBuild, 0, 1)
	s.dumps[today] = dumpOf(t, dumped(theBuild, push.Revision, 1, nil))
	later := func() time.Time { return ended.Add(48 * time.Hour) }
	ask := func() string {
		return statuses(t, s.inbound(t, selfserve.Options{CacheDir: dir, CacheBytes: 1000, Now: later}))
	}
	for range 3 {
		if got := ask(); got != "success" {
			t.Error(got)
		}
	}
	if len(s.gets) != 1 {
		t.Errorf("%q, expected it once", s.gets)
	}
	kept := filepath.Join(dir, "builddata", today)
	text, err := os.ReadFile(kept) // #nosec G304 -- the test's own folder
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(kept, text[:len(text)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != "success" || len(s.gets) != 2 {
		t.Errorf("a torn file: %s after %q", got, s.gets)
	}
	old := filepath.Join(dir, "builddata", "builds-2015-01-01.js.gz")
	if err := os.WriteFile(old, make([]byte, 2000), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(old, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(kept); err != nil {
		t.Fatal(err)
	}
	ask()
	if left, err := filepath.Glob(filepath.Join(dir, "builddata", "*")); err != nil || len(left) != 1 ||
		left[0] != kept {
		t.Errorf("over the cap: %q %v", left, err)
	}
}

func TestDumpsThatAreTorn(t *testing.T) {
	whole := dumpOf(t, dumped(theBuild, push.Revision, 1, nil))
	for what, body := range map[string][]byte{
		"a page": []byte("<html>Not here</html>"), "nothing": {}, "half": whole[:len(whole)/2],
		"no builds":       []byte(`{"starttime": 1433116800, "endtime": 1433203199}`),
		"a list alone":    []byte(`[]`),
		"builds no list":  []byte(`{"builds": {"id": 1}}`),
		"an id no number": []byte(`{"builds": [{"id": "x"}]}`),
		"cut text":        []byte(`{"builds": [{"id": 1}, {"id"`),
	} {
		s := newService()
		s.build(theBuild, 0, 1)
		s.dumps[today] = body
		_, err := s.inbound(t, selfserve.Options{}).Jobs(t.Context(), push)
		if !errors.Is(err, job.ErrMalformed) || !strings.Contains(err.Error(), today) {
			t.Errorf("%s: %v", what, err)
		}
	}
	s := newService()
	s.build(theBuild, 0, 1)
	plain, err := gunzip.Reader(bytes.NewReader(dumpOf(t, dumped(theBuild, push.Short(), 1,
		map[string]any{"blobber_files": "{torn", "packageUrl": 7, "gecko_revision": true}))))
	if err != nil {
		t.Fatal(err)
	}
	if s.dumps[today], err = io.ReadAll(plain); err != nil {
		t.Fatal(err)
	}
	if got := statuses(t, s.inbound(t, selfserve.Options{})); got != "success" {
		t.Errorf("named as packed, and not: %s", got)
	}
}

// The folder holds what fits, and always the dump that was fetched last.
func TestDumpsOnDisk(t *testing.T) {
	for size, want := range map[int64]string{1: "1", 1 << 20: "3"} {
		dir := t.TempDir()
		s := newService()
		for day := range 3 {
			at := ended.Add(time.Duration(day) * 24 * time.Hour)
			s.entries[push.Short()] = nil
			s.buildAt(at, theBuild, 0, 1)
			name := "builds-" + at.Format(time.DateOnly) + ".js.gz"
			s.dumps[name] = dumpOf(t, dumpedAt(at, theBuild, push.Revision, 1, nil))
			later := func() time.Time { return at.Add(48 * time.Hour) }
			for range 2 {
				p := s.inbound(t, selfserve.Options{CacheDir: dir, CacheBytes: size, Now: later})
				if got := statuses(t, p); got != "success" {
					t.Error(got)
				}
			}
		}
		left, err := filepath.Glob(filepath.Join(dir, "builddata", "builds-*"))
		if err != nil || fmt.Sprint(len(left)) != want || len(s.gets) != 3 {
			t.Errorf("%d bytes: %q, fetched %q", size, left, s.gets)
		}
	}
}

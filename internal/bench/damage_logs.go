package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/internal/gunzip"
	"github.com/mozci/mozci/internal/testing/damage"
	"github.com/mozci/mozci/internal/testing/testenv"
)

// harmLogs cuts the recorded logs of failing jobs, plain and compressed. A log that is cut must
// never say that a failed test passed.
func harmLogs(t *testing.T, most int, sum *damage.Report) {
	names, err := filepath.Glob(filepath.Join(testenv.Shared(t, "data", "6-logs"), "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		base := filepath.Base(name)
		if kind := filepath.Ext(strings.TrimSuffix(base, ".gz")); kind != ".log" && kind != ".txt" {
			continue
		}
		plain, err := gunzip.Reader(bytes.NewReader(testenv.Read(t, "data", "6-logs", base)))
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if _, err := text.ReadFrom(plain); err != nil {
			t.Fatal(err)
		}
		if r := harmLog(t, base, text.Bytes(), most); r != nil {
			printDamage(r)
			sum.Add(r)
		}
	}
}

// biggestLog is the maximum number of bytes of a log that are cut: each cut is read from the start.
const biggestLog = 4 << 20

// harmLog cuts one log. It returns nil for a log that names no failing test.
func harmLog(t *testing.T, name string, text []byte, most int) *damage.Report {
	whole, err := joblog.Read(t.Context(), bytes.NewReader(text), "", nil)
	if err != nil || len(text) > biggestLog {
		return nil
	}
	var failed []joblog.Failure
	for _, f := range whole.Failures {
		if f.Test != "" && whole.Verdict(f.Test, f.Group) == joblog.TestFailed && len(failed) < 20 {
			failed = append(failed, f)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(text) // a bytes.Buffer takes everything
	_ = z.Close()
	r := &damage.Report{Name: clipLeft("log: "+name, 62)}
	cuts := 10 * most
	for _, whole := range [][]byte{text, packed.Bytes()} {
		for i := range cuts {
			at := i * len(whole) / cuts
			judgeCut(t.Context(), r, whole[:at], at, failed)
		}
	}
	return r
}

// judgeCut counts what a cut log says about the tests that failed.
func judgeCut(ctx context.Context, r *damage.Report, text []byte, at int, failed []joblog.Failure) {
	r.Tried++
	got, err := joblog.Read(ctx, bytes.NewReader(text), "", nil)
	if err != nil {
		r.Caught++
		return
	}
	same := true
	for _, f := range failed {
		switch got.Verdict(f.Test, f.Group) {
		case joblog.TestPassed:
			r.Wrong = append(r.Wrong, fmt.Sprintf("%s: cut at byte %d: %s passed", r.Name, at, f.Test))
			return
		case joblog.TestUnknown:
			same = false
		case joblog.TestFailed:
		}
	}
	if same {
		r.Harmless++
	} else {
		r.Caught++ // it says that it does not know
	}
}

func clipLeft(s string, n int) string { return s[max(0, len(s)-n):] }

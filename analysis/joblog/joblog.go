// Package joblog tells which tests failed in a job, from what the job left
// behind: its error summary, its structured log, or its plain log. It also reads
// wptreport.json, JUnit XML and what the common test runners print: see [Format].
//
// Start with [Failures], which opens the best log that a job has and returns a
// [Report]; [Read] makes one of a file. [Judge] makes an analysis.Judge of it, so
// that good and bad are about one test and not about the job it ran in.
// [ErrorLines] lists the lines of a plain log that say what went wrong, as
// Treeherder does.
//
// # What a log knows
//
//	errorsummary.log   which groups (manifests) were to run and how each ended; every
//	                   result that was not expected; crashes. Passing tests only with
//	                   MOZLOG_DUMP_ALL_TESTS=1.
//	*_raw.log          everything the harness said, each test's start and end
//	plain              lines for people, of all harnesses since 2013, and of test
//	                   runners: those that name the tests that passed tell of these too
//
// Logs come from anybody's push. What is torn, of another format or too large
// gives the failures found so far, and a Report that is Partial and says why;
// memory is bounded whatever the log is. Of a packed log at most 4 GiB are read
// (Options.MaxUnpacked). What is not understood is said, and never a report
// without failures: see [Read].
package joblog

import (
	"slices"
	"strings"
	"time"
)

// Kind is the sort of a failure.
type Kind string

// The kinds.
const (
	KindTest    Kind = "test"    // a test did not end as expected
	KindCrash   Kind = "crash"   // a process crashed, or a sanitizer ended it
	KindLeak    Kind = "leak"    // something was not freed
	KindTimeout Kind = "timeout" // the harness or the application gave no output for too long
	KindLog     Kind = "log"     // the harness logged an error
	KindBuild   Kind = "build"   // make or a compiler failed
	KindInfra   Kind = "infra"   // a machine, a network or the CI failed
)

// Failure is one thing that went wrong in a job.
type Failure struct {
	Line      int // of the log, 1-based; of the whole log that an error summary speaks of where it says so
	Kind      Kind
	Test      string // the test as its harness names it; empty where none is named
	Subtest   string
	Group     string // the manifest
	Status    string // how the test ended: FAIL, TIMEOUT, CRASH …
	Expected  string // how it was to end
	Message   string
	Signature string // of a crash: the function at the top of the stack
}

// Group is a manifest that was to run.
type Group struct {
	Name string
	// Status is OK, or ERROR, SKIP, FAIL, PASS, CRASH; empty for one that did not finish.
	Status   string
	Duration time.Duration
}

// Report is what a log says.
type Report struct {
	// Source is the format of the log: of a plain log that of the only test runner
	// whose lines are in it, else PlainText.
	Source Format
	// Formats are the formats of which something was recognised. It is empty when
	// nothing was: that there are no failures then says nothing.
	Formats []Format
	// Notes say what was done with the log, such as which files of an archive
	// were read.
	Notes    []string
	Failures []Failure // in the order of the log
	Groups   []Group   // in the order of the log; a group has an entry for each of its ends
	// Partial says that the log may hold more failures than these, and Reason why.
	Partial bool
	Reason  string

	ended map[string]ending
	size  int
	quiet bool // it names the tests that passed
}

// ending is what is known of a test that no failure names.
type ending int

const (
	started ending = iota + 1
	passed
	failed
	skipped
)

// The bounds of a report.
const (
	mostFailures = 10_000
	mostNames    = 64 << 20 // bytes of the names of tests
	mostGroups   = 100_000
	longestText  = 16 << 10 // bytes of a message
	longestName  = 4 << 10  // bytes of the name of a test
	longestLine  = 4 << 20  // bytes of a line of JSON
)

func newReport(source Format) *Report { return &Report{Source: source, ended: map[string]ending{}} }

// partial notes why there may be more; the first reason counts.
func (r *Report) partial(why string) {
	r.Partial = true
	if r.Reason == "" {
		r.Reason = why
	}
}

func (r *Report) add(f Failure) {
	if len(r.Failures) >= mostFailures {
		r.partial("more failures than are read")
		return
	}
	f.Test, f.Subtest, f.Group, f.Signature = clip(f.Test, longestName), clip(f.Subtest, longestText), clip(f.Group, longestName), clip(f.Signature, longestName)
	f.Message = clip(f.Message, longestText)
	r.Failures = append(r.Failures, f)
	if f.Test != "" && f.Kind != KindLog {
		r.end(f.Test, failed)
	}
}

// end notes how a test ended: a failure wins over everything, and what is known
// to have ended over what only began.
func (r *Report) end(test string, e ending) {
	test = clip(test, longestName)
	was, known := r.ended[test]
	switch {
	case !known && r.size > mostNames:
		r.partial("more tests than are read")
		return
	case !known:
		r.size += len(test)
	case was == failed, e == started:
		return
	}
	r.ended[test] = e
}

func (r *Report) group(g Group) {
	if len(r.Groups) >= mostGroups {
		r.partial("more groups than are read")
		return
	}
	g.Name = clip(g.Name, longestName)
	for i := range r.Groups { // one that was announced gets its end
		if r.Groups[i].Name == g.Name && r.Groups[i].Status == "" {
			r.Groups[i] = g
			return
		}
	}
	r.Groups = append(r.Groups, g)
}

// clip cuts text at a character.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}

// Verdict is what a report says about one test.
type Verdict int

// The verdicts. Unknown covers everything that the log does not say: a test
// that is not named never turns into one that passed.
const (
	Unknown Verdict = iota
	NotRun          // it was not in the job, or was skipped
	Passed          // it is known to have run, and ended as expected
	Failed          // it did not
)

// String is the verdict in words.
func (v Verdict) String() string {
	if v < Unknown || v > Failed {
		return "unknown"
	}
	return []string{"unknown", "not run", "passed", "failed"}[v]
}

// Verdict says how a test ended. The test is named as its harness names it; a
// path, chrome or file URL of the same test means the same (see SameTest). A
// test that the log does not name has passed only if its group ran to its end
// without a crash: group is its manifest, or empty for the manifest in the
// nearest folder above the test.
func (r *Report) Verdict(test, group string) Verdict {
	if e, ok := r.named(test); ok {
		switch e {
		case failed:
			return Failed
		case passed:
			return Passed
		case skipped:
			return NotRun
		}
		return Unknown // it began, and nobody says how it ended
	}
	if r.quiet && !r.Partial {
		return NotRun
	}
	if r.Partial || r.Source != ErrorSummary {
		return Unknown
	}
	return r.byGroup(test, group)
}

func (r *Report) named(test string) (ending, bool) {
	if e, ok := r.ended[test]; ok {
		return e, ok
	}
	want, best := CanonicalTest(test), ending(0)
	for name, e := range r.ended {
		if CanonicalTest(name) == want && (best == 0 || e == failed) {
			best = e
		}
	}
	return best, best != 0
}

// byGroup tells by the end of the test's groups: all of them must say the same.
func (r *Report) byGroup(test, group string) Verdict {
	groups := r.groupsOf(test, group)
	if len(r.Groups) == 0 {
		return Unknown
	}
	if len(groups) == 0 {
		return NotRun
	}
	out := Passed
	for _, g := range groups {
		crashed := slices.ContainsFunc(r.Failures, func(f Failure) bool {
			return (f.Kind == KindCrash || f.Kind == KindTimeout) && (f.Group == "" || f.Group == g.Name)
		})
		switch {
		case g.Status == "SKIP":
			out = min(out, NotRun)
		case g.Status == "" || g.Status == "CRASH" || crashed:
			return Unknown
		}
	}
	return out
}

// groupsOf are the groups that the test can be in: the named one, or those whose
// folder is the nearest above the test.
func (r *Report) groupsOf(test, group string) []Group {
	if group != "" {
		return slices.DeleteFunc(slices.Clone(r.Groups), func(g Group) bool { return g.Name != group })
	}
	names := make([]string, len(r.Groups))
	for i, g := range r.Groups {
		names[i] = g.Name
	}
	near := nearest(names, test)
	return slices.DeleteFunc(slices.Clone(r.Groups), func(g Group) bool { return !slices.Contains(near, g.Name) })
}

// folder is the path without its last part; empty at the top.
func folder(path string) string {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return ""
	}
	return path[:i]
}

// Package joblog finds out which tests failed in a job, from the job's error summary, its
// structured log, or its plain log. It also reads wptreport.json, JUnit XML and the output
// of the common test runners; see [Format].
//
// Start with [Failures], which opens the best log of a job, or with [Read] for a file. Both
// return a [Report]:
//
//	file, err := os.Open("mochitest_errorsummary.log")
//	report, err := joblog.Read(ctx, file, "", nil) // "": the content tells the format
//	for _, f := range report.Failures {
//		fmt.Println(f.Test, f.Status, f.Message, f.Fingerprint())
//	}
//	if report.Partial {
//		fmt.Println("there may be more failures:", report.Reason)
//	}
//	fmt.Println(report.Verdict("dom/a/test_a.html", "")) // passed, failed, not run, or unknown
//
// Ask [Report.Verdict] how one test ended, and do not conclude from Failures that it passed: a test
// that is not among them may not have run. [InOrder] reads many logs at a time.
//
// [TestJudge] makes an analysis.Judge, so that good and bad are about one test and not about
// the job that it ran in. [SignatureJudge] does the same for failures with certain
// signatures. [ErrorLines] lists the error lines of a plain log by Treeherder's rules.
//
// Reports are not safe for concurrent use while they are being made; a finished one may be
// read by several goroutines. Lines are counted from 1.
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
// A test has one outcome in a report, even when the log spells its name in several ways
// (CanonicalTest): a failure under any spelling wins over a pass under another. A test has
// passed only when the log says that it ended well. A test that began and has no end, because
// it hung, the application crashed or the log was cut, is listed among the failures and is
// neither passed nor failed. In a log whose end is missing no test has passed: the missing part
// may blame a crash on it.
//
// # Damaged and hostile logs
//
// Logs come from anybody's push. One that is damaged, too large, or of another format than
// named gives the failures found so far; the Report is then Partial and its Reason says why. A
// log that is not understood at all is never taken for a log without failures: see [Read].
//
// A report keeps at most 10,000 failures with 16 MiB of text, the ends of tests in 24 MiB (12
// MiB for test runners), and 100,000 groups in 16 MiB. Reason says which of these was exceeded.
// The time to read a log is proportional to its size. Of a compressed log at most 4 GiB are read
// (Options.MaxUnpacked).
package joblog

import (
	"time"

	"github.com/mozci/mozci/internal/clip"
)

// The way of a log through the files of this package:
//
//	read.go             Read: unpack, decode, recognise the format, and choose its reader
//	unpack.go           gzip, zstd, xz and bzip2; archive.go and tornzip.go do zip
//	encoding.go         UTF-16 to UTF-8
//	sniff.go            the format of the content, or why it is no log
//	summary.go          error summaries; mozlog.go does structured logs, both by jsonlines.go
//	junit.go            JUnit XML; wptreport.go does wptreport.json
//	plain.go            plain logs: text.go reads the lines of Mozilla's harnesses, watcher.go those
//	                    of test runners, for which each format has a file such as cargo.go
//	outcome.go          what becomes of a test in a report; verdict.go answers for one test

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
	Line      int // in the log, 1-based; an error summary may give the line in the job's whole log instead
	Kind      Kind
	Test      string // the test's name as the harness writes it; empty when the log names no test
	Subtest   string // the part of the test that failed; empty for the test as a whole
	Group     string // the manifest, or a test runner's package, binary, class or suite; empty when not known
	Status    string // how the test ended: FAIL, TIMEOUT, CRASH …; empty for a test that began and did not end
	Expected  string // the expected status, when the log gives it
	Message   string
	Signature string // for a crash, the function at the top of the stack
}

// Group is a manifest that was to run.
type Group struct {
	Name string
	// Status is OK, or ERROR, SKIP, FAIL, PASS, CRASH; empty for one that did not finish.
	Status   string
	Duration time.Duration // only error summaries give it, to the millisecond; otherwise 0
}

// Report is what a log says.
type Report struct {
	// Source is the format of the log. A plain log with lines of exactly one test runner
	// has that runner's format; any other is PlainText.
	Source Format
	// Formats are the formats that were recognised in the log. When it is empty, nothing
	// was, and the absence of failures means nothing.
	Formats []Format
	// Notes say what was done with the log, such as which files of an archive were read.
	Notes    []string
	Failures []Failure // in the order of the log
	Groups   []Group   // in the order of the log; a group that ended several times is there as often
	// Partial says that the log may have more failures than these; Reason says why.
	Partial bool
	Reason  string

	// The rest is what verdicts are made from. Maps but begun are nil until they are needed. An index in
	// Failures is valid until finish, which drops some and sorts the others.

	tests   map[string]*outcome   // by canonical name
	spelled map[string]*outcome   // by the other names that the log has for them
	byFile  map[string][]*outcome // by file: the tests whose names have more than the file
	asked   map[string]bool       // canonical names that are kept even beyond the limits
	strays  []string              // failed tests whose names may also mean other tests
	begun   map[string]int        // by group that has not ended: its index in Groups
	crashes map[*outcome][]int    // indices in Failures of crashes that may turn out to be expected
	dropped map[int]bool          // indices in Failures of those that did
	bad     []Failure             // groups of an error summary that ended badly, at most mostBadGroups
	size    kept                  // what counts towards the maximums in limits.go
	holes   int                   // the number of parts of the log that could not be read
	torn    bool                  // the end of the log is missing
	quiet   bool                  // the log names the tests that passed: a test that it does not name did not run
	listing bool                  // it is an error summary that names them, as with MOZLOG_DUMP_ALL_TESTS=1
}

func newReport(source Format) *Report {
	return &Report{Source: source, begun: map[string]int{}}
}

// want names tests whose ends are kept even when there are more tests than the report keeps. The file
// of each is kept too, since a verdict may need it: for "a.html == b.html", also "a.html".
func (r *Report) want(tests []string) *Report {
	r.asked = map[string]bool{}
	for _, t := range tests {
		name := CanonicalTest(t)
		r.asked[name], r.asked[fileOf(name)] = true, true
	}
	return r
}

// partial notes why there may be more failures. The first reason is kept.
func (r *Report) partial(why string) {
	r.Partial = true
	if r.Reason == "" {
		r.Reason = why
	}
}

// add lists a failure, and notes that its test failed. What the harness logs about itself (KindLog)
// fails no test.
//
// A crash in a test is no failure when the test was expected to crash, and a log may say so before
// or after the crash. Before, mayCrash is set and the crash is dropped at once. Otherwise the crash is
// listed, its place is kept in crashes, and settle drops it when the expected end comes.
func (r *Report) add(f Failure) {
	at := r.list(f)
	if f.Test == "" || f.Kind == KindLog {
		return
	}
	if f.Kind != KindCrash || f.Status != crashStatus {
		r.end(f.Test, failed)
		return
	}
	o := r.outcome(f.Test)
	switch {
	case o == nil:
	case o.mayCrash:
		r.drop(at)
	default:
		r.failed(o, f.Test)
		o.crashed = true
		if at >= 0 {
			if r.crashes == nil {
				r.crashes = map[*outcome][]int{}
			}
			r.crashes[o] = append(r.crashes[o], at)
		}
	}
}

// list appends a failure and returns its index in Failures, or -1 when there are too many. It says
// nothing about how the test ended.
func (r *Report) list(f Failure) int {
	n := min(len(f.Subtest), longestText) + min(len(f.Message), longestText)
	for _, name := range []string{f.Test, f.Group, f.Status, f.Expected, f.Signature} {
		n += min(len(name), longestName)
	}
	if len(r.Failures) >= mostFailures || r.size.text+n > mostText {
		r.partial(tooManyFailures)
		return -1
	}
	r.size.text += n
	r.Failures = append(r.Failures, f.clipped(longestText))
	return len(r.Failures) - 1
}

// clipped is the failure with as much of its text as is kept; message is the maximum of the message, in
// bytes. The texts are copies, so that a failure does not keep a whole block of the log in memory.
func (f Failure) clipped(message int) Failure {
	f.Subtest, f.Message = clip.Text(f.Subtest, longestText), clip.Text(f.Message, message)
	for _, name := range []*string{&f.Test, &f.Group, &f.Status, &f.Expected, &f.Signature} {
		*name = clip.Text(*name, longestName)
	}
	return f
}

// group notes that a group was to run, when its status is empty, or how it ended.
//
//	announced "a.toml", ended "a.toml" OK           one group, OK
//	ended "a.toml" OK, ended "a.toml" ERROR         two groups: it ran twice
//	announced "a.toml"                              one group without a status: it did not finish
func (r *Report) group(g Group) {
	g.Name, g.Status = clip.Text(g.Name, longestName), clip.Text(g.Status, longestName)
	if i, ok := r.begun[g.Name]; ok { // one that was announced gets its end
		r.Groups[i] = g
		if g.Status != "" {
			delete(r.begun, g.Name)
		}
		return
	}
	if len(r.Groups) >= mostGroups || r.size.groups > mostGroupText {
		r.partial(tooManyGroups)
		return
	}
	r.size.groups += len(g.Name) + perGroup
	if g.Status == "" {
		r.begun[g.Name] = len(r.Groups)
	}
	r.Groups = append(r.Groups, g)
}

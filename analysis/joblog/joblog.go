// Package joblog tells which tests failed in a job, from what the job left
// behind: its error summary, its structured log, or its plain log. It also reads
// wptreport.json, JUnit XML and what the common test runners print: see [Format].
//
// Start with [Failures], which opens the best log that a job has and returns a
// [Report]; [Read] makes one of a file. [TestJudge] makes an analysis.Judge of it, so
// that good and bad are about one test and not about the job it ran in; [SignatureJudge]
// makes one that is about failures of certain signatures.
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
// A test has one outcome in a report, however the log spells it (CanonicalTest): a
// failure under any spelling wins over a pass under another. A test has passed
// only when the log says that it ended well. One that began and has no end (it
// hung, the application crashed, the log was cut) is listed among the failures
// and is neither passed nor failed. In a log without its end no test has passed: a
// crash may be laid at its door later.
//
// Logs come from anybody's push. What is torn, of another format or too large
// gives the failures found so far, and a Report that is Partial and says why. A
// report keeps at most 10,000 failures with 16 MiB of text, the ends of tests in
// 24 MiB (12 MiB of those that test runners print), and 100,000 groups in 16 MiB;
// it says in Reason which of these a log was over. Reading takes time in
// proportion to the log. Of a packed log at most 4 GiB are read
// (Options.MaxUnpacked). What is not understood is said, and never a report
// without failures: see [Read].
package joblog

import (
	"time"

	"github.com/mozci/mozci/internal/clip"
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
	Status    string // how the test ended: FAIL, TIMEOUT, CRASH …; empty for a test that began and did not end
	Expected  string // how it was to end, where the log says so
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
	Groups   []Group   // in the order of the log; a group is there once for each of its ends
	// Partial says that the log may hold more failures than these, and Reason why.
	Partial bool
	Reason  string

	tests   map[string]*outcome   // by canonical name
	spelled map[string]*outcome   // by other names that the log has for them
	byFile  map[string][]*outcome // those of which the name has more than the file
	asked   map[string]bool       // canonical names that are kept whatever else is
	strays  []string              // tests that failed and whose names may mean others too
	begun   map[string]int        // the place in Groups of a group that has not ended
	crashes map[*outcome][]int    // places in Failures of crashes that may turn out to have been expected
	dropped map[int]bool          // places in Failures of those that did
	bad     []Failure             // groups of an error summary that ended badly
	size    kept
	holes   int  // parts of the log that could not be read
	torn    bool // its end is missing
	quiet   bool // it names the tests that passed
	listing bool // an error summary that does
}

func newReport(source Format) *Report {
	return &Report{Source: source, begun: map[string]int{}}
}

// want names tests whose ends are kept also when there are more tests than that.
func (r *Report) want(tests []string) *Report {
	r.asked = map[string]bool{}
	for _, t := range tests {
		name := CanonicalTest(t)
		r.asked[name], r.asked[fileOf(name)] = true, true
	}
	return r
}

// partial notes why there may be more; the first reason counts.
func (r *Report) partial(why string) {
	r.Partial = true
	if r.Reason == "" {
		r.Reason = why
	}
}

// add lists a failure, and notes that its test failed.
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

// list appends a failure and returns its place, or -1 when there are too many.
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

// clipped is the failure with as much of its text as is kept.
func (f Failure) clipped(message int) Failure {
	f.Subtest, f.Message = clip.Text(f.Subtest, longestText), clip.Text(f.Message, message)
	for _, name := range []*string{&f.Test, &f.Group, &f.Status, &f.Expected, &f.Signature} {
		*name = clip.Text(*name, longestName)
	}
	return f
}

// group notes that a group was to run, or how it ended.
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

package joblog

import (
	"slices"
	"strings"
)

// TestVerdict is what a report says about one test.
type TestVerdict int

// The verdicts. TestUnknown covers everything that the log does not say: a test
// that is not named never turns into one that passed.
const (
	TestUnknown TestVerdict = iota // the log does not say
	TestNotRun                     // it was not in the job, or was skipped
	TestPassed                     // it is known to have run, and ended as expected
	TestFailed                     // it did not
)

// String is the verdict in words.
func (v TestVerdict) String() string {
	if v < TestUnknown || v > TestFailed {
		return "unknown"
	}
	return []string{"unknown", "not run", "passed", "failed"}[v]
}

// Verdict says how a test ended. The test may have any of its names (see CanonicalTest); the name of a
// file of reftests or of Python tests means all tests in it. group is the test's manifest; empty
// means the manifest in the nearest folder above the test.
//
// A test that the log does not name counts as passed only if its group ran to its end without a crash,
// and the log is not of a kind that lists the tests that passed. For the test a/t1.js:
//
//	the log says that it failed, under any name               failed
//	that it began, and not how it ended                       unknown
//	that it ended as expected, and the log has its end        passed
//	nothing, but names all tests that ran                     not run
//	nothing, in an error summary whose a/m.toml is OK         passed
//	nothing, in one whose a/m.toml crashed or has no end      unknown
//	nothing, in any other log                                 unknown
func (r *Report) Verdict(test, group string) TestVerdict {
	name := CanonicalTest(test)
	v := TestUnknown
	found := r.named(name) // empty when the log does not name it
	switch {
	case len(found) > 0:
		v = together(found)
		if v == TestPassed && (r.torn || r.Source == ErrorSummary && r.holes > 0) {
			return TestUnknown // a part that could not be read may have had a failure
		}
	case r.quiet && !r.Partial && !r.torn:
		return TestNotRun
	case !r.Partial && r.holes == 0 && r.Source == ErrorSummary:
		v = r.byGroup(test, group)
	}
	if v == TestPassed && slices.ContainsFunc(r.strays, func(s string) bool {
		return mayBe(s, name) || len(found) == 0 && strings.HasPrefix(s, name+"?")
	}) {
		return TestUnknown // something failed under a name that may mean this test
	}
	return v
}

// skips reports whether the log says that the test, or its group, was skipped.
func (r *Report) skips(test, group string) bool {
	return len(r.named(CanonicalTest(test))) > 0 ||
		slices.ContainsFunc(r.groupsOf(test, group), func(g Group) bool { return g.Status == "SKIP" })
}

// mayBe reports whether a name with additional folders before it may mean a test.
//
//	/opt/ci/run-77/dom/a.html    dom/a.html     yes
//	/opt/ci/run-77/css/a.html    /css/a.html    yes
//	/_mozilla/svg/a.html         /svg/a.html    no: it is the id of another web platform test
func mayBe(stray, test string) bool {
	if strings.HasPrefix(test, "/") {
		return len(stray) > len(test) && stray[0] == '/' && machine(stray) && strings.HasSuffix(stray, test)
	}
	return strings.HasSuffix(stray, "/"+test)
}

// named are the outcomes that a canonical name means: its own, those of all tests in the file that it is,
// and that of the file in which it is. For "a.html == b.html" these are its own and that of "a.html".
func (r *Report) named(name string) []*outcome {
	var found []*outcome
	if o, ok := r.tests[name]; ok {
		found = append(found, o)
	}
	found = append(found, r.byFile[name]...)
	if file := fileOf(name); file != name {
		if o, ok := r.tests[file]; ok {
			found = append(found, o)
		}
	}
	return found
}

// together is the verdict of several outcomes of one test, in any order. A failure counts most, then an
// end that is not known, then a pass; it is "not run" only if all were skipped.
func together(found []*outcome) TestVerdict {
	var bad, open, good bool
	for _, o := range found {
		bad = bad || o.failed || o.crashed
		open = open || o.lost || o.flaky || len(o.open) > 0
		good = good || o.passed
	}
	skipped := !slices.ContainsFunc(found, func(o *outcome) bool { return !o.skipped })
	switch {
	case bad:
		return TestFailed
	case open:
		return TestUnknown // its end is not known
	case good:
		return TestPassed
	case skipped:
		return TestNotRun
	}
	return TestUnknown
}

// byGroup judges a test that an error summary does not name by the ends of its groups. All must have ended
// without anything that could hide the test's failure:
//
//	OK                                            passed
//	ERROR, and its failures name other tests      passed
//	ERROR, and no failure in it names a test      unknown
//	ERROR, and a test in it timed out             unknown, unless the harness restarts
//	a crash in it, or one in no group             unknown
//	no status: it did not end                     unknown
//	SKIP                                          not run
//	no group that can contain the test            not run
func (r *Report) byGroup(test, group string) TestVerdict {
	if len(r.Groups) == 0 {
		return TestUnknown
	}
	groups := r.groupsOf(test, group)
	if len(groups) == 0 {
		return TestNotRun
	}
	failures := r.failuresByGroup()
	out := TestPassed
	for _, g := range groups {
		t := failures[CanonicalTest(g.Name)]
		switch {
		case g.Status == "SKIP":
			out = min(out, TestNotRun) // which is below TestPassed
		case failures[""].broke, t.broke:
			return TestUnknown
		case g.Status == "OK", g.Status == "PASS":
		case (g.Status == "ERROR" || g.Status == "FAIL") && t.named:
		default:
			return TestUnknown // the group did not end, or ended badly without naming the test
		}
	}
	if out == TestPassed && r.listing {
		return TestNotRun // the tests that passed are listed, and it is not among them
	}
	return out
}

// trouble is what went wrong in a group.
type trouble struct {
	named bool // a test failed, and the log names it
	broke bool // something ended the group early, so that the tests after it may not have run
}

// failuresByGroup is what went wrong in each group, by its canonical name. Failures that name no group are
// under the empty name.
func (r *Report) failuresByGroup() map[string]trouble {
	out := map[string]trouble{}
	for _, f := range r.Failures {
		g := CanonicalTest(f.Group)
		t := out[g]
		switch {
		case f.Kind == KindCrash, f.Kind == KindTimeout:
			t.broke = true
		case f.Kind != KindTest || g == "":
		case f.Test == "":
			t.broke = true
		case f.Status == "FAIL" || f.Status == "PASS" || restarts(g):
			t.named = true
			t.broke = t.broke || strings.Contains(f.Message, "giving up")
		default: // TIMEOUT, ERROR …: the harness may have gone no further
			t.broke = true
		}
		out[g] = t
	}
	return out
}

// restarts reports whether a group belongs to a harness that starts a new process after a test that hung:
// xpcshell, or web platform tests, whose groups begin with a slash. There a test's TIMEOUT says nothing
// of the tests after it.
func restarts(group string) bool {
	return strings.HasPrefix(group, "/") || strings.HasPrefix(base(group), "xpcshell")
}

// groupsOf are the groups that can contain the test: the named one, or those in the nearest folder above
// the test.
func (r *Report) groupsOf(test, group string) []Group {
	names := map[string]bool{}
	if group != "" {
		names[CanonicalTest(group)] = true
	} else {
		all := make([]string, len(r.Groups))
		for i, g := range r.Groups {
			all[i] = g.Name
		}
		for _, n := range nearest(all, test) {
			names[CanonicalTest(n)] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(r.Groups), func(g Group) bool { return !names[CanonicalTest(g.Name)] })
}

// Nameless returns the groups that ended badly although none of the Failures is in them, as failures
// without a test: which test it was is unknown. Error summaries have such groups when a test could
// not even begin.
func (r *Report) Nameless() []Failure {
	told := map[string]bool{}
	for _, f := range r.Failures {
		told[f.Group] = true
	}
	var out []Failure
	for _, f := range r.bad {
		if !told[f.Group] {
			out = append(out, f)
		}
	}
	return out
}

// Unfinished returns the groups that were to run and did not end.
func (r *Report) Unfinished() []Group {
	return slices.DeleteFunc(slices.Clone(r.Groups), func(g Group) bool { return g.Status != "" })
}

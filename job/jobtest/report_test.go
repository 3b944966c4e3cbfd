package jobtest_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
)

// A line of a kit's report: the rule, what was called with what, what came back and
// what is wanted. Only Name and Unwrap are called with nothing.
var reportLine = regexp.MustCompile(`^[a-z-]+: ` +
	`(?:(?:Push|Pushes|Jobs|Trigger|Catalog|Cancel|Carried|Accepted|FindRun|History|Statuses)\([^()]+\)|(?:Name|Unwrap|As\[\w+\])\(\)).* ` +
	`returned .+, want .+$`)

// What a stranger reads of each mutant names the method and its arguments: every line
// has one form, and for some rules the words are fixed.
func TestReportsSayWhatWasCalled(t *testing.T) {
	jobtest.Hurry(t)
	w, lines := jobtest.MustParse(kitWorld), map[string]string{}
	check := func(name string, report error) {
		t.Helper()
		if report == nil {
			t.Errorf("%s: nothing is reported", name)
			return
		}
		for l := range strings.SplitSeq(report.Error(), "\n") {
			if !reportLine.MatchString(l) {
				t.Errorf("%s: %s", name, l)
			}
			rule, _, _ := strings.Cut(l, ": ")
			lines[rule] += l + "\n"
		}
	}
	for _, m := range jobtest.SchedulerMutants() {
		ci := jobtest.NewCI(w, nil)
		c := schedulerCase(w, ci)
		if strings.HasPrefix(m.Rule, "hang-") {
			c.Hang = ci.Hang
		}
		check(m.Name, jobtest.CheckScheduler(t.Context(), m.Break(ci), c))
	}
	for _, m := range jobtest.RepositoryMutants() {
		ci := jobtest.NewCI(w, nil)
		r, err := ci.Repository("mozilla-central")
		if err != nil {
			t.Fatal(err)
		}
		c := repositoryCase(w, "mozilla-central")
		if strings.HasPrefix(m.Rule, "hang-") {
			c.Hang = ci.Hang
		}
		if m.Name == "ordered by id where time says otherwise" { // there ids grow with time
			late := latePushes()
			r, c.Pushes = job.NewList("late", late), late
		}
		check(m.Name, jobtest.CheckRepository(t.Context(), m.Break(r), c))
	}
	for rule, want := range saidOfMutants {
		if !strings.Contains(lines[rule], want) {
			t.Errorf("%s: no %q in:\n%s", rule, want, lines[rule])
		}
	}
}

// saidOfMutants is what the reports of some rules contain.
var saidOfMutants = map[string]string{
	"all-labels":       `Jobs(push 101 of autoland) returned `,
	"jobs-by-name":     `Jobs(push 101 of autoland, "linux/test") returned job `,
	"not-scheduled":    `Jobs(push 99 of autoland) returned nothing and the error `,
	"job-push":         `want revision "e5a4`,
	"trigger-count":    `Trigger(2 runs of "linux/test" on push 101 of autoland, key "kit-two") and Settle returned `,
	"count":            `Trigger(0 runs of "linux/test" on push 101 of autoland, key "kit-count-0") returned no error`,
	"twice-is-once":    `key "kit-once") three times and Settle returned 3 more than before, want 1 more`,
	"unknown-label":    `Trigger(1 run of "no-such-label" on push 101 of autoland, key "kit-unknown-label") returned `,
	"catalog-named":    `Catalog(push 101 of autoland, "no-such-label") returned `,
	"carried":          `Carried(1 run of "linux/test" on push 101 of autoland, key "kit-once") returned `,
	"cancel":           `after Cancel("`,
	"unwrap":           `Unwrap() returned nil, want the Scheduler inside`,
	"hang-own-context": ` with a deadline of 50ms while Jobs(push 101 of autoland`,
	"cancelled-trigger": `Trigger(1 run of "linux/test" on push 101 of autoland, key "kit-cancelled") ` +
		`with a cancelled context returned `,
	"catalog-not-scheduled": `Catalog(push 99 of autoland) returned no error, want an error that wraps `,
	"ids-inclusive":         `Pushes(ids 8 to 12) returned `,
	"around-before":         `Pushes(2 before and 0 after 0d4e`,
	"tip-is-newest":         `Push("tip") returned push 7 of mozilla-central, want push 110 of mozilla-central`,
	"unknown-revision":      `Push("deadbeefdeadbeefdeadbeefdeadbeefdeadbeef") returned no error, want`,
	"error-type":            `Push("") returned the error `,
	"full-tip-last":         `Pushes(ids 7 to 110, in full) returned push `,
}

// Ranges are said in words, each in its own.
func TestReportsOfRanges(t *testing.T) {
	w := jobtest.MustParse(kitWorld)
	r, err := jobtest.NewCI(w, nil).Repository("mozilla-central")
	if err != nil {
		t.Fatal(err)
	}
	c := repositoryCase(w, "mozilla-central")
	c.Pushes[0].User, c.Pushes[4].User = "another", "another" // what the repository says differs
	report := jobtest.CheckRepository(t.Context(), r, c)
	for _, want := range []string{
		`ids-all: Pushes(ids 7 to 110) returned 7 (`,
		`; the first that differs is push 7 of mozilla-central (revision 0a1b`,
		`revisions-one: `, // about another push
		`around-end: Pushes(0 before and 50 after `,
		`full-same-pushes: Pushes(ids 7 to 110, in full)`,
		`push-by-prefix: Push("0a1b`,
	} {
		if found := strings.Contains(report.Error(), want); found == (want == "revisions-one: ") {
			t.Errorf("%q: %t in:\n%v", want, found, report)
		}
	}
}

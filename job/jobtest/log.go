package jobtest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/mozci/mozci/job"
)

// The logs of runs, as the harnesses of Mozilla write them: package joblog must find in them what
// the world says.

// OpenLog implements job.LogOpener. A run that has ended has an errorsummary and a plain log, which
// name the failed test, or "test" if the world has no name for it. The plain log of a run that
// measured a value has a line with it for Perfherder.
func (c *CI) OpenLog(ctx context.Context, j job.Job, which job.LogKind) (io.ReadCloser, error) {
	if err := c.reach(ctx); err != nil {
		return nil, job.Wrap("world.log", j.ID(), err)
	}
	c.lock()
	defer c.unlock()
	n, err := c.byID(j.ID())
	if err != nil {
		return nil, job.Wrap("world.log", j.ID(), err)
	}
	text, ok := n.log(which)
	if !ok {
		return nil, job.Wrap("world.log", j.ID(), fmt.Errorf("%w: the run has no %s log", job.ErrNotFound, which))
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

// log is one log of a run; false when it has none. Runs that have not ended have no log, a busted
// one has only a plain log, and a build has no errorsummary.
func (n *run) log(which job.LogKind) (string, bool) {
	ran := n.status == job.StatusSuccess || n.status == job.StatusTestFailed
	switch {
	case which == job.LogText && n.status == job.StatusBusted:
		return "make: *** [" + cmp.Or(n.sig, "all") + "] Error 2\n", true
	case which == job.LogText && ran:
		return n.plain(), true
	case which == job.LogErrorSummary && ran && n.repo.kind(n.label) != job.KindBuild:
		return n.summary(), true
	}
	return "", false
}

// failing is the test that failed.
func (n *run) failing() string { return cmp.Or(n.sig, usualTest) }

// plain is the plain log: a line for each test of the label. A run that failed has its failing test
// last, and no value for Perfherder.
func (n *run) plain() string {
	if n.status == job.StatusTestFailed {
		return n.passed(n.failing()) + "TEST-UNEXPECTED-FAIL | " + n.failing() + " | expected PASS\n"
	}
	if n.cell.noTest {
		return "nothing to run\n"
	}
	return n.passed("") + n.perfherder()
}

// passed are the lines of the label's tests that passed: all but the one that failed, or all when
// none did: "TEST-PASS | a".
func (n *run) passed(failed string) string {
	var b strings.Builder
	for _, name := range n.repo.tests[n.label] {
		if name != failed {
			b.WriteString("TEST-PASS | " + name + "\n")
		}
	}
	return b.String()
}

// summary is the errorsummary: a line of JSON for each event. Without the test that is searched
// for, a run that succeeded has another group, and one that failed has none.
func (n *run) summary() string {
	if n.cell.noTest && n.status != job.StatusSuccess {
		return `{"action":"test_groups","line":1,"groups":[]}` + "\n"
	}
	if n.cell.noTest {
		return `{"action":"test_groups","line":1,"groups":["elsewhere/group"]}` + "\n" +
			`{"action":"group_result","line":2,"group":"elsewhere/group","status":"OK","duration":1000}` + "\n"
	}
	const groups = `{"action":"test_groups","line":1,"groups":["group"]}` + "\n"
	if n.status == job.StatusSuccess {
		return groups + `{"action":"group_result","line":2,"group":"group","status":"OK","duration":1000}` + "\n"
	}
	name, err := json.Marshal(n.failing())
	if err != nil {
		panic(err) // text is always JSON
	}
	return groups + `{"action":"test_result","line":2,"test":` + string(name) + `,"group":"group","status":"FAIL",` +
		`"expected":"PASS","message":"expected PASS","known_intermittent":[]}` + "\n" +
		`{"action":"group_result","line":3,"group":"group","status":"ERROR","duration":1000}` + "\n"
}

package joblog

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// suiteGroups are the groups of a structured log. If the start of the suite lists manifests with their
// tests, these are the groups. If it lists tests alone, the groups that begin and end in the log
// are. The groups "parallel" and "sequential" of xpcshell do not count: they are no manifests.
//
// A group is announced with an empty status, and gets its status at its group_end. Harnesses that write
// no group_end leave that to the suite_end:
//
//	suite_start   tests {"a/m.toml":["a/t1.js"],"b/m.toml":["b/t1.js"]}
//	group_start   a/m.toml         begin: it is the current group
//	test_start    a/t1.js          started: 1 open
//	test_end      a/t1.js OK       ended: 0 open, 1 ended
//	group_end     a/m.toml         end: a/m.toml is OK
//	suite_end                      over: b/m.toml has no test that ended, and stays without a status
type suiteGroups struct {
	r       *Report
	members map[string]string      // the group of a test, by its name without the suffix of a second run
	counts  map[string]*groupCount // by group
	listed  bool                   // the suite lists its groups
	current string                 // the group that is under way; empty between groups
	size    int                    // bytes that members and counts take, of this suite; at most mostGroupText
}

// groupCount is the progress of a group.
type groupCount struct {
	tests   int  // that the suite lists for it; 0 when it lists none
	open    int  // that began and have not ended
	ended   int  // that ended, in whatever way; a test that runs twice counts twice
	skipped int  // of those that ended
	failed  bool // something in it was not as expected
	over    bool // its end was noted
}

// announce reads the groups of a suite_start: the keys of its tests, {"a/m.toml":["a/t1.js"]}. A list of
// tests, ["a/t1.js"], has no groups. What is known of the suite before is dropped.
func (s *suiteGroups) announce(tests json.RawMessage) {
	s.members, s.counts, s.listed, s.current, s.size = map[string]string{}, map[string]*groupCount{}, false, "", 0
	var groups map[string]json.RawMessage
	if len(tests) == 0 || tests[0] != '{' || json.Unmarshal(tests, &groups) != nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		if !wanted(name) {
			continue
		}
		s.listed = true
		s.r.group(Group{Name: name})
		c := s.count(name)
		var ids []testID
		if c == nil || json.Unmarshal(groups[name], &ids) != nil {
			continue
		}
		c.tests = len(ids)
		for _, id := range ids {
			if s.size += len(id) + perGroup; s.size > mostGroupText {
				s.r.partial(tooManyGroups)
				return
			}
			s.members[cleanTest(string(id))] = name
		}
	}
}

// cleanTest is a test's name without the suffix of a second run.
func cleanTest(test string) string { return strings.TrimSuffix(test, " (finished)") }

// of is the group of a test, or the present group for a test that is in none.
func (s *suiteGroups) of(test string) string {
	if g, ok := s.members[cleanTest(test)]; ok {
		return g
	}
	return s.current
}

// count finds or makes the progress of a group; nil for no group, and when there are too many.
func (s *suiteGroups) count(name string) *groupCount {
	if s.counts == nil {
		s.counts = map[string]*groupCount{}
	}
	c, ok := s.counts[name]
	if ok || !wanted(name) {
		return c
	}
	if s.size += len(name) + 2*perGroup; s.size > mostGroupText {
		s.r.partial(tooManyGroups)
		return nil
	}
	c = &groupCount{}
	s.counts[name] = c
	return c
}

// begin reads a group_start. Where the suite lists its groups, another group is none of them, and does not
// become the current one.
func (s *suiteGroups) begin(name string) {
	if c := s.counts[name]; c != nil || !s.listed && wanted(name) && name != "parallel" &&
		name != "sequential" {
		s.current = name
		if c != nil {
			c.over = false
		}
	}
}

// end reads a group_end, also of a group whose group_start is missing.
func (s *suiteGroups) end(name string) {
	if name == s.current {
		s.current = ""
	}
	if s.listed && s.counts[name] == nil || name == "parallel" || name == "sequential" {
		return
	}
	if c := s.count(name); c != nil {
		s.close(name, c)
	}
}

// close notes how a group ended: badly, if a test in it failed or has no end.
func (s *suiteGroups) close(name string, c *groupCount) {
	status := "OK"
	switch {
	case c.failed || c.open > 0:
		status = "ERROR"
	case c.ended > 0 && c.skipped == c.ended:
		status = "SKIP"
	}
	c.over = true
	s.r.group(Group{Name: name, Status: status})
}

// over ends the groups of a suite for which the log has no end, if all their tests have ended.
func (s *suiteGroups) over() {
	for _, name := range slices.Sorted(maps.Keys(s.counts)) {
		if c := s.counts[name]; !c.over && c.ended > 0 && c.ended >= c.tests {
			s.close(name, c)
		}
	}
}

func (s *suiteGroups) started(group string) {
	if c := s.count(group); c != nil {
		c.open++
	}
}

// ended notes that a test of a group ended. A test that is skipped can have an end without a beginning,
// so open is kept from falling below 0.
func (s *suiteGroups) ended(group string, skipped bool) {
	if c := s.count(group); c != nil {
		c.open = max(0, c.open-1)
		c.ended++
		if skipped {
			c.skipped++
		}
	}
}

// failed notes that something in a group was not as expected, which makes its status ERROR.
func (s *suiteGroups) failed(group string) {
	if c := s.count(group); c != nil {
		c.failed = true
	}
}

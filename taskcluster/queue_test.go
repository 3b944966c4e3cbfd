package taskcluster_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

// Real groups of 2017 and 2018: every task is read, across pages.
func TestRealGroups(t *testing.T) {
	for name, c := range map[string]struct {
		pages []string
		jobs  int
	}{
		"two pages": {[]string{
			"code-coverage__list-task-group_page1.json.gz",
			"code-coverage__list-task-group_page2.json",
		}, 210},
		"a try push":    {[]string{"wpt-sync__taskgroup-wpt-complete.json"}, 20},
		"builds failed": {[]string{"wpt-sync__taskgroup-build-failed.json.gz"}, 217},
		"mozilla, 2018": {[]string{"release-services__list-task-group_MibGDsa4Q7uFNzDf7EV6nw.json.gz"}, 201},
		"pages in names": {[]string{
			"taskhuddler__continuation1.json", "taskhuddler__continuation2.json",
			"taskhuddler__completed.json",
		}, 4},
	} {
		var pages [][]byte
		for _, n := range c.pages {
			pages = append(pages, testenv.Read(t, "data", "4-taskcluster", n))
		}
		var first struct{ TaskGroupID string }
		if err := json.Unmarshal(pages[0], &first); err != nil {
			t.Fatal(err)
		}
		n := 0
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			var page map[string]json.RawMessage
			if err := json.Unmarshal(pages[n], &page); err != nil {
				t.Fatal(err)
			}
			n++
			delete(page, "continuationToken") // each fixture has its own way to say it
			if n < len(pages) {
				page["continuationToken"] = fmt.Appendf(nil, `"page %d"`, n)
			}
			_ = json.NewEncoder(w).Encode(page)
		})
		states := map[string]int{}
		for task, err := range taskcluster.TaskGroup(at(t, h), t.Context(), first.TaskGroupID) {
			if err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
			states[task.Status.State]++
			if task.Task.Metadata.Name == "" || taskcluster.QueueOf(&task.Task) == "" {
				t.Errorf("%s: a task without a name or a queue: %+v", name, task.Task)
			}
		}
		total := 0
		for _, k := range states {
			total += k
		}
		if total != c.jobs {
			t.Errorf("%s: %d tasks, expected %d: %v", name, total, c.jobs, states)
		}
	}
}

// page is a page of a group, with tasks of these ids.
func page(token string, ids ...string) string {
	page := tctest.Object{"taskGroupId": tornGroup, "tasks": []any{}}
	for _, i := range ids {
		page["tasks"] = append(page["tasks"].([]any), tctest.Object{
			"task": tctest.Defined(tornGroup, nil), "status": tctest.Completed(slug.Of(i), tornGroup),
		})
	}
	if token != "" {
		page["continuationToken"] = token
	}
	return string(ok(json.Marshal(page)))
}

// with is a page of a group with one task, of which a part is another.
func with(old, now string) string { return strings.Replace(page("", "1"), old, now, 1) }

const tornGroup = "A5O76NnPRt--HRPWdpOVlA"

// tornPages are pages of a group as a service gave them, how many tasks are read
// from them before the error, and what that is.
var tornPages = map[string]struct {
	pages []string
	tasks int
	err   error
	words string
}{
	"one that grows": {
		[]string{page("a", "1", "2"), page("b", "2", "3"), page("", "3", "4")},
		4, nil, "",
	},
	"an empty last page":      {[]string{page("a", "1"), page("")}, 1, nil, ""},
	"the same token for ever": {[]string{page("a", "1")}, 1, job.ErrMalformed, "continuationToken"},
	"tokens in a ring": {
		[]string{page("a", "1"), page("b", "2"), page("a", "3"), page("b", "4")},
		2, job.ErrMalformed, "continuationToken",
	},
	"no tasks":   {[]string{`{"taskGroupId": "` + tornGroup + `"}`}, 0, job.ErrMalformed, "tasks: missing"},
	"a list":     {[]string{`[]`}, 0, job.ErrMalformed, "a list, expected an object"},
	"HTML":       {[]string{`<html>welcome</html>`}, 0, job.ErrMalformed, ""},
	"nothing":    {[]string{``}, 0, job.ErrMalformed, ""},
	"half of it": {[]string{page("a", "1")[:60]}, 0, job.ErrMalformed, ""},
	"a state that is a number": {
		[]string{with(`"state":"completed","taskGroupId"`, `"state":1,"taskGroupId"`)},
		0, job.ErrMalformed, "tasks[0].status.state: a number",
	},
	"extra that is a list": {
		[]string{with(`"extra":{}`, `"extra":[1]`)},
		1, nil, "",
	},
	"a second page that is HTML":   {[]string{page("a", "1"), "<html>"}, 1, job.ErrMalformed, ""},
	"an unknown member that nests": {[]string{with(`{`, `{"x":[[{"y": []}]],`)}, 1, nil, ""},
}

// A group that is listed while it grows, and pages that are torn.
func TestTornPages(t *testing.T) {
	for name, c := range tornPages {
		n := 0
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("continuationToken") == "" && n > 0 {
				n = 0
			}
			_, _ = w.Write([]byte(c.pages[min(n, len(c.pages)-1)]))
			n++
		})
		seen := 0
		var got error
		for _, err := range taskcluster.TaskGroup(at(t, h), t.Context(), tornGroup) {
			if got = err; err == nil {
				seen++
			}
		}
		var wrapped *job.Error
		if seen < c.tasks || !errors.Is(got, c.err) || c.err != nil && !errors.As(got, &wrapped) ||
			got != nil && !strings.Contains(got.Error(), c.words) {
			t.Errorf("%s: %d tasks, %v; expected %d, %v", name, seen, got, c.tasks, c.err)
		}
	}
	for _, err := range taskcluster.TaskGroup(at(t, http.NotFoundHandler()), t.Context(), "../../../etc/passwd..") {
		if !errors.Is(err, job.ErrInvalid) {
			t.Errorf("no task id: %v", err)
		}
	}
}

// A deployment's batch calls, and what takes their place where it has none.
func TestBatches(t *testing.T) {
	for _, old := range []bool{false, true} {
		s, decision := world()
		s.Old = old
		c := connect(t, s, nil)
		ids := []string{decision, s.Tasks(decision, test)[0], slug.Of("nobody")}
		tasks, err := taskcluster.Tasks(c, t.Context(), ids...)
		if err != nil || len(tasks) != 2 || tasks[ids[1]].Metadata.Name != test {
			t.Errorf("old %t: tasks %v, %v", old, tasks, err)
		}
		statuses, err := taskcluster.Statuses(c, t.Context(), ids...)
		if err != nil || len(statuses) != 2 || statuses[ids[1]].State != "unscheduled" {
			t.Errorf("old %t: statuses %v, %v", old, statuses, err)
		}
		want := map[bool]int{false: 2, true: 8}[old]
		if got := s.Requests(); len(got) != want {
			t.Errorf("old %t: %d requests, expected %d: %q", old, len(got), want, got)
		}
		if _, err := taskcluster.Tasks(c, t.Context(), "nope"); !errors.Is(err, job.ErrInvalid) {
			t.Error(err)
		}
	}
}

// A listing in pages is the listing in one, and so is that of artifacts.
func TestRecordedPages(t *testing.T) {
	all := ok(tctest.ReadRecorded(testenv.Shared(t, "wire", "taskcluster")))
	ids := func(want func(string) bool) (string, []string) {
		var pages []tctest.Recorded
		group := ""
		for _, e := range all {
			if want(e.Name) {
				e.Request.URL = strings.Replace(strings.Replace(e.Request.URL, "limit=2&", "", 1), "?limit=2", "", 1)
				pages = append(pages, e)
				_, rest, _ := strings.Cut(e.Request.URL, "/task-group/")
				group, _, _ = strings.Cut(rest, "/")
			}
		}
		var out []string
		for task, err := range taskcluster.TaskGroup(at(t, tctest.NewReplay(pages)), t.Context(), group) {
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, task.Status.TaskID)
		}
		slices.Sort(out)
		return group, out
	}
	_, paged := ids(func(n string) bool { return n[:3] >= "026" && n[:3] <= "028" })
	_, whole := ids(func(n string) bool { return n[:3] == "029" })
	if d := cmp.Diff(whole, paged); d != "" || len(whole) < 5 {
		t.Errorf("%d tasks (-whole +paged):\n%s", len(whole), d)
	}
}

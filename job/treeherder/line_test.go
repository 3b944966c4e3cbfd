package treeherder_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/thtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/jobtest"
	"github.com/mozci/mozci/job/treeherder"
)

func revision(id int) string { return fmt.Sprintf("%012x%028x", 0xabc0000+id, 7) }

// pushed is a push of Treeherder: "101@600 main" has the id 101, came 600
// seconds after the start, and is on main; without a branch it is of hg.
func pushed(text string) thtest.Object {
	var id, at int
	what, branch, _ := strings.Cut(text, " ")
	if _, err := fmt.Sscanf(what, "%d@%d", &id, &at); err != nil {
		panic(err)
	}
	o := thtest.Object{
		"id": id, "revision": revision(id), "author": "dev", "push_timestamp": 1700000000 + at, "revision_count": 2,
		"branch": nil,
		"revisions": []any{
			thtest.Object{"revision": revision(id), "author": "Dev", "comments": "Bug 1 - tip"},
			thtest.Object{"revision": revision(id + 500000), "author": "Dev", "comments": "Bug 1 - first"},
		},
	}
	if branch != "" {
		o["branch"] = branch
	}
	return o
}

func server(name string, pushes ...string) *thtest.Server {
	s := &thtest.Server{Project: name}
	for _, p := range pushes {
		s.AddPush(pushed(p))
	}
	return s
}

func ids(pushes []job.Push) []int64 {
	var out []int64
	for _, p := range pushes {
		out = append(out, p.ID)
	}
	return out
}

// A push that Treeherder heard of late has a large id and an old time. The kit
// holds over such a history, by whatever way a range is named.
func TestKitOverLatePushes(t *testing.T) {
	s := server("autoland", "901@0", "909@60", "902@120", "903@180", "907@180", "905@180", "906@240", "910@300")
	p := project(t, s, "autoland")
	want, err := p.Pushes(t.Context(), job.IDs(0, 1<<40))
	if d := cmp.Diff([]int64{901, 909, 902, 903, 905, 907, 906, 910}, ids(want)); d != "" || err != nil {
		t.Fatalf("%v (-want +got):\n%s", err, d)
	}
	if err := jobtest.CheckRepository(t.Context(), p,
		jobtest.RepositoryCase{Pushes: want, Absent: strings.Repeat("deadbeef", 5)}); err != nil {
		t.Error(err)
	}
}

// Pages end anywhere, also among pushes of one second, which the server gives in
// any order: none is lost, and none comes twice.
func TestPagesByTime(t *testing.T) {
	var texts []string
	var want []int64
	for i := range 2600 {
		texts = append(texts, fmt.Sprintf("%d@%d", 1000+i, i/7*10)) // seven in each second
		want = append(want, int64(1000+i))
	}
	s := server("autoland", texts...)
	p := project(t, s, "autoland")
	got, err := p.Pushes(t.Context(), job.IDs(1, 1<<40))
	if d := cmp.Diff(want, ids(got)); d != "" || err != nil {
		t.Errorf("all: %v (-want +got):\n%s", err, d)
	}
	for _, c := range [][3]int{
		{1300, 49, 0},
		{1300, 51, 3},
		{2000, 900, 0},
		{1003, 50, 0},
		{3599, 120, 10},
		{1000, 5, 1100},
	} {
		got, err := p.Pushes(t.Context(), job.Around(revision(c[0]), c[1], c[2]))
		at := c[0] - 1000
		if d := cmp.Diff(want[max(0, at-c[1]):min(len(want), at+c[2]+1)], ids(got)); d != "" || err != nil {
			t.Errorf("around %v: %v (-want +got):\n%s", c, err, d)
		}
	}
	if got, err := p.Pushes(t.Context(), job.Around(revision(1005), 1<<62, 1<<62)); err != nil ||
		len(got) != len(want) {
		t.Errorf("as many as there are: %d, %v", len(got), err)
	}
}

// A page can end within a second that many pushes share: which of them it has is
// left to chance.
func TestPageEndsWithinASecond(t *testing.T) {
	var texts []string
	var want []int64
	for i := range 130 {
		texts = append(texts, fmt.Sprintf("%d@%d", 1000+i, i/120*10)) // 120 in one second, and ten in another
		want = append(want, int64(1000+i))
	}
	p := project(t, server("autoland", texts...), "autoland")
	got, err := p.Pushes(t.Context(), job.Around(revision(1125), 40, 0))
	if d := cmp.Diff(want[85:126], ids(got)); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
}

// A server that ignores push_timestamp__lte is noticed by its first answer.
func TestServerWithoutTimes(t *testing.T) {
	var texts []string
	for i := range 1500 {
		texts = append(texts, fmt.Sprintf("%d@%d", 1000+i, i*10))
	}
	s := server("autoland", texts...)
	p := project(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		q.Del("push_timestamp__lte")
		q.Del("push_timestamp__gte")
		r.URL.RawQuery = q.Encode()
		s.ServeHTTP(w, r)
	}), "autoland")
	for _, rev := range []string{revision(2400), revision(1100)} { // also where the newest thousand hold it
		if got, err := p.Pushes(t.Context(), job.Around(rev, 3, 2)); !errors.Is(err, job.ErrMalformed) ||
			!strings.Contains(err.Error(), "treeherder/push: results[0].push_timestamp: 1700014990, asked for") {
			t.Errorf("%v, %v; expected ErrMalformed", ids(got), err)
		}
	}
}

func TestBranches(t *testing.T) {
	pushes := []string{
		"101@0 main", "102@10 main", "103@20 releases/v151", "104@30 releases/v151", "105@40 main",
		"106@50 releases/v151",
	}
	s := server("firefox-dev", pushes...)
	p := project(t, s, "firefox-dev")
	between := func(from, to int) job.Range { return job.Between(revision(from), revision(to)) }
	for name, c := range map[string]struct {
		p    *treeherder.Project
		r    job.Range
		want []int64
	}{
		"tip":                    {p, job.Around("tip", 9, 0), []int64{101, 102, 105}},
		"the start fixes it":     {p, job.Around(revision(104), 9, 9), []int64{103, 104, 106}},
		"newer of main":          {p, job.Around(revision(101), 0, 1), []int64{101, 102}},
		"between":                {p, between(101, 105), []int64{101, 102, 105}},
		"ids":                    {p, job.IDs(101, 106), []int64{101, 102, 105}},
		"ids of one branch":      {p, job.IDs(103, 106), []int64{103, 104, 106}},
		"one id":                 {p, job.IDs(104, 104), []int64{104}},
		"a named branch's tip":   {p.OnBranch("releases/v151"), job.Around("tip", 9, 0), []int64{103, 104, 106}},
		"a named branch's ids":   {p.OnBranch("releases/v151"), job.IDs(101, 105), []int64{103, 104}},
		"no push with these ids": {p.OnBranch("releases/v151"), job.IDs(101, 102), nil},
	} {
		got, err := c.p.Pushes(t.Context(), c.r)
		if d := cmp.Diff(c.want, ids(got)); d != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, d)
		}
	}
	if got, err := p.Push(t.Context(), revision(104)); err != nil || got.Branch != "releases/v151" {
		t.Errorf("a push of any branch: %+v, %v", got, err)
	}
	_, err := p.Pushes(t.Context(), between(102, 104))
	if !errors.Is(err, job.ErrInvalid) || !strings.Contains(err.Error(), `"main"`) {
		t.Errorf("a range over two branches: %v", err)
	}
	_, err = p.OnBranch("main").Push(t.Context(), revision(104))
	if !errors.Is(err, job.ErrNotFound) || !strings.Contains(err.Error(), `on the branch "releases/v151"`) {
		t.Errorf("a push of another branch: %v", err)
	}
	_, err = p.OnBranch("nowhere").Push(t.Context(), "tip")
	if !errors.Is(err, job.ErrNotFound) || !strings.Contains(err.Error(), "main, releases/v151") {
		t.Errorf("a branch that is not there: %v", err)
	}
}

// The branch that is meant where nobody names one.
func TestOwnBranch(t *testing.T) {
	table := func(branch any) []thtest.Object {
		return []thtest.Object{{"name": "other", "branch": "x"}, {"name": "p", "branch": branch, "is_try_repo": false}}
	}
	for name, c := range map[string]struct {
		pushes []string
		table  []thtest.Object
		want   int64
		says   string
	}{
		"the table's":         {[]string{"1@0 stable", "2@10 main"}, table("stable"), 1, ""},
		"the table's first":   {[]string{"1@0 stable", "2@10 main"}, table("stable, releases_v.*"), 1, ""},
		"a pattern is none":   {[]string{"1@0 main", "2@10 releases_v1"}, table("releases_v.*"), 1, ""},
		"main without table":  {[]string{"1@0 main", "2@10 a"}, nil, 1, ""},
		"master":              {[]string{"1@0 master", "2@10 a"}, table(nil), 1, ""},
		"the only one":        {[]string{"1@0 dev", "2@10 dev"}, nil, 2, ""},
		"several":             {[]string{"1@0 a", "2@10 b"}, nil, 0, "branches a, b"},
		"of hg there is none": {[]string{"1@0", "2@10"}, table(nil), 2, ""},
	} {
		s := server("p", c.pushes...)
		s.Repositories = c.table
		got, err := project(t, s, "p").Push(t.Context(), "tip")
		if got.ID != c.want || c.says == "" && err != nil ||
			c.says != "" && (!errors.Is(err, job.ErrInvalid) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v, %v; expected %d %s", name, got, err, c.want, c.says)
		}
	}
	var many []string // the branch's newest push is far down
	for i := range 400 {
		many = append(many, fmt.Sprintf("%d@%d releases/v1", 100+i, 10*i))
	}
	s := server("p", append(many, "7@5 main", "8@1505 main")...)
	s.Repositories = table("main")
	if got, err := project(t, s, "p").Push(t.Context(), "tip"); err != nil || got.ID != 8 {
		t.Errorf("below 250 of another branch: %v, %v; expected 8", got, err)
	}
}

func TestLine(t *testing.T) {
	table := []thtest.Object{{"name": "odd", "is_try_repo": true}, {"name": "autoland", "is_try_repo": false}}
	for name, line := range map[string]bool{
		"try": false, "try-comm-central": false, "nss-try": false, "enterprise-firefox-pr": false, "odd": false,
		"autoland": true, "mozilla-central": true, "country": true, "pretty-print": true,
	} {
		s := server(name)
		s.Repositories = table
		err := project(t, s, name).Line(t.Context())
		if line && err != nil || !line && !errors.Is(err, job.ErrNoLine) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for what, c := range map[string]struct {
		status int
		body   string
		want   error
	}{
		"not there": {http.StatusNotFound, `{"detail":"Not found."}`, nil}, "down": {http.StatusBadGateway, "", nil},
		"HTML": {http.StatusOK, "<html>", job.ErrMalformed}, "nothing": {http.StatusOK, "", job.ErrMalformed},
		"an error":               {http.StatusOK, `{"detail":"no"}`, job.ErrMalformed},
		"torn":                   {http.StatusOK, `[{"name":"autoland","branch":null`, job.ErrMalformed},
		"one that tells nothing": {http.StatusOK, `[{"name":"autoland","branch":null}]`, job.ErrMalformed},
		"one of two minds": {
			http.StatusOK, `[{"name":"x","branch":null,"is_try_repo":true},{"name":"x","branch":null,"is_try_repo":false}]`,
			job.ErrMalformed,
		},
	} {
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		})
		if err := project(t, h, "autoland").Line(t.Context()); !errors.Is(err, c.want) {
			t.Errorf("a table that is %s: %v, expected %v", what, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := project(t, server("autoland"), "autoland").Line(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	s := server("autoland", "1@0")
	s.Repositories = table
	p := project(t, s, "autoland")
	for range 3 {
		if err := p.Line(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.Requests()); n != 1 {
		t.Errorf("the table was asked for %d times, expected once", n)
	}
}

// A builder without spaces is found alone as among others; the label of a task
// takes one small request.
func TestBuilderWithoutSpaces(t *testing.T) {
	s := server("autoland", "1@0")
	builder := "b2g_mozilla-inbound_emulator-kk_dep"
	for i, o := range []thtest.Object{
		{"job_type_name": "B2G Emulator Image Build", "build_system_type": "buildbot", "ref_data_name": builder},
		{"job_type_name": "B2G Emulator Image Build", "build_system_type": "buildbot", "ref_data_name": "a/b/c"},
		{"job_type_name": "test-linux/opt-x", "build_system_type": "taskcluster"},
		{"job_type_name": builder, "build_system_type": "buildbot", "ref_data_name": "Another builder"},
	} {
		o["id"], o["push_id"], o["state"], o["result"] = i+1, 1, "completed", "busted"
		s.AddJob(o)
	}
	p := project(t, s, "autoland")
	push, err := p.Push(t.Context(), "tip")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		builder: "1", "a/b/c": "2", "test-linux/opt-x": "3",
		"Another builder": "4", "none": "",
	} {
		for _, names := range [][]string{{name}, {name, "x"}} {
			jobs, err := p.Jobs(t.Context(), push, names...)
			var got []string
			for _, j := range jobs {
				got = append(got, j.ID())
			}
			if err != nil || strings.Join(got, " ") != want {
				t.Errorf("%q: jobs %q, %v; expected %q", names, got, err, want)
			}
		}
	}
}

// Treeherder lists a repository that is kept in hg and in git by one of the two;
// a push of the other source is found by either hash.
func TestJoinedByTwins(t *testing.T) {
	s := server("autoland", "1@0", "2@10", "3@20") // revision(n) are git's
	s.AddJob(thtest.Object{"id": 9, "push_id": 2, "state": "completed", "result": "success", "job_type_name": "l"})
	hg := strings.Repeat("17", 20)
	p := project(t, s, "autoland")
	jobs, err := p.Jobs(t.Context(), job.Push{Repo: "autoland", ID: 77, Revision: hg, Git: revision(2)}, "l")
	if err != nil || len(jobs) != 1 || jobs[0].Push().ID != 77 {
		t.Errorf("a push that names both: %v, %v", jobs, err)
	}
	asked := 0
	var twins error
	srv, err := treeherder.New("https://treeherder.example",
		&treeherder.Options{
			HTTP: hgtest.Client(s),
			Twins: func(_ context.Context, repo, rev string) (string, string, error) {
				asked++
				if twins != nil || repo != "autoland" || !slices.Contains([]string{hg, revision(2)}, rev) {
					return "", "", errors.Join(twins, job.ErrNotFound)
				}
				return hg, revision(2), nil
			},
		})
	if err != nil {
		t.Fatal(err)
	}
	p = srv.Project("autoland")
	if jobs, err := p.Jobs(t.Context(), job.Push{Repo: "autoland", ID: 77, Revision: hg}, "l"); err != nil ||
		len(jobs) != 1 || asked != 1 {
		t.Errorf("a push whose other hash is asked for: %v, %v, asked %d times", jobs, err, asked)
	}
	if got, err := p.Push(t.Context(), hg); err != nil || got.ID != 2 || got.Hg != hg || got.Revision != revision(2) {
		t.Errorf("by hg's hash: %+v, %v", got, err)
	}
	if _, err := p.Push(t.Context(), strings.Repeat("18", 20)); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("nobody knows it: %v", err)
	}
	if _, err := p.Jobs(t.Context(), job.Push{Repo: "autoland", ID: 78, Revision: strings.Repeat("18", 20)},
		"l"); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("a push that nobody knows: %v", err)
	}
}

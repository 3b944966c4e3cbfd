package selfserve_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
)

const files = "http://ftp.test/"

// A test is asked for with the files of a build, and never without.
func TestBuildFirst(t *testing.T) {
	with := map[string]any{
		"packageUrl": files + "target.tar.bz2", "testsUrl": files + "tests.zip",
		"testPackagesUrl": files + "test_packages.json",
	}
	without := map[string]any{"packageUrl": files + "target.tar.bz2", "testsUrl": files + "tests.zip"}
	newer := []string{"target.tar.bz2", "test_packages.json"}
	for _, c := range []struct {
		what   string
		status any
		there  []string
		dump   map[string]any
		says   string // empty: it is asked for with what posts holds
		posts  string
	}{
		{"files", 0, newer, with, "", "test_packages.json"},
		{"older tests", 0, []string{"target.tar.bz2", "tests.zip"}, without, "", "tests.zip"},
		{"a failed build with files", 1, newer, with, "", "test_packages.json"},
		{"expired", 0, []string{"test_packages.json"}, with, "its files are not there", ""},
		{"no files", 2, nil, nil, "its files are not there", ""},
		{"running", nil, nil, nil, "has not ended", ""},
	} {
		s := newService()
		s.build(theBuild, c.status, 71)
		s.dumps[today] = dumpOf(t, dumped(theBuild, push.Revision, 71, c.dump))
		for _, f := range c.there {
			s.files[files+f] = true
		}
		_, err := s.inbound(t, selfserve.Options{}).Trigger(t.Context(),
			job.Request{Label: theTest, Push: push, Count: 2})
		if c.says != "" {
			if !errors.Is(err, job.ErrNoBuild) || !strings.Contains(err.Error(), c.says) || len(s.posts) > 0 {
				t.Errorf("%s: %v, %q", c.what, err, s.posts)
			}
			continue
		}
		if err != nil || len(s.posts) != 2 || !strings.Contains(s.posts[0], c.posts) ||
			!strings.Contains(s.posts[0], "/self-serve/mozilla-inbound/builders/"+theTest+"/"+push.Revision+" ") {
			t.Errorf("%s: %v, %q", c.what, err, s.posts)
		}
	}
}

// What self-serve, and what is in front of it, may answer to a write.
func TestWrites(t *testing.T) {
	said := func(status int, body string) []answer { return []answer{{status, body}} }
	for _, c := range []struct {
		what    string
		answers []answer
		is      error
		says    string
		posts   int
	}{
		{"busy", said(503, `{"status": "FAILED", "msg": "Couldn't create JobRequest row"}`), nil, "", 2},
		{"202 and failed", said(202, `{"status": "FAILED", "msg": "Couldn't send message to broker"}`), nil, "", 2},
		{
			"always busy", slices.Repeat(said(503, `{"status": "FAILED", "msg": "try later"}`), 9),
			job.ErrUnavailable, "503 try later", 4,
		},
		{"a proxy's 503", said(503, "<html>"), job.ErrUnavailable, "503", 1},
		{"500", said(500, "<html>"), job.ErrUnavailable, "500", 1},
		{"401", said(401, "<html>LDAP"), job.ErrDenied, "401", 1},
		{"403", said(403, "<html>ACCESS DENIED!"), job.ErrDenied, "403", 1},
		{
			"404", said(404, `{"status": "FAILED", "msg": "Branch x not found"}`),
			job.ErrNotFound, "404 Branch x not found", 1,
		},
		{"a page", said(202, "<html>"), job.ErrMalformed, "", 1},
	} {
		t.Run(c.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService()
				s.build(theBuild, 2, 71)
				s.answers = c.answers
				_, err := s.inbound(t, selfserve.Options{User: "u", Password: "p"}).Trigger(t.Context(),
					job.Request{Label: theBuild, Push: push, Count: 3})
				if !errors.Is(err, c.is) || (c.says != "" && !strings.Contains(fmt.Sprint(err), c.says)) ||
					len(s.posts) != c.posts {
					t.Errorf("%v, %q", err, s.posts)
				}
				if !strings.Contains(s.posts[0], "POST /self-serve/mozilla-inbound/request count=3&request_id=71") {
					t.Errorf("%q", s.posts)
				}
			})
		})
	}
}

// Of several calls one fails: the error says what was taken before, and why no more.
func TestHalfDone(t *testing.T) {
	took := answer{202, `{"status": "OK", "request_id": 5}`}
	for _, c := range []struct {
		what    string
		answers []answer
		taken   int // 0: nothing, and the plain error
		is      error
	}{
		{"refused", []answer{took, {404, "<html>"}}, 1, job.ErrNotFound},
		{
			"a bad request",
			[]answer{took, took, {400, `{"status": "FAILED", "msg": "Bad priority"}`}},
			2,
			job.ErrRefused,
		},
		{"an error", []answer{took, {500, "<html>"}}, 1, job.ErrUnavailable},
		{"denied at once", []answer{{403, "<html>"}}, 0, job.ErrDenied},
		{"lost at once", []answer{{502, "<html>"}}, 0, job.ErrUnavailable},
	} {
		s := newService()
		s.answers = c.answers
		_, err := s.inbound(t, selfserve.Options{}).Trigger(t.Context(),
			job.Request{Label: theBuild, Push: push, Count: 3})
		var part *job.PartialError
		var outer *job.Error
		some := errors.As(err, &part)
		if !errors.Is(err, c.is) || !errors.As(err, &outer) || outer.Op == "" || some != (c.taken > 0) {
			t.Errorf("%s: %v", c.what, err)
		}
		if some && (part.Taken != c.taken || part.Count != 3 || part.Receipt.State != job.ReceiptAccepted ||
			outer.Op != "selfserve.trigger") {
			t.Errorf("%s: %+v in %+v", c.what, part, outer)
		}
	}
}

// A plan that was taken in part is made whole by the next one, which asks for the rest
// only: the ledger remembers what self-serve does not show yet.
func TestHalfDoneWithLedger(t *testing.T) {
	s := newService()
	s.answers = []answer{{202, `{"status": "OK", "request_id": 5}`}, {500, "<html>"}}
	s.build(theBuild, 2, 71)
	s.build(theTest, 1, 72)
	s.files[files+"p"], s.files[files+"t"] = true, true
	s.dumps[today] = dumpOf(t, dumped(theBuild, push.Revision, 71,
		map[string]any{"packageUrl": files + "p", "testPackagesUrl": files + "t"}))
	p, l := s.inbound(t, selfserve.Options{}), ledger.NewMemory()
	runs := func(times int) (int, error) {
		plan, err := trigger.Make(t.Context(), p, []job.Push{push}, []string{theTest}, times,
			&trigger.Options{Ledger: l})
		if err != nil {
			t.Fatal(err)
		}
		_, err = trigger.Run(t.Context(), p, plan, &trigger.RunOptions{Ledger: l})
		return plan.Total(), err
	}
	if n, err := runs(4); n != 3 || !errors.Is(err, job.ErrUnavailable) {
		t.Errorf("the first plan: %d runs, %v", n, err)
	}
	if n, err := runs(4); n != 2 || err != nil {
		t.Errorf("the second plan: %d runs, %v; 1 of 3 was taken before", n, err)
	}
	if n, err := runs(4); n != 0 || err != nil {
		t.Errorf("the third plan: %d runs, %v", n, err)
	}
	if len(s.posts) != 4 { // one of them in vain
		t.Errorf("%q", s.posts)
	}
}

// Somebody else may have asked since the plan was made: no more than what is missing
// of the total is asked for.
func TestNoMoreThanIsMissing(t *testing.T) {
	for times, posts := range map[int]int{0: 3, 3: 1, 2: 0, 9: 3} {
		s := newService()
		s.build(theBuild, 2, 71)
		s.build(theTest, 1, 72)
		s.build(theTest, 1, 73)
		s.files[files+"p"], s.files[files+"t"] = true, true
		s.dumps[today] = dumpOf(t, dumped(theBuild, push.Revision, 71,
			map[string]any{"packageUrl": files + "p", "testPackagesUrl": files + "t"}))
		r, err := s.inbound(t, selfserve.Options{}).Trigger(t.Context(),
			job.Request{Key: "k", Label: theTest, Push: push, Count: 3, Times: times})
		if err != nil || len(s.posts) != posts || (r.State == job.ReceiptAlreadyAsked) != (posts == 0) {
			t.Errorf("a total of %d where 2 are: %d calls, %+v, %v; expected %d", times, len(s.posts), r, err, posts)
		}
	}
}

func TestCancel(t *testing.T) {
	s := newService()
	if err := s.inbound(t, selfserve.Options{}).Cancel(t.Context(), "71/1"); err != nil || len(s.posts) != 1 ||
		!strings.HasPrefix(s.posts[0], "DELETE /self-serve/mozilla-inbound/request/71") {
		t.Errorf("%v %q", err, s.posts)
	}
}

func TestOtherBranchesBuilders(t *testing.T) {
	p := newService().inbound(t, selfserve.Options{})
	for _, label := range []string{"Quantum Phone 2031 build", "Linux x86-64 fx-team build"} {
		_, err := p.Trigger(t.Context(), job.Request{Label: label, Push: push, Count: 1})
		if !errors.Is(err, job.ErrNotFound) {
			t.Errorf("%s: %v", label, err)
		}
	}
}

// What is rebuilt is the newest run; a test is only where the action says so, and what
// has no run cannot be.
func TestRebuild(t *testing.T) {
	s := newService()
	s.build(theBuild, 2, 71)
	s.build(theBuild, 2, 73)
	s.build(theTest, 1, 72)
	p := s.inbound(t, selfserve.Options{})
	for _, c := range []struct {
		label, action, post string
		is                  error
	}{
		{theBuild, "", "request request_id=73", nil},
		{theBuild, "rebuild", "request request_id=73", nil},
		{theTest, "rebuild", "request request_id=72", nil},
		{theTest, "", "", job.ErrNoBuild},
		{"Ubuntu VM 12.04 x64 mozilla-inbound opt test mochitest-2", "rebuild", "", job.ErrNotFound},
		{theBuild, "explode", "", job.ErrInvalid},
	} {
		s.posts = nil
		_, err := p.Trigger(t.Context(), job.Request{Label: c.label, Push: push, Count: 1, Action: c.action})
		got := strings.TrimPrefix(strings.Join(s.posts, "; "), "POST /self-serve/mozilla-inbound/")
		if !errors.Is(err, c.is) || got != c.post {
			t.Errorf("%s %s: %v, %q", c.label, c.action, err, got)
		}
	}
}

// A test of which it is not known what build it tests is not run without one; a run of
// it can be repeated, with the files that it had.
func TestUnknownBuild(t *testing.T) {
	const label = "Ubuntu HW 12.04 x64 stylo mozilla-inbound talos g1"
	s := newService()
	p := s.inbound(t, selfserve.Options{})
	req := job.Request{Label: label, Push: push, Count: 1}
	if _, err := p.Trigger(t.Context(), req); !errors.Is(err, job.ErrUnknownWord) ||
		!strings.Contains(err.Error(), "Ubuntu HW 12.04 x64 stylo") || len(s.posts) != 0 {
		t.Errorf("%v, %q", err, s.posts)
	}
	s.build(label, 1, 72)
	if _, err := p.Trigger(t.Context(), req); err != nil || len(s.posts) != 1 ||
		!strings.Contains(s.posts[0], "/request request_id=72") {
		t.Errorf("%v, %q", err, s.posts)
	}
}

// A build that was merged into another push's is no build of this one.
func TestNoBuildButAMergedOne(t *testing.T) {
	s := newService()
	s.build(theBuild, 0, 71)
	s.dumps[today] = dumpOf(t, merged(theBuild, strings.Repeat("f", 40), 71, nil))
	_, err := s.inbound(t, selfserve.Options{}).Trigger(t.Context(),
		job.Request{Label: theTest, Push: push, Count: 1})
	if !errors.Is(err, job.ErrNoBuild) || !strings.Contains(err.Error(), "no run of ") {
		t.Error(err)
	}
}

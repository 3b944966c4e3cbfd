package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/landotest"
	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/internal/testing/thtest"
)

// patient is a deployment with the pushes 17 to 20 of autoland and their pushlog, and whom
// it takes: nobody until sign.
type patient struct {
	t    *testing.T
	tc   *tctest.Server
	args []string
	urls []string // what stands for them in texts
}

func newPatient(t *testing.T) *patient {
	t.Helper()
	for _, name := range []string{
		"TASKCLUSTER_ROOT_URL", "TASKCLUSTER_CLIENT_ID", "TASKCLUSTER_ACCESS_TOKEN", "TASKCLUSTER_CERTIFICATE",
		"TASKCLUSTER_PROXY_URL", "PULSE_USER", "PULSE_PASSWORD", "BUILDBOT_USER", "BUILDBOT_PASSWORD",
		"BUILDBOT_COOKIE", "BUILDBOT_TOKEN", "SELFSERVE_USER", "SELFSERVE_PASSWORD", "COLUMNS",
	} {
		t.Setenv(name, "")
	}
	tc, _ := ranged(t, "test-linux/opt-xpcshell-1")
	p := &patient{t: t, tc: tc}
	p.sign("", "", "")
	dir := t.TempDir()
	hg, root := autolandLog(t, 17, 18, 19, 20), listen(t, tc)
	p.urls = []string{hg, "HG", root, "ROOT", dir, "DIR"}
	p.args = []string{"--hg-url", hg, "--root-url", root, "--ledger", filepath.Join(dir, "ledger.db")}
	return p
}

// sign sets the credentials of the environment.
func (p *patient) sign(id, token, certificate string) {
	p.t.Setenv("TASKCLUSTER_CLIENT_ID", id)
	p.t.Setenv("TASKCLUSTER_ACCESS_TOKEN", token)
	p.t.Setenv("TASKCLUSTER_CERTIFICATE", certificate)
}

// readOnlyPosts are the paths of POSTs that read.
var readOnlyPosts = regexp.MustCompile(`^POST /api/(index/v1/tasks/indexes|auth/v1/scopes/expand)$`)

// doctor runs it, and returns what it said, with names for URLs. It must have changed
// nothing on the deployment, and told no secret.
func (p *patient) doctor(args ...string) (out string, status int) {
	p.t.Helper()
	p.tc.Requests()
	text, errOut, status := mozci(p.t, append(append([]string{"doctor"}, p.args...), args...)...)
	if errOut != "" {
		p.t.Errorf("on standard error: %s", errOut)
	}
	for _, r := range p.tc.Requests() {
		if !strings.HasPrefix(r, "GET ") && !readOnlyPosts.MatchString(r) {
			p.t.Errorf("it was asked %s", r)
		}
	}
	for _, secret := range []string{"hunter2", "secret", os.Getenv("TASKCLUSTER_ACCESS_TOKEN"), "mac="} {
		if secret != "" && strings.Contains(text+errOut, secret) {
			p.t.Errorf("it told %q: %s", secret, text)
		}
	}
	return strings.NewReplacer(p.urls...).Replace(text), status
}

const hookScope = "hooks:trigger-hook:project-gecko/in-tree-action-3-generic/0123456789"

// All is well: a row for each place, and nothing to do.
func TestDoctor(t *testing.T) {
	p := newPatient(t)
	p.tc.ClientScopes = map[string][]string{"me": {"*"}}
	p.sign("me", "secret", "")
	out, status := p.doctor()
	want := `  place        state
✓ hg           reached HG; newest push of autoland: 20 567d57332b25
✓ taskcluster  reached ROOT; signed in as me; has tasks under gecko.v2.autoland
- pulse        no account in PULSE_USER and PULSE_PASSWORD: mozci asks the CI every minute instead
✓ ledger       DIR/ledger.db: not there yet, will be created

Reading works. Acting on Taskcluster works.
`
	if d := cmp.Diff(want, out); d != "" || status != 0 {
		t.Errorf("exit %d (-want +got):\n%s", status, d)
	}
	if _, err := os.Stat(filepath.Join(p.urls[4], "ledger.db")); err == nil {
		t.Error("it made a ledger")
	}
}

// Without credentials reading works, and it is said what acting takes, to people and to
// programs.
func TestDoctorOfNobody(t *testing.T) {
	p := newPatient(t)
	p.tc.Roles["anonymous"] = []string{"queue:get-task:*"}
	out, status := p.doctor()
	want := `! taskcluster  reached ROOT; no one is signed in; has tasks under gecko.v2.autoland
  to fix: to trigger runs, set TASKCLUSTER_CLIENT_ID and TASKCLUSTER_ACCESS_TOKEN, which taskcluster signin prints; ` +
		`see mozci help credentials; the client needs ` + hookScope + "\n"
	const last = "\nReading works. Acting on Taskcluster does not: no one is signed in.\n"
	if !strings.Contains(out, want) || !strings.HasSuffix(out, last) || status != 0 {
		t.Errorf("exit %d:\n%s", status, out)
	}
	out, status = p.doctor("--json")
	var rows []map[string]any
	for line := range strings.Lines(out) {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		rows = append(rows, row)
	}
	if len(rows) != 4 || status != 0 {
		t.Fatalf("exit %d, %s", status, out)
	}
	lacks := fmt.Sprint(rows[1]["scopes_missing"])
	if rows[1]["place"] != "taskcluster" || rows[1]["url"] != "ROOT" || rows[1]["reached"] != true ||
		rows[1]["signed_in_as"] != nil || !strings.Contains(lacks, "for:triggering runs scopes:["+hookScope+"]") ||
		!strings.Contains(lacks, "for:cancelling runs scopes:[queue:cancel-task:gecko-level-3/*]") {
		t.Errorf("%v", rows[1])
	}
	if rows[2]["place"] != "pulse" || rows[2]["reached"] != nil || rows[2]["fix"] != nil ||
		rows[0]["scopes_missing"] != nil {
		t.Errorf("%v", rows)
	}
}

// hours is a certificate's life in the tests below.
func hours(n int) time.Duration { return time.Duration(n) * time.Hour }

// ill are things that are wrong with a deployment or the credentials for it: what is said,
// and the exit status.
var ill = map[string]struct {
	alter  func(p *patient)
	args   []string
	status int
	says   []string
}{
	"scopes that lack one letter": {func(p *patient) {
		p.sign("me", "secret", "")
		p.tc.ClientScopes = map[string][]string{"me": {
			hookScope[:len(hookScope)-1],
			"queue:cancel-task:gecko-level-3/*",
		}}
	}, nil, 0, []string{
		"! taskcluster", "signed in as me", "to fix: for triggering runs, ask who manages ROOT to grant me " +
			hookScope + "\n",
		"in-tree action", "Acting on Taskcluster does not: missing " + hookScope + ".",
	}},
	"scopes to trigger alone": {func(p *patient) {
		p.sign("me", "secret", "")
		p.tc.ClientScopes = map[string][]string{"me": {"hooks:trigger-hook:project-gecko/*"}}
	}, nil, 0, []string{
		"to fix: for cancelling runs, ask who manages ROOT to grant me queue:cancel-task:gecko-level-3/*\n",
		"to fix: for running jobs again on pushes so old that their hooks are gone, ask",
		"more scopes (--json names them)",
		"Acting on Taskcluster works.",
	}},
	"a wrong token": {func(p *patient) { p.sign("me", "hunter2", "") }, nil, 1, []string{
		"✕ taskcluster  reached ROOT, which does not take the credentials of me: Unauthorized:",
		"to fix: sign in again with taskcluster signin, or unset TASKCLUSTER_CLIENT_ID",
		"Reading does not work: see taskcluster above. Acting on Taskcluster does not: the credentials are not taken.",
	}},
	"half of the credentials": {func(p *patient) { p.sign("me", "", "") }, nil, 1, []string{
		"✕ taskcluster  reached ROOT, but nothing can be asked with these credentials: " +
			"TASKCLUSTER_CLIENT_ID is set and TASKCLUSTER_ACCESS_TOKEN is not",
		"Reading does not work", "the credentials cannot be used",
	}},
	"an expired certificate": {func(p *patient) {
		token, cert := p.tc.Temporary("me", "me", -hours(1))
		p.sign("me", token, cert)
	}, nil, 1, []string{
		"the temporary credentials of me expired at 20", "to fix: sign in again",
		"Reading does not work",
	}},
	"a torn certificate": {func(p *patient) { p.sign("me", "secret", `{"version":1`) }, nil, 1, []string{
		"the certificate is not JSON of a certificate of version 1",
	}},
	"credentials that end soon": {func(p *patient) {
		token, cert := p.tc.Temporary("me", "me", hours(1)/2, "*")
		p.sign("me", token, cert)
	}, nil, 0, []string{
		"! taskcluster", "signed in as me until 20", "to fix: the credentials expire at 20",
		"Acting on Taskcluster works.",
	}},
	"credentials for a day": {func(p *patient) {
		token, cert := p.tc.Temporary("me", "me", hours(24), "*")
		p.sign("me", token, cert)
	}, nil, 0, []string{"✓ taskcluster", "signed in as me until 20", "Acting on Taskcluster works."}},
	"no right to ask": {func(p *patient) {
		p.sign("me", "secret", "")
		p.before("/scopes/current", http.StatusForbidden, `{"code": "InsufficientScopes", "message": "no"}`)
	}, nil, 0, []string{
		"signed in as me", "auth:current-scopes is missing", "Acting on Taskcluster may not: the scopes are not known.",
	}},
	"a clock that is behind": {func(p *patient) {
		p.before("/scopes/current", 200, `{"scopes": []}`)
		whole := p.tc.Before
		p.tc.Before = func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Date", time.Now().Add(3*time.Minute).UTC().Format(http.TimeFormat))
			return whole(w, r)
		}
	}, nil, 0, []string{"to fix: set this machine's clock: it is 3m", "behind the deployment's", "Reading works."}},
	"a project that is not there": {func(*patient) {}, []string{"--project", "elsewhere"}, 1, []string{
		"✕ taskcluster", "the index has no decision task for it", "gecko.v2.elsewhere.latest.taskgraph.decision",
		"to fix: name the project as Taskcluster does with --project", "no tasks of the project were found",
	}},
	"a repository that is not there": {func(*patient) {}, []string{"--repo", "autolamb"}, 1, []string{
		"✕ hg           reached HG, which has no pushes of autolamb", "now autolamb", "see hg and taskcluster above",
	}},
	"a hook that no push may fire": {func(p *patient) {
		p.sign("me", "secret", "")
		p.tc.Roles = map[string][]string{}
	}, nil, 0, []string{"may not fire the hook", "Acting on Taskcluster does not: the decision task"}},
	"HTML": {func(p *patient) { p.before("/api/", 200, "<!DOCTYPE html><title>Sign in</title>") }, nil, 1, []string{
		"✕ taskcluster  ROOT answers with a web page, not with data",
		"to fix: check --root-url or TASKCLUSTER_ROOT_URL",
		"Acting on Taskcluster does not: its answers cannot be used.",
	}},
	"half JSON": {func(p *patient) { p.before("/scopes/current", 200, `{"scopes": ["a`) }, nil, 1, []string{
		"answers with something else than a Taskcluster deployment does", "mozci check-sources --live",
	}},
	"scopes of null": {func(p *patient) { p.before("/scopes/current", 200, `{"scopes": null}`) }, nil, 1, []string{
		"scopes: null", "Reading does not work",
	}},
	"500": {func(p *patient) { p.before("/api/", 502, "bad gateway") }, nil, 1, []string{
		"ROOT answers HTTP 502 Bad Gateway: it is in trouble", "to fix: wait some minutes",
	}},
	"429": {func(p *patient) { p.before("/api/", 429, "") }, nil, 1, []string{"HTTP 429", "too many requests"}},
	"403 of a proxy": {func(p *patient) { p.before("/api/", 403, "<html>no</html>") }, nil, 1, []string{
		"ROOT answers HTTP 403 Forbidden: it does not let you read", "see mozci help credentials",
	}},
	"401 of a proxy": {func(p *patient) {
		p.sign("me", "secret", "")
		p.before("/api/", 401, "")
	}, nil, 1, []string{"ROOT answers HTTP 401"}},
	"an index in trouble": {func(p *patient) { p.before("/index/", 500, "") }, nil, 1, []string{
		"✕ taskcluster", "no one is signed in; its tasks cannot be read: ", "500",
	}},
	"actions.json that is torn": {func(p *patient) {
		id := p.tc.Indexed("gecko.v2.autoland.revision." + revisionOf(20) + ".taskgraph.decision")
		p.tc.Put(id, 0, "public/actions.json", []byte(`{"version": 1, `))
	}, nil, 1, []string{"its tasks cannot be read", "actions.json"}},
	"a proxy of a task": {func(p *patient) {
		p.t.Setenv("TASKCLUSTER_PROXY_URL", p.args[3])
		p.t.Setenv("TASKCLUSTER_ROOT_URL", p.args[3])
	}, nil, 0, []string{"the proxy signs, with the scopes of the task", "to grant a client " + hookScope}},
}

// before answers requests below a path, instead of the deployment.
func (p *patient) before(path string, status int, body string) {
	p.tc.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, path) {
			return false
		}
		if strings.HasPrefix(body, "<") {
			w.Header().Set("Content-Type", "text/html")
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
		return true
	}
}

func TestDoctorFindings(t *testing.T) {
	for name, c := range ill {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t)
			c.alter(p)
			out, status := p.doctor(c.args...)
			if status != c.status {
				t.Errorf("exit %d, expected %d", status, c.status)
			}
			for _, words := range c.says {
				if !strings.Contains(out, words) {
					t.Errorf("no %q", words)
				}
			}
			if t.Failed() {
				t.Log("\n" + out)
			}
			if out, again := p.doctor(append(c.args, "--json")...); again != c.status || strings.Count(out, "\n") != 4 {
				t.Errorf("as JSON: exit %d\n%s", again, out)
			}
		})
	}
}

// Each place asks once: a place in trouble is not asked again and again.
func TestDoctorAsksOnce(t *testing.T) {
	p := newPatient(t)
	asked := 0
	p.tc.Before = func(w http.ResponseWriter, _ *http.Request) bool {
		asked++
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	began := time.Now()
	if out, status := p.doctor(); status != 1 || asked != 1 || time.Since(began) > patience/2 {
		t.Errorf("exit %d, asked %d times in %s\n%s", status, asked, time.Since(began), out)
	}
	began = time.Now()
	if out, status := p.doctor("--hg-url", refusing(t)); status != 1 || time.Since(began) > patience/2 {
		t.Errorf("without an hg server: exit %d in %s\n%s", status, time.Since(began), out)
	}
}

// refusing is the address of a port at which nothing listens.
func refusing(t *testing.T) string {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	t.Helper()
	return s.URL
}

// On a terminal of a width no line is wider, but for a word that is wider itself; elsewhere a
// row is one line.
func TestDoctorWidth(t *testing.T) {
	p := newPatient(t)
	args := []string{"--hg-url", refusing(t)}
	rows, _ := p.doctor(args...)
	for _, line := range strings.Split(rows, "\n") {
		if strings.HasPrefix(line, "✕ hg") && !strings.Contains(line, "nothing listens there") {
			t.Errorf("%s", rows)
		}
	}
	for columns, indent := range map[int]int{40: 4, 59: 4, 60: 15, 80: 15} {
		t.Setenv("COLUMNS", strconv.Itoa(columns))
		out, _ := p.doctor(args...)
		for _, line := range strings.Split(out, "\n") {
			if ansi.StringWidth(line) > columns && strings.Contains(strings.TrimSpace(line[min(len(line), 17):]), " ") {
				t.Errorf("%d columns: %d in %s", columns, ansi.StringWidth(line), line)
			}
		}
		if !regexp.MustCompile(`(?m)^ {` + strconv.Itoa(indent) + `}[a-z]`).MatchString(out) {
			t.Errorf("%d columns:\n%s", columns, out)
		}
		if got, want := strings.Fields(out), strings.Fields(rows); !slices.Equal(got, want) {
			t.Errorf("%d columns: %s", columns, cmp.Diff(want, got))
		}
	}
}

// A Treeherder that a flag names is checked beside a deployment of Taskcluster too, where
// nothing but links needs it.
func TestDoctorNamedTreeherder(t *testing.T) {
	p := newPatient(t)
	th := listen(t, autolandProject())
	p.urls = append(p.urls, th, "TH")
	for name, c := range map[string]struct{ url, says string }{
		"it is there": {th, "✓ treeherder   reached TH; newest push of autoland: 903 00000abc0003\n"},
		"it is not":   {refusing(t), "listens there; links of its pages cannot be followed\n"},
	} {
		out, status := p.doctor("--treeherder-url", c.url)
		if !strings.Contains(out, c.says) || status != 0 || !strings.Contains(out, "\nReading works.") {
			t.Errorf("%s: exit %d\n%s", name, status, out)
		}
	}
}

// Treeherder, hg and Lando: reached or not, with the project or not, needed or not.
func TestDoctorOnTreeherder(t *testing.T) {
	p := newPatient(t)
	th := autolandProject()
	th.Repositories = []thtest.Object{{"name": "autoland"}, {"name": "mozilla-central"}}
	hg := hgtest.New()
	rev := fmt.Sprintf("%012x%028x", 0xabc0003, 1)
	hg.Add("integration/autoland", 54, hgtest.Push{
		Date: 1700000003, User: "d",
		Changesets: []hgtest.Changeset{{Node: rev}},
	})
	lando := &landotest.Server{Pairs: []landotest.Pair{{Hg: rev, Git: strings.Repeat("9", 40)}}}
	thURL, hgURL, landoURL := listen(t, th), listen(t, hg), listen(t, lando)
	p.urls = append(p.urls, thURL, "TH", hgURL, "HG", landoURL, "LANDO")
	ledger := p.args[4:]
	run := func(args ...string) (string, int) {
		p.args = append(slices.Clone(ledger), "--ci", "treeherder", "--treeherder-url", thURL)
		return p.doctor(args...)
	}
	for name, c := range map[string]struct {
		args   []string
		status int
		says   []string
	}{
		"alone": {nil, 0, []string{
			"✓ treeherder  reached TH; newest push of autoland: 903 00000abc0003\n",
			"\nReading works. Acting on Treeherder does not: it is read only; add --trigger-ci taskcluster.\n",
		}},
		"another project": {[]string{"--repo", "autolane"}, 1, []string{
			"✕ treeherder  reached TH, which has no pushes of autolane",
			"with --repo; now autolane; close: autoland\n",
		}},
		"pushes of hg": {[]string{"--hg-url", hgURL, "--lando-url", landoURL}, 0, []string{
			"✓ hg          reached HG; newest push of autoland: 54 00000abc0003", "✓ lando       reached LANDO\n",
			"✓ treeherder ",
		}},
		"a Lando that is not there": {[]string{"--hg-url", hgURL, "--lando-url", refusing(t)}, 0, []string{
			"! lando       not reached: http://127.0.0.1:",
			"connection refused: nothing listens there; revisions of git",
			"to fix: check --lando-url, and that Lando runs", "Reading works.",
		}},
		"a Lando that is something else": {[]string{"--hg-url", hgURL, "--lando-url", hgURL}, 0, []string{
			"! lando       HG answers HTTP 404 Not Found",
		}},
		"an hg that is not there": {[]string{"--hg-url", refusing(t)}, 1, []string{
			"✕ hg          not reached: ", "connection refused", "Reading does not work: see hg above.",
		}},
		"a Treeherder that is another": {
			[]string{"--treeherder-url", hgURL},
			1,
			[]string{"✕ treeherder  reached HG, which has no pushes"},
		},
	} {
		out, status := run(c.args...)
		for _, words := range c.says {
			if !strings.Contains(out, words) || status != c.status {
				t.Errorf("%s: exit %d, expected %d and %q:\n%s", name, status, c.status, words, out)
			}
		}
	}
}

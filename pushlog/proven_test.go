package pushlog_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/internal/testing/damage"
	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
	"github.com/mozci/mozci/pushlog"
)

// answering is autoland on a server that gives one answer to everything.
func answering(t *testing.T, body string) *pushlog.Log {
	t.Helper()
	return newHandlerServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(body))
	})).Repository("autoland")
}

// whole is a push of two changesets, in full, and hashes the same push with hashes
// alone: of the numbers 70 and 71.
func whole(id int64) string {
	const changeset = `{"node": %q, "git_node": %q, "author": "Dev", "desc": "Bug 1", "branch": "default", ` +
		`"parents": [%q], "git_parents": [null], "files": [], "tags": []}`
	return fmt.Sprintf(`{"lastpushid": 9, "pushes": {"%d": {"user": "dev", "date": 1700000000, "git_changesets": [%q, null],
		"changesets": [`+changeset+`, `+strings.Replace(changeset, `"git_node": %q`, `"git_node": null`, 1)+`]}}}`, id,
		gitHash(70), hgHash(70), gitHash(70), hgHash(69), hgHash(71), hgHash(70))
}

func hashes(id int64) string {
	return fmt.Sprintf(`{"lastpushid": 9, "pushes": {"%d": {"user": "dev", "date": 1700000000,
		"git_changesets": [%q, null], "changesets": [%q, %q]}}}`, id, gitHash(70), hgHash(70), hgHash(71))
}

// An answer and what a caller asks to get it.
var provable = map[string]struct {
	text                   string
	optional, null, unread []string // members that may be absent, null, or anything
	ask                    func(t *testing.T, text string) error
}{
	"json-pushes": {
		hashes(7),
		[]string{"git_changesets", "user"},
		[]string{"git_changesets[0]", "git_changesets[1]"},
		nil,
		func(t *testing.T, text string) error {
			_, err := answering(t, text).Pushes(t.Context(), job.IDs(7, 7))
			return err
		},
	},
	"json-pushes-full": {
		whole(7),
		[]string{"git_changesets", "git_node", "git_parents", "user", "author"},
		[]string{"git_changesets[0]", "git_changesets[1]", "git_node", "git_parents[0]"},
		[]string{"branch", "git_parents[0]", "files", "tags"},
		func(t *testing.T, text string) error {
			r := job.IDs(7, 7)
			r.Full = true
			_, err := answering(t, text).Pushes(t.Context(), r)
			return err
		},
	},
	"json-automationrelevance": {
		fmt.Sprintf(`{"visible": true, "changesets": [{"node": %q}, {"node": %q}]}`, hgHash(70), hgHash(71)),
		[]string{"backedoutby"},
		nil,
		[]string{"visible"},
		func(t *testing.T, text string) error {
			c := []job.Changeset{{Node: hgHash(70)}, {Node: hgHash(71)}}
			_, err := answering(t, text).Backouts(t.Context(), job.Push{
				Repo: "autoland", ID: 7, Revision: hgHash(71), Changesets: c,
			})
			return err
		},
	},
	"lando": {
		fmt.Sprintf(`{"git_hash": %q, "hg_hash": %q}`, gitHash(70), hgHash(70)), nil, nil, nil,
		func(t *testing.T, text string) error {
			s, err := pushlog.New("https://hg.example", &pushlog.Options{
				LandoURL: "https://lando.example", HTTP: hgtest.Client(http.HandlerFunc(
					func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) })),
			})
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = s.LandoTwins(t.Context(), "autoland", gitHash(70))
			return err
		},
	},
	"hgpushes-1": {message, nil, nil, []string{"push_json_url", "source"}, decodeMessage},
	"hgpushes-2": {
		`{"type": "changegroup.1", "data": ` + message + `}`, nil, nil,
		[]string{"push_json_url", "source"},
		decodeMessage,
	},
}

var message = fmt.Sprintf(`{"repo_url": "https://hg.mozilla.org/try", "heads": [%q], "source": "serve",
	"pushlog_pushes": [{"pushid": 7, "time": 1700000000, "user": "dev", "push_json_url": "https://h/"}]}`, hgHash(1))

func decodeMessage(_ *testing.T, text string) error {
	_, err := pushlog.DecodeMessage([]byte(text))
	return err
}

// A member that is absent, null or of another type is an error that names the source
// and the place, never a default.
func TestEveryRequiredMember(t *testing.T) {
	for name, c := range provable {
		if err := c.ask(t, c.text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		tried := 0
		for d := range damage.All([]byte(c.text), 9, 1) {
			member := d.Path[strings.LastIndex(d.Path, ".")+1:]
			switch {
			case d.Kind != damage.Removed && d.Kind != damage.Null && d.Kind != damage.Type,
				d.Path == "pushes.7", // a push that is a hole
				slices.Contains(c.unread, member),
				slices.Contains(c.optional, member) && d.Kind == damage.Removed,
				slices.Contains(c.null, member) && d.Kind == damage.Null:
				continue
			}
			tried++
			err := c.ask(t, string(d.Text))
			var broken *contract.Error
			if !errors.Is(err, job.ErrMalformed) || !errors.As(err, &broken) || broken.Source != "pushlog/"+name {
				t.Errorf("%s: %v: %v, expected an error of the contract", name, d, err)
			}
		}
		if tried < 10 {
			t.Errorf("%s: %d damages", name, tried)
		}
	}
}

// What no tag says: what is empty, comes twice, is in the wrong order or too large.
func TestWhatNoTagSays(t *testing.T) {
	full := job.IDs(7, 7)
	full.Full = true
	both := fmt.Sprintf("[%q, %q]", hgHash(70), hgHash(71))
	for name, c := range map[string]struct{ body, old, new, says string }{
		"no changesets":     {hashes(7), both, "[]", "pushes[7].changesets: empty"},
		"a changeset twice": {hashes(7), hgHash(71), hgHash(70), "pushes[7].changesets[1]"},
		"a changeset of two pushes": {
			strings.Replace(hashes(7), `{"7": `, `{"6": {"user": "u", "date": 1, "changesets": ["`+hgHash(71)+`"]}, "7": `, 1), "", "",
			"pushes[7]: changeset",
		},
		"a hash that is cut":      {hashes(7), hgHash(71), hgHash(71)[:39], "pushes[7].changesets[1]"},
		"git's that is cut":       {hashes(7), gitHash(70), gitHash(70)[:39], "pushes[7].git_changesets[0]"},
		"git's of fewer":          {hashes(7), `, null]`, `]`, "pushes[7].git_changesets: 1 for 2"},
		"a parent twice":          {whole(7), `"parents": ["`, `"parents": ["` + hgHash(69) + `", "`, "changesets[0].parents[1]"},
		"git's parents":           {whole(7), `"git_parents": [null`, `"git_parents": [null, null`, "git_parents: 2 for 1"},
		"git's that differ":       {whole(7), `"git_changesets": ["` + gitHash(70), `"git_changesets": ["` + gitHash(72), "git_changesets[0]"},
		"a parent that is later":  {whole(7), `"parents": ["` + hgHash(69), `"parents": ["` + hgHash(71), "changesets[0].parents[0]"},
		"its own parent":          {whole(7), `"parents": ["` + hgHash(69), `"parents": ["` + hgHash(70), "changesets[0].parents[0]"},
		"a parent that is cut":    {whole(7), `"parents": ["` + hgHash(69), `"parents": ["` + hgHash(69)[:12], "changesets[0].parents[0]"},
		"three parents":           {whole(7), `"parents": ["`, `"parents": ["` + hgHash(1) + `", "` + hgHash(2) + `", "`, "parents: 3"},
		"before any date":         {hashes(7), "1700000000", "-7", "pushes[7].date: -7"},
		"no date":                 {hashes(7), "1700000000", "0", "pushes[7].date: 0"},
		"after every date":        {hashes(7), "1700000000", "253402300800", "pushes[7].date: 253402300800"},
		"beyond the last":         {hashes(7), `"lastpushid": 9`, `"lastpushid": 6`, "push 7, but lastpushid is 6"},
		"a last that nothing has": {hashes(7), `"lastpushid": 9`, `"lastpushid": 9000000000000000000`, "lastpushid"},
		"an id with a sign":       {hashes(7), `"7"`, `"+7"`, `push id "+7"`},
		"an id twice":             {hashes(7), `{"7": `, `{"7": {"user": "u", "date": 1, "changesets": ["` + hgHash(1) + `"]}, "7": `, "duplicate"},
		"text after the answer":   {hashes(7), "", "", ""},
	} {
		body := strings.Replace(c.body, c.old, c.new, 1)
		if c.says == "" {
			body, c.says = body+"{}", "something after the end"
		}
		r := full
		r.Full = strings.Contains(c.body, "parents")
		_, err := answering(t, body).Pushes(t.Context(), r)
		if !errors.Is(err, job.ErrMalformed) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, expected %s", name, err, c.says)
		}
	}
	obsolete := strings.Replace(hashes(7), `"changesets": [`, `"obsoletechangesets": ["`+hgHash(1)+`"], "changesets": [`, 1)
	if p, err := answering(t, obsolete).Pushes(t.Context(), job.IDs(7, 7)); err != nil || len(p) != 1 {
		t.Errorf("%v, %v", p, err)
	}
}

// An answer about something else than was asked is none, whatever parameter it was
// that the server ignored.
func TestAnotherAnswer(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	ofPush := func(rev string) func(*pushlog.Log) error {
		return func(l *pushlog.Log) error { _, err := l.Push(t.Context(), rev); return err }
	}
	pushes := func(r job.Range) func(*pushlog.Log) error {
		return func(l *pushlog.Log) error { _, err := l.Pushes(t.Context(), r); return err }
	}
	for name, c := range map[string]struct {
		ask  func(*pushlog.Log) error
		says string
	}{
		"below the ids":     {pushes(job.IDs(8, 9)), "pushes[7]: 7, asked for"},
		"above the ids":     {pushes(job.IDs(1, 6)), "pushes[7]: 7, asked for"},
		"before the dates":  {pushes(job.Dates(at.Add(50*time.Hour), at.Add(60*time.Hour))), "pushes[7].date"},
		"after the dates":   {pushes(job.Dates(at.Add(-60*time.Hour), at.Add(-50*time.Hour))), "pushes[7].date"},
		"another revision":  {ofPush(hgHash(75)), "pushes[7].changesets"},
		"another short one": {ofPush(hgHash(75)[:12]), "pushes[7].changesets"},
		"other ends":        {pushes(job.Between(hgHash(74), hgHash(75))), "pushes[7].changesets"},
		"another push's": {func(l *pushlog.Log) error {
			_, err := l.Backouts(t.Context(), job.Push{Repo: "autoland", ID: 7, Revision: hgHash(1)})
			return err
		}, "json-automationrelevance"},
	} {
		err := c.ask(answering(t, hashes(7)))
		if !errors.Is(err, job.ErrMalformed) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, expected %s", name, err, c.says)
		}
	}
	if err := ofPush(hgHash(70)[:12])(answering(t, hashes(7))); err != nil {
		t.Errorf("what was asked for: %v", err)
	}
}

// The changesets that a push is known to have are all in what is said about them.
func TestRelevanceOfAnotherPush(t *testing.T) {
	p := job.Push{
		Repo: "autoland", ID: 7, Revision: hgHash(71),
		Changesets: []job.Changeset{{Node: hgHash(70)}, {Node: hgHash(71)}},
	}
	for body, says := range map[string]string{
		fmt.Sprintf(`{"changesets": [{"node": %q}, {"node": %q}]}`, hgHash(71), hgHash(70)):      "changesets[1].node",
		fmt.Sprintf(`{"changesets": [{"node": %q}]}`, hgHash(71)):                                "is missing",
		fmt.Sprintf(`{"changesets": [{"node": %q, "backedoutby": %q}]}`, hgHash(71), hgHash(71)): "changesets[0].backedoutby",
	} {
		if _, err := answering(t, body).Backouts(t.Context(), p); !errors.Is(err, job.ErrMalformed) ||
			!strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, expected %s", body, err, says)
		}
	}
}

// The ends of a range of revisions are in it.
func TestEndsOfARange(t *testing.T) {
	hg := mirror(9, 1)
	l := newHandlerServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("startID") {
			_, _ = w.Write([]byte(hashes(7)))
			return
		}
		hg.ServeHTTP(w, r)
	})).Repository("autoland")
	for _, r := range []job.Range{job.Between(hgHash(60), hgHash(70)), job.Around(hgHash(60), 1, 1)} {
		if _, err := l.Pushes(t.Context(), r); !errors.Is(err, job.ErrMalformed) ||
			!strings.Contains(err.Error(), "push 6 has "+hgHash(61)[:12]) {
			t.Errorf("%v: %v", r, err)
		}
	}
}

// A listing ends also where the server says that there is always more.
func TestListingsEnd(t *testing.T) {
	asked := 0
	l := newHandlerServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		_, _ = w.Write([]byte(`{"lastpushid": 900000000000, "pushes": {}}`))
	})).Repository("autoland")
	_, err := l.Pushes(t.Context(), job.IDs(1, math.MaxInt64))
	if !errors.Is(err, job.ErrMalformed) || !strings.Contains(err.Error(), "5000 pages of 200 ids") || asked != 5000 {
		t.Errorf("%v after %d requests", err, asked)
	}
}

// A server that hangs holds up nobody for longer than the deadline, whatever was
// asked, and that is not the caller's doing.
func TestDeadline(t *testing.T) {
	calls := map[string]func(context.Context, *pushlog.Server) error{
		"pushlog.push": func(ctx context.Context, s *pushlog.Server) error {
			_, err := s.Repository("autoland").Push(ctx, hgHash(1))
			return err
		},
		"pushlog.pushes": func(ctx context.Context, s *pushlog.Server) error {
			_, err := s.Repository("autoland").Pushes(ctx, job.IDs(1, 9))
			return err
		},
		"pushlog.origins": func(ctx context.Context, s *pushlog.Server) error {
			_, err := s.Repository("autoland").Origins(ctx, job.Push{ID: 1, Revision: hgHash(1)})
			return err
		},
		"pushlog.backouts": func(ctx context.Context, s *pushlog.Server) error {
			_, err := s.Repository("autoland").Backouts(ctx, job.Push{ID: 1, Revision: hgHash(1)})
			return err
		},
		"pushlog.twins": func(ctx context.Context, s *pushlog.Server) error {
			_, _, err := s.Twins(ctx, "autoland", hgHash(1))
			return err
		},
		"lando.twins": func(ctx context.Context, s *pushlog.Server) error {
			_, _, err := s.LandoTwins(ctx, "autoland", hgHash(1))
			return err
		},
	}
	for op, call := range calls {
		synctest.Test(t, func(t *testing.T) {
			s, err := pushlog.New("https://hg.example", &pushlog.Options{
				LandoURL: "https://lando.example", Deadline: 5 * time.Second,
				HTTP: &http.Client{Transport: hanging{}},
			})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			err = call(t.Context(), s)
			took := time.Since(began)
			var e *job.Error
			if !errors.Is(err, job.ErrUnavailable) || !errors.As(err, &e) || errors.Is(err, context.DeadlineExceeded) ||
				took != 5*time.Second || !strings.Contains(err.Error(), op+": no answer within 5s") {
				t.Errorf("%s: %v after %s", op, err, took)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := call(ctx, s); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: the caller's deadline: %v", op, err)
			}
		})
	}
}

// hanging answers nothing.
type hanging struct{}

func (hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

// A page without any revision ends a walk, and parents in a circle end a search for
// origins.
func TestOddHistoriesEnd(t *testing.T) {
	var pushes []job.Push
	for i := range 400 {
		pushes = append(pushes, job.Push{Repo: "r", ID: int64(i + 1), Order: int64(i)})
	}
	pushes[399].Revision = hgHash(399)
	n := 0
	for v, err := range pushlog.Walk(t.Context(), lost{job.NewList("r", pushes)}, "tip", nil) {
		if n++; err != nil || v.Push.ID == 0 {
			t.Errorf("%v, %v", v, err)
		}
	}
	if n != 201 {
		t.Errorf("%d pushes, expected a page of them", n)
	}
	circle := job.Push{Repo: "autoland", ID: 9, Revision: hgHash(2), Time: time.Unix(1_800_000_000, 0)}
	circle.Changesets = []job.Changeset{
		{Node: hgHash(1), Parents: []string{hgHash(2), hgHash(3)}},
		{Node: hgHash(2), Parents: []string{hgHash(4), hgHash(1)}},
	}
	l := newHandlerServer(t, mirror(3, 9)).Repository("autoland")
	if got, err := l.Origins(t.Context(), circle); err != nil || len(got) > 0 {
		t.Errorf("%v, %v", got, err)
	}
}

// lost is a repository whose pushes have lost their changesets since the first was
// read.
type lost struct{ *job.List }

func (l lost) Pushes(ctx context.Context, r job.Range) ([]job.Push, error) {
	pushes, err := l.List.Pushes(ctx, r)
	for i := range pushes {
		pushes[i].Revision = ""
	}
	return pushes, err
}

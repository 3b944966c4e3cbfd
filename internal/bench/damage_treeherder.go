package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/damage"
	"github.com/mozci/mozci/internal/testing/hgtest"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/internal/testing/thtest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
	"github.com/mozci/mozci/job/treeherder"
)

// treeherderDamage are recorded answers of Treeherder, and its snapshots.
func treeherderDamage(t *testing.T) []*damage.Case {
	return slices.Concat(treeherderPushes(t), treeherderJobs(t), []*damage.Case{treeherderTable(t)}, snapshotCases(t))
}

func treeherderContract(name string) contract.Any {
	i := slices.IndexFunc(treeherder.Contracts(), func(c contract.Any) bool { return c.Title() == "treeherder/"+name })
	return treeherder.Contracts()[i]
}

// harmedProject is try on a server that answers one path with a text, and everything else as the
// double does.
func harmedProject(s *thtest.Server, path string, text []byte) *treeherder.Project {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, path) {
			_, _ = w.Write(text)
			return
		}
		s.ServeHTTP(w, r)
	})
	srv, err := treeherder.New("https://treeherder.example", &treeherder.Options{HTTP: hgtest.Client(h)})
	if err != nil {
		panic(err)
	}
	return srv.Project(s.Project)
}

func treeherderPushes(t *testing.T) []*damage.Case {
	text := testenv.Read(t, "data", "2-treeherder", "treeherder__push_list.json")
	var list struct {
		Meta    json.RawMessage   `json:"meta"`
		Results []json.RawMessage `json:"results"`
	}
	var first struct{ Revision string }
	if json.Unmarshal(text, &list) != nil || json.Unmarshal(list.Results[0], &first) != nil {
		t.Fatal("the recorded pushes cannot be read")
	}
	one := fmt.Appendf(nil, `{"meta":%s,"results":[%s]}`, list.Meta, list.Results[0])
	another := fmt.Appendf(nil, `{"meta":%s,"results":[%s]}`, list.Meta, list.Results[1])
	return []*damage.Case{
		{
			Endpoint: treeherderContract("push"), Name: "pushes of try", Text: text, Untold: treeherderUntold,
			Others: map[string][]byte{"another project's": bytes.ReplaceAll(text, []byte(`"try"`), []byte(`"autoland"`))},
			Result: func(text []byte) (string, error) {
				p := harmedProject(&thtest.Server{Project: "try"}, "/push/", text)
				pushes, err := p.Pushes(context.Background(), job.IDs(1, 1<<40))
				return told(pushes), err
			},
		},
		{
			Endpoint: treeherderContract("push"), Name: "the push of a revision", Text: one, Untold: treeherderUntold,
			Others: map[string][]byte{"another push": another, "several": text},
			Result: func(text []byte) (string, error) {
				p := harmedProject(&thtest.Server{Project: "try"}, "/push/", text)
				push, err := p.Push(context.Background(), first.Revision)
				return told([]job.Push{push}), err
			},
		},
	}
}

// treeherderJobs are the recorded jobs of one push, as objects and as rows.
func treeherderJobs(t *testing.T) []*damage.Case {
	var recorded map[string]thtest.Object
	text := testenv.Read(t, "data", "2-treeherder", "treeherder__job_map.json")
	if err := json.Unmarshal(text, &recorded); err != nil {
		t.Fatal(err)
	}
	const id = 511137
	s := &thtest.Server{Project: "try"}
	rev := strings.Repeat("ab", 20)
	s.AddPush(thtest.Object{"id": id, "revision": rev, "author": "dev", "push_timestamp": 1560000000})
	for _, j := range recorded {
		s.AddJob(j)
	}
	answer := func(form string) []byte {
		w := &kept{header: http.Header{}}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
			fmt.Sprintf("/api/project/try/jobs/?push_id=%d&count=2000%s", id, form), nil)
		if err != nil {
			t.Fatal(err)
		}
		s.ServeHTTP(w, r)
		return w.Bytes()
	}
	var out []*damage.Case
	for form, name := range map[string]string{"": "jobs", "&return_type=list": "jobs as rows"} {
		text := answer(form)
		out = append(out, &damage.Case{
			Endpoint: treeherderContract("jobs"), Name: name, Text: text, Untold: treeherderUntold,
			Others: map[string][]byte{
				"another push's": bytes.ReplaceAll(text, []byte("511137"), []byte("511138")),
				"another page":   bytes.Replace(text, []byte(`"offset":0`), []byte(`"offset":2000`), 1),
			},
			Result: func(text []byte) (string, error) {
				jobs, err := harmedProject(s, "/jobs/", text).Jobs(context.Background(),
					job.Push{Repo: "try", ID: 1, Revision: rev})
				return toldJobs(jobs), err
			},
		})
	}
	slices.SortFunc(out, func(a, b *damage.Case) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// kept keeps what a handler answers.
type kept struct {
	bytes.Buffer
	header http.Header
}

func (k *kept) Header() http.Header { return k.header }

func (k *kept) WriteHeader(int) {}

// toldJobs is what matters of jobs, in the order of their ids.
func toldJobs(jobs []job.Job) string {
	var lines []string
	for _, j := range jobs {
		at := j.Times()
		lines = append(lines, fmt.Sprint(j.ID(), " ", j.Name(), " ", j.Status(), " ", at.Started.Unix(), " ",
			at.Finished.Unix()))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// treeherderTable is the recorded table of repositories, with one that is a try server only
// according to the table.
func treeherderTable(t *testing.T) *damage.Case {
	var har struct {
		Log struct {
			Entries []struct {
				Request  struct{ URL string }
				Response struct{ Content struct{ Text string } }
			}
		}
	}
	recording := testenv.Read(t, "data", "2-treeherder", "treeherder__recording_requests.har")
	if err := json.Unmarshal(recording, &har); err != nil {
		t.Fatal(err)
	}
	var text string
	for _, e := range har.Log.Entries {
		if strings.HasSuffix(e.Request.URL, "/api/repository/") {
			text = e.Response.Content.Text
		}
	}
	at := strings.Index(text, `"is_try_repo"`)
	text = text[:at] + strings.Replace(text[at:], "false", "true", 1)
	var rows []struct{ Name string }
	if err := json.Unmarshal([]byte(text), &rows); err != nil {
		t.Fatal(err)
	}
	return &damage.Case{
		Endpoint: treeherderContract("repository"), Name: "the table", Text: []byte(text), Untold: treeherderUntold,
		Result: func(text []byte) (string, error) {
			p := harmedProject(&thtest.Server{Project: rows[0].Name}, "/repository/", text)
			switch err := p.Line(context.Background()); {
			case err == nil:
				return "a line", nil
			case strings.Contains(err.Error(), "try server"):
				return "no line", nil
			default:
				return "", err
			}
		},
	}
}

// snapshotCases are pushes of the snapshots of 2013 and 2014, with objects and with rows.
func snapshotCases(t *testing.T) []*damage.Case {
	var out []*damage.Case
	for _, c := range []struct {
		contract, name, file string
		push                 int // the push that is damaged; one of them is enough, to be quick
	}{
		{"resultsets", "a push of 2014", "mozilla-inbound_resultset_2014-04-15.json.gz", 0},
		{"resultsets", "a push of 2014 with rows", "mozilla-inbound_resultset_2014-04-15_later.json.gz", 1},
		{"resultset-2013", "a push of 2013", "treeherder__resultset_1.json.gz", -1},
	} {
		text := testenv.Read(t, "data", "2-treeherder", c.file)
		if c.push >= 0 {
			var whole map[string]any
			if err := json.Unmarshal(text, &whole); err != nil {
				t.Fatal(err)
			}
			whole["results"] = whole["results"].([]any)[c.push : c.push+1]
			var err error
			if text, err = json.Marshal(whole); err != nil {
				t.Fatal(err)
			}
		}
		out = append(out, &damage.Case{
			Endpoint: treeherderContract(c.contract), Name: c.name, Text: text, Untold: treeherderUntold,
			Result: snapshotResult,
		})
	}
	return out
}

func snapshotResult(text []byte) (string, error) {
	s, err := treeherder.ReadSnapshot(bytes.NewReader(text), "unnamed")
	if err != nil {
		return "", err
	}
	pushes, err := s.Pushes(context.Background(), job.IDs(0, 1<<60))
	if err != nil {
		return "", err
	}
	out := s.Name() + "\n" + told(pushes)
	for _, p := range pushes {
		jobs, err := s.Jobs(context.Background(), p)
		if err != nil {
			return "", err
		}
		out += toldJobs(jobs)
	}
	return out, nil
}

// treeherderUntold says why a reader cannot notice that an answer is damaged.
func treeherderUntold(d damage.Damage, _ string) string {
	field := placeInList.ReplaceAllString(d.Path, "[]")
	last := field[strings.LastIndexByte(field, '.')+1:]
	switch {
	case last == "revisions[]" && d.Kind == damage.Dropped:
		return "an answer names at most 20 revisions of a push"
	case (field == "results[]" && d.Kind == damage.Dropped || field == "results" && d.Kind == damage.Empty):
		return "a push may have a job less, and a file a push"
	case field == "[]" && d.Kind == damage.Dropped:
		return "the table need not name a project"
	case d.Kind == damage.Word && slices.Contains(freeWords, last):
		return "a name is what people call it"
	case (last == "jobs[]" || last == "groups[]" || last == "platforms[]") && d.Kind == damage.Dropped,
		(last == "jobs" || last == "groups" || last == "platforms") && d.Kind == damage.Empty:
		return "in 2013 nothing said how many jobs there are"
	case last == "symbol" && (d.Kind == damage.Null || d.Kind == damage.Empty || d.Kind == damage.Type):
		return "a group need not have a symbol"
	case slices.Contains(ofPlace, last) &&
		(d.Kind == damage.Removed || d.Kind == damage.Empty || d.Kind == damage.Word):
		return "a job need not say what tells its builder from others"
	}
	return ""
}

// freeWords are texts of any form.
var freeWords = []string{"name", "job_type_name", "job_type_symbol", "repository", "symbol"}

// ofPlace are what a job says about itself, and about its place.
var ofPlace = []string{
	"who", "option_collection_hash", "build_platform", "ref_data_name", "job_group_symbol", "platform",
	"platform_option", "option",
}

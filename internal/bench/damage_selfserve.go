package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/internal/gunzip"
	"github.com/mozci/mozci/internal/testing/damage"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// selfserveDamage are answers of Mozilla's Buildbot: of BuildAPI, of the dumps, and of Pulse.
func selfserveDamage(t *testing.T) []*damage.Case {
	out := []*damage.Case{thingsCase(t)}
	out = append(out, buildAPICases(t)...)
	out = append(out, dumpCases(t)...)
	return append(out, toldCases(t)...)
}

// selfserveOf is a contract of the package, by its name.
func selfserveOf(name string) contract.Any {
	all := selfserve.Contracts()
	return all[slices.IndexFunc(all, func(c contract.Any) bool { return c.Title() == "selfserve/"+name })]
}

// plain reads a recorded file of Buildbot, unpacked.
func plain(t *testing.T, folder, name string) []byte {
	t.Helper()
	in, err := gunzip.Reader(bytes.NewReader(testenv.Read(t, "data", folder, name)))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// buildAPI answers each method and path with a text.
type buildAPI map[string][]byte

func (s buildAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, ok := s[r.Method+" "+r.URL.Path]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_, _ = w.Write(text)
}

// project is a branch of it, at a time long after everything that is recorded.
func (s buildAPI) project(branch string) (*selfserve.Project, error) {
	c, err := selfserve.New("http://buildapi.test", &selfserve.Options{
		HTTP: &http.Client{Transport: testenv.InMemory{Handler: s}}, BuildDataURL: "http://builddata.test",
		Now: func() time.Time { return time.Date(2018, 6, 1, 0, 0, 0, 0, time.UTC) },
	})
	if err != nil {
		return nil, err
	}
	return c.Project(branch), nil
}

// jobs are the jobs of a revision, as text.
func (s buildAPI) jobs(branch, revision string) (string, error) {
	p, err := s.project(branch)
	if err != nil {
		return "", err
	}
	all, err := p.Jobs(context.Background(), job.Push{Repo: branch, ID: 1, Revision: revision})
	return jobLines(all), err
}

func jobLines(all []job.Job) string {
	var out []string
	for _, j := range all {
		out = append(out, fmt.Sprintf("%s %s %s", j.ID(), j.Name(), j.Status()))
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

// recordedRevision is the revision of the recorded listing.
const recordedRevision = "146071751b1e5d16b87786f6e60485222c28c202"

// recordedListing is the recorded listing of a build that succeeded, with one of its two requests,
// another request that failed, and one that waits.
func recordedListing(t *testing.T) []byte {
	t.Helper()
	var all struct {
		Selfserve map[string]string
	}
	text := plain(t, "5-buildbot", "mozilla_ci_tools__selfserve_and_treeherder_samples.json")
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	one := strings.TrimSpace(fmt.Sprintf(all.Selfserve["BASE_JSON"], "0", "1433166610", "1", "1433166609"))
	two := strings.NewReplacer(`"build_id": 72398103`, `"build_id": 72398104`, "71123549", "71123550",
		`"status": 0`, `"status": 2`, "try build", "try leak test build").Replace(one)
	var builds []map[string]any
	if err := json.Unmarshal([]byte(one[:len(one)-1]+","+two[1:]), &builds); err != nil {
		t.Fatal(err)
	}
	waits := builds[0]["requests"].([]any)[0]
	waiting := maps.Clone(waits.(map[string]any))
	waiting["request_id"], waiting["complete"], waiting["complete_at"] = 71123551, 0, nil
	text, err := json.Marshal([]any{builds[0], builds[1], waiting})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// listedDump is a dump of the day that contains the recorded listing's build, in the form of a
// recorded build.
func listedDump(t *testing.T) []byte {
	t.Helper()
	var builds []map[string]any
	unpacked := plain(t, "5-buildbot", "ActiveData-ETL__buildjson_builds.json.gz")
	if err := json.Unmarshal(unpacked, &builds); err != nil {
		t.Fatal(err)
	}
	b := builds[slices.IndexFunc(builds, func(b map[string]any) bool {
		name, _ := b["properties"].(map[string]any)["buildername"].(string)
		return strings.HasSuffix(name, " try opt test web-platform-tests-e10s-3")
	})]
	p := b["properties"].(map[string]any)
	b["starttime"], b["endtime"], b["requesttime"] = 1433164406, 1433166609, 1433164090
	b["buildnumber"], p["buildnumber"] = 4372, 4372
	b["request_ids"], p["request_ids"] = []int{71123549}, []int{71123549}
	p["buildername"], p["revision"], b["result"] = "Linux x86-64 try build", recordedRevision, 0
	text, err := json.Marshal(map[string]any{
		"builds": []any{b}, "starttime": 1433116800, "endtime": 1433203199,
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

const (
	listingAt = "GET /self-serve/try/rev/146071751b1e"
	dumpAt    = "GET /builds-2015-06-01.js.gz"
)

func buildAPICases(t *testing.T) []*damage.Case {
	listing, day := recordedListing(t), listedDump(t)
	other := strings.NewReplacer(recordedRevision, strings.Repeat("f", 40))
	branch := strings.NewReplacer(`"branch":"try"`, `"branch":"mozilla-beta"`)
	return []*damage.Case{{
		Endpoint: selfserveOf("revision"), Name: "jobs of a revision", Text: listing,
		Others: map[string][]byte{
			"of another revision": []byte(other.Replace(string(listing))),
			"of another branch":   []byte(branch.Replace(string(listing))),
		},
		Result: func(text []byte) (string, error) {
			return buildAPI{listingAt: text, dumpAt: day}.jobs("try", recordedRevision)
		},
		Untold: func(d damage.Damage, _ string) string {
			return untoldOf(d, listing, map[string]string{
				"[].status":                "a build ends before its requests have a result",
				"[].requests":              "a build is of any number of requests",
				"[].buildername":           "a request is for any builder",
				"[].request_id":            "a request has any number",
				"[].requests[].request_id": "a request has any number",
				"[].buildnumber":           "a build has any number, and need not be in a dump",
				"[]":                       "a revision has any number of jobs",
			})
		},
	}, {
		Endpoint: selfserveOf("builders"), Name: "builders of a branch",
		Text:   []byte(`["Linux x86-64 try build", "Linux x86-64 try leak test build", "Linux try build"]`),
		Others: map[string][]byte{"of another branch": []byte(`["Linux x86-64 mozilla-beta build"]`)},
		Result: func(text []byte) (string, error) {
			p, err := buildAPI{"GET /self-serve/try/builders": text}.project("try")
			if err != nil {
				return "", err
			}
			all, err := p.Catalog(context.Background(), job.Push{Repo: "try", ID: 1, Revision: recordedRevision})
			return fmt.Sprint(all), err
		},
		Untold: func(d damage.Damage, _ string) string {
			return untoldOf(d, nil, map[string]string{"[]": "a branch has any number of builders"})
		},
	}, {
		Endpoint: selfserveOf("request"), Name: "a request, for its log", Text: firstRequest(t, listing),
		Others: map[string][]byte{
			"another request": bytes.ReplaceAll(firstRequest(t, listing), []byte("71123549"), []byte("71123550")),
		},
		Result: func(text []byte) (string, error) { return logOf(text, day) },
	}, {
		Endpoint: selfserveOf("taken cancel"), Name: "the answer to a cancel", Text: []byte(`{"status": "OK", "request_id": 5}`),
		Result: func(text []byte) (string, error) {
			p, err := buildAPI{"DELETE /self-serve/try/request/71123549": text}.project("try")
			if err != nil {
				return "", err
			}
			return "taken", p.Cancel(context.Background(), "71123549/1")
		},
	}}
}

// untoldOf says why a reader cannot notice a damage to a field: the field may be absent, may have
// another value of the same form, or its list may have one element more or less.
func untoldOf(d damage.Damage, whole []byte, why map[string]string) string {
	field := contract.Finding{Path: d.Path}.Field()
	switch d.Kind {
	case damage.Dropped, damage.Empty, damage.Null, damage.Removed, damage.Flipped: // damage to a member's name
		return why[field]
	}
	if damage.Scalar(whole, d.Text) {
		return why[field]
	}
	return ""
}

// firstRequest is the first request of a listing.
func firstRequest(t *testing.T, listing []byte) []byte {
	t.Helper()
	var builds []struct{ Requests []json.RawMessage }
	if err := json.Unmarshal(listing, &builds); err != nil {
		t.Fatal(err)
	}
	return builds[0].Requests[0]
}

// logOf is the log of the recorded request's run, found by the request's id.
func logOf(request, day []byte) (string, error) {
	var dump struct {
		Builds []struct {
			Properties struct {
				URL string `json:"log_url"`
			}
		}
	}
	if err := json.Unmarshal(day, &dump); err != nil {
		return "", err
	}
	at, err := url.Parse(dump.Builds[0].Properties.URL)
	if err != nil {
		return "", err
	}
	p, err := buildAPI{
		"GET /self-serve/try/request/71123549": request, dumpAt: day, "GET " + at.Path: []byte("a log"),
	}.project("try")
	if err != nil {
		return "", err
	}
	r, err := p.OpenLog(context.Background(), job.New(job.Fields{ID: "71123549/1"}), job.LogText)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	return string(text), errors.Join(err, r.Close())
}

func dumpCases(t *testing.T) []*damage.Case {
	listing, day := recordedListing(t), listedDump(t)
	recorded := plain(t, "5-buildbot", "treeherder__builds-4hr_2014.json")
	next := strings.NewReplacer("1433116800", "1433203200", "1433203199", "1433289599").Replace(string(day))
	return []*damage.Case{{
		Endpoint: selfserveOf("dump"), Name: "the dump of a day", Text: day,
		Others: map[string][]byte{"of the next day": []byte(next)},
		Result: func(text []byte) (string, error) {
			return buildAPI{listingAt: listing, dumpAt: text}.jobs("try", recordedRevision)
		},
		Untold: func(d damage.Damage, _ string) string {
			return untoldOf(d, day, map[string]string{
				"builds":                       "a dump may not have a run yet",
				"builds[]":                     "a dump may not have a run yet",
				"builds[].properties":          "properties that could not be read are none",
				"builds[].properties.revision": "builds of no change have no revision",
			})
		},
	}, {
		Endpoint: selfserveOf("dump"), Name: "recorded builds, for what ended", Text: recorded,
		Result: func(text []byte) (string, error) { return endsIn(text) },
		Untold: func(d damage.Damage, _ string) string {
			return untoldOf(d, recorded, map[string]string{
				"builds":                            "a dump has any number of builds",
				"builds[]":                          "a dump has any number of builds",
				"builds[].id":                       "a build has any number",
				"builds[].properties":               "properties that could not be read are none",
				"builds[].properties.revision":      "a build has no revision or any",
				"builds[].properties.buildername":   "a builder has any name",
				"builds[].request_ids":              "the two lists can differ",
				"builds[].request_ids[]":            "the two lists can differ",
				"builds[].properties.request_ids":   "the two lists can differ",
				"builds[].properties.request_ids[]": "the two lists can differ",
			})
		},
	}}
}

// endsIn is what a dump says about its builds.
func endsIn(text []byte) (string, error) {
	var out []string
	err := selfserve.ReadDump(bytes.NewReader(text), func(b selfserve.DumpBuild) error {
		out = append(out, fmt.Sprintf("%d %s %.12s %d %v", b.ID, b.Builder, b.Revision, b.Result, b.Requests))
		return nil
	})
	slices.Sort(out)
	return strings.Join(slices.Compact(out), "\n"), err
}

// toldCases are messages of Pulse.
func toldCases(t *testing.T) []*damage.Case {
	raw, _, _ := bytes.Cut(plain(t, "3-pulse", "treeherder__raw_pulse_buildbot_2013-04.jsonl.gz"), []byte("\n"))
	var normalized struct{ Message json.RawMessage }
	lines := bytes.Split(plain(t, "3-pulse", "mozmill-ci__normalized_pulse_messages.jsonl"), []byte("\n"))
	if err := json.Unmarshal(lines[2], &normalized); err != nil {
		t.Fatal(err)
	}
	result := func(text []byte) (string, error) {
		events, err := selfserve.DecodeMessage(text)
		var out []string
		for _, e := range events {
			p := e.Job.Push()
			out = append(out, fmt.Sprintf("%s %s %s %s %.12s",
				e.Job.ID(), e.Job.Name(), e.Job.Status(), p.Repo, p.Revision))
		}
		return strings.Join(out, "; "), err
	}
	return []*damage.Case{{
		Endpoint: selfserveOf("message"), Name: "a build that ended", Text: raw, Result: result,
		Untold: func(d damage.Damage, _ string) string {
			return untoldOf(d, raw, map[string]string{
				"payload.build.properties[]":     "release and older l10n builds have no request_ids",
				"payload.build.properties[][]":   "a property has any value",
				"payload.build.properties[][][]": "a build is of any requests",
				"payload.build.results":          "a build ends with any result",
			})
		},
	}, {
		Endpoint: selfserveOf("normalized"), Name: "a build that ended", Text: normalized.Message, Result: result,
		Untold: func(d damage.Damage, _ string) string {
			return untoldOf(d, normalized.Message, map[string]string{
				"buildername": "a builder has any name", "key": "a builder has any name",
				"tree": "a repository has any name", "revision": "nightlies have no revision",
			})
		},
	}}
}

// lost are the damages that change a name or remove it.
var lost = []damage.Kind{damage.Removed, damage.Dropped, damage.Empty, damage.Word, damage.Flipped}

// thingsCase is allthethings.json. The names in the recorded part were replaced, which gave two
// builders the same name; it appears once here, since the last one counts.
func thingsCase(t *testing.T) *damage.Case {
	t.Helper()
	var once map[string]any
	recorded := plain(t, "5-buildbot", "mozilla_ci_tools__mock_allthethings.json")
	if err := json.Unmarshal(recorded, &once); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(once)
	if err != nil {
		t.Fatal(err)
	}
	builders := slices.Sorted(maps.Keys(once["builders"].(map[string]any)))
	return &damage.Case{
		Endpoint: selfserveOf("allthethings"), Name: "what triggers what", Text: text,
		Result: func(text []byte) (string, error) {
			all, err := selfserve.ReadAllTheThings(bytes.NewReader(text))
			if err != nil {
				return "", err
			}
			out := strings.Join(all.Builders("try"), "; ")
			for _, b := range builders {
				out += fmt.Sprintf("; %s: %q %d", b, all.Upstream(b), all.MaxRevisions(b))
			}
			return out, nil
		},
		Untold: func(d damage.Damage, _ string) string {
			// Only this file says which builders exist, and which trigger which.
			named := strings.HasPrefix(d.Path, "builders.") || strings.HasPrefix(d.Path, "schedulers.")
			if named && slices.Contains(lost, d.Kind) {
				return "the recorded part of allthethings.json names builders that it lacks"
			}
			return ""
		},
	}
}

package selfserve_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/job/contract"
)

// endpoint is a contract by its name.
func endpoint(t testing.TB, name string) contract.Any {
	t.Helper()
	all := selfserve.Contracts()
	i := slices.IndexFunc(all, func(c contract.Any) bool { return c.Title() == "selfserve/"+name })
	if i < 0 {
		t.Fatalf("no contract of %s", name)
	}
	return all[i]
}

func TestContractsAreSorted(t *testing.T) {
	var titles []string
	for _, c := range selfserve.Contracts() {
		titles = append(titles, c.Title())
	}
	if !slices.IsSorted(titles) || len(slices.Compact(titles)) != len(selfserve.Contracts()) {
		t.Errorf("%q", titles)
	}
}

// expected are the findings in what was recorded that are none of a real service.
var expected = map[string]string{
	"allthethings builders not JSON": "the names were replaced, which gave two builders one name",
	"taken build status missing":     "it is what the list of writes says of one that was done",
	"taken build body new":           "likewise",
}

// What was recorded has what the contracts say, and nothing that they do not know.
func TestRecordedContracts(t *testing.T) {
	unseen := map[string]bool{}
	for what := range expected {
		unseen[what] = true
	}
	n := 0
	check := func(name string, asked contract.Asked, text []byte) {
		t.Helper()
		n++
		for _, f := range endpoint(t, name).Check(asked, text) {
			field, _, _ := strings.Cut(f.Field(), ".")
			what, _, _ := strings.Cut(f.Detail, " at byte")
			what, _, _ = strings.Cut(what, ":")
			key := fmt.Sprintf("%s %s %s", name, field, what)
			if expected[key] == "" {
				t.Errorf("%s: %s: %s (%s)", name, f.Path, f.Detail, key)
			}
			delete(unseen, key)
		}
	}
	for file, name := range map[string]string{
		"ActiveData-ETL__buildjson_builds.json.gz":     "dumped",
		"treeherder__builds-4hr_2014.json":             "dump",
		"treeherder__builds-4hr_missing_revision.json": "dump",
		"mozilla_ci_tools__mock_allthethings.json":     "allthethings",
	} {
		if !strings.Contains(file, "mock") && !endpoint(t, name).Describes(file) {
			t.Errorf("%s: not known by its name", file)
		}
		check(name, contract.Asked{}, shared(t, file))
	}
	var all struct {
		Selfserve map[string]string
	}
	unmarshal(t, shared(t, "mozilla_ci_tools__selfserve_and_treeherder_samples.json"), &all)
	const rev = "http://buildapi.test/self-serve/try/rev/146071751b1e?format=json"
	for _, a := range []any{"null", 2} {
		check("revision", contract.Asked{URL: rev},
			fmt.Appendf(nil, all.Selfserve["BASE_JSON"], fmt.Sprint(a), "1433166610", "1", "1433166609"))
	}
	check("failure", contract.Asked{}, []byte(all.Selfserve["BAD_REVISION"]))
	check("taken build", contract.Asked{}, []byte(all.Selfserve["POST_RESPONSE"]))
	for _, file := range []string{
		"pulsetranslator__pulse_messages.jsonl.gz", "treeherder__raw_pulse_buildbot_2013-04.jsonl.gz",
	} {
		lines(t, file, func(_ string, body []byte) { check("message", contract.Asked{}, body) })
	}
	lines(t, "mozmill-ci__normalized_pulse_messages.jsonl", func(path string, body []byte) {
		if !strings.Contains(path, "funsize") { // Taskcluster's
			check("normalized", contract.Asked{}, body)
		}
	})
	if n != 90 {
		t.Errorf("%d texts were checked", n)
	}
	for what := range unseen {
		t.Errorf("%s is expected and was not found", what)
	}
}

// Each contract knows what it is of.
func TestContractsAreFound(t *testing.T) {
	const at = "http://proxy.test/buildapi/self-serve/mozilla-inbound/"
	for _, c := range []struct{ method, url, want string }{
		{"GET", at + "rev/146071751b1e?format=json", "revision"},
		{"GET", at + "request/71?format=json", "request"},
		{"GET", at + "builders?format=json", "builders"},
		{"POST", at + "builders/Linux%20build/146071751b1e?format=json", "taken build"},
		{"POST", at + "request?format=json", "taken rebuild"},
		{"DELETE", at + "request/71?format=json", "taken cancel"},
		{"GET", "http://builddata.test/x/builds-4hr.js.gz", "dump"},
		{"GET", "http://builddata.test/x/builds-2015-06-01.js.gz", "dump"},
		{"GET", "http://builddata.test/x/allthethings.json", "allthethings"},
		{"GET", at + "jobs/7", ""},
	} {
		var got []string
		for _, e := range selfserve.Contracts() {
			if e.Answers(c.method, c.url) {
				got = append(got, strings.TrimPrefix(e.Title(), "selfserve/"))
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s %s: %q, expected %q", c.method, c.url, s, c.want)
		}
	}
	for exchange, want := range map[string]string{
		"exchange/build/": "payload", "org.mozilla.exchange.build": "payload",
		"exchange/build/normalized": "normalized",
	} {
		if !endpoint(t, want).Carries(exchange) {
			t.Errorf("%s is not known", exchange)
		}
	}
}

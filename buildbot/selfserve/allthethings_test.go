package selfserve_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/job"
)

// mockThings is the part of allthethings.json that was saved. Its names were replaced,
// which gave two builders one name.
func mockThings(t *testing.T) []byte {
	t.Helper()
	return shared(t, "mozilla_ci_tools__mock_allthethings.json")
}

// Of a builder that is there twice the last one counts; what else is wrong is still found.
func TestBuilderTwice(t *testing.T) {
	const one = `"B": {"shortname": "b", "properties": {"platform": "first"}}`
	text := func(other, end string) string {
		return `{"builders": {` + one + `, "B": ` + other + `}, "schedulers": {"s": {"downstream": []}}` + end
	}
	all, err := selfserve.ReadAllTheThings(strings.NewReader(text(`{"shortname": "b", "properties": {"platform": "last"}}`, "}")))
	if err != nil || all.Parts("B").Platform != "last" {
		t.Errorf("%+v, %v", all, err)
	}
	for _, broken := range []string{
		text(`{"shortname": "b"}`, "}"), text(`{"shortname": "b", "properties": {}}`, ""), text(`7`, "}"),
	} {
		if _, err := selfserve.ReadAllTheThings(strings.NewReader(broken)); !errors.Is(err, job.ErrMalformed) {
			t.Errorf("%s: %v", broken, err)
		}
	}
}

// with is a scheduler of tests that triggers builders, and is triggered by some.
func with(downstream, by string) string {
	return `{"builders": {"B": {"shortname": "b", "properties": {}}},
		"schedulers": {"tests-x": {"downstream": ` + downstream + `, "triggered_by": ` + by + `}}}`
}

func TestAllTheThings(t *testing.T) {
	all, err := selfserve.ReadAllTheThings(bytes.NewReader(mockThings(t)))
	if err != nil {
		t.Fatal(err)
	}
	for tester, want := range map[string]string{
		"Platform1 try opt test mochitest-1":                       "Platform1 try build",
		"Platform1 try debug test mochitest-1":                     "Platform1 try leak test build",
		"Platform1 try talos tp5o":                                 "Platform1 try build",
		"Platform1 mozilla-beta talos tp5o":                        "Platform1 mozilla-beta build",
		"Platform1 mozilla-beta pgo talos tp5o":                    "Platform1 mozilla-beta build",
		"Platform2 mozilla-beta talos tp5o":                        "Platform2 mozilla-beta build",
		"Platform1 try build":                                      "",
		"Rev4 MacOSX Snow Leopard 10.6 fx-team debug test cppunit": "",
	} {
		if got := strings.Join(all.Upstream(tester), ", "); got != want {
			t.Errorf("%s: %q, expected %q", tester, got, want)
		}
	}
	a := all.MaxRevisions("Rev4 MacOSX Snow Leopard 10.6 fx-team debug test cppunit")
	if b := all.MaxRevisions("Platform1 try build"); a != 11 || b != 8 {
		t.Errorf("max revisions %d and %d, expected one and a half of 7 and of 5", a, b)
	}
	if got := all.Builders("mozilla-inbound"); len(got) != 4 {
		t.Errorf("%q", got)
	}
	s := newService()
	p := s.client(t, selfserve.Options{Builders: all}).Project("try")
	labels, err := p.Catalog(t.Context(), push)
	if err != nil || len(labels) != 6 {
		t.Errorf("%v %v", labels, err)
	}
	_, err = p.Trigger(t.Context(), job.Request{Label: theTest, Push: push, Count: 1})
	if !errors.Is(err, job.ErrNotFound) || !strings.Contains(err.Error(), "allthethings.json") {
		t.Errorf("a builder that is not there: %v", err)
	}
	for _, text := range []string{
		"", "<html>", "{}", `{"builders": {"x": {}}}`, `{"builders": [`, with(`["T"]`, `["b", ""]`), with(`[""]`, `["b"]`),
		with(`["T"]`, `[]`),
	} {
		if _, err := selfserve.ReadAllTheThings(strings.NewReader(text)); !errors.Is(err, job.ErrMalformed) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

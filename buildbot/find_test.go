package buildbot_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/job"
)

// A run is found by its request, or by the address of its page.
func TestFindRun(t *testing.T) {
	d := bbtest.NewDouble(t)
	b := d.Builder("linux test")
	d.Change(bbtest.Revision(1), nil)
	d.Change(bbtest.Revision(5), bbtest.Row{"branch": "other"})
	stamp := func(revision any, more bbtest.Row) []bbtest.Row { return []bbtest.Row{bbtest.Stamp(revision, more)} }
	ask := func(results []int, stamps []bbtest.Row, build bbtest.Row) {
		d.Ask(bbtest.BuildRequest{Builder: b, Results: results, Stamps: stamps, Build: build})
	}
	// 1: retried, failed: builds 1 and 2
	ask([]int{5, 2}, stamp(bbtest.Revision(1), nil), nil)
	// 2: waits
	ask([]int{bbtest.Pending}, stamp(bbtest.Revision(1), nil), nil)
	// 3: collapsed
	ask(nil, stamp(bbtest.Revision(1), nil), nil)
	// 4: of another branch, build 3
	ask([]int{0}, stamp(bbtest.Revision(5), bbtest.Row{"branch": "other"}), nil)
	// 5: the newest, nobody knows yet
	ask([]int{bbtest.Pending}, stamp(nil, nil), nil)
	// 6: of no change, build 4
	ask([]int{0}, stamp(bbtest.Revision(7), nil), nil)
	// 7: waits again, build 5
	ask([]int{5}, stamp(bbtest.Revision(1), nil), nil)
	// 8: an unknown word
	ask([]int{99}, stamp(bbtest.Revision(1), nil), nil)
	// 9: of buildbot try
	ask([]int{0}, stamp(bbtest.Revision(1), bbtest.Row{"patch": bbtest.Row{
		"patchid": 1, "author": "a",
		"comment": "c",
	}}), nil)
	p := project(t, d, "main", nil)
	page := func(route string) string { return d.URL + "/#/" + route }
	for id, want := range map[string]string{
		"1": "1/2 linux test busted 1", "1/1": "1/1 linux test retry 1", "1/2": "1/2 linux test busted 1",
		page("buildrequests/1"):                "1/2 linux test busted 1",
		page("builders/1/builds/1"):            "1/1 linux test retry 1",
		page("builders/linux%20test/builds/2"): "1/2 linux test busted 1",
		"2":                                    "2/1 linux test pending 1",
		"3":                                    "3/1 linux test coalesced 1",
		"6":                                    "6/1 linux test success 0",
		"1/3":                                  "request 1 has 2 builds",
		"4/1":                                  "request 4 is not for main but for branch other",
		"5":                                    "of no push: run 5/1 will build the newest revision",
		"7/1":                                  "7/1 linux test retry 1",
		"9":                                    "with a patch",
		"70":                                   "the master has forgotten request 70 or never had it",
		"http://elsewhere.example/#/buildrequests/1": "the address is of another master",
		"0": "is not a run", "": "is not a run", "x": "is not a run", "1/0": "is not a run", "-1": "is not a run",
		"9999999999": "is not a run", "9999999999/1": "no request has the number",
		page("builders/1/builds/77"): "not found",
	} {
		j, err := job.FindRun(t.Context(), p, id)
		got := fmt.Sprint(err)
		if err == nil {
			got = fmt.Sprint(j.ID(), " ", j.Name(), " ", j.Status(), " ", j.Push().ID)
			if j.Push().Repo != "main" || j.Push().Revision == "" {
				t.Errorf("%q: of %+v", id, j.Push())
			}
		}
		var e *job.Error
		if !strings.Contains(got, want) || err != nil && (!errors.Is(err, job.ErrNotFound) || !errors.As(err, &e)) {
			t.Errorf("%q: %s\nexpected %s", id, got, want)
		}
	}
	if j, err := p.FindRun(t.Context(), "8"); j != nil || !errors.Is(err, job.ErrUnknownWord) {
		t.Errorf("an unknown word: %v, %v", j, err)
	}
}

package contract_test

import (
	"errors"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// pairs must have as many of the one as of the other.
type pairs struct {
	Ones   []string `json:"ones" is:"required"`
	Others []string `json:"others" is:"required"`
	Inner  *pairs   `json:"inner"`
}

func (p *pairs) Prove() error {
	switch {
	case len(p.Ones) == 3:
		return contract.Outside(".", "three are too many")
	case len(p.Ones) == 4:
		return errors.New("four are too many")
	case len(p.Ones) != len(p.Others):
		return contract.Outside("others[0]", "%d for %d ones", len(p.Others), len(p.Ones))
	}
	return nil
}

var proving = contract.New(contract.Endpoint[map[string]pairs]{Source: "ci", Name: "pairs"})

// A type proves of itself what no tag says, wherever it stands.
func TestProver(t *testing.T) {
	for body, want := range map[string]string{
		`{"a":{"ones":["x"],"others":["y"]}}`:                              "",
		`{"a":{"ones":["x"],"others":[]}}`:                                 `ci/pairs: ["a"].others[0]: 0 for 1 ones`,
		`{"a":{"ones":["x","x","x"],"others":[]}}`:                         `ci/pairs: ["a"]: three are too many`,
		`{"a":{"ones":["x","x","x","x"],"others":[]}}`:                     `ci/pairs: ["a"]: four are too many`,
		`{"a":{"ones":["x"]}}`:                                             `ci/pairs: ["a"].others: missing`,
		`{"a":{"ones":[],"others":[],"inner":{"ones":["x"],"others":[]}}}`: `ci/pairs: ["a"].inner.others[0]: 0 for 1 ones`,
	} {
		_, err := proving.Decode(contract.Asked{}, []byte(body))
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", body, err)
			}
			continue
		}
		if err == nil || err.Error() != want || !errors.Is(err, job.ErrMalformed) {
			t.Errorf("%s: %v, expected %s", body, err, want)
		}
	}
	got := proving.Check(contract.Asked{}, []byte(`{"a":{"ones":["x"],"others":[]}}`))
	want := []contract.Finding{{Path: `["a"].others[0]`, Kind: contract.KindBound, Detail: "0 for 1 ones"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// One URL is answered in two ways, by its parameters.
func TestAsks(t *testing.T) {
	e := contract.New(contract.Endpoint[pairs]{
		Source: "ci", Name: "full", URL: `/pairs$`, Asks: func(q url.Values) bool { return q.Has("full") },
	})
	for address, want := range map[string]bool{
		"https://ci.example/pairs?full=1": true, "https://ci.example/pairs?full": true,
		"https://ci.example/pairs": false, "https://ci.example/pair?full=1": false,
	} {
		if got := e.Answers("GET", address); got != want {
			t.Errorf("%s: %t, expected %t", address, got, want)
		}
	}
}

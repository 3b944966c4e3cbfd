package damage_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/damage"
	"github.com/mozci/mozci/job/contract"
)

const text = `{"id": 7, "ok": true, "list": [{"n": "a"}, {"n": "b"}, {"n": "c"}], "none": null}`

// Every way is applied to every field, and the path is that of the value.
func TestAll(t *testing.T) {
	got := map[string]string{}
	for d := range damage.All([]byte(text), 2, 1) {
		if string(d.Text) == text && d.Kind != damage.Word {
			t.Errorf("%v changes nothing", d)
		}
		got[d.String()] = string(d.Text)
	}
	for what, want := range map[string]string{
		"removed id":                `{"ok": true,"list": [{"n": "a"}, {"n": "b"}, {"n": "c"}],"none": null}`,
		"null id":                   strings.Replace(text, "7", "null", 1),
		`type id: "damaged"`:        strings.Replace(text, "7", `"damaged"`, 1),
		"type ok: 7":                strings.Replace(text, "true", "7", 1),
		"negative id":               strings.Replace(text, "7", "-1", 1),
		"fraction id":               strings.Replace(text, "7", "1.5", 1),
		"twice id":                  strings.Replace(text, "7", `7,"id":7`, 1),
		"word list[2].n":            strings.Replace(text, `"c"`, `"damaged"`, 1),
		"empty list[0].n":           strings.Replace(text, `"a"`, `""`, 1),
		"empty list":                `{"id": 7, "ok": true, "list": [], "none": null}`,
		"dropped list[0]":           `{"id": 7, "ok": true, "list": [{"n": "b"},{"n": "c"}], "none": null}`,
		"duplicated list[2]":        strings.Replace(text, `{"n": "c"}`, `{"n": "c"},{"n": "c"}`, 1),
		"reordered list":            `{"id": 7, "ok": true, "list": [{"n": "c"},{"n": "b"},{"n": "a"}], "none": null}`,
		`instead .: "{}"`:           "{}",
		`removed list[0].n`:         strings.Replace(text, `{"n": "a"}`, `{}`, 1),
		"huge id: 1e18":             strings.Replace(text, "7", "1000000000000000000", 1),
		"type list[0]: \"damaged\"": strings.Replace(text, `{"n": "a"}`, `"damaged"`, 1),
	} {
		if got[what] != want {
			t.Errorf("%s:\n got %s\nwant %s", what, got[what], want)
		}
	}
	if _, ok := got["dropped list[1]"]; ok {
		t.Error("more than two of a way at a field")
	}
	flipped, cut := 0, 0
	for what, damaged := range got {
		if strings.HasPrefix(what, "flipped") {
			flipped++
		}
		if strings.HasPrefix(what, "cut") && strings.HasPrefix(text, damaged) {
			cut++
		}
	}
	if flipped < 40 || cut < 30 {
		t.Errorf("%d flips, %d cuts", flipped, cut)
	}
}

func TestScalar(t *testing.T) {
	for other, want := range map[string]bool{
		strings.Replace(text, `"a"`, `"q"`, 1):                               true,
		strings.Replace(text, "7", "6", 1):                                   true,
		strings.Replace(text, `"id"`, `"ie"`, 1):                             false,
		strings.Replace(text, "true", "false", 1):                            false,
		strings.Replace(strings.Replace(text, "7", "6", 1), `"a"`, `"q"`, 1): false,
		text:         false,
		text[:20]:    false,
		"not JSON {": false,
	} {
		if got := damage.Scalar([]byte(text), []byte(other)); got != want {
			t.Errorf("%s: %v", other, got)
		}
	}
}

type answer struct {
	ID   int `json:"id" is:"required" min:"1"`
	List []struct {
		N string `json:"n" is:"required" words:"a b c"`
	} `json:"list" is:"required"`
}

var endpoint = contract.New(contract.Endpoint[answer]{Source: "ci", Name: "answers"})

// strict makes of an answer the words of its list.
func strict(text []byte) (string, error) {
	a, err := endpoint.Decode(contract.Asked{}, text)
	if err != nil {
		return "", err
	}
	var names []string
	for _, e := range a.List {
		if e.N != "a" && e.N != "b" && e.N != "c" {
			return "", fmt.Errorf("ci/answers: list: unknown word %q", e.N)
		}
		if !slices.Contains(names, e.N) {
			names = append(names, e.N)
		}
	}
	slices.Sort(names)
	return fmt.Sprint(names), nil
}

// A reader that proves has nothing wrong; one that takes defaults has.
func TestRun(t *testing.T) {
	c := &damage.Case{
		Endpoint: endpoint, Name: "three", Text: []byte(text), Result: strict,
		Others: map[string][]byte{"of 8": []byte(strings.Replace(text, "7", "8", 1))},
		Untold: func(d damage.Damage, _ string) string {
			if d.Kind == damage.Dropped || d.Kind == damage.Empty {
				return "a list of any length"
			}
			return ""
		},
	}
	r, err := c.Run(t.Context(), damage.Options{})
	if err != nil || len(r.Wrong) > 0 || len(r.Unnamed) > 0 {
		t.Fatalf("%v %+v", err, r)
	}
	if r.Caught < 60 || r.Harmless < 10 || r.Untold["a list of any length"] != 3 || r.Name != "ci/answers: three" {
		t.Errorf("%+v", r)
	}
	if sum := r.Caught + r.Harmless + r.Untold["a list of any length"] +
		r.Untold["a bit made another value of the same form"]; sum != r.Tried {
		t.Errorf("%d of %d", sum, r.Tried)
	}
}

// Readers that go wrong are told.
func TestRunBad(t *testing.T) {
	c := &damage.Case{Endpoint: endpoint, Name: "three", Text: []byte(text)}
	c.Result = func(text []byte) (string, error) {
		s, err := strict(text)
		if err != nil {
			return "nothing", nil //nolint:nilerr // a reader that takes a default
		}
		return s, nil
	}
	if r, err := c.Run(t.Context(), damage.Options{}); err != nil || len(r.Wrong) < 60 {
		t.Errorf("%v: a reader without errors has %d wrong", err, len(r.Wrong))
	}
	c.Result = func(text []byte) (string, error) {
		s, err := strict(text)
		if err != nil {
			panic("at the end of a list")
		}
		return s, nil
	}
	if r, err := c.Run(t.Context(), damage.Options{}); err != nil || len(r.Unnamed) < 60 {
		t.Errorf("%v: a reader that panics has %d unnamed", err, len(r.Unnamed))
	}
	n := 0
	c.Result = func([]byte) (string, error) { n++; return fmt.Sprint(n), nil }
	if _, err := c.Run(t.Context(), damage.Options{}); err == nil {
		t.Error("a result that is another one each time")
	}
	c.Result = func([]byte) (string, error) { return "", errors.New("refused") }
	if _, err := c.Run(t.Context(), damage.Options{}); err == nil {
		t.Error("no result without damage")
	}
}

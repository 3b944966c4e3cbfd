package contract_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	v2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/job/contract"
)

func asSyntax(err error, at **jsontext.SyntacticError) bool {
	return errors.As(err, at) && errors.Is(*at, jsontext.ErrDuplicateName)
}

// in is an answer of one build with a member more.
func in(member string) string { return with(`"cost"`)[:len(with(`"cost"`))-3] + "," + member + "}]}" }

// many are the members of an object, of which the last comes twice where again is true.
func many(n int, again bool) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"n%d":%d,`, i, i)
	}
	if again {
		return fmt.Sprintf(`{%s"n%d":0}`, b.String(), n-1)
	}
	return fmt.Sprintf(`{%s"last":0}`, b.String())
}

// A name that comes twice is found wherever it is: where it is read, where nobody reads
// it, where it is written in two ways, in keys of data and in what a type decodes
// itself. The error has the place and the offset that jsontext gives.
func TestTwice(t *testing.T) {
	for _, text := range []string{
		in(`"id":1`), in(`"\u0069d":1`), in(`"x":1,"x":2`), in(`"x":1,"\u0078":2`),
		in(`"x":{"y":[{"z":1,"z":1}]}`), in(`"x":[{"y":{}},{"y":[],"y":[]}]`),
		in(`"raw":{"a":{"b":1,"b":1}}`), in(`"raw":[0,{"b":1,"\u0062":1}]`), in(`"any":[{"b":1,"b":1}]`),
		in(`"own":{"b":1,"b":1}`), in(`"x":` + many(40, true)), in(`"x":` + many(64, true)), in(`"x":` + many(65, true)),
		in(`"x":` + many(300, true)),
		`{"group":"g","builds":[],"by":{"7":null,"8":null,"7":null}}`,
		`{"group":"g","builds":[],"by":{"7":{"name":"n","name":"n"}}}`,
		`{"group":"g","builds":[],"group":"g"}`, `{"group":"g","builds":[],"note":"","note":""}`,
		`{"group":"g","builds":[],"x":1,"x":{"y":1}}`,
	} {
		var plain jsontext.Value
		want := v2.Unmarshal([]byte(text), &plain)
		var at *jsontext.SyntacticError
		if !asSyntax(want, &at) {
			t.Fatalf("%.200s: jsontext says %v", text, want)
		}
		_, err := endpoint.Decode(contract.Asked{}, []byte(text))
		_, streamed := endpoint.Read(contract.Asked{}, strings.NewReader(text),
			contract.Elements("builds", func(string, *build) error { return nil }),
			contract.Elements("by", func(string, *step) error { return nil }))
		for _, err := range []error{err, streamed} {
			var got *jsontext.SyntacticError
			if !asSyntax(err, &got) || got.ByteOffset != at.ByteOffset || got.JSONPointer != at.JSONPointer {
				t.Errorf("%.200s:\n got %v\nwant it at %d, %s", text, err, at.ByteOffset, at.JSONPointer)
			}
		}
		if found := endpoint.Check(contract.Asked{}, []byte(text)); len(found) == 0 || !found[len(found)-1].Breaks() {
			t.Errorf("%.200s: Check found %v", text, found)
		}
	}
}

// Names that come once in each of many objects are no second ones, and neither are many in one.
func TestOnce(t *testing.T) {
	for _, text := range []string{
		in(`"x":[{"y":1},{"y":1,"z":{"y":1}}],"y":1`), in(`"x":` + many(64, false)), in(`"x":` + many(300, false)),
		in(`"any":{"b":1},"raw":{"b":{"b":1}}`), in(`"a\\b":1,"a\b":2,"a\\\\b":3`),
		`{"group":"g","builds":[],"by":{"7":null,"8":{"name":"7"},"":null}}`,
	} {
		if _, err := endpoint.Decode(contract.Asked{}, []byte(text)); err != nil {
			t.Errorf("%.200s: %v", text, err)
		}
	}
}

// A string with escapes is not taken for one that is written as the other reads.
func TestKnown_escapes(t *testing.T) {
	got, err := endpoint.Decode(contract.Asked{}, []byte(in(`"git":["a\\b","a\b","a\\b","a\b","a\\\\b","","\u0061","a"]`)))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`a\b`, "a\b", `a\b`, "a\b", `a\\b`, "", "a", "a"}
	for i, s := range got.Builds[0].Git {
		if *s != want[i] {
			t.Errorf("%d: %q, expected %q", i, *s, want[i])
		}
	}
}

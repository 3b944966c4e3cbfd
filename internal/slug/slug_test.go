package slug_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"testing"

	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/internal/testing/testenv"
)

func TestVectors(t *testing.T) {
	var v struct {
		Encode, Decode [][2]string
		Pairs          [][2]string `json:"job_guid_pairs_from_treeherder"`
		Rules          struct {
			V4   string `json:"v4_regex"`
			Nice string `json:"nice_regex"`
		}
	}
	if err := json.Unmarshal(testenv.Read(t, "data", "8-specs", "slugid_vectors.json"), &v); err != nil {
		t.Fatal(err)
	}
	for _, p := range v.Encode {
		v.Decode = append(v.Decode, [2]string{p[1], p[0]})
	}
	for _, p := range append(v.Decode, v.Pairs...) {
		if got, err := slug.UUID(p[0]); got != p[1] || err != nil {
			t.Errorf("UUID(%s) = %s, %v; expected %s", p[0], got, err, p[1])
		}
		if !slug.Valid(p[0]) {
			t.Errorf("%s is not valid", p[0])
		}
	}
	rule, nice := regexp.MustCompile(v.Rules.V4), regexp.MustCompile(v.Rules.Nice)
	for i := range 5000 {
		id := slug.Of(fmt.Sprint("key ", i))
		if !rule.MatchString(id) || !nice.MatchString(id) || id != slug.Of(fmt.Sprint("key ", i)) {
			t.Fatalf("the slugid of key %d is %s", i, id)
		}
	}
	for _, bad := range []string{
		"", "nope", "A5O76NnPRt--HRPWdpOVl", "A5O76NnPRt--HRPWdpOVlAA",
		"A5O76NnPXt--HRPWdpOVlA", "../../../../../../../..",
	} {
		if slug.Valid(bad) {
			t.Errorf("%q is valid", bad)
		}
	}
	if _, err := slug.UUID("nope"); err == nil {
		t.Error("nope has a UUID")
	}
}

func ExampleOf() {
	fmt.Println(slug.Of("autoland 17 test-linux/opt-a 0+2"), slug.Valid(slug.Of("x")))
	// Output:
	// bGJHphM7QwWsBsLx0apoow true
}

package taskcluster

import "testing"

func TestMarked(t *testing.T) {
	for extra, want := range map[string]string{ // nothing is changed where it is empty
		`{"treeherder":{"groupSymbol":"M","symbol":"1"}}`:        `{"treeherder":{"groupSymbol":"M-bk","symbol":"1"}}`,
		`{"treeherder":{"groupSymbol":"M-bk","symbol":"1"}}`:     "",
		`{"treeherder":{"groupSymbol":"M-cf","symbol":"1"}}`:     "",
		`{"treeherder":{"groupSymbol":"?","symbol":"B"}}`:        `{"treeherder":{"groupSymbol":"?","symbol":"B-bk"}}`,
		`{"a":18446744073709551616,"treeherder":{"symbol":"B"}}`: `{"a":18446744073709551616,"treeherder":{"symbol":"B-bk"}}`,

		`{"treeherder":{"groupSymbol":"a-group-with-a-long-name","symbol":"1"}}`: "",

		`{"treeherder":{"groupSymbol":7,"symbol":["x"]}}`: "",
		`{"treeherder":null}`:                             "",
		`{"index":{"rank":1}}`:                            "",
		`[]`:                                              "",
		`null`:                                            "",
	} {
		if want == "" {
			want = extra
		}
		if got := string(marked([]byte(extra))); got != want {
			t.Errorf("%s: %s, want %s", extra, got, want)
		}
	}
}

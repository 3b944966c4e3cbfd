package taskcluster

import (
	"strings"

	v2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The in-tree backfill action appends backfilled to the group's symbol of the runs that it
// makes, so that people can tell them from the push's own on Treeherder. Treeherder and other
// tools strip it to compare the two. Runs of confirm-failures end in confirming.
const (
	backfilled = "-bk"
	confirming = "-cf"
)

// longestSymbol is the longest symbol that Treeherder stores, in bytes.
const longestSymbol = 25

// marked adds the mark of a backfill to the Treeherder symbols in a task's extra: the group
// symbol "M" becomes "M-bk". A task without a group has its own symbol marked. It returns
// extra unchanged when there is no Treeherder section, the symbol is marked already, or the
// marked one would be too long; the mark is only for people, so that is no error.
//
//	groupSymbol "M", symbol "bc1"      groupSymbol "M-bk"
//	groupSymbol "?", symbol "B"        symbol "B-bk"
//	groupSymbol "M-bk"                 unchanged
//	groupSymbol of 22 bytes            marked, as 25 bytes fit; one of 23 is unchanged
func marked(extra jsontext.Value) jsontext.Value {
	var all, shown map[string]jsontext.Value
	if v2.Unmarshal(extra, &all) != nil || v2.Unmarshal(all["treeherder"], &shown) != nil {
		return extra
	}
	for _, name := range []string{"groupSymbol", "symbol"} {
		var symbol string
		if v2.Unmarshal(shown[name], &symbol) != nil || symbol == "" || symbol == "?" { // "?" is no group
			continue
		}
		if strings.HasSuffix(symbol, backfilled) || strings.HasSuffix(symbol, confirming) ||
			len(symbol)+len(backfilled) > longestSymbol {
			return extra
		}
		text, err := plainJSON(symbol + backfilled)
		if err != nil {
			return extra
		}
		shown[name] = text
		if all["treeherder"], err = plainJSON(shown); err != nil {
			return extra
		}
		if text, err = plainJSON(all); err != nil {
			return extra
		}
		return text
	}
	return extra
}

package taskcluster

import (
	"strings"

	v2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// backfilled is what the in-tree backfill action puts behind the group's symbol of the
// runs that it makes, so that people tell them on Treeherder from the push's own; its
// page and other tools take it off to compare the two. Runs of confirm-failures end in
// the other.
const (
	backfilled = "-bk"
	confirming = "-cf"
)

// longestSymbol is what Treeherder takes.
const longestSymbol = 25

// marked is a task's extra with the mark of a backfill in its symbols on Treeherder: in
// that of the group or, where the task is in none, in its own. Where there is no
// Treeherder in it, or no place, it is as it was.
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

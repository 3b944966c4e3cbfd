package server

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

// historyView is the list of backfills, the newest first.
type historyView struct {
	Filter  filterView
	Rows    []historyRow
	Older   string // the address of the next page; empty for none
	Any     bool   // whether there are any backfills at all
	Closest string // a job whose name is close to a filter that matched nothing
	Similar string // the address of that job's list
	Example string
}

// filterView is the filter as it was set. Set says that there is any.
type filterView struct {
	Project, Label, By string
	States             []stateChoice
	Set                bool
}

type stateChoice struct {
	Value, Word string
	Chosen      bool
}

// historyRow is a backfill in the list, with the earlier ones of the same job. Earlier are the
// older backfills of the same job, newest first; they have no Earlier of their own. key is what
// rows of the same job have in common.
type historyRow struct {
	Link, Answer string
	Pill         pillView
	Project      string
	Label, Test  string
	Cost         string
	By           string
	Created      time.Time
	Earlier      []historyRow
	key          string
	DryRun       bool
}

// perScreen is how many backfills a page of the history shows.
const perScreen = 50

// history shows a screen of backfills. A full one has a link to the next, which begins after its
// last backfill; when that link leads to an empty screen, there were exactly as many.
func (p *page) history(w http.ResponseWriter, r *http.Request) {
	q, f := queryFrom(r.URL.Query())
	q.Limit = perScreen
	list, err := p.backend.List(r.Context(), q)
	if err != nil && !errors.Is(err, job.ErrNotFound) { // not found: the backfill that Before names no longer exists
		p.fail(w, r, err)
		return
	}
	v := historyView{Filter: f, Rows: historyRows(list), Any: len(list) > 0, Example: p.example()}
	if len(list) == perScreen {
		older := r.URL.Query()
		older.Set("before", list[len(list)-1].ID)
		v.Older = "/backfills?" + older.Encode()
	}
	if len(list) == 0 && f.Set {
		p.closest(r, &v)
	}
	p.show(w, r, http.StatusOK, "history", p.frame(r, "Backfills · mozci", "history", v))
}

// closest looks for the job that a person may have meant. It looks at the latest 500. Without a
// filter for a label it only finds out whether there are any backfills.
func (p *page) closest(r *http.Request, v *historyView) {
	all, err := p.backend.List(r.Context(), Query{Limit: 500})
	if err != nil {
		return
	}
	v.Any = len(all) > 0
	if v.Filter.Label == "" {
		return
	}
	best := -1
	for _, b := range all {
		if d := distance(v.Filter.Label, brief(b.Ask.Label, 300)); best < 0 || d < best {
			best, v.Closest = d, brief(b.Ask.Label, 300)
		}
	}
	if v.Closest != "" {
		v.Similar = "/backfills?" + url.Values{"label": {v.Closest}}.Encode()
	}
}

// distance is the edit distance between a filter and a label, or between the filter and the nearest
// part of the label between slashes and dashes. A label that contains the filter is at distance 0.
//
//	xpcshel,  linux64/opt/xpcshell-1 → 0, as it contains it
//	xpcshall, linux64/opt/xpcshell-1 → 1, from the part xpcshell
func distance(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	best := job.Distance(a, b)
	for _, part := range strings.FieldsFunc(b, func(r rune) bool { return r == '/' || r == '-' }) {
		best = min(best, job.Distance(a, part))
	}
	if strings.Contains(b, a) {
		best = 0
	}
	return best
}

// queryFrom reads the filters of the address. Values that make no sense are ignored.
func queryFrom(q url.Values) (Query, filterView) {
	get := func(name string) string {
		s := strings.TrimSpace(q.Get(name))
		return s[:min(len(s), 300)]
	}
	out := Query{
		Project: get("project"), Label: get("label"), By: strings.TrimPrefix(get("by"), "@"), Before: get("before"),
	}
	for _, s := range q["state"] {
		if slices.Contains(States(), State(s)) && !slices.Contains(out.States, State(s)) {
			out.States = append(out.States, State(s))
		}
	}
	f := filterView{Project: plain(out.Project), Label: plain(out.Label), By: plain(out.By)}
	for _, s := range States() {
		f.States = append(f.States, stateChoice{string(s), pillOf(s).Word, slices.Contains(out.States, s)})
	}
	f.Set = f.Project != "" || f.Label != "" || f.By != "" || len(out.States) > 0
	return out, f
}

// labelQuery is the filter for one job.
func labelQuery(a Ask) string {
	return url.Values{"project": {a.Project}, "label": {a.Label}}.Encode()
}

// historyRows turns backfills into rows. The newest of each job has a row, with the earlier ones
// inside it.
func historyRows(list []Backfill) []historyRow {
	var out []historyRow
	at := map[string]int{}
	for _, b := range list {
		r := historyRow{
			Link: "/backfills/" + url.PathEscape(b.ID), Answer: brief(b.Answer, 300), Pill: pillOf(b.State),
			Project: brief(b.Ask.Project, 100), Label: brief(b.Ask.Label, 300),
			Test: brief(lastPart(string(b.Ask.Test)), 100), By: person(b.By), Created: b.Created, DryRun: b.DryRun,
			Cost: costOf(b),
			// No name contains a zero byte, so different jobs have different keys.
			key: b.Ask.Project + "\x00" + b.Ask.Label + "\x00" + string(b.Ask.Test),
		}
		if r.Answer == "" {
			r.Answer = r.Pill.Word
		}
		if i, ok := at[r.key]; ok {
			out[i].Earlier = append(out[i].Earlier, r)
			continue
		}
		at[r.key] = len(out)
		out = append(out, r)
	}
	return out
}

// costOf is the cost in the list: "12 runs, 6 h", or "none" for a dry run.
func costOf(b Backfill) string {
	switch {
	case b.DryRun:
		return "none"
	case b.Cost.Machine > 0:
		return fmt.Sprintf("%s, %s", count(b.Cost.Runs, "run"), span(b.Cost.Machine))
	}
	return count(b.Cost.Runs, "run")
}

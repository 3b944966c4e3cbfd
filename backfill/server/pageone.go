package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// one shows a backfill.
func (p *page) one(w http.ResponseWriter, r *http.Request) {
	b, err := p.backend.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.showOne(w, r, b)
}

// showOne shows a backfill that the caller has, such as the plan of a dry run.
func (p *page) showOne(w http.ResponseWriter, r *http.Request, b Backfill) {
	v := p.view(b, allRows(r))
	p.show(w, r, http.StatusOK, "backfill", p.frame(r, title(b), "history", v))
}

// view is a backfill's screen, with a link to the chooser for its push where there is one.
func (p *page) view(b Backfill, all bool) backfillView {
	v := viewOf(b, all)
	if p.o.Chooser != nil && b.Ask.Revision != "" {
		v.Links.Choose = chooserLink(b.Ask.Project, b.Ask.Revision)
	}
	return v
}

// allRows reports whether a person wants to see every push of a long range.
func allRows(r *http.Request) bool { return r.URL.Query().Get("rows") == "all" }

// sureView asks once more before a backfill is cancelled, for browsers that run no script.
type sureView struct {
	Act  actView
	Back string
}

// cancel cancels a backfill. The dialog and the screen that asks send the field sure; without it,
// cancel shows that screen.
func (p *page) cancel(w http.ResponseWriter, r *http.Request) {
	c, ok := p.caller(w, r)
	if !ok {
		return
	}
	id := r.PathValue("id")
	back := "/backfills/" + url.PathEscape(id)
	if r.PostFormValue("sure") == "" {
		b, err := p.backend.Get(r.Context(), id)
		switch {
		case err != nil:
			p.fail(w, r, err)
		case !b.State.Open():
			http.Redirect(w, r, back, http.StatusSeeOther)
		default:
			v := sureView{*cancelOf(b), back}
			p.show(w, r, http.StatusOK, "sure", p.frame(r, v.Act.Ask+" · mozci", "history", v))
		}
		return
	}
	if _, err := p.backend.Cancel(r.Context(), c, id); err != nil {
		p.fail(w, r, err)
		return
	}
	Audit(r.Context(), slog.String("what", "cancel"), slog.String("backfill", id))
	http.Redirect(w, r, back, http.StatusSeeOther)
}

// bug shows a backfill as plain text, for pasting into a bug.
func (p *page) bug(w http.ResponseWriter, r *http.Request) {
	b, err := p.backend.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "private, no-cache")
	_, _ = fmt.Fprint(w, bugText(b, p.root(r)))
}

// bugText says in sentences and a table what is known. Its table leaves out the folded pushes. The
// first line is the answer, so that the bug's comment begins with it.
func bugText(b Backfill, root string) string {
	v := viewOf(b, false)
	var out strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	line("%s", v.Heading)
	if r := rowWith(b, culpritPush(b)); r != nil {
		line("%s %s (%s)", short(r.Push.Revision), brief(r.Subject, 200), person(r.Author))
	}
	line("")
	line("Job: %s on %s", v.Label, v.Project)
	if v.Test != "" {
		line("Test: %s", v.Test)
	}
	if b.Why != "" {
		line("%s", sentence(brief(b.Why, 1000)))
	}
	line("")
	out.WriteString(bugTable(v.Grid))
	line("")
	// The last of the facts, see factsOf.
	cost := v.Facts[len(v.Facts)-1]
	line("%s: %s. %s", cost.Word, cost.Big, cost.Text)
	if v.JobLink != "" && !strings.HasPrefix(v.JobLink, "/") {
		line("Failing job: %s", v.JobLink)
	}
	if root != "" {
		line("%s%s", root, v.Links.Page)
	}
	return out.String()
}

// bugTable is the grid as aligned text.
//
//	push  revision  failed  chance
//	20    d4f3aaaa  1 of 1  97%     culprit
//	(12 pushes, none bad)
//	19    c3e2aaaa  0 of 2          last good
func bugTable(g gridView) string {
	rows := [][]string{{"push", "revision", "failed", "chance", ""}}
	for _, r := range g.Rows {
		switch {
		case r.Fold != "":
			rows = append(rows, []string{"(" + r.Fold + ")"})
		case r.Failed != "" || r.Tag != "" || r.Chance != "":
			rows = append(rows, []string{r.Number, r.Rev, r.Failed, r.Chance, r.Tag})
		}
	}
	var wide [5]int
	for _, r := range rows {
		for i, c := range r {
			// A folded line has one cell, which may run across the columns.
			if len(r) > 1 {
				wide[i] = max(wide[i], utf8.RuneCountInString(c))
			}
		}
	}
	var out strings.Builder
	for _, r := range rows {
		var line strings.Builder
		for i, c := range r {
			line.WriteString(c + strings.Repeat(" ", max(0, wide[i]-utf8.RuneCountInString(c))+2))
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return out.String()
}

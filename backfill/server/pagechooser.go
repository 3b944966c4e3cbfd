package server

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The chooser's screen: the form, the matrix, and the plan's outline. It works without a script: a
// button sends the filter, and the server answers with the new matrix. With the script
// (page/chooser.js) the browser loads the whole catalogue once and computes the same by itself, so
// a change of what is chosen, counted or said here is a change there too.

// chooserAsk is what a person has set in the chooser. A zero Times does not occur: readChooser sets
// 1.
type chooserAsk struct {
	Project, Revision, Query string
	Times                    int
	Out                      []string // labels that the filter matches and the person removed
	Ticked                   bool     // true for a form with check boxes: only those in In stay
	In                       []string // the labels that are chosen, instead of a filter
	Plan                     string   // the plan that was shown, to be carried out now
}

// chooserView is the chooser's screen.
type chooserView struct {
	Project, Push, PushLink, Rev string
	Revision                     string // all 40 digits
	Query, Error, Times          string
	Sum                          string
	Data                         string // where the script loads the catalogue
	Columns                      []sideView
	Rows                         []matrixRow
	MoreRows                     int
	Groups                       []jobGroup // check boxes for each job, unless there are too many
	Empty                        *emptyView
	Outline                      outlineView
	JSONLink, SyntaxLink         string
	Clear                        string // the same address without a filter
	Notes                        []string
	Most                         int // maximum length of a filter in bytes
	Signed                       bool
}

// sideView is a name on one side of the matrix.
type sideView struct {
	Index int
	Name  string
}

// matrixRow is a row of the matrix. Chosen and All count jobs: those that the filter matches, and
// all that the push can have in the columns shown.
type matrixRow struct {
	sideView
	Chosen, All int
	Cells       []matrixCell
}

// matrixCell is a cell: the jobs of one row on one platform. Column is an index into
// catalogue.cols.
type matrixCell struct {
	Column, Chosen, All int
	ColumnName          string
	Group               bool // its jobs are listed below, so it links there
}

// jobGroup are the jobs of one cell of the matrix.
type jobGroup struct {
	Row, Column int
	Name        string
	Jobs        []jobView
}

// jobView is a check box: the exact label for the form, and the label and duration that people see.
type jobView struct{ Label, Shown, Takes string }

// emptyView says that no job matches the filter, and which filter would.
type emptyView struct{ Query, Closest, Link string }

// outlineView says what a plan would contain, before the CI is asked which runs exist already.
type outlineView struct {
	Runs, Cost string
	Over       string // says that the choice is too large; empty when it is not
	LeftOut    []omitView
}

// omitView are jobs that are left out for the same reason. Labels are at most mostListed, and More
// is how many there are besides.
type omitView struct {
	What, Why string
	Labels    []string
	More      int
}

// mostShownRows and mostShownJobs bound what a screen shows without the script.
const (
	mostShownRows = 100
	mostShownJobs = mostAtOnce
	mostListed    = 60 // labels of one line of a plan that are named
)

// readChooser reads the chooser's fields from an address or a form. Links on other pages use the
// names repo and rev, as Treeherder does. With an error it still returns what can be shown in the
// form again.
func readChooser(q url.Values) (a chooserAsk, err error) {
	get := func(names ...string) string {
		for _, n := range names {
			if s := strings.TrimSpace(q.Get(n)); s != "" {
				return s
			}
		}
		return ""
	}
	a = chooserAsk{
		Project: get("project", "repo"), Revision: get("revision", "rev"), Query: q.Get("q"), Times: 1,
		Out: listed(q.Get("out")), Ticked: set(q.Get("ticked")), In: append(listed(q.Get("labels")), q["label"]...),
		Plan: q.Get("plan"),
	}
	if err := checkChooser(a.Project, a.Revision); err != nil {
		return chooserAsk{Times: 1}, err
	}
	if _, err := readFilter(a.Query); err != nil {
		a.Query = ""
		return a, err
	}
	if n := len(a.Out) + len(a.In); n > mostChoices {
		return a, wrong("labels", "%s; the maximum is %s", count(n, "label"), number(mostChoices))
	}
	if s := get("times"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > mostTimes {
			return a, wrong("times", "%q is out of range; expected 1 to %d", clipped(s), mostTimes)
		}
		a.Times = n
	}
	return a, nil
}

// listed splits a field into its lines. Empty lines are left out: "a\r\n\nb" is a, b.
func listed(text string) (out []string) {
	for l := range strings.Lines(text) {
		if l = strings.TrimRight(l, "\r\n"); l != "" {
			out = append(out, l)
		}
	}
	return out
}

// chosen returns the indices of what a person has chosen, and of the labels that the filter matches
// but that cannot run on the push.
//
//	filter                     → all that it matches, without Out
//	filter, Ticked, In a and b → a and b, if it matches them and they are not in Out
//	In a and b, not Ticked     → a and b, whatever the filter
func (a chooserAsk) chosen(cat *catalogue) (can, barred []int, err error) {
	if !a.Ticked && len(a.In) > 0 {
		can, err = cat.indices(a.In)
		return can, nil, err
	}
	can, barred, err = cat.match(a.Query)
	if err != nil {
		return nil, nil, err
	}
	drop, keep := map[string]bool{}, map[string]bool{}
	for _, l := range a.Out {
		drop[l] = true
	}
	for _, l := range a.In {
		keep[l] = true
	}
	can = slices.DeleteFunc(can, func(i int) bool {
		label := cat.jobs[i].Label
		return drop[label] || a.Ticked && !keep[label]
	})
	return can, barred, nil
}

// address is the chooser's address with these fields. The revision is the whole one, so that "tip"
// does not mean another push tomorrow.
func (a chooserAsk) address(path, query string, cat *catalogue) string {
	q := url.Values{"repo": {cat.place.Project}, "rev": {cat.push.Revision}}
	if query != "" {
		q.Set("q", query)
	}
	if a.Times > 1 {
		q.Set("times", strconv.Itoa(a.Times))
	}
	return path + "?" + q.Encode()
}

// chooserError says which field is wrong, in the words of the screen. It is empty when the error is
// not about a field.
func chooserError(err error) string {
	var in *InputError
	if !errors.As(err, &in) {
		return ""
	}
	words := map[string]string{
		"q": "Filter", "times": "Runs of each job", "project": "Repository", "revision": "Push", "labels": "Jobs",
		"plan": "Plan",
	}[in.Field]
	if words == "" {
		words = in.Field
	}
	return words + ": " + sentence(plain(in.Message))
}

// choose shows the chooser. It triggers nothing.
func (p *page) choose(w http.ResponseWriter, r *http.Request) {
	a, err := readChooser(r.URL.Query())
	p.showChooser(w, r, http.StatusOK, a, err)
}

// showChooser shows the matrix and, with it, what is wrong with the fields.
func (p *page) showChooser(w http.ResponseWriter, r *http.Request, code int, a chooserAsk, wrongWith error) {
	cat, err := p.o.Chooser.open(r.Context(), a.Project, a.Revision)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	v := p.viewChooser(a, cat, wrongWith)
	_, v.Signed = p.who(r)
	if v.Error != "" && code == http.StatusOK {
		code = http.StatusBadRequest
	}
	p.show(w, r, code, "chooser", p.frame(r, v.Sum+" · "+v.Project+" · mozci", "chooser", v))
}

// viewChooser makes the chooser's screen.
func (p *page) viewChooser(a chooserAsk, cat *catalogue, wrongWith error) chooserView {
	can, barred, err := cat.match(a.Query)
	if wrongWith == nil {
		wrongWith = err
	}
	v := chooserView{
		Project: brief(cat.place.Project, 100), Push: name(cat.push.Ref()), Rev: short(cat.push.Revision),
		Revision: plain(cat.push.Revision), Query: plain(a.Query), Times: strconv.Itoa(a.Times), Most: mostFilter,
		Data: a.address("/chooser/jobs", "", cat), Clear: a.address("/chooser", "", cat),
		JSONLink:   a.address("/chooser/try_task_config.json", a.Query, cat),
		SyntaxLink: a.address("/chooser/try-syntax", a.Query, cat),
	}
	if cat.place.PushPage != nil {
		v.PushLink = outside(Text(cat.place.PushPage(cat.push)))
	}
	if wrongWith != nil {
		v.Error = chooserError(wrongWith)
		if v.Error == "" {
			v.Error = upper(sentence(plain(reasonText(wrongWith))))
		}
	}
	cost := cat.cost(can, 1)
	v.Sum = number(len(can)) + " of " + count(cat.whole, "job")
	if len(can) > 0 {
		v.Sum += " · " + cost.String()
	}
	if cat.whole > len(cat.jobs) {
		v.Notes = append(v.Notes, "This push has "+count(cat.whole, "job")+"; the first "+number(len(cat.jobs))+
			" of them are here.")
	}
	v.matrix(cat, can)
	if len(can)+len(barred) == 0 && a.Query != "" && err == nil {
		v.Empty = &emptyView{Query: plain(a.Query)}
		if near := cat.nearest(a.Query); near != "" {
			v.Empty.Closest = plain(near)
			v.Empty.Link = a.address("/chooser", near, cat)
		}
	}
	v.Outline = outlineOf(cat, can, barred, a.Times)
	return v
}

// matrix counts in each cell the jobs that the filter matches. Rows and columns without a match are
// left out. When more than mostShownRows rows match, MoreRows says how many are not shown.
func (v *chooserView) matrix(cat *catalogue, can []int) {
	type place struct{ row, col int }
	chosen, all := map[place]int{}, map[place]int{}
	rows, cols := map[int]int{}, map[int]bool{}
	for _, j := range cat.jobs {
		all[place{j.row, j.col}]++
	}
	for _, i := range can {
		j := cat.jobs[i]
		chosen[place{j.row, j.col}]++
		rows[j.row]++
		cols[j.col] = true
	}
	for i, c := range cat.cols {
		if cols[i] {
			v.Columns = append(v.Columns, sideView{i, brief(c, 120)})
		}
	}
	lists := len(can) <= mostShownJobs
	for i, r := range cat.rows {
		if rows[i] == 0 {
			continue
		}
		if len(v.Rows) == mostShownRows {
			v.MoreRows++
			continue
		}
		row := matrixRow{sideView: sideView{i, brief(r, 120)}, Chosen: rows[i]}
		for _, c := range v.Columns {
			cell := matrixCell{Column: c.Index, ColumnName: c.Name, All: all[place{i, c.Index}]}
			cell.Chosen = chosen[place{i, c.Index}]
			cell.Group = lists && cell.Chosen > 0
			row.All += cell.All
			row.Cells = append(row.Cells, cell)
		}
		v.Rows = append(v.Rows, row)
	}
	if lists {
		v.groups(cat, can)
	}
}

// groups lists the jobs of each cell with check boxes, for browsers without the script.
func (v *chooserView) groups(cat *catalogue, can []int) {
	can = slices.Clone(can)
	// Jobs of one cell become neighbours, and within it stay sorted by label.
	slices.SortStableFunc(can, func(a, b int) int {
		x, y := cat.jobs[a], cat.jobs[b]
		if x.row != y.row {
			return x.row - y.row
		}
		return x.col - y.col
	})
	for _, i := range can {
		j := cat.jobs[i]
		n := len(v.Groups)
		if n == 0 || v.Groups[n-1].Row != j.row || v.Groups[n-1].Column != j.col {
			v.Groups = append(v.Groups, jobGroup{
				Row: j.row, Column: j.col,
				Name: brief(cat.rows[j.row], 120) + " on " + brief(cat.cols[j.col], 120),
			})
			n++
		}
		at := &v.Groups[n-1]
		at.Jobs = append(at.Jobs, jobView{j.Label, brief(j.Label, 300), takes(j)})
	}
}

// takes says how long a job usually runs. It is empty when nothing is known: "36 min" from runs of
// the label itself, "about 35 min" from those of its suite or kind.
func takes(j choice) string {
	switch j.by {
	case byLabel:
		return span(j.seconds)
	case byNothing:
		return ""
	}
	return "about " + roughly(j.seconds)
}

// outlineOf says what a plan for these jobs would contain.
func outlineOf(cat *catalogue, can, barred []int, times int) outlineView {
	cost := cat.cost(can, times)
	o := outlineView{Runs: count(cost.runs, "run") + " of " + count(len(can), "job"), Cost: cost.String()}
	if cost.runs > mostAtOnce {
		o.Over = upper(sentence("more than " + count(mostAtOnce, "run") +
			", the maximum at once. Narrow the filter"))
	}
	o.LeftOut = omitted(cat.reasons(barred))
	return o
}

// reasons groups labels that cannot run on the push by the reason.
func (cat *catalogue) reasons(barred []int) map[string][]string {
	why := map[string][]string{}
	for _, i := range barred {
		reason := brief(cat.jobs[i].Barred, 300)
		why[reason] = append(why[reason], cat.jobs[i].Label)
	}
	return why
}

// omitted turns such groups into lines, the largest group first. Groups of the same size are sorted
// by their reason.
func omitted(why map[string][]string) (out []omitView) {
	for reason, labels := range why {
		l := omitView{What: count(len(labels), "job"), Why: sentence(reason), More: max(0, len(labels)-mostListed)}
		for _, label := range labels[:len(labels)-l.More] {
			l.Labels = append(l.Labels, brief(label, 300))
		}
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b omitView) int {
		if n := len(b.Labels) + b.More - len(a.Labels) - a.More; n != 0 {
			return n
		}
		return strings.Compare(a.Why, b.Why)
	})
	return out
}

// chooserLink is the chooser's address for a job's push.
func chooserLink(project, revision string) string {
	return "/chooser?" + url.Values{"repo": {project}, "rev": {revision}}.Encode()
}

package jobtest

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

// most is the maximum number of runs in one cell, so that a hostile world stays small.
const most = 1000

// row reads one push: id, revision, cells, attributes. In "17 a1c0 pass - user=a merge=b:3" the
// cells are pass and -, and the last two words are attributes.
func (p *parser) row(ws []word) error {
	r := p.current()
	if !p.grid {
		return p.fail(ws[0], "a push before the line \"push LABEL …\"")
	}
	attrs := len(ws)
	for attrs > 0 && isAttribute(ws[attrs-1].text) {
		attrs--
	}
	cells, attributes := ws[:attrs], ws[attrs:]
	if len(cells) < 2 {
		return p.fail(ws[0], "expected: ID REVISION, then a cell for each label")
	}
	n, err := p.newPush(r, cells[0], cells[1])
	if err != nil {
		return err
	}
	if err := p.cells(r, n, cells[2:], cells[0]); err != nil {
		return err
	}
	for _, at := range attributes {
		if err := p.attribute(r, n, at); err != nil {
			return err
		}
	}
	n.User = n.user
	if n.User == "" {
		n.User = defaultUser
	}
	r.pushes = append(r.pushes, n)
	return nil
}

// isAttribute tells "user=NAME" from a cell with a flag, "fail:sig=NAME".
func isAttribute(text string) bool {
	name, _, ok := strings.Cut(text, "=")
	return ok && !strings.Contains(name, ":")
}

// newPush reads the id and the revision of a push, and gives it its time: the third push of a
// repository is 2 steps after the start. A revision may not begin another one's, or the short word
// would name both.
func (p *parser) newPush(r *repo, id, rev word) (*push, error) {
	v, err := strconv.ParseInt(id.text, 10, 64)
	if err != nil || v <= 0 {
		return nil, p.fail(id, "%q: expected a push id, a number above 0", id.text)
	}
	if n := len(r.pushes); n > 0 && r.pushes[n-1].ID >= v {
		return nil, p.fail(id, "push %d after push %d: ids grow downwards", v, r.pushes[n-1].ID)
	}
	n := &push{scheduled: true, cells: map[string][]cellRun{}, word: strings.ToLower(rev.text)}
	at := p.w.start.Add(time.Duration(len(r.pushes)) * p.w.every)
	n.Push = job.Push{Repo: r.name, ID: v, Time: at}
	if rev.text == "-" {
		return n, nil
	}
	if len(n.word) < 4 || len(n.word) > 40 || strings.Trim(n.word, "0123456789abcdef") != "" {
		return nil, p.fail(rev, "revision %q: expected 4 to 40 hexadecimal digits, or - for a stripped push", rev.text)
	}
	n.Revision = revision(r.name, v, n.word)
	for _, other := range r.pushes {
		if other.word != "-" && (strings.HasPrefix(other.Revision, n.word) ||
			strings.HasPrefix(n.Revision, other.word)) {
			return nil, p.fail(rev, "revision %q is also the start of push %d's", rev.text, other.ID)
		}
	}
	return n, nil
}

// cells reads the cells of a push, or the word that says why it has none. id is where an error
// about their number is, if no cell is too much.
func (p *parser) cells(r *repo, n *push, cells []word, id word) error {
	if len(cells) == 1 && (cells[0].text == "not-scheduled" || cells[0].text == "stripped") {
		n.scheduled = false
		if (cells[0].text == "stripped") != (n.Revision == "") {
			return p.fail(cells[0], "a stripped push, and no other, has the revision -")
		}
		return nil
	}
	if n.Revision == "" {
		return p.fail(id, "a push with the revision - must say: stripped")
	}
	if len(cells) != len(r.labels) {
		at := id
		if len(cells) > len(r.labels) {
			at = cells[len(r.labels)]
		}
		return p.fail(at, "push %s has %d cells, expected %d, one for each label", id.text, len(cells), len(r.labels))
	}
	for i, c := range cells {
		runs, err := p.cell(c)
		if err != nil {
			return err
		}
		if len(runs) > 0 {
			n.cells[r.labels[i]] = runs
		}
	}
	return nil
}

// cell reads "-" or "pass,fail*2:no-test": of the latter one run of item 0, and two of item 1. No
// runs for "-".
func (p *parser) cell(c word) ([]cellRun, error) {
	if c.text == "-" {
		return nil, nil
	}
	var runs []cellRun
	col, items := c.col, 0
	for item := range strings.SplitSeq(c.text, ",") {
		at := word{item, col}
		col += len(item) + 1 // with the comma
		name, flags, hasFlags := strings.Cut(item, ":")
		name, times, hasTimes := strings.Cut(name, "*")
		status, ok := statusOf(name)
		if !ok {
			return nil, p.fail(at, "%q: expected -, pass, fail, or one of %s", name, allStatuses())
		}
		run, n := cellRun{status: status, item: items}, 1
		items++
		if hasTimes {
			var err error
			if n, err = strconv.Atoi(times); err != nil || n < 1 || n > most {
				return nil, p.fail(at, "%q: expected a number from 1 to %d after *", item, most)
			}
		}
		if hasFlags {
			if err := p.flags(at, flags, &run); err != nil {
				return nil, err
			}
		}
		if len(runs)+n > most {
			return nil, p.fail(at, "more than %d runs in one cell", most)
		}
		runs = append(runs, slices.Repeat([]cellRun{run}, n)...)
	}
	return runs, nil
}

// statusOf reads a cell's word: a status, or the short words of the grid.
func statusOf(name string) (job.Status, bool) {
	switch name {
	case "pass":
		return job.StatusSuccess, true
	case "fail":
		return job.StatusTestFailed, true
	}
	s, err := job.ParseStatus(name)
	return s, err == nil
}

// allStatuses are the words of job.Status, for an error.
func allStatuses() string {
	var all []string
	for _, s := range job.Statuses() {
		all = append(all, s.String())
	}
	return strings.Join(all, ", ")
}

// attribute reads what follows the cells: user=, undoes= or merge=. "merge=autoland:17..20" is the
// pushes 17 to 20, "merge=autoland:17" push 17 alone.
func (p *parser) attribute(r *repo, n *push, at word) error {
	name, value, _ := strings.Cut(at.text, "=")
	switch name {
	case "user":
		if value == "" || n.user != "" {
			return p.fail(at, "expected user=NAME, once")
		}
		n.user = value
	case "undoes":
		id, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n.undoes != 0 || r.push(id) == nil {
			return p.fail(at, "%q: expected undoes=ID, once, with the id of an older push", at.text)
		}
		n.undoes = id
	case "merge":
		from, ids, _ := strings.Cut(value, ":")
		lo, hi, both := strings.Cut(ids, "..")
		if !both {
			hi = lo
		}
		first, err1 := strconv.ParseInt(lo, 10, 64)
		last, err2 := strconv.ParseInt(hi, 10, 64)
		if err1 != nil || err2 != nil || from == "" || first > last || from == r.name || n.Revision == "" {
			return p.fail(at, "%q: expected merge=REPO:FIRST..LAST, with push ids of another repository", at.text)
		}
		p.merges = append(p.merges, pendingMerge{at, p.line, r, n, merge{from, first, last}})
	default:
		return p.fail(at, "attribute %q: expected user=, merge= or undoes=", name)
	}
	return nil
}

package link

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/job"
)

// page is an address under a deployment.
type page struct {
	path       []string // decoded, without empty parts
	fragment   string   // as it is in the address
	route      []string // the fragment's path, for pages that have theirs there, as path
	params     []param  // of the query, and of the one in the fragment
	repository func(string) string
}

type param struct{ name, value string }

func readPage(u *url.URL) page {
	p := page{path: segments(u.EscapedPath()), fragment: u.EscapedFragment()}
	route, query, _ := strings.Cut(p.fragment, "?")
	p.route = segments(route)
	if route != "" && route[0] != '/' { // a place within the page
		query = ""
	}
	for _, q := range []string{u.RawQuery, query} {
		for pair := range strings.SplitSeq(q, "&") {
			name, value, _ := strings.Cut(pair, "=")
			name, err := url.QueryUnescape(name)
			if err != nil {
				continue // none of those that are read
			}
			text, err := url.QueryUnescape(value)
			if err != nil {
				text = value // a stray % is in none of the values that are read
			}
			if text = strings.TrimSpace(text); text != "" {
				p.params = append(p.params, param{name, text})
			}
		}
	}
	return p
}

// segments are the parts of a path, decoded, without empty ones. A slash that is
// escaped is within a part, as in the names of builders and of artifacts.
func segments(path string) []string {
	var out []string
	for part := range strings.SplitSeq(path, "/") {
		if part == "" {
			continue
		}
		text, err := url.PathUnescape(part)
		if err != nil {
			text = part // net/url has read the whole
		}
		out = append(out, text)
	}
	return out
}

// one is the value of the parameters with these names, which mean the same: at most
// one value, "" for none. Equal reports whether two values do mean the same.
func (p page) one(equal func(a, b string) bool, names ...string) (string, error) {
	var found *param
	for i, q := range p.params {
		for _, name := range names {
			if q.name != name {
				continue
			}
			if found != nil && !equal(found.value, q.value) {
				return "", contradiction(found.name+"="+found.value, name+"="+q.value)
			}
			if found == nil || len(q.value) > len(found.value) {
				found = &p.params[i]
			}
		}
	}
	if found == nil {
		return "", nil
	}
	return found.value, nil
}

func contradiction(a, b string) error {
	return invalid("the link says both %s and %s: leave one of them out", shown(a, mostValue), shown(b, mostValue))
}

func same(a, b string) bool { return a == b }

// revision is the revision that the parameters say, "" for none.
func (p page) revision(names ...string) (string, error) {
	text, err := p.one(job.SameRevision, names...)
	if err != nil || text == "" {
		return "", err
	}
	return parseRevision(text)
}

func parseRevision(text string) (string, error) {
	rev, err := job.ParseRevision(text)
	if err != nil { // which quotes the text
		return "", invalid("revision %q: expected 12 to 40 hexadecimal digits, or tip", shown(text, mostValue))
	}
	return rev, nil
}

// count is the number that the parameters say, nil for none.
func (p page) count(names ...string) (*int64, error) {
	text, err := p.one(same, names...)
	if err != nil || text == "" {
		return nil, err
	}
	return integer(names[0], text, text, 1, mostID)
}

// mostID is the largest number that survives JSON everywhere.
const mostID = 1<<53 - 1

// mostRun is the largest number of a run that Taskcluster's schemas have.
const mostRun = 1000

func runNumber(text string) (*int64, error) { return integer("run", text, text, 0, mostRun) }

// integer reads a number in digits, which stood in a text.
func integer(what, text, in string, least, most int64) (*int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most || text[0] == '+' || text[0] == '-' {
		return nil, invalid("%s %q: expected a number from %d to %d", what, shown(in, mostValue), least, most)
	}
	return &n, nil
}

// idLength is how long a task's id is.
const idLength = 22

// taskID checks the id of a task or a task group.
func taskID(what, text string) (string, error) {
	if !slug.Valid(text) {
		return "", invalid("%s %q: expected the %d characters of an id", what, shown(text, mostValue), idLength)
	}
	return text, nil
}

var repoName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$`)

// repo is the name of the repository at a path.
func (p page) repo(path string) (string, error) {
	if !repoName.MatchString(path) {
		return "", invalid("repository %q: expected a name or path of letters, digits, dots and dashes",
			shown(path, mostValue))
	}
	if p.repository != nil {
		path = p.repository(path)
	}
	return path, nil
}

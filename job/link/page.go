package link

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/mozci/mozci/internal/slug"
	"github.com/mozci/mozci/job"
)

// page is an address relative to a deployment's root.
type page struct {
	path       []string // decoded, without empty parts
	fragment   string   // as it is in the address, escaped
	route      []string // the fragment as a path, split like path; pages of old web apps have theirs there
	params     []param  // of the query, then of the query within the fragment
	repository func(string) string
}

type param struct{ name, value string }

func readPage(u *url.URL) page {
	p := page{path: segments(u.EscapedPath()), fragment: u.EscapedFragment()}
	route, query, _ := strings.Cut(p.fragment, "?")
	p.route = segments(route)
	if route != "" && route[0] != '/' { // #L123: a place within the page, which has no query
		query = ""
	}
	for _, q := range []string{u.RawQuery, query} {
		for pair := range strings.SplitSeq(q, "&") {
			name, value, _ := strings.Cut(pair, "=")
			name, err := url.QueryUnescape(name)
			if err != nil {
				continue // no known parameter has such a name
			}
			text, err := url.QueryUnescape(value)
			if err != nil {
				text = value // no valid value has a stray %; the check of the value reports it
			}
			if text = strings.TrimSpace(text); text != "" {
				p.params = append(p.params, param{name, text})
			}
		}
	}
	return p
}

// segments are the parts of an escaped path, decoded, without empty ones. An escaped slash
// stays within its part, as names of builders and artifacts have them: "/a//b%2Fc/" is
// "a" and "b/c".
func segments(path string) []string {
	var out []string
	for part := range strings.SplitSeq(path, "/") {
		if part == "" {
			continue
		}
		text, err := url.PathUnescape(part)
		if err != nil {
			text = part // cannot happen: net/url has decoded the whole address
		}
		out = append(out, text)
	}
	return out
}

// one returns the value of the parameters with these names, all of which mean the same
// thing; "" when the page has none of them. Two values that are not equal by the function
// given are an error. Of two equal ones it returns the longer: 40 digits of a revision
// say more than 12.
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

// revision is the revision in the parameters with these names; "" for none.
func (p page) revision(names ...string) (string, error) {
	text, err := p.one(job.SameRevision, names...)
	if err != nil || text == "" {
		return "", err
	}
	return parseRevision(text)
}

func parseRevision(text string) (string, error) {
	rev, err := job.ParseRevision(text)
	if err != nil { // it is not wrapped: it quotes the text, secrets too
		return "", invalid("revision %q: expected 12 to 40 hexadecimal digits, or tip", shown(text, mostValue))
	}
	return rev, nil
}

// count is the number, 1 or more, in the parameters with these names; nil for none.
func (p page) count(names ...string) (*int64, error) {
	text, err := p.one(same, names...)
	if err != nil || text == "" {
		return nil, err
	}
	return integer(names[0], text, text, 1, mostID)
}

// mostID is 2^53-1, the largest integer up to which JSON readers that use floating-point
// numbers keep every integer exact.
const mostID = 1<<53 - 1

// mostRun is the maximum of a run's number in Taskcluster's schemas.
const mostRun = 1000

func runNumber(text string) (*int64, error) { return integer("run", text, text, 0, mostRun) }

// integer reads a decimal number between least and most. The error calls it what and
// quotes in, the text that the number is from. Signs are refused: ParseInt would take
// "+7".
func integer(what, text, in string, least, most int64) (*int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most || text[0] == '+' || text[0] == '-' {
		return nil, invalid("%s %q: expected a number from %d to %d", what, shown(in, mostValue), least, most)
	}
	return &n, nil
}

// idLength is the length of a task's id in characters: 16 bytes in base64, without padding.
const idLength = 22

// taskID checks the id of a task or a task group.
func taskID(what, text string) (string, error) {
	if !slug.Valid(text) {
		return "", invalid("%s %q: expected the %d characters of an id", what, shown(text, mostValue), idLength)
	}
	return text, nil
}

// repoName matches a repository's name or path, such as autoland or integration/autoland.
// No part begins with a dot or a dash: not "..", nor what a program could take for an
// option.
var repoName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$`)

// repo checks a repository's path and returns its name, by Deployments.Repository.
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

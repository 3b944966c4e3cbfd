package scene

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/gunzip"
	"github.com/mozci/mozci/internal/testing/shape"
	"github.com/mozci/mozci/job/cassette"
)

// Compare says how the answers of two recordings differ in form, in lines that begin
// with the endpoint: its path without what differs from push to push, the names of its
// parameters, and the status. Values do not matter.
//
//	GET /api/v2/builds/{n} 200: builds[].results: string, want null or number
//	GET /api/v2/changes?limit 200: is asked no more
func Compare(before, after []cassette.Exchange, keyed ...string) []string {
	was, is := byEndpoint(before), byEndpoint(after)
	var out []string
	for _, at := range slices.Sorted(maps.Keys(was)) {
		if is[at] == nil {
			out = append(out, at+": is asked no more")
			continue
		}
		for _, line := range differences(was[at], is[at], keyed) {
			out = append(out, at+": "+line)
		}
	}
	for _, at := range slices.Sorted(maps.Keys(is)) {
		if was[at] == nil {
			out = append(out, at+": was not asked before")
		}
	}
	return out
}

func byEndpoint(exchanges []cassette.Exchange) map[string][]string {
	out := map[string][]string{}
	for _, e := range exchanges {
		at := fmt.Sprintf("%s %s %d", e.Method, endpoint(e.URL), e.Status)
		out[at] = append(out[at], unpacked(e.Answer))
	}
	return out
}

// unpacked is an answer that is a file packed by gzip, as the file is; or else the answer.
func unpacked(answer string) string {
	r, err := gunzip.Reader(strings.NewReader(answer))
	if err != nil {
		return answer
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return answer
	}
	return string(plain)
}

// What differs from push to push in a path: a number, a hash, and an id of Taskcluster.
var (
	number = regexp.MustCompile(`^\d+$`)
	hash   = regexp.MustCompile(`^[0-9a-f]{12,40}$`)
	slug   = regexp.MustCompile(`^[\w-]{22}$`)
	date   = regexp.MustCompile(`\d{4}-\d\d-\d\d`)
	dotted = regexp.MustCompile(`\.([0-9a-f]{12,40}|\d+)\b`)
)

// endpoint is a URL without what differs from push to push.
func endpoint(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	parts := strings.Split(u.EscapedPath(), "/")
	for i, p := range parts {
		switch {
		case number.MatchString(p):
			parts[i] = "{n}"
		case hash.MatchString(p):
			parts[i] = "{revision}"
		case slug.MatchString(p):
			parts[i] = "{id}"
		default:
			parts[i] = dotted.ReplaceAllString(date.ReplaceAllString(p, "{date}"), ".{of a push}")
		}
	}
	path := strings.Join(parts, "/")
	if names := slices.Sorted(maps.Keys(u.Query())); len(names) > 0 {
		path += "?" + strings.Join(names, "&")
	}
	return path
}

// differences are those of the answers of one endpoint. Where some are no JSON, it is
// only told whether they were.
func differences(was, is, keyed []string) []string {
	before, all := list(was)
	after, still := list(is)
	switch {
	case !all && !still:
		return nil
	case all != still:
		return []string{fmt.Sprintf("all are JSON: %t, before %t", still, all)}
	}
	var keys []string
	for _, k := range keyed {
		if k = "[]." + k; k == "[].." {
			k = "[]"
		}
		keys = append(keys, k)
	}
	out := shape.Diff(before, after, keys...)
	for i, line := range out {
		line = strings.TrimPrefix(line, "[]")
		if out[i] = strings.TrimPrefix(line, "."); strings.HasPrefix(line, ":") {
			out[i] = "." + line
		}
	}
	return out
}

// list is a JSON list of answers; it is false where one is no JSON.
func list(answers []string) ([]byte, bool) {
	for _, a := range answers {
		if !json.Valid([]byte(a)) {
			return nil, false
		}
	}
	return []byte("[" + strings.Join(answers, ",") + "]"), true
}

package joblog

import (
	"path"
	"strings"
)

// located is the canonical name of one address or path.
func located(t string) string {
	at, query := t, ""
	if i := strings.IndexByte(t, '?'); i >= 0 {
		at, query = t[:i], t[i:]
	}
	at = withoutLine(strings.ReplaceAll(at, `\`, "/"))
	for _, ext := range []string{".toml:", ".ini:", ".list:"} {
		if i := strings.LastIndex(at, ext); i >= 0 {
			return located(at[i+len(ext):] + query)
		}
	}
	if strings.HasSuffix(at, "jsreftest.html") {
		if script, ok := strings.CutPrefix(query, "?test="); ok {
			if i := strings.IndexAny(script, ";&"); i >= 0 {
				script = script[:i]
			}
			return located(script)
		}
	}
	for _, home := range []string{"chrome://mochitests/content/", "chrome://mochikit/content/"} {
		if in, ok := strings.CutPrefix(at, home); ok {
			return clean(withoutFlavour(in)) + query
		}
	}
	switch {
	case strings.HasPrefix(at, "file:/"):
		at = "/" + strings.TrimLeft(at[len("file:"):], "/")
	case strings.HasPrefix(at, "http://"), strings.HasPrefix(at, "https://"):
		return served(at) + query
	case strings.Contains(at, "://"):
		return at + query
	}
	return inTree(clean(at)) + query
}

// withoutLine is a file without the line and the column that a linter or an exception wrote after
// it: "a.js" for "a.js:12:3".
func withoutLine(at string) string {
	for range 2 {
		i := strings.LastIndexByte(at, ':')
		if i <= 0 || i+1 == len(at) || digits(at[i+1:]) < len(at)-i-1 || !strings.Contains(base(at[:i]), ".") {
			break
		}
		at = at[:i]
	}
	return at
}

// flavours are the folders under which a mochitest's own folder is served.
var flavours = []string{
	"browser/", "chrome/", "a11y/", "tests/", "plain/", "metro/", "webapprtChrome/",
	"webapprtContent/",
}

func withoutFlavour(in string) string {
	for _, f := range flavours {
		if rest, ok := strings.CutPrefix(in, f); ok {
			return rest
		}
	}
	return in
}

// served is the name of a file on an HTTP server. The host and the port do not matter, nor does the
// folder that reftests make for each run.
func served(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	host, in, _ := strings.Cut(rest, "/")
	in = clean(in)
	if first, after, ok := strings.Cut(in, "/"); ok && len(first) >= 10 && digits(first) == len(first) {
		in = after
	}
	if !strings.Contains(host, "web-platform.test") {
		for _, f := range []string{"browser/", "chrome/", "a11y/"} {
			if rest, ok := strings.CutPrefix(in, f); ok {
				return rest
			}
		}
	}
	return inTree("/" + in)
}

// clean removes "./", "//" and "a/.." from a path.
func clean(p string) string {
	p = strings.TrimPrefix(p, "./")
	if !strings.Contains(p, "//") && !strings.Contains(p, "/./") && !strings.Contains(p, "/../") {
		return p
	}
	slash := ""
	if strings.HasSuffix(p, "/") {
		slash = "/"
	}
	return strings.TrimSuffix(path.Clean(p), "/") + slash
}

// suites are the folders in which packages of tests and source trees keep the tests of a suite, with
// the text that replaces the folder in a canonical name.
var suites = []struct{ folder, name string }{
	{"web-platform/mozilla/tests/", "/_mozilla/"},
	{"web-platform/tests/", "/"},
	{"jit-test/jit-test/tests/", "js/src/jit-test/tests/"},
	{"jsreftest/tests/js/src/tests/", ""},
	{"jsreftest/tests/", ""},
	{"reftest/tests/", ""},
	{"xpcshell/tests/", ""},
	{"mochitest/tests/", ""},
	{"mochitest/browser/", ""},
	{"mochitest/chrome/", ""},
	{"mochitest/a11y/", ""},
}

// inTree is a path without the machine's folders before the source tree.
func inTree(p string) string {
	if len(p) > 2 && p[1] == ':' && p[2] == '/' { // a drive
		p = "/" + p
	}
	if !strings.HasPrefix(p, "/") {
		return inSuite(p)
	}
	root := machine(p)
	if root {
		for _, tree := range []string{"/checkouts/gecko/", "/build/src/"} {
			if i := strings.LastIndex(p, tree); i >= 0 {
				return inSuite(p[i+len(tree):])
			}
		}
		if in, ok := packaged(p); ok {
			return in
		}
	}
	before, in, ok := strings.Cut(p, "/tests/")
	if !ok || before != "" && (!root || !strings.Contains(before, "build")) {
		return p
	}
	return inSuite(in)
}

// packaged is the canonical name of a file in the folder of a suite. It takes the first such folder
// of the path, because tests have folders with these names too.
func packaged(p string) (string, bool) {
	first, name, in := len(p), "", ""
	for _, s := range suites {
		if i := strings.Index(p, "/"+s.folder); i >= 0 && i < first {
			first, name, in = i, s.name, p[i+1+len(s.folder):]
		}
	}
	return inSuite(name + in), first < len(p)
}

// inSuite is the canonical name of a path within the source tree or a package of
// tests.
func inSuite(p string) string {
	in := p
	for _, top := range []string{"build/", "tests/"} {
		in = strings.TrimPrefix(in, top)
	}
	if strings.HasPrefix(p, "testing/web-platform/") {
		in = strings.TrimPrefix(p, "testing/")
	}
	for _, s := range suites {
		if rest, ok := strings.CutPrefix(in, s.folder); ok {
			return inSuite(s.name + rest)
		}
	}
	if rest, ok := strings.CutPrefix(p, "jit-test/tests/"); ok {
		return "js/src/jit-test/tests/" + rest
	}
	if rest, ok := strings.CutPrefix(p, "js/src/tests/"); ok { // jsreftest.html names scripts by the path below
		return rest
	}
	return p
}

// machine reports whether an absolute path names a file on some machine, and is not the id of a web
// platform test.
func machine(p string) bool {
	first, _, ok := strings.Cut(p[1:], "/")
	if !ok {
		return false
	}
	switch first {
	case "builds", "build", "home", "Users", "opt", "tmp", "var", "private", "data", "mnt", "sdcard", "storage",
		"root", "work", "workspace", "worker", "usr", "srv":
		return true
	}
	return strings.HasSuffix(first, ":") || strings.Contains(p, "/build/")
}
